//! The one stream that every feed becomes: what happened to which instrument, at what price in ticks, when, and in which order.
//!
//! Prices and sizes are integers. What a tick and a lot are worth stands in the instrument's [`Definition`](crate::instruments::Definition), which
//! reaches the table of instruments before an event of the instrument leaves the decoder. Times are nanoseconds since the Unix epoch.

use crate::instruments::Instruments;

/// An instrument of one feed: an index into its [`Instruments`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct InstrumentId(pub u32);

/// Which side of the book an order rests on, or which side a trade's resting order was of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// Those who would buy.
    Bid = 0,
    /// Those who would sell.
    Ask = 1,
}

impl Side {
    /// The other side.
    pub fn opposite(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }
}

/// What a reader of events must know beside the event itself; a set of the constants below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[repr(transparent)]
pub struct Flags(pub u8);

impl Flags {
    /// The book is whole again after this event: the venue's message, or its group of messages, ends here.
    pub const LAST: Self = Self(1);
    /// Part of a snapshot, not something that happened now.
    pub const SNAPSHOT: Self = Self(2);
    /// The exchange's time is missing or known to be wrong, and holds the time of receipt.
    pub const BAD_TIME: Self = Self(4);
    /// The feed lost something before this event: the book may be wrong until the next snapshot.
    pub const GAP: Self = Self(8);
    /// An execution that counts for no volume: the venue reports it again in bulk, as a [`Body::Trade`] of a cross.
    pub const NON_PRINTABLE: Self = Self(16);

    /// Whether all of `other`'s flags are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When the exchange says that it happened.
    pub exchange_ns: u64,
    /// When it was received; the exchange's time where a file does not say.
    pub receive_ns: u64,
    /// The feed's own number of the message, ascending within the feed; the count of its messages where it numbers none.
    pub sequence: u64,
    /// To which instrument.
    pub instrument: InstrumentId,
    /// What else is known of it.
    pub flags: Flags,
    /// What happened.
    pub body: Body,
}

/// What happened to an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A new order rests in the book, last in the queue of its price.
    Add {
        /// The venue's number of the order.
        order_id: u64,
        /// Its side.
        side: Side,
        /// Its price.
        price_ticks: i64,
        /// What it shows.
        size: u64,
    },
    /// A resting order has another size, price or number. It keeps its place in the queue if neither its price nor its number changes and its
    /// size does not grow; else it goes last.
    Modify {
        /// The number that the order had.
        order_id: u64,
        /// The number that it has from now on; often the same.
        new_order_id: u64,
        /// The new price.
        price_ticks: i64,
        /// The new size.
        size: u64,
    },
    /// A resting order shows less, and is gone when nothing is left of it.
    Cancel {
        /// The venue's number of the order.
        order_id: u64,
        /// What is taken away; [`ALL`] takes the whole order.
        size: u64,
    },
    /// A resting order was executed: the book loses `size`, and a trade took place.
    Execute {
        /// The venue's number of the resting order.
        order_id: u64,
        /// What was executed.
        size: u64,
        /// The price of the trade where it was not the order's own; else [`NO_PRICE`].
        price_ticks: i64,
    },
    /// A trade that takes nothing from the book that this feed shows: against a hidden order, in a cross, or reported beside book updates.
    Trade {
        /// The side of the resting order, where the venue tells.
        resting_side: Option<Side>,
        /// The price.
        price_ticks: i64,
        /// What was traded.
        size: u64,
    },
    /// A price level holds this much from now on: 0 takes the level away. From feeds that show levels, not orders.
    Level {
        /// The side of the level.
        side: Side,
        /// Its price.
        price_ticks: i64,
        /// All that rests there.
        size: u64,
    },
    /// The book of the instrument is empty from now on; what follows fills it again.
    Clear,
    /// One side of the top of the book, as a feed of quotes tells it. [`NO_PRICE`] says that there is no quote on that side.
    Quote {
        /// The side.
        side: Side,
        /// The best price.
        price_ticks: i64,
        /// What rests there.
        size: u64,
    },
    /// The instrument trades, or does not.
    Status(TradingStatus),
    /// The definition of the instrument in the table of instruments is new, or has changed.
    Definition,
}

/// In [`Body::Cancel`]: the whole order, however much is left of it.
pub const ALL: u64 = u64::MAX;

/// Where there is no price.
pub const NO_PRICE: i64 = i64::MAX;

/// Whether an instrument trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TradingStatus {
    /// Before the session: orders are taken, nothing is matched.
    PreOpen,
    /// Continuous trading.
    Trading,
    /// An auction collects orders.
    Auction,
    /// Orders are taken or shown, nothing is matched, for now.
    Paused,
    /// Trading has been stopped.
    Halted,
    /// The session is over.
    Closed,
}

/// What takes events from a decoder or a book.
pub trait Sink {
    /// Takes the next event.
    fn event(&mut self, event: &Event);

    /// Told after each message of the feed, once its events (there may be none) have been given, with the instruments as they are known now.
    fn message_end(&mut self, instruments: &Instruments) {
        let _ = instruments;
    }

    /// Whether [`ahead`](Self::ahead) is of use now: a decoder that has many messages at hand asks before it begins.
    #[inline]
    fn looks_ahead(&self) -> bool {
        false
    }

    /// Told what a later message will probably be of, so that memory can be fetched until then; once for each [`Step`], in their order. `known` is the
    /// order's number at the first step, and at each other one what the sink gave for the message at the step before. It may be wrong, and nothing
    /// but time may depend on it.
    #[inline]
    fn ahead(&self, step: Step, instrument: InstrumentId, known: u64) -> u64 {
        let _ = (step, instrument);
        known
    }
}

/// How far away a message is that [`Sink::ahead`] tells of: what leads to its memory is fetched first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Some twelve messages away.
    Far,
    /// Some eight.
    Near,
    /// Some four.
    Next,
}

impl Sink for Vec<Event> {
    fn event(&mut self, event: &Event) {
        self.push(*event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_small_enough_to_be_copied() {
        assert!(size_of::<Event>() <= 72, "{}", size_of::<Event>());
    }

    #[test]
    fn flags_are_a_set() {
        let both = Flags::LAST | Flags::SNAPSHOT;
        assert!(both.contains(Flags::LAST) && both.contains(Flags::SNAPSHOT) && !both.contains(Flags::GAP));
        assert_eq!(Side::Bid.opposite(), Side::Ask);
    }
}

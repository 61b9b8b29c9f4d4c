//! The books of one instrument after each message, and its trades, from the events of a feed: what features take.

use super::{Depth, Level, Trade};
use crate::{
    book::Books,
    event::{Body, Event, Flags, InstrumentId, NO_PRICE, Side},
};

/// Which times of its events a stream runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// When the exchange says that it happened.
    #[default]
    Exchange,
    /// When it was received: a strategy knew it then and not before.
    Receive,
}

impl Times {
    /// The time of an event; `None` where it does not say ([`Flags::BAD_TIME`]).
    pub fn of(self, event: &Event) -> Option<u64> {
        match self {
            Self::Exchange => (!event.flags.contains(Flags::BAD_TIME)).then_some(event.exchange_ns),
            Self::Receive => Some(event.receive_ns),
        }
    }
}

/// The longest step forward that one event's time is believed for.
const LONGEST_STEP_NS: u64 = 86_400_000_000_000;

/// What a [`DepthStream`] gives.
#[derive(Debug, Clone, Copy)]
pub enum Next<'a> {
    /// Something was lost, or the book begins anew: what differs between the last book and the next is of no one event.
    Break,
    /// A trade took place; the book that it left behind comes next.
    Trade(Trade),
    /// The book is this from now on.
    Book(Depth<'a>),
}

/// Keeps the book of one instrument, and gives it and its trades, as [`FeatureStream`](super::FeatureStream) tells it.
#[derive(Debug)]
pub struct DepthStream {
    books: Books,
    instrument: InstrumentId,
    levels: usize,
    sides: [Vec<Level>; 2],
    /// The latest time that was told, and that is believed.
    told_ns: Option<u64>,
    /// The last event's time, where it is not believed yet.
    doubted_ns: Option<u64>,
    unbelieved_times: u64,
    times: Times,
}

impl DepthStream {
    /// Books of an instrument, so many levels of each.
    pub fn new(instrument: InstrumentId, levels: usize) -> Self {
        let sides = [Vec::with_capacity(levels), Vec::with_capacity(levels)];
        Self {
            books: Books::new(),
            instrument,
            levels,
            sides,
            told_ns: None,
            doubted_ns: None,
            unbelieved_times: 0,
            times: Times::Exchange,
        }
    }

    /// The same, on these times.
    pub fn on(mut self, times: Times) -> Self {
        self.times = times;
        self
    }

    /// Takes the next event, and gives what it brings: a break, then a trade, then a book, each at most once.
    #[inline]
    pub fn event(&mut self, event: &Event, give: &mut impl FnMut(Next<'_>)) {
        if event.instrument != self.instrument {
            return;
        }
        if let Some(time_ns) = self.times.of(event) {
            self.told_ns = Some(self.believed_ns(time_ns));
        }
        let time_ns = self.told_ns.unwrap_or(event.exchange_ns);
        let is_refill = event.body == Body::Clear && event.flags.contains(Flags::SNAPSHOT);
        if is_refill || event.flags.contains(Flags::GAP) {
            give(Next::Break);
        }
        if let Some(trade) = self.trade(event, time_ns) {
            give(Next::Trade(trade));
        }
        self.books.apply(event);
        let book = self.books.book(self.instrument);
        let has_levels = book.depth(Side::Bid) + book.depth(Side::Ask) > 0;
        let is_of_book = match event.body {
            Body::Quote { .. } => !has_levels,
            Body::Definition | Body::Status(_) => false,
            _ => true,
        };
        if !is_of_book || !event.flags.contains(Flags::LAST) {
            return;
        }
        for side in [Side::Bid, Side::Ask] {
            let levels = &mut self.sides[side as usize];
            levels.clear();
            let best = book.levels(side).take(self.levels);
            levels.extend(best.map(|level| Level { price_ticks: level.price_ticks, size: level.size }));
            if !has_levels {
                levels.extend(book.quote(side).map(|(price_ticks, size)| Level { price_ticks, size }));
            }
        }
        let [bids, asks] = &self.sides;
        give(Next::Book(Depth { time_ns, bids, asks }));
    }

    /// Moves the time on to one at which nothing was told.
    pub fn advance(&mut self, time_ns: u64) {
        self.told_ns = self.told_ns.max(Some(time_ns));
    }

    /// The time that an event which tells one is taken to have.
    fn believed_ns(&mut self, time_ns: u64) -> u64 {
        let Some(latest_ns) = self.told_ns else { return time_ns };
        let is_confirmed = self.doubted_ns.take().is_some_and(|doubted| time_ns.abs_diff(doubted) <= LONGEST_STEP_NS);
        if time_ns.saturating_sub(latest_ns) <= LONGEST_STEP_NS || is_confirmed {
            return latest_ns.max(time_ns);
        }
        self.doubted_ns = Some(time_ns);
        self.unbelieved_times += 1;
        latest_ns
    }

    /// The latest time that was told, and that is believed.
    pub fn time_ns(&self) -> Option<u64> {
        self.told_ns
    }

    /// How many events told a time more than a day after the one before, which nothing had confirmed; the first event after a weekend is one.
    pub fn unbelieved_times(&self) -> u64 {
        self.unbelieved_times
    }

    /// The trade that an event tells; an execution is at the price of its order unless it says another, and of no more than is left of it.
    pub(super) fn trade(&self, event: &Event, time_ns: u64) -> Option<Trade> {
        match event.body {
            Body::Trade { resting_side, price_ticks, size } => Some(Trade { time_ns, price_ticks, size, resting_side }),
            Body::Execute { order_id, size, price_ticks } if !event.flags.contains(Flags::NON_PRINTABLE) => {
                let (side, order_ticks, left) = self.books.book(self.instrument).order(order_id)?;
                let price_ticks = if price_ticks == NO_PRICE { order_ticks } else { price_ticks };
                Some(Trade { time_ns, price_ticks, size: size.min(left), resting_side: Some(side) })
            }
            _ => None,
        }
    }

    /// The book.
    pub fn books(&self) -> &Books {
        &self.books
    }
}

//! What is known of one instrument of a channel: its units, its levels, and whether its book can be trusted.

use std::collections::VecDeque;

use super::ladder::{Ladder, LevelUpdate};
use crate::event::{InstrumentId, Side};

/// A billion: prices and display factors are told in billionths.
const NANOS: i64 = 1_000_000_000;
/// How many levels a side has where the definition does not say.
const USUAL_DEPTH: usize = 10;

/// Whether the book of an instrument can be trusted, and what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookState {
    /// No snapshot has come yet: updates are kept, not given.
    AwaitingSnapshot,
    /// Nothing is missing.
    Live,
    /// Packets were lost, and whether an update of this instrument was among them its next report number tells.
    Unsure,
    /// An update was lost, or did not fit: the book has been cleared, and updates are kept until a snapshot comes.
    Broken,
}

/// A change of the book that may have to wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Level(Side, LevelUpdate),
    Order { id: u64, side: Side, action: OrderAction, mantissa: i64, size: u64 },
    Reset,
}

/// What happens to an order: `OrderUpdateAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderAction {
    /// It is new.
    New = 0,
    /// It has another price or size.
    Update = 1,
    /// It is gone.
    Delete = 2,
}

impl OrderAction {
    /// The action of a number.
    pub fn of(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::New,
            1 => Self::Update,
            2 => Self::Delete,
            _ => return None,
        })
    }
}

/// Of which packet and when a change is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    pub sequence: u64,
    pub exchange_ns: u64,
    pub receive_ns: u64,
}

/// An order of a snapshot that comes in pieces.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoadedOrder {
    pub priority: u64,
    pub id: u64,
    pub side: Side,
    pub mantissa: i64,
    pub size: u64,
}

/// A snapshot of which pieces have come.
#[derive(Debug)]
pub(super) struct Loading {
    pub processed: u64,
    pub chunks: u64,
    pub next: u64,
    pub orders: Vec<LoadedOrder>,
}

/// How a price in billionths becomes one that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Factor {
    One,
    /// Factors of 0.1, 0.01 and so on.
    Divide(i64),
    /// Any other, in billionths.
    Times(i64),
}

impl Factor {
    /// A factor in billionths; `None` where it is not above zero.
    pub fn of(nanos: i64) -> Option<Self> {
        if nanos <= 0 {
            return None;
        }
        Some(match NANOS.checked_rem(nanos) {
            _ if nanos == NANOS => Self::One,
            Some(0) => Self::Divide(NANOS / nanos),
            _ => Self::Times(nanos),
        })
    }

    /// The shown price in billionths; `None` where it is finer than that or too large.
    #[inline]
    pub fn ticks(self, mantissa: i64) -> Option<i64> {
        match self {
            Self::One => Some(mantissa),
            Self::Divide(by) => (mantissa % by == 0).then_some(mantissa / by),
            Self::Times(nanos) => {
                let (price, nano) = (i128::from(mantissa) * i128::from(nanos), i128::from(NANOS));
                i64::try_from(price / nano).ok().filter(|_| price % nano == 0)
            }
        }
    }
}

/// One instrument.
#[derive(Debug)]
pub(super) struct Security {
    pub instrument: InstrumentId,
    pub factor: Factor,
    /// In billionths as shown; `None` where the venue tells none.
    pub increment_nanos: Option<i64>,
    pub group: Vec<u8>,
    pub asset: Vec<u8>,
    pub depth: usize,
    pub state: BookState,
    pub ladders: [Ladder; 2],
    /// The last report number, and the packet that told it.
    pub report: u64,
    pub report_sequence: u64,
    /// Packets up to this one are in the snapshot that was applied.
    pub applied_to: u64,
    pub held: VecDeque<(Meta, Change)>,
    pub loading: Option<Loading>,
    /// Something was lost, and no event has told it yet.
    pub gap_untold: bool,
    /// Something of the book has been told.
    pub has_book: bool,
    /// Changes up to this packet were dropped: a snapshot from before it does not make the book whole.
    pub dropped_to: u64,
    /// The message that gave its latest event, and the event's place in it.
    pub latest_event: (u64, usize),
}

impl Security {
    pub fn new(instrument: InstrumentId, state: BookState) -> Self {
        Self {
            instrument,
            factor: Factor::One,
            increment_nanos: None,
            group: Vec::new(),
            asset: Vec::new(),
            depth: USUAL_DEPTH,
            state,
            ladders: <[Ladder; 2]>::default(),
            report: 0,
            report_sequence: 0,
            applied_to: 0,
            held: VecDeque::new(),
            loading: None,
            gap_untold: false,
            has_book: false,
            dropped_to: 0,
            latest_event: (0, 0),
        }
    }

    /// Forgets the book, which is empty from now on.
    pub fn empty(&mut self) {
        self.ladders.iter_mut().for_each(Ladder::clear);
        self.held.clear();
        self.loading = None;
    }

    /// Whether a snapshot that holds the packets up to `processed` is of use, where those up to `lost_to` may be missing.
    pub fn can_use_snapshot(&self, processed: u64, lost_to: u64) -> bool {
        self.state != BookState::Live && processed >= lost_to.max(self.dropped_to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_prices_are_exact_or_none() {
        let factor = |nanos| Factor::of(nanos).unwrap();
        // ES: 446,025.00 × 0.01 = 4,460.25.
        assert_eq!(factor(10_000_000).ticks(446_025_000_000_000), Some(4_460_250_000_000));
        assert_eq!(factor(NANOS).ticks(-5), Some(-5));
        assert_eq!(factor(10_000_000).ticks(55), None);
        // 25 × 0.3.
        assert_eq!(factor(300_000_000).ticks(25_000_000_000), Some(7_500_000_000));
        assert_eq!(factor(20 * NANOS).ticks(i64::MAX), None);
        assert_eq!((Factor::of(0), Factor::of(-1)), (None, None));
    }
}

//! Order books of all instruments of one feed, exact to the order (L3) or to the level (L2), whichever the feed tells.
//!
//! [`Books`] takes [`Event`]s, and [`Books::book`] shows one instrument. A crossed book is data: pre-open books are crossed until the auction. What
//! cannot be applied is counted by [`Fault`], each of which says what is done instead; no event panics.
//!
//! ```
//! use zomma_market::book::Books;
//! use zomma_market::event::{Body, Event, Flags, InstrumentId, Side};
//!
//! let mut books = Books::new();
//! let mut tell = |sequence, body| {
//!     let (exchange_ns, instrument, flags) = (sequence * 1_000, InstrumentId(0), Flags::LAST);
//!     books.apply(&Event { exchange_ns, receive_ns: exchange_ns, sequence, instrument, flags, body })
//! };
//! tell(1, Body::Add { order_id: 70, side: Side::Bid, price_ticks: 999, size: 300 });
//! tell(2, Body::Add { order_id: 71, side: Side::Bid, price_ticks: 999, size: 100 });
//! tell(3, Body::Execute { order_id: 70, size: 200, price_ticks: zomma_market::event::NO_PRICE });
//! let book = books.book(InstrumentId(0));
//! let best = book.best(Side::Bid).unwrap();
//! assert_eq!((best.price_ticks, best.size, best.order_count), (999, 200, 2));
//! assert_eq!(book.queue_ahead(71).unwrap().size_ahead, 100);
//! ```
//!
//! # How it is kept
//!
//! One table finds every order by instrument and number (a number need only be unique within its instrument); orders and levels lie in two pools, an
//! order's neighbours in the queue and its level are places in them, and each side has its prices sorted with the best last. An event of the top of
//! the book touches about five cache lines, however many instruments there are; where these lie outside the processor's cache, books fetch
//! those of later events while they apply earlier ones, if the decoder tells them ahead ([`Sink::ahead`]: ITCH files and DBN do) or events are gathered
//! ([`BatchedBooks`]). Memory grows with what rests and is used again: once the books
//! have been at their largest, nothing is allocated.

mod apply;
mod batch;
mod checkpoint;
mod fault;
mod huge;
mod ladder;
mod pool;
mod table;
#[cfg(test)]
mod tests;
mod view;

pub use batch::BatchedBooks;
pub use checkpoint::CheckpointError;
pub use fault::{Fault, FaultCounts};
pub use view::{Book, LevelView, OrderView, QueuePlace};

use crate::event::{Event, InstrumentId, NO_PRICE, Sink, Step, TradingStatus};
use ladder::Ladder;
use pool::{Level, Order, Pool};
use table::OrderTable;

/// How much a book set takes in, so that a wrong event cannot ask for all memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Instruments have numbers below this; each number up to the greatest that was seen takes 104 bytes.
    pub instruments: u32,
    /// So many orders rest at once, and so many levels, at most 2³⁰; an order takes 48 to 64 bytes.
    pub orders: u32,
}

impl Default for Limits {
    /// 4,194,304 instruments (all of OPRA are 1.6 million) and 2³⁰ orders.
    fn default() -> Self {
        Self { instruments: 1 << 22, orders: MOST_ORDERS }
    }
}

impl Limits {
    /// The same, with no more orders than can be kept.
    fn within_reach(self) -> Self {
        Self { orders: self.orders.min(MOST_ORDERS), ..self }
    }
}

/// An order's place is 32 bits, and half of the table that finds it stays empty.
const MOST_ORDERS: u32 = 1 << 30;

/// From so many resting orders on, memory is fetched ahead: with their entries and levels they take about a megabyte, as much as a second-level cache
/// holds.
const MANY_ORDERS: usize = 1 << 14;

/// What every event of an instrument touches: one cache line.
#[derive(Debug, Clone, Default)]
#[repr(C, align(64))]
struct Head {
    /// Bids and asks, by the number of the side.
    ladders: [Ladder; 2],
    sequence: u64,
    exchange_ns: u64,
}

/// What is told of an instrument beside its orders and levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    /// Price and size by the number of the side; [`NO_PRICE`] for none.
    quotes: [(i64, u64); 2],
    status: Option<TradingStatus>,
    suspect: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self { quotes: [(NO_PRICE, 0); 2], status: None, suspect: false }
    }
}

/// The books of all instruments of one feed.
#[derive(Debug, Clone)]
pub struct Books {
    heads: Vec<Head>,
    told: Vec<Told>,
    table: OrderTable,
    orders: Pool<Order>,
    levels: Pool<Level>,
    faults: FaultCounts,
    limits: Limits,
    fetches_ahead: bool,
}

impl Books {
    /// Empty books, with the [default limits](Limits::default).
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// Empty books that take in no more than this.
    pub fn with_limits(limits: Limits) -> Self {
        Self::with_room(limits, 0, false)
    }

    /// Empty books with room for so many resting orders, so that filling them stops for no growth; where `on_huge_pages`, tables of over four
    /// megabytes lie on pages of two megabytes, where the system has them: fewer reads wait for page tables. One order takes 48 to 64 bytes.
    pub fn with_room(limits: Limits, orders: u32, on_huge_pages: bool) -> Self {
        let limits = limits.within_reach();
        let room = orders.min(limits.orders) as usize;
        Self {
            heads: Vec::new(),
            told: Vec::new(),
            table: OrderTable::with_capacity(room, on_huge_pages),
            orders: Pool::with_capacity(room, on_huge_pages),
            levels: Pool::with_capacity(0, on_huge_pages),
            faults: FaultCounts::default(),
            limits,
            fetches_ahead: true,
        }
    }

    /// The same books, which fetch memory ahead of what will be applied, or do not: they do unless this says otherwise. What they hold does not depend on it.
    pub fn fetching_ahead(mut self, is_wanted: bool) -> Self {
        self.fetches_ahead = is_wanted;
        self
    }

    /// One instrument's book; an empty one where nothing was told of it yet.
    pub fn book(&self, instrument: InstrumentId) -> Book<'_> {
        Book::of(self, instrument)
    }

    /// How many instruments may have a book: their numbers are below this.
    pub fn instruments(&self) -> u32 {
        self.heads.len() as u32
    }

    /// How many orders rest, in all books.
    pub fn orders(&self) -> usize {
        self.orders.used()
    }

    /// What could not be applied so far.
    pub fn faults(&self) -> &FaultCounts {
        &self.faults
    }
}

impl Default for Books {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for Books {
    #[inline]
    fn event(&mut self, event: &Event) {
        self.apply(event);
    }

    /// Where the books are so large that they do not stay near the processor: elsewhere fetching ahead costs more than it saves.
    #[inline]
    fn looks_ahead(&self) -> bool {
        self.fetches_ahead && self.orders() >= MANY_ORDERS
    }

    #[inline(always)]
    fn ahead(&self, step: Step, instrument: InstrumentId, known: u64) -> u64 {
        self.fetch(step, instrument.0, known)
    }
}

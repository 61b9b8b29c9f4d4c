//! The books of one instrument after each message, and its trades, from the events of a feed: what features take.

use super::{Clock, Depth, Level, Trade, is_of_book};
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
    clock: Clock,
    times: Times,
}

impl DepthStream {
    /// Books of an instrument, so many levels of each.
    pub fn new(instrument: InstrumentId, levels: usize) -> Self {
        let sides = [Vec::with_capacity(levels), Vec::with_capacity(levels)];
        Self { books: Books::new(), instrument, levels, sides, clock: Clock::default(), times: Times::Exchange }
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
        let time_ns = self.clock.at(event, self.times);
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
        if !is_of_book(event, has_levels) {
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
        self.clock.advance(time_ns);
    }

    /// The latest time that was told, and that is believed.
    pub fn time_ns(&self) -> Option<u64> {
        self.clock.told_ns()
    }

    /// The time that the next event would be taken to have, were it to tell this one.
    pub fn would_be_ns(&self, time_ns: u64) -> u64 {
        self.clock.would_be_ns(time_ns)
    }

    /// How many events told a time more than a day after the one before, which nothing had confirmed; the first event after a weekend is one.
    pub fn unbelieved_times(&self) -> u64 {
        self.clock.unbelieved_times()
    }

    /// The trade that an event tells.
    pub(super) fn trade(&self, event: &Event, time_ns: u64) -> Option<Trade> {
        trade_of(&self.books, event, time_ns)
    }

    /// The book.
    pub fn books(&self) -> &Books {
        &self.books
    }
}

/// The trade that an event tells, by the books before it; an execution is at the price of its order unless it says another, and of no more than is
/// left of it.
pub(crate) fn trade_of(books: &Books, event: &Event, time_ns: u64) -> Option<Trade> {
    match event.body {
        Body::Trade { resting_side, price_ticks, size } => Some(Trade { time_ns, price_ticks, size, resting_side }),
        Body::Execute { order_id, size, price_ticks } if !event.flags.contains(Flags::NON_PRINTABLE) => {
            let (side, order_ticks, left) = books.book(event.instrument).order(order_id)?;
            let price_ticks = if price_ticks == NO_PRICE { order_ticks } else { price_ticks };
            Some(Trade { time_ns, price_ticks, size: size.min(left), resting_side: Some(side) })
        }
        _ => None,
    }
}

//! What one instrument's book shows.

use super::{
    Books, Head,
    ladder::{key, price_of},
    pool::{Level, NONE},
};
use crate::event::{InstrumentId, NO_PRICE, Side, TradingStatus};

/// A price level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelView {
    /// Its price in ticks.
    pub price_ticks: i64,
    /// All that rests there, in lots.
    pub size: u64,
    /// How many orders rest there; 0 where the feed tells levels, not orders.
    pub order_count: u32,
}

/// A resting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderView {
    /// The venue's number.
    pub order_id: u64,
    /// What it shows, in lots.
    pub size: u64,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePlace {
    /// Its side.
    pub side: Side,
    /// Its price in ticks.
    pub price_ticks: i64,
    /// What it shows, in lots.
    pub size: u64,
    /// What is executed at its price before it, in lots.
    pub size_ahead: u64,
    /// How many orders those are: 0 for the first.
    pub position: u32,
}

/// One instrument's book.
#[derive(Debug, Clone, Copy)]
pub struct Book<'a> {
    books: &'a Books,
    instrument: InstrumentId,
    head: Option<&'a Head>,
}

impl<'a> Book<'a> {
    pub(super) fn of(books: &'a Books, instrument: InstrumentId) -> Self {
        Self { books, instrument, head: books.heads.get(instrument.0 as usize) }
    }

    /// The best price of a side; none where nothing rests there.
    #[inline]
    pub fn best(&self, side: Side) -> Option<LevelView> {
        let top = self.head?.ladders[side as usize].rungs().last()?;
        Some(view(&self.books.levels[top.level]))
    }

    /// The levels of a side, the best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = LevelView> + 'a {
        let (books, head) = (self.books, self.head);
        let rungs = head.map_or(&[][..], |head| head.ladders[side as usize].rungs());
        rungs.iter().rev().map(move |rung| view(&books.levels[rung.level]))
    }

    /// How many levels a side has.
    pub fn depth(&self, side: Side) -> usize {
        self.head.map_or(0, |head| head.ladders[side as usize].rungs().len())
    }

    /// The level at a price.
    pub fn level_at(&self, side: Side, price_ticks: i64) -> Option<LevelView> {
        self.level(side, price_ticks).map(view)
    }

    fn level(&self, side: Side, price_ticks: i64) -> Option<&'a Level> {
        let ladder = &self.head?.ladders[side as usize];
        let place = ladder.find(key(side, price_ticks)).ok()?;
        Some(&self.books.levels[ladder.level(place)])
    }

    /// The orders at a price, the first to be executed first.
    pub fn orders_at(&self, side: Side, price_ticks: i64) -> impl Iterator<Item = OrderView> + 'a {
        let books = self.books;
        let mut next = self.level(side, price_ticks).map_or(NONE, |level| level.first);
        std::iter::from_fn(move || {
            let order = (next != NONE).then(|| &books.orders[next])?;
            next = order.after;
            Some(OrderView { order_id: order.id, size: order.size })
        })
    }

    /// An order's side, its price in ticks, and what it shows in lots; none where it does not rest. Takes the same time wherever it stands.
    #[inline]
    pub fn order(&self, order_id: u64) -> Option<(Side, i64, u64)> {
        let (_, place) = self.books.find(self.instrument.0, order_id).ok()?;
        let order = &self.books.orders[place];
        let level = &self.books.levels[order.level];
        let side = if level.side == Side::Bid as u32 { Side::Bid } else { Side::Ask };
        Some((side, price_of(level.side, level.key), order.size))
    }

    /// Where an order stands, and what is ahead of it; none where it does not rest. Takes as many steps as orders are ahead.
    pub fn queue_ahead(&self, order_id: u64) -> Option<QueuePlace> {
        let (_, place) = self.books.find(self.instrument.0, order_id).ok()?;
        let (mut size_ahead, mut position, mut before) = (0, 0, self.books.orders[place].before);
        while before != NONE {
            let other = &self.books.orders[before];
            size_ahead += other.size;
            position += 1;
            before = other.before;
        }
        let (side, price_ticks, size) = self.order(order_id)?;
        Some(QueuePlace { side, price_ticks, size, size_ahead, position })
    }

    /// The best ask less the best bid, in ticks: 0 where the book is locked, negative where it is crossed, none where a side is empty.
    #[inline]
    pub fn spread_ticks(&self) -> Option<i64> {
        let (bid, ask) = (self.best(Side::Bid)?, self.best(Side::Ask)?);
        Some(ask.price_ticks.saturating_sub(bid.price_ticks))
    }

    /// Whether the best bid is above the best ask, as before an opening auction.
    #[inline]
    pub fn is_crossed(&self) -> bool {
        self.spread_ticks().is_some_and(|spread| spread < 0)
    }

    /// Whether a gap was told (flag `GAP`) since the book was last cleared: it may be wrong.
    pub fn is_suspect(&self) -> bool {
        self.books.told.get(self.instrument.0 as usize).is_some_and(|told| told.suspect)
    }

    /// Price in ticks and size in lots of the side's last quote, from feeds that tell quotes; none where there is no quote. Quotes change no level, so
    /// that a feed of both can be checked against itself.
    pub fn quote(&self, side: Side) -> Option<(i64, u64)> {
        let quote = self.books.told.get(self.instrument.0 as usize)?.quotes[side as usize];
        (quote.0 != NO_PRICE).then_some(quote)
    }

    /// Whether the instrument trades; none where the feed did not say.
    pub fn status(&self) -> Option<TradingStatus> {
        self.books.told.get(self.instrument.0 as usize)?.status
    }

    /// The number of the instrument's last event; 0 before the first.
    pub fn sequence(&self) -> u64 {
        self.head.map_or(0, |head| head.sequence)
    }

    /// The exchange's time of the instrument's last event, in nanoseconds since the Unix epoch; 0 before the first.
    pub fn exchange_ns(&self) -> u64 {
        self.head.map_or(0, |head| head.exchange_ns)
    }
}

#[inline]
fn view(level: &Level) -> LevelView {
    LevelView { price_ticks: price_of(level.side, level.key), size: level.total, order_count: level.count }
}

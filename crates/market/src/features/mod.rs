//! Features of a book and its trades: what a model reads of the market at one instant, and never of what came after it.
//!
//! Every feature has a streaming form, which takes one event in constant time and allocates nothing once its rings have grown to what the
//! market fills them with, and a batch form, which says what it is over whole columns. The two agree. A value that is not there yet, or that
//! the book does not have, is `None`; a parameter out of range is a [`FeatureError`].
//!
//! Units: prices in ticks, sizes in lots, times in nanoseconds, unless a name ends in another unit. Order of events: a trade is given before
//! the book that it left behind, so that "the mid before the trade" is the mid known when the trade is given. A time that steps back counts as
//! the latest time seen.

mod arguments;
mod clock;
pub mod correlation;
pub mod depth;
mod depths;
mod error;
pub mod hawkes;
pub mod impact;
pub mod indicators;
pub mod integrated_ofi;
pub mod kyle;
pub mod liquidity;
mod matrix;
pub mod microprice;
pub mod ofi;
pub mod realised;
pub mod realised_kernel;
pub mod registry;
mod registry_bars;
mod registry_liquidity;
pub mod regression;
pub mod returns;
pub mod set;
mod shared;
pub mod spread;
mod states;
mod stream;
mod units;
pub mod volume_profile;
pub mod vpin;
pub mod window;

#[cfg(test)]
mod definition_tests;
#[cfg(test)]
mod lobster;

pub use depths::{DepthStream, Next, Times};
pub use error::FeatureError;
pub use set::FeatureSet;
pub use stream::FeatureStream;
pub use units::{Lots, Units};

use crate::event::Side;

pub(crate) use clock::{Clock, is_of_book};
pub(crate) use depths::trade_of;
pub(crate) use shared::{Form, OfBook};
pub(crate) use states::{OfState, streaming_microprice};

/// What rests at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Price in ticks.
    pub price_ticks: i64,
    /// Size in lots.
    pub size: u64,
}

/// A book at one instant, as many levels of it as are known, best first.
#[derive(Debug, Clone, Copy)]
pub struct Depth<'a> {
    /// When, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Those who would buy, dearest first.
    pub bids: &'a [Level],
    /// Those who would sell, cheapest first.
    pub asks: &'a [Level],
}

impl Depth<'_> {
    /// The best bid and the best ask; `None` where a side is empty.
    #[inline]
    pub fn best(&self) -> Option<(Level, Level)> {
        Some((*self.bids.first()?, *self.asks.first()?))
    }

    /// The mid price in half ticks, which is exact: bid + ask. `None` where a side is empty.
    #[inline]
    pub fn mid_half_ticks(&self) -> Option<i64> {
        self.best().map(|(bid, ask)| bid.price_ticks.saturating_add(ask.price_ticks))
    }

    /// The mid price in ticks; `None` where a side is empty.
    #[inline]
    pub fn mid_ticks(&self) -> Option<f64> {
        self.mid_half_ticks().map(|half_ticks| half_ticks as f64 * 0.5)
    }
}

/// One trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// When, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Price in ticks.
    pub price_ticks: i64,
    /// Size in lots.
    pub size: u64,
    /// The side of the resting order, where it is known: `Ask` is a trade that a buyer began.
    pub resting_side: Option<Side>,
}

impl Trade {
    /// +1 where a buyer began the trade, −1 where a seller did; `None` where the venue does not tell.
    pub fn sign(&self) -> Option<i8> {
        self.resting_side.map(|side| match side {
            Side::Ask => 1,
            Side::Bid => -1,
        })
    }
}

//! A field of a row that is moved.

use crate::black::Row;

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Spot,
    Strike,
    Volatility,
    Rate,
    Yield,
}

impl Axis {
    /// The row with the field moved by `by`.
    pub fn moved(self, row: &Row, by: f64) -> Row {
        let mut moved = *row;
        match self {
            Self::Spot => moved.spot += by,
            Self::Strike => moved.strike += by,
            Self::Volatility => moved.volatility += by,
            Self::Rate => moved.risk_free_rate += by,
            Self::Yield => moved.dividend_yield += by,
        }
        moved
    }
}

//! European options at the ends of their domain, by their limits: expiry now, a strike of zero, a forward at the strike without volatility.
//!
//! [`crate::black`] and [`crate::displaced`] refuse an expiry of 0 (`Expired`) and a strike of 0 (`BadStrike`): a table
//! of quotes must not hold such rows unnoticed. Whoever follows a position up to its last instant asks here instead. [`scalar`] is one row,
//! [`complete`] puts limits into a batch that was valued before, in whatever way. docs/numerics.md has the table of limits.

mod batch;
pub mod scalar;
#[cfg(test)]
mod tests;

pub use batch::complete;
pub use scalar::greeks;

use zomma_base::Status;

use crate::black::{self, Greek};
use crate::displaced::{self, Distribution, Underlying};

/// The formula whose limits are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formula {
    /// Black–Scholes–Merton or Black-76.
    Black(black::Model),
    /// Bachelier or displaced diffusion.
    Displaced(displaced::Model),
}

impl Formula {
    fn on_spot(self) -> bool {
        match self {
            Self::Black(model) => model == black::Model::Bsm,
            Self::Displaced(model) => model.underlying == Underlying::Spot,
        }
    }

    fn is_normal(self) -> bool {
        matches!(self, Self::Displaced(displaced::Model { distribution: Distribution::Normal, .. }))
    }

    /// What is added to forward and strike: the row's displacement where the formula reads one.
    fn shift(self, displacement: f64) -> f64 {
        match self {
            Self::Displaced(displaced::Model { distribution: Distribution::Displaced, .. }) => displacement,
            _ => 0.0,
        }
    }

    /// `Diverges` where one of the quantities `wanted` is NaN that is not merely absent, as lambda of a worthless option is, and phi on a
    /// forward; else `Ok`. `quantity` tells what [`greeks`] gave.
    pub fn status_of(self, wanted: impl IntoIterator<Item = Greek>, quantity: impl Fn(Greek) -> f64) -> Status {
        let is_absent = |greek: Greek| greek == Greek::Lambda || greek == Greek::Phi && !self.on_spot();
        let diverges = wanted.into_iter().any(|greek| quantity(greek).is_nan() && !is_absent(greek));
        if diverges { Status::Diverges } else { Status::Ok }
    }
}

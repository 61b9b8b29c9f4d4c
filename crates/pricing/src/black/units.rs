//! The units that Greeks are quoted in.

use super::Greek;

/// Units of the Greeks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Units {
    /// Derivatives as they are: per 1.00 of volatility, rate and yield, per year.
    #[default]
    Raw,
    /// Per point of volatility, rate and yield, per calendar day.
    Trader,
}

impl Units {
    /// What a raw Greek is divided by.
    pub fn divisor(self, greek: Greek) -> f64 {
        if self == Self::Raw {
            return 1.0;
        }
        match greek {
            Greek::Vega | Greek::Rho | Greek::Phi | Greek::Vanna | Greek::Zomma => 100.0,
            Greek::Vomma | Greek::Vera => 10_000.0,
            Greek::Ultima => 1_000_000.0,
            Greek::Theta | Greek::Charm | Greek::Color => 365.0,
            Greek::Veta => 36_500.0,
            Greek::Price
            | Greek::Delta
            | Greek::Gamma
            | Greek::Speed
            | Greek::DualDelta
            | Greek::DualGamma
            | Greek::Lambda => 1.0,
        }
    }
}

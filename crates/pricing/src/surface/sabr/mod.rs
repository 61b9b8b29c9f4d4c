//! SABR smiles: Hagan's expansions, and the density without arbitrage.
//!
//! Every slice has its own parameters, for a forward of 1. The exponent β and the correlation ρ both tilt a smile, so that one smile hardly
//! tells them apart: β is held. For equities it is held at 1, where the smile depends on ln(strike/forward) alone and no probability
//! gathers at zero, and ρ has the whole skew.
//!
//! Hagan's formulae are expansions: far below the forward the density that they imply may be negative. Such slices are fitted free of
//! calendar arbitrage as far as the quotes and some way beyond, and their butterflies are left to be reported.

mod calendar;
mod curve;
mod density;
mod distance;
mod family;
mod fit;
mod formula;
mod jet;
mod lanes;
mod misses;
mod no_arbitrage;
mod normal;
mod remarks;
mod slice;
mod smile;
#[cfg(test)]
mod tests;

pub use formula::Sabr;
pub use no_arbitrage::NoArbitrageSabrSmile;
pub use normal::{MOST_SHIFT, NormalSabrParameters, NormalSabrSmile};
pub use smile::{LeastDensity, SabrParameters, SabrSmile};

use super::{
    SliceQuotes, Slices,
    calibration::{Fit, FitError, ModelSettings},
};

/// What a fit holds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Held {
    beta: f64,
    /// As a share of the forward.
    shift: f64,
}

impl Held {
    /// The settings' exponent, or this; no shift.
    fn new(settings: &ModelSettings, beta: f64) -> Self {
        Self { beta: settings.sabr.beta.unwrap_or(beta), shift: 0.0 }
    }
}

/// Fits Hagan's lognormal expansion with β held, at 1 unless the settings say: α, ρ and ν a slice.
///
/// # Errors
/// Where no slice has a usable quote.
pub fn fit(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&Slices<SabrSmile>>,
) -> Result<Fit<Slices<SabrSmile>>, FitError> {
    fit::surface::<SabrSmile, 3>(slices, Held::new(settings, 1.0), settings, prior)
}

/// Fits Hagan's lognormal expansion with β free: α, β, ρ and ν a slice.
///
/// # Errors
/// Where no slice has a usable quote.
pub fn fit_free_beta(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&Slices<SabrSmile>>,
) -> Result<Fit<Slices<SabrSmile>>, FitError> {
    fit::surface::<SabrSmile, 4>(slices, Held { beta: 0.7, shift: 0.0 }, settings, prior)
}

/// Fits Hagan's normal expansion with β held, at 0 unless the settings say, and the settings' shift: α, ρ and ν a slice.
///
/// # Errors
/// Where no slice has a usable quote.
pub fn fit_normal(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&Slices<NormalSabrSmile>>,
) -> Result<Fit<Slices<NormalSabrSmile>>, FitError> {
    let held = Held { shift: settings.sabr.shift, ..Held::new(settings, 0.0) };
    fit::surface::<NormalSabrSmile, 3>(slices, held, settings, prior)
}

/// Fits the density without arbitrage with β held, at 1 unless the settings say: α, ρ and ν a slice, each free of butterfly arbitrage.
///
/// # Errors
/// Where no slice has a usable quote.
pub fn fit_no_arbitrage(
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&Slices<NoArbitrageSabrSmile>>,
) -> Result<Fit<Slices<NoArbitrageSabrSmile>>, FitError> {
    fit::surface::<NoArbitrageSabrSmile, 3>(slices, Held::new(settings, 1.0), settings, prior)
}

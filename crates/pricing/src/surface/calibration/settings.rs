//! What a fit is asked to minimise.

use serde::{Deserialize, Serialize};

use crate::surface::clock::Clock;

/// The quantity in which a model's miss of a quote is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Residual {
    /// Black volatility.
    #[default]
    Volatility,
    /// Undiscounted out-of-the-money price over the forward.
    Price,
    /// Total variance σ²t.
    TotalVariance,
}

/// How much a quote counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// By one over its squared half-spread: the miss is counted in half-spreads.
    #[default]
    BidAsk,
    /// By its squared vega, as a miss in price is; a miss in price by one over it, as a miss in volatility is.
    Vega,
    /// By one plus its open interest.
    OpenInterest,
    /// All alike.
    Uniform,
}

/// How misses add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// What the model does best. Raw SVI under the default residual and weights: a saturating loss that counts the quotes inside bid-ask.
    /// All else: least squares.
    #[default]
    ModelDefault,
    /// Σr².
    LeastSquares,
    /// The likelihood of quotes whose noise is Student's t with four degrees of freedom, its scale fitted beside the model's parameters: a
    /// wild quote counts little.
    MaximumLikelihood,
}

impl Estimator {
    /// Whether the noise is Student's, its scale fitted too; otherwise squares are summed, but where a model's default is another.
    pub fn is_likelihood(self) -> bool {
        self == Self::MaximumLikelihood
    }
}

/// What a fit minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What a miss is measured in.
    #[serde(default)]
    pub residual: Residual,
    /// What it weighs.
    #[serde(default)]
    pub weights: Weights,
    /// How misses add up.
    #[serde(default)]
    pub estimator: Estimator,
    /// Tikhonov's λ: λ Σ((x − x₀)/scale)² is added, x₀ and the scales being the model's own typical parameters, or yesterday's where a
    /// prior is given. Zero adds nothing; 1 weighs a parameter that is off by its scale like a quote missed by one unit.
    #[serde(default)]
    pub tikhonov: f64,
}

impl Settings {
    /// Whether they are the default but for Tikhonov's λ: then a fit also stays by the market at the money.
    pub(in crate::surface) fn is_default(&self) -> bool {
        *self == Self { tikhonov: self.tikhonov, ..Self::default() }
    }
}

/// What every model may be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelSettings {
    /// What is minimised.
    #[serde(flatten)]
    pub calibration: Settings,
    /// How variance passes between expiries, where the model has slices.
    #[serde(default, skip_serializing_if = "Clock::is_calendar")]
    pub clock: Clock,
    /// What SABR models hold.
    #[serde(default, skip_serializing_if = "SabrHeld::is_default")]
    pub sabr: SabrHeld,
}

/// What SABR models hold while they fit the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SabrHeld {
    /// The exponent β, 0 to 1, of `sabr`, `sabr_normal` and `sabr_no_arbitrage`; the model's own (1, 0, 1) where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// The shift of `sabr_normal`, as a share of the forward, at or above 0: the model is that of forward plus shift.
    #[serde(default)]
    pub shift: f64,
}

impl SabrHeld {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

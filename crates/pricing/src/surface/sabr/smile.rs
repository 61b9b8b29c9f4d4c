//! A smile of Hagan's lognormal expansion.

use serde::{Deserialize, Serialize};

use super::{curve::Curve, family::Family, formula::Sabr, jet::Jet, lanes};
use crate::surface::smile::Smile;

/// One expiry's smile under Hagan's lognormal expansion ([`Sabr::lognormal_volatility`]) for a forward of 1: α is in units of F^(1−β), so
/// that at β = 1 it is a volatility whatever the forward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "SabrParameters", into = "SabrParameters")]
pub struct SabrSmile {
    parameters: SabrParameters,
    curve: Curve,
}

/// What a SABR smile of any kind is saved as.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SabrParameters {
    /// Years to expiry.
    pub expiry_years: f64,
    /// The model, for a forward of 1.
    #[serde(flatten)]
    pub sabr: Sabr,
}

impl SabrParameters {
    /// α√t, ρ, ν√t and β.
    pub(super) fn without_time(&self) -> [f64; 4] {
        let root = self.expiry_years.sqrt();
        [self.sabr.alpha * root, self.sabr.rho, self.sabr.nu * root, self.sabr.beta]
    }

    pub(super) fn with_time([level, rho, vol_of_vol, beta]: [f64; 4], expiry_years: f64) -> Self {
        let root = expiry_years.sqrt();
        Self { expiry_years, sabr: Sabr { alpha: level / root, beta, rho, nu: vol_of_vol / root } }
    }
}

impl SabrSmile {
    /// The smile of parameters.
    pub fn new(parameters: SabrParameters) -> Self {
        Self { parameters, curve: Curve::new(parameters.without_time()) }
    }
}

impl From<SabrParameters> for SabrSmile {
    fn from(parameters: SabrParameters) -> Self {
        Self::new(parameters)
    }
}

impl From<SabrSmile> for SabrParameters {
    fn from(smile: SabrSmile) -> Self {
        smile.parameters
    }
}

impl Smile for SabrSmile {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        square(self.curve.lognormal(k))
    }

    fn total_variance(&self, k: f64) -> f64 {
        let deviation = self.curve.lognormal_deviation(k);
        deviation * deviation
    }
}

/// The total variance of a total deviation; NaN where that is not above zero.
pub(super) fn square(deviation: Jet) -> [f64; 3] {
    if deviation.0[0] > 0.0 { (deviation * deviation).0 } else { [f64::NAN; 3] }
}

impl Family for SabrSmile {
    fn of(parameters: SabrParameters) -> Self {
        Self::new(parameters)
    }

    fn parameters(&self) -> SabrParameters {
        self.parameters
    }

    fn evaluate<const N: usize>(x: [f64; 4], k: impl Iterator<Item = f64>, out: &mut Vec<(f64, [f64; N])>) -> bool {
        out.clear();
        lanes::lognormal(&Curve::new(x), k, out);
        out.iter().all(|(deviation, _)| *deviation > 0.0 && *deviation < f64::INFINITY)
    }
}

//! The SSVI surface: one tilt, one smile function, and a level for every expiry.

use serde::{Deserialize, Serialize};

use super::{
    error::{ParameterError, check_expiries},
    phi::{Phi, PreparedPhi},
    smile::{Columns, Motion, SsviSmile, total_variance},
    track::Track,
};
use crate::surface::{
    clock::Clock,
    many::BLOCK,
    smile::{Variance, VolatilitySurface},
};

/// Parameters may break a condition by this share: what rounding leaves, in a file too.
pub(super) const SLACK: f64 = 1e-12;

/// SSVI (Gatheral and Jacquier 2014): w(k, t) = θ_t/2 (1 + ρφ(θ_t)k + √((φ(θ_t)k + ρ)² + 1 − ρ²)).
///
/// θ passes between expiries in straight lines of variance time ([`Clock`]), from zero at time zero, and past the last expiry at its mean
/// speed. The conditions of theorems 4.1 and 4.2 there are checked when a surface is made, so it is free of butterfly and calendar
/// arbitrage at every time and strike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SsviParameters", into = "SsviParameters")]
pub struct SsviSurface {
    parameters: SsviParameters,
    levels: Track<1>,
    prepared: PreparedPhi,
}

/// What an [`SsviSurface`] is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SsviParameters {
    /// Tilt, in (−1, 1).
    pub rho: f64,
    /// The smile function.
    pub phi: Phi,
    /// Years to expiry, ascending and above zero.
    pub expiry_years: Vec<f64>,
    /// Total variance at the money at each expiry, above zero and never falling.
    pub theta: Vec<f64>,
    /// How variance passes between the expiries.
    #[serde(default, skip_serializing_if = "Clock::is_calendar")]
    pub clock: Clock,
}

impl SsviSurface {
    /// The surface of `parameters`.
    ///
    /// # Errors
    /// Where a parameter is out of its domain, or absence of arbitrage is not ensured: see [`Phi::most`].
    pub fn new(parameters: SsviParameters) -> Result<Self, ParameterError> {
        let SsviParameters { rho, phi, expiry_years, theta, clock } = &parameters;
        check_expiries(expiry_years, theta.len())?;
        if rho.abs() >= 1.0 || rho.is_nan() {
            return Err(ParameterError::Domain { parameter: "rho", value: *rho });
        }
        if !phi.has_domain() {
            let value = phi.psi(1.0);
            return Err(ParameterError::Domain { parameter: "phi", value });
        }
        let share = 1.0 / phi.most(*rho);
        if share > 1.0 + SLACK || share.is_nan() {
            return Err(ParameterError::Butterfly { expiry_years: expiry_years[0], what: "phi", share });
        }
        let mut before = 0.0;
        for (&expiry_years, &theta) in expiry_years.iter().zip(theta) {
            if !(theta > 0.0 && theta.is_finite()) {
                return Err(ParameterError::Domain { parameter: "theta", value: theta });
            }
            if theta < before {
                return Err(ParameterError::Calendar { expiry_years, what: "theta" });
            }
            before = theta;
        }
        let values: Vec<[f64; 1]> = theta.iter().map(|&theta| [theta]).collect();
        let levels = Track::new(expiry_years, clock, &values, [true]);
        let prepared = PreparedPhi::new(phi);
        Ok(Self { parameters, levels, prepared })
    }

    /// What it is made of.
    pub fn parameters(&self) -> &SsviParameters {
        &self.parameters
    }

    /// θ at `expiry_years`, above zero.
    pub fn theta(&self, expiry_years: f64) -> f64 {
        self.levels.at(expiry_years)[0]
    }

    /// w(k) where the level is θ, in as few steps as there are: ½ (θ + ρx + √(x(x + 2ρθ) + θ²)), x = ψk.
    #[inline]
    pub(in crate::surface) fn total_variance_at_level(&self, theta: f64, k: f64) -> f64 {
        let (rho, x) = (self.parameters.rho, self.prepared.psi(theta) * k);
        0.5 * (theta + rho * x + (x * (x + 2.0 * rho * theta) + theta * theta).sqrt())
    }

    /// The smile at `expiry_years`, above zero.
    pub fn smile(&self, expiry_years: f64) -> SsviSmile {
        let theta = self.theta(expiry_years);
        SsviSmile { theta, rho: self.parameters.rho, psi: self.prepared.psi(theta) }
    }
}

impl TryFrom<SsviParameters> for SsviSurface {
    type Error = ParameterError;

    fn try_from(parameters: SsviParameters) -> Result<Self, ParameterError> {
        Self::new(parameters)
    }
}

impl From<SsviSurface> for SsviParameters {
    fn from(surface: SsviSurface) -> Self {
        surface.parameters
    }
}

impl VolatilitySurface for SsviSurface {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        if !is_inside(k, expiry_years) {
            return Variance::NONE;
        }
        let rho = self.parameters.rho;
        let ([theta], [speed]) = self.levels.moving(expiry_years);
        let [psi, slope, bend] = self.parameters.phi.derivatives_of(theta, self.prepared.psi(theta));
        let (psi_speed, psi_acceleration) = (slope * speed, bend * speed * speed);
        Motion {
            at: [theta, psi, rho * psi],
            speed: [speed, psi_speed, rho * psi_speed],
            acceleration: [0.0, psi_acceleration, rho * psi_acceleration],
        }
        .variance(k)
    }

    fn total_variances(&self, k: &[f64], expiry_years: &[f64], out: &mut [f64]) {
        for ((out, k), expiry_years) in out.chunks_mut(BLOCK).zip(k.chunks(BLOCK)).zip(expiry_years.chunks(BLOCK)) {
            let mut columns = Columns::EMPTY;
            for (i, (k, t)) in k.iter().zip(expiry_years).enumerate() {
                if !is_inside(*k, *t) {
                    continue;
                }
                let [theta] = self.levels.at(*t);
                let psi = self.prepared.psi(theta);
                (columns.theta[i], columns.psi[i], columns.tilt[i]) = (theta, psi, self.parameters.rho * psi);
            }
            columns.total_variances(k, out);
        }
    }

    #[inline]
    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        if !is_inside(k, expiry_years) {
            return f64::NAN;
        }
        let [theta] = self.levels.at(expiry_years);
        let psi = self.prepared.psi(theta);
        total_variance([theta, psi, self.parameters.rho * psi], k)
    }
}

/// Whether a surface has a value at `k` and `expiry_years`.
#[inline]
pub(super) fn is_inside(k: f64, expiry_years: f64) -> bool {
    expiry_years > 0.0 && expiry_years.is_finite() && k.is_finite()
}

//! The extended SSVI surface: a slice of three parameters for every expiry, joined so that no arbitrage comes between them.

use serde::{Deserialize, Serialize};

use super::{
    error::{ParameterError, check_expiries},
    smile::{Columns, Motion, SsviSmile, total_variance},
    surface::{SLACK, is_inside},
    track::Track,
};
use crate::surface::{
    clock::Clock,
    many::BLOCK,
    smile::{Variance, VolatilitySurface},
};

/// Extended SSVI (Hendriks and Martini 2019): slices of their own θ, ρ and ψ, between which θ, ψ and ρψ pass in straight lines of variance
/// time (Corbetta, Cohort, Laachir and Martini 2019, section 4).
///
/// Before the first expiry all three fall to zero in proportion, so w does; after the last θ goes on at its mean speed and the wings stay.
///
/// With p = ψ(1 − ρ)/2 and q = ψ(1 + ρ)/2, the slopes of the wings, a slice solves (w + pk)(w − qk) = θw. Moving θ, p and q makes w rise at
/// every k if and only if θ, p and q do not fall and (√ṗ − √q̇)² ≤ φθ̇ (for constant ρ that is theorem 4.1 of Gatheral and Jacquier 2014).
/// On a straight line φ = ψ/θ lies between its values at the ends, so slices i and i + 1 are joined without calendar arbitrage where
///
/// Δθ ≥ 0, Δp ≥ 0, Δq ≥ 0 and (√Δp − √Δq)² ≤ min(φᵢ, φᵢ₊₁) Δθ.
///
/// The second and third say ψᵢ₊₁ ≥ ψᵢ max((1 + ρᵢ)/(1 + ρᵢ₊₁), (1 − ρᵢ)/(1 − ρᵢ₊₁)), which is necessary (Hendriks and Martini 2019,
/// proposition 3.1); the last holds wherever φᵢ₊₁ ≤ φᵢ, which is the sufficient condition there, and in other cases besides. Against
/// butterfly arbitrage each slice keeps ψ² ≤ θ s(ρ)(1 − m²/5) and m ≤ 2, with m = ψ(1 + |ρ|)/2 and s(ρ) from 4 (ρ → ±1) to 19.8 (ρ = 0):
/// see [`SsviSmile::butterfly_room`]; these hold between slices where they hold at both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "EssviParameters", into = "EssviParameters")]
pub struct EssviSurface {
    parameters: EssviParameters,
    track: Track<3>,
}

/// What an [`EssviSurface`] is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EssviParameters {
    /// Years to expiry, ascending and above zero.
    pub expiry_years: Vec<f64>,
    /// One slice an expiry.
    pub slices: Vec<SsviSmile>,
    /// How variance passes between the expiries.
    #[serde(default, skip_serializing_if = "Clock::is_calendar")]
    pub clock: Clock,
}

impl EssviSurface {
    /// The surface of `parameters`.
    ///
    /// # Errors
    /// Where a parameter is out of its domain, or a condition against arbitrage is broken.
    pub fn new(parameters: EssviParameters) -> Result<Self, ParameterError> {
        let EssviParameters { expiry_years, slices, clock } = &parameters;
        check_expiries(expiry_years, slices.len())?;
        for (i, slice) in slices.iter().enumerate() {
            if !slice.has_domain() {
                let outside = [("theta", slice.theta), ("psi", slice.psi), ("rho", slice.rho)];
                let is_inside = |value: f64| value > 0.0 && value.is_finite();
                let (parameter, value) = outside[..2].iter().find(|it| !is_inside(it.1)).unwrap_or(&outside[2]);
                return Err(ParameterError::Domain { parameter, value: *value });
            }
            let share = 1.0 - slice.butterfly_room();
            if share > 1.0 + SLACK {
                return Err(ParameterError::Butterfly { expiry_years: expiry_years[i], what: "psi", share });
            }
            if let Some(what) = i.checked_sub(1).and_then(|before| falling(&slices[before], slice)) {
                return Err(ParameterError::Calendar { expiry_years: expiry_years[i], what });
            }
        }
        let values: Vec<[f64; 3]> = slices.iter().map(SsviSmile::coordinates).collect();
        let track = Track::new(expiry_years, clock, &values, [true, false, false]);
        Ok(Self { parameters, track })
    }

    /// What it is made of.
    pub fn parameters(&self) -> &EssviParameters {
        &self.parameters
    }

    /// θ, ψ and the slope at the money ρψ at `expiry_years`, above zero.
    pub(in crate::surface) fn coordinates(&self, expiry_years: f64) -> [f64; 3] {
        self.track.at(expiry_years)
    }

    /// w(k) of such coordinates.
    #[inline]
    pub(in crate::surface) fn total_variance_of(coordinates: [f64; 3], k: f64) -> f64 {
        total_variance(coordinates, k)
    }

    /// The smile at `expiry_years`, above zero.
    pub fn smile(&self, expiry_years: f64) -> SsviSmile {
        let [theta, psi, tilt] = self.track.at(expiry_years);
        SsviSmile { theta, rho: tilt / psi, psi }
    }
}

/// Which calendar condition between two slices is broken, if any is.
fn falling(low: &SsviSmile, high: &SsviSmile) -> Option<&'static str> {
    let rise = high.theta - low.theta;
    if rise < -SLACK * low.theta {
        return Some("theta");
    }
    let ([p, q], [p_next, q_next]) = (low.wings(), high.wings());
    let (left, right) = (p_next - p, q_next - q);
    let rounding = SLACK * low.psi;
    if left < -rounding || right < -rounding {
        return Some("the slope of a wing");
    }
    let apart = left.max(0.0).sqrt() - right.max(0.0).sqrt();
    let phi = low.phi().min(high.phi());
    // A rise of one wing that is all rounding asks for as much rise of θ.
    (apart * apart > phi * rise.max(0.0) + 4.0 * rounding).then_some("theta against the slopes of the wings")
}

impl TryFrom<EssviParameters> for EssviSurface {
    type Error = ParameterError;

    fn try_from(parameters: EssviParameters) -> Result<Self, ParameterError> {
        Self::new(parameters)
    }
}

impl From<EssviSurface> for EssviParameters {
    fn from(surface: EssviSurface) -> Self {
        surface.parameters
    }
}

impl VolatilitySurface for EssviSurface {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        if !is_inside(k, expiry_years) {
            return Variance::NONE;
        }
        let (at, speed) = self.track.moving(expiry_years);
        Motion { at, speed, acceleration: [0.0; 3] }.variance(k)
    }

    fn total_variances(&self, k: &[f64], expiry_years: &[f64], out: &mut [f64]) {
        for ((out, k), expiry_years) in out.chunks_mut(BLOCK).zip(k.chunks(BLOCK)).zip(expiry_years.chunks(BLOCK)) {
            let mut columns = Columns::EMPTY;
            for (i, (k, t)) in k.iter().zip(expiry_years).enumerate() {
                if !is_inside(*k, *t) {
                    continue;
                }
                [columns.theta[i], columns.psi[i], columns.tilt[i]] = self.track.at(*t);
            }
            columns.total_variances(k, out);
        }
    }

    #[inline]
    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        if !is_inside(k, expiry_years) {
            return f64::NAN;
        }
        total_variance(self.track.at(expiry_years), k)
    }
}

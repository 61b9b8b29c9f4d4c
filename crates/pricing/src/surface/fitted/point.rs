//! What a surface says at one point.

use zomma_base::Status;

use super::saved::SavedSurface;
use crate::surface::smile::{Variance, VolatilitySurface, density, durrleman_g};

/// Where a surface is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Strike, taken against `forward`, or else the surface's own forward to that expiry.
    pub strike: Option<f64>,
    /// ln(strike/forward); holds where both are given.
    pub log_moneyness: Option<f64>,
    /// Forward that the strike is taken against.
    pub forward: Option<f64>,
    /// Years to expiry.
    pub expiry_years: f64,
}

/// What the surface says there. NaN where it says nothing; then the status is not `Ok`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Black volatility, per square root of a year.
    pub implied_volatility: f64,
    /// σ²t.
    pub total_variance: f64,
    /// Density of ln(S/F).
    pub density: f64,
    /// Dupire's local volatility.
    pub local_volatility: f64,
    /// What is wrong.
    pub status: Status,
}

impl Answer {
    fn none(status: Status) -> Self {
        let none = f64::NAN;
        Self { implied_volatility: none, total_variance: none, density: none, local_volatility: none, status }
    }
}

impl SavedSurface {
    /// Asks the surface at one place.
    ///
    /// Statuses: `BadExpiry`, `Expired`, `BadLogMoneyness`, `BadStrike`, `BadForward`; `NoSurface` where the surface has no value;
    /// `Arbitrage` where it has a value and no local volatility, or a negative density.
    pub fn at(&self, place: &Place) -> Answer {
        let t = place.expiry_years;
        if !t.is_finite() {
            return Answer::none(Status::BadExpiry);
        }
        if t <= 0.0 {
            return Answer::none(Status::Expired);
        }
        let k = match (place.log_moneyness, place.strike) {
            (Some(k), _) if k.is_finite() => k,
            (Some(_), _) => return Answer::none(Status::BadLogMoneyness),
            (None, Some(strike)) if strike > 0.0 && strike.is_finite() => {
                let forward = place.forward.unwrap_or_else(|| self.forwards.at(t));
                if !(forward > 0.0 && forward.is_finite()) {
                    return Answer::none(Status::BadForward);
                }
                (strike / forward).ln()
            }
            (None, _) => return Answer::none(Status::BadStrike),
        };
        let at: Variance = self.variance(k, t);
        let implied_volatility = (at.total / t).sqrt();
        if !(implied_volatility >= 0.0 && implied_volatility.is_finite()) {
            return Answer::none(Status::NoSurface);
        }
        let density = density(k, at.smile());
        let square = at.by_t / durrleman_g(k, at.smile());
        let local_volatility = if at.by_t >= 0.0 && square.is_finite() { square.sqrt() } else { f64::NAN };
        let is_sound = density >= 0.0 && local_volatility.is_finite();
        let status = if is_sound { Status::Ok } else { Status::Arbitrage };
        Answer { implied_volatility, total_variance: at.total, density, local_volatility, status }
    }
}

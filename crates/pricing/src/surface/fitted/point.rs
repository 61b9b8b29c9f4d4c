//! What a surface says at one point.

use zomma_base::Status;

use super::saved::SavedSurface;
use crate::surface::smile::{Variance, VolatilitySurface, density};

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
    pub(super) fn none(status: Status) -> Self {
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
        let k = match self.log_moneyness(place) {
            Ok(k) => k,
            Err(status) => return Answer::none(status),
        };
        self.answer(k, place.expiry_years, &self.variance(k, place.expiry_years))
    }

    /// What follows from the variance `at` a place.
    pub(super) fn answer(&self, k: f64, expiry_years: f64, at: &Variance) -> Answer {
        let implied_volatility = match checked_volatility(at.total, expiry_years) {
            Ok(volatility) => volatility,
            Err(status) => return Answer::none(status),
        };
        let density = density(k, at.smile());
        let local_volatility = at.local_vol(k);
        let is_sound = density >= 0.0 && local_volatility.is_finite();
        let status = if is_sound { Status::Ok } else { Status::Arbitrage };
        Answer { implied_volatility, total_variance: at.total, density, local_volatility, status }
    }

    /// The volatility of [`SavedSurface::at`] alone, without the derivatives that the rest of it takes; the same statuses but for
    /// `Arbitrage`. NaN where the status is not `Ok`.
    pub fn implied_vol_at(&self, place: &Place) -> (f64, Status) {
        alone(self.values_at(place).map(|[volatility, _]| volatility))
    }

    /// The same of the total variance.
    pub fn total_variance_at(&self, place: &Place) -> (f64, Status) {
        alone(self.values_at(place).map(|[_, total_variance]| total_variance))
    }

    /// Standard error of the volatility of [`SavedSurface::at`], per square root of a year ([`FittedSurface::standard_error`]). NaN where there
    /// is no volatility, or the model has no standard error.
    ///
    /// [`FittedSurface::standard_error`]: super::FittedSurface::standard_error
    pub fn standard_error_at(&self, place: &Place) -> f64 {
        let k = self.log_moneyness(place).ok();
        k.and_then(|k| self.surface.standard_error(k, place.expiry_years)).unwrap_or(f64::NAN)
    }

    /// Volatility and total variance.
    fn values_at(&self, place: &Place) -> Result<[f64; 2], Status> {
        let total_variance = self.total_variance(self.log_moneyness(place)?, place.expiry_years);
        Ok([checked_volatility(total_variance, place.expiry_years)?, total_variance])
    }

    /// k of a place whose fields are sound, its expiry among them.
    fn log_moneyness(&self, place: &Place) -> Result<f64, Status> {
        checked_place(place)?;
        match (place.log_moneyness, place.strike) {
            (None, Some(strike)) => {
                let forward = place.forward.unwrap_or_else(|| self.forwards.at(place.expiry_years));
                if forward > 0.0 && forward.is_finite() { Ok((strike / forward).ln()) } else { Err(Status::BadForward) }
            }
            (k, _) => k.ok_or(Status::BadStrike),
        }
    }
}

/// Whether the fields of a place are sound, but for its forward.
pub(super) fn checked_place(place: &Place) -> Result<(), Status> {
    if !place.expiry_years.is_finite() {
        return Err(Status::BadExpiry);
    }
    if place.expiry_years <= 0.0 {
        return Err(Status::Expired);
    }
    match (place.log_moneyness, place.strike) {
        (Some(k), _) if k.is_finite() => Ok(()),
        (Some(_), _) => Err(Status::BadLogMoneyness),
        (None, Some(strike)) if strike > 0.0 && strike.is_finite() => Ok(()),
        (None, _) => Err(Status::BadStrike),
    }
}

fn checked_volatility(total_variance: f64, expiry_years: f64) -> Result<f64, Status> {
    let volatility = (total_variance / expiry_years).sqrt();
    if volatility >= 0.0 && volatility.is_finite() { Ok(volatility) } else { Err(Status::NoSurface) }
}

fn alone(value: Result<f64, Status>) -> (f64, Status) {
    match value {
        Ok(value) => (value, Status::Ok),
        Err(status) => (f64::NAN, status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{
        calibration::ModelSettings,
        fitted::{FittedSurface, Quoted, SurfaceModel},
        test_quotes::{grid, quotes},
    };

    #[test]
    fn what_is_asked_alone_is_as_the_whole_answer() {
        let slices = [0.1, 0.5, 1.0].map(|t| quotes(t, &grid(-0.3, 0.2, 13), 0.002, |k| 0.2 - 0.15 * k + 0.3 * k * k));
        let quoted = Quoted::of_slices(slices.to_vec(), None);
        for model in SurfaceModel::ALL {
            let saved = quoted.fit(model, &ModelSettings::default(), None).expect("quotes");
            for expiry_years in [0.04, 0.1, 0.3, 1.0, 2.0] {
                for k in [-0.6, -0.2, 0.0, 0.07, 0.4] {
                    let place = Place { log_moneyness: Some(k), expiry_years, ..Place::default() };
                    let whole = saved.at(&place);
                    let (volatility, status) = saved.implied_vol_at(&place);
                    let (total_variance, _) = saved.total_variance_at(&place);
                    let name = model.as_str();
                    assert!(status.is_ok() && whole.implied_volatility > 0.0, "{name} {k} {expiry_years}: {whole:?}");
                    // The methods of one value and of all derivatives may round apart.
                    assert!((volatility / whole.implied_volatility - 1.0).abs() < 1e-9, "{name} {k} {expiry_years}");
                    assert!((total_variance / whole.total_variance - 1.0).abs() < 1e-9, "{name} {k} {expiry_years}");
                }
            }
            let place = Place { strike: Some(95.0), forward: Some(100.0), expiry_years: 0.3, ..Place::default() };
            let error = saved.standard_error_at(&place);
            if let FittedSurface::Kriging(surface) = &saved.surface {
                assert!(error > 0.0 && error == surface.standard_error(0.95_f64.ln(), 0.3));
                assert!(saved.standard_error_at(&Place { strike: Some(-1.0), ..place }).is_nan());
            }
            assert_eq!(error.is_nan(), !saved.surface.has_standard_error(), "{}", model.as_str());
            let broken = [
                (Place { expiry_years: f64::NAN, strike: Some(100.0), ..Place::default() }, Status::BadExpiry),
                (Place { expiry_years: 0.0, strike: Some(100.0), ..Place::default() }, Status::Expired),
                (Place { expiry_years: 0.5, strike: Some(-1.0), ..Place::default() }, Status::BadStrike),
                (Place { expiry_years: 0.5, ..Place::default() }, Status::BadStrike),
                (
                    Place { expiry_years: 0.5, log_moneyness: Some(f64::INFINITY), ..Place::default() },
                    Status::BadLogMoneyness,
                ),
                (
                    Place { expiry_years: 0.5, strike: Some(1.0), forward: Some(0.0), ..Place::default() },
                    Status::BadForward,
                ),
            ];
            for (place, expected) in broken {
                let (volatility, status) = saved.implied_vol_at(&place);
                assert!(volatility.is_nan() && status == expected && saved.at(&place).status == expected);
            }
        }
    }
}

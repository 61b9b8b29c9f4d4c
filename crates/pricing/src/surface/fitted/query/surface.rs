//! A surface ready to be asked at scattered strikes and expiries.

use super::{
    pieces::{Joined, Line},
    smile::{SmileModel, SmileQuery},
    stretch::{Stretch, ends, stretches},
};
use crate::surface::{
    Svi,
    expiry_table::ExpiryTable,
    fitted::FittedSurface,
    forwards::{ForwardCurve, Forwards},
    smile::VolatilitySurface,
    ssvi_surface::{EssviSurface, SsviSurface},
};

/// A surface with its forwards, ready to be asked for one volatility at a time: what [`SavedSurface::implied_vol_at`] says, to rounding, for a
/// fraction of its time where the surface is made of slices of SVI, or is one of SSVI or extended SSVI. Making it takes some microseconds.
/// Where many points are known together, [`SavedSurface::implied_vols_at`] takes them side by side.
///
/// [`SavedSurface::implied_vol_at`]: crate::surface::fitted::SavedSurface::implied_vol_at
/// [`SavedSurface::implied_vols_at`]: crate::surface::fitted::SavedSurface::implied_vols_at
pub struct SurfaceQuery<'a> {
    ends: ExpiryTable,
    model: Model<'a>,
}

/// A surface by its stretches, one more than there are ends.
enum Model<'a> {
    Svi(Vec<Stretch<Joined>>),
    Ssvi(Vec<Stretch<Line<1>>>, &'a SsviSurface),
    Essvi(Vec<Stretch<Line<3>>>),
    Other(Vec<Stretch<()>>, &'a dyn VolatilitySurface),
}

impl<'a> SurfaceQuery<'a> {
    /// The surface and forwards, ready.
    pub fn new(surface: &'a FittedSurface, forwards: &Forwards) -> Self {
        let curve = ForwardCurve::new(forwards);
        let (expiries, clock) = match surface {
            FittedSurface::Svi(slices) => (&slices.expiry_years[..], Some(&slices.clock)),
            FittedSurface::Ssvi(of) | FittedSurface::SsviHeston(of) => {
                let parameters = of.parameters();
                (&parameters.expiry_years[..], Some(&parameters.clock))
            }
            FittedSurface::Essvi(of) => {
                let parameters = of.parameters();
                (&parameters.expiry_years[..], Some(&parameters.clock))
            }
            _ => (&[][..], None),
        };
        let clock = clock.into_iter().flat_map(|clock| clock.knots().iter().map(|knot| knot[0]));
        let ends = ends(expiries.iter().copied().chain(curve.years().iter().copied()).chain(clock).collect());
        let model = match surface {
            FittedSurface::Svi(slices) => {
                Model::Svi(stretches(&ends, &curve, |start, inside| Joined::new(slices, start, inside)))
            }
            FittedSurface::Ssvi(of) | FittedSurface::SsviHeston(of) => {
                let line = |start, inside| Line::new([start, inside].map(|years| [of.theta(years)]), start, inside);
                Model::Ssvi(stretches(&ends, &curve, line), of)
            }
            FittedSurface::Essvi(of) => {
                let line = |start, inside| Line::new([start, inside].map(|years| of.coordinates(years)), start, inside);
                Model::Essvi(stretches(&ends, &curve, line))
            }
            other => Model::Other(stretches(&ends, &curve, |_, _| ()), other.surface()),
        };
        Self { ends: ExpiryTable::new(&ends), model }
    }

    /// Black volatility of a strike at `expiry_years`, per square root of a year. NaN unless both are above zero and finite, the forward is
    /// known and the surface has a value there: [`SavedSurface::implied_vol_at`] says which of them fails.
    ///
    /// [`SavedSurface::implied_vol_at`]: crate::surface::fitted::SavedSurface::implied_vol_at
    #[inline]
    pub fn implied_vol_by_strike(&self, strike: f64, expiry_years: f64) -> f64 {
        self.volatility::<true>(strike, expiry_years)
    }

    /// The same by ln(strike/forward), which must be finite; no forward is needed.
    #[inline]
    pub fn implied_vol_by_log_moneyness(&self, log_moneyness: f64, expiry_years: f64) -> f64 {
        self.volatility::<false>(log_moneyness, expiry_years)
    }

    #[inline(always)]
    fn volatility<const IS_STRIKE: bool>(&self, at: f64, expiry_years: f64) -> f64 {
        if !is_time(expiry_years) || !IS_STRIKE && !at.is_finite() {
            return f64::NAN;
        }
        // Before all else, so that nothing waits for the division.
        let inverse_years = 1.0 / expiry_years;
        let i = self.ends.count_before(expiry_years);
        let total_variance = match &self.model {
            Model::Svi(stretches) => {
                let stretch = &stretches[i];
                let k = log_moneyness::<IS_STRIKE, _>(stretch, at, expiry_years);
                stretch.piece.total_variance(k, stretch.passed(expiry_years))
            }
            Model::Ssvi(stretches, surface) => {
                let stretch = &stretches[i];
                let k = log_moneyness::<IS_STRIKE, _>(stretch, at, expiry_years);
                let [theta] = stretch.piece.at(stretch.passed(expiry_years));
                surface.total_variance_at_level(theta, k)
            }
            Model::Essvi(stretches) => {
                let stretch = &stretches[i];
                let k = log_moneyness::<IS_STRIKE, _>(stretch, at, expiry_years);
                EssviSurface::total_variance_of(stretch.piece.at(stretch.passed(expiry_years)), k)
            }
            Model::Other(stretches, surface) => {
                let k = log_moneyness::<IS_STRIKE, _>(&stretches[i], at, expiry_years);
                surface.total_variance(k, expiry_years)
            }
        };
        (total_variance * inverse_years).sqrt()
    }

    /// The smile at `expiry_years`, for as many strikes as there are to ask: its forward and its slice are looked up once. None unless
    /// `expiry_years` is above zero and finite.
    pub fn at_expiry(&self, expiry_years: f64) -> Option<SmileQuery<'a>> {
        if !is_time(expiry_years) {
            return None;
        }
        let i = self.ends.count_before(expiry_years);
        let of_one = |svi: Svi| SmileModel::of_svi([svi; 2], [1.0, 0.0], 0.0, expiry_years);
        let (forward, model) = match &self.model {
            Model::Svi(stretches) => {
                let stretch = &stretches[i];
                let (smiles, weights, gain) = stretch.piece.at(stretch.passed(expiry_years));
                (stretch.forward(expiry_years), SmileModel::of_svi(smiles, weights, gain, expiry_years))
            }
            Model::Ssvi(stretches, surface) => {
                (stretches[i].forward(expiry_years), of_one(surface.smile(expiry_years).to_svi()))
            }
            Model::Essvi(stretches) => {
                let stretch = &stretches[i];
                let [theta, psi, tilt] = stretch.piece.at(stretch.passed(expiry_years));
                let smile = crate::surface::ssvi_surface::SsviSmile { theta, rho: tilt / psi, psi };
                (stretch.forward(expiry_years), of_one(smile.to_svi()))
            }
            Model::Other(stretches, surface) => {
                (stretches[i].forward(expiry_years), SmileModel::Other(*surface, expiry_years))
            }
        };
        Some(SmileQuery { forward, model })
    }
}

/// Whether a surface has a value that long from now.
#[inline(always)]
fn is_time(expiry_years: f64) -> bool {
    expiry_years > 0.0 && expiry_years.is_finite()
}

/// k of a strike, or of itself.
#[inline(always)]
fn log_moneyness<const IS_STRIKE: bool, P>(stretch: &Stretch<P>, at: f64, expiry_years: f64) -> f64 {
    if IS_STRIKE { stretch.forward(expiry_years).log_moneyness(at) } else { at }
}

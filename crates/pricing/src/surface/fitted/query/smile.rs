//! The smile of one expiry, ready to be asked strike by strike.

use super::stretch::LogForward;
use crate::surface::{Svi, smile::VolatilitySurface};

/// The volatilities of a surface at one expiry: its forward and its slice are looked up once, by [`SurfaceQuery::at_expiry`].
///
/// [`SurfaceQuery::at_expiry`]: super::SurfaceQuery::at_expiry
#[derive(Clone, Copy)]
pub struct SmileQuery<'a> {
    pub(super) forward: LogForward,
    pub(super) model: SmileModel<'a>,
}

/// What the square of a volatility is made of.
#[derive(Clone, Copy)]
pub(super) enum SmileModel<'a> {
    One(Svi),
    Two([Svi; 2]),
    /// A surface at an expiry in years.
    Other(&'a dyn VolatilitySurface, f64),
}

impl SmileModel<'_> {
    /// `weights` of `smiles` and `gain`, as squared volatilities `expiry_years` from now.
    pub(super) fn of_svi(smiles: [Svi; 2], weights: [f64; 2], gain: f64, expiry_years: f64) -> Self {
        let scaled = |i: usize, more: f64| {
            let (svi, weight) = (smiles[i], weights[i] / expiry_years);
            Svi { a: weight * svi.a + more / expiry_years, b: weight * svi.b, ..svi }
        };
        // Of a weight that is what rounding left, nothing is left of its smile.
        let counts = weights.map(|weight| weight.abs() > 2.0 * f64::EPSILON);
        match counts {
            [true, true] => Self::Two([scaled(0, gain), scaled(1, 0.0)]),
            [false, true] => Self::One(scaled(1, gain)),
            [_, false] => Self::One(scaled(0, gain)),
        }
    }

    #[inline(always)]
    fn volatility(&self, k: f64) -> f64 {
        match self {
            Self::One(svi) => svi.total_variance(k).sqrt(),
            Self::Two([low, high]) => (low.total_variance(k) + high.total_variance(k)).sqrt(),
            Self::Other(surface, expiry_years) => surface.implied_vol(k, *expiry_years),
        }
    }
}

impl SmileQuery<'_> {
    /// Black volatility of a strike, per square root of a year. NaN unless the strike is above zero, the forward is known and the surface
    /// has a value there.
    #[inline]
    pub fn implied_vol_by_strike(&self, strike: f64) -> f64 {
        if let SmileModel::One(svi) = &self.model {
            // The logarithm brings k − m at once.
            let from_vertex = self.forward.grown(svi.m).log_moneyness(strike);
            return Svi { m: 0.0, ..*svi }.total_variance(from_vertex).sqrt();
        }
        self.model.volatility(self.forward.log_moneyness(strike))
    }

    /// The same by ln(strike/forward), which must be finite.
    #[inline]
    pub fn implied_vol_by_log_moneyness(&self, log_moneyness: f64) -> f64 {
        if log_moneyness.is_finite() { self.model.volatility(log_moneyness) } else { f64::NAN }
    }
}

//! What a fitted surface answers.

use crate::surface::{
    Surface, SurfaceSlice,
    clock::Clock,
    slices::between,
    smile::{Smile, Variance, VolatilitySurface},
};

impl Smile for SurfaceSlice {
    fn derivatives(&self, k: f64) -> [f64; 3] {
        self.svi.derivatives(k)
    }
}

impl Surface {
    /// Total variance σ²T at log-moneyness `k` (of the forward of that expiry) and `expiry_years`: linear in expiry at fixed k between
    /// slices, which keeps it free of calendar arbitrage; before the first slice and after the last as [`crate::surface::Slices`] says. Zero at or
    /// before expiry. NaN on a surface without slices.
    pub fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        if expiry_years <= 0.0 && !self.slices.is_empty() {
            return 0.0;
        }
        VolatilitySurface::variance(self, k, expiry_years).total
    }

    /// Volatility at log-moneyness `k` and `expiry_years`, per square root of a year; NaN at or before expiry.
    pub fn volatility(&self, k: f64, expiry_years: f64) -> f64 {
        if expiry_years > 0.0 { (self.total_variance(k, expiry_years) / expiry_years).sqrt() } else { f64::NAN }
    }
}

impl VolatilitySurface for Surface {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        between(&self.slices, |i| self.slices[i].expiry_years, &Clock::default(), k, expiry_years)
    }
}

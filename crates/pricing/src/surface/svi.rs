//! Raw SVI (Gatheral 2004).

use serde::{Deserialize, Serialize};

/// w(k) = a + b (ρ(k − m) + √((k − m)² + σ²)), total variance by log-moneyness.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Svi {
    /// Level.
    pub a: f64,
    /// Slope of the wings together.
    pub b: f64,
    /// Tilt.
    pub rho: f64,
    /// Shift.
    pub m: f64,
    /// Rounding of the vertex.
    pub sigma: f64,
}

impl Svi {
    /// Total variance at log-moneyness `k`.
    #[inline]
    pub fn total_variance(&self, k: f64) -> f64 {
        let x = k - self.m;
        self.a + self.b * (self.rho * x + x.hypot(self.sigma))
    }
}

//! Raw SVI (Gatheral 2004): total variance, its derivatives, Durrleman's function, and the density and distribution that it implies.

use serde::{Deserialize, Serialize};

use crate::math::{Plain, normal_cdf, normal_pdf};

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
    /// One total variance for all strikes.
    pub fn flat(total_variance: f64) -> Self {
        Self { a: total_variance, b: 0.0, rho: 0.0, m: 0.0, sigma: 1.0 }
    }

    /// Total variance at log-moneyness `k`.
    #[inline]
    pub fn total_variance(&self, k: f64) -> f64 {
        let x = k - self.m;
        self.a + self.b * (self.rho * x + (x * x + self.sigma * self.sigma).sqrt())
    }

    /// Total variance and its first and second derivative by log-moneyness.
    #[inline]
    pub fn derivatives(&self, k: f64) -> [f64; 3] {
        let x = k - self.m;
        let root = (x * x + self.sigma * self.sigma).sqrt();
        let (slope, bend) =
            if root > 0.0 { (x / root, self.sigma * self.sigma / (root * root * root)) } else { (0.0, 0.0) };
        [self.a + self.b * (self.rho * x + root), self.b * (self.rho + slope), self.b * bend]
    }

    /// Limits of −w′ at k → −∞ and of w′ at k → +∞: b(1 − ρ) and b(1 + ρ). Lee's moment formula bounds each by 2.
    pub fn wing_slopes(&self) -> [f64; 2] {
        [self.b * (1.0 - self.rho), self.b * (1.0 + self.rho)]
    }

    /// The least total variance over all strikes, a + bσ√(1 − ρ²).
    pub fn least_total_variance(&self) -> f64 {
        self.a + self.b * self.sigma * (1.0 - self.rho * self.rho).max(0.0).sqrt()
    }

    /// Durrleman's g(k) = (1 − k w′/2w)² − w′²/4 (1/w + 1/4) + w″/2: the density is its product with a positive factor, so a slice is
    /// free of butterfly arbitrage where g ≥ 0 (Gatheral and Jacquier 2014, lemma 2.2). −∞ where w ≤ 0.
    pub fn durrleman_g(&self, k: f64) -> f64 {
        let [w, slope, bend] = self.derivatives(k);
        if w <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let lead = 1.0 - 0.5 * k * slope / w;
        lead * lead - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * bend
    }

    /// Risk-neutral density of ln(S_T/F) at `k`: g(k)/√(2πw) exp(−d₂²/2). Zero where w ≤ 0.
    pub fn density(&self, k: f64) -> f64 {
        let w = self.total_variance(k);
        if w <= 0.0 {
            return 0.0;
        }
        let deviation = w.sqrt();
        let d2 = -k / deviation - 0.5 * deviation;
        self.durrleman_g(k) * normal_pdf::<Plain>(d2) / deviation
    }

    /// Risk-neutral probability that ln(S_T/F) ends below `k`: ∂P/∂K of the undiscounted put, N(−d₂) + n(d₂) w′/(2√w).
    pub fn probability_below(&self, k: f64) -> f64 {
        let [w, slope, _] = self.derivatives(k);
        if w <= 0.0 {
            return if k > 0.0 { 1.0 } else { 0.0 };
        }
        let deviation = w.sqrt();
        let d2 = -k / deviation - 0.5 * deviation;
        (normal_cdf::<Plain>(-d2) + normal_pdf::<Plain>(d2) * slope / (2.0 * deviation)).clamp(0.0, 1.0)
    }
}

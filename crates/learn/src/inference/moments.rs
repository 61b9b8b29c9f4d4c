//! Heston's variance moments of a block (`network/variance_moments.rs`), values alone: in f64, since their closed forms cancel, and without
//! branches, so that the loops become vector code.

use zomma_pricing::math::{self, MultiplyAdd as Wide};

use super::dense::{Column, ROWS};
use super::lanes::MultiplyAdd;
use crate::network::{MOST_INPUTS, SERIES, SERIES_BELOW};

/// ν, λ and v₀'s share of s², by row.
pub(super) struct Moments {
    pub deviation: Column,
    pub skewness: Column,
    pub share: Column,
}

impl Moments {
    pub(super) const fn zeros() -> Self {
        Self { deviation: [0.0; ROWS], skewness: [0.0; ROWS], share: [0.0; ROWS] }
    }

    /// Of the inputs of a block: m, T, v₀, κ, θ, σ, ρ.
    #[inline(always)]
    pub(super) fn fill<M: MultiplyAdd>(&mut self, inputs: &[Column; MOST_INPUTS]) {
        let [_, expiry, v0, kappa, theta, sigma, rho, _] = inputs;
        for i in 0..ROWS {
            let [t, v0, kappa, theta] = [expiry[i], v0[i], kappa[i], theta[i]].map(f64::from);
            let [g, h, p, q] = integrals::<M::Wide>(kappa * t);
            let today = v0 * t * (1.0 - kappa * t * g);
            let total = theta * t * (kappa * t * g) + today;
            let covariance = t * t * (theta * (g - h) + v0 * h);
            let variance = t * t * t * (theta * (p - q) + v0 * q);
            let sigma = f64::from(sigma[i]);
            self.deviation[i] = (sigma * variance.sqrt() / total) as f32;
            self.skewness[i] = (f64::from(rho[i]) * sigma * covariance / (total * total.sqrt())) as f32;
            self.share[i] = (today / total) as f32;
        }
    }
}

/// ∫b, ∫e^(−κt)b(T−t), ∫b² and ∫e^(−κt)b(T−t)² over a life of 1, of y = κT.
#[inline(always)]
fn integrals<M: Wide>(y: f64) -> [f64; 4] {
    let mut series = [0.0; 4];
    for row in SERIES.iter().rev() {
        for (sum, factor) in series.iter_mut().zip(row) {
            *sum = M::multiply_add(-y, *sum, *factor);
        }
    }
    let inverse = 1.0 / y;
    let e = math::exp::<M>(-y);
    let f = (1.0 - e) * inverse;
    let twice = (1.0 - e * e) * (0.5 * inverse);
    let closed = [
        (1.0 - f) * inverse,
        (f - e) * inverse,
        (1.0 - 2.0 * f + twice) * (inverse * inverse),
        (f * (1.0 + e) - 2.0 * e) * (inverse * inverse),
    ];
    std::array::from_fn(|i| if y < SERIES_BELOW { series[i] } else { closed[i] })
}

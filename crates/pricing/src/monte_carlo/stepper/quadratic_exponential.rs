//! Heston's model by the quadratic-exponential scheme with martingale correction, with or without jumps.
//!
//! Variance  given v, the next variance has mean m and variance s², ψ = s²/m². Where ψ ≤ 1.5 it is a(b + z)², else 0 with probability p and
//!           exponential with rate β else: both match m and s²
//! Spot      x rises by (r − q)h − ln E[e^(A v′)] − K₃v/2 + K₂v′ + √(K₃v + K₄v′)·z, γ₁ = γ₂ = ½, so that E[e^x] is right whatever the
//!           step; where E[e^(A v′)] does not exist (large steps with a positive correlation) by K₀ + K₁v, not corrected
//! Source    L. Andersen, "Simple and efficient simulation of the Heston stochastic volatility model", J. Comput. Finance 11 (2008),
//!           sections 3.2.4, 4.2 and 4.3; ψ_c = 1.5
//! Speed     both branches are computed and one is taken; their divisions and logarithms are shared

use super::{JumpCounts, State};
use crate::math::{MultiplyAdd, ln_ratio};
use crate::monte_carlo::Heston;
use crate::monte_carlo::lanes::LANES;
use crate::monte_carlo::source::Numbers;

/// 1/ψ from which the quadratic branch is taken.
pub(in crate::monte_carlo) const INVERSE_CRITICAL: f64 = 1.0 / 1.5;
/// The least mean of the next variance, and bounds of 1/ψ, which keep every quotient a number where variance has died out.
pub(in crate::monte_carlo) const LEAST_MEAN: f64 = 1e-30;
pub(in crate::monte_carlo) const LEAST_INVERSE: f64 = 1e-60;
pub(in crate::monte_carlo) const MOST_INVERSE: f64 = 1e20;
pub(in crate::monte_carlo) const LEAST_SQUARE: f64 = 1e-200;
/// Least moment's denominator that counts as existing.
pub(in crate::monte_carlo) const LEAST_MOMENT: f64 = 1e-6;

/// The scheme's constants of a step.
pub(in crate::monte_carlo) struct QuadraticExponential {
    pub(super) v0: f64,
    /// m = shrink·v + mean.
    shrink: f64,
    mean: f64,
    /// s² = spread·v + square.
    spread: f64,
    square: f64,
    /// (r − q)h less what jumps add.
    carry: f64,
    /// K₀ and K₁ + K₃/2, for steps without correction.
    k0: f64,
    k1: f64,
    k2: f64,
    k3: f64,
    k4: f64,
    /// A = K₂ + K₄/2.
    moment: f64,
    half_step: f64,
    /// The spot's Brownian motion from the two normal numbers: ρ and √(1 − ρ²).
    correlation: [f64; 2],
    pub(super) jumps: Option<JumpCounts>,
}

/// What a step makes of one path.
#[derive(Clone, Copy, Debug)]
pub(in crate::monte_carlo) struct Stepped {
    pub(in crate::monte_carlo) variance: f64,
    /// What x rises by but for the carry and chance.
    pub(in crate::monte_carlo) drift: f64,
    /// Variance of what x rises by.
    pub(in crate::monte_carlo) spread: f64,
}

impl QuadraticExponential {
    pub(in crate::monte_carlo) fn new(heston: &Heston, carry: f64, step_years: f64, jumps: Option<JumpCounts>) -> Self {
        let Heston { v0, kappa, theta_v, sigma_v, rho_v } = *heston;
        let shrink = (-kappa * step_years).exp();
        let gone = -(-kappa * step_years).exp_m1();
        let variance_per_speed = sigma_v * sigma_v / kappa;
        let free = 1.0 - rho_v * rho_v;
        let half_step = 0.5 * step_years;
        let pull = half_step * (kappa * rho_v / sigma_v - 0.5);
        let (k2, k3, k4) = (pull + rho_v / sigma_v, half_step * free, half_step * free);
        let taken = jumps.as_ref().map_or(0.0, |jumps| jumps.compensator);
        Self {
            v0,
            shrink,
            mean: theta_v * gone,
            spread: variance_per_speed * shrink * gone,
            square: 0.5 * theta_v * variance_per_speed * gone * gone,
            carry: carry * step_years - taken,
            k0: -rho_v * kappa * theta_v * step_years / sigma_v,
            k1: pull - rho_v / sigma_v + 0.5 * k3,
            k2,
            k3,
            k4,
            moment: k2 + 0.5 * k4,
            half_step,
            correlation: [rho_v, free.sqrt()],
            jumps,
        }
    }

    /// The constants of a scheme without jumps, in the order in which a device reads them.
    pub(in crate::monte_carlo) fn constants(&self) -> [f64; 12] {
        let Self { v0, shrink, mean, spread, square, carry, k0, k1, k2, k3, k4, moment, .. } = *self;
        [v0, shrink, mean, spread, square, carry, k0, k1, k2, k3, k4, moment]
    }

    /// One path's step from its variance, and the normal and uniform number of one draw.
    #[inline(always)]
    pub(in crate::monte_carlo) fn path<M: MultiplyAdd>(&self, v: f64, z: f64, u: f64) -> Stepped {
        let m = M::multiply_add(v, self.shrink, self.mean).max(LEAST_MEAN);
        let square = M::multiply_add(v, self.spread, self.square).max(LEAST_SQUARE);
        // 1/ψ, so that neither branch divides by it twice.
        let inverse = (m * m / square).clamp(LEAST_INVERSE, MOST_INVERSE);
        let quadratic = inverse >= INVERSE_CRITICAL;
        let w = 2.0 * inverse;
        let b_square = (w - 1.0 + (w * (w - 1.0)).max(0.0).sqrt()).max(0.0);
        let b = b_square.sqrt();

        // Quadratic: a = m/(1 + b²). Exponential: 1/(1 + 1/ψ), of which p = (1 − 1/ψ)· and 1 − p = (2/ψ)· it.
        let first = (if quadratic { m } else { 1.0 }) / (1.0 + if quadratic { b_square } else { inverse });
        let p = (1.0 - inverse) * first;
        let alive = w * first;
        // Quadratic: A a b²/(1 − 2Aa). Exponential: 1/β = m/(1 − p).
        let aa = self.moment * first;
        let root = M::multiply_add(-2.0, aa, 1.0);
        let second = (if quadratic { aa * b_square } else { m * (1.0 + inverse) }) / if quadratic { root } else { w };

        let quadratic_variance = first * (b + z) * (b + z);
        let exponential_variance = ln_ratio::<M>(alive, 1.0 - u).max(0.0) * second;
        let variance = if quadratic { quadratic_variance } else { exponential_variance };

        // −ln E[e^(A v′)]. Quadratic: ½ ln(1 − 2Aa) − A a b²/(1 − 2Aa). Exponential: ln((1 − A/β)/(1 − pA/β)).
        let above = if quadratic { root } else { M::multiply_add(-self.moment, second, 1.0) };
        let below = if quadratic { 1.0 } else { M::multiply_add(-self.moment * p, second, 1.0) };
        let exists = above >= LEAST_MOMENT;
        let log = ln_ratio::<M>(if exists { above } else { 1.0 }, if exists { below } else { 1.0 });
        let corrected = if quadratic { M::multiply_add(0.5, log, -second) } else { log };
        let plain = M::multiply_add(self.k1, v, self.k0);
        let drift = if exists { corrected } else { plain };
        Stepped {
            variance,
            drift: M::multiply_add(self.k2, variance, M::multiply_add(-0.5 * self.k3, v, drift)),
            spread: M::multiply_add(self.k3, v, self.k4 * variance),
        }
    }

    #[inline(always)]
    pub(super) fn step<M: MultiplyAdd>(&self, numbers: &Numbers, state: &mut State) {
        let [spot, variance, _] = &numbers.z;
        let [_, uniform, jump] = &numbers.u;
        let counts = self.jumps.as_ref().map(|jumps| (jumps.counts(jump), jumps.mean, jumps.variance));
        let (mut drifts, mut spreads) = ([0.0; LANES], [0.0; LANES]);
        for i in 0..LANES {
            let v = state.variance[i];
            let stepped = self.path::<M>(v, variance[i], uniform[i]);
            state.variance[i] = stepped.variance;
            state.step_variance[i] = self.half_step * (v + stepped.variance);
            drifts[i] = stepped.drift;
            spreads[i] = stepped.spread;
        }
        if let Some((counts, mean, variance)) = counts {
            for i in 0..LANES {
                drifts[i] = M::multiply_add(counts[i], mean, drifts[i]);
                spreads[i] = M::multiply_add(counts[i], variance, spreads[i]);
            }
        }
        for i in 0..LANES {
            state.x[i] += M::multiply_add(spreads[i].sqrt(), spot[i], self.carry + drifts[i]);
            state.brownian[i] = M::multiply_add(self.correlation[0], variance[i], self.correlation[1] * spot[i]);
        }
    }
}

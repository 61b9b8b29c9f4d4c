//! Normal steps with or without jumps: exact, whatever the step.
//!
//! Formula   x(t + h) = x(t) + (r − q)h − ∫σ²/2 − λ(E[e^J] − 1)h + N μ_J + √(∫σ² + N σ_J²)·z: given the number N of jumps all is normal
//! Source    R. C. Merton, "Option pricing when underlying stock returns are discontinuous" (1976); Glasserman (2003), section 3.5.1

use super::{JumpCounts, State};
use crate::math::MultiplyAdd;
use crate::monte_carlo::lanes::LANES;
use crate::monte_carlo::source::Numbers;

/// Normal steps.
pub(in crate::monte_carlo) struct Diffusion {
    /// What x rises by in each step but for chance.
    drifts: Vec<f64>,
    /// Its variance in each step.
    variances: Vec<f64>,
    pub(super) jumps: Option<JumpCounts>,
}

impl Diffusion {
    /// From the carry of a step and the variance of each.
    pub(super) fn new(carry: f64, variances: Vec<f64>, jumps: Option<JumpCounts>) -> Self {
        let taken = jumps.as_ref().map_or(0.0, |jumps| jumps.compensator);
        let drifts = variances.iter().map(|variance| carry - 0.5 * variance - taken).collect();
        Self { drifts, variances, jumps }
    }

    #[inline(always)]
    pub(super) fn step<M: MultiplyAdd>(&self, step: usize, numbers: &Numbers, state: &mut State) {
        let (drift, variance) = (self.drifts[step], self.variances[step]);
        let z = &numbers.z[0];
        match &self.jumps {
            None => {
                let deviation = variance.sqrt();
                for (x, z) in state.x.iter_mut().zip(z) {
                    *x += M::multiply_add(deviation, *z, drift);
                }
            }
            Some(jumps) => {
                let counts = jumps.counts(&numbers.u[2]);
                for i in 0..LANES {
                    let deviation = M::multiply_add(counts[i], jumps.variance, variance).sqrt();
                    state.x[i] += M::multiply_add(deviation, z[i], M::multiply_add(counts[i], jumps.mean, drift));
                }
            }
        }
        state.step_variance = [variance; LANES];
        state.brownian = *z;
    }
}

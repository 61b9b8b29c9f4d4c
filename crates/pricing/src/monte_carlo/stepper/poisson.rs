//! How many jumps fall in a step, by the inverse of the distribution.

use crate::monte_carlo::lanes::{LANES, Lanes};
use crate::monte_carlo::{Jumps, MonteCarloError};

/// Most jumps to be expected in a step: e^−300 is still a normal number, and the table has some 500 entries.
const MOST_PER_STEP: f64 = 300.0;

/// The number of jumps in a step.
pub(in crate::monte_carlo) struct JumpCounts {
    /// P(N ≤ k), until it is 1 to the last bit.
    cumulative: Vec<f64>,
    /// Mean of a jump's logarithm.
    pub(super) mean: f64,
    /// Variance of a jump's logarithm.
    pub(super) variance: f64,
    /// λ(E[e^J] − 1) of a step.
    pub(super) compensator: f64,
}

impl JumpCounts {
    /// None where there are no jumps.
    pub(super) fn new(jumps: &Jumps, step_years: f64) -> Result<Option<Self>, MonteCarloError> {
        let per_step = jumps.jump_intensity * step_years;
        if per_step > MOST_PER_STEP {
            return Err(MonteCarloError::TooManyJumps { per_step, most: MOST_PER_STEP });
        }
        if per_step == 0.0 {
            return Ok(None);
        }
        let (mut probability, mut sum) = ((-per_step).exp(), 0.0);
        let mut cumulative = Vec::new();
        let mut k = 0.0;
        // Past the mean, terms that no longer count end the table.
        while k < per_step || probability > 1e-17 {
            sum += probability;
            cumulative.push(sum);
            k += 1.0;
            probability *= per_step / k;
        }
        Ok(Some(Self {
            cumulative,
            mean: jumps.jump_mean,
            variance: jumps.jump_std * jumps.jump_std,
            compensator: jumps.compensator() * step_years,
        }))
    }

    /// The number of jumps for each uniform number: how many of the table's entries are below it.
    #[inline(always)]
    pub(super) fn counts(&self, uniforms: &Lanes) -> Lanes {
        let mut counts = [0.0; LANES];
        for bound in &self.cumulative {
            for (count, u) in counts.iter_mut().zip(uniforms) {
                *count += if *u > *bound { 1.0 } else { 0.0 };
            }
        }
        counts
    }
}

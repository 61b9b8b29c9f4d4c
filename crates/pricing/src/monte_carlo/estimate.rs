//! A price by simulation with its standard error, and how many paths it took.

use super::Draws;

/// A price by simulation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean of the discounted payoff.
    pub price: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Independent samples: pairs where paths are antithetic, replications where they are quasi-random.
    pub samples: usize,
    /// Paths simulated for the mean.
    pub paths: usize,
}

impl Estimate {
    /// From the sum of the samples' payoffs and of their squares, before discounting.
    pub(super) fn of(sum: f64, squares: f64, draws: &Draws, discount_factor: f64) -> Self {
        let samples = draws.samples();
        let paths = if draws.antithetic { 2 * samples } else { samples };
        let n = samples as f64;
        let mean = sum / n;
        let variance = ((squares - sum * mean) / (n - 1.0)).max(0.0);
        Self { price: discount_factor * mean, standard_error: discount_factor * (variance / n).sqrt(), samples, paths }
    }
}

//! Paths of geometric Brownian motion from counted random numbers, and European prices from their ends.
//!
//! Draw `j` of path `i` under a seed is always the same number, so paths come out alike in any order, on any number of threads, and to
//! the last bits on any device. Paths are columns: `out` holds a row a step, a number a path.
//!
//! [`scalar`] is the twin, one path after the other; [`batch`] the vectorised path; [`launch`] the kernels.

pub mod batch;
pub(crate) mod kernel;
pub mod launch;
mod normal;
mod philox;
pub mod scalar;
#[cfg(test)]
mod tests;

pub use normal::inverse_normal_cdf;
pub use philox::philox;

use zomma_base::{OptionType, Status};

use crate::math::Target;

/// A spot that moves as geometric Brownian motion under the pricing measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gbm {
    spot: f64,
    risk_free_rate: f64,
    dividend_yield: f64,
    volatility: f64,
    expiry_years: f64,
}

impl Gbm {
    /// From spot (currency), rate and yield (continuously compounded), volatility (per square root of a year) and years to expiry.
    ///
    /// # Errors
    ///
    /// The status of the first field that is not finite, or (spot) not from 1e-200 to 1e200, (expiry) not above zero, (volatility) below
    /// it;
    /// [`Status::Overflow`] where seventeen deviations would leave the range of numbers.
    pub fn new(
        spot: f64,
        expiry_years: f64,
        risk_free_rate: f64,
        dividend_yield: f64,
        volatility: f64,
    ) -> Result<Self, Status> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let fault = if !(1e-200..=1e200).contains(&spot) {
            Some(Status::BadSpot)
        } else if expiry_years <= 0.0 {
            Some(Status::Expired)
        } else if !positive(expiry_years) {
            Some(Status::BadExpiry)
        } else if !risk_free_rate.is_finite() {
            Some(Status::BadRate)
        } else if !dividend_yield.is_finite() {
            Some(Status::BadYield)
        } else if !(volatility >= 0.0 && volatility.is_finite()) {
            Some(Status::BadVolatility)
        } else {
            None
        };
        if let Some(status) = fault {
            return Err(status);
        }
        let gbm = Self { spot, risk_free_rate, dividend_yield, volatility, expiry_years };
        let farthest = gbm.drift(1).abs() + 17.0 * gbm.deviation(1) + (risk_free_rate * expiry_years).abs();
        if farthest <= 200.0 { Ok(gbm) } else { Err(Status::Overflow) }
    }

    /// What the logarithm of the spot rises by in one of `steps` steps, but for chance.
    fn drift(&self, steps: usize) -> f64 {
        let per_year = self.risk_free_rate - self.dividend_yield - 0.5 * self.volatility * self.volatility;
        per_year * self.expiry_years / steps as f64
    }

    /// Its standard deviation in one of `steps` steps.
    fn deviation(&self, steps: usize) -> f64 {
        self.volatility * (self.expiry_years / steps as f64).sqrt()
    }

    fn discount_factor(&self) -> f64 {
        (-self.risk_free_rate * self.expiry_years).exp()
    }
}

/// Which paths are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// The same seed gives the same numbers.
    pub seed: u64,
    /// Paths; a multiple of two where they are antithetic, else the last one has no partner.
    pub paths: usize,
    /// Whether paths 2k and 2k + 1 have opposite numbers.
    pub antithetic: bool,
}

impl Draws {
    /// The random path that a path takes its numbers from, and the sign that it takes them with.
    #[inline(always)]
    fn source(&self, path: u64) -> (u64, f64) {
        if self.antithetic { (path >> 1, if path & 1 == 0 { 1.0 } else { -1.0 }) } else { (path, 1.0) }
    }

    /// Independent samples: pairs where paths are antithetic.
    fn samples(&self) -> usize {
        if self.antithetic { self.paths / 2 } else { self.paths }
    }
}

/// A price by simulation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean of the discounted payoff.
    pub price: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Independent samples: pairs where paths are antithetic.
    pub samples: usize,
}

impl Estimate {
    /// From the sum of the samples' payoffs and of their squares, before discounting.
    fn of(sum: f64, squares: f64, samples: usize, discount_factor: f64) -> Self {
        let n = samples as f64;
        let mean = sum / n;
        let variance = ((squares - sum * mean) / (n - 1.0)).max(0.0);
        Self { price: discount_factor * mean, standard_error: discount_factor * (variance / n).sqrt(), samples }
    }
}

/// Fills `out` [steps][paths] with the spot at the end of each of equal steps to the expiry, over the threads of the current rayon pool.
/// The bits depend neither on the number of threads nor on how many paths are drawn.
///
/// # Panics
///
/// Where `out` is not `steps` × `paths` long.
pub fn paths(gbm: &Gbm, draws: &Draws, steps: usize, out: &mut [f64]) {
    batch::paths_on(Target::best(), gbm, draws, steps, out);
}

/// The price of a European option by the ends of paths, over the threads of the current rayon pool; None with fewer than two samples.
/// The bits do not depend on the number of threads.
pub fn european(gbm: &Gbm, draws: &Draws, option_type: OptionType, strike: f64) -> Option<Estimate> {
    batch::european_on(Target::best(), gbm, draws, option_type, strike)
}

//! Monte Carlo: paths of the models of the desk from counted or quasi-random numbers, and prices from them.
//!
//! Draw `j` of path `i` under a seed is always the same number, so paths come out alike in any order, on any number of threads, and to
//! the last bits on any device.
//!
//! [`Gbm`], [`paths`] and [`european`] are geometric Brownian motion alone, on every device: [`scalar`] is the twin, one path after the
//! other; [`batch`] the vectorised path; [`launch`] the kernels. [`price`] and [`prices`] are the engine: every [`Model`] and
//! [`Payoff`], [`Sampling`] and [`Control`]; [`twin`] is their twin.

mod assets;
pub mod batch;
mod closed_form;
mod control;
mod draws;
mod engine;
#[cfg(test)]
mod engine_tests;
mod error;
mod estimate;
mod exercise;
mod gbm;
mod greeks;
pub mod heston_device;
pub(crate) mod kernel;
mod lanes;
pub mod launch;
mod local_volatility;
mod model;
mod moments;
mod normal;
pub mod pathwise;
mod payoff;
mod philox;
mod plan;
pub mod scalar;
mod source;
mod stepper;
#[cfg(test)]
mod tests;
pub mod twin;
mod watch;

pub use assets::{Assets, AssetsPayoff, Index, MOST_ASSETS, assets_price, assets_price_on, cholesky};
pub use control::Control;
pub use draws::Draws;
pub use engine::prices_on;
pub use error::MonteCarloError;
pub use estimate::Estimate;
pub use exercise::{Basis, BermudanEstimate, Exercise, assets_bermudan, bermudan};
pub use gbm::Gbm;
pub use greeks::{GreekEstimates, GreekMethod, greeks, greeks_on};
pub use local_volatility::{LocalVolatility, VolatilityFunction, VolatilityGrid};
pub use model::{Jumps, Market, Model};
pub use normal::inverse_normal_cdf;
pub use payoff::{Average, BarrierKind, Monitoring, Payoff};
pub use philox::philox;
pub use plan::{MOST_PATHS, MOST_REPLICATIONS, MOST_STEPS, Plan, Sampling};

pub use crate::fourier::Heston;

use zomma_base::OptionType;

use crate::math::Target;

/// One coordinate, in (0, 1), of a point of a scrambled Sobol sequence: points of a seed and replication are a digital net, replications
/// are independent of each other. Dimensions count from 0 to 1,023.
///
/// # Panics
///
/// Where `dimension` is beyond the table.
pub fn sobol_uniform(seed: u64, replication: u32, point: u32, dimension: usize) -> f64 {
    source::sobol::Scramble::new(seed, replication, dimension).uniform(source::sobol::coordinate(point, dimension))
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

/// The price of one payoff: see [`prices`].
///
/// # Errors
///
/// As [`prices`].
pub fn price(market: &Market, model: &Model<'_>, payoff: &Payoff, plan: &Plan) -> Result<Estimate, MonteCarloError> {
    prices(market, model, std::slice::from_ref(payoff), plan).map(|estimates| estimates[0])
}

/// Prices of payoffs on the same paths, in currency, over the threads of the current rayon pool. The bits depend neither on the number
/// of threads nor on the other payoffs.
///
/// # Errors
///
/// [`MonteCarloError`]: `Field` with the status of the first bad field, or `Overflow` where a price is not representable; the name of
/// what is wrong with the plan otherwise.
pub fn prices(
    market: &Market,
    model: &Model<'_>,
    payoffs: &[Payoff],
    plan: &Plan,
) -> Result<Vec<Estimate>, MonteCarloError> {
    engine::prices_on(Target::best(), market, model, payoffs, plan)
}

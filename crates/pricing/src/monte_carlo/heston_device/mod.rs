//! European prices under Heston on a device, from the CPU's random numbers: what comes down is two numbers for every 256 samples.

mod kernel;
#[cfg(test)]
mod tests;

use cubecl::prelude::*;
use zomma_base::{OptionType, Status};
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::model::check_heston;
use super::stepper::{CERTAIN_SIGMA_V, QuadraticExponential};
use super::{Control, Estimate, Heston, Market, MonteCarloError, Plan, Sampling};
use crate::math::grid::{BLOCK_THREADS, blocks_in_rounds};
use crate::math::reduction::Reduction;
use kernel::SAMPLES_PER_LANE;

/// A European option under Heston and the plan of its simulation, checked.
#[derive(Clone, Debug)]
pub struct HestonEuropean {
    constants: [f64; 12],
    plan: Plan,
    spot: f64,
    discount: f64,
    strike: f64,
    sign: f64,
}

impl HestonEuropean {
    /// Of independent or antithetic paths without control.
    ///
    /// # Errors
    ///
    /// As [`price`](super::price); `NotSupported` for Sobol's points, controls, and a volatility of variance of 1e-8 or less.
    pub fn new(
        market: &Market,
        heston: &Heston,
        (option_type, strike): (OptionType, f64),
        plan: &Plan,
    ) -> Result<Self, MonteCarloError> {
        plan.check()?;
        market.check()?;
        check_heston(heston)?;
        if !(strike.is_finite() && strike > 0.0) {
            return Err(Status::BadStrike.into());
        }
        if matches!(plan.sampling, Sampling::Sobol { .. }) || plan.control != Control::None {
            return Err(MonteCarloError::NotSupported("Sobol's points or a control on a device"));
        }
        if heston.sigma_v <= CERTAIN_SIGMA_V {
            return Err(MonteCarloError::NotSupported("a certain variance on a device"));
        }
        let step_years = market.expiry_years / plan.steps as f64;
        let carry = market.risk_free_rate - market.dividend_yield;
        let scheme = QuadraticExponential::new(heston, carry, step_years, None);
        Ok(Self {
            constants: scheme.constants(),
            plan: *plan,
            spot: market.spot,
            discount: market.discount_factor(),
            strike,
            sign: option_type.sign(),
        })
    }

    fn samples(&self) -> usize {
        if self.plan.is_antithetic() { self.plan.paths / 2 } else { self.plan.paths }
    }
}

/// The price on a device; none where it is not representable.
///
/// # Errors
///
/// [`GpuError`] where the device fails.
pub fn price(compute: &Compute, option: &HestonEuropean) -> Result<Option<Estimate>, GpuError> {
    price_by(compute, option, Reduction::Best)
}

fn price_by(compute: &Compute, option: &HestonEuropean, reduction: Reduction) -> Result<Option<Estimate>, GpuError> {
    let [sum, squares] = compute.run(Ends { option, reduction })?;
    let samples = option.samples();
    let n = samples as f64;
    let mean = sum / n;
    let variance = ((squares - sum * mean) / (n - 1.0)).max(0.0);
    let (price, standard_error) = (option.discount * mean, option.discount * (variance / n).sqrt());
    let paths = if option.plan.is_antithetic() { 2 * samples } else { samples };
    let estimate = Estimate { price, standard_error, samples, paths };
    Ok((price.is_finite() && squares.is_finite()).then_some(estimate))
}

struct Ends<'a> {
    option: &'a HestonEuropean,
    reduction: Reduction,
}

impl Job for Ends<'_> {
    type Output = [f64; 2];

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<[f64; 2], GpuError> {
        let Self { option, reduction } = self;
        let samples = option.samples();
        // A plan's paths are at most 2^32: the tiles fit a u32.
        let tiles = samples.div_ceil((BLOCK_THREADS * SAMPLES_PER_LANE) as usize);
        let constants = session.upload(&option.constants)?;
        let partial = session.allocate::<f64>(2 * tiles)?;
        // SAFETY: the kernel reads the twelve constants and writes two numbers for each of `tiles` tiles, the sizes of the buffers; its
        // loops are finite.
        unsafe {
            kernel::ends::launch_unchecked::<R>(
                session.client(),
                blocks_in_rounds(session, tiles as u32),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(partial.clone(), 2 * tiles),
                ArrayArg::from_raw_parts(constants, option.constants.len()),
                samples as u64,
                tiles as u32,
                option.plan.steps as u32,
                option.plan.seed,
                option.spot,
                option.strike,
                option.sign,
                0,
                option.plan.is_antithetic(),
                reduction.plane_size(session, BLOCK_THREADS),
            );
        }
        let partial = session.download::<f64>(partial)?;
        let (sums, squares) = partial.split_at(tiles);
        Ok([sums.iter().sum(), squares.iter().sum()])
    }
}

/// The CUDA source of the kernel.
#[cfg(test)]
pub(crate) fn sources<R: Runtime>(session: &Session<'_, R>, out: &mut Vec<(String, String)>) {
    use crate::cuda_source::{array, settings, source};
    let client = session.client().clone();
    let kernel =
        kernel::ends::Ends::<R>::new(settings(), client, array(), array(), (), (), (), (), (), (), (), (), true, 32);
    out.push(("heston_ends_planes".into(), source(kernel)));
}

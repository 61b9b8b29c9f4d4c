//! Paths and prices on a device: the only place here that knows blocks and buffers.

use cubecl::prelude::*;
use zomma_base::OptionType;
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::kernel::{self, SAMPLES_PER_LANE};
use super::{Draws, Estimate, Gbm};
use crate::math::grid::{BLOCK_THREADS, blocks_in_rounds, blocks_of_rows, rows_per_launch};
use crate::math::reduction::Reduction;

/// Fills `out` [steps][paths] on a device: as [`paths`](super::paths), from the same random bits.
///
/// # Errors
///
/// [`GpuError`] where the device fails; `out` then holds what earlier chunks gave.
///
/// # Panics
///
/// Where `out` is not `steps` × `paths` long, or there are 2³² steps.
pub fn paths(compute: &Compute, gbm: &Gbm, draws: &Draws, steps: usize, out: &mut [f64]) -> Result<(), GpuError> {
    assert_eq!(out.len(), steps * draws.paths, "a number a step and path");
    assert!(u32::try_from(steps).is_ok(), "fewer than 2^32 steps");
    if out.is_empty() {
        return Ok(());
    }
    compute.run(Paths { gbm, draws, steps, out })
}

struct Paths<'a> {
    gbm: &'a Gbm,
    draws: &'a Draws,
    steps: usize,
    out: &'a mut [f64],
}

impl Job for Paths<'_> {
    type Output = ();

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<(), GpuError> {
        let Self { gbm, draws, steps, out } = self;
        let step = rows_per_launch(session, steps * size_of::<f64>());
        let mut start = 0;
        while start < draws.paths {
            let n = step.min(draws.paths - start);
            let buffer = session.allocate::<f64>(steps * n)?;
            // SAFETY: the kernel writes `steps` × n elements, the size of the buffer; threads past n do nothing; n and `steps` fit a u32.
            unsafe {
                kernel::paths::launch_unchecked::<R>(
                    session.client(),
                    blocks_of_rows(n),
                    CubeDim::new_1d(BLOCK_THREADS),
                    ArrayArg::from_raw_parts(buffer.clone(), steps * n),
                    n as u32,
                    steps as u32,
                    start as u64,
                    draws.seed,
                    gbm.spot,
                    gbm.drift(steps),
                    gbm.deviation(steps),
                    0,
                    draws.antithetic,
                );
            }
            let values = session.download::<f64>(buffer)?;
            for (row, values) in out.chunks_exact_mut(draws.paths).zip(values.chunks_exact(n)) {
                row[start..start + n].copy_from_slice(values);
            }
            start += n;
        }
        Ok(())
    }
}

/// The price of a European option by the ends of paths on a device: as [`european`](super::european), from the same random bits. Two
/// numbers for every 2,048 samples come down.
///
/// # Errors
///
/// [`GpuError`] where the device fails.
///
/// # Panics
///
/// Where there are 2⁴³ samples or more.
pub fn european(
    compute: &Compute,
    gbm: &Gbm,
    draws: &Draws,
    option_type: OptionType,
    strike: f64,
) -> Result<Option<Estimate>, GpuError> {
    european_by(compute, gbm, draws, option_type, strike, Reduction::Best)
}

pub(super) fn european_by(
    compute: &Compute,
    gbm: &Gbm,
    draws: &Draws,
    option_type: OptionType,
    strike: f64,
    reduction: Reduction,
) -> Result<Option<Estimate>, GpuError> {
    if draws.samples() < 2 {
        return Ok(None);
    }
    let [sum, squares] = compute.run(Ends { gbm, draws, sign: option_type.sign(), strike, reduction })?;
    Ok(Some(Estimate::of(sum, squares, draws, gbm.discount_factor())))
}

struct Ends<'a> {
    gbm: &'a Gbm,
    draws: &'a Draws,
    sign: f64,
    strike: f64,
    reduction: Reduction,
}

impl Job for Ends<'_> {
    type Output = [f64; 2];

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<[f64; 2], GpuError> {
        let Self { gbm, draws, sign, strike, reduction } = self;
        let samples = draws.samples();
        let tiles = samples.div_ceil((BLOCK_THREADS * SAMPLES_PER_LANE) as usize);
        assert!(u32::try_from(tiles).is_ok(), "fewer than 2^43 samples");
        let partial = session.allocate::<f64>(2 * tiles)?;
        // SAFETY: the kernel writes two numbers for each of `tiles` tiles, the size of the buffer; its loops are finite.
        unsafe {
            kernel::ends::launch_unchecked::<R>(
                session.client(),
                blocks_in_rounds(session, tiles as u32),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(partial.clone(), 2 * tiles),
                samples as u64,
                tiles as u32,
                draws.seed,
                gbm.spot,
                gbm.drift(1),
                gbm.deviation(1),
                strike,
                sign,
                0,
                draws.antithetic,
                reduction.plane_size(session, BLOCK_THREADS),
            );
        }
        let partial = session.download::<f64>(partial)?;
        let (sums, squares) = partial.split_at(tiles);
        Ok([sums.iter().sum(), squares.iter().sum()])
    }
}

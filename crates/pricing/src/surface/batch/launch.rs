//! Many slices on a device: the only place here that knows blocks, buffers and chunks.
//!
//! What cannot be fitted (too few quotes, broken ones) is found on the CPU and never goes up. Quotes go up once, nine numbers a slice come
//! down.

use std::ops::Range;

use cubecl::prelude::*;
use zomma_gpu::{
    Compute, GpuError, Job, Session,
    recovery::{Batch, Place, Runner},
};

use super::columns::{Fitted, SliceColumns, SliceFits};
use super::frame::{FRAME, Frame};
use super::kernel::{ENDS, FITS, fit};
use super::parallel::fit_range;
use super::twin;
use crate::math::grid::BLOCK_THREADS;
use crate::math::reduction::Reduction;
use crate::surface::svi::wings::to_svi;

/// Bytes of a quote on the device.
const BYTES_PER_QUOTE: usize = 3 * size_of::<f64>();
/// Bytes of a slice beside its quotes.
const BYTES_PER_SLICE: usize = (FRAME + FITS) * size_of::<f64>() + (1 + ENDS) * size_of::<u32>();

/// Fits raw SVI to each slice on the runner's device, as [`fit_slices`](super::fit_slices) does on the CPU. Memory is admitted first;
/// slices that there is no room for are done in smaller pieces, on the next device or on the CPU, and none is lost. A slice's bits
/// do not depend on the piece that it is in.
///
/// # Errors
///
/// [`GpuError`] where a device fails and nothing is left to turn to.
///
/// # Panics
///
/// As [`fit_slices`](super::fit_slices).
pub fn fit_slices(runner: &Runner, columns: &SliceColumns) -> Result<SliceFits, GpuError> {
    columns.assert_whole();
    let slices = columns.len();
    let mut fits = SliceFits::unknown(slices);
    // What a piece takes is never more than this, however its slices differ.
    let most_quotes = (0..slices).map(|slice| columns.quotes_of(slice).len()).max().unwrap_or(0);
    let bytes_per_row = (BYTES_PER_SLICE + most_quotes * BYTES_PER_QUOTE) as u64;
    runner.with_oom_recovery(&Batch { rows: slices, bytes_per_row }, |place, slices| {
        match place {
            Place::Cpu => fit_range(columns, slices, &mut fits),
            Place::Device(compute) => fit_on(compute, columns, slices, &mut fits)?,
        }
        Ok(())
    })?;
    Ok(fits)
}

/// Fits some of the slices on a device, each in its place.
///
/// # Errors
///
/// [`GpuError`] where the device fails; `fits` then holds what earlier chunks gave.
///
/// # Panics
///
/// As [`fit_slices`](super::fit_slices), and where there are not so many slices, or `fits` has not a row for each of them all.
pub fn fit_on(
    compute: &Compute,
    columns: &SliceColumns,
    slices: Range<usize>,
    fits: &mut SliceFits,
) -> Result<(), GpuError> {
    columns.assert_whole();
    compute.run(Slices { columns, slices, fits, reduction: Reduction::Best })
}

/// One call's work.
pub(super) struct Slices<'a> {
    pub columns: &'a SliceColumns,
    pub slices: Range<usize>,
    pub fits: &'a mut SliceFits,
    pub reduction: Reduction,
}

impl Job for Slices<'_> {
    type Output = ();

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<(), GpuError> {
        let Self { columns, slices, fits, reduction } = self;
        let most_quotes = session.rows_per_chunk(BYTES_PER_QUOTE);
        let blocks = session.client().properties().hardware.max_cube_count.0 as usize;
        let most_slices = session.rows_per_chunk(BYTES_PER_SLICE).min(blocks);
        let mut chunk = Chunk::default();
        for slice in slices {
            let quotes = columns.slice(slice);
            match Frame::of(&quotes) {
                Err(status) => fits.set(slice, &Err(status)),
                // More quotes than a launch takes: a slice of millions keeps a core busy as well.
                Ok(_) if quotes.k.len() > most_quotes => fits.set(slice, &twin::fit(&quotes)),
                Ok(frame) => {
                    if chunk.slices.len() == most_slices || chunk.quotes + quotes.k.len() > most_quotes {
                        chunk.fit(session, columns, reduction, fits)?;
                        chunk = Chunk::default();
                    }
                    chunk.quotes += quotes.k.len();
                    chunk.slices.push((slice, frame));
                }
            }
        }
        chunk.fit(session, columns, reduction, fits)
    }
}

/// Slices that go up together.
#[derive(Debug, Default)]
struct Chunk {
    slices: Vec<(usize, Frame)>,
    quotes: usize,
}

impl Chunk {
    fn fit<R: Runtime>(
        &self,
        session: &Session<'_, R>,
        columns: &SliceColumns,
        reduction: Reduction,
        fits: &mut SliceFits,
    ) -> Result<(), GpuError> {
        let (n, quotes) = (self.slices.len(), self.quotes);
        if n == 0 {
            return Ok(());
        }
        let mut packed = Vec::with_capacity(3 * quotes);
        for column in [&columns.log_moneyness, &columns.total_variance, &columns.inverse_half_width] {
            self.slices.iter().for_each(|&(slice, _)| packed.extend_from_slice(&column[columns.quotes_of(slice)]));
        }
        let mut offsets = Vec::with_capacity(n + 1);
        offsets.push(0_u32);
        let mut end = 0;
        for &(slice, _) in &self.slices {
            end += columns.quotes_of(slice).len();
            offsets.push(end as u32);
        }
        let rows: Vec<[f64; FRAME]> = self.slices.iter().map(|(_, frame)| frame.numbers()).collect();
        let frames: Vec<f64> = (0..FRAME).flat_map(|number| rows.iter().map(move |row| row[number])).collect();
        let (packed, offsets, frames) = (session.upload(&packed)?, session.upload(&offsets)?, session.upload(&frames)?);
        let (fitted, ends) = (session.allocate::<f64>(FITS * n)?, session.allocate::<u32>(ENDS * n)?);
        // SAFETY: there is a block for each of n slices. Its quotes lie between its offset and the next, all of them in 0..quotes, so that
        // the kernel reads inside 3 × quotes, n + 1 and 11 × n elements; it writes 7 × n and 2 × n. Its loops end: over the quotes, and
        // after a fixed number of evaluations, of which the whole block is told alike.
        unsafe {
            fit::launch_unchecked::<R>(
                session.client(),
                CubeCount::Static(n as u32, 1, 1),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(packed, 3 * quotes),
                ArrayArg::from_raw_parts(offsets, n + 1),
                ArrayArg::from_raw_parts(frames, FRAME * n),
                ArrayArg::from_raw_parts(fitted.clone(), FITS * n),
                ArrayArg::from_raw_parts(ends.clone(), ENDS * n),
                quotes as u32,
                n as u32,
                reduction.plane_size(session, BLOCK_THREADS),
            );
        }
        let ends = session.download::<u32>(ends)?;
        let fitted = session.download::<f64>(fitted)?;
        for (row, &(slice, _)) in self.slices.iter().enumerate() {
            let number = |i: usize| fitted[i * n + row];
            let svi = to_svi(&std::array::from_fn(number));
            let quotes = columns.quotes_of(slice).len() as f64;
            let fit = Fitted {
                svi,
                rms: (number(5) / quotes).sqrt(),
                least_g: number(6),
                iterations: ends[row],
                converged: ends[n + row] == 1,
            };
            fits.set(slice, &Ok(fit));
        }
        Ok(())
    }
}

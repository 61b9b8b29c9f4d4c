//! Some rows of a batch on a device: their columns, and room for what is made of them there.

use std::ops::Range;

use cubecl::prelude::*;
use cubecl::server::Handle;
use zomma_base::OptionType;
use zomma_gpu::{GpuError, Session};

use super::grid::{BLOCK_THREADS, blocks_of_rows, rows_per_launch};

/// Columns of f64 one after the other, a type a row; results in the same way, a flag a row that the kernel leaves to the twin.
pub(crate) struct Part {
    at: Range<usize>,
    inputs: usize,
    outputs: usize,
    input: Handle,
    option_type: Handle,
    output: Handle,
    flags: Handle,
}

/// What a launch of a kernel with a thread a row takes: its grid, and its buffers as arguments.
pub(crate) struct LaunchOf<R: Runtime> {
    pub grid: CubeCount,
    pub block: CubeDim,
    /// `inputs` × rows of f64.
    pub input: ArrayArg<R>,
    /// Rows of u32: 1 for a put.
    pub option_type: ArrayArg<R>,
    /// `outputs` × rows of f64.
    pub output: ArrayArg<R>,
    /// Rows of u32.
    pub flags: ArrayArg<R>,
    pub rows: u32,
}

impl Part {
    /// How a batch of `rows` is cut on this device.
    pub fn cuts<R: Runtime>(
        session: &Session<'_, R>,
        rows: usize,
        inputs: usize,
        outputs: usize,
    ) -> impl Iterator<Item = Range<usize>> {
        let step = rows_per_launch(session, (inputs + outputs) * size_of::<f64>() + 2 * size_of::<u32>());
        (0..rows).step_by(step).map(move |start| start..rows.min(start + step))
    }

    /// Uploads the rows `at` of some columns.
    pub fn load<R: Runtime>(
        session: &Session<'_, R>,
        option_type: &[OptionType],
        columns: &[&[f64]],
        at: Range<usize>,
        outputs: usize,
    ) -> Result<Self, GpuError> {
        let (n, inputs) = (at.len(), columns.len());
        let mut packed = Vec::with_capacity(inputs * n);
        for column in columns {
            packed.extend_from_slice(&column[at.clone()]);
        }
        let types: Vec<u32> = option_type[at.clone()].iter().map(|&kind| u32::from(kind == OptionType::Put)).collect();
        let (input, option_type) = (session.upload(&packed)?, session.upload(&types)?);
        let (output, flags) = (session.allocate::<f64>(outputs * n)?, session.allocate::<u32>(n)?);
        Ok(Self { at, inputs, outputs, input, option_type, output, flags })
    }

    /// Which rows of the batch these are.
    pub fn rows(&self) -> Range<usize> {
        self.at.clone()
    }

    /// Columns of results.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// What a launch over these rows takes.
    pub fn launch<R: Runtime>(&self) -> LaunchOf<R> {
        let n = self.at.len();
        // SAFETY: each length is what `load` made the buffer with.
        unsafe {
            LaunchOf {
                grid: blocks_of_rows(n),
                block: CubeDim::new_1d(BLOCK_THREADS),
                input: ArrayArg::from_raw_parts(self.input.clone(), self.inputs * n),
                option_type: ArrayArg::from_raw_parts(self.option_type.clone(), n),
                output: ArrayArg::from_raw_parts(self.output.clone(), self.outputs * n),
                flags: ArrayArg::from_raw_parts(self.flags.clone(), n),
                rows: n as u32,
            }
        }
    }

    /// Waits for the results: the columns one after the other, and the rows of the batch that are left to the twin.
    pub fn download<R: Runtime>(&self, session: &Session<'_, R>) -> Result<(Vec<f64>, Vec<usize>), GpuError> {
        let flags = session.download::<u32>(self.flags.clone())?;
        let values = session.download::<f64>(self.output.clone())?;
        let left = self.rows().zip(&flags).filter(|(_, flag)| **flag != 0).map(|(row, _)| row).collect();
        Ok((values, left))
    }
}

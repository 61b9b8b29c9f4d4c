//! The batch verbs of this folder on a device: the only place here that knows block sizes, buffers and chunks.
//!
//! A batch goes up in chunks of a bounded share of the device's memory, so its length is not limited by the device. Rows that the
//! kernel leaves to the scalar twin (broken, without volatility, extreme) are decided on the CPU after each chunk, so every row has
//! the status that the CPU path gives it.

use cubecl::prelude::*;
use zomma_base::{OptionType, Status};
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::kernel::value;
use super::{Greek, GreekColumns, Model, RowColumns, scalar};

/// Threads of a block: a multiple of every vendor's warp.
const BLOCK_THREADS: u32 = 64;
/// Columns of f64 that go up.
const INPUTS: usize = 6;
/// Values one batch on a device: as [`black::price`](super::price). `out` and `status` have the length of the columns.
///
/// # Errors
///
/// [`GpuError`] where the device fails; `out` and `status` then hold what earlier chunks gave.
pub fn price(
    compute: &Compute,
    rows: &RowColumns<'_>,
    model: Model,
    out: &mut [f64],
    status: &mut [Status],
) -> Result<(), GpuError> {
    compute.run(Batch { rows, model, columns: &mut [out], status }).map(|_| ())
}

/// Price and all 18 Greeks of one batch on a device: as [`black::greeks`](super::greeks).
///
/// # Errors
///
/// [`GpuError`] where the device fails; `out` and `status` then hold what earlier chunks gave.
pub fn greeks(
    compute: &Compute,
    rows: &RowColumns<'_>,
    model: Model,
    out: &mut GreekColumns,
    status: &mut [Status],
) -> Result<(), GpuError> {
    let mut columns: Vec<&mut [f64]> = out.columns_mut().iter_mut().map(Vec::as_mut_slice).collect();
    compute.run(Batch { rows, model, columns: &mut columns, status }).map(|_| ())
}

/// One call's work: one output column is the price alone, 19 are all quantities.
struct Batch<'a, 'b, 'c> {
    rows: &'a RowColumns<'a>,
    model: Model,
    columns: &'b mut [&'c mut [f64]],
    status: &'b mut [Status],
}

impl Job for Batch<'_, '_, '_> {
    /// How many rows the twin decided.
    type Output = usize;

    fn run<R: Runtime>(mut self, session: &Session<'_, R>) -> Result<usize, GpuError> {
        let total = self.rows.spot.len();
        assert!(
            self.status.len() == total && self.columns.iter().all(|column| column.len() == total),
            "columns of one length"
        );
        let bytes_per_row = (INPUTS + self.columns.len()) * size_of::<f64>() + 2 * size_of::<u32>();
        let step = session.rows_per_chunk(bytes_per_row);
        let (mut start, mut left) = (0, 0);
        while start < total {
            let end = total.min(start + step);
            left += self.chunk(session, start, end)?;
            start = end;
        }
        Ok(left)
    }
}

impl Batch<'_, '_, '_> {
    /// Values the rows `start..end`; how many of them the twin decided.
    fn chunk<R: Runtime>(&mut self, session: &Session<'_, R>, start: usize, end: usize) -> Result<usize, GpuError> {
        let (n, rows) = (end - start, self.rows);
        let inputs =
            [rows.spot, rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield, rows.volatility];
        let mut packed = Vec::with_capacity(INPUTS * n);
        for column in inputs {
            packed.extend_from_slice(&column[start..end]);
        }
        let types: Vec<u32> =
            rows.option_type[start..end].iter().map(|&kind| u32::from(kind == OptionType::Put)).collect();
        let outputs = self.columns.len();
        let (input, option_type) = (session.upload(&packed)?, session.upload(&types)?);
        let output = session.allocate::<f64>(outputs * n)?;
        let flags = session.allocate::<u32>(n)?;
        // SAFETY: the kernel reads 6 n and n elements and writes `outputs`·n and n, the sizes of these four buffers; threads past n do
        // nothing, and n fits a u32 since a chunk does.
        unsafe {
            value::launch_unchecked::<R>(
                session.client(),
                CubeCount::Static((n as u32).div_ceil(BLOCK_THREADS), 1, 1),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(input, INPUTS * n),
                ArrayArg::from_raw_parts(option_type, n),
                ArrayArg::from_raw_parts(output.clone(), outputs * n),
                ArrayArg::from_raw_parts(flags.clone(), n),
                n as u32,
                0,
                self.model == Model::Black76,
                outputs == 1,
            );
        }
        let flags = session.download::<u32>(flags)?;
        let values = session.download::<f64>(output)?;
        for (column, values) in self.columns.iter_mut().zip(values.chunks_exact(n)) {
            column[start..end].copy_from_slice(values);
        }
        if self.model == Model::Black76 && outputs > 1 {
            self.columns[Greek::Phi as usize][start..end].fill(f64::NAN);
        }
        self.status[start..end].fill(Status::Ok);
        for (i, _) in (start..end).zip(&flags).filter(|(_, flag)| **flag != 0) {
            self.twin(i);
        }
        Ok(flags.iter().filter(|flag| **flag != 0).count())
    }

    /// Values one row on the CPU.
    fn twin(&mut self, i: usize) {
        let row = self.rows.row(i);
        let (quantities, status) = match scalar::greeks(&row, self.model) {
            Ok(quantities) => (quantities, Status::Ok),
            Err(status) => ([f64::NAN; 19], status),
        };
        self.status[i] = status;
        for (column, quantity) in self.columns.iter_mut().zip(quantities) {
            column[i] = quantity;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zomma_gpu::{Device, DeviceKind, list};

    #[test]
    fn the_device_and_not_the_twin_values_every_usual_row() {
        let found = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
        let Some(compute) = found.and_then(|device| device.open().unwrap()) else {
            return zomma_testkit::skip("no device");
        };
        let n = 1000;
        let strike: Vec<f64> = (0..n).map(|i| 50.0 + 0.1 * f64::from(i)).collect();
        let (option_type, hundreds) = (vec![OptionType::Call; strike.len()], vec![100.0; strike.len()]);
        let (expiry, rate, mut volatility) =
            (vec![0.5; strike.len()], vec![0.03; strike.len()], vec![0.2; strike.len()]);
        volatility[17] = f64::NAN;
        volatility[18] = 0.0;
        let rows = RowColumns {
            option_type: &option_type,
            spot: &hundreds,
            strike: &strike,
            expiry_years: &expiry,
            risk_free_rate: &rate,
            dividend_yield: &rate,
            volatility: &volatility,
        };
        let (mut out, mut status) = (vec![0.0; strike.len()], vec![Status::NotConverged; strike.len()]);
        let batch = Batch { rows: &rows, model: Model::Bsm, columns: &mut [&mut out], status: &mut status };
        assert_eq!(compute.run(batch).unwrap(), 2);
    }
}

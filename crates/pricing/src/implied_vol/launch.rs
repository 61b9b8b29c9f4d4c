//! The batch verbs of this folder on a device: the only place here that knows block sizes, buffers and chunks.
//!
//! Rows that the kernel leaves to the scalar twin (no time value, at the maximum, undetermined, broken, extreme) are decided on the
//! CPU after each chunk, so every row has the status that the CPU path gives it.

use cubecl::prelude::*;
use zomma_base::{OptionType, Status};
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::kernel::invert;
use super::{BsmPriceColumns, PriceColumns, implied_volatility_bsm_row, implied_volatility_row};

/// Threads of a block: a multiple of every vendor's warp.
const BLOCK_THREADS: u32 = 64;

/// The volatility of each row on a device: as [`implied_volatility`](super::implied_volatility).
///
/// # Errors
///
/// [`GpuError`] where the device fails; `out` and `status` then hold what earlier chunks gave.
pub fn implied_volatility(
    compute: &Compute,
    rows: &PriceColumns<'_>,
    out: &mut [f64],
    status: &mut [Status],
) -> Result<(), GpuError> {
    let inputs = [rows.forward, rows.strike, rows.expiry_years, rows.discount_factor, rows.price];
    let twin = |i: usize| {
        implied_volatility_row(
            rows.option_type[i],
            rows.forward[i],
            rows.strike[i],
            rows.expiry_years[i],
            rows.discount_factor[i],
            rows.price[i],
        )
    };
    compute.run(Batch { option_type: rows.option_type, inputs: &inputs, on_spot: false, twin, out, status }).map(|_| ())
}

/// The volatility of each row on a device, from spot, rate and yield: as [`implied_volatility_bsm`](super::implied_volatility_bsm).
///
/// # Errors
///
/// [`GpuError`] where the device fails; `out` and `status` then hold what earlier chunks gave.
pub fn implied_volatility_bsm(
    compute: &Compute,
    rows: &BsmPriceColumns<'_>,
    out: &mut [f64],
    status: &mut [Status],
) -> Result<(), GpuError> {
    let inputs = [rows.spot, rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield, rows.price];
    let twin = |i: usize| implied_volatility_bsm_row(&rows.row(i), rows.price[i]);
    compute.run(Batch { option_type: rows.option_type, inputs: &inputs, on_spot: true, twin, out, status }).map(|_| ())
}

/// One call's work.
struct Batch<'a, T> {
    option_type: &'a [OptionType],
    inputs: &'a [&'a [f64]],
    on_spot: bool,
    /// The scalar twin of a row.
    twin: T,
    out: &'a mut [f64],
    status: &'a mut [Status],
}

impl<T: Fn(usize) -> Result<f64, Status>> Job for Batch<'_, T> {
    /// How many rows the twin decided.
    type Output = usize;

    fn run<R: Runtime>(mut self, session: &Session<'_, R>) -> Result<usize, GpuError> {
        let total = self.out.len();
        let of_one_length = self.inputs.iter().all(|column| column.len() == total);
        assert!(
            of_one_length && self.option_type.len() == total && self.status.len() == total,
            "columns of one length"
        );
        let bytes_per_row = (self.inputs.len() + 1) * size_of::<f64>() + 2 * size_of::<u32>();
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

impl<T: Fn(usize) -> Result<f64, Status>> Batch<'_, T> {
    /// Inverts the rows `start..end`; how many of them the twin decided.
    fn chunk<R: Runtime>(&mut self, session: &Session<'_, R>, start: usize, end: usize) -> Result<usize, GpuError> {
        let (n, columns) = (end - start, self.inputs.len());
        let mut packed = Vec::with_capacity(columns * n);
        for column in self.inputs {
            packed.extend_from_slice(&column[start..end]);
        }
        let types: Vec<u32> =
            self.option_type[start..end].iter().map(|&kind| u32::from(kind == OptionType::Put)).collect();
        let (input, option_type) = (session.upload(&packed)?, session.upload(&types)?);
        let (output, flags) = (session.allocate::<f64>(n)?, session.allocate::<u32>(n)?);
        // SAFETY: the kernel reads `columns`·n and n elements and writes n and n, the sizes of these four buffers; threads past n do
        // nothing, and n fits a u32 since a chunk does.
        unsafe {
            invert::launch_unchecked::<R>(
                session.client(),
                CubeCount::Static((n as u32).div_ceil(BLOCK_THREADS), 1, 1),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(input, columns * n),
                ArrayArg::from_raw_parts(option_type, n),
                ArrayArg::from_raw_parts(output.clone(), n),
                ArrayArg::from_raw_parts(flags.clone(), n),
                n as u32,
                0,
                self.on_spot,
            );
        }
        let flags = session.download::<u32>(flags)?;
        self.out[start..end].copy_from_slice(&session.download::<f64>(output)?);
        self.status[start..end].fill(Status::Ok);
        for (i, _) in (start..end).zip(&flags).filter(|(_, flag)| **flag != 0) {
            (self.out[i], self.status[i]) = match (self.twin)(i) {
                Ok(volatility) => (volatility, Status::Ok),
                Err(code) => (f64::NAN, code),
            };
        }
        Ok(flags.iter().filter(|flag| **flag != 0).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zomma_gpu::{Device, DeviceKind, list};

    #[test]
    fn the_device_and_not_the_twin_inverts_every_usual_row() {
        let found = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
        let Some(compute) = found.and_then(|device| device.open().unwrap()) else {
            return zomma_testkit::skip("no device");
        };
        let n = 1000;
        // A call at the money to far in and out of it, at prices from a tenth of the forward up.
        let strike: Vec<f64> = (0..n).map(|i| 80.0 + 0.04 * f64::from(i)).collect();
        let mut price: Vec<f64> = strike.iter().map(|k| (100.0 - k).max(0.0) + 10.0).collect();
        price[17] = f64::NAN;
        let (hundreds, ones) = (vec![100.0; price.len()], vec![1.0; price.len()]);
        let (mut out, mut status) = (vec![0.0; price.len()], vec![Status::NotConverged; price.len()]);
        let batch = Batch {
            option_type: &vec![OptionType::Call; price.len()],
            inputs: &[&hundreds, &strike, &ones, &ones, &price],
            on_spot: false,
            twin: |_| Err(Status::BadPrice),
            out: &mut out,
            status: &mut status,
        };
        assert_eq!(compute.run(batch).unwrap(), 1);
        assert!(
            status.iter().enumerate().all(|(i, &status)| status == if i == 17 { Status::BadPrice } else { Status::Ok })
        );
    }
}

//! The batch verbs of this folder on a device: the only place here that knows block sizes, buffers and chunks.
//!
//! Rows that the kernel leaves to the scalar twin (no time value, at the maximum, undetermined, broken, extreme) are decided on the
//! CPU after each chunk, so every row has the status that the CPU path gives it.

use cubecl::prelude::*;
use zomma_base::{OptionType, Status};
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::kernel::invert;
use super::{BsmPriceColumns, PriceColumns, implied_volatility_bsm_row, implied_volatility_row};
use crate::math::part::{LaunchOf, Part};

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
    let inputs = rows.columns();
    let twin = |i: usize| implied_volatility_bsm_row(&rows.row(i), rows.price[i]);
    compute.run(Batch { option_type: rows.option_type, inputs: &inputs, on_spot: true, twin, out, status }).map(|_| ())
}

/// One call's work.
pub(super) struct Batch<'a, T> {
    pub option_type: &'a [OptionType],
    pub inputs: &'a [&'a [f64]],
    pub on_spot: bool,
    /// The scalar twin of a row.
    pub twin: T,
    pub out: &'a mut [f64],
    pub status: &'a mut [Status],
}

impl<T: Fn(usize) -> Result<f64, Status>> Job for Batch<'_, T> {
    /// How many rows the twin decided.
    type Output = usize;

    fn run<R: Runtime>(mut self, session: &Session<'_, R>) -> Result<usize, GpuError> {
        self.assert_whole();
        let mut left = 0;
        for at in Part::cuts(session, self.out.len(), self.inputs.len(), 1) {
            let part = Part::load(session, self.option_type, self.inputs, at, 1)?;
            launch(session, &part, self.on_spot);
            left += self.fetch(session, &part)?;
        }
        Ok(left)
    }
}

/// Inverts uploaded rows; the results stay on the device.
pub(super) fn launch<R: Runtime>(session: &Session<'_, R>, part: &Part, on_spot: bool) {
    let LaunchOf { grid, block, input, option_type, output, flags, rows } = part.launch::<R>();
    // SAFETY: the kernel reads the columns (6 on spot, 5 on a forward) and a type a row and writes a number and a flag, the sizes of these
    // four buffers; threads past the rows do nothing.
    unsafe {
        invert::launch_unchecked::<R>(
            session.client(),
            grid,
            block,
            input,
            option_type,
            output,
            flags,
            rows,
            0,
            on_spot,
        );
    }
}

impl<T: Fn(usize) -> Result<f64, Status>> Batch<'_, T> {
    pub(super) fn assert_whole(&self) {
        let total = self.out.len();
        let of_one_length = self.inputs.iter().all(|column| column.len() == total);
        assert!(
            of_one_length && self.option_type.len() == total && self.status.len() == total,
            "columns of one length"
        );
    }

    /// Puts the results of a part in their rows; how many of them the twin decided.
    pub(super) fn fetch<R: Runtime>(&mut self, session: &Session<'_, R>, part: &Part) -> Result<usize, GpuError> {
        let (values, left) = part.download(session)?;
        self.out[part.rows()].copy_from_slice(&values);
        self.status[part.rows()].fill(Status::Ok);
        for &i in &left {
            (self.out[i], self.status[i]) = match (self.twin)(i) {
                Ok(volatility) => (volatility, Status::Ok),
                Err(code) => (f64::NAN, code),
            };
        }
        Ok(left.len())
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

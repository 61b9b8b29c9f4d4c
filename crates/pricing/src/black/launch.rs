//! The batch verbs of this folder on a device: the only place here that knows block sizes, buffers and chunks.
//!
//! A batch goes up in chunks of a bounded share of the device's memory, so its length is not limited by the device. Rows that the
//! kernel leaves to the scalar twin (broken, without volatility, extreme) are decided on the CPU after each chunk, so every row has
//! the status that the CPU path gives it.

use std::ops::Range;

use cubecl::prelude::*;
use zomma_base::Status;
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::kernel::value;
use super::{Greek, GreekColumns, Model, RowColumns, scalar};
use crate::math::part::{LaunchOf, Part};

/// Columns of f64 that go up.
pub(super) const INPUTS: usize = 6;

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
pub(super) struct Batch<'a, 'b, 'c> {
    pub rows: &'a RowColumns<'a>,
    pub model: Model,
    pub columns: &'b mut [&'c mut [f64]],
    pub status: &'b mut [Status],
}

impl Job for Batch<'_, '_, '_> {
    /// How many rows the twin decided.
    type Output = usize;

    fn run<R: Runtime>(mut self, session: &Session<'_, R>) -> Result<usize, GpuError> {
        self.assert_whole();
        let mut left = 0;
        for at in Part::cuts(session, self.status.len(), INPUTS, self.columns.len()) {
            let part = load(session, self.rows, at, self.columns.len())?;
            launch(session, &part, self.model);
            left += self.fetch(session, &part)?;
        }
        Ok(left)
    }
}

/// Uploads some rows.
pub(super) fn load<R: Runtime>(
    session: &Session<'_, R>,
    rows: &RowColumns<'_>,
    at: Range<usize>,
    outputs: usize,
) -> Result<Part, GpuError> {
    let columns: [&[f64]; INPUTS] =
        [rows.spot, rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield, rows.volatility];
    Part::load(session, rows.option_type, &columns, at, outputs)
}

/// Values uploaded rows; the results stay on the device.
pub(super) fn launch<R: Runtime>(session: &Session<'_, R>, part: &Part, model: Model) {
    let LaunchOf { grid, block, input, option_type, output, flags, rows } = part.launch::<R>();
    // SAFETY: the kernel reads 6 numbers and a type a row and writes the outputs and a flag, the sizes of these four buffers; threads
    // past the rows do nothing.
    unsafe {
        value::launch_unchecked::<R>(
            session.client(),
            grid,
            block,
            input,
            option_type,
            output,
            flags,
            rows,
            0,
            model == Model::Black76,
            part.outputs() == 1,
        );
    }
}

impl Batch<'_, '_, '_> {
    pub(super) fn assert_whole(&self) {
        let total = self.rows.spot.len();
        assert!(
            self.status.len() == total && self.columns.iter().all(|column| column.len() == total),
            "columns of one length"
        );
    }

    /// Puts the results of a part in their rows; how many of them the twin decided.
    pub(super) fn fetch<R: Runtime>(&mut self, session: &Session<'_, R>, part: &Part) -> Result<usize, GpuError> {
        let (values, left) = part.download(session)?;
        let at = part.rows();
        for (column, values) in self.columns.iter_mut().zip(values.chunks_exact(at.len())) {
            column[at.clone()].copy_from_slice(values);
        }
        if self.model == Model::Black76 && part.outputs() > 1 {
            self.columns[Greek::Phi as usize][at.clone()].fill(f64::NAN);
        }
        self.status[at].fill(Status::Ok);
        left.iter().for_each(|&row| self.twin(row));
        Ok(left.len())
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
    use zomma_base::OptionType;
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

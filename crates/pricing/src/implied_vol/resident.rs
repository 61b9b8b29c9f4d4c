//! Prices that stay on the device: uploaded once, inverted as often as wanted, the volatilities fetched when they are.

use cubecl::prelude::Runtime;
use zomma_base::Status;
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::launch::{Batch, launch};
use super::{BsmPriceColumns, implied_volatility_bsm_row};
use crate::math::part::Part;

/// Prices on spot on a device, with the volatility of each. Its memory is given back when it is dropped.
pub struct Resident<'a> {
    compute: &'a Compute,
    rows: &'a BsmPriceColumns<'a>,
    parts: Vec<Part>,
}

impl<'a> Resident<'a> {
    /// Uploads a batch and inverts it once.
    ///
    /// # Errors
    ///
    /// [`GpuError`] where the device has no room or fails.
    pub fn upload(compute: &'a Compute, rows: &'a BsmPriceColumns<'a>) -> Result<Self, GpuError> {
        let parts = compute.run(Load { rows })?;
        let resident = Self { compute, rows, parts };
        resident.invert()?;
        Ok(resident)
    }

    /// Inverts every price anew: nothing goes up or comes down. Returns once the device is done.
    ///
    /// # Errors
    ///
    /// [`GpuError`] where the device fails.
    pub fn invert(&self) -> Result<(), GpuError> {
        self.compute.run(Invert { parts: &self.parts })
    }

    /// Fetches the volatilities: as [`implied_volatility_bsm`](super::implied_volatility_bsm).
    ///
    /// # Errors
    ///
    /// [`GpuError`] where the device fails; `out` and `status` then hold what earlier parts gave.
    ///
    /// # Panics
    ///
    /// Where `out` or `status` has not the length of the columns.
    pub fn download(&self, out: &mut [f64], status: &mut [Status]) -> Result<(), GpuError> {
        let rows = self.rows;
        let twin = |i: usize| implied_volatility_bsm_row(&rows.row(i), rows.price[i]);
        let batch = Batch { option_type: rows.option_type, inputs: &rows.columns(), on_spot: true, twin, out, status };
        batch.assert_whole();
        self.compute.run(Fetch { parts: &self.parts, batch })
    }
}

struct Load<'a> {
    rows: &'a BsmPriceColumns<'a>,
}

impl Job for Load<'_> {
    type Output = Vec<Part>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let columns = self.rows.columns();
        Part::cuts(session, self.rows.price.len(), columns.len(), 1)
            .map(|at| Part::load(session, self.rows.option_type, &columns, at, 1))
            .collect()
    }
}

struct Invert<'a> {
    parts: &'a [Part],
}

impl Job for Invert<'_> {
    type Output = ();

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<(), GpuError> {
        self.parts.iter().for_each(|part| launch(session, part, true));
        session.wait()
    }
}

struct Fetch<'a, T> {
    parts: &'a [Part],
    batch: Batch<'a, T>,
}

impl<T: Fn(usize) -> Result<f64, Status>> Job for Fetch<'_, T> {
    type Output = ();

    fn run<R: Runtime>(mut self, session: &Session<'_, R>) -> Result<(), GpuError> {
        self.parts.iter().try_for_each(|part| self.batch.fetch(session, part).map(|_| ()))
    }
}

//! A portfolio that stays on the device: uploaded once, summed many times under other markets.

use zomma_gpu::{Compute, GpuError, Job, Session};

use super::batch::{ChunkSums, fold};
use super::launch::{Loaded, chunks};
use super::order::Order;
use super::{Positions, Shock, Totals};
use crate::math::reduction::Reduction;
use cubecl::prelude::Runtime;

/// Positions on a device. Its memory is given back when it is dropped.
pub struct Resident<'c> {
    compute: &'c Compute,
    /// The rows as they are on the device: what the twin values, and what rows are told apart by.
    positions: Positions,
    groups: usize,
    order: Order,
    parts: Vec<Loaded>,
}

impl<'c> Resident<'c> {
    /// Uploads a portfolio. Where prices are given, every call of [`Resident::sums`] implies the volatilities anew.
    ///
    /// # Errors
    ///
    /// [`GpuError`] where the device has no room or fails.
    ///
    /// # Panics
    ///
    /// As [`sums`](super::sums).
    pub fn upload(compute: &'c Compute, positions: Positions, groups: usize) -> Result<Self, GpuError> {
        let columns = positions.columns();
        columns.assert_whole(groups);
        let order = Order::of(&columns, groups);
        let parts = compute.run(Load { positions: &positions, order: &order })?;
        Ok(Self { compute, positions, groups, order, parts })
    }

    /// The rows.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Sums in a shocked market: nothing goes up, sums come down.
    ///
    /// # Errors
    ///
    /// [`GpuError`] where the device fails.
    pub fn sums(&self, shock: Shock) -> Result<Totals, GpuError> {
        let parts = self.compute.run(Sum { resident: self, shock })?;
        Ok(fold(&self.order.segments, self.groups, parts))
    }

    /// Puts another spot (forward under Black-76) in the place of every row's.
    ///
    /// # Errors
    ///
    /// [`GpuError`] where the device fails: what is on it is then unknown, and the portfolio is to be uploaded anew.
    ///
    /// # Panics
    ///
    /// Where the column is not as long as the portfolio.
    pub fn set_spot(&mut self, spot: &[f64]) -> Result<(), GpuError> {
        self.positions.spot.copy_from_slice(spot);
        self.replace(true)
    }

    /// Puts another volatility, or price where those are given, in the place of every row's.
    ///
    /// # Errors
    ///
    /// As [`Resident::set_spot`].
    ///
    /// # Panics
    ///
    /// As [`Resident::set_spot`].
    pub fn set_given(&mut self, given: &[f64]) -> Result<(), GpuError> {
        self.positions.given.copy_from_slice(given);
        self.replace(false)
    }

    fn replace(&mut self, is_spot: bool) -> Result<(), GpuError> {
        let Self { compute, positions, order, parts, .. } = self;
        compute.run(Replace { positions, order, parts, is_spot })
    }
}

struct Load<'a> {
    positions: &'a Positions,
    order: &'a Order,
}

impl Job for Load<'_> {
    type Output = Vec<Loaded>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let columns = self.positions.columns();
        let places = chunks(session, columns.len());
        places.into_iter().map(|places| Loaded::new(session, &columns, self.order, places)).collect()
    }
}

struct Sum<'a> {
    resident: &'a Resident<'a>,
    shock: Shock,
}

impl Job for Sum<'_> {
    type Output = Vec<ChunkSums>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let Resident { positions, order, parts, .. } = self.resident;
        let columns = positions.columns();
        parts.iter().map(|part| part.sums(session, &columns, order, self.shock, Reduction::Best)).collect()
    }
}

struct Replace<'a> {
    positions: &'a Positions,
    order: &'a Order,
    parts: &'a mut [Loaded],
    is_spot: bool,
}

impl Job for Replace<'_> {
    type Output = ();

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<(), GpuError> {
        let columns = self.positions.columns();
        self.parts.iter_mut().try_for_each(|part| part.replace(session, self.order, &columns, self.is_spot))
    }
}

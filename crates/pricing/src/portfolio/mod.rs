//! What a book of European options adds up to: value and Greeks, by group and in total, in one pass from quotes to sums.
//!
//! Volatilities (implied, where prices are given), values and Greeks of a row live in registers or in the first-level cache; only sums
//! are written. Quantity and multiplier enter once, as a factor of every term. A row that fails has no part in the sums: it is counted
//! under its status, and [`PositionColumns::status`] says which rows these were.
//!
//! [`scalar`] is the twin, one row after the other with compensated summation; [`batch`] the vectorised path; [`launch`] the kernels, and
//! [`Resident`] a portfolio that stays on the device.

pub mod batch;
mod columns;
pub(crate) mod kernel;
pub mod launch;
#[cfg(test)]
mod launch_tests;
mod order;
mod resident;
pub mod scalar;
mod sums;
#[cfg(test)]
mod tests;
mod valued;

pub use columns::{Given, PositionColumns, Positions, Shock};
pub use resident::Resident;
pub use sums::{Sums, Totals};
pub use valued::Held;

use crate::math::Target;

/// Sums that are kept of a group: the value and 17 Greeks, and spot × delta.
pub(crate) const QUANTITIES: usize = 19;

/// Sums by group and in total over the threads of the current rayon pool. The bits depend on the rows and the instruction set alone,
/// not on the number of threads.
///
/// # Panics
///
/// Where the columns are not of one length, or a group is not below `groups`.
pub fn sums(rows: &PositionColumns<'_>, groups: usize, shock: Shock) -> Totals {
    batch::sums_on(Target::best(), rows, groups, shock)
}

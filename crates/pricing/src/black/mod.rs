//! Black–Scholes–Merton and Black-76: value and all Greeks (see docs/numerics.md for formulae, domains and accuracy).
//!
//! [`scalar`] is one option in plain f64, the specification; [`batch`] the vectorised path. The verbs here pick the fastest target and
//! spread large batches over the threads of the current rayon pool. Statuses: the first bad field of a row, `Expired` where T ≤ 0, and
//! with `Ok` no number is NaN but phi under Black-76 and lambda where the value is 0, which are absent. σ = 0 is an option of its own:
//! the discounted intrinsic value of the forward, with the Greeks' limits (infinite ones where the forward is at the strike). A Greek that leaves
//! the range of numbers is infinite too; the price never is.

pub mod batch;
mod columns;
pub(crate) mod kernel;
pub(crate) mod lanes;
pub mod launch;
mod parallel;
mod resident;
pub mod scalar;
#[cfg(test)]
mod tests;
mod units;

pub use columns::{Greek, GreekColumns, Model, Row, RowColumns};
pub use resident::Resident;
pub use units::Units;

use zomma_base::Status;

/// Values one batch. Row i depends on row i alone. `out` and `status` have the length of the columns; a row whose status is not `Ok`
/// has NaN in `out`.
pub fn price(rows: &RowColumns<'_>, model: Model, out: &mut [f64], status: &mut [Status]) {
    parallel::evaluate(rows, model, [out], status);
}

/// Price, delta, gamma, vega, theta and rho of one batch: the fast set. The other columns of `out` are left as they are.
pub fn price_and_five(rows: &RowColumns<'_>, model: Model, out: &mut GreekColumns, status: &mut [Status]) {
    let [price, delta, gamma, vega, theta, rho, ..] = out.columns_mut().each_mut().map(Vec::as_mut_slice);
    parallel::evaluate(rows, model, [price, delta, gamma, vega, theta, rho], status);
}

/// [`price_and_five`] into columns of the caller's.
pub fn price_and_five_into(rows: &RowColumns<'_>, model: Model, out: [&mut [f64]; 6], status: &mut [Status]) {
    parallel::evaluate(rows, model, out, status);
}

/// Price and all 18 Greeks of one batch, in raw units (design: conventions of the field).
pub fn greeks(rows: &RowColumns<'_>, model: Model, out: &mut GreekColumns, status: &mut [Status]) {
    parallel::evaluate(rows, model, out.columns_mut().each_mut().map(Vec::as_mut_slice), status);
}

/// [`greeks`] into columns of the caller's, in the order of [`Greek::ALL`].
pub fn greeks_into(rows: &RowColumns<'_>, model: Model, out: [&mut [f64]; 19], status: &mut [Status]) {
    parallel::evaluate(rows, model, out, status);
}

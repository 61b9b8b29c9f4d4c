//! Black–Scholes–Merton and Black-76: value and all Greeks (see docs/numerics.md for formulae, domains and accuracy).

mod columns;

pub use columns::{Greek, GreekColumns, Model, Row, RowColumns};

use zomma_base::Status;

/// Values one batch. Row i depends on row i alone. `out` and `status` have the length of the columns; a row whose status is not `Ok`
/// has NaN in `out`.
pub fn price(rows: &RowColumns<'_>, model: Model, out: &mut [f64], status: &mut [Status]) {
    let _ = (rows, model, out, status);
    todo!()
}

/// Price, delta, gamma, vega, theta and rho of one batch: the fast set.
pub fn price_and_five(rows: &RowColumns<'_>, model: Model, out: &mut GreekColumns, status: &mut [Status]) {
    let _ = (rows, model, out, status);
    todo!()
}

/// Price and all 18 Greeks of one batch, in raw units (design: conventions of the field).
pub fn greeks(rows: &RowColumns<'_>, model: Model, out: &mut GreekColumns, status: &mut [Status]) {
    let _ = (rows, model, out, status);
    todo!()
}

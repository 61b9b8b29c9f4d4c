//! European options under Heston, Bates, Merton, Kou and variance gamma, by their characteristic functions (see docs/fourier.md).
//!
//! A slice is one model at one expiry in one market: its characteristic function is evaluated once, and every strike summed from it in
//! vector lanes ([`price_slice`]). A batch has a model, a market and an expiry a row ([`price_batch`]) and is cut into slices. Where the
//! series would need too many terms an integral along a turned contour takes its place, whose nodes the strikes of a side share; what
//! neither vouches for is the [`twin`]'s, strike by strike, and where that does not converge either the row says `NotConverged`.

mod batch;
mod bent;
mod complex;
mod contour;
mod elementary;
mod exponent;
mod fitted;
mod heston;
mod jumps;
mod model;
mod period;
mod quantities;
mod series;
mod slice;
#[cfg(test)]
mod tests;
mod tilted;
mod turned;
pub mod twin;
mod variance_gamma;

pub use batch::Columns;
pub use fitted::{OutOfTheMoney, out_of_the_money_slice};
pub use model::{Bates, Heston, Kou, MOST_PARAMETERS, Merton, Model, VarianceGamma};
pub use quantities::{Sensitivities, Slice};
pub use tilted::{TimeValue, ln_time_value, time_value};

use crate::black::Greek;
use crate::math::Target;
use quantities::Covered;
use series::Depth;
use slice::Task;
use zomma_base::{OptionType, Status};

/// Values all strikes of one slice. `option_types`, `out` and `status` have the length of `strikes`; a row whose status is not `Ok` has
/// NaN in `out`.
///
/// Statuses: of the model and then of the market, for every row; `BadStrike`; `Overflow` where a value leaves the range of numbers;
/// `NotConverged` where no method vouches for its number.
pub fn price_slice(
    model: &Model,
    slice: &Slice,
    option_types: &[OptionType],
    strikes: &[f64],
    out: &mut [f64],
    status: &mut [Status],
) {
    let task = Task { target: Target::best(), model, slice, strikes, depth: Depth::Price };
    task.run(&mut |i, covered| {
        let price = covered.and_then(|covered| covered.finite_price(option_types[i]));
        (out[i], status[i]) = (price.unwrap_or(f64::NAN), price.err().unwrap_or(Status::Ok));
    });
}

/// Price, derivatives by the market and gradient by the parameters of all strikes of one slice: two to four times the work of the
/// price. Arguments and statuses as in [`price_slice`]; a row whose status is not `Ok` has NaN everywhere.
pub fn gradient_slice(
    model: &Model,
    slice: &Slice,
    option_types: &[OptionType],
    strikes: &[f64],
    out: &mut [Sensitivities],
    status: &mut [Status],
) {
    let task = Task { target: Target::best(), model, slice, strikes, depth: Depth::Gradient };
    task.run(&mut |i, covered| {
        let found = covered.and_then(|covered| covered.sensitivities(option_types[i]).finite());
        (out[i], status[i]) = (found.unwrap_or(Sensitivities::NAN), found.err().unwrap_or(Status::Ok));
    });
}

/// Values a batch. `out` and `status` have the length of the columns; a row whose status is not `Ok` has NaN in `out`. Rows of one
/// slice are valued together; a row's value depends on the others within its stated accuracy only. Statuses as in [`price_slice`].
pub fn price_batch(columns: &Columns<'_>, out: &mut [f64], status: &mut [Status]) {
    let value = |covered: &Covered<'_>, option_type, _: &Model| covered.finite_price(option_type);
    batch::evaluate(columns, Depth::Price, value, |i, price| {
        (out[i], status[i]) = (price.unwrap_or(f64::NAN), price.err().unwrap_or(Status::Ok));
    });
}

/// Price, derivatives by the market and gradient by the parameters of a batch; otherwise as [`price_batch`].
pub fn gradient_batch(columns: &Columns<'_>, out: &mut [Sensitivities], status: &mut [Status]) {
    let value = |covered: &Covered<'_>, option_type, _: &Model| covered.sensitivities(option_type).finite();
    batch::evaluate(columns, Depth::Gradient, value, |i, found| {
        (out[i], status[i]) = (found.unwrap_or(Sensitivities::NAN), found.err().unwrap_or(Status::Ok));
    });
}

/// Price and Greeks of a batch in raw units, in the order of [`Greek::ALL`]; otherwise as [`price_batch`].
///
/// Vega and what is derived from it (vanna, vera, zomma) are by √v₀ under Heston and Bates, by `volatility` under the others. Vomma, veta
/// and ultima are absent: NaN. So is lambda where the value is 0.
pub fn greeks_batch(columns: &Columns<'_>, mut out: [&mut [f64]; 19], status: &mut [Status]) {
    let value = |covered: &Covered<'_>, option_type, model: &Model| covered.finite_greeks(option_type, model);
    batch::evaluate(columns, Depth::Greeks, value, |i, greeks| {
        status[i] = greeks.err().unwrap_or(Status::Ok);
        for (out, greek) in out.iter_mut().zip(greeks.unwrap_or([f64::NAN; Greek::ALL.len()])) {
            out[i] = greek;
        }
    });
}

//! The Python package `zomma`: the only crate that knows Python.
//!
//! What a user imports is in `python/zomma`; this is the compiled half, `zomma._zomma`.

mod american;
mod argument;
mod array;
mod basket;
mod batch;
mod black_scholes;
mod dlpack;
mod fill;
mod finite_difference;
mod fourier;
mod gpu;
mod monte_carlo;
mod option_type;
mod outcome;
mod rows;
mod surface;
mod table;
mod threads;
mod valuation;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use zomma_base::Status;

/// Names and numbers of the statuses.
#[pyfunction]
fn statuses() -> Vec<(&'static str, u8)> {
    Status::ALL.iter().map(|status| (status.as_str(), *status as u8)).collect()
}

/// The argument that a status is about, and what is allowed there.
#[pyfunction]
fn rule(status: u8) -> PyResult<(Option<&'static str>, &'static str)> {
    let known = Status::ALL.into_iter().find(|known| *known as u8 == status);
    known.map(outcome::rule).ok_or_else(|| PyValueError::new_err(format!("status: {status}: no such number")))
}

/// The compiled half of the package `zomma`.
#[pymodule]
mod _zomma {
    #[pymodule_export]
    use crate::american::american_rows;
    #[pymodule_export]
    use crate::array::{Array, from_dlpack};
    #[pymodule_export]
    use crate::basket::basket_price;
    #[pymodule_export]
    use crate::black_scholes::{greeks, implied_volatility, price};
    #[pymodule_export]
    use crate::finite_difference::finite_difference_report;
    #[pymodule_export]
    use crate::fourier::fourier_rows;
    #[pymodule_export]
    use crate::gpu::{Device, choose, devices, inventory_json};
    #[pymodule_export]
    use crate::monte_carlo::{monte_carlo_american, monte_carlo_greeks, monte_carlo_prices};
    #[pymodule_export]
    use crate::surface::{FittedSurface, surface_models, surface_point_rule, surface_row_rule};
    #[pymodule_export]
    use crate::table::Table;
    #[pymodule_export]
    use crate::valuation::{valuation_rows, valuation_words};
    #[pymodule_export]
    use crate::{rule, statuses};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

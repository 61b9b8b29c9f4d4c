//! `zomma.monte_carlo.basket`: options on several assets by simulation, held to expiry or exercised on dates.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use zomma_base::Status;
use zomma_pricing::monte_carlo::{self, Assets, AssetsPayoff, Exercise, Index, MonteCarloError, Plan};

use crate::monte_carlo::{Request, option_type_of, refused};
use crate::threads;

/// basket(option_type, columns, numbers, words, counts)
/// --
///
/// What `zomma.monte_carlo.basket` calls: (price, standard error, paths).
#[pyfunction]
#[pyo3(name = "basket")]
pub fn basket_price(
    py: Python<'_>,
    option_type: &str,
    columns: HashMap<String, Vec<f64>>,
    numbers: HashMap<String, f64>,
    words: HashMap<String, String>,
    counts: HashMap<String, u64>,
) -> PyResult<(f64, f64, usize)> {
    let request = Request { numbers, words, counts };
    let column = |name: &str| columns.get(name).map_or(&[][..], Vec::as_slice);
    let index = match request.word("on") {
        "basket" => Index::Basket(column("weights").to_vec()),
        "geometric" => Index::Geometric(column("weights").to_vec()),
        "best" => Index::BestOf,
        "worst" => Index::WorstOf,
        _ => return request.unknown("on", "'basket', 'geometric', 'best' and 'worst'"),
    };
    let assets = Assets::new(
        column("spots"),
        column("dividend_yields"),
        column("volatilities"),
        column("correlation"),
        request.number("expiry_years")?,
        request.number("risk_free_rate")?,
    )
    .map_err(|error| named(&error))?;
    let payoff = AssetsPayoff { option_type: option_type_of(option_type)?, strike: request.number("strike")?, index };
    let (plan, dates) = (request.plan()?, request.count("exercise_dates"));
    let pool = threads::pool(py)?;
    py.detach(|| pool.install(|| estimate(&assets, &payoff, (&plan, dates)))).map_err(|error| named(&error))
}

/// European without dates, else by Longstaff and Schwartz: the regression takes as many paths as the estimate.
fn estimate(
    assets: &Assets,
    payoff: &AssetsPayoff,
    (plan, dates): (&Plan, usize),
) -> Result<(f64, f64, usize), MonteCarloError> {
    if dates == 0 {
        let found = monte_carlo::assets_price(assets, payoff, plan)?;
        return Ok((found.price, found.standard_error, found.paths));
    }
    let found = monte_carlo::assets_bermudan(assets, payoff, &Exercise::new(dates, plan.paths), plan)?;
    Ok((found.price(), found.held.standard_error, found.held.paths))
}

/// What was wrong, by the name of the argument; of columns with all that the engine says.
fn named(error: &MonteCarloError) -> PyErr {
    match error {
        MonteCarloError::Field(Status::BadQuantity) => PyValueError::new_err("weights: must be finite"),
        MonteCarloError::Field(_) => refused(error),
        other => PyValueError::new_err(other.to_string()),
    }
}

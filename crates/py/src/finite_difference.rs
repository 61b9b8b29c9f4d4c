//! `zomma.finite_difference.report`: one option on three nested grids, the order that they show, and how stable the scheme is.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zomma_base::Status;
use zomma_pricing::black::Row;
use zomma_pricing::finite_difference::{self, CashDividend, Contract, Exercise, Report, Scheme, Settings};

use crate::monte_carlo::{Request, option_type_of};
use crate::outcome::rule;

const SCHEMES: [(&str, Scheme); 5] = [
    ("explicit", Scheme::Explicit),
    ("implicit_euler", Scheme::ImplicitEuler),
    ("crank_nicolson", Scheme::CrankNicolson),
    ("rannacher", Scheme::Rannacher),
    ("tr_bdf2", Scheme::TrBdf2),
];

/// finite_difference_report(option_type, numbers, words, counts, times)
/// --
///
/// What `zomma.finite_difference.report` calls: the fields of its answer by name. `times` are the dividends, pairs of years and amounts, and
/// the years at which a Bermudan option is exercised.
#[pyfunction]
pub fn finite_difference_report<'py>(
    py: Python<'py>,
    option_type: &str,
    numbers: HashMap<String, f64>,
    words: HashMap<String, String>,
    counts: HashMap<String, u64>,
    times: (Vec<(f64, f64)>, Vec<f64>),
) -> PyResult<Bound<'py, PyDict>> {
    let request = Request { numbers, words, counts };
    let row = Row {
        option_type: option_type_of(option_type)?,
        spot: request.number("spot")?,
        strike: request.number("strike")?,
        expiry_years: request.number("expiry_years")?,
        risk_free_rate: request.number("risk_free_rate")?,
        dividend_yield: request.number("dividend_yield")?,
        volatility: request.number("volatility")?,
    };
    let (dividends, dates) = times;
    let dividends: Vec<CashDividend> =
        dividends.into_iter().map(|(time_years, amount)| CashDividend { time_years, amount }).collect();
    let exercise = match request.word("exercise") {
        "european" => Exercise::European,
        "american" => Exercise::American,
        "bermudan" => Exercise::Bermudan(&dates),
        _ => return request.unknown("exercise", "'european', 'american' and 'bermudan'"),
    };
    let Some((_, scheme)) = SCHEMES.into_iter().find(|(name, _)| *name == request.word("scheme")) else {
        return request.unknown("scheme", &SCHEMES.map(|(name, _)| format!("'{name}'")).join(", "));
    };
    let settings = Settings {
        space_steps: request.count("space_steps"),
        time_steps: request.count("time_steps"),
        deviations: request.number("deviations")?,
        scheme,
        ..Settings::default()
    };
    check(&settings)?;
    let contract = Contract { exercise, dividends: &dividends, ..Contract::european(row) };
    let Report { estimate, values, order, error, stability } =
        py.detach(|| finite_difference::report(&contract, &settings)).map_err(|fault| refused(fault, scheme))?;
    let answer = PyDict::new(py);
    answer.set_item("price", estimate.value)?;
    answer.set_item("error", estimate.error)?;
    answer.set_item("delta", estimate.delta)?;
    answer.set_item("gamma", estimate.gamma)?;
    answer.set_item("theta", estimate.theta)?;
    answer.set_item("values", values)?;
    answer.set_item("order", order)?;
    answer.set_item("order_error", error)?;
    answer.set_item("peclet", stability.peclet)?;
    answer.set_item("upwind_nodes", stability.upwind_nodes)?;
    answer.set_item("amplification", stability.amplification)?;
    answer.set_item("monotone", stability.monotone)?;
    answer.set_item("explicit_steps", stability.explicit_steps)?;
    answer.set_item("time_steps", stability.time_steps)?;
    Ok(answer)
}

/// The sizes that the engine allows, by name.
fn check(settings: &Settings) -> PyResult<()> {
    let Settings { space_steps, time_steps, deviations, .. } = *settings;
    let refused = |what: String| Err(PyValueError::new_err(what));
    if !(4..=20_000).contains(&space_steps) {
        refused(format!("space_steps: {space_steps}: allowed are 4 to 20000"))
    } else if !(1..=1_000_000).contains(&time_steps) {
        refused(format!("time_steps: {time_steps}: allowed are 1 to 1000000"))
    } else if !(1.0..=20.0).contains(&deviations) {
        refused(format!("deviations: {deviations}: allowed are 1 to 20"))
    } else {
        Ok(())
    }
}

fn refused(fault: Status, scheme: Scheme) -> PyErr {
    let what = match (fault, rule(fault)) {
        (Status::BadMethod, _) if scheme == Scheme::Explicit => {
            "time_steps: too few for the explicit scheme to be stable; explicit_steps of another scheme's report says how many".to_owned()
        }
        (Status::BadVolatility, _) => "volatility: must be finite, and so large that the spot is not certain".to_owned(),
        (Status::BadExerciseStyle, _) => "exercise_times: must be finite".to_owned(),
        (_, (Some(argument), words)) => format!("{argument}: {words}"),
        (_, (None, words)) => words.to_owned(),
    };
    PyValueError::new_err(what)
}

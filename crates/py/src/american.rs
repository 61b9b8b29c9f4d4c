//! `zomma.american`: prices, Greeks and implied volatilities of American options.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use zomma_base::Status;
use zomma_pricing::american::{self, Accuracy};
use zomma_pricing::black::{Greek, GreekColumns, RowColumns};

use crate::batch::{Batch, Chunk};
use crate::black_scholes::{name_object, named, scale, units_of};
use crate::fill::{Pace, Spread};

/// Microseconds a row; the batches spread themselves over threads from 513 rows on.
const PACE: Pace = Pace { chunk_rows: 8192, threaded_rows: 513, spread: Spread::WithinChunk };

/// The batch of Greeks spreads itself over threads however small it is: they must be this process's own.
const GREEKS_PACE: Pace = Pace { chunk_rows: 2048, threaded_rows: 1, spread: Spread::WithinChunk };

/// american(verb, option_type, numbers, accuracy, names, units, on_error)
/// --
///
/// What `zomma.american` calls: 'price', 'greeks' or 'implied_volatility' of spot, strike, expiry, rate, yield, and volatility or price.
#[pyfunction]
#[pyo3(name = "american")]
#[expect(clippy::too_many_arguments, reason = "the call of three functions")]
pub fn american_rows<'py>(
    py: Python<'py>,
    verb: &str,
    option_type: &Bound<'py, PyAny>,
    numbers: [Option<Bound<'py, PyAny>>; 6],
    accuracy: &str,
    names: Option<Vec<String>>,
    units: &str,
    on_error: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let given = if verb == "implied_volatility" { "price" } else { "volatility" };
    let arguments = ["spot", "strike", "expiry_years", "risk_free_rate", "dividend_yield", given];
    let batch = Batch::read(option_type, std::array::from_fn(|i| (arguments[i], numbers[i].as_ref())), on_error)?;
    let (has_grid, accuracy) = accuracy_of(accuracy)?;
    match verb {
        "price" => {
            let evaluate = |chunk: &Chunk<'_, 6>, [out]: [&mut [f64]; 1], status: &mut [Status]| {
                prices(&columns(chunk), accuracy, has_grid, out, status);
            };
            batch.run(py, PACE, [true], evaluate)?.single(py)
        }
        "greeks" => {
            let (greeks, units) = (named(names.as_deref(), |_| true)?, units_of(units)?);
            // Where nothing but the price is asked for, it is had where the Greeks are not.
            let price_alone = greeks == [Greek::Price as usize];
            let evaluate = |chunk: &Chunk<'_, 6>, mut out: [&mut [f64]; Greek::ALL.len()], status: &mut [Status]| {
                if price_alone {
                    return prices(&columns(chunk), accuracy, has_grid, out[Greek::Price as usize], status);
                }
                let mut made = GreekColumns::zeros(status.len());
                american::greeks_batch(&columns(chunk), accuracy, &mut made, status);
                for (greek, out) in Greek::ALL.into_iter().zip(&mut out) {
                    out.copy_from_slice(made.column(greek));
                }
                scale(units, &mut out);
            };
            let wanted = std::array::from_fn(|place| greeks.contains(&place));
            batch.run(py, GREEKS_PACE, wanted, evaluate)?.named(py, greeks, |place| name_object(py, place))
        }
        _ => {
            let evaluate = |chunk: &Chunk<'_, 6>, [out]: [&mut [f64]; 1], status: &mut [Status]| {
                let rows = columns(chunk);
                american::implied_volatility_batch(&rows, rows.volatility, out, status);
            };
            batch.run(py, PACE, [true], evaluate)?.single(py)
        }
    }
}

/// Whether a grid stands in where the boundary's method does not go, and how far the boundary is resolved.
fn accuracy_of(word: &str) -> PyResult<(bool, &'static Accuracy)> {
    match word {
        "quick" => Ok((true, Accuracy::quick())),
        "fast" => Ok((true, Accuracy::fast())),
        "accurate" => Ok((false, Accuracy::accurate())),
        "high_precision" => Ok((false, Accuracy::high_precision())),
        other => {
            let allowed = "allowed are 'quick', 'fast', 'accurate' and 'high_precision'";
            Err(PyValueError::new_err(format!("accuracy: {other:?}: {allowed}")))
        }
    }
}

fn columns<'a>(chunk: &Chunk<'a, 6>) -> RowColumns<'a> {
    let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = chunk.numbers;
    let option_type = chunk.option_type;
    RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
}

/// Prices of the boundary's method, and of the grid where that stands in.
fn prices(rows: &RowColumns<'_>, accuracy: &Accuracy, has_grid: bool, out: &mut [f64], status: &mut [Status]) {
    american::price_batch(rows, accuracy, out, status);
    if has_grid {
        beyond_the_boundary(rows, out, status);
    }
}

/// Values the few rows that the boundary's method left.
fn beyond_the_boundary(rows: &RowColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    let is_left = |status: &Status| matches!(status, Status::TwoBoundaries | Status::NotConverged);
    for (i, (out, status)) in out.iter_mut().zip(status).enumerate().filter(|(_, (_, status))| is_left(status)) {
        match american::price(&rows.row(i)) {
            Ok(price) => (*out, *status) = (price, Status::Ok),
            Err(fault) => *status = fault,
        }
    }
}

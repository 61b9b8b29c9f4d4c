//! `zomma.american`: prices and implied volatilities of American options.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;
use zomma_base::Status;
use zomma_pricing::american::{self, Accuracy};
use zomma_pricing::black::{Row, RowColumns};

use crate::batch::{Batch, Chunk, Pace};

/// Microseconds a row.
const PACE: Pace = Pace { chunk_rows: 4096, threaded_rows: 32 };

/// american(verb, option_type, numbers, accuracy, on_error)
/// --
///
/// What `zomma.american` calls: 'price' or 'implied_volatility' of spot, strike, expiry, rate, yield, and volatility or price.
#[pyfunction]
#[pyo3(name = "american")]
pub fn american_rows<'py>(
    py: Python<'py>,
    verb: &str,
    option_type: &Bound<'py, PyAny>,
    numbers: [Option<Bound<'py, PyAny>>; 6],
    accuracy: &str,
    on_error: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let given = if verb == "price" { "volatility" } else { "price" };
    let names = ["spot", "strike", "expiry_years", "risk_free_rate", "dividend_yield", given];
    let batch = Batch::read(option_type, std::array::from_fn(|i| (names[i], numbers[i].as_ref())), on_error)?;
    let accuracy = match accuracy {
        // Where the fast method does not go, a tree does.
        "fast" => None,
        "accurate" => Some(Accuracy::accurate()),
        "high_precision" => Some(Accuracy::high_precision()),
        other => {
            let allowed = "allowed are 'fast', 'accurate' and 'high_precision'";
            return Err(PyValueError::new_err(format!("accuracy: {other:?}: {allowed}")));
        }
    };
    let value = |row: &Row| match (verb, accuracy) {
        ("price", None) => american::price(row),
        ("price", Some(accuracy)) => american::price_with(row, accuracy),
        _ => american::implied_volatility(row, row.volatility),
    };
    let evaluate = |chunk: &Chunk<'_, 6>, [out]: [&mut [f64]; 1], status: &mut [Status]| {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = chunk.numbers;
        let option_type = chunk.option_type;
        let rows = RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility };
        let one = |(i, (out, status)): (usize, (&mut f64, &mut Status))| match value(&rows.row(i)) {
            Ok(number) => *out = number,
            Err(fault) => *status = fault,
        };
        if out.len() < PACE.threaded_rows {
            out.iter_mut().zip(status).enumerate().for_each(one);
        } else {
            out.par_iter_mut().zip(status).enumerate().for_each(one);
        }
    };
    batch.run(py, PACE, [true], evaluate)?.single(py)
}

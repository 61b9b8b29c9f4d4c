//! `zomma.black_scholes`: prices, Greeks and implied volatilities of NumPy arrays.

use numpy::{PyArrayDyn, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use zomma_base::{OptionType, Status};
use zomma_pricing::black::{self, Greek, Model, RowColumns, Units};
use zomma_pricing::implied_vol::{self, BsmPriceColumns, PriceColumns};

use crate::argument::{self, Value};
use crate::option_type;
use crate::outcome::{Faults, OnError, row_error, rule};
use crate::rows::{self, CHUNK_ROWS, Feed};
use crate::threads;

/// Rows from which a batch is spread over threads.
const THREADED_ROWS: usize = 16_384;

/// The arguments that every function here has, and the column that differs.
struct Request<'py> {
    option_type: Value<'py, u8>,
    /// Spot, strike, expiry, rate, yield, and volatility or price.
    numbers: [Value<'py, f64>; 6],
    names: [&'static str; 6],
    model: Model,
    on_error: OnError,
    shape: Vec<usize>,
}

/// What a call has in Python.
struct Call<'a, 'py> {
    option_type: &'a Bound<'py, PyAny>,
    spot: &'a Bound<'py, PyAny>,
    strike: &'a Bound<'py, PyAny>,
    expiry_years: &'a Bound<'py, PyAny>,
    risk_free_rate: &'a Bound<'py, PyAny>,
    given: (&'static str, &'a Bound<'py, PyAny>),
    dividend_yield: Option<&'a Bound<'py, PyAny>>,
    model: &'a str,
    on_error: &'a str,
}

impl<'py> Call<'_, 'py> {
    /// Reads and broadcasts the arguments.
    fn read(&self) -> PyResult<Request<'py>> {
        let model = match self.model {
            "bsm" => Model::Bsm,
            "black76" => Model::Black76,
            other => return Err(PyValueError::new_err(format!("model: {other:?}: allowed are 'bsm' and 'black76'"))),
        };
        if model == Model::Black76 && self.dividend_yield.is_some() {
            return Err(PyValueError::new_err(
                "dividend_yield: the forward of model='black76' has the yield in it: leave it out",
            ));
        }
        let on_error = OnError::parse(self.on_error)?;
        let names = ["spot", "strike", "expiry_years", "risk_free_rate", "dividend_yield", self.given.0];
        let option_type = option_type::read(self.option_type)?;
        let dividend_yield = match self.dividend_yield {
            Some(object) => argument::number("dividend_yield", object)?,
            None => Value::Scalar(0.0),
        };
        let numbers = [
            argument::number(names[0], self.spot)?,
            argument::number(names[1], self.strike)?,
            argument::number(names[2], self.expiry_years)?,
            argument::number(names[3], self.risk_free_rate)?,
            dividend_yield,
            argument::number(names[5], self.given.1)?,
        ];
        let mut shapes = vec![("option_type", option_type.shape())];
        shapes.extend(names.into_iter().zip(numbers.iter().map(Value::shape)));
        let shape = rows::broadcast(&shapes)?;
        let option_type = rows::spread(option_type, &shape)?;
        let [a, b, c, d, e, f] = numbers.map(|value| rows::spread(value, &shape));
        Ok(Request { option_type, numbers: [a?, b?, c?, d?, e?, f?], names, model, on_error, shape })
    }
}

/// Result columns, and statuses where they were asked for.
type Answer<'py, const N: usize> = ([Bound<'py, PyAny>; N], Option<Bound<'py, PyAny>>);

/// Columns of one chunk.
struct Chunk<'a> {
    option_type: &'a [OptionType],
    numbers: [&'a [f64]; 6],
}

impl<'a> Chunk<'a> {
    fn valued(&self) -> RowColumns<'a> {
        let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = self.numbers;
        let option_type = self.option_type;
        RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
    }
}

impl<'py> Request<'py> {
    fn rows(&self) -> usize {
        self.shape.iter().product()
    }

    /// Runs the rows through `evaluate` into fresh arrays, and answers as the caller asked: (columns, statuses where asked for).
    fn run<const N: usize>(
        &self,
        py: Python<'py>,
        evaluate: impl Fn(&Chunk<'_>, [&mut [f64]; N], &mut [Status]) + Sync,
    ) -> PyResult<Answer<'py, N>> {
        let columns: [_; N] = std::array::from_fn(|_| PyArrayDyn::<f64>::zeros(py, self.shape.as_slice(), false));
        let statuses =
            (self.on_error == OnError::Status).then(|| PyArrayDyn::<u8>::zeros(py, self.shape.as_slice(), false));
        let faults = {
            let mut columns = columns.each_ref().map(PyArrayMethods::readwrite);
            let mut statuses = statuses.as_ref().map(PyArrayMethods::readwrite);
            // Fresh arrays in C order are contiguous.
            let out = columns.each_mut().map(|column| column.as_slice_mut().expect("a fresh array"));
            let codes = statuses.as_mut().map(|codes| codes.as_slice_mut().expect("a fresh array"));
            self.fill(py, out, codes, evaluate)?
        };
        if let (OnError::Raise, Some((row, status))) = (self.on_error, faults.first) {
            return Err(self.error(py, row, status, faults.count)?);
        }
        let columns = columns.map(|column| self.answer(column.into_any()));
        let mut answers = Vec::with_capacity(N);
        for column in columns {
            answers.push(column?);
        }
        let statuses = statuses.map(|codes| self.status_answer(py, codes.into_any())).transpose()?;
        Ok((answers.try_into().expect("as many as there were"), statuses))
    }

    /// Fills the results chunk by chunk, without the interpreter's lock.
    fn fill<const N: usize>(
        &self,
        py: Python<'py>,
        mut out: [&mut [f64]; N],
        mut codes: Option<&mut [u8]>,
        evaluate: impl Fn(&Chunk<'_>, [&mut [f64]; N], &mut [Status]) + Sync,
    ) -> PyResult<Faults> {
        let rows = self.rows();
        let pool = (rows >= THREADED_ROWS).then(|| threads::pool(py)).transpose()?;
        let mut types = Feed::new(&self.option_type, rows);
        let mut numbers = self.numbers.each_ref().map(|value| Feed::new(value, rows));
        py.detach(|| {
            let mut faults = Faults::default();
            let mut option_type = Vec::with_capacity(rows.min(CHUNK_ROWS));
            let mut status = Vec::with_capacity(rows.min(CHUNK_ROWS));
            for start in (0..rows).step_by(CHUNK_ROWS) {
                let range = start..rows.min(start + CHUNK_ROWS);
                let type_codes = types.next(range.clone());
                option_type.clear();
                option_type.extend(type_codes.iter().map(|&code| option_type::of_code(code)));
                status.clear();
                status.resize(range.len(), Status::Ok);
                let numbers = numbers.each_mut().map(|feed| feed.next(range.clone()));
                let chunk = Chunk { option_type: &option_type, numbers };
                let parts = out.each_mut().map(|column| &mut column[range.clone()]);
                match &pool {
                    Some(pool) => pool.install(|| evaluate(&chunk, parts, &mut status)),
                    None => evaluate(&chunk, parts, &mut status),
                }
                for (row, _) in type_codes.iter().enumerate().filter(|(_, code)| **code == option_type::NEITHER) {
                    status[row] = Status::BadOptionType;
                }
                for (row, _) in status.iter().enumerate().filter(|(_, status)| !status.is_ok()) {
                    out.iter_mut().for_each(|column| column[start + row] = f64::NAN);
                }
                faults.add(start, &status);
                if let Some(codes) = codes.as_mut() {
                    codes[range].iter_mut().zip(&status).for_each(|(code, &status)| *code = status as u8);
                }
                if start + CHUNK_ROWS < rows {
                    Python::attach(|py| py.check_signals())?;
                }
            }
            Ok(faults)
        })
    }

    /// An array, or its only element as a float where no argument had a dimension.
    fn answer(&self, column: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if self.shape.is_empty() { column.call_method0("item") } else { Ok(column) }
    }

    /// Statuses: an array of their numbers, or one `zomma.Status`.
    fn status_answer(&self, py: Python<'py>, codes: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if !self.shape.is_empty() {
            return Ok(codes);
        }
        py.import("zomma._status")?.getattr("Status")?.call1((codes.call_method0("item")?,))
    }

    /// The exception for the first faulty row.
    fn error(&self, py: Python<'py>, row: usize, status: Status, count: usize) -> PyResult<PyErr> {
        let mut index = vec![0; self.shape.len()];
        let mut left = row;
        for (slot, &extent) in index.iter_mut().zip(&self.shape).rev() {
            *slot = left % extent;
            left /= extent;
        }
        let value = match rule(status).0 {
            Some(argument) => self
                .names
                .iter()
                .position(|name| *name == argument)
                .map(|place| rows::at(&self.numbers[place], &index).into_pyobject(py).map(Bound::into_any))
                .transpose()?,
            None => None,
        };
        row_error(py, (status, &index, count), value, self.rows())
    }
}

/// One column, or (column, statuses).
fn single<'py>(py: Python<'py>, ([column], statuses): Answer<'py, 1>) -> PyResult<Bound<'py, PyAny>> {
    match statuses {
        Some(statuses) => Ok((column, statuses).into_pyobject(py)?.into_any()),
        None => Ok(column),
    }
}

/// Price of European options, in the currency of spot and strike.
///
/// Arguments and their units: help(zomma.black_scholes).
///
/// >>> import zomma
/// >>> zomma.black_scholes.price("call", spot=100.0, strike=105.0, expiry_years=0.5, risk_free_rate=0.05, volatility=0.2)
/// 4.581680167540003
/// >>> import numpy as np
/// >>> strikes = np.array([95.0, 100.0, 105.0])
/// >>> zomma.black_scholes.price(np.array([["call"], ["put"]]), 100.0, strikes, 0.5, 0.05, 0.2).shape
/// (2, 3)
#[pyfunction]
#[pyo3(signature = (
    option_type, spot, strike, expiry_years, risk_free_rate, volatility,
    *, dividend_yield = None, model = "bsm", on_error = "raise"
))]
#[expect(clippy::too_many_arguments, reason = "the field's own list")]
pub fn price<'py>(
    py: Python<'py>,
    option_type: &Bound<'py, PyAny>,
    spot: &Bound<'py, PyAny>,
    strike: &Bound<'py, PyAny>,
    expiry_years: &Bound<'py, PyAny>,
    risk_free_rate: &Bound<'py, PyAny>,
    volatility: &Bound<'py, PyAny>,
    dividend_yield: Option<&Bound<'py, PyAny>>,
    model: &str,
    on_error: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let given = ("volatility", volatility);
    let call = Call { option_type, spot, strike, expiry_years, risk_free_rate, given, dividend_yield, model, on_error };
    let request = call.read()?;
    let model = request.model;
    single(py, request.run(py, |chunk, [out], status| black::price(&chunk.valued(), model, out, status))?)
}

/// Price and Greeks of European options: a dict of arrays (or floats), by name.
///
/// price, delta, gamma, vega, theta, rho, phi (by the yield; not with model='black76'), vanna, charm, vomma, veta, vera,
/// speed, zomma, color, ultima, dual_delta, dual_gamma, lambda (S·delta/V; NaN where V is 0).
///
/// units='raw': vega per 1.00 of volatility; rho, phi and vera per 1.00 of rate or yield; theta, charm, color and veta per
/// year of calendar time. units='trader': vega, rho, phi, vanna and zomma per point; vomma and vera per point squared; ultima
/// per point cubed; theta, charm and color per day; veta per point and day. With model='black76' delta and its kin are by the
/// forward, and rho is −T·V. Other arguments and their units: help(zomma.black_scholes).
///
/// >>> import zomma
/// >>> it = zomma.black_scholes.greeks("put", 100.0, 105.0, 0.5, 0.05, 0.2, units="trader")
/// >>> round(it["delta"], 6), round(it["theta"], 6)
/// (-0.53884, -0.007045)
#[pyfunction]
#[pyo3(signature = (
    option_type, spot, strike, expiry_years, risk_free_rate, volatility,
    *, dividend_yield = None, model = "bsm", units = "raw", on_error = "raise"
))]
#[expect(clippy::too_many_arguments, reason = "the field's own list")]
pub fn greeks<'py>(
    py: Python<'py>,
    option_type: &Bound<'py, PyAny>,
    spot: &Bound<'py, PyAny>,
    strike: &Bound<'py, PyAny>,
    expiry_years: &Bound<'py, PyAny>,
    risk_free_rate: &Bound<'py, PyAny>,
    volatility: &Bound<'py, PyAny>,
    dividend_yield: Option<&Bound<'py, PyAny>>,
    model: &str,
    units: &str,
    on_error: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let units = match units {
        "raw" => Units::Raw,
        "trader" => Units::Trader,
        other => return Err(PyValueError::new_err(format!("units: {other:?}: allowed are 'raw' and 'trader'"))),
    };
    let given = ("volatility", volatility);
    let call = Call { option_type, spot, strike, expiry_years, risk_free_rate, given, dividend_yield, model, on_error };
    let request = call.read()?;
    let model = request.model;
    let (columns, statuses) = request.run(py, |chunk, mut out: [&mut [f64]; 19], status| {
        black::greeks_into(&chunk.valued(), model, out.each_mut().map(|column| &mut **column), status);
        for (greek, column) in Greek::ALL.into_iter().zip(&mut out) {
            let divisor = units.divisor(greek);
            if divisor != 1.0 {
                column.iter_mut().for_each(|value| *value /= divisor);
            }
        }
    })?;
    let named = PyDict::new(py);
    for (greek, column) in Greek::ALL.into_iter().zip(columns) {
        if (model, greek) != (Model::Black76, Greek::Phi) {
            named.set_item(PyString::intern(py, greek.as_str()), column)?;
        }
    }
    match statuses {
        Some(statuses) => Ok((named, statuses).into_pyobject(py)?.into_any()),
        None => Ok(named.into_any()),
    }
}

/// Implied volatility of European options, per square root of a year, to machine precision where the price determines it.
///
/// A price below the intrinsic value of the forward, at or above the largest that any volatility gives, or one whose rounding
/// hides the volatility has no answer: see `on_error`. Arguments and their units: help(zomma.black_scholes).
///
/// >>> import zomma
/// >>> round(zomma.black_scholes.implied_volatility("call", 100.0, 105.0, 0.5, 0.05, price=4.581680167540003), 12)
/// 0.2
/// >>> zomma.black_scholes.implied_volatility("call", 100.0, 105.0, 0.5, 0.05, price=-1.0, on_error="status")
/// (nan, <Status.BAD_PRICE: 13>)
#[pyfunction]
#[pyo3(signature = (
    option_type, spot, strike, expiry_years, risk_free_rate, price,
    *, dividend_yield = None, model = "bsm", on_error = "raise"
))]
#[expect(clippy::too_many_arguments, reason = "the field's own list")]
pub fn implied_volatility<'py>(
    py: Python<'py>,
    option_type: &Bound<'py, PyAny>,
    spot: &Bound<'py, PyAny>,
    strike: &Bound<'py, PyAny>,
    expiry_years: &Bound<'py, PyAny>,
    risk_free_rate: &Bound<'py, PyAny>,
    price: &Bound<'py, PyAny>,
    dividend_yield: Option<&Bound<'py, PyAny>>,
    model: &str,
    on_error: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let given = ("price", price);
    let call = Call { option_type, spot, strike, expiry_years, risk_free_rate, given, dividend_yield, model, on_error };
    let request = call.read()?;
    let model = request.model;
    single(py, request.run(py, |chunk, [out], status| invert(chunk, model, out, status))?)
}

fn invert(chunk: &Chunk<'_>, model: Model, out: &mut [f64], status: &mut [Status]) {
    let [spot, strike, expiry_years, risk_free_rate, dividend_yield, price] = chunk.numbers;
    let option_type = chunk.option_type;
    if model == Model::Bsm {
        let columns =
            BsmPriceColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, price };
        return implied_vol::implied_volatility_bsm(&columns, out, status);
    }
    let discount_factor: Vec<f64> =
        risk_free_rate.iter().zip(expiry_years).map(|(rate, years)| (-rate * years).exp()).collect();
    let columns =
        PriceColumns { option_type, forward: spot, strike, expiry_years, discount_factor: &discount_factor, price };
    implied_vol::implied_volatility(&columns, out, status);
    // The discount factor is made of the rate that the caller gave: a finite one that overflows is no bad rate.
    for (status, rate) in status.iter_mut().zip(risk_free_rate) {
        if *status == Status::BadRate && rate.is_finite() {
            *status = Status::Overflow;
        }
    }
}

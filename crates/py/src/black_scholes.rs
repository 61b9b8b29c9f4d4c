//! `zomma.black_scholes`: prices, Greeks and implied volatilities of NumPy arrays.

use numpy::PyArrayDyn;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};
use zomma_base::Status;
use zomma_pricing::black::{self, Greek, Model, RowColumns, Units};
use zomma_pricing::implied_vol::{self, BsmPriceColumns, PriceColumns};
use zomma_pricing::limits::{self, Formula};

use crate::batch::{Batch, Chunk};
use crate::fill::Pace;

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
    fn read(&self) -> PyResult<(Model, Batch<'py, 6>)> {
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
        let numbers = [
            ("spot", Some(self.spot)),
            ("strike", Some(self.strike)),
            ("expiry_years", Some(self.expiry_years)),
            ("risk_free_rate", Some(self.risk_free_rate)),
            ("dividend_yield", self.dividend_yield),
            (self.given.0, Some(self.given.1)),
        ];
        Ok((model, Batch::read(self.option_type, numbers, self.on_error)?))
    }
}

fn valued<'a>(chunk: &Chunk<'a, 6>) -> RowColumns<'a> {
    let [spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility] = chunk.numbers;
    let option_type = chunk.option_type;
    RowColumns { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
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
    *, dividend_yield = None, model = "bsm", limits = false, on_error = "raise"
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
    limits: bool,
    on_error: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let given = ("volatility", volatility);
    let call = Call { option_type, spot, strike, expiry_years, risk_free_rate, given, dividend_yield, model, on_error };
    let (model, batch) = call.read()?;
    let price = |chunk: &Chunk<'_, 6>, mut out: [&mut [f64]; 1], status: &mut [Status]| {
        let rows = valued(chunk);
        black::price(&rows, model, out[0], status);
        if limits {
            limits::complete(&rows, &[], Formula::Black(model), &[Greek::Price], &mut out, status);
        }
    };
    batch.run(py, Pace::FORMULA, [true], price)?.single(py)
}

/// Price and Greeks of European options: a dict of arrays (or floats), by name.
///
/// price, delta, gamma, vega, theta, rho, phi (by the yield; not with model='black76'), vanna, charm, vomma, veta, vera,
/// speed, zomma, color, ultima, dual_delta, dual_gamma, lambda (S·delta/V; NaN where V is 0). names=['delta', 'vega'] gives those
/// alone; any of the first six cost a third of all.
///
/// units='raw': vega per 1.00 of volatility; rho, phi and vera per 1.00 of rate or yield; theta, charm, color and veta per
/// year of calendar time. units='trader': vega, rho, phi, vanna and zomma per point; vomma and vera per point squared; ultima
/// per point cubed; theta, charm and color per day; veta per point and day. With model='black76' delta and its kin are by the
/// forward, and rho is −T·V. Other arguments and their units: help(zomma.black_scholes).
///
/// out={'delta': array} writes results into arrays of the caller's, of float64 in rows, and gives them back: a loop over large batches is
/// faster with memory that is there already. After an exception what they hold is undefined.
///
/// limits=True values an expiry or a strike of exactly 0 by its limit. At expiry off the strike that is the intrinsic value with delta 0 or
/// ±1, and the carry as theta and charm. At the strike delta is ±0.5 and vega 0; gamma, theta, charm, veta, speed, zomma, color and dual_gamma grow
/// without bound: they are NaN, and the row's status is 'diverges' where they are asked for (docs/numerics.md).
///
/// >>> import zomma
/// >>> zomma.black_scholes.greeks("call", 100.0, 100.0, 0.0, 0.05, 0.2, names=["price", "delta"], limits=True)
/// {'price': 0.0, 'delta': 0.5}
/// >>> it = zomma.black_scholes.greeks("put", 100.0, 105.0, 0.5, 0.05, 0.2, units="trader")
/// >>> round(it["delta"], 6), round(it["theta"], 6)
/// (-0.53884, -0.007045)
#[pyfunction]
#[pyo3(signature = (
    option_type, spot, strike, expiry_years, risk_free_rate, volatility,
    *, dividend_yield = None, model = "bsm", names = None, units = "raw", limits = false, on_error = "raise", out = None
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
    names: Option<&Bound<'py, PyAny>>,
    units: &str,
    limits: bool,
    on_error: &str,
    out: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (names, units) = (names.map(list_of_names).transpose()?, units_of(units)?);
    let given = ("volatility", volatility);
    let call = Call { option_type, spot, strike, expiry_years, risk_free_rate, given, dividend_yield, model, on_error };
    let (model, batch) = call.read()?;
    let there = |greek: &Greek| (model, *greek) != (Model::Black76, Greek::Phi);
    let order = named(names.as_deref(), |_| true)?;
    let order: Vec<usize> = order.into_iter().filter(|&place| there(&Greek::ALL[place])).collect();
    let name = |place: usize| name_object(py, place);
    if order.iter().all(|&place| place < FAST) {
        let evaluate = |chunk: &Chunk<'_, 6>, mut out: [&mut [f64]; FAST], status: &mut [Status]| {
            let rows = valued(chunk);
            black::price_and_five_into(&rows, model, out.each_mut().map(|column| &mut **column), status);
            if limits {
                put_limits(&rows, model, &order, &mut out, status);
            }
            scale(units, &mut out);
        };
        let wanted = std::array::from_fn(|place| order.contains(&place));
        let given = given_results(out, &order)?;
        return batch.run_into(py, Pace::FORMULA, wanted, given, evaluate)?.named(py, order, name);
    }
    let evaluate = |chunk: &Chunk<'_, 6>, mut out: [&mut [f64]; 19], status: &mut [Status]| {
        let rows = valued(chunk);
        black::greeks_into(&rows, model, out.each_mut().map(|column| &mut **column), status);
        if limits {
            put_limits(&rows, model, &order, &mut out, status);
        }
        scale(units, &mut out);
    };
    let wanted = std::array::from_fn(|place| order.contains(&place));
    batch.run_into(py, Pace::FORMULA, wanted, given_results(out, &order)?, evaluate)?.named(py, order, name)
}

/// Limits into the columns whose places `order` has: what else is made is dropped.
fn put_limits<const N: usize>(
    rows: &RowColumns<'_>,
    model: Model,
    order: &[usize],
    out: &mut [&mut [f64]; N],
    status: &mut [Status],
) {
    let (places, mut columns): (Vec<usize>, Vec<&mut [f64]>) = out
        .iter_mut()
        .enumerate()
        .filter(|(place, _)| order.contains(place))
        .map(|(place, column)| (place, &mut **column))
        .unzip();
    let wanted: Vec<Greek> = places.into_iter().map(|place| Greek::ALL[place]).collect();
    limits::complete(rows, &[], Formula::Black(model), &wanted, &mut columns, status);
}

/// The caller's arrays for results, by their places, which `order` has.
fn given_results<'py, const N: usize>(
    out: Option<&Bound<'py, PyDict>>,
    order: &[usize],
) -> PyResult<[Option<Bound<'py, PyArrayDyn<f64>>>; N]> {
    let mut given = [const { None }; N];
    for (key, array) in out.into_iter().flatten() {
        let name: String = key.extract()?;
        let place = order.iter().copied().find(|&place| Greek::ALL[place].as_str() == name);
        let slot = place.and_then(|place| given.get_mut(place));
        let slot = slot.ok_or_else(|| PyValueError::new_err(format!("out: {name:?}: is not among the results")))?;
        let array = array.cast_into::<PyArrayDyn<f64>>();
        *slot = Some(array.map_err(|_| PyTypeError::new_err(format!("out: {name:?}: a float64 array is allowed")))?);
    }
    Ok(given)
}

/// Price, delta, gamma, vega, theta and rho come first in [`Greek::ALL`], and have a loop of their own.
const FAST: usize = 6;

/// The places in [`Greek::ALL`] of the Greeks of these names, or of all that there are.
pub fn named(names: Option<&[String]>, there: impl Fn(&Greek) -> bool) -> PyResult<Vec<usize>> {
    let all = || Greek::ALL.into_iter().filter(&there);
    let Some(names) = names else { return Ok(all().map(|greek| greek as usize).collect()) };
    let find = |name: &String| all().find(|greek| greek.as_str() == name).map(|greek| greek as usize);
    let allowed = || all().map(Greek::as_str).collect::<Vec<_>>().join(", ");
    let unknown = |name: &String| PyValueError::new_err(format!("names: {name:?}: allowed are {}", allowed()));
    names.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}

/// Reads the argument `names`. A word alone would be taken for its letters.
fn list_of_names(names: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let refused = |what: String| PyTypeError::new_err(format!("names: {what}: a list of names is allowed"));
    if let Ok(word) = names.cast::<PyString>() {
        return Err(refused(word.repr()?.to_string()));
    }
    let each = names.try_iter().map_err(|_| refused(names.to_string()))?;
    each.map(|name| {
        let name = name?;
        name.extract().map_err(|_| refused(name.to_string()))
    })
    .collect()
}

/// Reads the argument `units`.
pub fn units_of(word: &str) -> PyResult<Units> {
    match word {
        "raw" => Ok(Units::Raw),
        "trader" => Ok(Units::Trader),
        other => Err(PyValueError::new_err(format!("units: {other:?}: allowed are 'raw' and 'trader'"))),
    }
}

/// The name of a Greek, made once.
pub fn name_object(py: Python<'_>, place: usize) -> Bound<'_, PyString> {
    static NAMES: PyOnceLock<[Py<PyString>; 19]> = PyOnceLock::new();
    let names = NAMES.get_or_init(py, || Greek::ALL.map(|greek| PyString::intern(py, greek.as_str()).unbind()));
    names[place].bind(py).clone()
}

/// Raw Greeks, in the order of [`Greek::ALL`], as the units have them.
pub fn scale(units: Units, columns: &mut [&mut [f64]]) {
    for (greek, column) in Greek::ALL.into_iter().zip(columns) {
        let divisor = units.divisor(greek);
        if divisor != 1.0 {
            column.iter_mut().for_each(|value| *value /= divisor);
        }
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
    let (model, batch) = call.read()?;
    let invert = |chunk: &Chunk<'_, 6>, [out]: [&mut [f64]; 1], status: &mut [Status]| {
        invert(chunk, model, out, status);
    };
    batch.run(py, Pace::FORMULA, [true], invert)?.single(py)
}

fn invert(chunk: &Chunk<'_, 6>, model: Model, out: &mut [f64], status: &mut [Status]) {
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

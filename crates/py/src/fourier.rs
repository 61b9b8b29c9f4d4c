//! `zomma.heston`, `bates`, `merton`, `kou` and `variance_gamma`: European options by characteristic functions.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use zomma_base::Status;
use zomma_pricing::black::{Greek, Units};
use zomma_pricing::fourier::{
    self, Bates, Columns, Heston, Kou, MOST_PARAMETERS, Merton, Model, Sensitivities, VarianceGamma,
};

use crate::batch::{Batch, Chunk};
use crate::black_scholes::{name_object, named, scale, units_of};
use crate::fill::{Pace, Spread};

/// Microseconds a row. Rows of one expiry and model are valued together, the more the cheaper.
const PACE: Pace = Pace { chunk_rows: 8192, threaded_rows: 64, spread: Spread::WithinChunk };

/// Numbers of a row before those of the model.
const MARKET: [&str; 5] = ["spot", "strike", "expiry_years", "risk_free_rate", "dividend_yield"];

/// Quantities of [`Sensitivities`] before the parameters.
const FIRST: [&str; 8] = ["price", "delta", "gamma", "theta", "rho", "phi", "dual_delta", "dual_gamma"];
const GRADIENT: usize = FIRST.len() + MOST_PARAMETERS;

/// Greeks that these models do not make.
const ABSENT: [Greek; 3] = [Greek::Vomma, Greek::Veta, Greek::Ultima];

/// What is asked for.
struct Request<'a, 'py> {
    verb: &'a str,
    option_type: &'a Bound<'py, PyAny>,
    numbers: &'a [Option<Bound<'py, PyAny>>],
    names: Option<Vec<String>>,
    units: Units,
    on_error: &'a str,
}

/// fourier(model, verb, option_type, numbers, names, units, on_error)
/// --
///
/// What `zomma.heston` and its kin call: 'price', 'greeks' or 'gradient' of spot, strike, expiry, rate, yield and the parameters.
#[pyfunction]
#[pyo3(name = "fourier")]
#[expect(clippy::too_many_arguments, reason = "the call of five modules")]
pub fn fourier_rows<'py>(
    py: Python<'py>,
    model: &str,
    verb: &str,
    option_type: &Bound<'py, PyAny>,
    numbers: Vec<Option<Bound<'py, PyAny>>>,
    names: Option<Vec<String>>,
    units: &str,
    on_error: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let request = Request { verb, option_type, numbers: &numbers, names, units: units_of(units)?, on_error };
    match model {
        "heston" => run::<10>(py, &request, |p| Model::Heston(heston(p))),
        "bates" => run::<13>(py, &request, |p| {
            Model::Bates(Bates { heston: heston(p), jump_intensity: p[5], jump_mean: p[6], jump_std: p[7] })
        }),
        "merton" => run::<9>(py, &request, |p| {
            Model::Merton(Merton { volatility: p[0], jump_intensity: p[1], jump_mean: p[2], jump_std: p[3] })
        }),
        "kou" => run::<10>(py, &request, |p| {
            let [volatility, jump_intensity, jump_up_probability] = [p[0], p[1], p[2]];
            Model::Kou(Kou {
                volatility,
                jump_intensity,
                jump_up_probability,
                jump_up_rate: p[3],
                jump_down_rate: p[4],
            })
        }),
        "variance_gamma" => run::<8>(py, &request, |p| {
            Model::VarianceGamma(VarianceGamma { volatility: p[0], vg_theta: p[1], vg_nu: p[2] })
        }),
        other => Err(PyValueError::new_err(format!("model: {other:?}: no such model"))),
    }
}

fn heston(p: &[f64]) -> Heston {
    Heston { v0: p[0], kappa: p[1], theta_v: p[2], sigma_v: p[3], rho_v: p[4] }
}

/// One model's rows; `I` is five numbers of the market and the model's parameters, of which `make` makes it.
fn run<'py, const I: usize>(
    py: Python<'py>,
    request: &Request<'_, 'py>,
    make: impl Fn(&[f64]) -> Model + Sync,
) -> PyResult<Bound<'py, PyAny>> {
    if request.numbers.len() != I {
        return Err(PyValueError::new_err(format!("numbers: {}: {I} are needed", request.numbers.len())));
    }
    let parameters = make(&[0.0; MOST_PARAMETERS]).parameter_names();
    let name = |i: usize| if i < MARKET.len() { MARKET[i] } else { parameters[i - MARKET.len()] };
    let numbers = std::array::from_fn(|i| (name(i), request.numbers[i].as_ref()));
    let batch = Batch::<I>::read(request.option_type, numbers, request.on_error)?;
    let models = |chunk: &Chunk<'_, I>| -> Vec<Model> {
        let mut parameters = [0.0; MOST_PARAMETERS];
        let of_row = |row: usize| {
            let given = chunk.numbers[MARKET.len()..].iter();
            parameters.iter_mut().zip(given).for_each(|(slot, column)| *slot = column[row]);
            make(&parameters)
        };
        (0..chunk.option_type.len()).map(of_row).collect()
    };
    match request.verb {
        "price" => {
            let evaluate = |chunk: &Chunk<'_, I>, [out]: [&mut [f64]; 1], status: &mut [Status]| {
                fourier::price_batch(&columns(chunk, &models(chunk)), out, status);
            };
            batch.run(py, PACE, [true], evaluate)?.single(py)
        }
        "greeks" => {
            let made = |greek: &Greek| !ABSENT.contains(greek);
            let (greeks, units) = (named(request.names.as_deref(), made)?, request.units);
            let evaluate = |chunk: &Chunk<'_, I>, mut out: [&mut [f64]; 19], status: &mut [Status]| {
                let lent = out.each_mut().map(|column| &mut **column);
                fourier::greeks_batch(&columns(chunk, &models(chunk)), lent, status);
                scale(units, &mut out);
            };
            let wanted = std::array::from_fn(|place| greeks.contains(&place));
            batch.run(py, PACE, wanted, evaluate)?.named(py, greeks, |place| name_object(py, place))
        }
        _ => {
            let evaluate = |chunk: &Chunk<'_, I>, mut out: [&mut [f64]; GRADIENT], status: &mut [Status]| {
                let mut rows = vec![Sensitivities::default(); status.len()];
                fourier::gradient_batch(&columns(chunk, &models(chunk)), &mut rows, status);
                for (row, it) in rows.iter().enumerate() {
                    let first = [it.price, it.delta, it.gamma, it.theta, it.rho, it.phi, it.dual_delta, it.dual_gamma];
                    let numbers = first.into_iter().chain(it.parameters);
                    out.iter_mut().zip(numbers).for_each(|(column, number)| column[row] = number);
                }
            };
            let count = FIRST.len() + parameters.len();
            let wanted = std::array::from_fn(|place| place < count);
            let name = |place: usize| FIRST.iter().chain(parameters).nth(place).map_or("", |name| *name);
            batch.run(py, PACE, wanted, evaluate)?.named(py, 0..count, |place| PyString::new(py, name(place)))
        }
    }
}

fn columns<'a, const I: usize>(chunk: &Chunk<'a, I>, model: &'a [Model]) -> Columns<'a> {
    let [spot, strike, expiry_years, risk_free_rate, dividend_yield] = std::array::from_fn(|i| chunk.numbers[i]);
    let option_type = chunk.option_type;
    Columns { model, option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield }
}

//! `zomma.surface`: volatility surfaces, fitted, asked, checked, saved.

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;
use zomma_base::Status;
use zomma_pricing::surface::{
    VolatilityRows,
    calibration::ModelSettings,
    fitted::{Answer, Places, Quoted, SavedSurface, SurfaceModel, SviParameters},
    row_notes, slices_of, violations,
};

use crate::threads;

/// Points that one task of the pool asks.
const POINTS_PER_TASK: usize = 4096;

/// Columns of float64, contiguous; none where the table has no such column.
type Column<'py> = Option<PyReadonlyArray1<'py, f64>>;
/// Four result columns and the numbers of their statuses.
type Answers<'py> = ([Bound<'py, PyArray1<f64>>; 4], Bound<'py, PyArray1<u8>>);

/// Years to expiry, and parameters by name.
type SviSlice = (f64, Vec<(&'static str, Option<f64>)>);
/// One result column and the numbers of its statuses.
type Told<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<u8>>);

/// Names of the models.
#[pyfunction]
pub fn surface_models() -> Vec<&'static str> {
    SurfaceModel::ALL.map(SurfaceModel::as_str).to_vec()
}

/// A fitted surface: what `zomma.surface.Surface` holds.
#[pyclass(frozen, module = "zomma._zomma", name = "FittedSurface")]
#[derive(Debug)]
pub struct FittedSurface {
    saved: SavedSurface,
}

#[pymethods]
impl FittedSurface {
    /// Fits `model` to rows of volatilities: strike, log_moneyness, expiry_years, forward, implied_volatility, bid_volatility,
    /// ask_volatility, open_interest. `settings` is JSON. Gives the surface and a status a row.
    #[staticmethod]
    #[pyo3(signature = (model, settings, columns, spot, underlying, prior))]
    #[expect(clippy::too_many_arguments, reason = "the call of one function, which names them")]
    fn fit<'py>(
        py: Python<'py>,
        model: &str,
        settings: &str,
        columns: [Column<'py>; 8],
        spot: Option<f64>,
        underlying: Option<String>,
        prior: Option<&Self>,
    ) -> PyResult<(Self, Bound<'py, PyArray1<u8>>)> {
        let model = SurfaceModel::parse(model).ok_or_else(|| {
            let allowed = surface_models().join(", ");
            PyValueError::new_err(format!("model: {model:?}: allowed are {allowed}"))
        })?;
        let settings: ModelSettings =
            serde_json::from_str(settings).map_err(|error| PyValueError::new_err(format!("settings: {error}")))?;
        let mut numbers: [&[f64]; 8] = [&[]; 8];
        for (numbers, column) in numbers.iter_mut().zip(&columns) {
            if let Some(column) = column {
                *numbers = column.as_slice()?;
            }
        }
        let [
            strike,
            log_moneyness,
            expiry_years,
            forward,
            implied_volatility,
            bid_volatility,
            ask_volatility,
            open_interest,
        ] = numbers;
        let rows = VolatilityRows {
            strike,
            log_moneyness,
            expiry_years,
            forward,
            implied_volatility,
            bid_volatility,
            ask_volatility,
            open_interest,
        };
        let (slices, status) = slices_of(&rows);
        let notes = row_notes(&rows, &status, 0);
        let quoted = Quoted { underlying, notes, ..Quoted::of_slices(slices, spot) };
        let prior = prior.map(|prior| &prior.saved.surface);
        let pool = threads::pool(py)?;
        let fitted = py.detach(|| pool.install(|| quoted.fit(model, &settings, prior)));
        let saved = fitted.map_err(|error| PyValueError::new_err(format!("{}: {error}", model.as_str())))?;
        let codes = status.iter().map(|status| *status as u8).collect();
        Ok((Self { saved }, PyArray1::from_vec(py, codes)))
    }

    /// Volatility, total variance, density and local volatility, and a status a row, at points of one length. NaN where a strike,
    /// log-moneyness or forward is not given.
    fn at<'py>(
        &self,
        py: Python<'py>,
        strike: PyReadonlyArray1<'py, f64>,
        log_moneyness: PyReadonlyArray1<'py, f64>,
        forward: PyReadonlyArray1<'py, f64>,
        expiry_years: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Answers<'py>> {
        let columns = [&strike, &log_moneyness, &forward, &expiry_years];
        let answers: Vec<Answer> = each(py, columns, |places| self.saved.answers_at(places))?;
        let column = |get: fn(&Answer) -> f64| PyArray1::from_iter(py, answers.iter().map(get));
        let columns = [
            column(|answer| answer.implied_volatility),
            column(|answer| answer.total_variance),
            column(|answer| answer.density),
            column(|answer| answer.local_volatility),
        ];
        Ok((columns, PyArray1::from_iter(py, answers.iter().map(|answer| answer.status as u8))))
    }

    /// The volatility of [`Self::at`] alone.
    fn implied_vol<'py>(
        &self,
        py: Python<'py>,
        strike: PyReadonlyArray1<'py, f64>,
        log_moneyness: PyReadonlyArray1<'py, f64>,
        forward: PyReadonlyArray1<'py, f64>,
        expiry_years: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Told<'py>> {
        let columns = [&strike, &log_moneyness, &forward, &expiry_years];
        let ask = |places: &Places<'_>| {
            let (mut values, mut status) = (vec![0.0; places.len()], vec![Status::Ok; places.len()]);
            self.saved.implied_vols_at(places, &mut values, &mut status);
            values.into_iter().zip(status).collect()
        };
        Ok(told(py, each(py, columns, ask)?))
    }

    /// The total variance of [`Self::at`] alone.
    fn total_variance<'py>(
        &self,
        py: Python<'py>,
        strike: PyReadonlyArray1<'py, f64>,
        log_moneyness: PyReadonlyArray1<'py, f64>,
        forward: PyReadonlyArray1<'py, f64>,
        expiry_years: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Told<'py>> {
        let columns = [&strike, &log_moneyness, &forward, &expiry_years];
        let ask = |places: &Places<'_>| {
            let (mut values, mut status) = (vec![0.0; places.len()], vec![Status::Ok; places.len()]);
            self.saved.total_variances_at(places, &mut values, &mut status);
            values.into_iter().zip(status).collect()
        };
        Ok(told(py, each(py, columns, ask)?))
    }

    /// Standard error of the volatility of [`Self::at`], of a model that has one.
    fn standard_error<'py>(
        &self,
        py: Python<'py>,
        strike: PyReadonlyArray1<'py, f64>,
        log_moneyness: PyReadonlyArray1<'py, f64>,
        forward: PyReadonlyArray1<'py, f64>,
        expiry_years: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Told<'py>> {
        if !self.saved.surface.has_standard_error() {
            let model = self.saved.surface.model().as_str();
            return Err(PyValueError::new_err(format!("{model}: has no standard error; kriging has")));
        }
        let columns = [&strike, &log_moneyness, &forward, &expiry_years];
        let ask = |places: &Places<'_>| {
            let of = |row: usize| {
                let place = places.place(row);
                (self.saved.standard_error_at(&place), self.saved.implied_vol_at(&place).1)
            };
            (0..places.len()).map(of).collect()
        };
        Ok(told(py, each(py, columns, ask)?))
    }

    /// Years to expiry and five named parameters of each SVI slice, in the form that is named; none for a number that the slice does not
    /// have in this form.
    fn svi_slices(&self, form: &str) -> PyResult<Vec<SviSlice>> {
        let known = SviParameters::parse(form).ok_or_else(|| {
            let allowed = SviParameters::ALL.map(SviParameters::as_str).join(", ");
            PyValueError::new_err(format!("form: {form:?}: allowed are {allowed}"))
        })?;
        let slices = self.saved.svi_parameters(known).ok_or_else(|| {
            let model = self.saved.surface.model().as_str();
            PyValueError::new_err(format!("{model}: has no SVI slices; svi has"))
        })?;
        let of = |(years, numbers): (f64, Result<[f64; 5], _>)| {
            let names = known.names().into_iter().enumerate();
            (years, names.map(|(i, name)| (name, numbers.as_ref().ok().map(|numbers| numbers[i]))).collect())
        };
        Ok(slices.into_iter().map(of).collect())
    }

    /// Static arbitrage, as JSON.
    fn violations_json(&self, py: Python<'_>) -> PyResult<String> {
        let found = py.detach(|| violations(&self.saved, &self.saved.coverage()).1);
        serde_json::to_string(&found).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// The forward to an expiry; NaN where there is none.
    fn forward(&self, expiry_years: f64) -> f64 {
        self.saved.forwards.at(expiry_years)
    }

    /// The surface as JSON: the form of `zomma surface fit`.
    fn to_json(&self) -> String {
        self.saved.to_json()
    }

    /// A surface of JSON.
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        let saved = SavedSurface::from_json(text).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self { saved })
    }
}

/// What `ask` says of the points of columns of one length, task by task: strike, log-moneyness, forward and years to expiry, NaN where one is
/// not given.
fn each<T: Send>(
    py: Python<'_>,
    columns: [&PyReadonlyArray1<'_, f64>; 4],
    ask: impl Fn(&Places<'_>) -> Vec<T> + Sync,
) -> PyResult<Vec<T>> {
    let mut numbers: [&[f64]; 4] = [&[]; 4];
    for (numbers, column) in numbers.iter_mut().zip(columns) {
        *numbers = column.as_slice()?;
    }
    let rows = numbers.map(<[f64]>::len);
    if rows.iter().any(|&length| length != rows[0]) {
        return Err(PyValueError::new_err(format!("columns of lengths {rows:?}: one length is needed")));
    }
    let [strike, log_moneyness, forward, expiry_years] = numbers;
    let places = Places { strike, log_moneyness, forward, expiry_years };
    let ask = |start: usize| ask(&places.rows(start, (start + POINTS_PER_TASK).min(rows[0])));
    let pool = threads::pool(py)?;
    let starts: Vec<usize> = (0..rows[0]).step_by(POINTS_PER_TASK).collect();
    Ok(py.detach(|| pool.install(|| starts.into_par_iter().flat_map_iter(ask).collect())))
}

/// Values and the numbers of their statuses, as columns.
fn told(py: Python<'_>, rows: Vec<(f64, Status)>) -> Told<'_> {
    let (values, status): (Vec<f64>, Vec<u8>) = rows.into_iter().map(|(value, status)| (value, status as u8)).unzip();
    (PyArray1::from_vec(py, values), PyArray1::from_vec(py, status))
}

/// The argument that the status of a point is about.
#[pyfunction]
pub fn surface_point_rule(status: u8) -> (Option<&'static str>, &'static str) {
    match Status::ALL.into_iter().find(|known| *known as u8 == status) {
        Some(Status::BadExpiry) => (Some("expiry"), "must be finite"),
        Some(Status::Expired) => (Some("expiry"), "must be above 0"),
        Some(Status::BadStrike) => (Some("strike"), "must be finite and above 0"),
        Some(Status::BadLogMoneyness) => (Some("log_moneyness"), "must be finite"),
        Some(Status::BadForward) => (Some("forward"), "must be finite and above 0, and the surface has none there"),
        Some(Status::NoSurface) => (None, "the surface has no value there"),
        Some(Status::Arbitrage) => {
            (None, "the surface has arbitrage there: its density or its local volatility is none")
        }
        _ => (None, "has no answer"),
    }
}

/// The argument that a row's status is about, in a table of volatilities.
#[pyfunction]
pub fn surface_row_rule(status: u8) -> (Option<&'static str>, &'static str) {
    match Status::ALL.into_iter().find(|known| *known as u8 == status) {
        Some(Status::BadExpiry) => (Some("expiry_years"), "must be a number of years from 3e-8 to 100"),
        Some(Status::BadForward) => (Some("forward"), "must be finite and above 0"),
        Some(Status::BadStrike) => {
            (Some("strike"), "must be above 0 and within e^20 times the forward, or there must be a log_moneyness")
        }
        Some(Status::BadVolatility) => (Some("implied_volatility"), "must be a decimal above 0 and below 10"),
        _ => (None, "has no answer"),
    }
}

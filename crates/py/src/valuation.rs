//! Rows of any model, style and contract in one call: what whole tables and the modules of exotic options go through.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use numpy::ndarray::ArrayView1;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_pricing::black::Greek;
use zomma_pricing::monte_carlo::{MOST_PATHS, Sampling};
use zomma_pricing::valuation::{
    self, Accuracy, BarrierTerms, BarrierType, Method, ModelName, Order, Parameter, PayoffName, Results, Settings,
    Table, Terms, observation_dates, parse_dividends, parse_exercise_times,
};

use crate::black_scholes::{named, units_of};
use crate::threads;

/// Rows of one chunk: their columns stay in a cache, and an interrupt is heard between two.
const CHUNK_ROWS: usize = 1 << 16;
/// A word that is absent, and one that is not known: as `zomma.Table.words` says them.
const ABSENT: u8 = 255;
const UNKNOWN: u8 = 254;

/// The words that the columns of words may hold, in the order of their places; all parameters of models, and those of each model.
#[pyfunction]
pub fn valuation_words() -> HashMap<String, Vec<&'static str>> {
    let of_models = ModelName::ALL.map(|model| {
        let volatility = model.has_volatility().then_some("volatility");
        let parameters = volatility.into_iter().chain(model.parameters().iter().map(|parameter| parameter.as_str()));
        (format!("parameters of {}", model.as_str()), parameters.collect())
    });
    let words = [
        ("model", ModelName::ALL.map(ModelName::as_str).to_vec()),
        ("exercise_style", vec!["european", "american", "bermudan"]),
        ("payoff", PayoffName::ALL.map(PayoffName::as_str).to_vec()),
        ("barrier_type", BarrierType::ALL.map(BarrierType::as_str).to_vec()),
        ("parameters", Parameter::ALL.map(Parameter::as_str).to_vec()),
    ];
    words.into_iter().map(|(name, words)| (name.to_owned(), words)).chain(of_models).collect()
}

/// Places of words by column, cells as numbers, cells as text.
type Words<'py> = HashMap<String, PyReadonlyArray1<'py, u8>>;
type Numbers<'py> = HashMap<String, PyReadonlyArray1<'py, f64>>;
type Texts = HashMap<String, Vec<Option<String>>>;

/// Results by name, stated errors, numbers of statuses.
type Valued<'py> = (Bound<'py, PyDict>, Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<u8>>);

/// valuation(verb, rows, columns, settings, names, units)
/// --
///
/// What `zomma.price` and its kin call: 'greeks' or 'implied_volatility' of rows whose columns are three dicts, of the places of words,
/// of numbers (NaN where absent) and of texts. Answers a dict of results (with method='monte_carlo' also of the standard errors of the Greeks
/// wanted), the errors that engines state of prices, and the numbers of statuses.
#[pyfunction]
#[pyo3(name = "valuation")]
#[expect(clippy::too_many_arguments, reason = "the call of three functions")]
pub fn valuation_rows<'py>(
    py: Python<'py>,
    verb: &str,
    rows: usize,
    columns: (Words<'py>, Numbers<'py>, Texts),
    settings: &Bound<'py, PyDict>,
    names: Vec<String>,
    units: &str,
) -> PyResult<Valued<'py>> {
    let settings = settings_of(settings)?;
    let implied = verb == "implied_volatility";
    let (greeks, units) = (named(Some(&names), |_| true)?, units_of(units)?);
    let order = greeks.iter().map(|&place| Order::of(Greek::ALL[place])).max().unwrap_or(Order::None);
    let (words, numbers, texts) = &columns;
    let short = words.values().map(|column| column.as_array().len());
    let mut lengths =
        short.chain(numbers.values().map(|column| column.as_array().len())).chain(texts.values().map(Vec::len));
    if lengths.any(|length| length != rows) {
        return Err(PyValueError::new_err(format!("columns: each must have {rows} rows")));
    }
    let source = Source {
        words: words.iter().map(|(name, column)| (name.as_str(), column.as_array())).collect(),
        numbers: numbers.iter().map(|(name, column)| (name.as_str(), column.as_array())).collect(),
        texts,
        implied,
    };
    let mut out: Vec<Vec<f64>> = vec![Vec::with_capacity(rows); if implied { 1 } else { greeks.len() }];
    let (mut error, mut status) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    // The Greeks wanted whose standard errors a simulation states, and the places of these.
    let is_simulated = !implied && settings.method == Method::MonteCarlo;
    let (simulated, names_of_errors): (Vec<(Greek, usize)>, Vec<&str>) = order
        .simulated()
        .enumerate()
        .filter(|(_, (greek, _))| is_simulated && greeks.contains(&(*greek as usize)))
        .map(|(place, (greek, name))| ((greek, place), name))
        .unzip();
    let mut simulated_errors: Vec<Vec<f64>> = vec![Vec::with_capacity(rows); simulated.len()];
    let pool = threads::pool(py)?;
    py.detach(|| -> PyResult<()> {
        for start in (0..rows).step_by(CHUNK_ROWS) {
            let range = start..rows.min(start + CHUNK_ROWS);
            let found = pool.install(|| {
                let table = source.table(range.clone());
                if implied {
                    valuation::implied_volatility(&table)
                } else {
                    valuation::evaluate(&table, order, &settings)
                }
            });
            let Results { columns, error: stated, greek_errors, status: codes } = found;
            if implied {
                out[0].extend(&columns[0]);
            } else {
                let all: Vec<Greek> = order.quantities().collect();
                for (out, &place) in out.iter_mut().zip(&greeks) {
                    let greek = Greek::ALL[place];
                    let at = all.iter().position(|&found| found == greek).unwrap_or_default();
                    let divisor = units.divisor(greek);
                    out.extend(columns[at].iter().map(|value| value / divisor));
                }
            }
            // What was made beside the quantities wanted, and has no number, is nobody's concern.
            let is_whole = |row: usize| {
                let absent = |place: usize| matches!(Greek::ALL[place], Greek::Lambda | Greek::Phi);
                out.iter().zip(&greeks).all(|(out, &place)| absent(place) || !out[range.start + row].is_nan())
            };
            let codes: Vec<Status> = codes
                .into_iter()
                .enumerate()
                .map(|(row, code)| if code == Status::Diverges && is_whole(row) { Status::Ok } else { code })
                .collect();
            for (out, (greek, place)) in simulated_errors.iter_mut().zip(&simulated) {
                let divisor = units.divisor(*greek);
                let made = greek_errors.get(*place).into_iter().flatten();
                out.extend(made.map(|error| error / divisor));
                out.resize(range.end, f64::NAN);
            }
            error.extend(stated);
            error.resize(range.end, f64::NAN);
            status.extend(codes.iter().map(|&code| code as u8));
            for out in &mut out {
                let fresh = &mut out[range.clone()];
                fresh
                    .iter_mut()
                    .zip(&codes)
                    .filter(|(_, code)| !code.has_numbers())
                    .for_each(|(value, _)| *value = f64::NAN);
            }
            if range.end < rows {
                Python::attach(|py| py.check_signals())?;
            }
        }
        Ok(())
    })?;
    let answer = PyDict::new(py);
    for (place, column) in out.into_iter().enumerate() {
        let name = if implied { "implied_volatility" } else { names[place].as_str() };
        answer.set_item(name, PyArray1::from_vec(py, column))?;
    }
    for (name, column) in names_of_errors.into_iter().zip(simulated_errors) {
        answer.set_item(name, PyArray1::from_vec(py, column))?;
    }
    Ok((answer, PyArray1::from_vec(py, error), PyArray1::from_vec(py, status)))
}

fn settings_of(given: &Bound<'_, PyDict>) -> PyResult<Settings> {
    let mut settings = Settings::default();
    let word =
        |name: &str| -> PyResult<Option<String>> { given.get_item(name)?.map(|word| word.extract()).transpose() };
    let refused = |name: &str, word: &str, allowed: String| {
        Err(PyValueError::new_err(format!("{name}: {word:?}: allowed are {allowed}")))
    };
    if let Some(word) = word("method")? {
        match Method::ALL.into_iter().find(|method| method.as_str() == word) {
            Some(method) => settings.method = method,
            None => {
                return refused("method", &word, Method::ALL.map(|method| format!("'{}'", method.as_str())).join(", "));
            }
        }
    }
    if let Some(word) = word("accuracy")? {
        match Accuracy::ALL.into_iter().find(|accuracy| accuracy.as_str() == word) {
            Some(accuracy) => settings.accuracy = accuracy,
            None => return refused("accuracy", &word, "'quick', 'fast', 'accurate' and 'high_precision'".into()),
        }
    }
    if let Some(word) = word("sampling")? {
        settings.sampling = match word.as_str() {
            "sobol" => Sampling::Sobol { replications: 16 },
            "antithetic" => Sampling::Antithetic,
            "independent" => Sampling::Independent,
            _ => return refused("sampling", &word, "'sobol', 'antithetic' and 'independent'".into()),
        };
    }
    if let Some(limits) = given.get_item("limits")? {
        settings.limits = limits.extract()?;
    }
    if let Some(paths) = given.get_item("paths")? {
        settings.paths = paths.extract()?;
        if !(32..=MOST_PATHS).contains(&settings.paths) {
            return Err(PyValueError::new_err(format!("paths: {}: allowed are 32 to {MOST_PATHS}", settings.paths)));
        }
    }
    if let Some(seed) = given.get_item("seed")? {
        settings.seed = seed.extract()?;
    }
    if let Some(steps) = given.get_item("steps_per_year")? {
        settings.steps_per_year = steps.extract()?;
        if !(settings.steps_per_year > 0.0 && settings.steps_per_year <= 16_384.0) {
            let steps = settings.steps_per_year;
            return Err(PyValueError::new_err(format!("steps_per_year: {steps}: must be above 0, up to 16384")));
        }
    }
    Ok(settings)
}

/// The columns of a call.
struct Source<'a> {
    words: HashMap<&'a str, ArrayView1<'a, u8>>,
    numbers: HashMap<&'a str, ArrayView1<'a, f64>>,
    texts: &'a Texts,
    /// Whether prices stand where volatilities would.
    implied: bool,
}

/// Marks a row unless something was wrong with it already.
fn mark(status: &mut Status, fault: Status) {
    if status.is_ok() {
        *status = fault;
    }
}

impl Source<'_> {
    fn number(&self, name: &str, row: usize) -> f64 {
        self.numbers.get(name).map_or(f64::NAN, |column| column[row])
    }

    fn column(&self, name: &str, range: &Range<usize>) -> Vec<f64> {
        range.clone().map(|row| self.number(name, row)).collect()
    }

    /// The place of a row's word; none where it is absent.
    fn word(&self, name: &str, row: usize) -> Option<usize> {
        self.words.get(name).map(|column| column[row]).filter(|&place| place != ABSENT).map(usize::from)
    }

    fn text(&self, name: &str, row: usize) -> Option<&str> {
        self.texts.get(name).and_then(|column| column[row].as_deref()).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Some of the rows, as the engines take them.
    fn table(&self, range: Range<usize>) -> Table {
        let rows = range.len();
        let mut table = Table {
            strike: self.column("strike", &range),
            expiry_years: self.column("expiry_years", &range),
            risk_free_rate: self.column("risk_free_rate", &range),
            volatility: self.column(if self.implied { "price" } else { "volatility" }, &range),
            parameters: Parameter::ALL.map(|parameter| {
                let given = self.numbers.contains_key(parameter.as_str());
                if given { self.column(parameter.as_str(), &range) } else { Vec::new() }
            }),
            status: vec![Status::Ok; rows],
            ..Table::default()
        };
        let has_yield = self.numbers.contains_key("dividend_yield");
        let with_terms = ["payoff", "barrier_type"].iter().any(|name| self.words.contains_key(name))
            || self.words.get("exercise_style").is_some_and(|words| words.iter().any(|&word| word == 2))
            || ["barrier", "barrier_upper"].iter().any(|name| self.numbers.contains_key(name))
            || !self.texts.is_empty();
        for row in range {
            let mut status = Status::Ok;
            let [spot, forward] = ["spot", "forward"].map(|name| self.number(name, row));
            let on_forward_alone = spot.is_nan() && !forward.is_nan();
            let model = match self.word("model", row) {
                None if on_forward_alone => ModelName::Black76,
                None => ModelName::Bsm,
                Some(place) => ModelName::ALL.get(place).copied().unwrap_or_else(|| {
                    status = Status::BadModel;
                    ModelName::Bsm
                }),
            };
            let exercise = match self.word("exercise_style", row) {
                None | Some(0 | 2) => ExerciseStyle::European,
                Some(1) => ExerciseStyle::American,
                Some(_) => {
                    mark(&mut status, Status::BadExerciseStyle);
                    ExerciseStyle::European
                }
            };
            let code = self.words.get("option_type").map_or(UNKNOWN, |column| column[row]);
            let kind = match code {
                0 | 2 => OptionType::Call,
                1 | 3 => OptionType::Put,
                _ => {
                    mark(&mut status, Status::BadOptionType);
                    OptionType::Call
                }
            };
            let on_forward = match model {
                ModelName::Bsm => false,
                ModelName::Black76 => true,
                _ => on_forward_alone,
            };
            let place = table.model.len();
            if with_terms {
                let years = table.expiry_years[place];
                let terms = self.terms(row, years, &mut status);
                table.terms.push((!terms.is_plain()).then(|| Arc::new(terms)));
            }
            table.model.push(model);
            table.exercise.push(exercise);
            table.option_type.push(kind);
            table.on_forward.push(on_forward);
            table.spot.push(if on_forward { forward } else { spot });
            table.dividend_yield.push(if has_yield && !on_forward { self.number("dividend_yield", row) } else { 0.0 });
            table.status[place] = status;
        }
        table
    }

    fn terms(&self, row: usize, expiry_years: f64, status: &mut Status) -> Terms {
        let mut terms = Terms::default();
        let given = |name: &str| Some(self.number(name, row)).filter(|number| !number.is_nan());
        match self.word("payoff", row).map(|place| PayoffName::ALL.get(place)) {
            Some(Some(&payoff)) => terms.payoff = payoff,
            Some(None) => mark(status, Status::BadPayoff),
            None => {}
        }
        if let Some(cash) = given("cash_amount") {
            terms.cash = cash;
        }
        if terms.payoff.is_lookback() {
            terms.extreme = given("extreme");
        }
        match given("observation_dates").map(observation_dates) {
            Some(Ok(dates)) => terms.observation_dates = Some(dates),
            Some(Err(fault)) => mark(status, fault),
            None => {}
        }
        let [level, upper] = ["barrier", "barrier_upper"].map(|name| self.number(name, row));
        match self.word("barrier_type", row).map(|place| BarrierType::ALL.get(place)) {
            Some(Some(&kind)) => {
                terms.barrier = Some(BarrierTerms { kind, level, upper, rebate: given("rebate").unwrap_or(0.0) });
            }
            None if level.is_nan() && upper.is_nan() => {}
            // A level without a side would be priced as if there were none.
            None | Some(None) => mark(status, Status::BadBarrierType),
        }
        // Where the expiry is no number above zero, that is the fault.
        let until = if expiry_years > 0.0 { expiry_years } else { f64::INFINITY };
        let style = self.word("exercise_style", row);
        match (self.text("exercise_times", row), style) {
            (Some(_), Some(0 | 1)) | (None, Some(2)) => mark(status, Status::BadExerciseTimes),
            (Some(text), _) => match parse_exercise_times(text, until) {
                Ok(times) => terms.exercise_times = Some(times),
                Err(fault) => mark(status, fault),
            },
            (None, _) => {}
        }
        if let Some(text) = self.text("dividends", row) {
            match parse_dividends(text, until) {
                Ok(dividends) => terms.dividends = dividends,
                Err(fault) => mark(status, fault),
            }
        }
        terms
    }
}

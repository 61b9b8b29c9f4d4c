//! `zomma.monte_carlo`: prices by simulation, many strikes on the same paths; Greeks under Black–Scholes; early exercise of one asset.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use zomma_base::{OptionType, Status};
use zomma_pricing::monte_carlo::{
    self, Average, BarrierKind, Basis, Control, Exercise, GreekEstimates, GreekMethod, Heston, Jumps, Market, Model,
    Monitoring, MonteCarloError, Payoff, Plan, Sampling,
};

use crate::outcome::rule;
use crate::{option_type, threads};

/// monte_carlo(option_type, strikes, numbers, words, counts)
/// --
///
/// What `zomma.monte_carlo.price` calls: (prices, standard errors, paths) of payoffs that differ in the strike.
#[pyfunction]
#[pyo3(name = "monte_carlo")]
pub fn monte_carlo_prices(
    py: Python<'_>,
    option_type: &str,
    strikes: Vec<f64>,
    numbers: HashMap<String, f64>,
    words: HashMap<String, String>,
    counts: HashMap<String, u64>,
) -> PyResult<(Vec<f64>, Vec<f64>, usize)> {
    let request = Request { numbers, words, counts };
    let option_type = option_type_of(option_type)?;
    let market = request.market()?;
    let (model, plan) = (request.model()?, request.plan()?.controlled(request.control()?));
    let payoffs: Vec<Payoff> =
        strikes.iter().map(|&strike| request.payoff(option_type, strike)).collect::<PyResult<_>>()?;
    let pool = threads::pool(py)?;
    let estimates = py
        .detach(|| pool.install(|| monte_carlo::prices(&market, &model, &payoffs, &plan)))
        .map_err(|error| refused(&error))?;
    let paths = estimates.first().map_or(0, |estimate| estimate.paths);
    Ok((
        estimates.iter().map(|estimate| estimate.price).collect(),
        estimates.iter().map(|estimate| estimate.standard_error).collect(),
        paths,
    ))
}

/// Greeks by name: values and standard errors of each strike; and the paths of each.
type Greeks = (Vec<(&'static str, Vec<f64>, Vec<f64>)>, usize);

/// monte_carlo_greeks(option_type, strikes, numbers, words, counts)
/// --
///
/// What `zomma.monte_carlo.greeks` calls: ((name, values, standard errors) of each quantity, paths) of payoffs that differ in the strike.
#[pyfunction]
pub fn monte_carlo_greeks(
    py: Python<'_>,
    option_type: &str,
    strikes: Vec<f64>,
    numbers: HashMap<String, f64>,
    words: HashMap<String, String>,
    counts: HashMap<String, u64>,
) -> PyResult<Greeks> {
    let request = Request { numbers, words, counts };
    let option_type = option_type_of(option_type)?;
    let (market, volatility, plan) = (request.market()?, request.number("volatility")?, request.plan()?);
    let method = match request.word("method") {
        "pathwise" => GreekMethod::Pathwise,
        "likelihood_ratio" => GreekMethod::LikelihoodRatio,
        _ => return request.unknown("method", "'pathwise' and 'likelihood_ratio'"),
    };
    let payoffs: Vec<Payoff> =
        strikes.iter().map(|&strike| request.payoff(option_type, strike)).collect::<PyResult<_>>()?;
    let pool = threads::pool(py)?;
    let of_each = || {
        payoffs
            .iter()
            .map(|payoff| monte_carlo::greeks(&market, volatility, payoff, method, &plan))
            .collect::<Result<Vec<GreekEstimates>, _>>()
    };
    let found = py.detach(|| pool.install(of_each)).map_err(|error| match error {
        MonteCarloError::Field(Status::BadVolatility) => {
            PyValueError::new_err("volatility: must be finite and above 0: without it a path has no density")
        }
        other => refused(&other),
    })?;
    type Quantity = (&'static str, fn(&GreekEstimates) -> monte_carlo::Estimate);
    let quantities: [Quantity; 8] = [
        ("price", |greeks| greeks.price),
        ("delta", |greeks| greeks.delta),
        ("gamma", |greeks| greeks.gamma),
        ("vega", |greeks| greeks.vega),
        ("theta", |greeks| greeks.theta),
        ("rho", |greeks| greeks.rho),
        ("phi", |greeks| greeks.phi),
        ("dual_delta", |greeks| greeks.dual_delta),
    ];
    let columns = quantities.map(|(name, of)| {
        let estimates: Vec<_> = found.iter().map(of).collect();
        let values: Vec<f64> = estimates.iter().map(|estimate| estimate.price).collect();
        let errors: Vec<f64> = estimates.iter().map(|estimate| estimate.standard_error).collect();
        (name, values, errors)
    });
    Ok((columns.into(), found.first().map_or(0, |greeks| greeks.price.paths)))
}

/// Values of holding, their standard errors, values of exercise now, and paths.
type Exercised = (Vec<f64>, Vec<f64>, Vec<f64>, usize);

/// monte_carlo_american(option_type, strikes, numbers, words, counts)
/// --
///
/// What `zomma.monte_carlo.american` calls: (values of holding, standard errors, values of exercise now, paths) of options that differ in
/// the strike.
#[pyfunction]
pub fn monte_carlo_american(
    py: Python<'_>,
    option_type: &str,
    strikes: Vec<f64>,
    numbers: HashMap<String, f64>,
    words: HashMap<String, String>,
    counts: HashMap<String, u64>,
) -> PyResult<Exercised> {
    let request = Request { numbers, words, counts };
    let option_type = option_type_of(option_type)?;
    let (market, model, plan) = (request.market()?, request.model()?, request.plan()?);
    let basis = match request.word("basis") {
        "monomials" => Basis::Monomials,
        "laguerre" => Basis::Laguerre,
        _ => return request.unknown("basis", "'monomials' and 'laguerre'"),
    };
    let exercise = Exercise {
        dates: request.count("exercise_dates"),
        regression_paths: request.count("regression_paths"),
        basis,
        degree: request.count("degree"),
    };
    let pool = threads::pool(py)?;
    let of_each = || {
        strikes
            .iter()
            .map(|&strike| monte_carlo::bermudan(&market, &model, (option_type, strike), &exercise, &plan))
            .collect::<Result<Vec<_>, _>>()
    };
    let found = py.detach(|| pool.install(of_each)).map_err(|error| refused(&error))?;
    Ok((
        found.iter().map(|found| found.held.price).collect(),
        found.iter().map(|found| found.held.standard_error).collect(),
        found.iter().map(|found| found.exercise_value).collect(),
        found.first().map_or(0, |found| found.held.paths),
    ))
}

/// Call or put by its name.
pub(crate) fn option_type_of(name: &str) -> PyResult<OptionType> {
    match option_type::code_of(name) {
        option_type::NEITHER => {
            Err(PyValueError::new_err(format!("option_type: {name:?}: allowed are 'call' and 'put'")))
        }
        code => Ok(option_type::of_code(code)),
    }
}

/// Arguments by name; what the Python half leaves out was left out by its caller.
pub(crate) struct Request {
    pub numbers: HashMap<String, f64>,
    pub words: HashMap<String, String>,
    pub counts: HashMap<String, u64>,
}

impl Request {
    pub fn number(&self, name: &str) -> PyResult<f64> {
        let missing = || PyValueError::new_err(format!("{name}: is needed here"));
        self.numbers.get(name).copied().ok_or_else(missing)
    }

    pub fn word(&self, name: &str) -> &str {
        self.words.get(name).map_or("", String::as_str)
    }

    pub fn count(&self, name: &str) -> usize {
        self.counts.get(name).map_or(0, |&count| usize::try_from(count).unwrap_or(usize::MAX))
    }

    pub fn unknown<T>(&self, name: &str, allowed: &str) -> PyResult<T> {
        Err(PyValueError::new_err(format!("{name}: {:?}: allowed are {allowed}", self.word(name))))
    }

    fn market(&self) -> PyResult<Market> {
        Ok(Market {
            spot: self.number("spot")?,
            expiry_years: self.number("expiry_years")?,
            risk_free_rate: self.number("risk_free_rate")?,
            dividend_yield: self.number("dividend_yield")?,
        })
    }

    fn model(&self) -> PyResult<Model<'static>> {
        let heston = || -> PyResult<Heston> {
            Ok(Heston {
                v0: self.number("v0")?,
                kappa: self.number("kappa")?,
                theta_v: self.number("theta_v")?,
                sigma_v: self.number("sigma_v")?,
                rho_v: self.number("rho_v")?,
            })
        };
        let jumps = || -> PyResult<Jumps> {
            Ok(Jumps {
                jump_intensity: self.number("jump_intensity")?,
                jump_mean: self.number("jump_mean")?,
                jump_std: self.number("jump_std")?,
            })
        };
        match self.word("model") {
            "bsm" => Ok(Model::BlackScholes { volatility: self.number("volatility")? }),
            "merton" => Ok(Model::Merton { volatility: self.number("volatility")?, jumps: jumps()? }),
            "heston" => Ok(Model::Heston(heston()?)),
            "bates" => Ok(Model::Bates { heston: heston()?, jumps: jumps()? }),
            _ => self.unknown("model", "'bsm', 'merton', 'heston' and 'bates'"),
        }
    }

    pub fn plan(&self) -> PyResult<Plan> {
        let sampling = match self.word("sampling") {
            "independent" => Sampling::Independent,
            "antithetic" => Sampling::Antithetic,
            "sobol" => Sampling::Sobol { replications: self.count("replications") },
            _ => return self.unknown("sampling", "'sobol', 'antithetic' and 'independent'"),
        };
        let seed = self.counts.get("seed").copied().unwrap_or(0);
        Ok(Plan::new(seed, self.count("paths"), self.count("steps")).sampled(sampling))
    }

    /// The control variate; none where no word says which.
    fn control(&self) -> PyResult<Control> {
        match self.word("control") {
            "" => Ok(Control::None),
            "spot" => Ok(Control::Spot),
            "geometric_asian" => Ok(Control::GeometricAsian),
            "black_scholes" => {
                let volatility = self.number("control_volatility")?;
                if !(volatility.is_finite() && volatility >= 0.0) {
                    let words = format!("control_volatility: {volatility}: allowed is a finite number at or above 0");
                    return Err(PyValueError::new_err(words));
                }
                Ok(Control::BlackScholes { volatility })
            }
            _ => self.unknown("control", "'spot', 'black_scholes' and 'geometric_asian'"),
        }
    }

    fn payoff(&self, option_type: OptionType, strike: f64) -> PyResult<Payoff> {
        let dates = self.count("dates");
        Ok(match self.word("payoff") {
            "european" => Payoff::European { option_type, strike },
            "digital" => Payoff::Digital { option_type, strike },
            "asian" => Payoff::Asian { option_type, strike, average: Average::Arithmetic, dates },
            "geometric_asian" => Payoff::Asian { option_type, strike, average: Average::Geometric, dates },
            "lookback" => Payoff::Lookback { option_type, strike: Some(strike), dates },
            "up_and_out" => self.barrier(option_type, strike, BarrierKind::UpAndOut)?,
            "up_and_in" => self.barrier(option_type, strike, BarrierKind::UpAndIn)?,
            "down_and_out" => self.barrier(option_type, strike, BarrierKind::DownAndOut)?,
            "down_and_in" => self.barrier(option_type, strike, BarrierKind::DownAndIn)?,
            _ => {
                let barriers = "'up_and_out', 'up_and_in', 'down_and_out', 'down_and_in'";
                let others = "'european', 'digital', 'asian', 'geometric_asian', 'lookback'";
                return self.unknown("payoff", &format!("{others}, {barriers}"));
            }
        })
    }

    /// A barrier is watched all the time where no dates are given.
    fn barrier(&self, option_type: OptionType, strike: f64, kind: BarrierKind) -> PyResult<Payoff> {
        let monitoring = match self.count("dates") {
            0 => Monitoring::Continuous,
            dates => Monitoring::Dates(dates),
        };
        let (barrier, rebate) = (self.number("barrier")?, self.number("rebate")?);
        Ok(Payoff::Barrier { option_type, strike, barrier, kind, rebate, monitoring })
    }
}

/// What was wrong, by the name of the argument.
pub(crate) fn refused(error: &MonteCarloError) -> PyErr {
    PyValueError::new_err(match error {
        MonteCarloError::Field(Status::BarrierHit) => "barrier: the spot is at or beyond it already".to_owned(),
        MonteCarloError::Field(status) => match rule(*status) {
            (Some(argument), words) => format!("{argument}: {words}"),
            (None, words) => words.to_owned(),
        },
        other => other.to_string(),
    })
}

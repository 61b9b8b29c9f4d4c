//! What becomes of rows that have no answer: an error that names the argument and the row, NaN, or a status a row.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use zomma_base::Status;

/// What the caller wants of faulty rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// An exception for the first of them.
    Raise,
    /// NaN.
    Nan,
    /// NaN, and a status for every row.
    Status,
}

impl OnError {
    /// Reads the argument `on_error`.
    pub fn parse(word: &str) -> PyResult<Self> {
        match word {
            "raise" => Ok(Self::Raise),
            "nan" => Ok(Self::Nan),
            "status" => Ok(Self::Status),
            _ => Err(PyValueError::new_err(format!("on_error: {word:?}: allowed are 'raise', 'nan' and 'status'"))),
        }
    }
}

/// Faulty rows of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The first, by its place in the order of rows.
    pub first: Option<(usize, Status)>,
    /// How many.
    pub count: usize,
}

impl Faults {
    /// Counts the faults of one chunk, which starts at row `start`.
    pub fn add(&mut self, start: usize, status: &[Status]) {
        for (row, &status) in status.iter().enumerate().filter(|(_, status)| !status.is_ok()) {
            self.first.get_or_insert((start + row, status));
            self.count += 1;
        }
    }

    /// Adds the faults of later rows.
    pub fn join(&mut self, later: Self) {
        self.first = self.first.or(later.first);
        self.count += later.count;
    }
}

/// The argument that a status is about, and what is allowed; the price or the volatility is what was asked of the row.
pub fn rule(status: Status) -> (Option<&'static str>, &'static str) {
    match status {
        Status::BadExerciseStyle => (Some("exercise_style"), "not known, or not valued here for this model"),
        Status::BadModel => (Some("model"), "not known, or not valued here"),
        Status::BadOptionType => (Some("option_type"), "allowed are 'call' and 'put'"),
        Status::BadSpot => (Some("spot"), "must be finite and above 0"),
        Status::BadForward => (Some("forward"), "must be finite and above 0"),
        Status::BadStrike => (Some("strike"), "must be finite and above 0"),
        Status::BadExpiry => (Some("expiry_years"), "must be finite"),
        Status::Expired => (Some("expiry_years"), "must be above 0: the option has expired"),
        Status::BadRate => (Some("risk_free_rate"), "must be finite"),
        Status::BadYield => (Some("dividend_yield"), "must be finite"),
        Status::BadVolatility => (Some("volatility"), "must be finite and not below 0"),
        Status::BadPrice => (Some("price"), "must be finite and not below 0"),
        Status::BelowIntrinsic => (Some("price"), "below the intrinsic value of the forward: no volatility gives it"),
        Status::AboveMaximum => (Some("price"), "at or above the largest value that any volatility gives"),
        Status::SeveralVolatilities => (Some("price"), "more than one volatility gives it"),
        Status::Undetermined => (Some("price"), "as rounded, does not determine a volatility"),
        Status::BadV0 => (Some("v0"), "must be finite and not below 0"),
        Status::BadKappa => (Some("kappa"), "must be finite and above 0"),
        Status::BadThetaV => (Some("theta_v"), "must be finite and not below 0"),
        Status::BadSigmaV => (Some("sigma_v"), "must be finite and not below 0"),
        Status::BadRhoV => (Some("rho_v"), "must be within -1 and 1"),
        Status::BadJumpIntensity => (Some("jump_intensity"), "must be finite and not below 0"),
        Status::BadJumpMean => (Some("jump_mean"), "must be finite"),
        Status::BadJumpStd => (Some("jump_std"), "must be finite and not below 0"),
        Status::BadJumpUpProbability => (Some("jump_up_probability"), "must be within 0 and 1"),
        Status::BadJumpUpRate => (Some("jump_up_rate"), "must be finite and above 1"),
        Status::BadJumpDownRate => (Some("jump_down_rate"), "must be finite and above 0"),
        Status::BadVgTheta => (Some("vg_theta"), "must be finite, with vg_nu (vg_theta + volatility² / 2) below 1"),
        Status::BadVgNu => (Some("vg_nu"), "must be finite and not below 0"),
        Status::BadDisplacement => {
            (Some("displacement"), "must be finite, and leave forward and strike plus it above 0")
        }
        Status::BadBarrier => (Some("barrier"), "must be finite and above 0, and the lower of two below the upper"),
        Status::BarrierHit => (Some("barrier"), "the spot is there or beyond already"),
        Status::BadBarrierType => {
            (Some("barrier_type"), "not known, absent beside a barrier, or not valued with these terms")
        }
        Status::BadPayoff => (Some("payoff"), "not known, or not valued with these terms"),
        Status::BadCash => (Some("cash_amount"), "must be finite and not below 0"),
        Status::BadObservationDates => {
            (Some("observation_dates"), "must be a whole number above 0, and is needed here")
        }
        Status::BadExtreme => (Some("extreme"), "must be finite and above 0, of a lookback that is watched always"),
        Status::BadExerciseTimes => {
            (Some("exercise_times"), "must be years from now up to expiry, of a Bermudan option")
        }
        Status::BadDividend => {
            (Some("dividends"), "must be times and amounts not below 0, on a spot, of what pays by the spot")
        }
        Status::DividendAfterExpiry => (Some("dividends"), "one falls at or after expiry"),
        Status::DividendAboveSpot => (Some("dividends"), "are worth the spot or more"),
        Status::BadMethod => (None, "is not valued by this method"),
        Status::BadRebate => (Some("rebate"), "must be finite and not below 0, and 0 at a knock-out that is simulated"),
        Status::TwoBoundaries => (
            None,
            "is exercised between two boundaries: accuracy='fast' or 'quick' takes a grid there, where one is exact enough",
        ),
        Status::NotConverged => (None, "does not converge: its terms are far outside the usual"),
        Status::Diverges => (None, "has Greeks that grow without bound there: name those that have limits"),
        Status::PriceAlone => (None, "has a price alone: what values it makes no Greeks"),
        Status::Overflow => (None, "a result leaves the range of float64"),
        _ => (None, "has no answer"),
    }
}

/// The member of `zomma.Status`.
pub fn status_object(py: Python<'_>, status: Status) -> PyResult<Bound<'_, PyAny>> {
    py.import("zomma._status")?.getattr("Status")?.call1((status as u8,))
}

/// A `zomma.RowError`.
pub fn row_error(
    py: Python<'_>,
    (status, index, count): (Status, &[usize], usize),
    value: Option<Bound<'_, PyAny>>,
    rows: usize,
) -> PyResult<PyErr> {
    let (argument, rule) = rule(status);
    let place = match index {
        [] => String::new(),
        index => format!("row {}: ", index.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let what = match (argument, &value) {
        (Some(argument), Some(value)) => format!("{argument} is {}: {rule}", value.repr()?),
        (Some(argument), None) => format!("{argument}: {rule}"),
        (None, _) => rule.to_owned(),
    };
    let rest = match index {
        [] => String::new(),
        _ => format!("; {count} of {rows} rows have no answer: on_error='status' or 'nan' keeps the others"),
    };
    let class = py.import("zomma._errors")?.getattr("RowError")?;
    let status = status_object(py, status)?;
    let index = PyTuple::new(py, index)?;
    Ok(PyErr::from_value(class.call1((format!("{place}{what}{rest}"), argument, index, value, status))?))
}

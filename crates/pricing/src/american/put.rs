//! The put that an option is: its terms in units of the expiry and the strike, or the reason why no boundary is sought.

use zomma_base::{OptionType, Status};

use super::accuracy::Accuracy;
use super::boundary::{Terms, boundary};
use super::certain::{self, Certain};
use super::lanes::{Answer, Job};
use super::premium::premium;
use super::{european_of_checked, exercise_value};
use crate::black::Row;

/// An option whose fields are right.
pub(super) enum Valued {
    /// Exercise never pays: the European value is the answer.
    European(f64),
    /// It is certain when exercise pays.
    Certain(Certain),
    /// One boundary.
    Early(Early),
}

/// An option with one exercise boundary.
pub(super) struct Early {
    pub job: Job,
    pub european: f64,
    pub exercise: f64,
    /// The put's strike: a call's spot.
    pub unit: f64,
}

/// The rate and the yield of the put that an option is: those of a call are exchanged.
fn rates_as_put(row: &Row) -> [f64; 2] {
    match row.option_type {
        OptionType::Call => [row.dividend_yield, row.risk_free_rate],
        OptionType::Put => [row.risk_free_rate, row.dividend_yield],
    }
}

/// Whether waiting until expiry is never worse than exercising: exercise earns r K − q S at most where S ≤ K.
pub(super) fn waits_always(row: &Row) -> bool {
    let [rate, dividend] = rates_as_put(row);
    rate <= 0.0 && dividend >= rate
}

/// Whether exercise pays on one side of one boundary.
pub(super) fn has_one_boundary(row: &Row) -> bool {
    let [rate, dividend] = rates_as_put(row);
    rate > 0.0 || rate == 0.0 && dividend < 0.0
}

/// Greatest |r|T and |q|T, and the range of σ√T, of the boundary's method.
const RATE_MAX: f64 = 4.0;
const DEVIATION_RANGE: std::ops::RangeInclusive<f64> = 1e-4..=6.0;
/// Beyond this |r|T or |q|T the boundary's last bend is resolved only where σ√T is at least a tenth of it.
const RATE_SMALL: f64 = 0.5;
const DEVIATIONS_PER_RATE: f64 = 10.0;

/// What a row is valued as.
///
/// Errors: those of [`by_boundary`].
pub(super) fn value(row: &Row) -> Result<Valued, Status> {
    // With one boundary the end of the option may be out of sight: that is exact, where the boundary is not resolved.
    if has_one_boundary(row)
        && let Some(certain) = certain::without_end(row)
    {
        return Ok(Valued::Certain(certain));
    }
    let found = by_boundary(row)?;
    // So little chance is known more exactly than the boundary is.
    if let Valued::Early(option) = &found
        && option.job.terms.deviation < certain::DEVIATION_MAX
        && let Some(certain) = certain::of(row)
    {
        return Ok(Valued::Certain(certain));
    }
    Ok(found)
}

/// The same with a boundary wherever the boundary's method has one: for the changed rows that a Greek is a difference of, which must not be another
/// method's than the row's own.
///
/// Errors: where it is not certain when exercise pays, `TwoBoundaries`, and `NotConverged` where the terms are outside what the method is for.
pub(super) fn by_boundary(row: &Row) -> Result<Valued, Status> {
    let european = european_of_checked(row);
    if waits_always(row) {
        return Ok(Valued::European(european));
    }
    let [rate, dividend] = rates_as_put(row);
    // Exercise then pays from K r/q up to another boundary only.
    if dividend < rate && rate < 0.0 {
        return certain::of(row).map(Valued::Certain).ok_or(Status::TwoBoundaries);
    }
    let (spot, strike) = match row.option_type {
        OptionType::Call => (row.strike, row.spot),
        OptionType::Put => (row.spot, row.strike),
    };
    let years = row.expiry_years;
    let terms = Terms::new(rate * years, dividend * years, row.volatility * years.sqrt());
    let log_spot = (spot / strike).ln();
    let is_usual = DEVIATION_RANGE.contains(&terms.deviation)
        && terms.rate.abs().max(terms.dividend.abs())
            <= (DEVIATIONS_PER_RATE * terms.deviation).clamp(RATE_SMALL, RATE_MAX)
        && log_spot.is_finite();
    if !is_usual {
        return certain::of(row).map(Valued::Certain).ok_or(Status::NotConverged);
    }
    Ok(Valued::Early(Early { job: Job { terms, log_spot }, european, exercise: exercise_value(row), unit: strike }))
}

impl Early {
    /// Whether exercise now is best.
    pub fn is_exercised(&self, answer: &Answer) -> bool {
        self.job.log_spot <= answer.log_boundary
    }

    /// The option's value.
    pub fn price(&self, answer: &Answer) -> Result<f64, Status> {
        if !(answer.is_converged && answer.premium.value.is_finite()) {
            return Err(Status::NotConverged);
        }
        if self.is_exercised(answer) {
            return Ok(self.exercise);
        }
        let price = (self.european + self.unit * answer.premium.value.max(0.0)).max(self.exercise);
        if price.is_finite() { Ok(price) } else { Err(Status::NotConverged) }
    }
}

/// The twin of the lanes.
pub(super) fn answer(job: &Job, accuracy: &Accuracy) -> Answer {
    let tables = job.terms.tables(accuracy);
    let Some(y) = boundary(&job.terms, tables) else { return Answer::default() };
    let log_boundary = job.terms.log_end - y[y.len() - 1];
    let premium = premium(&job.terms, tables, &y, job.log_spot);
    Answer { premium, log_boundary, is_converged: true }
}

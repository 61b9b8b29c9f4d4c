//! American exercise with a continuous yield: price, Greeks, implied volatility, one row or batches.
//!
//! The price is the exact European one plus the premium for early exercise, an integral over the exercise boundary, which spectral
//! collocation finds to as many digits as the [`Accuracy`] asks for (`boundary`, `premium`; docs/american.md). A call is the put with
//! spot and strike, rate and yield exchanged (McDonald and Schroder 1998).
//!
//! Where waiting is never worse (a put at a rate that is not positive and at most the yield; a call with the two exchanged) the European
//! price is the answer, exactly. A put with yield < rate < 0 is exercised between two boundaries, which the collocation does not
//! handle: [`price`] takes the [`tree`] there, [`price_with`] says `TwoBoundaries`.

mod accuracy;
mod boundary;
mod implied;
mod premium;
mod quadrature;
#[cfg(test)]
mod tests;
pub mod tree;

pub use accuracy::{Accuracy, Quadrature, Scheme};
pub use implied::implied_volatility;

use zomma_base::{OptionType, Status};

use crate::black::Row;
use crate::implied_vol::reduced_price;
use boundary::Terms;

/// Value of an American option to the accuracy of [`Accuracy::fast`]; where the boundary's method does not go (two boundaries, or
/// terms far outside the usual) by the [`tree`] of 101 steps, whose error is up to 2e-4 of spot.
///
/// Errors: `BadSpot`, `BadStrike`, `BadExpiry`, `Expired`, `BadRate`, `BadYield`, `BadVolatility` by field, in this order; `Overflow`
/// where a discount factor leaves the range of numbers.
pub fn price(row: &Row) -> Result<f64, Status> {
    check(row)?;
    check_volatility(row)?;
    Ok(price_of_checked(row))
}

/// Value of an American option to the accuracy asked for.
///
/// Errors: those of [`price`]; `TwoBoundaries` for a put with yield < rate < 0 and a call with rate < yield < 0; `NotConverged` where the
/// boundary's equation has no solution within reach (terms far outside the usual: docs/american.md).
pub fn price_with(row: &Row, accuracy: &Accuracy) -> Result<f64, Status> {
    check(row)?;
    check_volatility(row)?;
    collocated_of_checked(row, accuracy)
}

/// Value of the European option of the same terms. Errors: those of [`price`].
pub fn european_price(row: &Row) -> Result<f64, Status> {
    check(row)?;
    check_volatility(row)?;
    Ok(european_of_checked(row))
}

/// Every field but the volatility.
fn check(row: &Row) -> Result<(), Status> {
    let positive = |x: f64| x.is_finite() && x > 0.0;
    if !positive(row.spot) {
        Err(Status::BadSpot)
    } else if !positive(row.strike) {
        Err(Status::BadStrike)
    } else if !row.expiry_years.is_finite() {
        Err(Status::BadExpiry)
    } else if row.expiry_years <= 0.0 {
        Err(Status::Expired)
    } else if !row.risk_free_rate.is_finite() {
        Err(Status::BadRate)
    } else if !row.dividend_yield.is_finite() {
        Err(Status::BadYield)
    } else if (row.risk_free_rate.abs() + row.dividend_yield.abs()) * row.expiry_years > 600.0 {
        Err(Status::Overflow)
    } else {
        Ok(())
    }
}

/// Value of exercise now.
fn exercise_value(row: &Row) -> f64 {
    (row.option_type.sign() * (row.spot - row.strike)).max(0.0)
}

fn check_volatility(row: &Row) -> Result<(), Status> {
    if row.volatility.is_finite() && row.volatility >= 0.0 { Ok(()) } else { Err(Status::BadVolatility) }
}

/// The rate and the yield of the put that an option is: those of a call are exchanged.
fn rates_as_put(row: &Row) -> [f64; 2] {
    match row.option_type {
        OptionType::Call => [row.dividend_yield, row.risk_free_rate],
        OptionType::Put => [row.risk_free_rate, row.dividend_yield],
    }
}

/// Whether waiting until expiry is never worse than exercising: exercise earns r K − q S at most where S ≤ K.
fn waits_always(row: &Row) -> bool {
    let [rate, dividend] = rates_as_put(row);
    rate <= 0.0 && dividend >= rate
}

/// Whether exercise pays between two boundaries only.
fn has_two_boundaries(row: &Row) -> bool {
    let [rate, dividend] = rates_as_put(row);
    dividend < rate && rate < 0.0
}

/// Discounted forward and strike.
fn legs(row: &Row) -> (f64, f64) {
    (
        row.spot * (-row.dividend_yield * row.expiry_years).exp(),
        row.strike * (-row.risk_free_rate * row.expiry_years).exp(),
    )
}

fn european_of_checked(row: &Row) -> f64 {
    let (forward, strike) = legs(row);
    let log = (row.spot / row.strike).ln() + (row.risk_free_rate - row.dividend_yield) * row.expiry_years;
    let in_the_money = (row.option_type.sign() * (forward - strike)).max(0.0);
    in_the_money + forward.min(strike) * reduced_price(log.abs(), row.volatility * row.expiry_years.sqrt())
}

fn price_of_checked(row: &Row) -> f64 {
    collocated_of_checked(row, Accuracy::fast()).unwrap_or_else(|_| tree::price_of_checked(row, tree::STEPS))
}

/// Greatest |r|T and |q|T, and the range of σ√T, of the boundary's method.
const RATE_MAX: f64 = 4.0;
const DEVIATION_RANGE: std::ops::RangeInclusive<f64> = 1e-4..=6.0;

fn collocated_of_checked(row: &Row, accuracy: &Accuracy) -> Result<f64, Status> {
    let european = european_of_checked(row);
    if waits_always(row) {
        return Ok(european);
    }
    if has_two_boundaries(row) {
        return Err(Status::TwoBoundaries);
    }
    let [rate, dividend] = rates_as_put(row);
    let (spot, strike) = match row.option_type {
        OptionType::Call => (row.strike, row.spot),
        OptionType::Put => (row.spot, row.strike),
    };
    let years = row.expiry_years;
    let terms = Terms::new(rate * years, dividend * years, row.volatility * years.sqrt());
    let is_usual =
        DEVIATION_RANGE.contains(&terms.deviation) && terms.rate.abs() <= RATE_MAX && terms.dividend.abs() <= RATE_MAX;
    if !is_usual {
        return Err(Status::NotConverged);
    }
    let tables = terms.tables(accuracy);
    let y = boundary::boundary(&terms, tables).ok_or(Status::NotConverged)?;
    let exercise = exercise_value(row);
    let log_spot = (spot / strike).ln();
    if log_spot <= terms.log_end - y[y.len() - 1] {
        return Ok(exercise);
    }
    let premium = premium::premium(&terms, tables, &y, log_spot);
    Ok((european + strike * premium.value.max(0.0)).max(exercise))
}

/// Dates at which certain exercise is tried.
const CERTAIN_DATES: usize = 64;

/// The value when nothing is uncertain: ω(S e^{−qt} − K e^{−rt}) at the best of the times.
fn best_certain_exercise(row: &Row) -> f64 {
    let sign = row.option_type.sign();
    (0..=CERTAIN_DATES)
        .map(|i| {
            let t = row.expiry_years * i as f64 / CERTAIN_DATES as f64;
            sign * (row.spot * (-row.dividend_yield * t).exp() - row.strike * (-row.risk_free_rate * t).exp())
        })
        .fold(0.0, f64::max)
}

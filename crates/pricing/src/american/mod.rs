//! American exercise with a continuous yield: price, implied volatility, and the European price whose difference is the premium for
//! early exercise.
//!
//! The price is the exact European one plus the premium that two Leisen–Reimer trees give, extrapolated to infinitely many steps: the
//! premium's error is all but proportional to the distance between exercise dates. Where early exercise never pays (a call without yield at a rate that is not negative, a put without rate at a yield that is not negative) the
//! European price is the answer, exactly.

mod implied;
#[cfg(test)]
mod tests;
mod tree;

pub use implied::implied_volatility;

use zomma_base::{OptionType, Status};

use crate::black::Row;
use crate::implied_vol::reduced_price;

/// Steps of the two trees: odd, so that the strike lies between two end nodes.
const STEPS: [usize; 2] = [51, 101];

/// Value of an American option.
///
/// Errors: `BadSpot`, `BadStrike`, `BadExpiry`, `Expired`, `BadRate`, `BadYield`, `BadVolatility` by field, in this order; `Overflow`
/// where a discount factor leaves the range of numbers.
pub fn price(row: &Row) -> Result<f64, Status> {
    check(row)?;
    if !(row.volatility.is_finite() && row.volatility >= 0.0) {
        return Err(Status::BadVolatility);
    }
    Ok(price_of_checked(row))
}

/// Value of the European option of the same terms. Errors: those of [`price`].
pub fn european_price(row: &Row) -> Result<f64, Status> {
    check(row)?;
    if !(row.volatility.is_finite() && row.volatility >= 0.0) {
        return Err(Status::BadVolatility);
    }
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

/// Whether waiting until expiry is never worse than exercising.
fn never_early(row: &Row) -> bool {
    match row.option_type {
        OptionType::Call => row.dividend_yield <= 0.0 && row.risk_free_rate >= 0.0,
        OptionType::Put => row.risk_free_rate <= 0.0 && row.dividend_yield >= 0.0,
    }
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
    let european = european_of_checked(row);
    if never_early(row) {
        return european;
    }
    let least = european.max(exercise_value(row));
    let [Some(coarse), Some(fine)] = STEPS.map(|steps| tree::american_and_european(row, steps)) else {
        return least.max(best_certain_exercise(row));
    };
    // Where the finer tree exercises at once there is nothing to extrapolate.
    if fine.0 <= exercise_value(row) * (1.0 + 1e-12) {
        return least;
    }
    let [m, n] = STEPS.map(|steps| steps as f64);
    let premium = fine.0 - fine.1;
    (european + premium + (premium - (coarse.0 - coarse.1)) * m / (n - m)).max(least)
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

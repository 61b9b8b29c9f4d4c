//! American exercise with a continuous yield: price, Greeks, implied volatility, one row or batches.
//!
//! The price is the exact European one plus the premium for early exercise, an integral over the exercise boundary, which spectral
//! collocation finds to as many digits as the [`Accuracy`] asks for (`boundary`, `premium`; docs/american.md). A call is the put with
//! spot and strike, rate and yield exchanged (McDonald and Schroder 1998).
//!
//! Where waiting is never worse (a put at a rate that is not positive and at most the yield; a call with the two exchanged) the European
//! price is the answer, exactly. A put with yield < rate < 0 is exercised between two boundaries, which the collocation does not
//! handle: [`price`] takes finite differences there, [`price_with`] says `TwoBoundaries`.

mod accuracy;
mod batch;
mod beyond;
mod boundary;
mod certain;
pub mod device;
mod gradient;
mod greeks;
mod implied;
mod lanes;
mod perpetual;
mod premium;
mod put;
mod quadrature;
#[cfg(test)]
mod tests;
pub mod tree;

pub use accuracy::{Accuracy, Quadrature, Scheme};
pub use batch::{price_batch, price_batch_on};
pub use gradient::{Gradient, gradient_batch};
pub use greeks::{greeks_batch, greeks_with};
pub use implied::{implied_volatility, implied_volatility_batch};

use zomma_base::Status;

use crate::black::Row;
use crate::implied_vol::reduced_price;
use batch::{checked, prices_of_checked, with_room};
use certain::Certain;
use put::Valued;

/// Value of an American option to the accuracy of [`Accuracy::fast`]; where the boundary's method does not go (two boundaries, or
/// terms far outside the usual) by finite differences, to 2e-4 of spot.
///
/// Errors: `BadSpot`, `BadStrike`, `BadExpiry`, `Expired`, `BadRate`, `BadYield`, `BadVolatility` by field, in this order; `Overflow`
/// where a discount factor leaves the range of numbers; `TwoBoundaries` or `NotConverged` where finite differences do not reach that accuracy either.
pub fn price(row: &Row) -> Result<f64, Status> {
    check(row)?;
    check_volatility(row)?;
    let mut price = [Err(Status::NotConverged)];
    with_room(|room| prices_of_checked(room, std::slice::from_ref(row), &mut price));
    representable(price[0]?)
}

/// Value of an American option to the accuracy asked for.
///
/// Errors: those of [`price`]; `TwoBoundaries` for a put with yield < rate < 0 and a call with rate < yield < 0; `NotConverged` where the
/// boundary's equation has no solution within reach (terms far outside the usual: docs/american.md).
pub fn price_with(row: &Row, accuracy: &Accuracy) -> Result<f64, Status> {
    match checked(row)? {
        Valued::European(price) | Valued::Certain(Certain { price, .. }) => representable(price),
        Valued::Early(option) => option.price(&put::answer(&option.job, accuracy)),
    }
}

/// Value of the European option of the same terms. Errors: those of [`price`].
pub fn european_price(row: &Row) -> Result<f64, Status> {
    check(row)?;
    check_volatility(row)?;
    representable(european_of_checked(row))
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

fn representable(price: f64) -> Result<f64, Status> {
    if price.is_finite() { Ok(price) } else { Err(Status::Overflow) }
}

fn check_volatility(row: &Row) -> Result<(), Status> {
    if row.volatility.is_finite() && row.volatility >= 0.0 { Ok(()) } else { Err(Status::BadVolatility) }
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

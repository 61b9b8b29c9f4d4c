//! The volatility of an American price.

use zomma_base::{OptionType, Status};

use super::{check, european_of_checked, exercise_value, legs, price_of_checked, waits_always};
use crate::black::Row;
use crate::implied_vol::{implied_volatility_bsm_row, reduced_vega};

/// Relative change of the volatility at which the search ends: below what the tree itself is good for.
const TOLERANCE: f64 = 1e-6;
const MOST_STEPS: usize = 60;
/// Total volatilities between which a tree is sought.
const TOTAL_RANGE: [f64; 2] = [1e-4, 6.0];

/// The volatility at which [`price`](super::price) gives `price`; the row's own volatility is ignored.
///
/// Errors: those of [`price`](super::price) by field; `BadPrice`; `BelowIntrinsic` below the exercise value (or the European
/// intrinsic value) and `AboveMaximum` at or above what any volatility gives; `Undetermined` at the exercise value, which every small
/// enough volatility has; `NotConverged`.
pub fn implied_volatility(row_without_vol: &Row, price: f64) -> Result<f64, Status> {
    let row = row_without_vol;
    check(row)?;
    if !(price.is_finite() && price >= 0.0) {
        return Err(Status::BadPrice);
    }
    let european = || implied_volatility_bsm_row(row, price);
    if waits_always(row) {
        return european();
    }
    let (forward, strike) = legs(row);
    let exercise = exercise_value(row);
    let certain = super::best_certain_exercise(row).max(exercise);
    let rounding = 64.0 * f64::EPSILON * row.spot.max(row.strike);
    if price < certain - rounding {
        return Err(Status::BelowIntrinsic);
    }
    if price <= certain + rounding {
        return Err(Status::Undetermined);
    }
    let most = match row.option_type {
        OptionType::Call => row.spot.max(forward),
        OptionType::Put => row.strike.max(strike),
    };
    if price >= most {
        return Err(Status::AboveMaximum);
    }
    search(row, price, european().ok())
}

/// Newton's method with the European vega (the American one is near it wherever the option lives), kept between the ends of a
/// bracket that every evaluation narrows, and secant steps once there are two points.
fn search(row: &Row, price: f64, european: Option<f64>) -> Result<f64, Status> {
    let root_years = row.expiry_years.sqrt();
    let mut low = TOTAL_RANGE[0] / root_years;
    // The European option is worth no more at any volatility, so its volatility is no lower.
    let mut high = european.unwrap_or(f64::INFINITY).min(TOTAL_RANGE[1] / root_years) * (1.0 + 1e-9);
    let at = |volatility: f64| price_of_checked(&Row { volatility, ..*row }) - price;
    let mut volatility = european.unwrap_or_else(|| start(row, price)).clamp(low, high);
    let mut before: Option<(f64, f64)> = None;
    for _ in 0..MOST_STEPS {
        let excess = at(volatility);
        if excess == 0.0 {
            return Ok(volatility);
        }
        if excess > 0.0 {
            high = high.min(volatility);
        } else {
            low = low.max(volatility);
        }
        let trial = Row { volatility, ..*row };
        let slope = match before {
            Some((v, e)) if (excess - e) * (volatility - v) > 0.0 => (excess - e) / (volatility - v),
            _ => vega(&trial),
        };
        let next = volatility - excess / slope;
        before = Some((volatility, excess));
        let next = if next > low && next < high { next } else { 0.5 * (low + high.min(4.0 * low.max(volatility))) };
        if (next - volatility).abs() <= TOLERANCE * volatility || high - low <= TOLERANCE * low {
            return Ok(next);
        }
        volatility = next;
    }
    Err(Status::NotConverged)
}

/// A first volatility where the price has no European one: the one whose at-the-money time value is the price's own.
fn start(row: &Row, price: f64) -> f64 {
    let value = (price - exercise_value(row)).max(1e-4 * row.strike);
    let moneyness = (row.spot / row.strike).ln().abs();
    (2.5 * value / row.spot.min(row.strike)).max(0.25 * moneyness) / row.expiry_years.sqrt()
}

/// European ∂V/∂σ, not below a share of the greatest so that a step from the flat part stays finite.
fn vega(row: &Row) -> f64 {
    let (forward, strike) = legs(row);
    let log = (row.spot / row.strike).ln() + (row.risk_free_rate - row.dividend_yield) * row.expiry_years;
    let root_years = row.expiry_years.sqrt();
    let value = european_of_checked(row);
    let least = 1e-3 * value.max(1e-3 * row.strike) / row.volatility;
    (forward.min(strike) * reduced_vega(log.abs(), row.volatility * root_years) * root_years).max(least)
}

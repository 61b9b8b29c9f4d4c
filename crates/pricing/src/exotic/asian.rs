//! Geometric average-price options: the logarithm of the average is normal, so that they are Black options of another forward and another
//! variance.
//!
//! Formula   ln G ~ N(ln S + (b − σ²/2) m, σ² w); continuous: m = T/2, w = T/3; at dates: m = mean tᵢ, w = Σᵢⱼ min(tᵢ, tⱼ)/n²
//! Source    A. G. Z. Kemna and A. C. F. Vorst, "A pricing method for options based on average asset values" (1990)
//! Accuracy  that of `black`

use zomma_base::Status;

use super::number::{Inputs, Number};
use super::terms::{Terms, probability};
use crate::black::{Model, Row, scalar};

/// Option on the geometric mean of the spot from now to expiry, watched always.
pub fn geometric_asian(row: &Row) -> Result<f64, Status> {
    geometric_asian_in(row)
}

/// Option on the geometric mean of the spots at `times_years` from now.
///
/// Errors: beside those of the module `BadExpiry` where there is no time, or one is not within \[0, expiry\].
pub fn geometric_asian_at(row: &Row, times_years: &[f64]) -> Result<f64, Status> {
    geometric_asian_at_in(row, times_years)
}

/// [`geometric_asian`] in any numbers.
pub(crate) fn geometric_asian_in<N: Number>(row: &Row) -> Result<N, Status> {
    let terms = Terms::<N>::new(row)?;
    average(row, &terms, terms.years * 0.5, terms.years * (1.0 / 3.0))
}

/// [`geometric_asian_at`] in any numbers: by expiry the dates move with it, as they stand while calendar time passes.
pub(crate) fn geometric_asian_at_in<N: Number>(row: &Row, times_years: &[f64]) -> Result<N, Status> {
    let terms = Terms::<N>::new(row)?;
    if times_years.is_empty() || times_years.iter().any(|t| !(0.0..=row.expiry_years).contains(t)) {
        return Err(Status::BadExpiry);
    }
    let mut times = times_years.to_vec();
    times.sort_by(f64::total_cmp);
    let n = times.len() as f64;
    let mean = times.iter().map(|t| t / n).sum();
    // The i-th smallest is the lesser of the two in 2(n − i) + 1 pairs.
    let pairs = |i: usize| (2 * (times.len() - i) - 1) as f64;
    let spread = times.iter().enumerate().map(|(i, t)| t / n * (pairs(i) / n)).sum();
    // Both are averages of times with weights whose sum is 1.
    average(row, &terms, terms.years.with_value(mean), terms.years.with_value(spread))
}

/// Black's value with the mean time and the variance time of the average.
fn average<N: Number>(row: &Row, terms: &Terms<N>, mean: N, spread: N) -> Result<N, Status> {
    let Inputs { spot, strike, volatility, .. } = Inputs::<N>::new(row);
    // ln(E G/S)
    let growth = (terms.carry - terms.variance * 0.5) * mean + terms.variance * 0.5 * spread;
    let deviation = volatility * spread.sqrt();
    let equivalent = Row {
        dividend_yield: row.risk_free_rate - growth.value() / row.expiry_years,
        volatility: row.volatility * (spread.value() / row.expiry_years).sqrt(),
        ..*row
    };
    let Ok(price) = scalar::price(&equivalent, Model::Bsm) else {
        return Err(Status::Overflow);
    };
    let sign = row.option_type.sign();
    let d1 = ((spot / strike).ln() + growth) / deviation + deviation * 0.5;
    let forward = spot * growth.exp() * probability(d1 * sign);
    let cash = strike * probability((d1 - deviation) * sign);
    Ok(((forward - cash) * terms.discount * sign).with_value(price))
}

//! Geometric average-price options: the logarithm of the average is normal, so that they are Black options of another forward and another
//! variance.
//!
//! Formula   ln G ~ N(ln S + (b − σ²/2) m, σ² w); continuous: m = T/2, w = T/3; at dates: m = mean tᵢ, w = Σᵢⱼ min(tᵢ, tⱼ)/n²
//! Source    A. G. Z. Kemna and A. C. F. Vorst, "A pricing method for options based on average asset values" (1990)
//! Accuracy  that of `black`

use zomma_base::Status;

use super::terms::Terms;
use crate::black::{Model, Row, scalar};

/// Option on the geometric mean of the spot from now to expiry, watched always.
pub fn geometric_asian(row: &Row) -> Result<f64, Status> {
    let terms = Terms::new(row)?;
    average(row, &terms, 0.5 * terms.years, terms.years / 3.0)
}

/// Option on the geometric mean of the spots at `times_years` from now.
///
/// Errors: beside those of the module `BadExpiry` where there is no time, or one is not within \[0, expiry\].
pub fn geometric_asian_at(row: &Row, times_years: &[f64]) -> Result<f64, Status> {
    let terms = Terms::new(row)?;
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
    average(row, &terms, mean, spread)
}

/// Black's value with the mean time and the variance time of the average.
fn average(row: &Row, terms: &Terms, mean: f64, spread: f64) -> Result<f64, Status> {
    let variance = terms.volatility * terms.volatility;
    // ln(E G/S)
    let growth = (terms.carry - 0.5 * variance) * mean + 0.5 * variance * spread;
    let equivalent = Row {
        dividend_yield: terms.rate - growth / terms.years,
        volatility: terms.volatility * (spread / terms.years).sqrt(),
        ..*row
    };
    match scalar::price(&equivalent, Model::Bsm) {
        Ok(value) => Ok(value),
        Err(_) => Err(Status::Overflow),
    }
}

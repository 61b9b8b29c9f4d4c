//! Forecasts weighted by the inverse variance of their errors.
//!
//! Definition  signal i alone forecasts βᵢ zᵢ with βᵢ = cov(zᵢ, y); vᵢ is the variance of y − βᵢ zᵢ in training; the forecasts are weighted by (1/vᵢ) / Σ (1/v),
//!             as if their errors had nothing in common. What a weight here says is βᵢ times that
//! Source      Bates and Granger, "The combination of forecasts", Operational Research Quarterly 20 (1969)

use super::walk_forward::Standardised;

/// Weights of standardised signals.
pub(super) fn weights(columns: &[Standardised], y: &[f64]) -> Vec<f64> {
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    let own: Vec<(f64, f64)> = columns
        .iter()
        .map(|column| {
            let pairs = || column.scores.iter().zip(y).map(|(score, value)| (score, value - mean));
            let slope = pairs().map(|(score, value)| score * value).sum::<f64>() / n;
            let errors = pairs().map(|(score, value)| (value - slope * score) * (value - slope * score));
            (slope, errors.sum::<f64>() / n)
        })
        .collect();
    // A forecast without error takes all, shared among those that have none.
    let least = own.iter().map(|(_, variance)| *variance).fold(f64::INFINITY, f64::min);
    let precision = |variance: f64| match least > 0.0 {
        true => least / variance,
        false => f64::from(u8::from(variance == 0.0)),
    };
    let total: f64 = own.iter().map(|(_, variance)| precision(*variance)).sum();
    own.iter().map(|(slope, variance)| slope * precision(*variance) / total).collect()
}

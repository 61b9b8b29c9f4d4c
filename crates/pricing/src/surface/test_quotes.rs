//! Quotes that the tests of several models are fitted to.

use super::SliceQuotes;

/// Quotes on `volatility` at log-moneynesses `k`, each side `half` of volatility away; the forward is 100.
pub(super) fn quotes(expiry_years: f64, k: &[f64], half: f64, volatility: impl Fn(f64) -> f64) -> SliceQuotes {
    let mid: Vec<f64> = k.iter().map(|&k| volatility(k)).collect();
    SliceQuotes {
        expiry_years,
        forward: 100.0,
        log_moneyness: k.to_vec(),
        bid_volatility: mid.iter().map(|volatility| volatility - half).collect(),
        ask_volatility: mid.iter().map(|volatility| volatility + half).collect(),
        mid_volatility: mid,
        open_interest: Vec::new(),
    }
}

/// `n` points from `low` to `high`.
pub(super) fn grid(low: f64, high: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| low + (high - low) * i as f64 / (n.max(2) - 1) as f64).collect()
}

//! What a slice of quotes spans: its expiry and its log-moneyness, sound whatever came in.

use super::SliceQuotes;

/// The expiry that the fit works with: positive and finite whatever came in.
pub(super) fn positive_years(expiry_years: f64) -> f64 {
    if expiry_years > 1e-9 && expiry_years < 1e3 {
        expiry_years
    } else if expiry_years >= 1e3 {
        1e3
    } else {
        1e-9
    }
}

/// Lowest and highest finite log-moneyness of the quotes.
pub(super) fn log_moneyness_range(quotes: &SliceQuotes) -> Option<[f64; 2]> {
    let mut range: Option<[f64; 2]> = None;
    for &k in quotes.log_moneyness.iter().filter(|k| k.is_finite() && k.abs() < 20.0) {
        let [low, high] = range.unwrap_or([k, k]);
        range = Some([low.min(k), high.max(k)]);
    }
    range
}

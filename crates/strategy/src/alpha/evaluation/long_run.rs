//! The variance of a mean of values that depend on each other.
//!
//! Definition  Newey–West with Bartlett weights, Ω = γ₀ + 2 Σ (1 − k/(L+1)) γₖ over k = 1 … L; the mean's variance is Ω/n
//! Computed as the mean of squared sums over all windows of L + 1 values, those that hang over either end included: the same number, in time that does
//!             not grow with L, and never negative
//! Source      Newey and West, "A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent covariance matrix",
//!             Econometrica 55 (1987), equation 5

/// Ω of values whose mean is taken to be 0, for `lag` ≥ 0; 0 of no values.
pub fn long_run_variance(values: &[f64], lag: usize) -> f64 {
    let rows = values.len();
    if rows == 0 {
        return 0.0;
    }
    let lag = lag.min(rows - 1);
    let width = lag + 1;
    let mut ends = Vec::with_capacity(rows + 1);
    ends.push(0.0);
    let mut sum = 0.0;
    for value in values {
        sum += value;
        ends.push(sum);
    }
    // The window of `width` values that ends before `end`.
    let squares: f64 = (1..rows + width)
        .map(|end| {
            let window = ends[end.min(rows)] - ends[end.saturating_sub(width)];
            window * window
        })
        .sum();
    squares / (width as f64 * rows as f64)
}

/// The lag by rule of thumb where nothing is known of the dependence, ⌊4 (n/100)^(2/9)⌋.
///
/// Source: Newey and West, "Automatic lag selection in covariance matrix estimation", Review of Economic Studies 61 (1994), as Stock and Watson use it.
pub fn automatic_lag(rows: usize) -> usize {
    (4.0 * (rows as f64 / 100.0).powf(2.0 / 9.0)).floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    /// The definition, term by term.
    fn by_autocovariances(values: &[f64], lag: usize) -> f64 {
        let covariance =
            |k: usize| values[k..].iter().zip(values).map(|(a, b)| a * b).sum::<f64>() / values.len() as f64;
        covariance(0) + 2.0 * (1..=lag).map(|k| (1.0 - k as f64 / (lag + 1) as f64) * covariance(k)).sum::<f64>()
    }

    #[test]
    fn windows_give_what_the_autocovariances_do() {
        let mut random = SplitMix64::new(9);
        let values: Vec<f64> = (0..200).map(|_| random.bell()).collect();
        for lag in [0, 1, 7, 60, 199] {
            let (fast, plain) = (long_run_variance(&values, lag), by_autocovariances(&values, lag));
            assert!((fast - plain).abs() < 1e-12 * plain.max(1.0), "{lag}: {fast} {plain}");
        }
        assert_eq!(automatic_lag(100), 4);
        assert_eq!(automatic_lag(23_400), 13);
    }
}

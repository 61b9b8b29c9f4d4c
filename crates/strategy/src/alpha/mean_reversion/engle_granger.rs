//! Pairs by cointegration, after Engle and Granger: one series hangs on the other, and what is left returns.
//!
//! Definition  y = α + β x + u by least squares (β is the hedge ratio: units of x against one of y), then a Dickey–Fuller test of u without a constant, held
//!             against MacKinnon's critical values for two series with a constant. The spread of any row is y − α − β x, its score the spread over u's
//!             deviation
//! No look     ahead: α, β and the deviation are those of the rows that were fitted; a score is a signal only behind them
//! Source      Engle and Granger, "Co-integration and error correction", Econometrica 55 (1987); MacKinnon (2010), table 2

use super::super::{
    AlphaError,
    error::{all_finite, same_length},
    least_squares::regress,
};
use super::dickey_fuller::{CriticalValues, Deterministic, TWO_SERIES, critical, statistic};

/// A pair and whether it holds together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngleGranger {
    /// α.
    pub intercept: f64,
    /// β: units of x against one of y.
    pub hedge_ratio: f64,
    /// Standard deviation of the spread over the fitted rows.
    pub deviation: f64,
    /// The Dickey–Fuller statistic of the spread.
    pub statistic: f64,
    /// Its lags.
    pub lags: usize,
    /// Below these the series are taken to hold together.
    pub critical: CriticalValues,
    /// Rows fitted.
    pub rows: usize,
}

impl EngleGranger {
    /// Whether a pair that does not hold together is rejected at 5 %.
    pub fn is_cointegrated(&self) -> bool {
        self.statistic < self.critical.at_5_percent
    }

    /// The spread of a row.
    pub fn spread(&self, y: f64, x: f64) -> f64 {
        y - self.intercept - self.hedge_ratio * x
    }

    /// The spread of a row in deviations; above 0 where y is dear against x.
    pub fn z_score(&self, y: f64, x: f64) -> f64 {
        self.spread(y, x) / self.deviation
    }
}

/// Fits and tests y against x.
///
/// # Errors
///
/// Columns of two lengths, fewer than twenty rows, values that are not finite, a constant x, and a y that is nothing but α + β x.
pub fn engle_granger(y: &[f64], x: &[f64]) -> Result<EngleGranger, AlphaError> {
    same_length("x", y.len(), x.len())?;
    all_finite("y", y)?;
    all_finite("x", x)?;
    let one = vec![1.0; y.len()];
    let fitted = regress("y on x", y, &[&one, x])?;
    let [intercept, hedge_ratio] = [fitted.coefficients[0], fitted.coefficients[1]];
    let spread: Vec<f64> = y.iter().zip(x).map(|(y, x)| y - intercept - hedge_ratio * x).collect();
    let deviation = (fitted.residual_squares / (y.len() - 2) as f64).sqrt();
    let size = y.iter().fold(0.0, |size: f64, y| size.max(y.abs()));
    if deviation <= 1e-10 * size {
        return Err(AlphaError::Constant { what: "the spread of y and x".into() });
    }
    let (statistic, lags, _) = statistic(&spread, Deterministic::None)?;
    Ok(EngleGranger {
        intercept,
        hedge_ratio,
        deviation,
        statistic,
        lags,
        critical: critical(&TWO_SERIES, y.len() - 1),
        rows: y.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::dickey_fuller::tests::pair;
    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn as_statsmodels_has_it() {
        // golden/alpha.py: coint(y, x) and OLS of statsmodels 0.15.
        let (x, y) = pair(250);
        let found = engle_granger(&y, &x).unwrap();
        assert!((found.statistic + 5.95552859802211).abs() < 1e-9, "{found:?}");
        assert!((found.critical.at_1_percent + 3.940964283479299).abs() < 1e-12);
        assert!((found.critical.at_10_percent + 3.0615268019870645).abs() < 1e-12);
        assert!((found.intercept - 1.963256872088303).abs() < 1e-10);
        assert!((found.hedge_ratio - 1.5296499130375278).abs() < 1e-11);
        assert!(found.is_cointegrated());
        assert!((found.z_score(y[7], x[7]) * found.deviation - found.spread(y[7], x[7])).abs() < 1e-12);
    }

    #[test]
    fn two_walks_apart_seldom_hold_together_and_bad_pairs_are_named() {
        let (pairs, mut together) = (300, 0);
        for seed in 0..pairs {
            let mut random = SplitMix64::new(9_000 + seed);
            let (mut a, mut b) = (0.0, 0.0);
            let (x, y): (Vec<f64>, Vec<f64>) = (0..150)
                .map(|_| {
                    a += random.bell();
                    b += random.bell();
                    (a, b)
                })
                .unzip();
            together += u32::from(engle_granger(&y, &x).unwrap().is_cointegrated());
        }
        assert!((3..=33).contains(&together), "{together} of {pairs}, where 5 % are 15");
        let (x, y) = pair(60);
        assert!(matches!(engle_granger(&y, &[1.0; 60]), Err(AlphaError::Collinear { .. })));
        let twice: Vec<f64> = x.iter().map(|x| 3.0 + 2.0 * x).collect();
        assert!(matches!(engle_granger(&twice, &x), Err(AlphaError::Constant { .. })));
        assert!(matches!(engle_granger(&y[..50], &x), Err(AlphaError::Length { .. })));
    }
}

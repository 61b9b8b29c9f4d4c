//! The augmented Dickey–Fuller test: does a series return, or does it walk at random?
//!
//! Definition  Δy = γ y₋₁ + Σ cₖ Δy₋ₖ (+ constant (+ trend)) + ε; the statistic is γ's t ratio, and below the critical value "walks at random" is rejected.
//!             The number of lags is the one of least Akaike criterion among 0 … ⌈12 (n/100)^¼⌉, compared on the rows that all of them have, then
//!             fitted to all rows that it has
//! Critical    values of MacKinnon, "Critical values for cointegration tests", Queen's Economics Department Working Paper 1227 (2010), tables 2 and 3:
//!             β∞ + β₁/T + β₂/T² + β₃/T³, without a constant those of 1996 that he did not take up again
//! Source      Dickey and Fuller, JASA 74 (1979); Said and Dickey, Biometrika 71 (1984); rule of lags: Schwert (1989)

use super::super::{
    AlphaError,
    error::{all_finite, enough_rows},
    least_squares::{Regression, regress},
};

/// Rows that a test takes at least.
const ROWS_MIN: usize = 20;

/// What stands in the regression beside the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deterministic {
    /// Nothing.
    None,
    /// A constant.
    Constant,
    /// A constant and a trend.
    Trend,
}

/// Values below which a random walk is rejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CriticalValues {
    /// At 1 %.
    pub at_1_percent: f64,
    /// At 5 %.
    pub at_5_percent: f64,
    /// At 10 %.
    pub at_10_percent: f64,
}

/// What a test gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DickeyFuller {
    /// The t ratio of γ.
    pub statistic: f64,
    /// Lags of the difference.
    pub lags: usize,
    /// Rows of the last regression.
    pub rows: usize,
    /// Its critical values.
    pub critical: CriticalValues,
}

/// Tests a series.
///
/// # Errors
///
/// Fewer than twenty rows, values that are not finite, and a series that is constant or a straight line.
pub fn augmented_dickey_fuller(series: &[f64], deterministic: Deterministic) -> Result<DickeyFuller, AlphaError> {
    let (statistic, lags, rows) = statistic(series, deterministic)?;
    let coefficients = match deterministic {
        Deterministic::None => NO_CONSTANT,
        Deterministic::Constant => CONSTANT,
        Deterministic::Trend => TREND,
    };
    Ok(DickeyFuller { statistic, lags, rows, critical: critical(&coefficients, rows) })
}

/// The statistic, its lags, and the rows that it was taken of.
pub(super) fn statistic(series: &[f64], deterministic: Deterministic) -> Result<(f64, usize, usize), AlphaError> {
    let n = series.len();
    enough_rows("a Dickey–Fuller test", n, ROWS_MIN)?;
    all_finite("the series", series)?;
    let beside = deterministic as usize;
    let most = ((12.0 * (n as f64 / 100.0).powf(0.25)).ceil() as usize).min(n / 2 - beside - 1);
    let mut best = (f64::INFINITY, 0);
    for lags in 0..=most {
        let aic = regression(series, deterministic, lags, most)?.aic();
        if aic < best.0 {
            best = (aic, lags);
        }
    }
    let fitted = regression(series, deterministic, best.1, best.1)?;
    Ok((fitted.coefficients[0] / fitted.standard_errors[0], best.1, fitted.rows))
}

/// The regression with `lags` lags on the rows that have `skipped` of them.
fn regression(
    series: &[f64],
    deterministic: Deterministic,
    lags: usize,
    skipped: usize,
) -> Result<Regression, AlphaError> {
    let differences: Vec<f64> = series.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let rows = differences.len() - skipped;
    let one = vec![1.0; rows];
    let trend: Vec<f64> = (1..=rows).map(|row| row as f64).collect();
    let mut columns: Vec<&[f64]> = vec![&series[skipped..series.len() - 1]];
    columns.extend((1..=lags).map(|lag| &differences[skipped - lag..differences.len() - lag]));
    columns.extend([&one[..], &trend[..]].into_iter().take(deterministic as usize));
    regress("a Dickey–Fuller test", &differences[skipped..], &columns)
}

/// MacKinnon's β∞, β₁, β₂, β₃ at 1, 5 and 10 %.
pub(super) type Surface = [[f64; 4]; 3];

const NO_CONSTANT: Surface =
    [[-2.56574, -2.2358, -3.627, 0.0], [-1.94100, -0.2686, -3.365, 31.223], [-1.61682, 0.2656, -2.714, 25.364]];
const CONSTANT: Surface =
    [[-3.43035, -6.5393, -16.786, -79.433], [-2.86154, -2.8903, -4.234, -40.040], [-2.56677, -1.5384, -2.809, 0.0]];
const TREND: Surface = [
    [-3.95877, -9.0531, -28.428, -134.155],
    [-3.41049, -4.3904, -9.036, -45.374],
    [-3.12705, -2.5856, -3.925, -22.380],
];
/// Two series, one hung on the other with a constant.
pub(super) const TWO_SERIES: Surface =
    [[-3.89644, -10.9519, -33.527, 0.0], [-3.33613, -6.1101, -6.823, 0.0], [-3.04445, -4.2412, -2.720, 0.0]];

pub(super) fn critical(surface: &Surface, rows: usize) -> CriticalValues {
    let t = rows as f64;
    let [at_1_percent, at_5_percent, at_10_percent] = surface.map(|[b0, b1, b2, b3]| b0 + (b1 + (b2 + b3 / t) / t) / t);
    CriticalValues { at_1_percent, at_5_percent, at_10_percent }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random::SplitMix64;

    /// `pair` of golden/alpha.py: a random walk, and a series that hangs on it.
    pub fn pair(rows: usize) -> (Vec<f64>, Vec<f64>) {
        let mut random = SplitMix64::new(21);
        let (mut walk, mut near) = (0.0, 0.0);
        (0..rows)
            .map(|_| {
                walk += random.bell();
                near = 0.8 * near + random.bell();
                (walk, 2.0 + 1.5 * walk + near)
            })
            .unzip()
    }

    #[test]
    fn as_statsmodels_has_it() {
        // golden/alpha.py: adfuller(…, autolag="AIC") of statsmodels 0.15.
        let (x, y) = pair(250);
        let apart: Vec<f64> = y.iter().zip(&x).map(|(y, x)| y - 1.5 * x).collect();
        for (series, deterministic, statistic, lags, rows, critical) in [
            (&x, Deterministic::Constant, -1.7342804959361662, 0, 249, -2.8732185133016057),
            (&apart, Deterministic::Constant, -5.920703437502053, 0, 249, -2.8732185133016057),
            (&apart, Deterministic::None, -2.6586289760316197, 3, 246, -1.942145377705661),
            (&x, Deterministic::Trend, -3.2029202928294054, 0, 249, -3.428270807162781),
        ] {
            let found = augmented_dickey_fuller(series, deterministic).unwrap();
            assert!((found.statistic - statistic).abs() < 1e-9, "{found:?} {statistic}");
            assert_eq!((found.lags, found.rows), (lags, rows));
            assert!((found.critical.at_5_percent - critical).abs() < 1e-12);
        }
    }

    #[test]
    fn random_walks_are_rejected_as_often_as_the_level_says() {
        let (walks, mut rejected) = (400, 0);
        for seed in 0..walks {
            let mut random = SplitMix64::new(500 + seed);
            let mut value = 0.0;
            let walk: Vec<f64> = (0..120)
                .map(|_| {
                    value += random.bell();
                    value
                })
                .collect();
            let test = augmented_dickey_fuller(&walk, Deterministic::Constant).unwrap();
            rejected += u32::from(test.statistic < test.critical.at_5_percent);
        }
        // 5 % of 400 is 20, its deviation 4.4; lags chosen by the criterion take a little more.
        assert!((8..=38).contains(&rejected), "{rejected} of {walks}");
    }

    #[test]
    fn what_gives_no_test_is_named() {
        assert!(matches!(
            augmented_dickey_fuller(&[1.0; 30], Deterministic::Constant),
            Err(AlphaError::Collinear { .. })
        ));
        assert!(matches!(
            augmented_dickey_fuller(&[1.0; 19], Deterministic::None),
            Err(AlphaError::TooFewRows { found: 19, needed: 20, .. })
        ));
        let mut series = vec![1.0; 30];
        series[7] = f64::NAN;
        assert!(matches!(
            augmented_dickey_fuller(&series, Deterministic::None),
            Err(AlphaError::BadValue { row: 8, .. })
        ));
    }
}

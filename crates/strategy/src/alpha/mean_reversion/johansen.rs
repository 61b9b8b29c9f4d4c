//! Johansen's trace test for two series: how many combinations of them return.
//!
//! Definition  Δz and z₋₁ are freed of a constant and of `lags` lagged differences; λ are the squared canonical correlations of what is left. The trace
//!             statistic of r is −T Σ ln(1 − λᵢ) over i > r; above the critical value "no more than r combinations return" is rejected. One combination:
//!             the pair holds together. Two: each series returns by itself
//! Critical    values with a constant: MacKinnon, Haug and Michelis, Journal of Applied Econometrics 14 (1999), case of an unrestricted constant
//! Source      Johansen, Econometrica 59 (1991)

use super::super::{
    AlphaError,
    error::{all_finite, enough_rows, same_length},
    least_squares::regress,
};

/// At 10, 5 and 1 % of "none" and of "no more than one".
const CRITICAL: [[f64; 3]; 2] = [[13.4294, 15.4943, 19.9349], [2.7055, 3.8415, 6.6349]];

/// What a test gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Johansen {
    /// The eigenvalues, the greater first.
    pub eigenvalues: [f64; 2],
    /// Trace statistics of "none" and of "no more than one".
    pub trace: [f64; 2],
    /// Critical values of each at 10, 5 and 1 %.
    pub critical: [[f64; 3]; 2],
    /// Units of x against one of y in the combination that returns the most: y − ratio · x.
    pub hedge_ratio: f64,
    /// Rows T.
    pub rows: usize,
}

impl Johansen {
    /// How many combinations return, at 5 %.
    pub fn rank(&self) -> usize {
        (0..2).take_while(|r| self.trace[*r] > self.critical[*r][1]).count()
    }
}

/// Tests y and x with `lags` lagged differences.
///
/// # Errors
///
/// Columns of two lengths, fewer than twenty rows behind the lags, values that are not finite, and series that depend on each other linearly.
pub fn johansen_trace(y: &[f64], x: &[f64], lags: usize) -> Result<Johansen, AlphaError> {
    same_length("x", y.len(), x.len())?;
    enough_rows("Johansen's test", y.len(), lags.saturating_mul(3).saturating_add(21))?;
    all_finite("y", y)?;
    all_finite("x", x)?;
    let differences = [y, x].map(|z| z.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<f64>>());
    let rows = y.len() - 1 - lags;
    let one = vec![1.0; rows];
    let mut beside: Vec<&[f64]> = vec![&one];
    for lag in 1..=lags {
        beside.extend(differences.iter().map(|column| &column[lags - lag..column.len() - lag]));
    }
    let free = |column: &[f64]| -> Result<Vec<f64>, AlphaError> {
        let fitted = regress("Johansen's test", column, &beside)?;
        let told = |row: usize| beside.iter().zip(&fitted.coefficients).map(|(b, c)| b[row] * c).sum::<f64>();
        Ok(column.iter().enumerate().map(|(row, value)| value - told(row)).collect())
    };
    let [r0, r1] = [free(&differences[0][lags..])?, free(&differences[1][lags..])?];
    let [k0, k1] = [free(&y[lags..y.len() - 1])?, free(&x[lags..x.len() - 1])?];
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / rows as f64;
    let matrix = |a: [&[f64]; 2], b: [&[f64]; 2]| a.map(|a| b.map(|b| product(a, b)));
    let (r, k) = ([&r0[..], &r1[..]], [&k0[..], &k1[..]]);
    let (levels, cross) = (matrix(k, k), matrix(k, r));
    let a = times(inverse(levels)?, times(cross, times(inverse(matrix(r, r))?, matrix(r, k))));
    let (half, determinant) = (0.5 * (a[0][0] + a[1][1]), a[0][0] * a[1][1] - a[0][1] * a[1][0]);
    let apart = (half * half - determinant).max(0.0).sqrt();
    let greater = half + apart;
    let eigenvalues =
        [greater, if greater > 0.0 { determinant / greater } else { 0.0 }].map(|l| l.clamp(0.0, 1.0 - 1e-15));
    let tail = |from: usize| -(rows as f64) * eigenvalues[from..].iter().map(|l| (-l).ln_1p()).sum::<f64>();
    Ok(Johansen {
        eigenvalues,
        trace: [tail(0), tail(1)],
        critical: CRITICAL,
        // (A − λ) v = 0 by the row that says more.
        hedge_ratio: if a[0][1].abs() > (greater - a[1][1]).abs() {
            -(greater - a[0][0]) / a[0][1]
        } else {
            -a[1][0] / (greater - a[1][1])
        },
        rows,
    })
}

type Matrix = [[f64; 2]; 2];

fn times(a: Matrix, b: Matrix) -> Matrix {
    a.map(|row| [0, 1].map(|column| row[0] * b[0][column] + row[1] * b[1][column]))
}

fn inverse(a: Matrix) -> Result<Matrix, AlphaError> {
    let determinant = a[0][0] * a[1][1] - a[0][1] * a[1][0];
    if determinant.abs() <= 1e-12 * a[0][0] * a[1][1] || !determinant.is_finite() {
        return Err(AlphaError::Collinear { what: "Johansen's test".into() });
    }
    Ok([[a[1][1], -a[0][1]], [-a[1][0], a[0][0]]].map(|row| row.map(|value| value / determinant)))
}

#[cfg(test)]
mod tests {
    use super::super::dickey_fuller::tests::pair;
    use super::*;
    use crate::random::SplitMix64;

    #[test]
    fn as_statsmodels_has_it() {
        // golden/alpha.py: coint_johansen([y, x], 0, lags) of statsmodels 0.15.
        let (x, y) = pair(250);
        for (lags, trace, greatest, ratio) in [
            (1, [30.968746124785927, 2.5558569995604583], 0.10824879307642633, 1.5299282532286405),
            (2, [26.83890750542127, 2.6360792248488436], 0.09333945392055246, 1.5411211204992783),
        ] {
            let found = johansen_trace(&y, &x, lags).unwrap();
            assert!((found.trace[0] - trace[0]).abs() < 1e-8 && (found.trace[1] - trace[1]).abs() < 1e-8, "{found:?}");
            assert!((found.eigenvalues[0] - greatest).abs() < 1e-10 && (found.hedge_ratio - ratio).abs() < 1e-9);
            assert_eq!(found.rank(), 1);
        }
    }

    #[test]
    fn noise_has_two_and_dependent_series_are_refused() {
        let mut random = SplitMix64::new(4);
        let (x, y): (Vec<f64>, Vec<f64>) = (0..200).map(|_| (random.bell(), random.bell())).unzip();
        assert_eq!(johansen_trace(&y, &x, 1).unwrap().rank(), 2);
        let twice: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
        assert!(matches!(johansen_trace(&twice, &x, 0), Err(AlphaError::Collinear { .. })));
        assert!(matches!(johansen_trace(&y[..20], &x[..20], 0), Err(AlphaError::TooFewRows { .. })));
    }
}

//! Correlation matrices: checked, and factored.
//!
//! Method   Cholesky; where it fails the smallest eigenvalue, which the error names, is found by Jacobi's rotations
//! Source   G. H. Golub and C. F. Van Loan, Matrix Computations (2013), sections 4.2 and 8.5

use crate::monte_carlo::MonteCarloError;

/// How far an entry may be from its mirror and the diagonal from 1.
const ROUNDING: f64 = 1e-12;
/// Least square of a pivot, times the number of rows.
const LEAST_PIVOT: f64 = 1e-13;

/// The lower factor L of a correlation matrix L Lᵀ of n rows, row by row; zeros above the diagonal.
///
/// # Errors
///
/// `Assets` where the matrix has not n × n entries or n is 0; `Correlation` with the first entry that is not within −1 and 1, not its mirror (to 1e-12) or not 1 on the
/// diagonal; `NotPositiveDefinite` with the smallest eigenvalue where a pivot is not above n · 1e-13.
pub fn cholesky(correlation: &[f64], n: usize) -> Result<Vec<f64>, MonteCarloError> {
    if n == 0 || n.checked_mul(n) != Some(correlation.len()) {
        return Err(MonteCarloError::Assets { assets: n, most: super::MOST_ASSETS });
    }
    for row in 0..n {
        for column in 0..n {
            let value = correlation[row * n + column];
            let fits = if row == column {
                (value - 1.0).abs() <= ROUNDING
            } else {
                value.abs() <= 1.0 && (value - correlation[column * n + row]).abs() <= ROUNDING
            };
            if !fits {
                return Err(MonteCarloError::Correlation { row, column, value });
            }
        }
    }
    let mut factor = vec![0.0; n * n];
    for row in 0..n {
        for column in 0..=row {
            let dot: f64 = (0..column).map(|k| factor[row * n + k] * factor[column * n + k]).sum();
            let rest = correlation[row * n + column] - dot;
            factor[row * n + column] = if row > column {
                rest / factor[column * n + column]
            } else if rest > LEAST_PIVOT * n as f64 {
                rest.sqrt()
            } else {
                return Err(MonteCarloError::NotPositiveDefinite { smallest_eigenvalue: smallest(correlation, n) });
            };
        }
    }
    Ok(factor)
}

/// Sweeps of Jacobi: ten converge for any matrix of this size.
const SWEEPS: usize = 30;

/// The smallest eigenvalue of a symmetric matrix.
fn smallest(matrix: &[f64], n: usize) -> f64 {
    let mut a = matrix.to_vec();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        if off < 1e-28 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, n, p, q);
            }
        }
    }
    (0..n).map(|i| a[i * n + i]).fold(f64::INFINITY, f64::min)
}

/// Makes one entry and its mirror zero.
fn rotate(a: &mut [f64], n: usize, p: usize, q: usize) {
    let off = a[p * n + q];
    if off == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * off);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..n {
        let (x, y) = (a[p * n + k], a[q * n + k]);
        (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_times_its_mirror_is_the_matrix() {
        let n = 50usize;
        let matrix: Vec<f64> = (0..n * n).map(|i| 0.9f64.powi((i / n).abs_diff(i % n) as i32)).collect();
        let factor = cholesky(&matrix, n).unwrap();
        for i in 0..n {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| factor[i * n + k] * factor[j * n + k]).sum();
                assert!((product - matrix[i * n + j]).abs() <= 1e-14);
            }
        }
    }

    #[test]
    fn a_matrix_that_is_none_is_refused_with_its_smallest_eigenvalue() {
        // Equal correlations ρ: eigenvalues 1 − ρ and 1 + (n − 1)ρ.
        let equal = |n: usize, rho: f64| (0..n * n).map(|i| if i / n == i % n { 1.0 } else { rho }).collect::<Vec<_>>();
        for (n, rho, wanted) in [(3, -0.6, -0.2), (50, -0.1, -3.9), (2, 1.0, 0.0), (4, 1.0, 0.0)] {
            match cholesky(&equal(n, rho), n) {
                Err(MonteCarloError::NotPositiveDefinite { smallest_eigenvalue }) => {
                    assert!((smallest_eigenvalue - wanted).abs() <= 1e-12, "{n} {rho}: {smallest_eigenvalue}");
                }
                other => panic!("{n} {rho}: {other:?}"),
            }
        }
        let message = cholesky(&equal(3, -0.6), 3).unwrap_err().to_string();
        assert!(message.starts_with("the correlation matrix is not positive definite: its smallest eigenvalue is -"));
        let refused = |matrix: &[f64]| cholesky(matrix, 2).unwrap_err();
        assert_eq!(refused(&[1.0, 1.5, 1.5, 1.0]), MonteCarloError::Correlation { row: 0, column: 1, value: 1.5 });
        assert_eq!(refused(&[1.0, 0.5, 0.4, 1.0]), MonteCarloError::Correlation { row: 0, column: 1, value: 0.5 });
        assert_eq!(refused(&[0.9, 0.5, 0.5, 1.0]), MonteCarloError::Correlation { row: 0, column: 0, value: 0.9 });
        assert!(matches!(refused(&[1.0, f64::NAN, 0.5, 1.0]), MonteCarloError::Correlation { row: 0, column: 1, .. }));
        assert!(matches!(refused(&[1.0]), MonteCarloError::Assets { .. }));
    }
}

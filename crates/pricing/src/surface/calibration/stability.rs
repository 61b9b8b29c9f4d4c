//! How well the quotes determine the parameters that were fitted to them.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use serde::{Deserialize, Serialize};

use super::levenberg::Solution;
use crate::surface::linear::solve_scaled;

/// How well one set of parameters is determined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stability {
    /// Names of the parameters, in the order of the columns below.
    pub parameters: Vec<String>,
    /// Their values.
    pub values: Vec<f64>,
    /// Standard error of each: √(s² (JᵀJ)⁻¹), s² the misses' sum of squares over quotes less parameters. None where the quotes do not
    /// determine it.
    pub standard_errors: Vec<Option<f64>>,
    /// Condition number of JᵀJ scaled to ones on its diagonal: 1 where parameters are told apart cleanly, 1e8 and more where some
    /// combination of them is next to free. None where it is singular.
    pub condition_number: Option<f64>,
    /// Largest change of each parameter when the mid of any one quote moves by one tick. None where no tick is known.
    pub tick_changes: Vec<Option<f64>>,
}

/// The stability of `solution`. `ticks` has, by quote, the change of the miss when its mid moves one tick, and the gradient of the miss by
/// the parameters.
pub fn stability<const N: usize>(names: [&str; N], solution: &Solution<N>, ticks: &[(f64, [f64; N])]) -> Stability {
    let normal = &solution.normal;
    let columns = inverse(&normal.hessian);
    let freedom = normal.count.saturating_sub(N);
    let variance = (freedom > 0).then(|| normal.squares / freedom as f64);
    let standard_errors = (0..N)
        .map(|i| {
            let square = variance? * columns.as_ref()?[i][i];
            (square >= 0.0 && square.is_finite()).then(|| square.sqrt())
        })
        .collect();
    let tick_changes = (0..N)
        .map(|i| {
            let column = &columns.as_ref()?[i];
            let change =
                |(tick, by): &(f64, [f64; N])| (0..N).map(|j| column[j] * by[j]).sum::<f64>().abs() * tick.abs();
            ticks.iter().map(change).filter(|change| change.is_finite()).reduce(f64::max)
        })
        .collect();
    Stability {
        parameters: names.map(str::to_owned).to_vec(),
        values: solution.parameters.to_vec(),
        standard_errors,
        condition_number: condition_number(&normal.hessian),
        tick_changes,
    }
}

/// The inverse of a symmetric positive definite matrix.
fn inverse<const N: usize>(matrix: &[[f64; N]; N]) -> Option<[[f64; N]; N]> {
    let mut columns = [[0.0; N]; N];
    for i in 0..N {
        let mut unit = [0.0; N];
        unit[i] = 1.0;
        columns[i] = solve_scaled(matrix, &unit)?;
    }
    Some(columns)
}

/// Greatest over least eigenvalue of a matrix scaled to ones on its diagonal, by Jacobi's rotations.
fn condition_number<const N: usize>(matrix: &[[f64; N]; N]) -> Option<f64> {
    let mut a = *matrix;
    for i in 0..N {
        if !(matrix[i][i] > 0.0 && matrix[i][i].is_finite()) {
            return None;
        }
    }
    for i in 0..N {
        for j in 0..N {
            a[i][j] = matrix[i][j] / (matrix[i][i] * matrix[j][j]).sqrt();
        }
    }
    const SWEEPS: usize = 30;
    for _ in 0..SWEEPS {
        let off: f64 = (0..N).map(|i| (0..i).map(|j| a[i][j] * a[i][j]).sum::<f64>()).sum();
        if off < 1e-24 {
            break;
        }
        for p in 0..N {
            for q in p + 1..N {
                if a[p][q] != 0.0 {
                    rotate(&mut a, p, q);
                }
            }
        }
    }
    let values = (0..N).map(|i| a[i][i]);
    let (least, greatest) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    (least > 0.0).then(|| greatest / least)
}

/// One rotation that makes `a[p][q]` zero.
fn rotate<const N: usize>(a: &mut [[f64; N]; N], p: usize, q: usize) {
    let ratio = 0.5 * (a[q][q] - a[p][p]) / a[p][q];
    let tangent = ratio.signum() / (ratio.abs() + (1.0 + ratio * ratio).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sine = tangent * cosine;
    for i in 0..N {
        let (x, y) = (a[i][p], a[i][q]);
        (a[i][p], a[i][q]) = (cosine * x - sine * y, sine * x + cosine * y);
    }
    for i in 0..N {
        let (x, y) = (a[p][i], a[q][i]);
        (a[p][i], a[q][i]) = (cosine * x - sine * y, sine * x + cosine * y);
    }
}

//! How well the quotes determine the parameters that were fitted to them.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use serde::{Deserialize, Serialize};

use super::{noise, settings::Estimator};
use crate::surface::linear::solve_scaled;

/// How well one set of parameters is determined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stability {
    /// Years to expiry of the slice whose parameters these are; none where they are the whole surface's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_years: Option<f64>,
    /// Names of the parameters, in the order of the columns below.
    pub parameters: Vec<String>,
    /// Their values.
    pub values: Vec<f64>,
    /// Standard error of each, as the misses show the noise to be: under least squares √(s² (JᵀJ)⁻¹), s² the misses' sum of squares over
    /// quotes less parameters; under maximum likelihood the same of an M-estimator (see [`stability`]). None where the quotes do not
    /// determine it.
    pub standard_errors: Vec<Option<f64>>,
    /// Condition number of JᵀJ scaled to ones on its diagonal: 1 where parameters are told apart cleanly, 1e8 and more where some
    /// combination of them is next to free. None where it is singular.
    pub condition_number: Option<f64>,
    /// Largest change of each parameter when the mid of any one quote moves by one tick, 0.05 in the currency of the forward. None where
    /// the forward is not known, or the quotes do not determine it.
    pub tick_changes: Vec<Option<f64>>,
}

/// One quote, as a fit sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<const N: usize> {
    /// What the model misses it by.
    pub miss: f64,
    /// The miss's gradient by the parameters.
    pub by: [f64; N],
    /// Change of the miss when the quote's mid moves by one tick; none where no tick is known.
    pub tick: Option<f64>,
}

/// What there is to determine N parameters by.
#[derive(Clone, Debug)]
pub struct Evidence<const N: usize> {
    /// The quotes.
    pub rows: Vec<Row<N>>,
    /// Half the Hessian of what was minimised beside the quotes' costs, its lower triangle.
    pub pulls: [[f64; N]; N],
    /// How the misses add up.
    pub estimator: Estimator,
    /// Squared scale of the noise that the estimator found.
    pub square_scale: f64,
    /// Parameters that were fitted to the quotes, those that are not told of among them.
    pub fitted: usize,
}

impl<const N: usize> Evidence<N> {
    /// Quotes alone, fitted by N parameters.
    pub fn of(rows: Vec<Row<N>>, estimator: Estimator, square_scale: f64) -> Self {
        Self { rows, pulls: [[0.0; N]; N], estimator, square_scale, fitted: N }
    }
}

/// The stability of the first of N parameters, those that have a name and a value.
///
/// With ψ half the slope of what a miss costs, over n quotes and p parameters, the covariance of an M-estimator is
/// K² Σψ²/(n − p) / (Σψ′/n)² (JᵀJ)⁻¹, K = 1 + p/n var ψ′/(mean ψ′)², whatever the noise, as long as it is alike at all quotes (Huber,
/// "Robust Statistics", 1981, formula 7.6.5). Under least squares ψ is the miss itself, and K = 1. What else pulls at the parameters counts
/// as quotes do. A tick's change is the fit's own derivative by a quote at the scale found: (Σψ′JᵀJ)⁻¹ψ′J, quote by quote.
pub fn stability<const N: usize>(
    names: impl IntoIterator<Item = impl Into<String>>,
    values: &[f64],
    evidence: &Evidence<N>,
) -> Stability {
    let parameters: Vec<String> = names.into_iter().map(Into::into).collect();
    let influence = |row: &Row<N>| noise::influence(evidence.estimator, row.miss, evidence.square_scale);
    let (influences, slopes): (Vec<f64>, Vec<f64>) =
        evidence.rows.iter().map(influence).map(|[influence, slope]| (influence, slope)).unzip();
    let count = slopes.len() as f64;
    let mean = slopes.iter().sum::<f64>() / count;
    let spread = slopes.iter().map(|slope| (slope / mean - 1.0).powi(2)).sum::<f64>() / count;
    let freedom = slopes.len().saturating_sub(evidence.fitted);
    let scatter = influences.iter().map(|influence| influence * influence).sum::<f64>() / freedom as f64;
    let few = 1.0 + evidence.fitted as f64 / count * spread;
    // A likelihood that takes most of the quotes for wild ones learns nothing from them.
    let expected = (mean > 0.0).then(|| hessian(evidence, |_| mean));
    let covariance = expected.as_ref().and_then(inverse);
    let standard_error = |i: usize| {
        let square = few * few * scatter / mean * covariance.as_ref()?[i][i];
        (freedom > 0 && square >= 0.0 && square.is_finite()).then(|| square.sqrt())
    };
    // Under least squares all slopes are one.
    let response = if spread == 0.0 { covariance } else { inverse(&hessian(evidence, |quote| slopes[quote])) };
    let tick_change = |i: usize| {
        let column = &response.as_ref()?[i];
        let change = |(row, slope): (&Row<N>, &f64)| {
            let by_miss: f64 = (0..N).map(|j| column[j] * row.by[j]).sum();
            Some((slope * by_miss * row.tick?).abs())
        };
        evidence.rows.iter().zip(&slopes).filter_map(change).filter(|change| change.is_finite()).reduce(f64::max)
    };
    let told = parameters.len().min(N);
    Stability {
        expiry_years: None,
        parameters,
        values: values.to_vec(),
        standard_errors: (0..told).map(standard_error).collect(),
        condition_number: expected.as_ref().and_then(condition_number),
        tick_changes: (0..told).map(tick_change).collect(),
    }
}

/// Half the Hessian of what was minimised, `curvature` being half the second derivative of a quote's cost by its miss.
fn hessian<const N: usize>(evidence: &Evidence<N>, curvature: impl Fn(usize) -> f64) -> [[f64; N]; N] {
    let mut matrix = evidence.pulls;
    for (quote, row) in evidence.rows.iter().enumerate() {
        let curvature = curvature(quote);
        for i in 0..N {
            for j in 0..=i {
                matrix[i][j] += curvature * row.by[i] * row.by[j];
            }
        }
    }
    for i in 0..N {
        for j in 0..i {
            matrix[j][i] = matrix[i][j];
        }
    }
    matrix
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

//! Weighted sums and Newton's linear system of eight puts at a time.

use super::{LANES, Lane};
use crate::math::MultiplyAdd;

#[inline(always)]
pub(super) fn square(y: &[Lane], squares: &mut [Lane], n: usize) {
    for (square, y) in squares[..n].iter_mut().zip(&y[..n]) {
        for lane in 0..LANES {
            square[lane] = y[lane] * y[lane];
        }
    }
}

/// Sums that are kept in registers at a time.
const SUMS: usize = 6;

/// H at the points: weights by point and node, times H at the nodes.
#[inline(always)]
pub(super) fn interpolate<M: MultiplyAdd>(weights: &[f64], squares: &[Lane], points: &mut [Lane]) {
    let n = squares.len();
    let mut k = 0;
    while k + SUMS <= points.len() {
        let weights = &weights[k * n..(k + SUMS) * n];
        let mut sums = [[0.0; LANES]; SUMS];
        for j in 0..n {
            let square = squares[j];
            for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(n)) {
                add_product::<M>(sum, weights[j], &square);
            }
        }
        points[k..k + SUMS].copy_from_slice(&sums);
        k += SUMS;
    }
    for k in k..points.len() {
        let mut sum = [0.0; LANES];
        for j in 0..n {
            add_product::<M>(&mut sum, weights[k * n + j], &squares[j]);
        }
        points[k] = sum;
    }
}

/// The transpose: by node, the sum of the points' numbers times their weights.
#[inline(always)]
pub(super) fn transpose_sum<M: MultiplyAdd>(weights: &[f64], points: &[Lane], row: &mut [Lane]) {
    let n = row.len();
    let mut j = 0;
    while j + SUMS <= n {
        let mut sums = [[0.0; LANES]; SUMS];
        for (point, weights) in points.iter().zip(weights.chunks_exact(n)) {
            for (sum, weight) in sums.iter_mut().zip(&weights[j..j + SUMS]) {
                add_product::<M>(sum, *weight, point);
            }
        }
        row[j..j + SUMS].copy_from_slice(&sums);
        j += SUMS;
    }
    for j in j..n {
        let mut sum = [0.0; LANES];
        for (point, weights) in points.iter().zip(weights.chunks_exact(n)) {
            add_product::<M>(&mut sum, weights[j], point);
        }
        row[j] = sum;
    }
}

#[inline(always)]
fn add_product<M: MultiplyAdd>(sum: &mut Lane, factor: f64, other: &Lane) {
    for lane in 0..LANES {
        sum[lane] = M::multiply_add(factor, other[lane], sum[lane]);
    }
}

/// Takes the rows above out of row i; each has its pivot's inverse on the diagonal.
#[inline(always)]
pub(super) fn eliminate<M: MultiplyAdd>(matrix: &mut [Lane], right: &mut [Lane], i: usize, n: usize) {
    let (above, row) = matrix.split_at_mut(i * n);
    let row = &mut row[..n];
    for pivot in 0..i {
        let mut factor = [0.0; LANES];
        for lane in 0..LANES {
            factor[lane] = row[pivot][lane] * above[pivot * n + pivot][lane];
        }
        for (entry, other) in row[pivot + 1..].iter_mut().zip(&above[pivot * n + pivot + 1..(pivot + 1) * n]) {
            for lane in 0..LANES {
                entry[lane] = M::multiply_add(-factor[lane], other[lane], entry[lane]);
            }
        }
        for lane in 0..LANES {
            right[i][lane] = M::multiply_add(-factor[lane], right[pivot][lane], right[i][lane]);
        }
    }
    row[i] = row[i].map(|pivot| 1.0 / pivot);
}

#[inline(always)]
pub(super) fn substitute<M: MultiplyAdd>(matrix: &[Lane], right: &mut [Lane], n: usize) {
    for i in (0..n).rev() {
        let mut sum = right[i];
        for j in i + 1..n {
            for lane in 0..LANES {
                sum[lane] = M::multiply_add(-matrix[i * n + j][lane], right[j][lane], sum[lane]);
            }
        }
        for lane in 0..LANES {
            right[i][lane] = sum[lane] * matrix[i * n + i][lane];
        }
    }
}

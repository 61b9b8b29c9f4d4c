//! Dense linear systems of some hundreds of unknowns.

/// Sum of products, in eight running sums that the compiler can keep in vector registers.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The lower Cholesky factor of a symmetric positive definite matrix, by rows of growing length.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cholesky(Vec<Vec<f64>>);

impl Cholesky {
    /// That of the matrix whose lower triangle `entry` gives; none where it is not positive definite.
    pub(super) fn new(n: usize, entry: impl Fn(usize, usize) -> f64) -> Option<Self> {
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(n);
        for i in 0..n {
            let mut row: Vec<f64> = (0..=i).map(|j| entry(i, j)).collect();
            let own = row[i];
            for j in 0..i {
                let above = &rows[j];
                row[j] = (row[j] - dot(&row[..j], &above[..j])) / above[j];
            }
            let pivot = own - dot(&row[..i], &row[..i]);
            if !(pivot > 1e-15 * own && pivot.is_finite()) {
                return None;
            }
            row[i] = pivot.sqrt();
            rows.push(row);
        }
        Some(Self(rows))
    }

    /// L⁻¹ v.
    pub(super) fn forward(&self, v: &[f64]) -> Vec<f64> {
        let mut y: Vec<f64> = Vec::with_capacity(v.len());
        for (row, v) in self.0.iter().zip(v) {
            let i = y.len();
            y.push((v - dot(&row[..i], &y)) / row[i]);
        }
        y
    }

    /// The solution of L Lᵀ x = v.
    pub(super) fn solve(&self, v: &[f64]) -> Vec<f64> {
        let mut x = self.forward(v);
        for i in (0..x.len()).rev() {
            let row = &self.0[i];
            x[i] /= row[i];
            let value = x[i];
            for (x, factor) in x[..i].iter_mut().zip(row) {
                *x -= factor * value;
            }
        }
        x
    }

    /// ln of the determinant.
    pub(super) fn log_determinant(&self) -> f64 {
        self.0.iter().enumerate().map(|(i, row)| 2.0 * row[i].ln()).sum()
    }
}

/// Solves a square system, matrix by rows, by elimination with pivots; with as many right-hand sides as are given. None where a pivot is
/// below 1e-13 of the largest entry.
pub(super) fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let n = matrix.len();
    let largest = matrix.iter().flatten().fold(0.0_f64, |most, x| most.max(x.abs()));
    // right[i] is row i of all right-hand sides.
    for i in 0..n {
        let pivot = (i..n).max_by(|&x, &y| matrix[x][i].abs().total_cmp(&matrix[y][i].abs()))?;
        if !(matrix[pivot][i].abs() > 1e-13 * largest && largest.is_finite()) {
            return None;
        }
        matrix.swap(i, pivot);
        right.swap(i, pivot);
        let (done, rest) = matrix.split_at_mut(i + 1);
        let (right_done, right_rest) = right.split_at_mut(i + 1);
        let lead = &done[i];
        for (row, right) in rest.iter_mut().zip(right_rest) {
            let factor = row[i] / lead[i];
            if factor != 0.0 {
                subtract(&mut row[i + 1..], &lead[i + 1..], factor);
                subtract(right, &right_done[i], factor);
            }
        }
    }
    for i in (0..n).rev() {
        let (rest, done) = right.split_at_mut(i + 1);
        let row = &mut rest[i];
        for (factor, solved) in matrix[i][i + 1..].iter().zip(done.iter()) {
            subtract(row, solved, *factor);
        }
        row.iter_mut().for_each(|x| *x /= matrix[i][i]);
    }
    right.iter().flatten().all(|x| x.is_finite()).then_some(right)
}

/// a −= factor·b.
fn subtract(a: &mut [f64], b: &[f64], factor: f64) {
    for (a, b) in a.iter_mut().zip(b) {
        *a -= factor * b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix like those of kriging: e^{−|i − j|/7} and something on the diagonal.
    fn entry(i: usize, j: usize) -> f64 {
        (-(i.abs_diff(j) as f64) / 7.0).exp() + if i == j { 0.1 } else { 0.0 }
    }

    #[test]
    fn both_solvers_solve_and_agree() {
        let n = 61;
        let truth: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
        let rows: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect();
        let right: Vec<f64> = rows.iter().map(|row| dot(row, &truth)).collect();
        let cholesky = Cholesky::new(n, entry).expect("positive definite");
        let general = solve(rows, right.iter().map(|x| vec![*x]).collect()).expect("regular");
        for ((ours, theirs), truth) in cholesky.solve(&right).iter().zip(&general).zip(&truth) {
            assert!((ours - truth).abs() < 1e-12 && (theirs[0] - truth).abs() < 1e-12);
        }
    }

    #[test]
    fn the_determinant_is_known_and_singular_matrices_are_refused() {
        let two = Cholesky::new(2, |i, j| [[4.0, 2.0], [2.0, 3.0]][i][j]).expect("positive definite");
        assert!((two.log_determinant() - 8.0_f64.ln()).abs() < 1e-14);
        assert!(Cholesky::new(2, |_, _| 1.0).is_none());
        assert!(solve(vec![vec![1.0, 2.0], vec![2.0, 4.0]], vec![vec![1.0], vec![2.0]]).is_none());
        // A zero in the corner needs a pivot.
        let swapped = solve(vec![vec![0.0, 1.0], vec![1.0, 0.0]], vec![vec![2.0], vec![3.0]]).expect("regular");
        assert_eq!(swapped, vec![vec![3.0], vec![2.0]]);
    }
}

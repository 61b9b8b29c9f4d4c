//! Small dense symmetric systems, and chains of them: the normal equations of a slice and of a whole surface.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

/// A symmetric N×N matrix or a coupling block, by rows: of raw SVI, unless said.
pub(super) type Block<const N: usize = 5> = [[f64; N]; N];

/// A pivot of a matrix scaled to ones on its diagonal that is no more than this is what rounding left of nothing.
const LEAST_SCALED_PIVOT: f64 = 1e-15;

/// Lower Cholesky factor of the symmetric `matrix` (its lower triangle is read), with one over its diagonal on the diagonal; None where a pivot is not above `least_pivot`: with 0, where
/// it is not positive definite.
fn cholesky<const N: usize>(matrix: &Block<N>, least_pivot: f64) -> Option<Block<N>> {
    let mut factor = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let mut sum = matrix[i][j];
            for t in 0..j {
                sum -= factor[i][t] * factor[j][t];
            }
            if i == j {
                if !(sum > least_pivot && sum.is_finite()) {
                    return None;
                }
                factor[i][i] = 1.0 / sum.sqrt();
            } else {
                factor[i][j] = sum * factor[j][j];
            }
        }
    }
    Some(factor)
}

/// Solves L y = v.
fn forward<const N: usize>(factor: &Block<N>, v: &[f64; N]) -> [f64; N] {
    let mut y = *v;
    for i in 0..N {
        for t in 0..i {
            y[i] -= factor[i][t] * y[t];
        }
        y[i] *= factor[i][i];
    }
    y
}

/// Solves Lᵀ y = v.
fn backward<const N: usize>(factor: &Block<N>, v: &[f64; N]) -> [f64; N] {
    let mut y = *v;
    for i in (0..N).rev() {
        for t in i + 1..N {
            y[i] -= factor[t][i] * y[t];
        }
        y[i] *= factor[i][i];
    }
    y
}

/// Solves one symmetric system; None where it is not positive definite.
pub(super) fn solve<const N: usize>(matrix: &Block<N>, right: &[f64; N]) -> Option<[f64; N]> {
    solve_above(0.0, matrix, right)
}

/// [`solve`] of a matrix whose unknowns may be of any size: it is scaled to ones on its diagonal; None also where that is all but singular.
pub(super) fn solve_scaled<const N: usize>(matrix: &Block<N>, right: &[f64; N]) -> Option<[f64; N]> {
    let scale: [f64; N] = std::array::from_fn(|i| 1.0 / matrix[i][i].sqrt());
    let scaled: Block<N> = std::array::from_fn(|i| std::array::from_fn(|j| matrix[i][j] * scale[i] * scale[j]));
    let solution = solve_above(LEAST_SCALED_PIVOT, &scaled, &std::array::from_fn(|i| right[i] * scale[i]))?;
    Some(std::array::from_fn(|i| solution[i] * scale[i]))
}

fn solve_above<const N: usize>(least_pivot: f64, matrix: &Block<N>, right: &[f64; N]) -> Option<[f64; N]> {
    let factor = cholesky(matrix, least_pivot)?;
    let solution = backward(&factor, &forward(&factor, right));
    solution.iter().all(|v| v.is_finite()).then_some(solution)
}

/// Solves the chain of blocks: `diagonal[i]` on the diagonal, `coupling[i]` in row i, column i + 1 (its transpose below), right-hand
/// side `right`. None where the matrix is not positive definite.
pub(super) fn solve_chain<const N: usize>(
    diagonal: &[Block<N>],
    coupling: &[Block<N>],
    right: &[[f64; N]],
) -> Option<Vec<[f64; N]>> {
    let n = diagonal.len();
    let mut factors = Vec::with_capacity(n);
    // L⁻¹E of each link.
    let mut links: Vec<Block<N>> = Vec::with_capacity(n);
    let mut values: Vec<[f64; N]> = Vec::with_capacity(n);
    for i in 0..n {
        let mut block = diagonal[i];
        let mut value = right[i];
        if i > 0 {
            let (link, before) = (&links[i - 1], &values[i - 1]);
            for t in 0..N {
                for r in 0..N {
                    for c in 0..N {
                        block[r][c] -= link[t][r] * link[t][c];
                    }
                    value[r] -= link[t][r] * before[t];
                }
            }
        }
        let factor = cholesky(&block, 0.0)?;
        values.push(forward(&factor, &value));
        if i + 1 < n {
            // All columns at once.
            let mut link = coupling[i];
            for r in 0..N {
                for t in 0..r {
                    for c in 0..N {
                        link[r][c] -= factor[r][t] * link[t][c];
                    }
                }
                for c in 0..N {
                    link[r][c] *= factor[r][r];
                }
            }
            links.push(link);
        }
        factors.push(factor);
    }
    let mut solution = vec![[0.0; N]; n];
    for i in (0..n).rev() {
        let mut value = values[i];
        if i + 1 < n {
            for r in 0..N {
                for c in 0..N {
                    value[r] -= links[i][r][c] * solution[i + 1][c];
                }
            }
        }
        solution[i] = backward(&factors[i], &value);
    }
    solution.iter().flatten().all(|v| v.is_finite()).then_some(solution)
}

/// Solves a symmetric system of up to three unknowns by elimination with a relative floor on pivots; the unknowns that the data do not
/// determine come out as zero.
pub(super) fn solve_small<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> [f64; N] {
    let scale: [f64; N] = std::array::from_fn(|i| matrix[i][i].max(0.0).sqrt());
    let mut dead = [false; N];
    for i in 0..N {
        dead[i] = scale[i] == 0.0 || matrix[i][i] <= 1e-13 * scale[i] * scale[i];
        if dead[i] {
            continue;
        }
        for r in i + 1..N {
            let f = matrix[r][i] / matrix[i][i];
            for c in i..N {
                matrix[r][c] -= f * matrix[i][c];
            }
            right[r] -= f * right[i];
        }
    }
    let mut x = [0.0; N];
    for i in (0..N).rev() {
        if !dead[i] {
            let known: f64 = (i + 1..N).map(|c| matrix[i][c] * x[c]).sum();
            x[i] = (right[i] - known) / matrix[i][i];
        }
    }
    x
}

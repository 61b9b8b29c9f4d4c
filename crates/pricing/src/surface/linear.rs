//! Small dense symmetric systems, and chains of them: the normal equations of a slice and of a whole surface.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

/// A symmetric N×N matrix or a coupling block, by rows: of raw SVI, unless said.
pub(super) type Block<const N: usize = 5> = [[f64; N]; N];

/// A pivot of a matrix scaled to ones on its diagonal that is no more than this is what rounding left of nothing.
const LEAST_SCALED_PIVOT: f64 = 1e-15;

/// Lower Cholesky factor of the symmetric `matrix` (its lower triangle is read), with one over its diagonal on the diagonal; None where a pivot is not above `least_pivot`: with 0, where
/// it is not positive definite. Column by column: what is left below waits for one over the pivot only, not for its root.
fn cholesky<const N: usize>(matrix: &Block<N>, least_pivot: f64) -> Option<Block<N>> {
    let (mut left, mut factor) = (*matrix, [[0.0; N]; N]);
    for j in 0..N {
        let pivot = left[j][j];
        if !(pivot > least_pivot && pivot.is_finite()) {
            return None;
        }
        let inverse = 1.0 / pivot;
        let root = inverse.sqrt();
        factor[j][j] = root;
        for i in j + 1..N {
            let share = left[i][j] * inverse;
            for t in j + 1..=i {
                left[i][t] -= share * left[t][j];
            }
            factor[i][j] = left[i][j] * root;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A positive definite block and a coupling that is small beside it, different for each `i`.
    fn link(i: usize) -> (Block, Block, [f64; 5]) {
        let wave = |x: usize| (0.7 * x as f64).sin();
        let of = |r: usize, c: usize| wave(11 * i + 5 * r + c);
        let product = |r: usize, c: usize| (0..5).map(|t| of(r, t) * of(c, t)).sum::<f64>();
        let block = std::array::from_fn(|r| std::array::from_fn(|c| product(r, c) + if r == c { 1.0 } else { 0.0 }));
        let coupling = std::array::from_fn(|r| std::array::from_fn(|c| 0.05 * of(c, r + 2)));
        (block, coupling, std::array::from_fn(|r| wave(i + 3 * r)))
    }

    fn times(matrix: &Block, x: &[f64; 5], by: impl Fn(usize, usize) -> [usize; 2]) -> [f64; 5] {
        std::array::from_fn(|r| (0..5).map(|c| matrix[by(r, c)[0]][by(r, c)[1]] * x[c]).sum())
    }

    #[test]
    fn what_is_solved_gives_the_right_hand_side_again() {
        let links: Vec<(Block, Block, [f64; 5])> = (0..4).map(link).collect();
        let (across, down) = (|r: usize, c: usize| [r, c], |r: usize, c: usize| [c, r]);
        for (block, _, right) in &links {
            let x = solve(block, right).unwrap();
            let found = times(block, &x, across);
            (0..5).for_each(|r| assert!((found[r] - right[r]).abs() < 1e-12, "{found:?} {right:?}"));
        }
        let diagonal: Vec<Block> = links.iter().map(|link| link.0).collect();
        let coupling: Vec<Block> = links.iter().take(3).map(|link| link.1).collect();
        let right: Vec<[f64; 5]> = links.iter().map(|link| link.2).collect();
        let x = solve_chain(&diagonal, &coupling, &right).unwrap();
        for i in 0..4 {
            let mut found = times(&diagonal[i], &x[i], across);
            let mut add = |more: [f64; 5]| (0..5).for_each(|r| found[r] += more[r]);
            if i > 0 {
                add(times(&coupling[i - 1], &x[i - 1], down));
            }
            if i < 3 {
                add(times(&coupling[i], &x[i + 1], across));
            }
            (0..5).for_each(|r| assert!((found[r] - right[i][r]).abs() < 1e-12, "{i}: {found:?} {right:?}"));
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_solution() {
        let (block, coupling, right) = link(0);
        for (r, c, value) in [(4, 4, -0.5), (0, 0, 0.0), (2, 1, 40.0), (3, 3, f64::INFINITY), (1, 0, f64::NAN)] {
            let mut broken = block;
            broken[r][c] = value;
            assert!(solve(&broken, &right).is_none(), "{r} {c}");
            assert!(solve_chain(&[block, broken], &[coupling], &[right; 2]).is_none(), "{r} {c}");
        }
    }
}

//! Small dense matrices, row by row in one slice: the eigenvectors of a symmetric one, and linear equations.

/// Turns a symmetric matrix until its eigenvalues stand on its diagonal, in no order, by Jacobi's rotations (Golub and Van Loan, "Matrix computations",
/// 4th edition, section 8.5.2); the rows of `v`, as large as the matrix, become their eigenvectors.
pub(super) fn diagonalise(a: &mut [f64], v: &mut [f64], order: usize) {
    v.iter_mut().enumerate().for_each(|(i, v)| *v = f64::from(u8::from(i / order == i % order)));
    let scale: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..60 {
        let off: f64 =
            (0..order).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * order + j].powi(2)).sum();
        if off <= 1e-30 * scale {
            break;
        }
        for p in 0..order {
            for q in p + 1..order {
                rotate(a, v, order, p, q);
            }
        }
    }
}

/// Turns the plane of p and q so that the matrix has nothing left at (p, q).
fn rotate(a: &mut [f64], v: &mut [f64], order: usize, p: usize, q: usize) {
    let apq = a[p * order + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * order + q] - a[p * order + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..order {
        let (kp, kq) = (a[k * order + p], a[k * order + q]);
        a[k * order + p] = c * kp - s * kq;
        a[k * order + q] = s * kp + c * kq;
    }
    for k in 0..order {
        let (pk, qk) = (a[p * order + k], a[q * order + k]);
        a[p * order + k] = c * pk - s * qk;
        a[q * order + k] = s * pk + c * qk;
        let (pk, qk) = (v[p * order + k], v[q * order + k]);
        v[p * order + k] = c * pk - s * qk;
        v[q * order + k] = s * pk + c * qk;
    }
}

/// Solves A·X = B for `columns` right-hand sides by elimination with row exchanges, X in B's place; `false` where A is singular to rounding.
pub(super) fn solve(a: &mut [f64], order: usize, b: &mut [f64], columns: usize) -> bool {
    let largest = a.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    for p in 0..order {
        let Some(pivot) = (p..order).max_by(|&i, &j| a[i * order + p].abs().total_cmp(&a[j * order + p].abs())) else {
            return false;
        };
        if a[pivot * order + p].abs().partial_cmp(&(1e-14 * largest)) != Some(std::cmp::Ordering::Greater) {
            return false;
        }
        for k in 0..order {
            a.swap(p * order + k, pivot * order + k);
        }
        for k in 0..columns {
            b.swap(p * columns + k, pivot * columns + k);
        }
        for i in p + 1..order {
            let factor = a[i * order + p] / a[p * order + p];
            if factor != 0.0 {
                for k in p..order {
                    a[i * order + k] -= factor * a[p * order + k];
                }
                for k in 0..columns {
                    b[i * columns + k] -= factor * b[p * columns + k];
                }
            }
        }
    }
    for i in (0..order).rev() {
        for k in 0..columns {
            let known: f64 = (i + 1..order).map(|j| a[i * order + j] * b[j * columns + k]).sum();
            b[i * columns + k] = (b[i * columns + k] - known) / a[i * order + i];
        }
    }
    true
}

/// Eigenvalues of a symmetric matrix, greatest first, with the eigenvectors as rows in the same order.
#[cfg(test)]
pub(super) fn symmetric_eigen(matrix: &[f64], order: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    let mut v = vec![0.0; order * order];
    diagonalise(&mut a, &mut v, order);
    let mut by_size: Vec<usize> = (0..order).collect();
    by_size.sort_by(|&i, &j| a[j * order + j].total_cmp(&a[i * order + i]));
    let values = by_size.iter().map(|&i| a[i * order + i]).collect();
    let vectors = by_size.iter().flat_map(|&i| v[i * order..(i + 1) * order].to_vec()).collect();
    (values, vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_by_hand() {
        // [[2, 1], [1, 2]] has 3 along (1, 1) and 1 along (1, −1).
        let (values, vectors) = symmetric_eigen(&[2.0, 1.0, 1.0, 2.0], 2);
        assert!((values[0] - 3.0).abs() < 1e-14 && (values[1] - 1.0).abs() < 1e-14, "{values:?}");
        assert!((vectors[0] - vectors[1]).abs() < 1e-14 && (vectors[2] + vectors[3]).abs() < 1e-14, "{vectors:?}");
    }

    #[test]
    fn equations_by_hand_and_a_singular_matrix() {
        // x + 2y = 5, 3x + 4y = 11: x = 1, y = 2.
        let mut b = [5.0, 11.0];
        assert!(solve(&mut [1.0, 2.0, 3.0, 4.0], 2, &mut b, 1));
        assert!((b[0] - 1.0).abs() < 1e-14 && (b[1] - 2.0).abs() < 1e-14, "{b:?}");
        assert!(!solve(&mut [1.0, 2.0, 2.0, 4.0], 2, &mut [1.0, 2.0], 1));
    }
}

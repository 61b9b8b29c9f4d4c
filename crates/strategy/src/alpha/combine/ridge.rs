//! Ridge regression in closed form.
//!
//! Definition  w = (ZᵀZ/n + λ I)⁻¹ Zᵀy/n, Z the standardised signals, y the return less its mean; λ = 1 halves the weight of a signal that is not correlated
//!             with the others
//! Source      Hoerl and Kennard, "Ridge regression", Technometrics 12 (1970)

use super::walk_forward::Standardised;

/// Weights of standardised signals; the penalty is above 0, so that the matrix is positive definite.
pub(super) fn weights(columns: &[Standardised], y: &[f64], penalty: f64) -> Vec<f64> {
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    let dot = |a: &[f64], b: &mut dyn Iterator<Item = f64>| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / n;
    let width = columns.len();
    let mut lower = vec![vec![0.0; width]; width];
    let mut solution: Vec<f64> =
        columns.iter().map(|column| dot(&column.scores, &mut y.iter().map(|value| value - mean))).collect();
    // Cholesky's L, a row at a time.
    for row in 0..width {
        for column in 0..=row {
            let product = dot(&columns[row].scores, &mut columns[column].scores.iter().copied());
            let known: f64 = (0..column).map(|at| lower[row][at] * lower[column][at]).sum();
            let rest = product + if row == column { penalty } else { 0.0 } - known;
            lower[row][column] =
                if row == column { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / lower[column][column] };
        }
    }
    for row in 0..width {
        let known: f64 = (0..row).map(|at| lower[row][at] * solution[at]).sum();
        solution[row] = (solution[row] - known) / lower[row][row];
    }
    for row in (0..width).rev() {
        let known: f64 = (row + 1..width).map(|at| lower[at][row] * solution[at]).sum();
        solution[row] = (solution[row] - known) / lower[row][row];
    }
    solution
}

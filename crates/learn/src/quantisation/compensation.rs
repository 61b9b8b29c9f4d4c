//! Rounds a layer's weights to int8 so that its sums move least, not its weights.
//!
//! Method  E. Frantar, S. Ashkboos, T. Hoefler and D. Alistarh, "GPTQ" (2023), after B. Hassibi and D. Stork, "Optimal Brain Surgeon"
//!         (1993): with H the covariance of what the layer is given and H⁻¹ = UᵀU, U upper, weights are rounded input by input, and the
//!         error e/U_ii of each is taken off those not yet rounded along U's row. Inputs of greatest variance come first. What rounding
//!         moved on average goes into the bias, so that H is about the mean.

/// Added to H's diagonal, of its mean: inputs that move together cannot be told apart by less.
const DAMPING: f64 = 1e-6;

/// Weights as integers with their scales.
pub(super) struct Rounded {
    /// inputs × units, row-major.
    pub weights: Vec<i8>,
    /// By unit.
    pub scales: Vec<f32>,
}

/// Rounds weights inputs × units, each unit's greatest to ±127. `given` are rows of what the layer is given.
pub(super) fn round(weights: &[f32], units: usize, given: &[f64]) -> Rounded {
    let inputs = weights.len() / units;
    let scales: Vec<f32> = (0..units)
        .map(|j| {
            let most = weights.iter().skip(j).step_by(units).fold(0.0_f32, |most, w| most.max(w.abs()));
            (most / 127.0).max(f32::MIN_POSITIVE)
        })
        .collect();
    let covariance = covariance(given, inputs);
    let mut order: Vec<usize> = (0..inputs).collect();
    order.sort_by(|a, b| covariance[b * inputs + b].total_cmp(&covariance[a * inputs + a]));
    let at = |i: usize, j: usize| covariance[i * inputs + j];
    let ordered: Vec<f64> = order.iter().flat_map(|i| order.iter().map(move |j| at(*i, *j))).collect();
    let upper = upper_of_inverse(ordered, inputs);
    let mut left: Vec<f64> =
        order.iter().flat_map(|i| &weights[i * units..(i + 1) * units]).map(|w| f64::from(*w)).collect();
    let mut rounded = vec![0; weights.len()];
    for i in 0..inputs {
        let (here, rest) = left[i * units..].split_at_mut(units);
        let errors: Vec<f64> = here
            .iter()
            .zip(&scales)
            .zip(&mut rounded[order[i] * units..])
            .map(|((w, scale), rounded)| {
                let scale = f64::from(*scale);
                let q = (w / scale).round_ties_even().clamp(-127.0, 127.0);
                *rounded = q as i8;
                (w - q * scale) / upper[i * inputs + i]
            })
            .collect();
        for (row, share) in rest.chunks_exact_mut(units).zip(&upper[i * inputs + i + 1..(i + 1) * inputs]) {
            row.iter_mut().zip(&errors).for_each(|(w, error)| *w -= share * error);
        }
    }
    Rounded { weights: rounded, scales }
}

/// Of rows about their mean, damped.
fn covariance(given: &[f64], inputs: usize) -> Vec<f64> {
    let count = (given.len() / inputs).max(1) as f64;
    let mut mean = vec![0.0; inputs];
    for row in given.chunks_exact(inputs) {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / count);
    }
    let mut covariance = vec![0.0; inputs * inputs];
    let mut about = vec![0.0; inputs];
    for row in given.chunks_exact(inputs) {
        about.iter_mut().zip(row.iter().zip(&mean)).for_each(|(about, (x, mean))| *about = x - mean);
        for (line, a) in covariance.chunks_exact_mut(inputs).zip(&about) {
            line.iter_mut().zip(&about).for_each(|(sum, b)| *sum += a * b / count);
        }
    }
    let trace: f64 = covariance.iter().step_by(inputs + 1).sum();
    // Inputs that never move, but for the rounding of their mean, leave the identity: each weight goes to its nearest.
    let never = 1e-20 * mean.iter().map(|mean| mean * mean).sum::<f64>();
    if trace <= never {
        covariance.fill(0.0);
    }
    let damping = if trace > never { DAMPING * trace / inputs as f64 } else { 1.0 };
    covariance.iter_mut().step_by(inputs + 1).for_each(|x| *x += damping);
    covariance
}

/// U with H⁻¹ = UᵀU, upper.
fn upper_of_inverse(matrix: Vec<f64>, n: usize) -> Vec<f64> {
    let lower = cholesky(matrix, n);
    // H⁻¹ column by column: L y = e, Lᵀ x = y.
    let mut inverse = vec![0.0; n * n];
    for column in 0..n {
        let mut x = vec![0.0; n];
        for i in column..n {
            let sum: f64 = (column..i).map(|k| lower[i * n + k] * x[k]).sum();
            x[i] = (f64::from(u8::from(i == column)) - sum) / lower[i * n + i];
        }
        for i in (0..n).rev() {
            let sum: f64 = (i + 1..n).map(|k| lower[k * n + i] * x[k]).sum();
            x[i] = (x[i] - sum) / lower[i * n + i];
        }
        (0..n).for_each(|i| inverse[i * n + column] = x[i]);
    }
    let lower = cholesky(inverse, n);
    let mut upper = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            upper[j * n + i] = lower[i * n + j];
        }
    }
    upper
}

/// L with A = LLᵀ of a positive definite matrix; a pivot that rounding made no number or negative is taken as the least positive one met.
fn cholesky(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    let mut least = f64::INFINITY;
    for j in 0..n {
        let sum: f64 = (0..j).map(|k| a[j * n + k].powi(2)).sum();
        let pivot = a[j * n + j] - sum;
        let pivot = if pivot > 0.0 {
            pivot
        } else if least.is_finite() {
            least
        } else {
            1.0
        };
        least = least.min(pivot);
        a[j * n + j] = pivot.sqrt();
        for i in j + 1..n {
            let sum: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            a[i * n + j] = (a[i * n + j] - sum) / a[j * n + j];
        }
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::uniform;

    const INPUTS: usize = 12;
    const UNITS: usize = 5;

    /// Rows of inputs that are all made of three numbers, as a hidden layer's are of a row's few inputs.
    fn given() -> Vec<f64> {
        (0..400)
            .flat_map(|row| {
                let base: Vec<f64> = (0..3).map(|i| uniform(1, (row * 3 + i) as u64) - 0.3).collect();
                (0..INPUTS).map(move |i| (base[i % 3] * (1.0 + i as f64 / 7.0) + base[(i + 1) % 3]).tanh() + 2.0)
            })
            .collect()
    }

    /// Mean square of what rounding moves of the layer's sums, their mean aside.
    fn moved(weights: &[f32], rounded: &Rounded) -> f64 {
        let errors: Vec<f64> = weights
            .iter()
            .zip(&rounded.weights)
            .zip(rounded.scales.iter().cycle())
            .map(|((w, q), scale)| f64::from(*w) - f64::from(*q) * f64::from(*scale))
            .collect();
        let covariance = covariance(&given(), INPUTS);
        let mut sum = 0.0;
        for unit in 0..UNITS {
            for i in 0..INPUTS {
                for j in 0..INPUTS {
                    sum += errors[i * UNITS + unit] * covariance[i * INPUTS + j] * errors[j * UNITS + unit];
                }
            }
        }
        sum
    }

    #[test]
    fn sums_move_less_than_by_rounding_to_the_nearest() {
        let weights: Vec<f32> = (0..INPUTS * UNITS).map(|i| uniform(7, i as u64) as f32 - 0.5).collect();
        let rounded = round(&weights, UNITS, &given());
        // Inputs that never move: the identity, and so the nearest.
        let nearest = round(&weights, UNITS, &[1.0; 10 * INPUTS]);
        for ((w, q), scale) in weights.iter().zip(&nearest.weights).zip(nearest.scales.iter().cycle()) {
            assert!((w - f32::from(*q) * scale).abs() <= 0.500_01 * scale, "{w} {q} {scale}");
        }
        let (compensated, plain) = (moved(&weights, &rounded), moved(&weights, &nearest));
        assert!(compensated < 0.2 * plain, "{compensated:e} {plain:e}");
    }

    #[test]
    fn the_factor_is_that_of_the_inverse() {
        let n = INPUTS;
        let matrix = covariance(&given(), n);
        let upper = upper_of_inverse(matrix.clone(), n);
        // A·(UᵀU) is the identity.
        for i in 0..n {
            for j in 0..n {
                let inverse = |k: usize| (0..=k.min(j)).map(|l| upper[l * n + k] * upper[l * n + j]).sum::<f64>();
                let product: f64 = (0..n).map(|k| matrix[i * n + k] * inverse(k)).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-6, "{i} {j}: {product}");
            }
        }
    }
}

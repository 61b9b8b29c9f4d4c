//! Ridge regression: the line that a network must beat.
//!
//! Formula  w = (XᵀX/n + λI)⁻¹ Xᵀy/n on columns less their means (Hoerl and Kennard 1970), by a Cholesky factor; the mean is not shrunk

/// A fitted line.
#[derive(Clone, Debug)]
pub(super) struct Ridge {
    weights: Vec<f64>,
    offset: f64,
}

/// The sums from which lines of any penalty are fitted.
#[derive(Debug)]
pub(super) struct Moments {
    means: Vec<f64>,
    target_mean: f64,
    /// Lower triangle, row by row.
    covariance: Vec<f64>,
    with_target: Vec<f64>,
}

impl Moments {
    /// Of rows of `count` numbers each.
    pub(super) fn of(rows: &[f64], targets: &[f64], count: usize) -> Self {
        let share = 1.0 / targets.len().max(1) as f64;
        let mut means = vec![0.0; count];
        for row in rows.chunks_exact(count) {
            means.iter_mut().zip(row).for_each(|(mean, x)| *mean += share * x);
        }
        let target_mean = targets.iter().sum::<f64>() * share;
        let mut covariance = vec![0.0; count * (count + 1) / 2];
        let mut with_target = vec![0.0; count];
        let mut centred = vec![0.0; count];
        for (row, target) in rows.chunks_exact(count).zip(targets) {
            centred.iter_mut().zip(row).zip(&means).for_each(|((c, x), mean)| *c = x - mean);
            let mut at = 0;
            for (i, with_target) in with_target.iter_mut().enumerate() {
                let weight = share * centred[i];
                covariance[at..=at + i].iter_mut().zip(&centred).for_each(|(sum, x)| *sum += weight * x);
                *with_target += weight * (target - target_mean);
                at += i + 1;
            }
        }
        Self { means, target_mean, covariance, with_target }
    }

    /// The line of a penalty above 0; none where rounding leaves no factor.
    pub(super) fn fit(&self, penalty: f64) -> Option<Ridge> {
        let Self { means, target_mean, covariance, with_target } = self;
        let count = means.len();
        let place = |i: usize, j: usize| i * (i + 1) / 2 + j;
        let mut factor = covariance.clone();
        for i in 0..count {
            for j in 0..=i {
                let (row, other) = (place(i, 0), place(j, 0));
                let known: f64 = (0..j).map(|k| factor[row + k] * factor[other + k]).sum();
                let rest = factor[row + j] - known;
                factor[row + j] = if i == j {
                    let rest = rest + penalty;
                    if !(rest > 0.0 && rest.is_finite()) {
                        return None;
                    }
                    rest.sqrt()
                } else {
                    rest / factor[place(j, j)]
                };
            }
        }
        let mut weights = with_target.clone();
        for i in 0..count {
            let known: f64 = (0..i).map(|k| factor[place(i, k)] * weights[k]).sum();
            weights[i] = (weights[i] - known) / factor[place(i, i)];
        }
        for i in (0..count).rev() {
            let known: f64 = (i + 1..count).map(|k| factor[place(k, i)] * weights[k]).sum();
            weights[i] = (weights[i] - known) / factor[place(i, i)];
        }
        let offset = target_mean - weights.iter().zip(means).map(|(weight, mean)| weight * mean).sum::<f64>();
        Some(Ridge { weights, offset })
    }
}

impl Ridge {
    /// What it says of a row.
    pub(super) fn value(&self, row: &[f64]) -> f64 {
        self.offset + self.weights.iter().zip(row).map(|(weight, x)| weight * x).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::uniform;

    #[test]
    fn a_line_is_found_and_a_penalty_shrinks_it() {
        let count = 5;
        let rows: Vec<f64> = (0..400 * count).map(|i| 3.0 + uniform(2, i as u64)).collect();
        let truth = [1.0, -2.0, 0.5, 0.0, 4.0];
        let line = |row: &[f64]| 7.0 + row.iter().zip(truth).map(|(x, w)| x * w).sum::<f64>();
        let targets: Vec<f64> = rows.chunks(count).map(line).collect();
        let moments = Moments::of(&rows, &targets, count);
        let found = moments.fit(1e-12).unwrap();
        assert!(found.weights.iter().zip(truth).all(|(found, truth)| (found - truth).abs() < 1e-8), "{found:?}");
        assert!((found.offset - 7.0).abs() < 1e-7);
        // Of one column the penalty divides by 1 + λ/variance.
        let one: Vec<f64> = rows.iter().step_by(count).copied().collect();
        let targets: Vec<f64> = one.iter().map(|x| 2.0 * x).collect();
        let mean = one.iter().sum::<f64>() / 400.0;
        let variance = one.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 400.0;
        let shrunk = Moments::of(&one, &targets, 1).fit(0.3).unwrap();
        assert!((shrunk.weights[0] - 2.0 * variance / (variance + 0.3)).abs() < 1e-12);
        assert!((shrunk.value(&[mean]) - 2.0 * mean).abs() < 1e-12);
    }

    #[test]
    fn columns_that_are_the_same_are_no_fault_and_numbers_that_are_none_are() {
        let rows: Vec<f64> = (0..100).flat_map(|i| [f64::from(i), f64::from(i)]).collect();
        let targets: Vec<f64> = (0..100).map(f64::from).collect();
        let found = Moments::of(&rows, &targets, 2).fit(1e-3).unwrap();
        assert!((found.weights[0] - found.weights[1]).abs() < 1e-9 && (found.weights[0] - 0.5).abs() < 1e-3);
        assert!(Moments::of(&[f64::NAN, 1.0], &[1.0, 2.0], 1).fit(1.0).is_none());
    }
}

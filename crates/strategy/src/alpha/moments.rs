//! Mean and variance of values as they come.
//!
//! Source     Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics 4 (1962)

/// Mean and variance of what has been seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunningMoments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl RunningMoments {
    /// Takes a value in.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Values seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their standard deviation with the divisor n − 1; 0 of fewer than two.
    pub fn deviation(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.squares / (self.count - 1) as f64).max(0.0).sqrt() }
    }

    /// How many deviations a value is off the mean; none where the values have been the same, to rounding.
    pub fn score(&self, value: f64) -> Option<f64> {
        let deviation = self.deviation();
        (deviation > 1e-12 * self.mean.abs()).then(|| (value - self.mean) / deviation)
    }
}

/// Mean and sum of squared differences from it, in two passes.
pub fn mean_and_squares(values: impl Iterator<Item = f64> + Clone) -> (usize, f64, f64) {
    let (count, sum) = values.clone().fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
    let mean = sum / count as f64;
    (count, mean, values.map(|value| (value - mean) * (value - mean)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_in_two_passes_and_no_score_of_a_constant() {
        let values = [3.0, -1.0, 4.0, 1.0, 5.0e3];
        let mut running = RunningMoments::default();
        values.iter().for_each(|value| running.add(*value));
        let (count, mean, squares) = mean_and_squares(values.iter().copied());
        assert_eq!(running.count(), count as u64);
        assert!((running.mean - mean).abs() < 1e-9 && (running.deviation() - (squares / 4.0).sqrt()).abs() < 1e-9);
        let mut constant = RunningMoments::default();
        (0..5).for_each(|_| constant.add(0.1));
        assert_eq!(constant.score(0.1), None);
    }
}

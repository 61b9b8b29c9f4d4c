//! Densities from trials: a mixture with a kernel on each, over all parameters at once.

use zomma_pricing::{math::Plain, monte_carlo::inverse_normal_cdf};
use zomma_storage::studies::Distribution;

use super::space::Space;

/// How many of `count` ended trials are the good ones: a tenth, at most 25, as Optuna has it.
pub(super) fn better_tenth(count: usize) -> usize {
    count.div_ceil(10).clamp(1, 25)
}

/// A mixture of one kernel a trial and one that covers the whole space, so that nothing is out of reach.
///
/// Numbers have a normal kernel cut off at the ends of [0, 1]; choices a kernel that keeps most of its weight on the trial's own.
pub(super) struct Estimator {
    places: Vec<Vec<f64>>,
    /// For each parameter the number of choices; `None` for numbers.
    choices: Vec<Option<usize>>,
    width: f64,
}

/// Weight that a choice's kernel leaves to all choices, evenly.
const SPREAD: f64 = 0.2;
/// The narrowest kernel.
const LEAST_WIDTH: f64 = 0.02;

impl Estimator {
    pub fn new(space: &Space, places: Vec<Vec<f64>>) -> Self {
        let choices = space.parameters().iter().map(|(_, distribution)| match distribution {
            Distribution::Categorical { choices } => Some(choices.len()),
            _ => None,
        });
        let choices: Vec<_> = choices.collect();
        // Scott's rule, with the width of a fifth of the range for one trial.
        let dimensions = choices.len() as f64;
        let width = (0.2 * (places.len().max(1) as f64).powf(-1.0 / (dimensions + 4.0))).max(LEAST_WIDTH);
        Self { places, choices, width }
    }

    /// A place by chance, of the mixture.
    pub fn sample(&self, uniform: &mut impl FnMut() -> f64) -> Vec<f64> {
        let kernel = ((uniform() * (self.places.len() + 1) as f64) as usize).min(self.places.len());
        let Some(center) = self.places.get(kernel) else {
            return self.choices.iter().map(|_| uniform()).collect();
        };
        let mut place = Vec::with_capacity(center.len());
        for (&center, choices) in center.iter().zip(&self.choices) {
            place.push(match choices {
                Some(_) if uniform() >= SPREAD => center,
                Some(_) => uniform(),
                None => self.near(center, uniform),
            });
        }
        place
    }

    /// A normal number around `center` within [0, 1], by refusing what lies outside.
    fn near(&self, center: f64, uniform: &mut impl FnMut() -> f64) -> f64 {
        for _ in 0..64 {
            let place = center + self.width * inverse_normal_cdf::<Plain>(uniform());
            if (0.0..=1.0).contains(&place) {
                return place;
            }
        }
        // At least half a kernel lies inside, so that this comes once in 2^64 draws.
        center
    }

    /// The logarithm of the mixture's density at `place`.
    pub fn log_density(&self, place: &[f64]) -> f64 {
        let prior: f64 = self.choices.iter().map(|choices| choices.map_or(0.0, |count| -(count as f64).ln())).sum();
        let kernels: Vec<f64> =
            self.places.iter().map(|center| self.log_kernel(center, place)).chain([prior]).collect();
        let most = kernels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = kernels.iter().map(|kernel| (kernel - most).exp()).sum();
        most + sum.ln() - (kernels.len() as f64).ln()
    }

    fn log_kernel(&self, center: &[f64], place: &[f64]) -> f64 {
        let mut log = 0.0;
        for ((&center, &place), choices) in center.iter().zip(place).zip(&self.choices) {
            log += match choices {
                Some(count) => {
                    let choice = |position: f64| (position * *count as f64) as usize;
                    let own = if choice(center) == choice(place) { 1.0 - SPREAD } else { 0.0 };
                    (own + SPREAD / *count as f64).ln()
                }
                None => {
                    let distance = (place - center) / self.width;
                    let inside = normal_cdf((1.0 - center) / self.width) - normal_cdf(-center / self.width);
                    -0.5 * distance * distance - (self.width * std::f64::consts::TAU.sqrt() * inside).ln()
                }
            };
        }
        log
    }
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space::new([
            ("x".to_owned(), Distribution::Float { step: None, low: 0.0, high: 1.0, log: false }),
            ("kind".to_owned(), Distribution::Categorical { choices: vec![1.into(), 2.into(), 3.into()] }),
        ])
        .unwrap()
    }

    #[test]
    fn the_density_sums_to_one() {
        let estimator = Estimator::new(&space(), vec![vec![0.03, 0.5 / 3.0], vec![0.7, 2.5 / 3.0], vec![0.71, 0.5]]);
        let mut sum = 0.0;
        for kind in 0..3 {
            for step in 0..10_000 {
                let place = [(f64::from(step) + 0.5) / 10_000.0, (f64::from(kind) + 0.5) / 3.0];
                sum += estimator.log_density(&place).exp() / 10_000.0;
            }
        }
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn samples_follow_the_density() {
        let estimator = Estimator::new(&space(), vec![vec![0.1, 0.5], vec![0.15, 0.5]]);
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let inside = (0..40_000).filter(|_| estimator.sample(&mut uniform)[0] < 0.3).count() as f64 / 40_000.0;
        let expected: f64 = (0..3000)
            .map(|step| {
                let x = (f64::from(step) + 0.5) / 10_000.0;
                (0..3).map(|kind| estimator.log_density(&[x, (f64::from(kind) + 0.5) / 3.0]).exp()).sum::<f64>()
                    / 10_000.0
            })
            .sum();
        assert!((inside - expected).abs() < 0.01, "sampled {inside}, density {expected}");
    }

    #[test]
    fn a_tenth_of_the_trials_is_good_and_never_none() {
        assert_eq!([1, 9, 10, 20, 100, 1000].map(better_tenth), [1, 1, 1, 2, 10, 25]);
    }
}

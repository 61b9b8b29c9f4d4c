//! The quotes of a slice as points to pass through.

use crate::surface::{
    SliceQuotes,
    calibration::{Objective, Settings},
};

/// Strikes closer than this share of their span count as one.
const SAME_SHARE: f64 = 1e-7;

/// Whether each number is finite and above the one before.
pub(super) fn is_ascending(numbers: &[f64]) -> bool {
    numbers.iter().all(|it| it.is_finite()) && numbers.windows(2).all(|pair| pair[0] < pair[1])
}

/// Whether all numbers are finite.
pub(super) fn are_finite<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> bool {
    numbers.into_iter().all(|it| it.is_finite())
}

/// Whether all numbers are finite and above zero.
pub(super) fn are_positive<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> bool {
    numbers.into_iter().all(|it| *it > 0.0 && it.is_finite())
}

/// Total variances of the mids at distinct, ascending log-moneyness.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Knots {
    /// Log-moneyness.
    pub(super) k: Vec<f64>,
    /// Total variance of the mid: of quotes at one strike, their mean by the weights of the settings.
    pub(super) w: Vec<f64>,
    /// Standard deviation of the noise of ln σ that the weights of the settings stand for: one unit of the miss.
    pub(super) noise: Vec<f64>,
}

impl Knots {
    /// Those of the usable quotes of a slice.
    pub(super) fn new(quotes: &SliceQuotes, settings: &Settings) -> Self {
        let objective = Objective::new(quotes, settings);
        let points = &objective.points;
        let span = points.last().map_or(0.0, |last| last.k - points[0].k);
        let same = (SAME_SHARE * span).max(1e-12);
        let mut knots = Self::default();
        let mut start = 0;
        while start < points.len() {
            let mut end = start + 1;
            while end < points.len() && points[end].k - points[start].k <= same {
                end += 1;
            }
            // A miss of one unit is a change of w by one over the slope, and of ln σ by half of that over w.
            let noise = |i: usize| {
                let w = points[i].total_variance[1];
                let noise = 0.5 / (objective.miss(i, w)[1] * w);
                if noise.is_finite() { noise.clamp(1e-5, 1e2) } else { 1e2 }
            };
            let weights: Vec<f64> = (start..end).map(|i| points[i].inverse_scale.powi(2).max(1e-300)).collect();
            let total: f64 = weights.iter().sum();
            let mean = |of: &dyn Fn(usize) -> f64| {
                (start..end).zip(&weights).map(|(i, weight)| weight / total * of(i)).sum::<f64>()
            };
            knots.k.push(mean(&|i| points[i].k));
            knots.w.push(mean(&|i| points[i].total_variance[1]));
            knots.noise.push((start..end).map(noise).fold(f64::INFINITY, f64::min));
            start = end;
        }
        knots
    }

    pub(super) fn len(&self) -> usize {
        self.k.len()
    }

    /// Lowest and highest log-moneyness.
    pub(super) fn range(&self) -> Option<[f64; 2]> {
        Some([*self.k.first()?, *self.k.last()?])
    }
}

//! From the activations that a layer is given on representative rows to the range that its integers cover.

use serde::{Deserialize, Serialize};

use super::ActivationScale;

/// What other rows may go beyond the extremes of the calibration's.
const MARGIN: f64 = 0.1;

/// How the range is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// All that was met and a tenth more: next to nothing is clipped.
    MinMax,
    /// From the (100 − p)th to the pth percentile: the rest is clipped, and steps are finer.
    Percentile(f64),
    /// The share of all that was met which makes the mean square of rounding and clipping least.
    Mse,
}

impl Calibration {
    /// The integers of a layer given `activations`; at least one, all numbers.
    pub(super) fn scale(self, bits: u32, activations: &[f64]) -> ActivationScale {
        let extremes = activations.iter().fold([0.0, 0.0], |[low, high]: [f64; 2], x| [low.min(*x), high.max(*x)]);
        let over = |[low, high]: [f64; 2]| ActivationScale::over(bits, low as f32, high as f32);
        match self {
            Self::MinMax => over(extremes.map(|end| end * (1.0 + MARGIN))),
            Self::Percentile(percent) => {
                let mut sorted = activations.to_vec();
                sorted.sort_unstable_by(f64::total_cmp);
                let last = (sorted.len() - 1) as f64;
                let at = |share: f64| sorted[(share * last).round() as usize];
                over([at(1.0 - percent / 100.0), at(percent / 100.0)])
            }
            Self::Mse => {
                let candidates = (0..=40).map(|i| over(extremes.map(|end| end * (1.0 - 0.02 * f64::from(i)))));
                let mut best = (f64::INFINITY, over(extremes));
                for scale in candidates {
                    let error: f64 = activations.iter().map(|x| (x - rounded(&scale, *x)).powi(2)).sum();
                    if error < best.0 {
                        best = (error, scale);
                    }
                }
                best.1
            }
        }
    }
}

/// What an activation becomes.
pub(super) fn rounded(scale: &ActivationScale, activation: f64) -> f64 {
    f64::from(scale.dequantise(scale.quantise(activation as f32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand numbers from 0 to 1 and one far away.
    fn with_outlier() -> Vec<f64> {
        (0..1000).map(|i| f64::from(i) / 999.0).chain([20.0, -0.25]).collect()
    }

    #[test]
    fn ranges_cover_all_or_leave_out_what_was_asked_for() {
        let at = |calibration: Calibration| {
            let scale = calibration.scale(8, &with_outlier());
            (f64::from(scale.dequantise(0)), f64::from(scale.dequantise(255)))
        };
        let (low, high) = at(Calibration::MinMax);
        assert!((low + 0.275).abs() < 0.05 && (high - 22.0).abs() < 0.05, "{low} {high}");
        let (low, high) = at(Calibration::Percentile(99.8));
        assert!((-0.01..=0.0).contains(&low) && (high - 1.0).abs() < 0.01, "{low} {high}");
    }

    #[test]
    fn the_least_mean_square_is_below_those_of_the_others() {
        let activations = with_outlier();
        let error = |calibration: Calibration| {
            let scale = calibration.scale(8, &activations);
            activations.iter().map(|x| (x - rounded(&scale, *x)).powi(2)).sum::<f64>()
        };
        // Steps of 22.3/255 err by 6.4e-4 in the mean, and clipping 20 by 2 errs by 4 in all.
        let all = error(Calibration::MinMax);
        assert!(error(Calibration::Mse) <= all && error(Calibration::Percentile(99.8)) > all);
        // Numbers that are spread as most activations are: a little clipping pays.
        let bell: Vec<f64> = (1..20_000).map(|i| (f64::from(i) / 20_000.0).ln() / -1.0).collect();
        let error = |calibration: Calibration| {
            let scale = calibration.scale(8, &bell);
            bell.iter().map(|x| (x - rounded(&scale, *x)).powi(2)).sum::<f64>()
        };
        assert!(error(Calibration::Mse) < error(Calibration::MinMax));
    }

    #[test]
    fn activations_that_are_all_0_keep_a_step() {
        for calibration in [Calibration::MinMax, Calibration::Percentile(99.9), Calibration::Mse] {
            let scale = calibration.scale(16, &[0.0, 0.0]);
            assert_eq!((scale.quantise(0.0), scale.dequantise(scale.zero_point)), (scale.zero_point, 0.0));
            assert!(scale.scale > 0.0);
        }
    }
}

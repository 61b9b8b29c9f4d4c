//! What a step of training tells.

use std::collections::BTreeMap;

use super::Point;
use crate::{config::PricingModel, training::Progress};

/// The numbers of a step under the names of `metrics.csv`; those of a network of implied volatilities say `volatility` and `slope` for what
/// others call `price` and `delta`. What is no number (the loss of a step that was skipped) is left out.
pub fn point(at_ms: i64, progress: &Progress, model: PricingModel) -> Point {
    let [loss_said, rmse, max, slope] = match model.is_implied_volatility() {
        true => ["loss_volatility", "held_out_volatility_rmse", "held_out_volatility_max", "held_out_slope_rmse"],
        false => ["loss_price", "held_out_price_rmse", "held_out_price_max", "held_out_delta_rmse"],
    };
    let Progress {
        step, seconds, samples, learning_rate, loss, gradient_norm, skipped, evaluation, loss_scale, ..
    } = progress;
    let mut values: BTreeMap<String, f64> = [
        ("seconds", *seconds),
        ("samples", *samples as f64),
        ("learning_rate", *learning_rate),
        ("loss", loss.total()),
        (loss_said, loss.price),
        ("loss_differential", loss.differential),
        ("gradient_norm", *gradient_norm),
        ("skipped_steps", *skipped as f64),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(scale) = loss_scale {
        values.insert("loss_scale".into(), scale.value());
        values.insert("overflowed_steps".into(), scale.overflows() as f64);
    }
    if let Some(found) = evaluation {
        for (name, value) in [(rmse, Some(found.price_rmse)), (max, Some(found.price_max)), (slope, found.delta_rmse)] {
            values.extend(value.map(|value| (name.to_owned(), value)));
        }
    }
    values.retain(|_, value| value.is_finite());
    Point { at_ms, step: *step, values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Evaluation;

    #[test]
    fn a_network_of_volatilities_says_so_and_others_say_price() {
        let evaluation =
            Evaluation { price_rmse: 1e-3, price_max: 2e-3, delta_rmse: Some(0.1), ..Evaluation::default() };
        let progress = Progress { step: 7, evaluation: Some(evaluation), ..Progress::default() };
        let names = |model| {
            let point = point(1, &progress, model);
            let asked = |name: &str| point.values.get(name).copied();
            [asked("held_out_price_rmse"), asked("held_out_volatility_rmse"), asked("held_out_slope_rmse")]
        };
        assert_eq!(names(PricingModel::Heston), [Some(1e-3), None, None]);
        assert_eq!(names(PricingModel::BlackScholesImpliedVolatility), [None, Some(1e-3), Some(0.1)]);
    }
}

//! What a step of training tells.

use std::collections::BTreeMap;

use super::Point;
use crate::{config::PricingModel, physics::PinnProgress, training::Progress};

/// The numbers of a step under the names of `metrics.csv`; those of a network of implied volatilities say `volatility` and `slope` for what
/// others call `price` and `delta`, those of a table `target`. What is no number (the loss of a step that was skipped) is left out.
pub fn point(at_ms: i64, progress: &Progress, model: PricingModel) -> Point {
    let (said, slope) = model.said();
    let loss_said = format!("loss_{said}");
    let Progress {
        step, seconds, samples, learning_rate, loss, gradient_norm, skipped, evaluation, loss_scale, ..
    } = progress;
    let mut values: BTreeMap<String, f64> = [
        ("seconds", *seconds),
        ("samples", *samples as f64),
        ("learning_rate", *learning_rate),
        ("loss", loss.total()),
        (loss_said.as_str(), loss.price),
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
        for (name, value) in [
            (format!("held_out_{said}_rmse"), Some(found.price_rmse)),
            (format!("held_out_{said}_max"), Some(found.price_max)),
            (format!("held_out_{slope}_rmse"), found.delta_rmse),
        ] {
            values.extend(value.map(|value| (name, value)));
        }
    }
    values.retain(|_, value| value.is_finite());
    Point { at_ms, step: *step, values }
}

/// The numbers of a step of a network that solves an equation: the loss and its round, from 1, and after a round its outcome under the names of
/// `metrics.csv`. The step counts those of all rounds. What is no number is left out.
pub fn solution_point(at_ms: i64, progress: &PinnProgress) -> Point {
    let PinnProgress { round, done, loss, outcome, .. } = progress;
    let mut values = vec![("round", (round + 1) as f64), ("loss", *loss)];
    if let Some(found) = outcome {
        let [body, wings, near_expiry] = found.weights;
        values.extend([
            ("seconds", found.seconds),
            ("evaluations", found.evaluations as f64),
            ("held_out_residual_rms", found.held_out),
            ("held_out_residual_max", found.held_out_max),
            ("weight_body", body),
            ("weight_wings", wings),
            ("weight_near_expiry", near_expiry),
        ]);
    }
    let finite = values.into_iter().filter(|(_, value)| value.is_finite());
    Point { at_ms, step: *done, values: finite.map(|(name, value)| (name.to_owned(), value)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::{Phase, Round};
    use crate::training::Evaluation;

    #[test]
    fn a_step_of_an_equation_tells_its_loss_and_the_last_of_a_round_its_outcome() {
        let step = PinnProgress {
            round: 2,
            rounds: 9,
            phase: Phase::Lbfgs,
            step: 5,
            steps: 10,
            done: 205,
            loss: 0.25,
            outcome: None,
        };
        let told = solution_point(7, &step);
        assert_eq!((told.step, told.values.len(), told.values["round"], told.values["loss"]), (205, 2, 3.0, 0.25));
        let outcome = Round {
            phase: Phase::Lbfgs,
            steps: 5,
            evaluations: 8,
            seconds: 1.5,
            loss: 0.25,
            held_out: 1e-3,
            held_out_max: f64::INFINITY,
            weights: [1.0, 2.0, 3.0],
        };
        let told = solution_point(7, &PinnProgress { outcome: Some(outcome), ..step }).values;
        assert_eq!((told["held_out_residual_rms"], told["weight_near_expiry"], told["seconds"]), (1e-3, 3.0, 1.5));
        assert!(!told.contains_key("held_out_residual_max"));
    }

    #[test]
    fn a_network_of_volatilities_or_of_a_table_says_so_and_others_say_price() {
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
        assert_eq!(names(PricingModel::Table)[..2], [None, None]);
        let of_a_table = point(1, &progress, PricingModel::Table).values;
        assert_eq!((of_a_table["held_out_target_rmse"], of_a_table["held_out_target_max"]), (1e-3, 2e-3));
        assert!(of_a_table.keys().all(|name| !name.contains("price")), "{of_a_table:?}");
    }
}

//! What a step of training tells.

use std::collections::BTreeMap;

use super::Point;
use crate::training::Progress;

/// The numbers of a step under the names of `metrics.csv`. What is no number (the loss of a step that was skipped) is left out.
pub fn point(at_ms: i64, progress: &Progress) -> Point {
    let Progress {
        step, seconds, samples, learning_rate, loss, gradient_norm, skipped, evaluation, loss_scale, ..
    } = progress;
    let mut values: BTreeMap<String, f64> = [
        ("seconds", *seconds),
        ("samples", *samples as f64),
        ("learning_rate", *learning_rate),
        ("loss", loss.total()),
        ("loss_price", loss.price),
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
            ("held_out_price_rmse", Some(found.price_rmse)),
            ("held_out_price_max", Some(found.price_max)),
            ("held_out_delta_rmse", found.delta_rmse),
        ] {
            values.extend(value.map(|value| (name.to_owned(), value)));
        }
    }
    values.retain(|_, value| value.is_finite());
    Point { at_ms, step: *step, values }
}

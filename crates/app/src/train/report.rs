//! What came of a run, for people and for programs.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use serde_json::{Value, json as value};
use zomma_learn::{
    config::PricingModel,
    table::Assessment,
    training::{Ending, Evaluation, Progress, TrainedNetwork, checksum},
};

use super::{Speed, table_report};

/// All that is told.
pub struct Report<'a> {
    /// Whose network it is.
    pub model: PricingModel,
    /// Where it lies.
    pub folder: &'a Path,
    /// Why training ended.
    pub ending: Ending,
    /// The network, its errors measured.
    pub network: &'a TrainedNetwork,
    /// Where training ended.
    pub progress: &'a Progress,
    /// Rows a second of this sitting; of all where this one only told again what came of them.
    pub samples_per_second: f64,
    /// What an option costs.
    pub speed: Option<Speed>,
    /// What a network of a table is worth.
    pub assessment: Option<Assessment>,
}

/// The table that ends the command.
pub fn table(report: &Report<'_>) -> String {
    let Report { model, folder, ending, network, progress, samples_per_second, speed, assessment } = report;
    let mut text = String::new();
    let ended = match ending {
        Ending::StoppedEarly => ", stopped early",
        Ending::Finished | Ending::Interrupted => "",
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{}: {} steps, {:.1} million rows in {:.1} minutes ({:.0} thousand rows/s){ended}; {} steps skipped",
        folder.join("network.bin").display(),
        progress.step,
        progress.samples as f64 / 1e6,
        progress.seconds / 60.0,
        samples_per_second / 1e3,
        progress.skipped
    );
    if let Some(scale) = progress.loss_scale {
        let (value, overflows) = (scale.value(), scale.overflows());
        let _ = writeln!(
            text,
            "loss scale {value} at the end; {overflows} steps skipped since their gradient overflowed at theirs"
        );
    }
    if let Some(found) = assessment {
        text.push_str(&table_report::text(found));
        return text;
    }
    if let Some(found) = &network.evaluation {
        let _ = writeln!(text, "\n  errors on {} rows that were never seen        rmse       worst", found.rows);
        let is_implied = model.is_implied_volatility();
        let mut line = |name: &str, rmse: f64, most: Option<f64>| {
            let most = most.map_or(String::new(), |most| format!("{most:>11.2e}"));
            let _ = writeln!(text, "  {name:<44}{rmse:>10.2e} {most}");
        };
        let said = if is_implied { "volatility" } else { "price" };
        if is_implied {
            line(said, found.price_rmse, Some(found.price_max));
            line("  mean absolute error", found.price_mae, None);
        } else {
            line("price, of the strike", found.price_rmse, Some(found.price_max));
            if let Some(rmse) = found.delta_rmse {
                line("delta", rmse, found.delta_max);
            }
        }
        for (name, rmse) in model.input_names().iter().zip(&found.by_input_rmse).skip(usize::from(!is_implied)) {
            line(&format!("derivative of the {said} by {name}"), *rmse, None);
        }
        if let Some(exercise) = &found.exercise {
            line("price where the option is held", exercise.held_price_rmse, None);
            if let Some(delta) = exercise.held_delta_rmse {
                line("delta there", delta, None);
            }
        }
        if let Some(gamma) = &found.gamma {
            line("gamma, of the at-the-money gamma of the row", gamma.rmse, Some(gamma.max));
            line("  99 of 100 rows are within", gamma.percentile_99, None);
        }
        if let Some(exercise) = &found.exercise {
            let share = |rows: usize| 100.0 * rows as f64 / found.rows.max(1) as f64;
            let (exercised, misjudged) = (share(exercise.exercised_rows), share(exercise.misjudged_rows));
            let _ = writeln!(
                text,
                "  exercise now is best in {exercised:.1} % of the rows; the network says the other of {misjudged:.2} %"
            );
        }
        if is_implied {
            let share = 100.0 * excluded_share(found);
            let _ = writeln!(text, "  left out: {share:.1} % of the domain, where vega is below data.least_vega");
        }
    }
    if let Some(Speed { network_ns, teacher_ns, teacher }) = speed {
        let (times, who) = if network_ns < teacher_ns {
            (teacher_ns / network_ns, "the network is faster")
        } else {
            (network_ns / teacher_ns, "the network is slower: it earns its place only where there is no such formula")
        };
        let _ = writeln!(
            text,
            "\n  an option costs {network_ns:.0} ns by the network and {teacher_ns:.0} ns by the {teacher}, {times:.1} times: {who}"
        );
    }
    text
}

/// The share of held-out rows whose price determines no volatility.
fn excluded_share(found: &Evaluation) -> f64 {
    found.excluded_rows as f64 / (found.rows + found.excluded_rows).max(1) as f64
}

/// The same for programs.
pub fn json(report: &Report<'_>) -> Value {
    let Report { model, folder, ending, network, progress, samples_per_second, speed, assessment } = report;
    let none = Evaluation::default();
    let found = network.evaluation.as_ref().unwrap_or(&none);
    let by_input: serde_json::Map<String, Value> = model
        .input_names()
        .iter()
        .zip(&found.by_input_rmse)
        .map(|(name, rmse)| ((*name).to_owned(), value!(rmse)))
        .collect();
    let mut told = value!({
        "model": model.as_str(),
        "folder": folder,
        "network": folder.join("network.bin"),
        "stopped_early": *ending == Ending::StoppedEarly,
        "steps": progress.step,
        "best_step": network.step,
        "samples": progress.samples,
        "seconds": progress.seconds,
        "samples_per_second": samples_per_second,
        "skipped_steps": progress.skipped,
        "loss_scale": progress.loss_scale.map(|scale| scale.value()),
        "overflowed_steps": progress.loss_scale.map_or(0, |scale| scale.overflows()),
        "parameters": network.parameters.len(),
        "parameters_checksum": format!("{:016x}", checksum(&network.parameters)),
        "test_rows": found.rows,
        "price_rmse": found.price_rmse,
        "price_mae": found.price_mae,
        "price_max": found.price_max,
        "delta_rmse": found.delta_rmse,
        "delta_max": found.delta_max,
        "by_input_rmse": by_input,
        "gamma": found.gamma,
        "network_ns": speed.map(|speed| speed.network_ns),
        "teacher_ns": speed.map(|speed| speed.teacher_ns),
    });
    if let (Some(exercise), Some(told)) = (&found.exercise, told.as_object_mut()) {
        told.insert("exercise".into(), value!(exercise));
    }
    if model.is_implied_volatility()
        && let Some(told) = told.as_object_mut()
    {
        // What the network says is no price, and has no delta.
        for error in ["rmse", "mae", "max"] {
            if let Some(value) = told.remove(&format!("price_{error}")) {
                told.insert(format!("volatility_{error}"), value);
            }
            told.remove(&format!("delta_{error}"));
        }
        told.remove("gamma");
        told.insert("excluded_share".into(), value!(excluded_share(found)));
    }
    if let Some(found) = assessment {
        table_report::put(&mut told, found);
    }
    told
}

/// The numbers of it, for those who compare runs. What is no number is left out.
pub fn summary(report: &Report<'_>) -> BTreeMap<String, f64> {
    let Value::Object(all) = json(report) else { return BTreeMap::new() };
    let gamma = all.get("gamma").and_then(|gamma| gamma["rmse"].as_f64()).map(|gamma| ("gamma_rmse".to_owned(), gamma));
    all.into_iter().filter_map(|(key, value)| Some((key, value.as_f64()?))).chain(gamma).collect()
}

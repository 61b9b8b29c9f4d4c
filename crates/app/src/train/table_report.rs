//! What a network of a table is worth, for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json as value};
use zomma_learn::{network::Scaling, table::Assessment};

/// Inputs whose importance is shown.
const SHOWN: usize = 20;

/// Below this share of the mean's root mean square error a difference between two models is called none.
const EQUAL: f64 = 0.005;

/// The table of errors, scales and importances.
pub fn text(found: &Assessment) -> String {
    let mut text = String::new();
    let Assessment { target, inputs, rows, network, mean, ridge, importance } = found;
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n  {} on {rows} rows that were never seen        rmse         mae       R2", target.name);
    let mut line = |name: &str, rmse: f64, mae: f64, r2: f64| {
        let _ = writeln!(text, "  {name:<44}{rmse:>11.4e} {mae:>11.4e} {r2:>8.4}");
    };
    line("network", network.rmse, network.mae, network.r2);
    if let Some(ridge) = ridge {
        let name = format!("ridge regression on the same inputs, {:e}", ridge.penalty);
        line(&name, ridge.errors.rmse, ridge.errors.mae, ridge.errors.r2);
    }
    line("mean of the rows to learn from", mean.rmse, mean.mae, mean.r2);
    let _ = writeln!(text, "\n  {}", verdict(found));
    let _ = writeln!(text, "\n  {:<32}{:>14}   scaling, with centre and deviation", "input", "worth, rmse");
    for important in importance.iter().take(SHOWN) {
        let Some(column) = inputs.iter().find(|column| column.name == important.input) else { continue };
        let scale = match column.scaling {
            Scaling::None => String::new(),
            Scaling::Asinh => format!(" {:.4e}, {:.4e}", column.centre, column.unit),
            Scaling::Standard | Scaling::Robust | Scaling::Log1p => {
                format!(" {:.4e}, {:.4e}", column.mean, column.deviation)
            }
        };
        let _ = writeln!(
            text,
            "  {:<32}{:>+14.3e}   {}{scale}",
            column.name,
            important.rmse_increase,
            column.scaling.as_str()
        );
    }
    if importance.len() > SHOWN {
        let _ = writeln!(text, "  and {} more in report.json", importance.len() - SHOWN);
    }
    text
}

/// Whether the network earns its place.
fn verdict(found: &Assessment) -> String {
    let Assessment { network, mean, ridge, .. } = found;
    let than = |other: f64| 100.0 * (1.0 - network.rmse / other);
    let differs = |other: f64| (network.rmse - other).abs() > EQUAL * mean.rmse;
    let of_mean = match (differs(mean.rmse), network.rmse < mean.rmse) {
        (true, true) => format!("the network's error is {:.1} % below that of the mean", than(mean.rmse)),
        (true, false) => format!("the network is worse than the mean by {:.1} %: it learned nothing", -than(mean.rmse)),
        (false, _) => "the network is no better than the mean".to_owned(),
    };
    let of_ridge = ridge.map(|ridge| match (differs(ridge.errors.rmse), network.rmse < ridge.errors.rmse) {
        (true, true) => format!("and {:.1} % below that of the ridge regression", than(ridge.errors.rmse)),
        (true, false) => {
            format!(
                "and {:.1} % above that of the ridge regression, which is the better model",
                -than(ridge.errors.rmse)
            )
        }
        (false, _) => "and not to be told from that of the ridge regression, which is the simpler model".to_owned(),
    });
    match of_ridge {
        Some(of_ridge) => format!("{of_mean}, {of_ridge}"),
        None => of_mean,
    }
}

/// The same for programs: in the place of what is said of prices.
pub fn put(told: &mut Value, found: &Assessment) {
    let Some(told) = told.as_object_mut() else { return };
    for of_prices in ["price_rmse", "price_mae", "price_max", "delta_rmse", "delta_max", "by_input_rmse", "gamma"] {
        told.remove(of_prices);
    }
    told.retain(|key, _| key != "network_ns" && key != "teacher_ns");
    told.insert("table".into(), value!(found));
    for (key, value) in [("rmse", found.network.rmse), ("mae", found.network.mae), ("r2", found.network.r2)] {
        told.insert(key.into(), value.into());
    }
    told.insert("verdict".into(), verdict(found).into());
}

#[cfg(test)]
mod tests {
    use zomma_learn::{
        network::TargetColumn,
        table::{Errors, RidgeErrors},
    };

    use super::*;

    fn found(network: f64, ridge: f64) -> Assessment {
        let errors = |rmse| Errors { rmse, mae: rmse, r2: 1.0 - rmse * rmse };
        Assessment {
            target: TargetColumn { name: "move".into(), mean: 0.0, deviation: 1.0 },
            inputs: Vec::new(),
            rows: 100,
            network: errors(network),
            mean: errors(1.0),
            ridge: Some(RidgeErrors { errors: errors(ridge), penalty: 0.1 }),
            importance: Vec::new(),
        }
    }

    #[test]
    fn the_verdict_is_the_figures() {
        for (network, ridge, words) in [
            (0.5, 0.8, "50.0 % below that of the mean, and 37.5 % below"),
            (0.9, 0.6, "and 50.0 % above that of the ridge regression, which is the better model"),
            (0.9, 0.901, "the simpler model"),
            (1.001, 1.0, "no better than the mean"),
            (1.2, 1.0, "worse than the mean by 20.0 %"),
        ] {
            let said = verdict(&found(network, ridge));
            assert!(said.contains(words), "{said}");
        }
    }
}

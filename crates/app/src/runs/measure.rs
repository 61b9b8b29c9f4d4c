//! What a run's errors are of: what a network says differs, and errors of different things are not held against each other.

use std::collections::BTreeMap;

use serde_json::Value;
use zomma_learn::{config::PricingModel, tracking::RunRecord};

/// What the errors of a run are of, in the order in which runs are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Prices, root mean square over the strike.
    Price,
    /// Implied volatilities, root mean square.
    Volatility,
    /// Prices that solve an equation, ‖error‖/‖reference‖.
    Solution,
    /// A column of a table, root mean square in its own units.
    Target,
}

impl Measure {
    /// That of a run's config.
    pub fn of(config: &Value) -> Self {
        let model: Option<PricingModel> = serde_json::from_value(config["data"]["model"].clone()).ok();
        match model.is_some_and(PricingModel::is_implied_volatility) {
            true => Self::Volatility,
            false if model.is_some_and(PricingModel::is_table) => Self::Target,
            false if config["problem"]["equation"].is_string() => Self::Solution,
            false => Self::Price,
        }
    }

    /// The test error's name among a run's results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Price => "price_rmse",
            Self::Volatility => "volatility_rmse",
            Self::Solution => "price_relative_l2",
            Self::Target => "rmse",
        }
    }

    /// That of the worst row's; none where it is not told.
    pub fn worst_name(self) -> Option<&'static str> {
        match self {
            Self::Price | Self::Solution => Some("price_max"),
            Self::Volatility => Some("volatility_max"),
            Self::Target => None,
        }
    }

    /// That of delta's; none where the network has no delta.
    pub fn delta_name(self) -> Option<&'static str> {
        match self {
            Self::Price => Some("delta_rmse"),
            Self::Volatility | Self::Target => None,
            Self::Solution => Some("delta_relative_l2"),
        }
    }

    /// The names under which held-out errors are told at steps: of what the network says, and of its slope. None where there are none.
    pub fn held_out(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Price => Some(("held_out_price_rmse", "held_out_delta_rmse")),
            Self::Volatility => Some(("held_out_volatility_rmse", "held_out_slope_rmse")),
            Self::Target => Some(("held_out_target_rmse", "held_out_slope_rmse")),
            Self::Solution => None,
        }
    }

    /// What the network says.
    pub fn quantity(self) -> &'static str {
        match self {
            Self::Price | Self::Solution => "price",
            Self::Volatility => "volatility",
            Self::Target => "target",
        }
    }

    /// How the error is measured.
    pub fn words(self) -> &'static str {
        match self {
            Self::Price => "rmse of strike",
            Self::Volatility | Self::Target => "rmse",
            Self::Solution => "relative L2",
        }
    }

    /// Gives the numbers of a run of volatilities or of a table their names, where an earlier program called them those of prices.
    pub fn rename(self, record: &mut RunRecord) {
        if matches!(self, Self::Price | Self::Solution) {
            return;
        }
        for point in &mut record.points {
            for then in ["loss_price", "held_out_price_rmse", "held_out_price_max", "held_out_delta_rmse"] {
                if let Some(value) = point.values.remove(then) {
                    let now = then.replace("price", self.quantity()).replace("delta", "slope");
                    point.values.insert(now, value);
                }
            }
        }
    }

    /// The numbers of a `report.json`.
    pub fn results(self, report: &Value) -> BTreeMap<String, f64> {
        let numbers = report.as_object().into_iter().flatten();
        let mut results: BTreeMap<String, f64> =
            numbers.filter_map(|(key, value)| Some((key.clone(), value.as_f64()?))).collect();
        if self == Self::Solution {
            let trained = &report["validation"]["trained"];
            for (name, value) in [
                ("price_relative_l2", &trained["price"]),
                ("price_max", &trained["price_max"]),
                ("time_value_relative_l2", &trained["time_value"]),
                ("delta_relative_l2", &trained["delta"]),
                ("gamma_relative_l2", &trained["gamma"]),
                ("theta_relative_l2", &trained["theta"]),
                ("seconds", &report["speed"]["training_seconds"]),
            ] {
                results.extend(value.as_f64().map(|value| (name.to_owned(), value)));
            }
            if let Some(rounds) = report["rounds"].as_array() {
                let steps: u64 = rounds.iter().filter_map(|round| round["steps"].as_u64()).sum();
                results.extend([("rounds".to_owned(), rounds.len() as f64), ("steps".to_owned(), steps as f64)]);
            }
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_says_what_the_errors_are_of() {
        for (config, measure) in [
            (json!({ "data": { "model": "black_scholes" } }), Measure::Price),
            (json!({ "data": { "model": "black_scholes_implied_volatility" } }), Measure::Volatility),
            (json!({ "problem": { "equation": "heston" } }), Measure::Solution),
            (json!({ "data": { "model": "table" } }), Measure::Target),
            (Value::Null, Measure::Price),
        ] {
            assert_eq!(Measure::of(&config), measure, "{config}");
        }
    }

    #[test]
    fn the_report_of_an_equation_has_its_errors() {
        let report = json!({
            "held_out_residual": 0.5, "rounds": [{ "steps": 60 }, { "steps": 25 }], "speed": { "training_seconds": 12.0 },
            "validation": { "trained": { "price": 1e-4, "price_max": 1e-3, "delta": 2e-4, "name": "trained" } },
        });
        let found = Measure::Solution.results(&report);
        assert_eq!(
            (found["price_relative_l2"], found["delta_relative_l2"], found["seconds"], found["rounds"]),
            (1e-4, 2e-4, 12.0, 2.0)
        );
        assert_eq!(found["steps"], 85.0);
        assert_eq!(Measure::Price.results(&report).get("price_relative_l2"), None);
    }
}

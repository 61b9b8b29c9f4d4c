//! The config of a search: a training config with a `[search]` table beside its own.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};
use zomma_storage::studies::{Distribution, Parameter};

use super::sampler::SOBOL_DIMENSIONS;
use super::{Sampler, Space, SuccessiveHalving};
use crate::{LearnError, config::TrainConfig};

/// What is searched, how, and on what.
#[derive(Debug, Clone)]
pub struct TuneConfig {
    /// The search.
    pub search: SearchConfig,
    base: Map<String, Value>,
}

/// `[search]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// The study's name.
    pub name: String,
    /// Trials of the whole study, failed ones not counted.
    pub trials: usize,
    /// How the next is chosen.
    #[serde(default)]
    pub sampler: Sampler,
    /// Trials at once in one process; each has its share of the threads.
    #[serde(default = "one")]
    pub workers: usize,
    /// Looks at the held-out rows before the first rung of successive halving.
    #[serde(default = "one_look")]
    pub first_look: i64,
    /// How many come to a rung for one that goes on, from 2; nobody is stopped where absent.
    #[serde(default)]
    pub reduction: Option<u32>,
    /// Of which error a trial's value is the least that it met.
    #[serde(default)]
    pub objective: Objective,
    /// Trials in a row that fail in one process, such as by a learning rate that diverges, after which it gives up.
    #[serde(default = "failures")]
    pub failures: usize,
    /// Minutes without a report after which a trial that runs counts as dead.
    #[serde(default = "silent_minutes")]
    pub silent_minutes: u32,
    /// Chooses the trials.
    #[serde(default)]
    pub seed: u64,
    /// What may be tried, by the config's keys, such as `"network.width"`.
    pub space: Space,
}

/// Which held-out error is to be small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Root mean square of the price, over the strike.
    #[default]
    PriceRmse,
    /// Root mean square of delta.
    DeltaRmse,
}

fn one() -> usize {
    1
}

fn failures() -> usize {
    10
}

fn one_look() -> i64 {
    1
}

fn silent_minutes() -> u32 {
    10
}

impl TuneConfig {
    /// Reads TOML, or JSON where the text begins with a brace, and checks it: both ends and every choice of each parameter must make a config
    /// that can be trained.
    ///
    /// Errors: [`LearnError::Unreadable`], [`LearnError::BadValue`], [`LearnError::Missing`], by key.
    pub fn parse(text: &str) -> Result<Self, LearnError> {
        let unreadable = |error: String| LearnError::Unreadable(error.trim_end().to_owned());
        let mut base: Map<String, Value> = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?
        } else {
            toml::from_str(text).map_err(|error| unreadable(error.to_string()))?
        };
        let Some(search) = base.remove("search") else {
            let wanted = "a table with name, trials and space: see zomma tune --example".to_owned();
            return Err(LearnError::Missing { key: "search".to_owned(), wanted });
        };
        let search: SearchConfig =
            serde_json::from_value(search).map_err(|error| unreadable(format!("search: {error}")))?;
        for (key, value, allowed, right) in [
            ("search.trials", search.trials, "1 or more", search.trials >= 1),
            ("search.failures", search.failures, "1 or more", search.failures >= 1),
            ("search.workers", search.workers, "1 to 256", (1..=256).contains(&search.workers)),
            ("search.first_look", search.first_look.max(0) as usize, "1 or more", search.first_look >= 1),
            (
                "search.reduction",
                search.reduction.unwrap_or(2) as usize,
                "2 or more",
                search.reduction != Some(0) && search.reduction != Some(1),
            ),
        ] {
            if !right {
                return Err(LearnError::bad(key, value, allowed));
            }
        }
        if search.sampler == Sampler::Sobol && search.space.parameters().len() > SOBOL_DIMENSIONS {
            let allowed = format!("another sampler, or at most {SOBOL_DIMENSIONS} parameters");
            return Err(LearnError::bad("search.sampler", "sobol", allowed));
        }
        let config = Self { search, base };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), LearnError> {
        let parameters = self.search.space.parameters();
        let first: Vec<Parameter> = parameters
            .iter()
            .map(|(name, distribution)| Parameter {
                name: name.clone(),
                kept: extremes(distribution)[0],
                distribution: distribution.clone(),
            })
            .collect();
        if let Some(place) = self.train_config(&first)?.training.checkpoints {
            let allowed = "absent in a search, whose trials would write over one another's";
            return Err(LearnError::bad("training.checkpoints", place, allowed));
        }
        for (at, (_, distribution)) in parameters.iter().enumerate() {
            for kept in extremes(distribution) {
                let mut tried = first.clone();
                tried[at].kept = kept;
                self.train_config(&tried)?;
            }
        }
        Ok(())
    }

    /// Where the shards lie that every trial learns from, where there are shards.
    pub fn shards(&self) -> Option<&str> {
        self.base.get("data")?.get("shards")?.as_str()
    }

    /// The training config with these parameters in it.
    ///
    /// Errors: as [`TrainConfig::parse`], with the parameters named.
    pub fn train_config(&self, parameters: &[Parameter]) -> Result<TrainConfig, LearnError> {
        let mut values = Value::Object(self.base.clone());
        for Parameter { name, kept, distribution } in parameters {
            let value = distribution.value(*kept).ok_or_else(|| {
                LearnError::bad(&format!("search.space.{name}"), kept, "a value of the search's space")
            })?;
            let mut place = &mut values;
            for key in name.split('.') {
                let Some(table) = place.as_object_mut() else {
                    return Err(LearnError::bad(
                        "search.space",
                        name,
                        "keys of tables of the config, such as network.width",
                    ));
                };
                place = table.entry(key).or_insert_with(|| Value::Object(Map::new()));
            }
            *place = value;
        }
        let tried = || {
            let shown = |parameter: &Parameter| {
                let value = parameter.distribution.value(parameter.kept).unwrap_or_default();
                format!("{} = {value}", parameter.name)
            };
            parameters.iter().map(shown).collect::<Vec<_>>().join(", ")
        };
        let config: TrainConfig = serde_json::from_value(values)
            .map_err(|error| LearnError::Unreadable(format!("with {}: {error}", tried())))?;
        config.check().map_err(|error| LearnError::Unreadable(format!("with {}: {error}", tried())))?;
        Ok(config)
    }

    /// The training config whose network and batches are the largest that the space allows, all else as it is first; None where no such config is
    /// allowed.
    pub fn largest(&self) -> Option<TrainConfig> {
        let grows = |name: &str| matches!(name, "network.width" | "network.depth" | "training.batch");
        let parameter = |(name, distribution): &(String, Distribution)| {
            let size = |kept: &f64| distribution.value(*kept).and_then(|value| value.as_f64()).unwrap_or(0.0);
            let mut ends = extremes(distribution).into_iter();
            let kept = if grows(name) { ends.max_by(|a, b| size(a).total_cmp(&size(b))) } else { ends.next() };
            Parameter { name: name.clone(), kept: kept.unwrap_or_default(), distribution: distribution.clone() }
        };
        let parameters: Vec<Parameter> = self.search.space.parameters().iter().map(parameter).collect();
        self.train_config(&parameters).ok()
    }

    /// When a trial is given up early.
    pub fn halving(&self) -> Option<SuccessiveHalving> {
        let reduction = self.search.reduction?;
        Some(SuccessiveHalving { first_step: self.search.first_look, reduction })
    }
}

/// The kept values that a config must bear: the ends of an interval, every choice.
fn extremes(distribution: &Distribution) -> Vec<f64> {
    match distribution {
        Distribution::Float { low, high, .. } => vec![*low, *high],
        Distribution::Integer { low, high, .. } => {
            BTreeSet::from([*low, *high]).into_iter().map(|end| end as f64).collect()
        }
        Distribution::Categorical { choices } => (0..choices.len()).map(|choice| choice as f64).collect(),
    }
}

/// A commented config of a search.
pub const TUNE_EXAMPLE: &str = r#"# A search over networks that price under Black-Scholes: a training config, and what of it is searched.
# Run it:  zomma tune black_scholes_search.toml -o runs/search      Go on after a stop: the same again. Read it: zomma tune report runs/search

[search]
name = "black_scholes"
trials = 40                 # of the whole study, however many processes work on it
sampler = "tpe"             # or random, sobol, quasi_random
workers = 1                 # trials at once, each with its share of the threads
first_look = 2              # successive halving: the first rung, in looks at the held-out rows (training.evaluate_every)
reduction = 3               # of so many that come to a rung one goes on; nobody is stopped where absent
objective = "price_rmse"    # or delta_rmse
failures = 10               # trials in a row that fail in one process, after which it gives up
silent_minutes = 10         # without a report, after which a trial that runs counts as dead
seed = 1

[search.space]              # by the config's keys; whole numbers, numbers, or one of a list
"network.width" = { low = 16, high = 96, step = 16 }
"network.depth" = { low = 2, high = 4 }
"network.activation" = ["silu", "softplus", "tanh"]
"training.learning_rate" = { low = 3e-4, high = 1e-2, log = true }

[network]
features = ["standardised_moneyness", "total_volatility"]

[data]
model = "black_scholes"
differentials = true
near_the_money = 0.5
held_out = 16384
seed = 1

[data.ranges]
moneyness = { min = 0.5, max = 2.0, scale = "log" }
expiry_years = { min = 0.02, max = 3.0, scale = "sqrt" }
volatility = { min = 0.05, max = 1.0 }

[training]
steps = 4000
batch = 1024
learning_rate = 0.002
warm_up = 100
clip_norm = 10.0
ema = 0.998
evaluate_every = 500
checkpoint_every = 2000
seed = 1
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_search_and_its_parameters_reach_the_config() {
        let config = TuneConfig::parse(TUNE_EXAMPLE).unwrap();
        let space = &config.search.space;
        let parameters = Sampler::QuasiRandom.suggest(
            space,
            zomma_storage::studies::Direction::Minimize,
            &[],
            3,
            config.search.seed,
        );
        let trained = config.train_config(&parameters).unwrap();
        let kept = |name: &str| parameters.iter().find(|parameter| parameter.name == name).unwrap().kept;
        assert_eq!(trained.network.width as f64, kept("network.width"));
        assert_eq!(trained.network.depth as f64, kept("network.depth"));
        assert_eq!(trained.training.learning_rate, kept("training.learning_rate"));
        assert_eq!(config.halving(), Some(SuccessiveHalving { first_step: 2, reduction: 3 }));
    }

    #[test]
    fn the_largest_trial_has_the_greatest_of_each_size_and_the_first_of_all_else() {
        let text = TUNE_EXAMPLE.replace("\"network.depth\" = { low = 2, high = 4 }", "\"network.depth\" = [3, 5, 2]");
        let largest = TuneConfig::parse(&text).unwrap().largest().unwrap();
        assert_eq!((largest.network.width, largest.network.depth, largest.training.batch), (96, 5, 1024));
        assert_eq!(largest.training.learning_rate, 3e-4);
    }

    #[test]
    fn what_cannot_be_searched_is_named() {
        for (from, to, named) in [
            ("\"network.depth\" =", "\"network.dept\" =", "dept"),
            ("low = 16, high = 96, step = 16", "low = 0, high = 96, step = 16", "network.width"),
            ("\"tanh\"]", "\"tanhh\"]", "tanhh"),
            ("trials = 40 ", "trials = 0 ", "search.trials"),
            ("reduction = 3 ", "reduction = 1 ", "search.reduction"),
            ("failures = 10 ", "failures = 0 ", "search.failures"),
            ("workers = 1 ", "wrokers = 1 ", "wrokers"),
            ("\"network.depth\" =", "\"network.width.depth\" =", "network.width"),
            ("[search]", "[serch]", "missing field `name`"),
        ] {
            let text = TUNE_EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, TUNE_EXAMPLE, "{from}");
            let error = TuneConfig::parse(&text).unwrap_err().to_string();
            assert!(error.contains(named), "{to}: {error}");
        }
    }
}

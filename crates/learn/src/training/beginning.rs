//! Where a run begins, or goes on from: its first state, or that of a checkpoint in its folder or in its second place; and what its errors weigh.

use serde_json::Value;
use zomma_storage::Place;

use super::{Checkpoint, LossScale, RunFolder, State, mirror};
use crate::LearnError;
use crate::config::{PriceScale, TrainConfig, TrainingConfig};
use crate::data::Rows;
use crate::network::{Architecture, LossScales, MOST_INPUTS};

/// What a run is of, before it has a state.
pub(super) struct Fresh<'a> {
    pub config: &'a TrainConfig,
    pub architecture: Architecture,
    pub shards: Option<&'a str>,
}

impl Fresh<'_> {
    /// Where a run begins, or goes on; and how it is trained otherwise than before, where it goes on.
    pub(super) fn begin(self, folder: &RunFolder, resume: bool) -> Result<(Checkpoint, Option<String>), LearnError> {
        let Self { config, architecture, shards } = self;
        let path = folder.checkpoint();
        let training = &config.training;
        let mut changes = None;
        let state = if resume {
            if !path.exists() {
                let reason = "there is no checkpoint to go on from yet: begin without --resume, which takes this folder as it is";
                return Err(LearnError::file(&path, reason));
            }
            let checkpoint = Checkpoint::read(&path)?;
            checkpoint.continues(&path, &architecture, config, shards)?;
            changes = told(&changed(&checkpoint.config.training, training));
            let mut state = checkpoint.state;
            // The precision may be another from here on.
            let kept = state.standing.loss_scale.filter(|_| training.precision == checkpoint.config.training.precision);
            state.standing.loss_scale =
                kept.or_else(|| LossScale::first(training)).filter(|_| training.first_loss_scale().is_some());
            state
        } else {
            let (layout, gain) = (architecture.layout(), architecture.activation.gain());
            let mut state = State::new(&layout, gain, training.seed, training.ema.is_some());
            state.standing.shards = shards.map(str::to_owned);
            state.standing.loss_scale = LossScale::first(training);
            state
        };
        Ok((Checkpoint { architecture, config: config.clone(), state }, changes))
    }

    /// Refuses a new run where there is one, and brings what lies in the second place into the folder of one that goes on; what there is to say.
    pub(super) fn settle(
        &self,
        folder: &RunFolder,
        second: Option<&Place>,
        resume: bool,
    ) -> Result<Option<String>, LearnError> {
        let (path, network) = (folder.checkpoint(), folder.network());
        if !resume && path.exists() {
            return Err(LearnError::file(&path, "a run is here already: go on with --resume, or name another folder"));
        }
        if !resume && network.exists() {
            return Err(LearnError::file(&network, "a network is here already: name another folder, or move it away"));
        }
        let Some(second) = second else { return Ok(None) };
        if !resume {
            return mirror::refuse_run(second).map(|()| None);
        }
        mirror::bring(folder, second, |there, path| there.continues(path, &self.architecture, self.config, self.shards))
    }
}

/// What of how a run is trained differs from before, by field, then and now; how long it is trained may differ always.
fn changed(then: &TrainingConfig, now: &TrainingConfig) -> Vec<(String, Value, Value)> {
    let fields = |training: &TrainingConfig| match serde_json::to_value(training) {
        Ok(Value::Object(fields)) => fields,
        // A struct that serialises is an object.
        _ => serde_json::Map::new(),
    };
    let then = fields(then);
    let of = |name: &str| then.get(name).cloned().unwrap_or(Value::Null);
    let differ = fields(now)
        .into_iter()
        .map(|(name, now)| (of(&name), name, now))
        .filter(|(then, name, now)| then != now && !matches!(name.as_str(), "steps" | "minutes"));
    differ.map(|(then, name, now)| (name, then, now)).collect()
}

/// The changes in a line.
fn told(changes: &[(String, Value, Value)]) -> Option<String> {
    let each: Vec<String> =
        changes.iter().map(|(name, then, now)| format!("training.{name} is {now} and was {then}")).collect();
    (!each.is_empty()).then(|| format!("goes on otherwise than it began: {}", each.join("; ")))
}

/// Weights of the errors: each derivative's in its own mean square over rows to learn from, all together the config's weight.
pub(super) fn scales(config: &TrainConfig, fitted: &Rows) -> LossScales {
    let inputs = config.data.inputs();
    let mut squares = [0.0; MOST_INPUTS];
    for row in fitted.differentials.chunks_exact(inputs) {
        squares.iter_mut().zip(row).for_each(|(square, x)| *square += x * x / fitted.len() as f64);
    }
    let weight = config.training.differential_weight / inputs as f64;
    LossScales {
        by_total_volatility: config.training.price_scale == PriceScale::TotalVolatility
            && !config.data.model.is_table(),
        differentials: squares.map(|square| if square > 0.0 { weight / square } else { 0.0 }),
        gradient: 1.0,
    }
}

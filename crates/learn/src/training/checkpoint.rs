//! Checkpoints: the whole state of a run, so that a resumed one goes on bit for bit.

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use super::container::VERSION;
use super::{Adam, State, container, state::Standing};
use crate::LearnError;
use crate::config::TrainConfig;
use crate::network::Architecture;

#[derive(Serialize, Deserialize)]
struct Header {
    architecture: Architecture,
    config: TrainConfig,
    optimiser_steps: u64,
    standing: Standing,
}

/// A state with what it is a state of.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The network.
    pub architecture: Architecture,
    /// The config of the run.
    pub config: TrainConfig,
    /// Where it stood.
    pub state: State,
}

impl Checkpoint {
    /// Writes a state, whole or not at all.
    ///
    /// Errors: [`LearnError::File`]; what was at `path` before is still there then.
    pub fn write(
        path: &Path,
        architecture: &Architecture,
        config: &TrainConfig,
        state: &State,
    ) -> Result<(), LearnError> {
        let bytes = Self::encode(architecture, config, state).map_err(|error| LearnError::file(path, error))?;
        container::write_whole(path, &bytes)
    }

    /// The file's bytes.
    ///
    /// Errors: [`LearnError::Unreadable`] for numbers that JSON does not know.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LearnError> {
        let bytes = Self::encode(&self.architecture, &self.config, &self.state);
        bytes.map_err(|error| LearnError::Unreadable(error.to_string()))
    }

    fn encode(architecture: &Architecture, config: &TrainConfig, state: &State) -> Result<Vec<u8>, serde_json::Error> {
        let header = Header {
            architecture: architecture.clone(),
            config: config.clone(),
            optimiser_steps: state.adam.taken,
            standing: state.standing.clone(),
        };
        let State { parameters, averaged, statistics, adam, .. } = state;
        container::encode(&header, &[parameters, averaged, statistics, &adam.mean, &adam.square])
    }

    /// Reads one.
    ///
    /// Errors: [`LearnError::File`] with what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, LearnError> {
        let bytes = std::fs::read(path).map_err(|error| LearnError::file(path, format!("cannot be read: {error}")))?;
        Self::from_bytes(&bytes).map_err(|reason| LearnError::file(path, reason))
    }

    /// Reads the file's bytes; or says what is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (header, vectors): (Header, _) = container::decode(bytes)?;
        header.architecture.check()?;
        let layout = header.architecture.layout();
        let lengths: Vec<usize> = vectors.iter().map(Vec::len).collect();
        let count = layout.parameters();
        let fits = matches!(lengths[..], [p, a, s, m, v]
            if p == count && (a == 0 || a == count) && s == layout.statistics() && m == count && v == count);
        let Ok([parameters, averaged, statistics, mean, square]) = <[Vec<f32>; 5]>::try_from(vectors) else {
            return Err("is not a checkpoint".into());
        };
        if !fits {
            return Err(format!("has vectors of {lengths:?} numbers for a network of {count} parameters"));
        }
        let adam = Adam { mean, square, taken: header.optimiser_steps };
        let state = State { parameters, averaged, statistics, adam, standing: header.standing };
        Ok(Self { architecture: header.architecture, config: header.config, state })
    }

    /// Whether a run of `architecture` and `config` may go on from here; `shards` is what tells its shards' rows from others.
    ///
    /// Errors: [`LearnError::File`] with what differs: the network, the data, or whether an average is kept; [`LearnError::BadValue`] where
    /// the config asks for fewer steps than are done.
    pub fn continues(
        &self,
        path: &Path,
        architecture: &Architecture,
        config: &TrainConfig,
        shards: Option<&str>,
    ) -> Result<(), LearnError> {
        let mut data = self.config.data.clone();
        // Where shards lie is no part of what is learned.
        if let (Some(place), Some(now)) = (&mut data.shards, &config.data.shards) {
            place.clone_from(now);
        }
        if data == config.data && self.state.standing.shards.as_deref() != shards {
            let place = config.data.shards.as_deref().unwrap_or_default();
            return Err(LearnError::file(path, format!("learned other rows: the shards in {place} have changed")));
        }
        if data != config.data {
            return Err(LearnError::file(path, "learned other data: [data] of the config differs"));
        }
        let (then, now) = (self.config.training.seed, config.training.seed);
        if then != now {
            let reason =
                format!("drew its rows by training.seed = {then}; the config says {now}, whose rows are others");
            return Err(LearnError::file(path, reason));
        }
        if self.architecture != *architecture {
            let (found, wanted) = (self.architecture.describe(), architecture.describe());
            return Err(LearnError::file(path, format!("is of another network: {found}; the config says {wanted}")));
        }
        if self.state.averaged.is_empty() != config.training.ema.is_none() {
            return Err(LearnError::file(path, "training.ema was set in one of the config and the checkpoint only"));
        }
        let done = self.state.standing.step;
        if let Some(steps) = config.training.steps.filter(|steps| *steps < done) {
            let allowed = format!("{done} or more, the steps that {} has done", path.display());
            return Err(LearnError::bad("training.steps", steps, allowed));
        }
        Ok(())
    }
}

//! Where a run stands between two rounds, and the file that holds it. Numbers are kept as their bits, so that a resumed run goes on with
//! the same.

use std::path::Path;

use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::PinnConfig;
use crate::LearnError;
use crate::training::container;

/// What minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Adam.
    Adam,
    /// L-BFGS.
    Lbfgs,
}

impl Phase {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::Lbfgs => "l_bfgs",
        }
    }
}

/// What came of one round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// What minimised.
    pub phase: Phase,
    /// Steps taken.
    pub steps: u64,
    /// Evaluations of loss and gradient.
    pub evaluations: u64,
    /// Seconds of training at its end, all sittings together.
    pub seconds: f64,
    /// The loss at its end.
    pub loss: f64,
    /// Root mean square of the residual on the held-out points.
    pub held_out: f64,
    /// Its greatest there.
    pub held_out_max: f64,
    /// Weights of body, wings and near expiry.
    pub weights: [f64; 3],
}

/// A run without its vectors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The rounds.
    pub rounds: Vec<Round>,
    /// Adam's steps, all rounds together.
    pub adam_steps: u64,
    /// Whether training is done.
    pub finished: bool,
}

impl Standing {
    /// Steps done, all rounds together.
    pub fn steps(&self) -> u64 {
        self.rounds.iter().map(|round| round.steps).sum()
    }

    /// The least held-out residual met and its round.
    pub fn best(&self) -> Option<(usize, f64)> {
        let all = self.rounds.iter().map(|round| round.held_out).enumerate();
        all.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }
}

/// Adam's memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moments {
    pub mean: Vec<f64>,
    pub square: Vec<f64>,
}

/// A run between two rounds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub parameters: Vec<f64>,
    /// Those of the least held-out residual.
    pub best: Vec<f64>,
    pub moments: Moments,
    pub standing: Standing,
}

#[derive(Serialize, Deserialize)]
struct File {
    config: PinnConfig,
    standing: Standing,
    vectors: Vec<Vec<u64>>,
}

/// As much of a file's header as tells it from those of other networks.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "config")]
    _config: KindOfConfig,
}

#[derive(Deserialize)]
struct KindOfConfig {
    #[serde(rename = "problem")]
    _problem: IgnoredAny,
}

/// Whether a file is one of these.
pub(super) fn is_at(path: &Path) -> bool {
    container::read::<Kind>(path).is_ok()
}

/// Writes vectors with what they belong to, whole or not at all.
pub(super) fn write(
    path: &Path,
    config: &PinnConfig,
    standing: &Standing,
    vectors: &[&[f64]],
) -> Result<(), LearnError> {
    let bits = |vector: &&[f64]| vector.iter().map(|x| x.to_bits()).collect();
    let vectors = vectors.iter().map(bits).collect();
    container::write(path, &File { config: config.clone(), standing: standing.clone(), vectors }, &[])
}

/// Reads `count` vectors of one length.
pub(super) fn read(
    path: &Path,
    count: usize,
    length: impl Fn(&PinnConfig) -> usize,
) -> Result<(PinnConfig, Standing, Vec<Vec<f64>>), LearnError> {
    let (File { config, standing, vectors }, _) = container::read(path)?;
    config.check().map_err(|error| LearnError::file(path, format!("has a config that is not allowed: {error}")))?;
    let wanted = length(&config);
    if vectors.len() != count || vectors.iter().any(|vector| vector.len() != wanted) {
        let found: Vec<usize> = vectors.iter().map(Vec::len).collect();
        let reason = format!("has vectors of {found:?} numbers: {count} of {wanted} were expected");
        return Err(LearnError::file(path, reason));
    }
    let numbers = |vector: Vec<u64>| vector.into_iter().map(f64::from_bits).collect();
    Ok((config, standing, vectors.into_iter().map(numbers).collect()))
}

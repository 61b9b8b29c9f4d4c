//! All that a run is, between two steps: what a checkpoint holds.

use serde::{Deserialize, Serialize};

use super::{Adam, LossScale, guard::Guard};
use crate::network::Layout;

/// A network that was kept for its held-out error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The step after which it was met.
    pub step: u64,
    /// Root mean square of its price error over the held-out rows, in strikes.
    pub price_rmse: f64,
}

/// Where a run stands, without its vectors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Steps done, the skipped ones included.
    pub step: u64,
    /// Rows drawn.
    pub drawn: u64,
    /// Seconds of training, all sittings together.
    pub seconds: f64,
    /// What was watched.
    pub guard: Guard,
    /// The loss scale, where the precision wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
    /// The best networks, best first.
    pub best: Vec<Kept>,
    /// Looks at the held-out rows since the best network got better.
    pub looks_without_better: u64,
    /// What tells the rows of its shards from others, where it learns from shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<String>,
    /// Whether the run ended as it was meant to.
    pub finished: bool,
}

/// A run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The network's parameters.
    pub parameters: Vec<f32>,
    /// Their average over the steps; empty where none is kept.
    pub averaged: Vec<f32>,
    /// Running statistics of batch normalisation.
    pub statistics: Vec<f32>,
    /// The optimiser's memory.
    pub adam: Adam,
    /// The rest.
    pub standing: Standing,
}

impl State {
    /// Before the first step.
    pub fn new(layout: &Layout, gain: f64, seed: u64, averages: bool) -> Self {
        let parameters = layout.first_parameters(gain, seed);
        Self {
            averaged: if averages { parameters.clone() } else { Vec::new() },
            adam: Adam::new(parameters.len()),
            statistics: layout.first_statistics(),
            parameters,
            standing: Standing::default(),
        }
    }

    /// The parameters that are looked at and kept: the averaged ones where there are any.
    pub fn shown(&self) -> &[f32] {
        if self.averaged.is_empty() { &self.parameters } else { &self.averaged }
    }

    /// Moves the average towards the parameters. Early on it follows faster, so that the first weights are soon forgotten.
    pub fn average(&mut self, kept: f64) {
        let taken = self.adam.taken as f64;
        let kept = kept.min((1.0 + taken) / (10.0 + taken)) as f32;
        for (average, parameter) in self.averaged.iter_mut().zip(&self.parameters) {
            *average += (1.0 - kept) * (parameter - *average);
        }
    }
}

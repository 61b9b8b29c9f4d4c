//! A trained network as a file: architecture, parameters, and what was measured of it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Evaluation, container};
use crate::LearnError;
use crate::config::DataConfig;
use crate::network::{Architecture, Native};

/// A network that prices.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedNetwork {
    /// What it is.
    pub architecture: Architecture,
    /// Its parameters, as the layout places them.
    pub parameters: Vec<f32>,
    /// Running statistics of batch normalisation.
    pub statistics: Vec<f32>,
    /// The step after which it was met.
    pub step: u64,
    /// Its errors on held-out rows, where they were looked at.
    pub evaluation: Option<Evaluation>,
    /// What it learned, and where; none of a file from before this was kept.
    pub data: Option<DataConfig>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    architecture: Architecture,
    step: u64,
    evaluation: Option<Evaluation>,
    #[serde(default)]
    data: Option<DataConfig>,
}

impl TrainedNetwork {
    /// Writes it, whole or not at all.
    ///
    /// Errors: [`LearnError::File`].
    pub fn write(&self, path: &Path) -> Result<(), LearnError> {
        let Self { architecture, parameters, statistics, step, evaluation, data } = self;
        let header = Header {
            architecture: architecture.clone(),
            step: *step,
            evaluation: evaluation.clone(),
            data: data.clone(),
        };
        container::write(path, &header, &[parameters, statistics])
    }

    /// Reads one.
    ///
    /// Errors: [`LearnError::File`] with what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, LearnError> {
        let (Header { architecture, step, evaluation, data }, vectors): (Header, _) = container::read(path)?;
        architecture.check().map_err(|reason| LearnError::file(path, reason))?;
        let layout = architecture.layout();
        let Ok([parameters, statistics]) = <[Vec<f32>; 2]>::try_from(vectors) else {
            return Err(LearnError::file(path, "is not a network"));
        };
        if parameters.len() != layout.parameters() || statistics.len() != layout.statistics() {
            return Err(LearnError::file(path, "has not as many numbers as its network has parameters"));
        }
        Ok(Self { architecture, parameters, statistics, step, evaluation, data })
    }

    /// Our own engine for it, where it is a plain network.
    pub fn native(&self) -> Option<Native> {
        self.architecture.is_plain().then(|| Native::new(self.architecture.clone()))
    }
}

/// A checksum of parameters: equal for equal bits.
pub fn checksum(parameters: &[f32]) -> u64 {
    let bytes: Vec<u8> = parameters.iter().flat_map(|x| x.to_le_bytes()).collect();
    container::fnv(&bytes)
}

/// The same of parameters of f64.
pub fn checksum_f64(parameters: &[f64]) -> u64 {
    let bytes: Vec<u8> = parameters.iter().flat_map(|x| x.to_le_bytes()).collect();
    container::fnv(&bytes)
}

//! A trained network as a pricer: rows in, prices and Greeks out.

use std::path::Path;

use rayon::prelude::*;
use zomma_pricing::black::Row;

use super::ansatz::value;
use super::config::PinnConfig;
use super::jets::Network;
use super::points::Points;
use super::problem::{Priced, Problem};
use super::state::{self, Standing};
use crate::LearnError;
use crate::data::uniform;

/// Rows of a part of a batch.
const ROWS: usize = 1024;

/// A network with the equation that it solves.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The config of its run.
    pub config: PinnConfig,
    /// Its parameters.
    pub parameters: Vec<f64>,
    /// How the run went.
    pub standing: Standing,
}

impl Solution {
    /// The ansatz before any training, of a checked config.
    pub fn untrained(config: PinnConfig) -> Self {
        let seed = config.sampling.seed;
        let parameters = network_of(&config).first_parameters(|i| uniform(seed ^ 0x7069_6e6e, i));
        Self { config, parameters, standing: Standing::default() }
    }

    /// The shape of its network.
    pub fn network(&self) -> Network {
        network_of(&self.config)
    }

    /// Its equation.
    pub fn problem(&self) -> Problem {
        Problem::new(&self.config)
    }

    /// Prices and Greeks of rows; None for a row that is not of the model's world (see [`Problem::of_row`]). Nothing keeps a row within
    /// the domain of the config, which [`Self::status`] knows: outside, the network guesses.
    pub fn price(&self, rows: &[Row]) -> Vec<Option<Priced>> {
        let (problem, network) = (self.problem(), self.network());
        let order = problem.order();
        let parts: Vec<Vec<Option<Priced>>> = rows
            .par_chunks(ROWS)
            .map(|rows| {
                let places: Vec<_> = rows.iter().map(|row| problem.of_row(row)).collect();
                let points = Points::new(&problem, places.iter().flatten().copied().collect());
                let mut jets =
                    points.map(network, &self.parameters, |fixed, last| value(order, fixed, last)).into_iter();
                rows.iter()
                    .zip(places)
                    .map(|(row, place)| place.and_then(|place| Some(problem.priced(row, place, &jets.next()?))))
                    .collect()
            })
            .collect();
        parts.into_iter().flatten().collect()
    }

    /// Writes it, whole or not at all.
    ///
    /// Errors: [`LearnError::File`].
    pub fn write(&self, path: &Path) -> Result<(), LearnError> {
        state::write(path, &self.config, &self.standing, &[&self.parameters])
    }

    /// Whether a file is of a network that solves an equation, or of a run that trains one.
    pub fn is_at(path: &Path) -> bool {
        state::is_at(path)
    }

    /// Reads one.
    ///
    /// Errors: [`LearnError::File`] with what is wrong with it, parameters that are no numbers among it.
    pub fn read(path: &Path) -> Result<Self, LearnError> {
        let (config, standing, mut vectors) = state::read(path, 1, |config| network_of(config).parameters())?;
        let parameters = vectors.swap_remove(0);
        if let Some(bad) = parameters.iter().find(|x| !x.is_finite()) {
            return Err(LearnError::file(path, format!("has a parameter that is no number ({bad})")));
        }
        Ok(Self { config, standing, parameters })
    }
}

/// The shape that a config asks for.
pub(super) fn network_of(config: &PinnConfig) -> Network {
    let super::PinnNetworkConfig { width, depth, activation, .. } = config.network;
    Network { features: Problem::new(config).features(), width, depth, activation }
}

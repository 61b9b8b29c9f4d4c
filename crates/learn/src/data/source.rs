//! Where a step's rows come from: fresh points for every step, a stated number of them drawn again and again, or shards.

use rayon::prelude::*;

use zomma_storage::Place;

use super::Rows;
use super::labels::label;
use super::points::{PointSet, uniform};
use super::shards::Shards;
use crate::LearnError;
use crate::config::{DataConfig, PricingModel};

/// Rows that scales are fitted to.
const FITTED_ROWS: usize = 8192;

/// Rows to learn from. What a step sees depends on the config and on how many rows were drawn before, on nothing else.
#[derive(Debug)]
pub struct Source {
    points: PointSet,
    model: PricingModel,
    /// The rows that are drawn again and again, where their number is stated.
    stored: Option<Rows>,
    shards: Option<Shards>,
    config: DataConfig,
    order_seed: u64,
}

impl Source {
    /// Of a checked config. Labels the stated number of rows, where one is stated. `order_seed` shuffles them.
    ///
    /// Errors: [`LearnError::BadLabels`]; [`LearnError::BadValue`] where the config names shards: see [`Self::open`].
    pub fn new(config: &DataConfig, order_seed: u64) -> Result<Self, LearnError> {
        Self::open(config, order_seed, None)
    }

    /// As [`Self::new`], and from the shards of the config, whose `place` is opened by whoever knows how it is reached.
    ///
    /// Errors: as [`Self::new`] and [`Shards::open`].
    pub fn open(config: &DataConfig, order_seed: u64, place: Option<Place>) -> Result<Self, LearnError> {
        let points = PointSet::training(config);
        let shards = match (&config.shards, place) {
            (None, _) => None,
            (Some(_), Some(place)) => Some(Shards::open(config, order_seed, place)?),
            (Some(shards), None) => {
                return Err(LearnError::bad(
                    "data.shards",
                    shards,
                    "labels that are made on the way: shards are not read here",
                ));
            }
        };
        let stored = config.samples.map(|samples| labelled(&points, 0, samples)).transpose()?;
        Ok(Self { points, model: config.model, stored, shards, config: config.clone(), order_seed })
    }

    /// What tells the shards' rows from others, where it draws from shards.
    pub fn identity(&self) -> Option<&str> {
        self.shards.as_ref().map(Shards::identity)
    }

    /// The shards that it draws from, where it does.
    pub fn shards(&self) -> Option<&Shards> {
        self.shards.as_ref()
    }

    /// Fills `rows` with those after the first `drawn`.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn draw(&self, drawn: u64, rows: &mut Rows) -> Result<(), LearnError> {
        if let Some(shards) = &self.shards {
            return shards.draw(drawn, rows);
        }
        let inputs = self.model.input_names().len();
        let Some(stored) = &self.stored else { return fill(&self.points, drawn, rows) };
        let samples = stored.len() as u64;
        for i in 0..rows.len() {
            let position = drawn + i as u64;
            let from = shuffled(position % samples, samples, self.order_seed ^ (position / samples)) as usize;
            let (to, from_inputs) = (i * inputs..(i + 1) * inputs, from * inputs..(from + 1) * inputs);
            rows.inputs[to.clone()].copy_from_slice(&stored.inputs[from_inputs.clone()]);
            rows.differentials[to].copy_from_slice(&stored.differentials[from_inputs]);
            (rows.prices[i], rows.gammas[i]) = (stored.prices[from], stored.gammas[from]);
        }
        Ok(())
    }

    /// Rows to learn from that stand for all: what scales are fitted to.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn fitted(&self) -> Result<Rows, LearnError> {
        self.shards.as_ref().map_or_else(|| self.first(FITTED_ROWS), |shards| Ok(shards.fitted().clone()))
    }

    /// Rows that are never learned, which choose the network.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn held_out_rows(&self) -> Result<Rows, LearnError> {
        self.shards.as_ref().map_or_else(|| Self::held_out(&self.config), |shards| Ok(shards.held_out().clone()))
    }

    /// Rows that are never learned, for the last word.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn tested_rows(&self) -> Result<Rows, LearnError> {
        self.shards.as_ref().map_or_else(|| Self::tested(&self.config), |shards| Ok(shards.tested().clone()))
    }

    /// The first `count` points to learn from with their labels, in the order of the sequence, whatever is drawn.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn first(&self, count: usize) -> Result<Rows, LearnError> {
        labelled(&self.points, 0, count)
    }

    /// The held-out rows of a config.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn held_out(config: &DataConfig) -> Result<Rows, LearnError> {
        labelled(&PointSet::held_out(config), 0, config.held_out)
    }

    /// As many rows again, of yet another seed: for the last word on a network that was chosen by the held-out rows.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn tested(config: &DataConfig) -> Result<Rows, LearnError> {
        labelled(&PointSet::tested(config), 0, config.held_out)
    }
}

pub(super) fn labelled(points: &PointSet, first: u64, count: usize) -> Result<Rows, LearnError> {
    let mut rows = Rows::zeros(count, points.model().input_names().len());
    fill(points, first, &mut rows)?;
    Ok(rows)
}

fn fill(points: &PointSet, first: u64, rows: &mut Rows) -> Result<(), LearnError> {
    let inputs = points.model().input_names().len();
    let point = |(i, row): (usize, &mut [f64])| points.point(first + i as u64, row);
    rows.inputs.par_chunks_exact_mut(inputs).with_min_len(256).enumerate().for_each(point);
    label(points.model(), rows)
}

/// Where row `position` of an epoch of `samples` rows comes from: a permutation by four Feistel rounds on halves of enough bits, walked
/// until it falls among the samples (J. Black and P. Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
fn shuffled(position: u64, samples: u64, seed: u64) -> u64 {
    let half = (64 - samples.saturating_sub(1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half) - 1;
    let mut at = position;
    loop {
        let (mut left, mut right) = (at >> half, at & mask);
        for round in 0..4 {
            let word = (uniform(seed.wrapping_add(round), right) * (1u64 << 53) as f64) as u64;
            (left, right) = (right, left ^ (word & mask));
        }
        at = left << half | right;
        if at < samples {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(samples: Option<usize>) -> DataConfig {
        let samples = samples.map_or(String::new(), |samples| format!("samples = {samples}\n"));
        toml::from_str(&format!(
            "model = \"black_scholes\"\n{samples}[ranges]\nmoneyness = {{ min = 0.5, max = 2.0 }}\n\
             expiry_years = {{ min = 0.02, max = 3.0 }}\nvolatility = {{ min = 0.05, max = 1.0 }}"
        ))
        .unwrap()
    }

    #[test]
    fn an_epoch_draws_every_stored_row_once_and_the_next_in_another_order() {
        for samples in [1, 2, 17, 64, 1000] {
            for seed in 0..3 {
                let mut drawn: Vec<u64> = (0..samples).map(|position| shuffled(position, samples, seed)).collect();
                drawn.sort_unstable();
                assert!(drawn.iter().copied().eq(0..samples), "{samples}");
            }
        }
        let order = |seed| (0..64).map(|position| shuffled(position, 64, seed)).collect::<Vec<u64>>();
        assert_ne!(order(0), order(1));
    }

    #[test]
    fn what_is_drawn_depends_on_the_position_alone() {
        for samples in [None, Some(100)] {
            let source = Source::new(&config(samples), 7).unwrap();
            let (mut whole, mut part) = (Rows::zeros(600, 3), Rows::zeros(200, 3));
            source.draw(40, &mut whole).unwrap();
            source.draw(240, &mut part).unwrap();
            assert_eq!(part.prices, whole.prices[200..400]);
            assert_eq!(part.differentials, whole.differentials[600..1200]);
        }
    }
}

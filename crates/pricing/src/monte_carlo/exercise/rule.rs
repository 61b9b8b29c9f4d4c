//! The two passes: a rule from some paths, and what it earns on others.

use rayon::prelude::*;
use zomma_base::Status;

use super::BermudanEstimate;
use super::basis::Features;
use super::regression::Normal;
use crate::monte_carlo::assets::Walk;
use crate::monte_carlo::engine::{Engine, average_pairs, estimate, run_tiles};
use crate::monte_carlo::lanes::TILE;
use crate::monte_carlo::moments::Moments;
use crate::monte_carlo::source::Stream;
use crate::monte_carlo::{MonteCarloError, Plan};

/// Where paths come from.
#[derive(Clone, Copy)]
pub(super) enum Paths<'a> {
    /// One asset: spot, and variance where it is stochastic.
    Engine(&'a Engine<'a>),
    /// Spots of several.
    Walk(&'a Walk<'a>),
}

/// An option with early exercise.
pub(super) struct Problem<'a> {
    pub paths: Paths<'a>,
    pub features: Features,
    /// What exercise pays in a state.
    pub paid: &'a (dyn Fn(&[f64]) -> f64 + Sync),
    /// From one date to the one before.
    pub discount: f64,
    pub dates: usize,
    /// Numbers of a state.
    pub states: usize,
    pub plan: &'a Plan,
}

/// The paths of a tile: a column a date and state, date by date.
type Columns = Vec<Vec<f64>>;

/// What one path needs at a time.
struct Scratch {
    state: Vec<f64>,
    features: Vec<f64>,
}

impl Problem<'_> {
    /// The price by a rule from so many other paths.
    pub(super) fn estimate(
        &self,
        regression_paths: usize,
        exercise_value: f64,
    ) -> Result<BermudanEstimate, MonteCarloError> {
        if !exercise_value.is_finite() {
            return Err(Status::Overflow.into());
        }
        let rule = self.rule(regression_paths)?;
        let (replications, points) = self.plan.replications();
        let tiles = run_tiles(self.plan, |replication, first, count| {
            let columns = self.tile(Stream::Main, replication, first, count)?;
            let mut earned = self.follow(&rule, &columns, count);
            average_pairs(self.plan, &mut earned);
            Ok(Moments::of(&earned))
        })?;
        Ok(BermudanEstimate { held: estimate(&tiles, replications, replications * points)?, exercise_value })
    }

    fn tile(&self, stream: Stream, replication: usize, first: usize, count: usize) -> Result<Columns, MonteCarloError> {
        match self.paths {
            Paths::Engine(engine) => engine.states(stream, replication, first, count, self.dates),
            Paths::Walk(walk) => Ok(walk.tile(stream, replication, first, count)),
        }
    }

    fn scratch(&self) -> Scratch {
        Scratch { state: vec![0.0; self.states], features: vec![0.0; self.features.count] }
    }

    /// What exercise of a path pays on a date; its features are then in the scratch, where that is anything.
    fn look(&self, columns: &Columns, date: usize, path: usize, scratch: &mut Scratch) -> f64 {
        let columns = &columns[date * self.states..][..self.states];
        scratch.state.iter_mut().zip(columns).for_each(|(state, column)| *state = column[path]);
        let paid = (self.paid)(&scratch.state);
        if paid > 0.0 {
            self.features.write(&mut scratch.state, &mut scratch.features);
        }
        paid
    }

    /// The coefficients of holding on each date but the last; none where they cannot be told, and holding is the rule.
    fn rule(&self, paths: usize) -> Result<Vec<Option<Vec<f64>>>, MonteCarloError> {
        let mut tiles = (0..paths.div_ceil(TILE))
            .into_par_iter()
            .map(|tile| {
                let (first, count) = (tile * TILE, TILE.min(paths - tile * TILE));
                let columns = self.tile(Stream::Pilot, 0, first, count)?;
                let mut scratch = self.scratch();
                let last = self.dates - 1;
                let later: Vec<f64> = (0..count).map(|path| self.look(&columns, last, path, &mut scratch)).collect();
                Ok((columns, later))
            })
            .collect::<Result<Vec<_>, MonteCarloError>>()?;
        let mut rule = vec![None; self.dates];
        for date in (0..self.dates - 1).rev() {
            let parts: Vec<Normal> = tiles
                .par_iter_mut()
                .map(|(columns, later)| {
                    let mut normal = Normal::new(self.features.count);
                    let mut scratch = self.scratch();
                    for (path, later) in later.iter_mut().enumerate() {
                        *later *= self.discount;
                        if self.look(columns, date, path, &mut scratch) > 0.0 {
                            normal.add(&scratch.features, *later);
                        }
                    }
                    normal
                })
                .collect();
            rule[date] = Normal::merge_all(&parts).and_then(|normal| normal.solve());
            let Some(coefficients) = &rule[date] else { continue };
            tiles.par_iter_mut().for_each(|(columns, later)| {
                let mut scratch = self.scratch();
                for (path, later) in later.iter_mut().enumerate() {
                    let paid = self.look(columns, date, path, &mut scratch);
                    if paid > 0.0 && paid >= fit(coefficients, &scratch.features) {
                        *later = paid;
                    }
                }
            });
        }
        Ok(rule)
    }

    /// What the rule earns on each path, discounted to now.
    fn follow(&self, rule: &[Option<Vec<f64>>], columns: &Columns, count: usize) -> Vec<f64> {
        let mut scratch = self.scratch();
        (0..count)
            .map(|path| {
                let mut discount = 1.0;
                for (date, coefficients) in rule.iter().enumerate() {
                    discount *= self.discount;
                    let last = date + 1 == self.dates;
                    if !last && coefficients.is_none() {
                        continue;
                    }
                    let paid = self.look(columns, date, path, &mut scratch);
                    let held = coefficients.as_ref().map_or(0.0, |coefficients| fit(coefficients, &scratch.features));
                    if paid.is_nan() || paid > 0.0 && (last || paid >= held) {
                        return discount * paid;
                    }
                }
                0.0
            })
            .collect()
    }
}

fn fit(coefficients: &[f64], features: &[f64]) -> f64 {
    coefficients.iter().zip(features).map(|(c, x)| c * x).sum()
}

//! Collocation points: where they lie, and the loss over them with its gradient.

use rayon::prelude::*;
use zomma_pricing::monte_carlo::sobol_uniform;

use super::ansatz::{Fixed, Jet, residual};
use super::jets::{BLOCK, MOST_PARTS, Network, Order, Workspace};
use super::problem::{Coordinates, Problem, Region};
use crate::data::uniform;

/// Blocks that one thread takes at a time; their gradients are summed in their order.
const BLOCKS: usize = 4;

/// Points with all that does not depend on the network.
#[derive(Clone, Debug)]
pub struct Points {
    /// Where they are.
    pub places: Vec<Coordinates>,
    order: Order,
    features: usize,
    /// Block after block, parts × points × features.
    shown: Vec<f64>,
    fixed: Vec<Fixed>,
}

/// What is minimised: the sum over points of weight × residual², and penalty × the mean square of the network's slopes.
#[derive(Clone, Copy, Debug)]
pub struct Objective<'a> {
    /// Where.
    pub points: &'a Points,
    /// Of each point.
    pub weights: &'a [f64],
    /// Of the slopes.
    pub penalty: f64,
}

/// Points of a scrambled Sobol sequence; others for every replication.
pub fn spread(problem: &Problem, count: usize, seed: u64, replication: u32) -> Vec<Coordinates> {
    let dimensions = problem.dimensions();
    (0..count as u32)
        .map(|point| {
            let mut unit = [0.0; 3];
            for (dimension, share) in unit.iter_mut().enumerate().take(dimensions) {
                *share = sobol_uniform(seed, replication, point, dimension);
            }
            problem.place(&unit[..dimensions])
        })
        .collect()
}

/// Chooses `count` of the candidates, each with a chance that grows with |residual|^power and is never 0.
///
/// Source  C. Wu, M. Zhu, Q. Tan, Y. Kartha and L. Lu (2023), residual-based adaptive distribution with c = 1: weight |r|^p/mean + 1.
///         Systematic resampling, so that a candidate comes as often as its weight says, to one.
pub fn adaptive(
    candidates: &[Coordinates],
    residuals: &[f64],
    (count, power): (usize, f64),
    seed: u64,
) -> Vec<Coordinates> {
    let powers: Vec<f64> = residuals.iter().map(|r| r.abs().powf(power)).collect();
    let mean = powers.iter().sum::<f64>() / powers.len() as f64;
    let weight = |power: f64| if mean > 0.0 && mean.is_finite() { power / mean + 1.0 } else { 1.0 };
    let total: f64 = powers.iter().map(|power| weight(*power)).sum();
    let step = total / count as f64;
    let mut next = step * uniform(seed, 0);
    let mut sum = 0.0;
    let mut chosen = Vec::with_capacity(count);
    for (candidate, power) in candidates.iter().zip(&powers) {
        sum += weight(*power);
        while next < sum && chosen.len() < count {
            chosen.push(*candidate);
            next += step;
        }
    }
    chosen
}

impl Points {
    /// At these places.
    pub fn new(problem: &Problem, places: Vec<Coordinates>) -> Self {
        let (order, features) = (problem.order(), problem.features());
        let parts = order.parts();
        let mut shown = vec![0.0; places.len() * parts * features];
        let mut fixed = vec![Fixed::default(); places.len()];
        let blocks = shown.par_chunks_mut(BLOCK * parts * features).zip(fixed.par_chunks_mut(BLOCK));
        blocks.zip(places.par_chunks(BLOCK)).for_each(|((shown, fixed), places)| {
            for (i, (place, fixed)) in places.iter().zip(fixed).enumerate() {
                let point = problem.at(*place);
                *fixed = point.fixed;
                for part in 0..parts {
                    let column = (part * places.len() + i) * features;
                    for (feature, jet) in point.shown.iter().enumerate().take(features) {
                        shown[column + feature] = jet[part];
                    }
                }
            }
        });
        Self { places, order, features, shown, fixed }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Each point's region.
    pub fn regions(&self, problem: &Problem) -> Vec<Region> {
        self.places.iter().map(|place| problem.region(*place)).collect()
    }

    /// What `of` makes of every point's fixed part and the network's jet there.
    pub fn map<T: Send>(&self, network: Network, parameters: &[f64], of: impl Fn(&Fixed, &Jet) -> T + Sync) -> Vec<T> {
        let stride = BLOCK * self.order.parts() * self.features;
        let blocks = self.fixed.par_chunks(BLOCK).zip(self.shown.par_chunks(stride));
        let parts: Vec<Vec<T>> = blocks
            .map_init(
                || Workspace::new(network, self.order),
                |workspace, (fixed, shown)| {
                    let last = workspace.forward(parameters, shown, fixed.len());
                    fixed.iter().enumerate().map(|(i, point)| of(point, &jet_of(last, i, fixed.len()))).collect()
                },
            )
            .collect();
        parts.into_iter().flatten().collect()
    }

    /// The residual at every point.
    pub fn residuals(&self, network: Network, parameters: &[f64]) -> Vec<f64> {
        self.map(network, parameters, |fixed, last| residual(self.order, fixed, last).0)
    }

    /// The squared norm of the residual's gradient by the parameters at one point: its place on the diagonal of the tangent kernel.
    pub fn tangent(&self, network: Network, parameters: &[f64], point: usize) -> f64 {
        let parts = self.order.parts();
        let (block, i) = (point / BLOCK, point % BLOCK);
        let points = BLOCK.min(self.len() - block * BLOCK);
        let stride = BLOCK * parts * self.features;
        let mut shown = Vec::with_capacity(parts * self.features);
        for part in 0..parts {
            let column = block * stride + (part * points + i) * self.features;
            shown.extend_from_slice(&self.shown[column..column + self.features]);
        }
        let mut workspace = Workspace::new(network, self.order);
        let last = jet_of(workspace.forward(parameters, &shown, 1), 0, 1);
        let (_, by) = residual(self.order, &self.fixed[point], &last);
        let mut gradient = vec![0.0; parameters.len()];
        workspace.backward(parameters, (&shown, 1), &by[..parts], &mut gradient);
        gradient.iter().map(|g| g * g).sum()
    }
}

/// A point's jet from the parts of a block of `points`.
fn jet_of(last: &[f64], i: usize, points: usize) -> Jet {
    let mut jet = [0.0; MOST_PARTS];
    for (jet, part) in jet.iter_mut().zip(last.chunks_exact(points)) {
        *jet = part[i];
    }
    jet
}

impl Objective<'_> {
    /// The loss, and its gradient into `gradient`, which is overwritten. The same on any number of threads.
    pub fn evaluate(&self, network: Network, parameters: &[f64], gradient: &mut [f64]) -> f64 {
        let Points { order, features, shown, fixed, .. } = self.points;
        let parts = order.parts();
        let stride = BLOCK * parts * features;
        let slopes = self.penalty / fixed.len() as f64;
        let chunks = fixed.par_chunks(BLOCK * BLOCKS).zip(shown.par_chunks(stride * BLOCKS));
        let sums: Vec<(f64, Vec<f64>)> = chunks
            .zip(self.weights.par_chunks(BLOCK * BLOCKS))
            .map_init(
                || (Workspace::new(network, *order), vec![0.0; BLOCK * parts]),
                |(workspace, by_last), ((fixed, shown), weights)| {
                    let mut gradient = vec![0.0; parameters.len()];
                    let mut loss = 0.0;
                    let blocks = fixed.chunks(BLOCK).zip(shown.chunks(stride)).zip(weights.chunks(BLOCK));
                    for ((fixed, shown), weights) in blocks {
                        let points = fixed.len();
                        let last = workspace.forward(parameters, shown, points);
                        for (i, (fixed, weight)) in fixed.iter().zip(weights).enumerate() {
                            let jet = jet_of(last, i, points);
                            let (residual, by) = residual(*order, fixed, &jet);
                            loss += weight * residual * residual;
                            for part in 0..parts {
                                let mut by = 2.0 * weight * residual * by[part];
                                if (1..=order.first).contains(&part) {
                                    loss += slopes * jet[part] * jet[part];
                                    by += 2.0 * slopes * jet[part];
                                }
                                by_last[part * points + i] = by;
                            }
                        }
                        workspace.backward(parameters, (shown, points), &by_last[..parts * points], &mut gradient);
                    }
                    (loss, gradient)
                },
            )
            .collect();
        gradient.fill(0.0);
        sums.iter().fold(0.0, |loss, (part, by)| {
            gradient.iter_mut().zip(by).for_each(|(sum, by)| *sum += by);
            loss + part
        })
    }
}

//! How the loss is divided among the regions, so that none is learned at another's cost.
//!
//! Source  S. Wang, S. Sankaran, H. Wang and P. Perdikaris, "An expert's guide to training physics-informed neural networks" (2023): weights
//!         Σ‖∇L_j‖/‖∇L_i‖, or ΣTr(K_j)/Tr(K_i) with K the neural tangent kernel, as moving averages; here over the parts of one residual

use super::config::{LossConfig, Weighting};
use super::jets::Network;
use super::points::{Objective, Points};
use super::problem::Region;
use crate::data::uniform;

/// A weight's farthest from the mean.
const FARTHEST: f64 = 100.0;
/// Points of a region whose tangents stand for all.
const SAMPLED: u64 = 48;

/// Each point's weight: its region's over the number of points.
pub fn per_point(regions: &[Region], weights: [f64; 3]) -> Vec<f64> {
    let share = 1.0 / regions.len() as f64;
    regions.iter().map(|region| share * weights[*region as usize]).collect()
}

/// The regions' weights for the next round. A region without points keeps its own.
pub fn update(
    config: &LossConfig,
    old: [f64; 3],
    (network, parameters): (Network, &[f64]),
    (points, regions): (&Points, &[Region]),
    seed: u64,
) -> [f64; 3] {
    let size = |region: Region| -> f64 {
        let of_region: Vec<usize> = (0..regions.len()).filter(|i| regions[*i] == region).collect();
        if of_region.is_empty() {
            return f64::NAN;
        }
        match config.weighting {
            Weighting::Fixed => f64::NAN,
            Weighting::GradientNorm => {
                let share = 1.0 / of_region.len() as f64;
                let weights: Vec<f64> =
                    regions.iter().map(|other| if *other == region { share } else { 0.0 }).collect();
                let mut gradient = vec![0.0; parameters.len()];
                let objective = Objective { points, weights: &weights, penalty: 0.0 };
                objective.evaluate(network, parameters, &mut gradient);
                gradient.iter().map(|g| g * g).sum::<f64>().sqrt()
            }
            Weighting::Ntk => {
                let sampled = SAMPLED.min(of_region.len() as u64);
                let one = |i: u64| {
                    let chosen = (uniform(seed, i) * of_region.len() as f64) as usize;
                    points.tangent(network, parameters, of_region[chosen.min(of_region.len() - 1)])
                };
                (0..sampled).map(one).sum::<f64>() / sampled as f64
            }
        }
    };
    let sizes = Region::ALL.map(size);
    let known = |size: &f64| size.is_finite() && *size > 0.0;
    let total: f64 = sizes.iter().filter(|size| known(size)).sum();
    let count = sizes.iter().filter(|size| known(size)).count() as f64;
    std::array::from_fn(|i| {
        if !known(&sizes[i]) {
            return old[i];
        }
        let wanted = (total / (count * sizes[i])).clamp(1.0 / FARTHEST, FARTHEST);
        config.kept * old[i] + (1.0 - config.kept) * wanted
    })
}

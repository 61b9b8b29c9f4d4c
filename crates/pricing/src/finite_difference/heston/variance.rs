//! Nodes in variance: v(ξ) = c sinh ξ from 0, dense towards 0, with v0 on a node.
//!
//! Method    The upper end is where the variance's distribution, whose tail is exponential with mean σᵥ²(1 − e^(−κT))/(2κ), has ended

use super::moments;
use crate::fourier::Heston;

/// How ξ is divided on the coarsest grid: evenly below v0, and evenly above.
pub(super) struct VarianceMap {
    scale: f64,
    v0: f64,
    ends: [f64; 3],
    cells: [usize; 2],
}

/// Tail means and deviations to the upper end.
const REACH: [f64; 2] = [10.0, 4.0];
/// The scale c over the level of variance.
const SCALE: f64 = 0.3;

pub(super) fn map(parameters: &Heston, years: f64, cells: usize) -> VarianceMap {
    let Heston { v0, kappa, theta_v, sigma_v, .. } = *parameters;
    let [mean, deviation, _] = moments(parameters, years);
    let gone = -(-kappa * years).exp_m1();
    let tail = sigma_v * sigma_v * gone / (2.0 * kappa);
    let level = v0.max(mean).max(theta_v * gone.max(0.1)).max(1e-8);
    let high = 1.5 * level + REACH[0] * tail + REACH[1] * deviation;
    let scale = SCALE * level;
    let end = (high / scale).asinh();
    let at = (v0 / scale).asinh();
    let cell = end / cells as f64;
    let below = if v0 == 0.0 { 0 } else { ((at / cell).round() as usize).clamp(1, cells - 2) };
    VarianceMap { scale, v0, ends: [0.0, at, end], cells: [below, cells - below] }
}

impl VarianceMap {
    /// Writes the nodes; returns the index of v0.
    pub fn nodes(&self, refinement: usize, out: &mut Vec<f64>) -> usize {
        out.clear();
        out.push(0.0);
        let [below, above] = self.cells.map(|n| n * refinement);
        let between =
            |from: f64, to: f64, i: usize, n: usize| self.scale * (from + (to - from) * i as f64 / n as f64).sinh();
        out.extend((1..below).map(|i| between(0.0, self.ends[1], i, below)));
        if below > 0 {
            out.push(self.v0);
        }
        out.extend((1..=above).map(|i| between(self.ends[1], self.ends[2], i, above)));
        below
    }
}

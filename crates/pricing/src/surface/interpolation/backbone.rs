//! The plain surface that a model of the plane corrects.

use serde::{Deserialize, Serialize};

use super::{domain::Domain, knots::Knots};
use crate::surface::{SliceQuotes, Ssvi, fit::fill_levels, jet::Jet, ssvi, target::Target};

/// SSVI with a total variance at the money θ by variance time, linear between expiries. Flat smiles where quotes are too few for a shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backbone {
    /// The shape.
    pub ssvi: Ssvi,
    /// Variance time, ascending.
    pub times: Vec<f64>,
    /// θ at each, rising.
    pub levels: Vec<f64>,
}

impl Backbone {
    /// The one that fits the slices best.
    pub(super) fn new(slices: &[SliceQuotes], knots: &[Knots], domain: &Domain) -> Self {
        let targets: Vec<Target> = slices.iter().map(Target::new).collect();
        let (ssvi, levels) = ssvi::fit(&targets).unwrap_or_else(|| {
            let flat = Ssvi { rho: 0.0, eta: 0.0, gamma: 0.5 };
            (flat, targets.iter().map(Target::level).collect())
        });
        let levels = fill_levels(&targets, levels);
        let mut backbone = Self { ssvi, times: Vec::new(), levels: Vec::new() };
        for ((target, level), knots) in targets.iter().zip(levels).zip(knots) {
            let time = domain.clock.at(target.expiry_years)[0];
            if knots.len() > 0 && backbone.times.last().is_none_or(|&last| time > last) {
                backbone.times.push(time);
                backbone.levels.push(level);
            }
        }
        backbone
    }

    /// Total variance as a series in k and variance time, between the first expiry and the last.
    pub(super) fn series(&self, k: f64, time: f64) -> Jet {
        if self.times.is_empty() || self.levels.len() != self.times.len() {
            return Jet::constant(f64::NAN);
        }
        let after = self.times.partition_point(|&it| it < time).clamp(1, self.times.len().max(2) - 1);
        let (t_low, low) = (self.times[after - 1], self.levels[after - 1]);
        let slope = self.times.get(after).map_or(low / t_low, |t| (self.levels[after] - low) / (t - t_low));
        let theta = Jet::affine(low + slope * (time - t_low), 0.0, slope);
        let Ssvi { rho, eta, gamma } = self.ssvi;
        let one = Jet::constant(1.0);
        let phi = theta.powf(-gamma) * (theta + one).powf(gamma - 1.0) * eta;
        let x = phi * Jet::affine(k, 1.0, 0.0);
        let shifted = x + Jet::constant(rho);
        let root = (shifted * shifted + Jet::constant(1.0 - rho * rho)).sqrt();
        theta * (one + x * rho + root) * 0.5
    }

    /// Total variance.
    pub(super) fn total_variance(&self, k: f64, time: f64) -> f64 {
        self.series(k, time).value()
    }
}

//! The plain surface that a model of the plane corrects.

use serde::{Deserialize, Serialize};

use super::{
    domain::Domain,
    knots::{Knots, are_positive, is_ascending},
};
use crate::surface::{
    SliceQuotes, Ssvi,
    jet::Jet,
    svi::{fit::fill_levels, ssvi, target::Target},
};

/// SSVI with a total variance at the money θ by variance time, linear between expiries. Flat smiles where quotes are too few for a shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BackboneForm")]
pub struct Backbone {
    /// The shape.
    pub ssvi: Ssvi,
    /// Variance time, ascending.
    pub times: Vec<f64>,
    /// θ at each, rising.
    pub levels: Vec<f64>,
}

/// A backbone as it is read.
#[derive(Deserialize)]
struct BackboneForm {
    ssvi: Ssvi,
    times: Vec<f64>,
    levels: Vec<f64>,
}

impl TryFrom<BackboneForm> for Backbone {
    type Error = &'static str;

    fn try_from(BackboneForm { ssvi, times, levels }: BackboneForm) -> Result<Self, Self::Error> {
        let Ssvi { rho, eta, gamma } = ssvi;
        if !(rho.abs() < 1.0 && eta >= 0.0 && eta.is_finite() && (0.0..=1.0).contains(&gamma)) {
            return Err("backbone: rho must be within -1 and 1, eta at or above 0, gamma from 0 to 1");
        }
        let is_whole = !times.is_empty() && times.len() == levels.len();
        if is_whole && is_ascending(&times) && is_ascending(&levels) && are_positive([times[0], levels[0]].iter()) {
            Ok(Self { ssvi, times, levels })
        } else {
            Err("backbone: times and levels must be as many, above 0 and ascending")
        }
    }
}

impl Backbone {
    /// The one that fits the slices best.
    pub(super) fn new(slices: &[SliceQuotes], knots: &[Knots], domain: &Domain) -> Self {
        let targets: Vec<Target> = slices.iter().map(Target::new).collect();
        let (ssvi, levels) = ssvi::fit(&targets).unwrap_or_else(|| {
            let flat = Ssvi { rho: 0.0, eta: 0.0, gamma: 0.5 };
            (flat, targets.iter().map(Target::level).collect())
        });
        let times: Vec<f64> = targets.iter().map(|target| domain.clock.at(target.expiry_years)[0]).collect();
        let levels = fill_levels(&times, &levels);
        let mut backbone = Self { ssvi, times: Vec::new(), levels: Vec::new() };
        for ((&time, level), knots) in times.iter().zip(levels).zip(knots) {
            if knots.len() > 0 && backbone.times.last().is_none_or(|&last| time > last) {
                backbone.times.push(time);
                backbone.levels.push(level);
            }
        }
        backbone
    }

    /// Total variance as a series in k and variance time, between the first expiry and the last.
    pub(super) fn series(&self, k: f64, time: f64) -> Jet {
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

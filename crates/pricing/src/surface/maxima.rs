//! How many humps a surface's densities have.

use serde::{Deserialize, Serialize};

use super::{smile::VolatilitySurface, violations::Coverage};

/// Points of the grid over one slice.
const POINTS: usize = 2001;
/// A hump falls on both sides by this share of itself at least: less is rounding.
const PROMINENCE: f64 = 1e-6;

/// The local maxima of one slice's density.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DensityMaxima {
    /// Years to expiry.
    pub expiry_years: f64,
    /// Log-moneyness of each maximum, ascending.
    pub log_moneyness: Vec<f64>,
}

/// The local maxima, within the quoted strikes of each slice of `coverage`, of the risk-neutral density by strike: of S_T, not of its
/// logarithm. Found on a grid of 2001 points; the ends of the quoted strikes are no maxima.
pub fn density_maxima(surface: &(impl VolatilitySurface + ?Sized), coverage: &[Coverage]) -> Vec<DensityMaxima> {
    let of = |slice: &Coverage| {
        let [low, high] = slice.log_moneyness_range;
        let points = (0..POINTS).map(|i| {
            let k = low + (high - low) * i as f64 / (POINTS - 1) as f64;
            (k, surface.density(k, slice.expiry_years) * (-k).exp())
        });
        DensityMaxima { expiry_years: slice.expiry_years, log_moneyness: humps(points) }
    };
    coverage.iter().map(of).collect()
}

/// Where values that have risen begin to fall, by more than rounding both times.
fn humps(points: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    let mut found = Vec::new();
    let (mut lowest, mut highest) = (f64::INFINITY, (f64::NAN, f64::NEG_INFINITY));
    let mut rising = false;
    for (k, value) in points {
        if rising {
            if value > highest.1 {
                highest = (k, value);
            } else if value < highest.1 * (1.0 - PROMINENCE) {
                found.push(highest.0);
                (rising, lowest) = (false, value);
            }
        } else if value < lowest {
            lowest = value;
        } else if value > lowest * (1.0 + PROMINENCE) {
            (rising, highest) = (true, (k, value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{Clock, Slices, Svi};

    #[test]
    fn humps_are_counted_without_rounding_and_without_the_ends() {
        let of = |f: &dyn Fn(f64) -> f64| humps((0..=1000).map(|i| (1e-2 * f64::from(i), f(1e-2 * f64::from(i)))));
        let waves = of(&|x| 2.0 + (2.0 * x).cos());
        assert_eq!(waves.len(), 3, "{waves:?}");
        assert!(waves.iter().zip([1.0, 2.0, 3.0]).all(|(x, turn)| (x - turn * std::f64::consts::PI).abs() < 1e-2));
        assert!(of(&|x| x).is_empty() && of(&|x| -x).is_empty() && of(&|_| 1.0).is_empty());
        assert_eq!(of(&|x| 1.0 - 0.01 * (x - 5.0) * (x - 5.0) + 1e-9 * (900.0 * x).sin()).len(), 1);
    }

    #[test]
    fn a_lognormal_density_has_its_mode_and_no_other() {
        let w = 0.04;
        let surface = Slices { expiry_years: vec![1.0], smiles: vec![Svi::flat(w)], clock: Clock::default() };
        let coverage = [Coverage { expiry_years: 1.0, log_moneyness_range: [-1.0, 1.0] }];
        let maxima = density_maxima(&surface, &coverage);
        // The mode of a lognormal variable with mean one is exp(−3w/2).
        assert!(maxima.len() == 1 && maxima[0].log_moneyness.len() == 1, "{maxima:?}");
        assert!((maxima[0].log_moneyness[0] + 1.5 * w).abs() < 2e-3, "{maxima:?}");
    }
}

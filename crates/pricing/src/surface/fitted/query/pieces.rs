//! What surfaces are in one stretch of time.

use crate::surface::{Slices, Svi};

/// Slices of SVI in a stretch: weights · smiles + gain, each weight and the gain a straight line in the years since the start, of which its
/// value at the start and its slope are kept. It is [`Slices`] in other words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined {
    pub(super) smiles: [Svi; 2],
    weights: [[f64; 2]; 2],
    gain: [f64; 2],
}

impl Joined {
    /// Between the times `start` and `inside` no expiry and no knot of the clock lies.
    pub(super) fn new(slices: &Slices<Svi>, start: f64, inside: f64) -> Self {
        let Slices { expiry_years, smiles, clock } = slices;
        let count = smiles.len().min(expiry_years.len());
        let after = expiry_years[..count].iter().filter(|expiry| **expiry < inside).count();
        let time_of = |years: f64| clock.at(years)[0];
        let (time, speed) = (time_of(start), clock.at(inside)[1]);
        let before = after.checked_sub(1).map(|i| (time_of(expiry_years[i]), smiles[i]));
        let next = (after < count).then(|| (time_of(expiry_years[after]), smiles[after]));
        match (before, next) {
            (Some((low_time, low)), Some((high_time, high))) => {
                let length = high_time - low_time;
                let (at, slope) = ((time - low_time) / length, speed / length);
                Self { smiles: [low, high], weights: [[1.0 - at, -slope], [at, slope]], gain: [0.0; 2] }
            }
            (None, Some((first_time, first))) => {
                let weight = [time / first_time, speed / first_time];
                Self { smiles: [first; 2], weights: [weight, [0.0; 2]], gain: [0.0; 2] }
            }
            (Some((last_time, last)), None) => {
                let rate = last.total_variance(0.0) / last_time;
                let gain = [rate * (time - last_time), rate * speed];
                Self { smiles: [last; 2], weights: [[1.0, 0.0], [0.0; 2]], gain }
            }
            (None, None) => Self { smiles: [Svi::flat(0.0); 2], weights: [[0.0; 2]; 2], gain: [f64::NAN, 0.0] },
        }
    }

    #[inline(always)]
    pub(super) fn total_variance(&self, k: f64, passed: f64) -> f64 {
        let ([low, high], [of_low, of_high], gain) = self.at(passed);
        of_low * low.total_variance(k) + of_high * high.total_variance(k) + gain
    }

    /// The smiles, their weights and the gain.
    #[inline(always)]
    pub(super) fn at(&self, passed: f64) -> ([Svi; 2], [f64; 2], f64) {
        let along = |[at, slope]: [f64; 2]| at + slope * passed;
        (self.smiles, self.weights.map(along), along(self.gain))
    }
}

/// Numbers that pass along a straight line in the years since the start of a stretch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<const D: usize> {
    at: [f64; D],
    slope: [f64; D],
}

impl<const D: usize> Line<D> {
    /// Through what `values` are at the times `start` and `inside`.
    pub(super) fn new([from, to]: [[f64; D]; 2], start: f64, inside: f64) -> Self {
        Self { at: from, slope: std::array::from_fn(|i| (to[i] - from[i]) / (inside - start)) }
    }

    #[inline(always)]
    pub(super) fn at(&self, passed: f64) -> [f64; D] {
        std::array::from_fn(|i| self.at[i] + self.slope[i] * passed)
    }
}

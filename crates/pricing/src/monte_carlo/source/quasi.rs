//! Sobol's points as the numbers of paths: coordinate k·F + f sets the k-th rung of factor f's Brownian bridge. Coordinates beyond the
//! table are Philox's: unbiased, and of the finest rungs alone.

use super::bridge::Bridge;
use super::shift::{MOST, Shift};
use super::sobol::{DIMENSIONS, Scramble, uniforms};
use super::{FACTORS, Numbers, Stream};
use crate::math::{MultiplyAdd, normal_cdf};
use crate::monte_carlo::inverse_normal_cdf;
use crate::monte_carlo::lanes::{LANES, Lanes};
use crate::monte_carlo::philox::{key, philox, uniform};

/// Factors whose first coordinate is shifted: the spot's end, which digitals jump along.
pub(in crate::monte_carlo) const SHIFTED: [bool; FACTORS] = [true, false, false];

/// The quasi-random numbers of one replication.
pub(in crate::monte_carlo) struct Quasi<'a> {
    seed: u64,
    replication: u32,
    factors: usize,
    steps: usize,
    bridge: &'a Bridge,
    /// [factors][steps] of the block.
    numbers: Vec<Lanes>,
    /// Of the first coordinate of each factor.
    shifts: [Option<Shift>; FACTORS],
    /// Of the block's paths.
    weights: Box<Lanes>,
}

impl<'a> Quasi<'a> {
    pub(in crate::monte_carlo) fn new(
        seed: u64,
        replication: u32,
        factors: usize,
        steps: usize,
        bridge: &'a Bridge,
    ) -> Self {
        Self {
            seed,
            replication,
            factors,
            steps,
            bridge,
            numbers: vec![[0.0; LANES]; factors * steps],
            shifts: [None; FACTORS],
            weights: Box::new([1.0; LANES]),
        }
    }

    /// The same with the cells of the coordinates shifted that a payoff may jump along.
    pub(in crate::monte_carlo) fn weighted(self, points: usize) -> Self {
        let shifts = std::array::from_fn(|factor| {
            SHIFTED[factor].then(|| Shift::new(self.seed, self.replication, factor, points)).flatten()
        });
        Self { shifts, ..self }
    }

    /// As [`Source::weights`](super::Source::weights).
    #[inline(always)]
    pub(in crate::monte_carlo) fn weights(&self) -> Option<&Lanes> {
        self.shifts.iter().any(Option::is_some).then_some(&self.weights)
    }

    /// The numbers of all steps of the block of points from `first`.
    #[inline(always)]
    pub(in crate::monte_carlo) fn begin<M: MultiplyAdd>(&mut self, first: u64) {
        self.weights.fill(1.0);
        for factor in 0..self.factors {
            let path = &mut self.numbers[factor * self.steps..][..self.steps];
            for (rank, place) in self.bridge.places().enumerate() {
                let lanes = &mut path[place];
                let dimension = rank * self.factors + factor;
                if dimension < DIMENSIONS {
                    uniforms(first as u32, dimension, Scramble::new(self.seed, self.replication, dimension), lanes);
                } else {
                    for (i, u) in lanes.iter_mut().enumerate() {
                        *u = beyond(self.seed, self.replication, first as u32 + i as u32, dimension);
                    }
                }
                if let (0, Some(Some(shift))) = (rank, self.shifts.get(factor)) {
                    for (u, weight) in lanes.iter_mut().zip(self.weights.iter_mut()) {
                        let (shifted, by) = shift.at(*u);
                        (*u, *weight) = (shifted, *weight * by);
                    }
                }
                for u in lanes.iter_mut() {
                    *u = inverse_normal_cdf::<M>(*u);
                }
            }
            self.bridge.steps::<M>(path);
        }
    }

    /// The normal numbers of a factor at a step.
    #[inline(always)]
    pub(in crate::monte_carlo) fn normals(&self, factor: usize, step: usize) -> &Lanes {
        &self.numbers[factor * self.steps + step]
    }

    /// The numbers of a step.
    #[inline(always)]
    pub(in crate::monte_carlo) fn step<M: MultiplyAdd>(&self, step: usize, numbers: &mut Numbers) {
        for factor in 0..self.factors {
            numbers.z[factor] = self.numbers[factor * self.steps + step];
            if factor > 0 {
                for (u, z) in numbers.u[factor].iter_mut().zip(&numbers.z[factor]) {
                    *u = normal_cdf::<M>(*z).min(MOST);
                }
            }
        }
    }
}

/// A number for a dimension that the table has not.
#[inline(always)]
pub(in crate::monte_carlo) fn beyond(seed: u64, replication: u32, point: u32, dimension: usize) -> f64 {
    let words = philox([dimension as u32, Stream::Beyond as u32, point, replication], key(seed));
    uniform(words[0], words[1])
}

//! The descent of an eSSVI surface: all slices at once, each join kept by a barrier that fades; the normal equations are a chain of blocks.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use rayon::prelude::*;

use super::{
    arrow::{Pull, SERIAL_QUOTES},
    joins::{ALONE, JOINED, Wings, alone, joined},
};
use crate::surface::{
    calibration::{Estimator, Normal, Objective, noise},
    linear::{Block, solve_chain},
    svi::target::Anchor,
};

/// The barrier's first weight, as a share of the cost for each condition; each stage's share of the one before; and the share of the cost
/// that the barrier may be worth at last, and the least weight.
const FIRST_WEIGHT: f64 = 0.01;
const FADE: f64 = 0.1;
const LAST_SHARE: f64 = 1e-5;
const LEAST_WEIGHT: f64 = 1e-10;
/// Steps a stage; in the last until settled.
const STAGE_STEPS: usize = 5;
const LAST_STEPS: usize = 25;
/// A step leaves this share of the room to every condition.
const LEFT: f64 = 0.02;

/// What one slice is pulled towards: the logarithm of θ, ρ, and the logarithm of ψ.
pub(super) type Pulls = [Pull; 3];

/// What keeps the level of a slice by the market's own at the money: θ is the total variance there.
#[derive(Clone, Copy, Default)]
pub(super) struct Level {
    /// Where it is free to be.
    pub(super) anchor: Anchor,
    /// What a miss beyond weighs: as much as the quotes are missed by.
    pub(super) weight: f64,
}

impl Level {
    /// Adds what the level of `slice` is beyond where it is free.
    pub(super) fn hold(&self, normal: &mut Normal<3>, [theta, ..]: Wings) {
        let miss = self.anchor.miss(theta);
        if miss != 0.0 {
            normal.pull(self.weight, miss, &[self.anchor.inverse_unit, 0.0, 0.0]);
        }
    }
}

/// What is minimised.
pub(super) struct Problem<'a> {
    pub(super) objectives: &'a [Objective],
    pub(super) pulls: &'a [Pulls],
    pub(super) levels: &'a [Level],
    pub(super) estimator: Estimator,
}

/// Where the descent came to.
pub(super) struct Descent {
    pub(super) slices: Vec<Wings>,
    pub(super) steps: usize,
    pub(super) has_settled: bool,
    /// Squared scale of the noise.
    pub(super) square_scale: f64,
}

/// The normal equations without the barrier.
struct Equations {
    cost: f64,
    weighted: f64,
    count: usize,
    gradient: Vec<Wings>,
    diagonal: Vec<Block<3>>,
}

impl Problem<'_> {
    fn evaluate(&self, slices: &[Wings], square_scale: f64) -> Equations {
        let part = |i: usize| {
            let mut normal: Normal<3> = Normal::new(self.estimator, square_scale);
            accumulate(&self.objectives[i], slices[i], |miss, by| normal.add(miss, by));
            pull(&mut normal, slices[i], &self.pulls[i]);
            self.levels[i].hold(&mut normal, slices[i]);
            normal
        };
        let n = slices.len();
        let quotes: usize = self.objectives.iter().map(|objective| objective.points.len()).sum();
        let parts: Vec<Normal<3>> = if quotes < SERIAL_QUOTES {
            (0..n).map(part).collect()
        } else {
            (0..n).into_par_iter().with_min_len(4).map(part).collect()
        };
        let cost: f64 = parts.iter().map(|part| part.cost).sum();
        Equations {
            cost: if cost.is_finite() { cost } else { f64::INFINITY },
            weighted: parts.iter().map(Normal::weighted).sum(),
            count: parts.iter().map(|part| part.count).sum(),
            gradient: parts.iter().map(|part| part.gradient).collect(),
            diagonal: parts.iter().map(|part| part.hessian).collect(),
        }
    }

    /// The cost alone.
    pub(super) fn cost(&self, slices: &[Wings]) -> f64 {
        self.evaluate(slices, 1.0).cost
    }

    /// Descends from slices that meet every condition with room.
    pub(super) fn descend(&self, start: Vec<Wings>) -> Descent {
        let n = start.len();
        let mut slices = start;
        let mut square_scale = 1.0;
        let mut equations = self.evaluate(&slices, square_scale);
        let conditions = (n * (ALONE + JOINED)) as f64;
        let mut weight = (FIRST_WEIGHT * equations.cost / conditions).max(LEAST_WEIGHT);
        let mut steps = 0;
        let mut has_settled = false;
        loop {
            let last = 2.0 * weight * conditions <= LAST_SHARE * equations.cost || weight <= LEAST_WEIGHT;
            let mut damping = 1e-4;
            for _ in 0..if last { LAST_STEPS } else { STAGE_STEPS } {
                let mut is_scale_settled = true;
                if self.estimator.is_likelihood() {
                    (square_scale, is_scale_settled) =
                        noise::em_step(square_scale, equations.weighted, equations.count);
                    equations = self.evaluate(&slices, square_scale);
                }
                steps += 1;
                let Some((next, found, gain)) = self.step(&slices, &equations, weight, square_scale, &mut damping)
                else {
                    has_settled = is_scale_settled;
                    break;
                };
                (slices, equations) = (next, found);
                damping = (0.2 * damping).max(1e-12);
                has_settled = is_scale_settled && gain <= 0.1 * LAST_SHARE * equations.cost.abs();
                if has_settled {
                    break;
                }
            }
            if last {
                break;
            }
            weight = (weight * FADE).max(LEAST_WEIGHT);
        }
        Descent { slices, steps, has_settled, square_scale }
    }

    /// The first damped step that lowers the cost with the barrier, what it comes to, and by how much it is lower.
    fn step(
        &self,
        slices: &[Wings],
        equations: &Equations,
        weight: f64,
        square_scale: f64,
        damping: &mut f64,
    ) -> Option<(Vec<Wings>, Equations, f64)> {
        const TRIES: usize = 10;
        const HALVINGS: usize = 12;
        let (gradient, diagonal, coupling) = with_barrier(slices, equations, weight);
        let rooms = rooms(slices);
        let before = equations.cost + 2.0 * weight * barrier(slices);
        for _ in 0..TRIES {
            let mut damped = diagonal.clone();
            for block in &mut damped {
                for i in 0..3 {
                    block[i][i] *= 1.0 + *damping;
                }
            }
            if let Some(change) = solve_chain(&damped, &coupling, &gradient) {
                let mut length = 1.0;
                for _ in 0..HALVINGS {
                    let moved: Vec<Wings> = slices
                        .iter()
                        .zip(&change)
                        .map(|(x, change)| std::array::from_fn(|i| x[i] - length * change[i]))
                        .collect();
                    if leaves_room(&moved, &rooms) {
                        let found = self.evaluate(&moved, square_scale);
                        let after = found.cost + 2.0 * weight * barrier(&moved);
                        if after < before {
                            return Some((moved, found, before - after));
                        }
                        break;
                    }
                    length *= 0.6;
                }
            }
            *damping = (*damping * 8.0).max(1e-6);
        }
        None
    }
}

/// The conditions of slice `i` and of its join to the one before, the first's being to nothing: its wings rise at all.
fn each_condition(slices: &[Wings], mut each: impl FnMut(usize, f64, [Wings; 2])) {
    for (i, &slice) in slices.iter().enumerate() {
        for (value, by) in alone(slice) {
            each(i, value, [[0.0; 3], by]);
        }
        match i.checked_sub(1) {
            Some(before) => joined(slices[before], slice).into_iter().for_each(|(value, by)| each(i, value, by)),
            None => {
                for side in 0..3 {
                    let mut by = [0.0; 3];
                    by[side] = 1.0;
                    each(0, slice[side], [[0.0; 3], by]);
                }
            }
        }
    }
}

/// −Σ ln of the conditions.
fn barrier(slices: &[Wings]) -> f64 {
    let mut sum = 0.0;
    each_condition(slices, |_, value, _| sum -= value.ln());
    sum
}

fn rooms(slices: &[Wings]) -> Vec<f64> {
    let mut rooms = Vec::with_capacity(slices.len() * (ALONE + JOINED));
    each_condition(slices, |_, value, _| rooms.push(value));
    rooms
}

/// Whether every condition keeps a share of the room it had.
fn leaves_room(slices: &[Wings], rooms: &[f64]) -> bool {
    let mut rooms = rooms.iter();
    let mut holds = true;
    each_condition(slices, |_, value, _| holds &= rooms.next().is_some_and(|room| value > LEFT * room));
    holds
}

/// The normal equations with the barrier's.
fn with_barrier(slices: &[Wings], equations: &Equations, weight: f64) -> (Vec<Wings>, Vec<Block<3>>, Vec<Block<3>>) {
    let mut gradient = equations.gradient.clone();
    let mut diagonal = equations.diagonal.clone();
    let mut coupling = vec![[[0.0; 3]; 3]; slices.len().saturating_sub(1)];
    each_condition(slices, |i, value, [by_before, by]| {
        let inverse = 1.0 / value;
        let scale = weight * inverse * inverse;
        for r in 0..3 {
            gradient[i][r] -= weight * inverse * by[r];
            for c in 0..=r {
                diagonal[i][r][c] += scale * by[r] * by[c];
            }
        }
        if i > 0 {
            for r in 0..3 {
                gradient[i - 1][r] -= weight * inverse * by_before[r];
                for c in 0..=r {
                    diagonal[i - 1][r][c] += scale * by_before[r] * by_before[c];
                }
                for c in 0..3 {
                    coupling[i - 1][r][c] += scale * by_before[r] * by[c];
                }
            }
        }
    });
    (gradient, diagonal, coupling)
}

/// Hands each miss of a slice's quotes, and its gradient by θ, p and q, to `add`. With R = √(ψ²k² + 2ρψθk + θ²): ∂w/∂θ = w/R,
/// ∂w/∂p = −k(w − qk)/R, ∂w/∂q = k(w + pk)/R.
#[inline]
pub(super) fn accumulate(objective: &Objective, [theta, left, right]: Wings, mut add: impl FnMut(f64, &Wings)) {
    let (psi, tilt) = (left + right, right - left);
    for (i, point) in objective.points.iter().enumerate() {
        let k = point.k;
        let root = (psi * psi * k * k + 2.0 * tilt * theta * k + theta * theta).sqrt();
        let w = 0.5 * (theta + tilt * k + root);
        let [miss, slope] = objective.miss(i, w);
        let scaled = slope / root;
        add(miss, &[scaled * w, -scaled * k * (w - right * k), scaled * k * (w + left * k)]);
    }
}

/// Adds a slice's pulls.
pub(super) fn pull(normal: &mut Normal<3>, [theta, left, right]: Wings, pulls: &Pulls) {
    let psi = left + right;
    let rho = (right - left) / psi;
    let square = psi * psi;
    let parts = [
        (theta.ln(), [1.0 / theta, 0.0, 0.0]),
        (rho, [0.0, -2.0 * right / square, 2.0 * left / square]),
        (psi.ln(), [0.0, 1.0 / psi, 1.0 / psi]),
    ];
    for (pull, (value, by)) in pulls.iter().zip(parts) {
        normal.pull(pull.weight, (value - pull.towards) / pull.scale, &by.map(|by| by / pull.scale));
    }
}

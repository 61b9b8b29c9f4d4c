//! The SSVI backbone: one tilt and one smile function for all expiries, free of static arbitrage by construction.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    Svi,
    lanes::{self, Lanes, blocks},
    loss::Loss,
    target::{FEWEST_QUOTES, Target},
};
use crate::math::{Kernel, MultiplyAdd, Target as Instructions, dispatch};
use crate::surface::linear::solve_small;

/// Quotes a slice that the fit looks at.
const QUOTES_PER_SLICE: usize = 24;
/// Loss scales in half-spreads: of the first turn, and of those that follow. Far quotes that SSVI cannot reach must not decide its shape.
const FIRST_SCALE: f64 = 300.0;
const SCALES: [f64; 3] = [100.0, 30.0, 30.0];
/// Shapes to start from, in the free coordinates: an index's skew, a steep one, none, and the other way.
const STARTS: [[f64; 3]; 4] = [[-0.6, 0.5, 1.0], [-1.5, 2.0, 2.0], [0.0, 0.0, 0.0], [0.6, 0.5, 1.0]];

/// Sum of squared misses, in half-spreads, below which few quotes are met.
const MET: f64 = 1e-3;
/// Volatilities that differ by less than this share are one.
const ONE_VOLATILITY: f64 = 1e-9;

/// SSVI (Gatheral and Jacquier 2014): w(k, θ) = θ/2 (1 + ρφk + √((φk + ρ)² + 1 − ρ²)), φ(θ) = η θ^−γ (1 + θ)^(γ−1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ssvi {
    /// Correlation.
    pub rho: f64,
    /// Level of φ.
    pub eta: f64,
    /// Power of φ.
    pub gamma: f64,
}

impl Ssvi {
    /// φ(θ).
    pub fn phi(&self, theta: f64) -> f64 {
        self.eta * theta.powf(-self.gamma) * (1.0 + theta).powf(self.gamma - 1.0)
    }

    /// The slice whose total variance at the money is `theta`, as raw SVI (Gatheral and Jacquier 2014, section 4).
    pub fn slice(&self, theta: f64) -> Svi {
        let phi = self.phi(theta);
        let rest = 1.0 - self.rho * self.rho;
        Svi { a: 0.5 * theta * rest, b: 0.5 * theta * phi, rho: self.rho, m: -self.rho / phi, sigma: rest.sqrt() / phi }
    }

    /// Total variance at log-moneyness `k` of the slice with total variance `theta` at the money.
    pub fn total_variance(&self, k: f64, theta: f64) -> f64 {
        self.slice(theta).total_variance(k)
    }

    /// From coordinates without bounds. 0 < γ ≤ 1/2 and η²(1 + |ρ|) ≤ 4 keep every slice with θφ(1 + |ρ|) < 4 free of butterfly
    /// arbitrage (theorem 4.2 there: θφ²(1 + |ρ|) ≤ 4), and γ in (0, 1) with rising θ all free of calendar arbitrage (theorem 4.1).
    fn from_free(free: &[f64; 3]) -> Self {
        let rho = 0.999 * free[0].tanh();
        let most = 1.99 / (1.0 + rho.abs()).sqrt();
        Self { rho, eta: most / (1.0 + (-free[1]).exp()), gamma: 0.02 + 0.48 / (1.0 + (-free[2]).exp()) }
    }
}

/// Fits levels θ (one a target, none where it has no quote) and the shape in turn, from several shapes at first. Fewer than five quotes, which
/// several shapes meet, have that which the first of the starts leads to. None where the quotes tell no shape at all: no two strikes of one expiry,
/// or one volatility everywhere.
pub(in crate::surface) fn fit(targets: &[Target]) -> Option<(Ssvi, Vec<Option<f64>>)> {
    let few = Few::new(targets);
    let is_scarce = few.quotes < FEWEST_QUOTES;
    if is_scarce && !has_skew(targets) {
        return None;
    }
    // Shape and level in turn do not leave a level that is far off where few quotes leave both free.
    let level = |target: &Target| if target.has_shape() { target.level() } else { at_money(target) };
    let levels: Vec<Option<f64>> = targets.iter().map(level).collect();
    let first = Loss::saturating(FIRST_SCALE);
    let start = |free: [f64; 3]| {
        let mut theta = levels.clone();
        let mut free = turn(&few, &mut theta, free, first);
        // Few quotes do not tell the right start from the others after one turn.
        for scale in if is_scarce { &SCALES[..] } else { &[] } {
            free = turn(&few, &mut theta, free, Loss::saturating(*scale));
        }
        (Sums::at(&few, &logs(&theta), &free, first).value, free, theta)
    };
    let mut found: Vec<_> = STARTS.into_iter().map(start).collect();
    let least = found.iter().map(|it| it.0).min_by(f64::total_cmp)?;
    let most = if is_scarce { least + MET } else { least };
    let first = found.iter().position(|it| it.0 <= most)?;
    let (_, mut free, mut theta) = found.swap_remove(first);
    for scale in SCALES {
        free = turn(&few, &mut theta, free, Loss::saturating(scale));
    }
    Some((Ssvi::from_free(&free), theta))
}

/// Total variance at the money on the line between the quotes on each side of it; that of the nearest where all are on one.
fn at_money(target: &Target) -> Option<f64> {
    let after = target.k.partition_point(|k| *k < 0.0);
    let Some(before) = after.checked_sub(1).filter(|_| after < target.k.len()) else { return target.level() };
    let share = -target.k[before] / (target.k[after] - target.k[before]);
    Some(target.centre[before] + share * (target.centre[after] - target.centre[before]))
}

/// Whether an expiry has two volatilities at two strikes.
fn has_skew(targets: &[Target]) -> bool {
    let of_one = |target: &Target| {
        let others = target.centre.iter().skip(1);
        let first = target.centre.first().copied().unwrap_or(0.0);
        target.strikes() > 1 && others.into_iter().any(|w| (w - first).abs() > ONE_VOLATILITY * first)
    };
    targets.iter().any(of_one)
}

/// The quotes that the fit looks at, slice after slice, each filled up to whole eights by quotes without weight.
struct Few {
    k: Vec<Lanes>,
    centre: Vec<Lanes>,
    inverse_half: Vec<Lanes>,
    /// Where each slice ends, in eights.
    ends: Vec<usize>,
    quotes: usize,
}

impl Few {
    fn new(targets: &[Target]) -> Self {
        let [mut k, mut centre, mut inverse_half] = [Vec::new(), Vec::new(), Vec::new()];
        let (mut ends, mut quotes) = (Vec::with_capacity(targets.len()), 0);
        for target in targets {
            let few = target.thinned(QUOTES_PER_SLICE);
            let columns = few.columns();
            for block in 0..blocks(few.len()) {
                k.push(columns[0].block(block));
                centre.push(columns[1].block(block));
                inverse_half.push(columns[2].block(block));
            }
            quotes += few.len();
            ends.push(k.len());
        }
        Self { k, centre, inverse_half, ends, quotes }
    }

    /// The eights of slice `i`.
    #[inline(always)]
    fn of(&self, i: usize) -> Range<usize> {
        i.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[i]
    }
}

/// ln θ and ln(1 + θ) of each slice; of one without quotes, of whatever.
fn logs(theta: &[Option<f64>]) -> Vec<[f64; 2]> {
    theta.iter().map(|theta| theta.map_or([0.0; 2], |theta| [theta.ln(), theta.ln_1p()])).collect()
}

/// One turn: the shape for given levels, then the levels for that shape.
fn turn(few: &Few, theta: &mut [Option<f64>], free: [f64; 3], loss: Loss) -> [f64; 3] {
    let free = fit_shape(few, &logs(theta), free, loss);
    let shape = Ssvi::from_free(&free);
    for (i, theta) in theta.iter_mut().enumerate() {
        *theta = theta.map(|start| {
            let mut log_theta = start.max(1e-14).ln();
            dispatch(Instructions::best(), FitLevel { few, slice: i, shape, loss, log_theta: &mut log_theta });
            log_theta.exp()
        });
    }
    raise(theta);
    free
}

/// Makes the levels rise with expiry: each at least a hair above the one before.
fn raise(theta: &mut [Option<f64>]) {
    let mut before = 0.0_f64;
    for level in theta.iter_mut().flatten() {
        *level = level.max(before * (1.0 + 1e-4)).max(1e-14);
        before = *level;
    }
}

/// Steps towards a level at most, the change of its logarithm that ends them, and the longest of them.
const LEVEL_STEPS: usize = 12;
const LEAST_LEVEL_STEP: f64 = 1e-4;
const MOST_LEVEL_STEP: f64 = 0.4;

/// The level at which a slice of `shape` fits its quotes best, from the one given: Gauss–Newton in ln θ, where a step that does not
/// help is quartered.
struct FitLevel<'a> {
    few: &'a Few,
    slice: usize,
    shape: Ssvi,
    loss: Loss,
    log_theta: &'a mut f64,
}

impl Kernel for FitLevel<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let mut centre = *self.log_theta;
        let mut here = self.at::<M>(centre);
        let mut step = 0.0;
        for _ in 0..LEVEL_STEPS {
            if step == 0.0 {
                let [_, first, second] = here;
                step = if second > 0.0 { (-first / second).clamp(-MOST_LEVEL_STEP, MOST_LEVEL_STEP) } else { 0.0 };
            }
            if step.is_nan() || step.abs() < LEAST_LEVEL_STEP {
                break;
            }
            let there = self.at::<M>(centre + step);
            if there[0] < here[0] {
                (centre, here, step) = (centre + step, there, 0.0);
            } else {
                step *= 0.25;
            }
        }
        *self.log_theta = centre;
    }
}

impl FitLevel<'_> {
    /// Σρ over the quotes of the slice, half its derivative by ln θ, and half the Gauss–Newton second one.
    #[inline(always)]
    fn at<M: MultiplyAdd>(&self, log_theta: f64) -> [f64; 3] {
        let Ssvi { rho, gamma, .. } = self.shape;
        let theta = log_theta.exp();
        let phi = phi_of(&self.shape, [log_theta, theta.ln_1p()]);
        let by_log_theta = Lanes::splat(phi * ((gamma - 1.0) * theta / (1.0 + theta) - gamma));
        let (half, rest) = (Lanes::splat(0.5 * theta), Lanes::splat(1.0 - rho * rho));
        let (rho, phi) = (Lanes::splat(rho), Lanes::splat(phi));
        let mut sums = [Lanes::ZERO; 3];
        for block in self.few.of(self.slice) {
            let (k, centre, inverse_half) = (self.few.k[block], self.few.centre[block], self.few.inverse_half[block]);
            let x = phi.times_plus::<M>(k, rho);
            let root = x.times_plus::<M>(x, rest).sqrt();
            let w = half * (rho.times_plus::<M>(phi * k, Lanes::ONE) + root);
            let turn = half * k * (rho + x / root);
            let r = (w - centre) * inverse_half;
            let slope = inverse_half * turn.times_plus::<M>(by_log_theta, w);
            let share = self.loss.shares(r * r);
            let weighted = share * share * slope;
            sums[0] = (share * r).times_plus::<M>(r, sums[0]);
            sums[1] = weighted.times_plus::<M>(r, sums[1]);
            sums[2] = weighted.times_plus::<M>(slope, sums[2]);
        }
        lanes::sums(&sums)
    }
}

/// [`Ssvi::phi`] at ln θ and ln(1 + θ).
#[inline(always)]
fn phi_of(shape: &Ssvi, [log, log_1p]: [f64; 2]) -> f64 {
    shape.eta * ((shape.gamma - 1.0) * log_1p - shape.gamma * log).exp()
}

/// Gauss–Newton with damping over the three shape coordinates, at levels of these logarithms.
fn fit_shape(few: &Few, logs: &[[f64; 2]], mut free: [f64; 3], loss: Loss) -> [f64; 3] {
    let mut here = Sums::at(few, logs, &free, loss);
    let mut damping = 1e-2;
    for _ in 0..12 {
        let mut gain = 0.0;
        for _ in 0..6 {
            let mut damped = here.matrix;
            for i in 0..3 {
                damped[i][i] += damping * here.matrix[i][i] + 1e-9;
            }
            let step = solve_small(damped, here.right);
            // Beyond ±8 the bounded coordinates no longer move.
            let trial: [f64; 3] = std::array::from_fn(|i| (free[i] - step[i]).clamp(-8.0, 8.0));
            let there = Sums::at(few, logs, &trial, loss);
            if there.value < here.value {
                gain = here.value - there.value;
                (here, free) = (there, trial);
                damping *= 0.2;
                break;
            }
            damping *= 10.0;
        }
        if gain <= 1e-4 * here.value {
            break;
        }
    }
    free
}

/// Σρ over all quotes, and half its gradient and half its Gauss–Newton Hessian by the free coordinates of the shape.
struct Sums {
    value: f64,
    right: [f64; 3],
    matrix: [[f64; 3]; 3],
}

impl Sums {
    fn at(few: &Few, logs: &[[f64; 2]], free: &[f64; 3], loss: Loss) -> Self {
        let (shape, chain) = (Ssvi::from_free(free), Chain::new(free));
        let slice = |logs: &[f64; 2]| {
            let phi = phi_of(&shape, *logs);
            SliceShape { half: 0.5 * logs[0].exp(), phi, by_phi: chain.of_phi(*logs, phi) }
        };
        let slices: Vec<SliceShape> = logs.iter().map(slice).collect();
        let mut sums = [0.0; 10];
        let kernel = ByShape { few, slices: &slices, rho: shape.rho, by_rho: chain.rho, loss, sums: &mut sums };
        dispatch(Instructions::best(), kernel);
        let [value, a, b, c, aa, ab, ac, bb, bc, cc] = sums;
        Self { value, right: [a, b, c], matrix: [[aa, ab, ac], [ab, bb, bc], [ac, bc, cc]] }
    }
}

/// How ρ, and φ at a level, move with the free coordinates.
struct Chain {
    /// Of ρ by the first; the others leave it.
    rho: f64,
    /// Of ln η by the first two.
    eta: [f64; 2],
    gamma: f64,
}

impl Chain {
    /// The derivatives of [`Ssvi::from_free`].
    fn new(free: &[f64; 3]) -> Self {
        let turn = free[0].tanh();
        let (rho, by_free) = (0.999 * turn, 0.999 * (1.0 - turn * turn));
        let [eta, gamma] = [1, 2].map(|i| 1.0 / (1.0 + (-free[i]).exp()));
        let by_rho = -0.5 * rho.signum() / (1.0 + rho.abs());
        Self { rho: by_free, eta: [by_rho * by_free, 1.0 - eta], gamma: 0.48 * gamma * (1.0 - gamma) }
    }

    /// Of φ at the level of these logarithms, by each coordinate.
    fn of_phi(&self, [log, log_1p]: [f64; 2], phi: f64) -> [f64; 3] {
        [phi * self.eta[0], phi * self.eta[1], phi * (log_1p - log) * self.gamma]
    }
}

/// A slice of the shape that is tried: θ/2, φ, and the derivatives of φ by the free coordinates.
struct SliceShape {
    half: f64,
    phi: f64,
    by_phi: [f64; 3],
}

/// Sums over all quotes of ρ, of its derivatives by the free coordinates, and of their products in the order of [`Sums::at`].
struct ByShape<'a> {
    few: &'a Few,
    slices: &'a [SliceShape],
    rho: f64,
    by_rho: f64,
    loss: Loss,
    sums: &'a mut [f64; 10],
}

impl Kernel for ByShape<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let (rho, rest) = (Lanes::splat(self.rho), Lanes::splat(1.0 - self.rho * self.rho));
        let by_rho = Lanes::splat(self.by_rho);
        let mut all = [Lanes::ZERO; 10];
        for (i, slice) in self.slices.iter().enumerate() {
            let (half, phi) = (Lanes::splat(slice.half), Lanes::splat(slice.phi));
            // Of ρ; of the derivatives by ρ and φ; and of their products.
            let mut sums = [Lanes::ZERO; 6];
            for block in self.few.of(i) {
                let (k, centre, inverse_half) =
                    (self.few.k[block], self.few.centre[block], self.few.inverse_half[block]);
                let along = phi * k;
                let x = along + rho;
                let root = x.times_plus::<M>(x, rest).sqrt();
                let inverse = Lanes::ONE / root;
                let w = half * (rho.times_plus::<M>(along, Lanes::ONE) + root);
                let r = (w - centre) * inverse_half;
                let share = self.loss.shares(r * r);
                let weight = share * share;
                let unit = half * inverse_half;
                let of_rho = unit * along * (Lanes::ONE + inverse);
                let of_phi = unit * k * x.times_plus::<M>(inverse, rho);
                let (weighted_rho, weighted_phi) = (weight * of_rho, weight * of_phi);
                sums[0] = (share * r).times_plus::<M>(r, sums[0]);
                sums[1] = weighted_rho.times_plus::<M>(r, sums[1]);
                sums[2] = weighted_phi.times_plus::<M>(r, sums[2]);
                sums[3] = weighted_rho.times_plus::<M>(of_rho, sums[3]);
                sums[4] = weighted_rho.times_plus::<M>(of_phi, sums[4]);
                sums[5] = weighted_phi.times_plus::<M>(of_phi, sums[5]);
            }
            let [value, first_rho, first_phi, rho_rho, rho_phi, phi_phi] = sums;
            let [a, b, c] = slice.by_phi;
            let (a, b, c) = (Lanes::splat(a), Lanes::splat(b), Lanes::splat(c));
            // The derivative by the first coordinate, and those of it by ρ and by φ.
            let (by_a_rho, by_a_phi) = (by_rho * rho_rho + a * rho_phi, by_rho * rho_phi + a * phi_phi);
            all[0] = all[0] + value;
            all[1] = all[1] + by_rho * first_rho + a * first_phi;
            all[2] = b.times_plus::<M>(first_phi, all[2]);
            all[3] = c.times_plus::<M>(first_phi, all[3]);
            all[4] = all[4] + by_rho * by_a_rho + a * by_a_phi;
            all[5] = b.times_plus::<M>(by_a_phi, all[5]);
            all[6] = c.times_plus::<M>(by_a_phi, all[6]);
            all[7] = (b * b).times_plus::<M>(phi_phi, all[7]);
            all[8] = (b * c).times_plus::<M>(phi_phi, all[8]);
            all[9] = (c * c).times_plus::<M>(phi_phi, all[9]);
        }
        *self.sums = lanes::sums(&all);
    }
}

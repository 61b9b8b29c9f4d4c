//! The SSVI backbone: one tilt and one smile function for all expiries, free of static arbitrage by construction.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use serde::{Deserialize, Serialize};

use super::{
    Svi,
    lanes::{self, Lanes, blocks},
    loss::{self, Loss},
    target::{FEWEST_QUOTES, Target},
    wings::Curve,
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

/// Fits levels θ (one a target, none where it has no quote) and the shape in turn, from several shapes at first. None where there are
/// not quotes enough for a shape.
pub(in crate::surface) fn fit(targets: &[Target]) -> Option<(Ssvi, Vec<Option<f64>>)> {
    let few: Vec<Target> = targets.iter().map(|target| target.thinned(QUOTES_PER_SLICE)).collect();
    if few.iter().map(Target::len).sum::<usize>() < FEWEST_QUOTES {
        return None;
    }
    let levels: Vec<Option<f64>> = targets.iter().map(Target::level).collect();
    let first = Loss::saturating(FIRST_SCALE);
    let start = |free: [f64; 3]| {
        let mut theta = levels.clone();
        let free = turn(&few, &mut theta, free, first);
        (total(&few, &theta, &Ssvi::from_free(&free), first), free, theta)
    };
    let (_, mut free, mut theta) = STARTS.into_iter().map(start).min_by(|x, y| x.0.total_cmp(&y.0))?;
    for scale in SCALES {
        free = turn(&few, &mut theta, free, Loss::saturating(scale));
    }
    Some((Ssvi::from_free(&free), theta))
}

/// One turn: the shape for given levels, then the levels for that shape.
fn turn(targets: &[Target], theta: &mut [Option<f64>], free: [f64; 3], loss: Loss) -> [f64; 3] {
    let free = fit_shape(targets, theta, free, loss);
    let shape = Ssvi::from_free(&free);
    for (theta, target) in theta.iter_mut().zip(targets) {
        *theta = theta.map(|start| fit_level(target, &shape, start, loss));
    }
    raise(theta);
    free
}

/// Σρ of all targets.
fn total(targets: &[Target], theta: &[Option<f64>], shape: &Ssvi, loss: Loss) -> f64 {
    let parts = targets.iter().zip(theta);
    parts.map(|(target, theta)| theta.map_or(0.0, |theta| sum(target, &shape.slice(theta), loss))).sum()
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

/// The level at which the slice of `shape` fits the quotes of `target` best, from `start`: Gauss–Newton in ln θ, where a step that does not
/// help is quartered.
fn fit_level(target: &Target, shape: &Ssvi, start: f64, loss: Loss) -> f64 {
    let at = |log_theta: f64| {
        let theta = log_theta.exp();
        let phi = shape.phi(theta);
        let by_log_theta = phi * ((shape.gamma - 1.0) * theta / (1.0 + theta) - shape.gamma);
        let mut sums = [0.0; 3];
        let at = [shape.rho, theta, phi, by_log_theta];
        dispatch(Instructions::best(), ByLevel { target, at, loss, sums: &mut sums });
        sums
    };
    let mut centre = start.max(1e-14).ln();
    let mut here = at(centre);
    let mut step = 0.0;
    for _ in 0..LEVEL_STEPS {
        if step == 0.0 {
            let [_, first, second] = here;
            step = if second > 0.0 { (-first / second).clamp(-MOST_LEVEL_STEP, MOST_LEVEL_STEP) } else { 0.0 };
        }
        if step.is_nan() || step.abs() < LEAST_LEVEL_STEP {
            break;
        }
        let there = at(centre + step);
        if there[0] < here[0] {
            (centre, here, step) = (centre + step, there, 0.0);
        } else {
            step *= 0.25;
        }
    }
    centre.exp()
}

/// Σρ over the quotes of one slice, half its derivative by ln θ, and half the Gauss–Newton second one. `at` is ρ, θ, φ and the derivative of
/// φ by ln θ.
struct ByLevel<'a> {
    target: &'a Target,
    at: [f64; 4],
    loss: Loss,
    sums: &'a mut [f64; 3],
}

impl Kernel for ByLevel<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let [rho, theta, phi, by_log_theta] = self.at;
        let (half, rest) = (Lanes::splat(0.5 * theta), Lanes::splat(1.0 - rho * rho));
        let (rho, phi, by_log_theta) = (Lanes::splat(rho), Lanes::splat(phi), Lanes::splat(by_log_theta));
        let mut sums = [Lanes::ZERO; 3];
        let columns = self.target.columns();
        for block in 0..blocks(self.target.len()) {
            let [k, centre, inverse_half] = [columns[0].block(block), columns[1].block(block), columns[2].block(block)];
            let x = phi.times_plus::<M>(k, rho);
            let root = x.times_plus::<M>(x, rest).sqrt();
            let w = half * (rho.times_plus::<M>(phi * k, Lanes::ONE) + root);
            let turn = half * k * (rho + x / root);
            let r = (w - centre) * inverse_half;
            let slope = inverse_half * turn.times_plus::<M>(by_log_theta, w);
            let weight = self.loss.weights(r * r);
            let weighted = weight * slope;
            sums[0] = (weight.sqrt() * r).times_plus::<M>(r, sums[0]);
            sums[1] = weighted.times_plus::<M>(r, sums[1]);
            sums[2] = weighted.times_plus::<M>(slope, sums[2]);
        }
        *self.sums = lanes::sums(&sums);
    }
}

/// Gauss–Newton with damping over the three shape coordinates.
fn fit_shape(targets: &[Target], theta: &[Option<f64>], mut free: [f64; 3], loss: Loss) -> [f64; 3] {
    let mut value = total(targets, theta, &Ssvi::from_free(&free), loss);
    let mut damping = 1e-2;
    for _ in 0..12 {
        let mut matrix = [[0.0; 3]; 3];
        let mut right = [0.0; 3];
        let (here, chain) = (Ssvi::from_free(&free), Chain::new(&free));
        for (target, theta) in targets.iter().zip(theta) {
            let Some(theta) = *theta else { continue };
            let mut sums = [0.0; 5];
            let at = [here.rho, theta, here.phi(theta)];
            dispatch(Instructions::best(), ByShape { target, at, loss, sums: &mut sums });
            let [by_rho, by_phi] = chain.at(theta, at[2]);
            for i in 0..3 {
                right[i] += by_rho[i] * sums[3] + by_phi[i] * sums[4];
                let (rho, phi) = (by_rho[i] * sums[0] + by_phi[i] * sums[1], by_rho[i] * sums[1] + by_phi[i] * sums[2]);
                for j in 0..3 {
                    matrix[i][j] += rho * by_rho[j] + phi * by_phi[j];
                }
            }
        }
        let mut gain = 0.0;
        for _ in 0..6 {
            let mut damped = matrix;
            for i in 0..3 {
                damped[i][i] += damping * matrix[i][i] + 1e-9;
            }
            let step = solve_small(damped, right);
            // Beyond ±8 the bounded coordinates no longer move.
            let trial: [f64; 3] = std::array::from_fn(|i| (free[i] - step[i]).clamp(-8.0, 8.0));
            let trial_value = total(targets, theta, &Ssvi::from_free(&trial), loss);
            if trial_value < value {
                gain = value - trial_value;
                (value, free) = (trial_value, trial);
                damping *= 0.2;
                break;
            }
            damping *= 10.0;
        }
        if gain <= 1e-4 * value {
            break;
        }
    }
    free
}

/// How ρ, and φ at a level, move with the free coordinates.
struct Chain {
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

    /// Of ρ, and of φ at the level `theta`, by each coordinate.
    fn at(&self, theta: f64, phi: f64) -> [[f64; 3]; 2] {
        let by_gamma = phi * (theta.ln_1p() - theta.ln()) * self.gamma;
        [[self.rho, 0.0, 0.0], [phi * self.eta[0], phi * self.eta[1], by_gamma]]
    }
}

/// Weighted sums over the quotes of one slice: of the products of the derivatives of the misses by ρ and φ (ρρ, ρφ, φφ), and of each with
/// the miss. `at` is ρ, θ, φ.
struct ByShape<'a> {
    target: &'a Target,
    at: [f64; 3],
    loss: Loss,
    sums: &'a mut [f64; 5],
}

impl Kernel for ByShape<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let [rho, theta, phi] = self.at;
        let (half, rest) = (Lanes::splat(0.5 * theta), Lanes::splat(1.0 - rho * rho));
        let (rho, phi) = (Lanes::splat(rho), Lanes::splat(phi));
        let mut sums = [Lanes::ZERO; 5];
        let columns = self.target.columns();
        for start in 0..blocks(self.target.len()) {
            let [k, centre, inverse_half] = [columns[0].block(start), columns[1].block(start), columns[2].block(start)];
            let x = phi.times_plus::<M>(k, rho);
            let root = x.times_plus::<M>(x, rest).sqrt();
            let inverse = Lanes::ONE / root;
            let along = phi * k;
            let w = half * (rho.times_plus::<M>(along, Lanes::ONE) + root);
            let r = (w - centre) * inverse_half;
            let weight = self.loss.weights(r * r);
            let by_rho = half * inverse_half * along * (Lanes::ONE + inverse);
            let by_phi = half * inverse_half * k * x.times_plus::<M>(inverse, rho);
            let (weighted_rho, weighted_phi) = (weight * by_rho, weight * by_phi);
            sums[0] = weighted_rho.times_plus::<M>(by_rho, sums[0]);
            sums[1] = weighted_rho.times_plus::<M>(by_phi, sums[1]);
            sums[2] = weighted_phi.times_plus::<M>(by_phi, sums[2]);
            sums[3] = weighted_rho.times_plus::<M>(r, sums[3]);
            sums[4] = weighted_phi.times_plus::<M>(r, sums[4]);
        }
        *self.sums = lanes::sums(&sums);
    }
}

fn sum(target: &Target, svi: &Svi, loss: Loss) -> f64 {
    loss::of_quotes(target, &Curve::from_svi(svi), loss)
}

//! The SSVI backbone: one tilt and one smile function for all expiries, free of static arbitrage by construction.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use serde::{Deserialize, Serialize};

use super::{
    Svi,
    loss::{self, Loss},
    target::{FEWEST_QUOTES, Target},
    wings::Curve,
};
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

/// The level at which the slice of `shape` fits the quotes of `target` best, from `start`.
fn fit_level(target: &Target, shape: &Ssvi, start: f64, loss: Loss) -> f64 {
    let value = |log_theta: f64| sum(target, &shape.slice(log_theta.exp()), loss);
    let mut centre = start.max(1e-14).ln();
    let mut best = value(centre);
    let mut step = 0.2;
    while step > 1e-5 {
        let (left, right) = (value(centre - step), value(centre + step));
        if left < best && left <= right {
            (best, centre) = (left, centre - step);
        } else if right < best {
            (best, centre) = (right, centre + step);
        } else {
            step *= 0.3;
        }
    }
    centre.exp()
}

/// Gauss–Newton with damping over the three shape coordinates, by differences.
fn fit_shape(targets: &[Target], theta: &[Option<f64>], mut free: [f64; 3], loss: Loss) -> [f64; 3] {
    let mut value = total(targets, theta, &Ssvi::from_free(&free), loss);
    let mut damping = 1e-2;
    for _ in 0..12 {
        const STEP: f64 = 1e-5;
        let mut matrix = [[0.0; 3]; 3];
        let mut right = [0.0; 3];
        let shapes: [Ssvi; 3] = std::array::from_fn(|i| {
            let mut moved = free;
            moved[i] += STEP;
            Ssvi::from_free(&moved)
        });
        let here = Ssvi::from_free(&free);
        for (target, theta) in targets.iter().zip(theta) {
            let Some(theta) = *theta else { continue };
            let slice = here.slice(theta);
            let moved = shapes.map(|shape| shape.slice(theta));
            for ((&k, &centre), &inverse_half) in target.k.iter().zip(&target.centre).zip(&target.inverse_half) {
                let w = slice.total_variance(k);
                let r = (w - centre) * inverse_half;
                let weight = loss.weight(r * r);
                let by = moved.map(|moved| (moved.total_variance(k) - w) * inverse_half / STEP);
                for i in 0..3 {
                    right[i] += weight * by[i] * r;
                    for j in 0..3 {
                        matrix[i][j] += weight * by[i] * by[j];
                    }
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

fn sum(target: &Target, svi: &Svi, loss: Loss) -> f64 {
    loss::of_quotes(target, &Curve::from_svi(svi), loss)
}

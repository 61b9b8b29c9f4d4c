//! One slice by itself: a global start by the quasi-explicit method (Zeliade 2009), then Levenberg–Marquardt.
//!
//! For given m and σ the other three parameters are a linear least-squares problem, so a grid over (m, σ) finds the basin of the best
//! minimum, where a descent in all five parameters from one guess falls into degenerate ones.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    linear::{Block, solve_chain, solve_small},
    loss::{self, Loss},
    target::Target,
    wings::{MOST_SLOPE, Wings},
};

/// Quotes that the grid search looks at.
const START_QUOTES: usize = 48;
/// Starts that are refined.
const STARTS: usize = 4;

/// Where the parameters of a slice may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    low: Wings,
    high: Wings,
    /// Damping that holds parameters which the data do not determine.
    pub(super) floor: Wings,
}

impl Bounds {
    pub(super) fn new(target: &Target) -> Self {
        let level = target.level().unwrap_or(0.04 * target.expiry_years);
        let deviation = level.sqrt();
        let first = target.k.first().copied().unwrap_or(0.0).min(-deviation);
        let last = target.k.last().copied().unwrap_or(0.0).max(deviation);
        let span = last - first;
        let most = target.centre.iter().copied().fold(level, f64::max);
        let n = 1e-9 * target.len().max(1) as f64;
        Self {
            low: [-20.0 * most, 0.0, 0.0, first - span, (0.02 * deviation).ln()],
            high: [20.0 * most, MOST_SLOPE, MOST_SLOPE, last + span, (10.0 * span).ln()],
            floor: [n / (level * level), n, n, n / (deviation * deviation), n],
        }
    }

    pub(super) fn clamp(&self, x: &mut Wings) {
        for i in 0..5 {
            x[i] = x[i].clamp(self.low[i], self.high[i]);
        }
    }

    /// Whether parameter i sits at a bound that the descent (against `gradient`) would cross.
    pub(super) fn holds(&self, x: &Wings, gradient: &[f64; 5], i: usize) -> bool {
        (x[i] <= self.low[i] && gradient[i] > 0.0) || (x[i] >= self.high[i] && gradient[i] < 0.0)
    }
}

/// The best fit of the quotes alone under least squares.
pub(super) fn least_squares(target: &Target) -> Wings {
    let bounds = Bounds::new(target);
    let few = target.thinned(START_QUOTES);
    let mut best = (f64::INFINITY, [0.0; 5]);
    for start in starts(&few) {
        let (value, x) = descend(&few, start, Loss::LEAST_SQUARES, &bounds, 25);
        if value < best.0 {
            best = (value, x);
        }
    }
    descend(target, best.1, Loss::LEAST_SQUARES, &bounds, 40).1
}

/// The best few points of the (m, σ) grid, with a, p, q solved for.
fn starts(target: &Target) -> Vec<Wings> {
    let deviation = target.level().unwrap_or(0.01).sqrt();
    let (first, last) = (target.k[0], target.k[target.len() - 1]);
    let span = last - first;
    let mut found: Vec<(f64, Wings)> = Vec::new();
    for step in [-3.0, -1.5, -0.75, -0.25, 0.0, 0.25, 0.75, 1.5, 3.0, 5.0] {
        let m = (step * deviation).clamp(first - 0.2 * span, last + 0.2 * span);
        let mut best = (f64::INFINITY, [0.0; 5]);
        for width in [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0] {
            let candidate = explicit(target, m, width * deviation);
            if candidate.0 < best.0 {
                best = candidate;
            }
        }
        found.push(best);
    }
    found.sort_by(|x, y| x.0.total_cmp(&y.0));
    found.truncate(STARTS);
    let level = target.level().unwrap_or(0.01);
    // Where no line of the grid has a positive total variance at every quote, a flat slice does.
    found
        .into_iter()
        .map(|(value, x)| if value.is_finite() { x } else { [level, 0.0, 0.0, 0.0, deviation.ln()] })
        .collect()
}

/// The least-squares a, p, q ≥ 0 for given m and σ, and Σr².
fn explicit(target: &Target, m: f64, sigma: f64) -> (f64, Wings) {
    let mut matrix = [[0.0; 3]; 3];
    let mut right = [0.0; 3];
    for ((&k, &centre), &inverse_half) in target.k.iter().zip(&target.centre).zip(&target.inverse_half) {
        let x = k - m;
        let root = (x * x + sigma * sigma).sqrt();
        let by = [1.0, 0.5 * (root - x), 0.5 * (root + x)];
        let weight = inverse_half * inverse_half;
        for i in 0..3 {
            for j in 0..3 {
                matrix[i][j] += weight * by[i] * by[j];
            }
            right[i] += weight * by[i] * centre;
        }
    }
    let value = |a: f64, p: f64, q: f64| {
        let x = [a, p.min(MOST_SLOPE), q.min(MOST_SLOPE), m, sigma.ln()];
        (loss::objective(target, &x, Loss::LEAST_SQUARES), x)
    };
    let [a, p, q] = solve_small(matrix, right);
    if p >= 0.0 && q >= 0.0 {
        return value(a, p, q);
    }
    // A slope below zero is put to zero, whichever of the two leaves less behind.
    let without = |i: usize, j: usize| {
        solve_small([[matrix[0][0], matrix[0][j]], [matrix[j][0], matrix[j][j]]], [right[0], right[j]])
            .map(|v| if i == j { 0.0 } else { v })
    };
    let [a_left, p_only] = without(2, 1);
    let [a_right, q_only] = without(1, 2);
    let left = value(a_left, p_only.max(0.0), 0.0);
    let right = value(a_right, 0.0, q_only.max(0.0));
    if left.0 <= right.0 { left } else { right }
}

/// Levenberg–Marquardt on Σρ from `x`; the objective and parameters it ends at.
pub(super) fn descend(target: &Target, mut x: Wings, loss: Loss, bounds: &Bounds, most_steps: usize) -> (f64, Wings) {
    bounds.clamp(&mut x);
    let mut value = loss::objective(target, &x, loss);
    let mut damping = 1e-3;
    for _ in 0..most_steps {
        let mut gradient = [0.0; 5];
        let mut hessian: Block = [[0.0; 5]; 5];
        loss::accumulate(target, &x, loss, &mut gradient, &mut hessian);
        hold(&x, bounds, &mut gradient, &mut hessian);
        let mut moved = None;
        for _ in 0..8 {
            let mut damped = hessian;
            for i in 0..5 {
                damped[i][i] += damping * hessian[i][i] + bounds.floor[i];
            }
            if let Some(step) = solve_chain(&[damped], &[], &[gradient]) {
                let mut trial: Wings = std::array::from_fn(|i| x[i] - step[0][i]);
                bounds.clamp(&mut trial);
                let trial_value = loss::objective(target, &trial, loss);
                if trial_value < value {
                    moved = Some((trial_value, trial));
                    break;
                }
            }
            damping = (damping * 8.0).max(1e-6);
        }
        let Some((trial_value, trial)) = moved else { break };
        let gain = value - trial_value;
        (value, x) = (trial_value, trial);
        damping *= 0.15;
        if gain <= 1e-7 * value {
            break;
        }
    }
    (value, x)
}

/// Takes the parameters that sit at a bound out of the system.
pub(super) fn hold(x: &Wings, bounds: &Bounds, gradient: &mut [f64; 5], hessian: &mut Block) {
    for i in 0..5 {
        if bounds.holds(x, gradient, i) {
            gradient[i] = 0.0;
            for j in 0..5 {
                hessian[i][j] = 0.0;
                hessian[j][i] = 0.0;
            }
            hessian[i][i] = 1.0 + bounds.floor[i];
        }
    }
}

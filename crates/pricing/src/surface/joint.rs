//! All slices at once under the arbitrage constraints: Levenberg–Marquardt with rising penalties on what the constraints are missed by.
//!
//! A calendar constraint ties neighbours only, so the normal equations are a chain of 5×5 blocks and a step over the whole surface costs
//! little more than a step of every slice alone.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    linear::{Block, solve_chain},
    loss::{self, Loss, add_outer},
    slice::{Bounds, hold},
    target::Target,
    wings::{Curve, Wings},
};

/// Steps a stage.
const STEPS: usize = 14;
/// Total variance must rise from slice to slice by this share, so that a small miss of the penalised problem is none of the real one.
const CALENDAR_MARGIN: f64 = 5e-6;
/// Durrleman's g must be at least this.
const G_MARGIN: f64 = 2e-5;

/// One slice's part of the problem.
pub(super) struct Member {
    pub(super) target: Target,
    pub(super) bounds: Bounds,
    /// Log-moneyness at which g is held.
    pub(super) grid: Vec<f64>,
    /// Log-moneyness at which this slice is held below the next.
    pub(super) pair_grid: Vec<f64>,
}

/// The log-moneyness at which constraints are held between `low` and `high`: dense where the vertices of `vertices` turn, geometric
/// steps outward.
pub(super) fn constraint_grid(range: [f64; 2], vertices: &[(f64, f64)]) -> Vec<f64> {
    let mut grid: Vec<f64> = (0..=16).map(|i| range[0] + (range[1] - range[0]) * f64::from(i) / 16.0).collect();
    for &(m, sigma) in vertices {
        let furthest = (range[1] - m).max(m - range[0]);
        grid.push(m);
        let mut step = 0.25 * sigma;
        while step < furthest {
            grid.push(m - step);
            grid.push(m + step);
            step = step * 1.3 + 0.1 * sigma;
        }
    }
    grid.retain(|k| (range[0]..=range[1]).contains(k));
    grid.sort_by(f64::total_cmp);
    grid.dedup();
    grid
}

/// The stages: loss scale in half-spreads, and the penalty on a miss of one per mille of the total variance. The last outweighs any quote.
const STAGES: [(f64, f64); 7] =
    [(30.0, 1.0), (10.0, 1.0), (5.0, 1.0), (3.0, 10.0), (2.0, 100.0), (1.5, 1e3), (1.5, 1e5)];

/// Fits all slices from `x` (one entry a member).
pub(super) fn fit(members: &[Member], mut x: Vec<Wings>) -> Vec<Wings> {
    for (x, member) in x.iter_mut().zip(members) {
        member.bounds.clamp(x);
    }
    for (scale, penalty) in STAGES {
        x = descend(members, x, Loss::saturating(scale), penalty);
    }
    x
}

/// The penalised objective; +∞ where a total variance is not positive.
fn objective(members: &[Member], x: &[Wings], loss: Loss, penalty: f64) -> f64 {
    let scale = penalty * 1e6;
    let mut sum = 0.0;
    for (i, member) in members.iter().enumerate() {
        sum += loss::objective(&member.target, &x[i], loss);
        let curve = Curve::new(&x[i]);
        for &k in &member.grid {
            let short = G_MARGIN - curve.durrleman_g(k);
            if short > 0.0 {
                sum += penalty * 1e2 * short * short;
            }
        }
        if let Some(after) = x.get(i + 1) {
            let next = Curve::new(after);
            for &k in &member.pair_grid {
                let w = curve.total_variance(k);
                let short = (w * (1.0 + CALENDAR_MARGIN) - next.total_variance(k)) / w;
                if short > 0.0 {
                    sum += scale * short * short;
                }
            }
            for side in [1, 2] {
                let short = x[i][side] * (1.0 + CALENDAR_MARGIN) + 1e-10 - after[side];
                if short > 0.0 {
                    sum += scale * short * short;
                }
            }
        }
    }
    if sum.is_finite() { sum } else { f64::INFINITY }
}

fn descend(members: &[Member], mut x: Vec<Wings>, loss: Loss, penalty: f64) -> Vec<Wings> {
    let n = members.len();
    let scale = penalty * 1e6;
    let mut value = objective(members, &x, loss, penalty);
    let mut damping = 1e-4;
    let mut gradient = vec![[0.0; 5]; n];
    let mut diagonal: Vec<Block> = vec![[[0.0; 5]; 5]; n];
    let mut coupling: Vec<Block> = vec![[[0.0; 5]; 5]; n.saturating_sub(1)];
    let mut shape: Vec<Wings> = vec![[0.0; 5]; n];
    for _ in 0..STEPS {
        gradient.fill([0.0; 5]);
        diagonal.fill([[0.0; 5]; 5]);
        coupling.fill([[0.0; 5]; 5]);
        for (i, member) in members.iter().enumerate() {
            loss::accumulate(&member.target, &x[i], loss, &mut gradient[i], &mut diagonal[i]);
            shape[i] = std::array::from_fn(|j| diagonal[i][j][j]);
        }
        for (i, member) in members.iter().enumerate() {
            let curve = Curve::new(&x[i]);
            for &k in &member.grid {
                if curve.durrleman_g(k) < G_MARGIN {
                    let (g, by) = curve.durrleman_gradient(k);
                    let weight = penalty * 1e2;
                    add_outer(&by, weight, weight * (g - G_MARGIN), &mut gradient[i], &mut diagonal[i]);
                }
            }
            let Some(after) = x.get(i + 1) else { continue };
            let next = Curve::new(after);
            for &k in &member.pair_grid {
                let w = curve.total_variance(k);
                let short = (w * (1.0 + CALENDAR_MARGIN) - next.total_variance(k)) / w;
                if short > 0.0 {
                    let (_, by) = curve.gradient(k);
                    let (_, by_next) = next.gradient(k);
                    // d short = (w_next/w²) dw − dw_next/w
                    let inverse = 1.0 / w;
                    let rate = next.total_variance(k) * inverse * inverse;
                    let by = by.map(|v| v * rate);
                    let by_next = by_next.map(|v| -v * inverse);
                    add_pair(&by, &by_next, scale, short, i, &mut gradient, &mut diagonal, &mut coupling);
                }
            }
            for side in [1, 2] {
                let short = x[i][side] * (1.0 + CALENDAR_MARGIN) + 1e-10 - after[side];
                if short > 0.0 {
                    let mut by = [0.0; 5];
                    by[side] = 1.0;
                    add_pair(&by, &by.map(|v| -v), scale, short, i, &mut gradient, &mut diagonal, &mut coupling);
                }
            }
        }
        for i in 0..n {
            let held: [bool; 5] = std::array::from_fn(|j| members[i].bounds.holds(&x[i], &gradient[i], j));
            hold(&x[i], &members[i].bounds, &mut gradient[i], &mut diagonal[i]);
            for j in (0..5).filter(|&j| held[j]) {
                if i + 1 < n {
                    coupling[i][j] = [0.0; 5];
                }
                if i > 0 {
                    coupling[i - 1].iter_mut().for_each(|row| row[j] = 0.0);
                }
            }
        }
        let mut moved = None;
        for _ in 0..8 {
            let mut damped = diagonal.clone();
            for ((block, member), shape) in damped.iter_mut().zip(members).zip(&shape) {
                for i in 0..5 {
                    block[i][i] += damping * shape[i] + member.bounds.floor[i];
                }
            }
            if let Some(step) = solve_chain(&damped, &coupling, &gradient) {
                let mut trial = x.clone();
                for ((trial, step), member) in trial.iter_mut().zip(&step).zip(members) {
                    for i in 0..5 {
                        trial[i] -= step[i];
                    }
                    member.bounds.clamp(trial);
                }
                let trial_value = objective(members, &trial, loss, penalty);
                if trial_value < value {
                    moved = Some((trial_value, trial));
                    break;
                }
            }
            damping = (damping * 10.0).max(1e-7);
        }
        let Some((trial_value, trial)) = moved else { break };
        let gain = value - trial_value;
        (value, x) = (trial_value, trial);
        damping *= 0.1;
        if gain <= 1e-6 * value {
            break;
        }
    }
    x
}

/// Adds one squared constraint miss between slices i and i + 1.
#[allow(clippy::too_many_arguments, reason = "the parts of one system of equations")]
fn add_pair(
    by: &Wings,
    by_next: &Wings,
    scale: f64,
    short: f64,
    i: usize,
    gradient: &mut [[f64; 5]],
    diagonal: &mut [Block],
    coupling: &mut [Block],
) {
    add_outer(by, scale, scale * short, &mut gradient[i], &mut diagonal[i]);
    add_outer(by_next, scale, scale * short, &mut gradient[i + 1], &mut diagonal[i + 1]);
    for r in 0..5 {
        for c in 0..5 {
            coupling[i][r][c] += scale * by[r] * by_next[c];
        }
    }
}

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

/// Total variance must rise from slice to slice by this share, so that a small miss of the penalised problem is none of the real one.
const CALENDAR_MARGIN: f64 = 5e-6;
/// Total variance must be at least this share of the scale.
const LEAST_SHARE: f64 = 1e-3;
/// Durrleman's g must be at least this.
const G_MARGIN: f64 = 2e-5;

/// One slice's part of the problem.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) target: Target,
    pub(super) bounds: Bounds,
    /// Log-moneyness at which w and g are held, and the scale of w there.
    pub(super) grid: Vec<(f64, f64)>,
    /// Log-moneyness at which this slice is held below the next, and the scale of w there.
    pub(super) pair_grid: Vec<(f64, f64)>,
}

/// The log-moneyness at which constraints are held between `low` and `high`: dense where the vertices of `vertices` turn, geometric
/// steps outward.
fn constraint_grid(range: [f64; 2], vertices: &[(f64, f64)]) -> Vec<f64> {
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

/// Lays the constraint grids round the vertices of `x`, with the points of the dense grid at which `x` comes closest to a constraint: the
/// exchange method of semi-infinite programming.
fn regrid(members: &mut [Member], x: &[Wings], backbone: &[Wings], range: [f64; 2]) {
    let vertex = |x: &Wings| (x[3], x[4].exp());
    let (mut dense, mut slack) = (Vec::new(), Vec::new());
    for i in 0..members.len() {
        let unit = Curve::new(&backbone[i]);
        let unit = |k: f64| unit.total_variance(k).max(1e-14);
        let scaled = |grid: Vec<f64>| -> Vec<(f64, f64)> { grid.into_iter().map(|k| (k, unit(k))).collect() };
        let curve = Curve::new(&x[i]);
        let mut grid = constraint_grid(range, &[vertex(&x[i])]);
        dense_points(range, &[vertex(&x[i])], &mut dense);
        slack.clear();
        slack.extend(dense.iter().map(|&k| curve.durrleman_g(k)));
        closest(&dense, &slack, 0.05, &mut grid);
        // A slice may run out of variance beyond the quotes.
        let span = range[1] - range[0];
        grid.extend([0.5, 2.0, 8.0].into_iter().flat_map(|far| [range[0] - far * span, range[1] + far * span]));
        members[i].grid = scaled(grid);
        let Some(after) = x.get(i + 1) else { continue };
        let next = Curve::new(after);
        let vertices = [vertex(&x[i]), vertex(after)];
        let mut grid = constraint_grid(range, &vertices);
        dense_points(range, &vertices, &mut dense);
        slack.clear();
        slack.extend(dense.iter().map(|&k| (next.total_variance(k) - curve.total_variance(k)) / unit(k)));
        closest(&dense, &slack, 0.02, &mut grid);
        members[i].pair_grid = scaled(grid);
    }
}

/// Adds the points at which `slack` has a local minimum below `bound`.
fn closest(points: &[f64], slack: &[f64], bound: f64, grid: &mut Vec<f64>) {
    for i in 0..points.len() {
        let before = i.checked_sub(1).map_or(f64::INFINITY, |i| slack[i]);
        let after = slack.get(i + 1).copied().unwrap_or(f64::INFINITY);
        if slack[i] < bound && slack[i] <= before && slack[i] <= after {
            grid.push(points[i]);
        }
    }
}

/// Ascending points over `range`, dense round `vertices`.
fn dense_points(range: [f64; 2], vertices: &[(f64, f64)], points: &mut Vec<f64>) {
    const UNIFORM: usize = 200;
    points.clear();
    let step = (range[1] - range[0]) / UNIFORM as f64;
    points.extend((0..=UNIFORM).map(|i| range[0] + step * i as f64));
    for &(m, sigma) in vertices {
        for i in -40..=40 {
            let t = 0.12 * f64::from(i);
            points.push(m + sigma * t.sinh());
        }
    }
    points.retain(|k| (range[0]..=range[1]).contains(k));
    points.sort_by(f64::total_cmp);
}

/// One stage: loss scale in half-spreads, penalty on a miss of one per mille of the total variance, and steps.
struct Stage {
    scale: f64,
    penalty: f64,
    steps: usize,
}

/// Weak penalties first let the slices find their quotes; the last outweighs any quote.
const STAGES: [Stage; 7] = [
    Stage { scale: 2.0, penalty: 0.01, steps: 20 },
    Stage { scale: 2.0, penalty: 0.1, steps: 20 },
    SWAP,
    Stage { scale: 2.0, penalty: 10.0, steps: 14 },
    Stage { scale: 2.0, penalty: 1e2, steps: 14 },
    Stage { scale: 1.5, penalty: 1e3, steps: 14 },
    Stage { scale: 1.5, penalty: 1e5, steps: 14 },
];
/// The stage after which each slice is tried from its own best fit as well.
const SWAP: Stage = Stage { scale: 2.0, penalty: 1.0, steps: 20 };
const SWAP_STAGE: usize = 2;

/// Fits all slices, starting from the backbone's (one entry a member). `alone` holds the fits without constraints.
pub(super) fn fit(members: &mut [Member], alone: &[Option<Wings>], backbone: &[Wings], range: [f64; 2]) -> Vec<Wings> {
    let mut x = backbone.to_vec();
    for (x, member) in x.iter_mut().zip(&*members) {
        member.bounds.clamp(x);
    }
    if x.is_empty() {
        return x;
    }
    let all = Window { first: 0, end: members.len(), held: false };
    for (i, stage) in STAGES.iter().enumerate() {
        regrid(members, &x, backbone, range);
        descend(members, &mut x, all, stage);
        if i == SWAP_STAGE {
            regrid(members, &x, backbone, range);
            swap(members, alone, &mut x);
            descend(members, &mut x, all, &SWAP);
        }
    }
    x
}

/// Tries each slice from its own best fit, its neighbours held, and keeps the better end: the descent of all slices together finds only
/// the minimum next to where it starts.
fn swap(members: &[Member], alone: &[Option<Wings>], x: &mut [Wings]) {
    let mut trial = x.to_vec();
    for i in (0..members.len()).rev() {
        let Some(own) = alone[i] else { continue };
        let window = Window { first: i, end: i + 1, held: true };
        let here = descend(members, x, window, &SWAP);
        trial.copy_from_slice(x);
        trial[i] = own;
        members[i].bounds.clamp(&mut trial[i]);
        if descend(members, &mut trial, window, &SWAP) < here {
            x[i] = trial[i];
        }
    }
}

/// Slices `first..end` move; their neighbours outside hold them where `held` says so.
#[derive(Clone, Copy)]
struct Window {
    first: usize,
    end: usize,
    held: bool,
}

impl Window {
    /// Indices i of the pairs (i, i + 1) that count.
    fn pairs(self, n: usize) -> std::ops::Range<usize> {
        let first = if self.held { self.first.saturating_sub(1) } else { self.first };
        let end = if self.held { self.end } else { self.end - 1 };
        first..end.min(n - 1)
    }
}

/// The penalised objective; +∞ where a total variance is not positive. `parts` (one entry a slice of the window) gets what each slice
/// answers for: its quotes, its g, and half of what each of its pairs misses.
fn objective(members: &[Member], x: &[Wings], window: Window, loss: Loss, penalty: f64, parts: &mut Vec<f64>) -> f64 {
    let scale = penalty * 1e6;
    parts.clear();
    for i in window.first..window.end {
        let member = &members[i];
        let mut sum = loss::objective(&member.target, &x[i], loss);
        let curve = Curve::new(&x[i]);
        for &(k, unit) in &member.grid {
            let low = LEAST_SHARE - curve.total_variance(k) / unit;
            if low > 0.0 {
                sum += scale * low * low;
                continue;
            }
            let short = G_MARGIN - curve.durrleman_g(k);
            if short > 0.0 {
                sum += penalty * 1e4 * short * short;
            }
        }
        parts.push(sum);
    }
    for i in window.pairs(members.len()) {
        let (curve, next) = (Curve::new(&x[i]), Curve::new(&x[i + 1]));
        let mut sum = 0.0;
        for &(k, unit) in &members[i].pair_grid {
            let short = (curve.total_variance(k) - next.total_variance(k)) / unit + CALENDAR_MARGIN;
            if short > 0.0 {
                sum += scale * short * short;
            }
        }
        for side in [1, 2] {
            let short = x[i][side] * (1.0 + CALENDAR_MARGIN) + 1e-10 - x[i + 1][side];
            if short > 0.0 {
                sum += scale * short * short;
            }
        }
        let (low, high) = (i.checked_sub(window.first), i + 1 - window.first);
        let own = if low.is_some() && high < parts.len() { 0.5 * sum } else { sum };
        if let Some(low) = low {
            parts[low] += own;
        }
        if let Some(part) = parts.get_mut(high) {
            *part += own;
        }
    }
    let sum: f64 = parts.iter().sum();
    if sum.is_finite() { sum } else { f64::INFINITY }
}

/// Levenberg–Marquardt over the slices of `window`; the objective it ends at.
fn descend(members: &[Member], x: &mut [Wings], window: Window, stage: &Stage) -> f64 {
    let (loss, penalty) = (Loss::saturating(stage.scale), stage.penalty);
    let n = window.end - window.first;
    let scale = penalty * 1e6;
    let (mut parts, mut trial_parts) = (Vec::with_capacity(n), Vec::with_capacity(n));
    let mut value = objective(members, x, window, loss, penalty, &mut parts);
    // Each slice has its own damping, so that one in a narrow valley does not hold up the others.
    let mut damping = vec![1e-4; n];
    let mut gradient = vec![[0.0; 5]; n];
    let mut diagonal: Vec<Block> = vec![[[0.0; 5]; 5]; n];
    let mut coupling: Vec<Block> = vec![[[0.0; 5]; 5]; n.saturating_sub(1)];
    let mut shape: Vec<Wings> = vec![[0.0; 5]; n];
    let mut trial = x.to_vec();
    for _ in 0..stage.steps {
        gradient.fill([0.0; 5]);
        diagonal.fill([[0.0; 5]; 5]);
        coupling.fill([[0.0; 5]; 5]);
        for i in 0..n {
            let member = &members[window.first + i];
            let here = &x[window.first + i];
            loss::accumulate(&member.target, here, loss, &mut gradient[i], &mut diagonal[i]);
            shape[i] = std::array::from_fn(|j| diagonal[i][j][j]);
            let curve = Curve::new(here);
            for &(k, unit) in &member.grid {
                let low = LEAST_SHARE - curve.total_variance(k) / unit;
                if low > 0.0 {
                    let by = curve.gradient(k).1.map(|v| -v / unit);
                    add_outer(&by, scale, scale * low, &mut gradient[i], &mut diagonal[i]);
                } else if curve.durrleman_g(k) < G_MARGIN {
                    let (g, by) = curve.durrleman_gradient(k);
                    let weight = penalty * 1e4;
                    add_outer(&by, weight, weight * (g - G_MARGIN), &mut gradient[i], &mut diagonal[i]);
                }
            }
        }
        for i in window.pairs(members.len()) {
            let (curve, next) = (Curve::new(&x[i]), Curve::new(&x[i + 1]));
            let mut miss = |by: &Wings, by_next: &Wings, short: f64| {
                let low = (i >= window.first).then(|| i - window.first);
                let high = (i + 1 < window.end).then(|| i + 1 - window.first);
                if let Some(low) = low {
                    add_outer(by, scale, scale * short, &mut gradient[low], &mut diagonal[low]);
                }
                if let Some(high) = high {
                    add_outer(by_next, scale, scale * short, &mut gradient[high], &mut diagonal[high]);
                }
                if let (Some(low), Some(_)) = (low, high) {
                    for r in 0..5 {
                        for c in 0..5 {
                            coupling[low][r][c] += scale * by[r] * by_next[c];
                        }
                    }
                }
            };
            for &(k, unit) in &members[i].pair_grid {
                let short = (curve.total_variance(k) - next.total_variance(k)) / unit + CALENDAR_MARGIN;
                if short > 0.0 {
                    miss(&curve.gradient(k).1.map(|v| v / unit), &next.gradient(k).1.map(|v| -v / unit), short);
                }
            }
            for side in [1, 2] {
                let short = x[i][side] * (1.0 + CALENDAR_MARGIN) + 1e-10 - x[i + 1][side];
                if short > 0.0 {
                    let mut by = [0.0; 5];
                    by[side] = 1.0;
                    miss(&by, &by.map(|v| -v), short);
                }
            }
        }
        for i in 0..n {
            let (bounds, here) = (&members[window.first + i].bounds, &x[window.first + i]);
            let held: [bool; 5] = std::array::from_fn(|j| bounds.holds(here, &gradient[i], j));
            hold(here, bounds, &mut gradient[i], &mut diagonal[i]);
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
        for _ in 0..30 {
            let mut damped = diagonal.clone();
            for i in 0..n {
                let floor = &members[window.first + i].bounds.floor;
                for j in 0..5 {
                    damped[i][j][j] += damping[i] * shape[i][j] + floor[j];
                }
            }
            if let Some(step) = solve_chain(&damped, &coupling, &gradient) {
                for i in 0..n {
                    trial[window.first + i] = std::array::from_fn(|j| x[window.first + i][j] - step[i][j]);
                    members[window.first + i].bounds.clamp(&mut trial[window.first + i]);
                }
                let trial_value = objective(members, &trial, window, loss, penalty, &mut trial_parts);
                if trial_value < value {
                    moved = Some(trial_value);
                }
                let mut worse = false;
                for i in 0..n {
                    if trial_parts[i] > parts[i] || trial_parts[i].is_nan() {
                        damping[i] = (damping[i] * 8.0).max(1e-6);
                        worse = true;
                    } else if moved.is_some() {
                        damping[i] *= 0.2;
                    }
                }
                if moved.is_some() {
                    break;
                }
                if worse {
                    continue;
                }
            }
            damping.iter_mut().for_each(|damping| *damping = (*damping * 8.0).max(1e-6));
        }
        let Some(trial_value) = moved else { break };
        let gain = value - trial_value;
        value = trial_value;
        x.copy_from_slice(&trial);
        std::mem::swap(&mut parts, &mut trial_parts);
        if gain <= 1e-5 * value {
            break;
        }
    }
    value
}

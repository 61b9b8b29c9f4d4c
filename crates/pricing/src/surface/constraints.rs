//! Where the constraints of the joint fit are held: few points, chosen anew as the slices move.

use super::{
    slice::Bounds,
    target::Target,
    wings::{Curve, Wings},
};

/// One slice's part of the joint problem.
pub(super) struct Member {
    pub(super) target: Target,
    pub(super) bounds: Bounds,
    /// Log-moneyness at which w and g are held, and the scale of w there.
    pub(super) grid: Vec<(f64, f64)>,
    /// Log-moneyness at which this slice is held below the next, and the scale of w there.
    pub(super) pair_grid: Vec<(f64, f64)>,
}

/// Lays the constraint grids round the vertices of `x`, with the points of a dense grid at which `x` comes closest to a constraint: the
/// exchange method of semi-infinite programming. Gives the least slack on the dense grid: g, or the rise of w to the next slice as a
/// share of the scale.
pub(super) fn lay(members: &mut [Member], x: &[Wings], backbone: &[Wings], range: [f64; 2]) -> f64 {
    let vertex = |x: &Wings| (x[3], x[4].exp());
    let (mut dense, mut slack) = (Vec::new(), Vec::new());
    let mut least = f64::INFINITY;
    for i in 0..members.len() {
        let unit = Curve::new(&backbone[i]);
        let unit = |k: f64| unit.total_variance(k).max(1e-14);
        let scaled = |grid: Vec<f64>| -> Vec<(f64, f64)> { grid.into_iter().map(|k| (k, unit(k))).collect() };
        let curve = Curve::new(&x[i]);
        let mut grid = coarse_points(range, &[vertex(&x[i])]);
        dense_points(range, &[vertex(&x[i])], &mut dense);
        slack.clear();
        slack.extend(dense.iter().map(|&k| curve.durrleman_g(k)));
        least = slack.iter().copied().fold(least, f64::min);
        closest(&dense, &slack, 0.05, &mut grid);
        // A slice may run out of variance beyond the quotes.
        let span = range[1] - range[0];
        grid.extend([0.5, 2.0, 8.0].into_iter().flat_map(|far| [range[0] - far * span, range[1] + far * span]));
        members[i].grid = scaled(grid);
        let Some(after) = x.get(i + 1) else { continue };
        let next = Curve::new(after);
        let vertices = [vertex(&x[i]), vertex(after)];
        let mut grid = coarse_points(range, &vertices);
        dense_points(range, &vertices, &mut dense);
        slack.clear();
        slack.extend(dense.iter().map(|&k| (next.total_variance(k) - curve.total_variance(k)) / unit(k)));
        least = slack.iter().copied().fold(least, f64::min);
        closest(&dense, &slack, 0.02, &mut grid);
        members[i].pair_grid = scaled(grid);
    }
    least
}

/// Ascending points over `range`: close where the vertices (m, σ) turn, geometric steps outward.
fn coarse_points(range: [f64; 2], vertices: &[(f64, f64)]) -> Vec<f64> {
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

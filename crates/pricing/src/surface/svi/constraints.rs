//! Where the constraints of the joint fit are held: few points, chosen anew as the slices move.

use super::{
    lanes::{Column, LANES, Lanes},
    slice::Bounds,
    target::Target,
    wings::{Curve, LaneCurve, Wings},
};
use crate::math::{Kernel, MultiplyAdd, Target as Instructions, dispatch};

/// Points at which a constraint is held, by columns.
#[derive(Default)]
pub(super) struct Points {
    /// Log-moneyness.
    pub(super) k: Vec<f64>,
    /// One over the scale of w there.
    pub(super) inverse_unit: Vec<f64>,
    /// One.
    there: Vec<f64>,
}

impl Points {
    pub(super) fn set(&mut self, grid: &[f64], inverse_unit: impl Fn(f64) -> f64) {
        self.k.clear();
        self.k.extend_from_slice(grid);
        self.inverse_unit.clear();
        self.inverse_unit.extend(grid.iter().map(|&k| inverse_unit(k)));
        self.there.resize(grid.len(), 1.0);
    }

    /// Log-moneyness, inverse unit, and one for each point that there is, zero for what fills the last eight up.
    #[inline(always)]
    pub(super) fn columns(&self) -> [Column<'_>; 3] {
        let last = self.k.last().copied().unwrap_or(0.0);
        let inverse_unit = self.inverse_unit.last().copied().unwrap_or(1.0);
        [Column::new(&self.k, last), Column::new(&self.inverse_unit, inverse_unit), Column::new(&self.there, 0.0)]
    }
}

/// One slice's part of the joint problem.
pub(super) struct Member {
    pub(super) target: Target,
    /// Some of the quotes, and how many of all each stands for: enough until the last stage.
    pub(super) few: Target,
    pub(super) share: f64,
    pub(super) bounds: Bounds,
    /// Where w and g are held.
    pub(super) grid: Points,
    /// Where this slice is held below the next.
    pub(super) pair_grid: Points,
}

/// Lays the constraint grids round the vertices of `x`, with the points of a dense grid at which `x` comes closest to a constraint: the
/// exchange method of semi-infinite programming. Gives the least slack on the dense grid: g, or the rise of w to the next slice as a
/// share of the scale.
pub(super) fn lay(members: &mut [Member], x: &[Wings], backbone: &[Wings], ranges: &[[f64; 2]]) -> f64 {
    let vertex = |x: &Wings| (x[3], x[4].exp());
    let (mut dense, mut slack, mut grid) = (Vec::new(), Vec::new(), Vec::new());
    let mut ends = Vec::new();
    let mut least = f64::INFINITY;
    for i in 0..members.len() {
        let range = ranges[i];
        let unit = Curve::new(&backbone[i]);
        let inverse_unit = |k: f64| 1.0 / unit.total_variance(k).max(1e-14);
        let curve = Curve::new(&x[i]);
        coarse_points(range, &[vertex(&x[i])], &mut grid);
        dense_points(range, &[vertex(&x[i])], &mut dense, &mut ends);
        slack_of_g(&curve, &dense, &mut slack);
        least = slack.iter().copied().fold(least, f64::min);
        closest(&dense, &slack, &ends, 0.05, &mut grid);
        // A slice may run out of variance beyond the quotes.
        let span = range[1] - range[0];
        grid.extend([0.5, 2.0, 8.0].into_iter().flat_map(|far| [range[0] - far * span, range[1] + far * span]));
        members[i].grid.set(&grid, inverse_unit);
        let Some(after) = x.get(i + 1) else { continue };
        let next = Curve::new(after);
        let vertices = [vertex(&x[i]), vertex(after)];
        coarse_points(range, &vertices, &mut grid);
        dense_points(range, &vertices, &mut dense, &mut ends);
        slack_of_rise(&curve, &next, &unit, &dense, &mut slack);
        least = slack.iter().copied().fold(least, f64::min);
        closest(&dense, &slack, &ends, 0.02, &mut grid);
        members[i].pair_grid.set(&grid, inverse_unit);
    }
    least
}

/// Points over `range`: evenly spaced, and round the vertices (m, σ) by geometric steps outward.
fn coarse_points(range: [f64; 2], vertices: &[(f64, f64)], grid: &mut Vec<f64>) {
    grid.clear();
    grid.extend((0..=16).map(|i| range[0] + (range[1] - range[0]) * f64::from(i) / 16.0));
    for &(m, sigma) in vertices {
        // One side after the other: what lies side by side is looked at together, and mostly far from any constraint together.
        for side in [-1.0, 1.0] {
            let furthest = if side < 0.0 { m - range[0] } else { range[1] - m };
            let mut offset = if side < 0.0 { 0.25 * sigma } else { 0.0 };
            while offset <= furthest {
                let k = m + side * offset;
                if (range[0]..=range[1]).contains(&k) {
                    grid.push(k);
                }
                offset = if offset == 0.0 { 0.25 * sigma } else { offset * 1.3 + 0.1 * sigma };
            }
        }
    }
}

/// Adds the points at which `slack` has a local minimum below `bound` within its run; the end of a run is none but at the ends of the
/// first.
fn closest(points: &[f64], slack: &[f64], ends: &[usize], bound: f64, grid: &mut Vec<f64>) {
    let mut start = 0;
    for (run, &end) in ends.iter().enumerate() {
        let outside = if run == 0 { f64::INFINITY } else { f64::NEG_INFINITY };
        for i in start..end {
            let before = if i > start { slack[i - 1] } else { outside };
            let after = if i + 1 < end { slack[i + 1] } else { outside };
            if slack[i] < bound && slack[i] <= before && slack[i] <= after {
                grid.push(points[i]);
            }
        }
        start = end;
    }
}

/// Ascending runs of points over `range`: one even, and one dense round each of `vertices`. `ends` has where each run ends.
fn dense_points(range: [f64; 2], vertices: &[(f64, f64)], points: &mut Vec<f64>, ends: &mut Vec<usize>) {
    const UNIFORM: usize = 100;
    const BESIDE: usize = 20;
    points.clear();
    ends.clear();
    let step = (range[1] - range[0]) / UNIFORM as f64;
    points.extend((0..=UNIFORM).map(|i| range[0] + step * i as f64));
    ends.push(points.len());
    let inside = |k: &f64| *k >= range[0] && *k <= range[1];
    for &(m, sigma) in vertices {
        // About sinh(4.8 t): out to 60σ.
        let offset = |i: usize| {
            let t = i as f64 / BESIDE as f64;
            let square = t * t;
            sigma * t * (4.8 + square * (14.0 + square * (14.0 + 28.0 * square)))
        };
        points.extend((1..=BESIDE).rev().map(|i| m - offset(i)).filter(inside));
        points.extend((0..=BESIDE).map(|i| m + offset(i)).filter(inside));
        ends.push(points.len());
    }
}

/// Durrleman's g at each of `points`; −∞ where w ≤ 0.
pub(in crate::surface) fn slack_of_g(curve: &Curve, points: &[f64], slack: &mut Vec<f64>) {
    slack.clear();
    slack.resize(points.len().next_multiple_of(LANES), f64::INFINITY);
    dispatch(Instructions::best(), SlackOfG { curve, points, slack });
    slack.truncate(points.len());
}

struct SlackOfG<'a> {
    curve: &'a Curve,
    points: &'a [f64],
    slack: &'a mut [f64],
}

impl Kernel for SlackOfG<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let curve = LaneCurve::new(self.curve);
        let last = self.points.last().copied().unwrap_or(0.0);
        let points = Column::new(self.points, last);
        for (at, out) in self.slack.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            *out = curve.durrleman_g::<M>(points.block(at)).0;
        }
    }
}

/// The rise of w from `low` to `high` at each of `points`, as a share of the w of `unit`.
pub(in crate::surface) fn slack_of_rise(low: &Curve, high: &Curve, unit: &Curve, points: &[f64], slack: &mut Vec<f64>) {
    slack.clear();
    slack.resize(points.len().next_multiple_of(LANES), f64::INFINITY);
    dispatch(Instructions::best(), SlackOfRise { curves: [low, high, unit], points, slack });
    slack.truncate(points.len());
}

struct SlackOfRise<'a> {
    curves: [&'a Curve; 3],
    points: &'a [f64],
    slack: &'a mut [f64],
}

impl Kernel for SlackOfRise<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let [low, high, unit] = self.curves;
        let (low, high, unit) = (LaneCurve::new(low), LaneCurve::new(high), LaneCurve::new(unit));
        let last = self.points.last().copied().unwrap_or(0.0);
        let least = Lanes::splat(1e-14);
        let points = Column::new(self.points, last);
        for (at, out) in self.slack.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let k = points.block(at);
            let rise = high.total_variance::<M>(k) - low.total_variance::<M>(k);
            *out = (rise / unit.total_variance::<M>(k).greatest(least)).0;
        }
    }
}

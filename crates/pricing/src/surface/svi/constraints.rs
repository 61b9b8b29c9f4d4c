//! Where the constraints of the joint fit are held: few points, chosen anew as the slices move.

use super::{
    lanes::{Column, LANES, Lanes},
    slice::Bounds,
    target::Target,
    wings::{Curve, LaneCurve, Wings},
};
use crate::math::{Kernel, MultiplyAdd, Target as Instructions, dispatch};

/// The least scale of w.
const LEAST_UNIT: f64 = 1e-14;

/// Points at which a constraint is held, by columns, filled up to whole eights.
#[derive(Default)]
pub(super) struct Points {
    /// Log-moneyness.
    k: Vec<f64>,
    /// One over the scale of w there.
    inverse_unit: Vec<f64>,
    /// One for each point that there is, zero for what fills the last eight up.
    there: Vec<f64>,
}

impl Points {
    /// The points of `grid`, where the w of `unit` is the scale.
    pub(super) fn set(&mut self, grid: &[f64], unit: &Curve) {
        let (whole, last) = (grid.len().next_multiple_of(LANES), grid.last().copied().unwrap_or(0.0));
        self.k.clear();
        self.k.extend_from_slice(grid);
        self.k.resize(whole, last);
        self.inverse_unit.resize(whole, 0.0);
        dispatch(Instructions::best(), InverseUnit { unit, points: &self.k, out: &mut self.inverse_unit });
        self.there.clear();
        self.there.resize(grid.len(), 1.0);
        self.there.resize(whole, 0.0);
    }

    /// How many eights.
    #[inline(always)]
    pub(super) fn eights(&self) -> usize {
        self.k.len() / LANES
    }

    /// Log-moneyness, inverse unit, and whether there is a point.
    #[inline(always)]
    pub(super) fn columns(&self) -> [Column<'_>; 3] {
        [Column::whole(&self.k), Column::whole(&self.inverse_unit), Column::whole(&self.there)]
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
        let curve = Curve::new(&x[i]);
        coarse_points(range, &[vertex(&x[i])], &mut grid);
        dense_points(range, &[vertex(&x[i])], &mut dense, &mut ends);
        slack_of_g(&curve, &dense, &mut slack);
        least = slack.iter().copied().fold(least, f64::min);
        closest(&dense, &slack, &ends, 0.05, &mut grid);
        // A slice may run out of variance beyond the quotes.
        let span = range[1] - range[0];
        grid.extend([0.5, 2.0, 8.0].into_iter().flat_map(|far| [range[0] - far * span, range[1] + far * span]));
        members[i].grid.set(&grid, &unit);
        let Some(after) = x.get(i + 1) else { continue };
        let next = Curve::new(after);
        let vertices = [vertex(&x[i]), vertex(after)];
        coarse_points(range, &vertices, &mut grid);
        dense_points(range, &vertices, &mut dense, &mut ends);
        slack_of_rise(&curve, &next, &unit, &dense, &mut slack);
        least = slack.iter().copied().fold(least, f64::min);
        closest(&dense, &slack, &ends, 0.02, &mut grid);
        members[i].pair_grid.set(&grid, &unit);
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
        let first = start;
        let outside = if run == 0 { f64::INFINITY } else { f64::NEG_INFINITY };
        while start < end {
            // Most eights have nothing below the bound.
            let stop = (start + LANES).min(end);
            let is_any_below = slack[start..stop].iter().fold(false, |any, slack| any | (*slack < bound));
            for i in (start..stop).filter(|_| is_any_below) {
                let before = if i > first { slack[i - 1] } else { outside };
                let after = if i + 1 < end { slack[i + 1] } else { outside };
                if slack[i] < bound && slack[i] <= before && slack[i] <= after {
                    grid.push(points[i]);
                }
            }
            start = stop;
        }
    }
}

/// Offsets from a vertex in widths σ, ascending: about sinh(4.8 t) for t from −1 to 1, out to 60.
const OFFSETS: [f64; 41] = {
    let mut offsets = [0.0; 41];
    let mut i = 0;
    while i < offsets.len() {
        let t = (i as f64 - 20.0) / 20.0;
        let square = t * t;
        offsets[i] = t * (4.8 + square * (14.0 + square * (14.0 + 28.0 * square)));
        i += 1;
    }
    offsets
};

/// Ascending runs of points over `range`: one even, and one dense round each of `vertices`. `ends` has where each run ends.
fn dense_points(range: [f64; 2], vertices: &[(f64, f64)], points: &mut Vec<f64>, ends: &mut Vec<usize>) {
    const UNIFORM: usize = 100;
    points.clear();
    ends.clear();
    let step = (range[1] - range[0]) / UNIFORM as f64;
    points.extend((0..=UNIFORM).map(|i| range[0] + step * i as f64));
    ends.push(points.len());
    for &(m, sigma) in vertices {
        let run = OFFSETS.map(|offset| m + sigma * offset);
        let first = run.iter().filter(|k| **k < range[0]).count();
        let end = run.iter().filter(|k| **k <= range[1]).count();
        points.extend_from_slice(run.get(first..end).unwrap_or_default());
        ends.push(points.len());
    }
}

/// One over the w of `unit` at each of `points`.
struct InverseUnit<'a> {
    unit: &'a Curve,
    points: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for InverseUnit<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let unit = LaneCurve::new(self.unit);
        let least = Lanes::splat(LEAST_UNIT);
        let points = Column::new(self.points, self.points.last().copied().unwrap_or(0.0));
        for (at, out) in self.out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            *out = (Lanes::ONE / unit.total_variance::<M>(points.block(at)).greatest(least)).0;
        }
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
fn slack_of_rise(low: &Curve, high: &Curve, unit: &Curve, points: &[f64], slack: &mut Vec<f64>) {
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
        let least = Lanes::splat(LEAST_UNIT);
        let points = Column::new(self.points, last);
        for (at, out) in self.slack.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let k = points.block(at);
            let rise = high.total_variance::<M>(k) - low.total_variance::<M>(k);
            *out = (rise / unit.total_variance::<M>(k).greatest(least)).0;
        }
    }
}

/// The rise of w from `low` to `high` at each of `points`.
pub(in crate::surface) fn rise_of(low: &Curve, high: &Curve, points: &[f64], rise: &mut Vec<f64>) {
    rise.clear();
    rise.resize(points.len().next_multiple_of(LANES), f64::INFINITY);
    dispatch(Instructions::best(), Rise { curves: [low, high], points, rise });
    rise.truncate(points.len());
}

struct Rise<'a> {
    curves: [&'a Curve; 2],
    points: &'a [f64],
    rise: &'a mut [f64],
}

impl Kernel for Rise<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let [low, high] = self.curves;
        let (low, high) = (LaneCurve::new(low), LaneCurve::new(high));
        let points = Column::new(self.points, self.points.last().copied().unwrap_or(0.0));
        for (at, out) in self.rise.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let k = points.block(at);
            *out = (high.total_variance::<M>(k) - low.total_variance::<M>(k)).0;
        }
    }
}

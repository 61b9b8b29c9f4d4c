//! All slices at once: Levenberg–Marquardt on the quotes with barriers against arbitrage, whose weight falls stage by stage.
//!
//! A calendar constraint ties neighbours only, so the normal equations are a chain of 5×5 blocks and a step over the whole surface costs
//! little more than a step of every slice alone. The start is the backbone, which is free of arbitrage: the path from it stays inside,
//! where a path from the slices' own fits would have to find the way in.
#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    barrier::{Barrier, BarrierSum},
    constraints::{self, Member, Points},
    lanes::{LANES, Lanes},
    loss::{self, Loss, add_outer},
    slice::hold,
    wings::{Curve, LaneCurve, Wings},
};
use crate::math::{Kernel, MultiplyAdd, Target as Instructions, dispatch};
use crate::surface::linear::{Block, solve_chain};

/// How far a quote still draws the fit while the barriers fade.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach {
    /// Two half-spreads from the start: best where the backbone runs near the quotes.
    Near,
    /// Thirty half-spreads at first: finds quotes from which the backbone is far.
    Far,
    /// Without limit: least squares.
    Whole,
    /// Without limit, from a fit to nearly the same quotes: the barriers start low.
    Again,
}

impl Reach {
    /// Loss scales of the stages.
    fn scales(self) -> [f64; STAGES.len()] {
        match self {
            Self::Near => [2.0, 2.0, 2.0, 2.0, 1.5, 1.5, 1.5],
            Self::Whole | Self::Again => [f64::INFINITY; STAGES.len()],
            Self::Far => [30.0, 12.0, 6.0, 3.0, 2.0, 1.5, 1.5],
        }
    }

    /// Stages that are left out.
    fn skipped(self) -> usize {
        if matches!(self, Self::Again) { 4 } else { 0 }
    }
}

/// One stage: loss scale in half-spreads, weight of the barriers, their edge, and steps at most.
#[derive(Clone, Copy)]
struct Stage {
    scale: f64,
    weight: f64,
    edge: f64,
    steps: usize,
}

/// Barriers that fade from what ten quotes weigh to nothing; the scales are the reach's.
const STAGES: [Stage; 7] = [
    Stage { scale: 0.0, weight: 10.0, edge: 1e-3, steps: 20 },
    Stage { scale: 0.0, weight: 3.0, edge: 1e-3, steps: 14 },
    Stage { scale: 0.0, weight: 1.0, edge: 1e-3, steps: 14 },
    Stage { scale: 0.0, weight: 0.3, edge: 3e-4, steps: 10 },
    Stage { scale: 0.0, weight: 0.1, edge: 1e-4, steps: 10 },
    Stage { scale: 0.0, weight: 0.01, edge: 1e-5, steps: 10 },
    Stage { scale: 0.0, weight: 1e-3, edge: 1e-5, steps: 10 },
];
/// Repeated with fresh points while a constraint is missed between the points, this often at most.
const LAST: Stage = Stage { scale: 0.0, weight: 0.01, edge: 1e-6, steps: 6 };
const LAST_ROUNDS: usize = 2;

/// Total variance must rise from slice to slice by this share of the scale.
const CALENDAR_MARGIN: f64 = 5e-6;
/// Total variance must be at least this share of the scale.
const LEAST_SHARE: f64 = 1e-3;
/// Durrleman's g must be at least this.
const G_MARGIN: f64 = 2e-5;
/// Reach of the barriers on w and g of a slice, and on the rise of w (shares of the scale) and of the wing slopes (of SLOPE_UNIT).
const SLICE_REACH: f64 = 0.02;
const PAIR_REACH: f64 = 0.05;
/// Scale of a wing slope, and how much its barrier weighs against one of a point.
const SLOPE_UNIT: f64 = 0.05;
const SLOPE_WEIGHT: f64 = 4.0;

/// Fits all slices from `start` (one entry a member; best free of arbitrage, as the backbone is).
pub(super) fn fit(
    members: &mut [Member],
    start: &[Wings],
    backbone: &[Wings],
    ranges: &[[f64; 2]],
    reach: Reach,
) -> Vec<Wings> {
    let mut system = System::new(members.len());
    let mut x = start.to_vec();
    for (x, member) in x.iter_mut().zip(&*members) {
        member.bounds.clamp(x);
    }
    for (stage, scale) in STAGES.into_iter().zip(reach.scales()).skip(reach.skipped()) {
        constraints::lay(members, &x, backbone, ranges);
        descend(members, &mut x, &Stage { scale, ..stage }, &mut system);
    }
    for _ in 0..LAST_ROUNDS {
        if constraints::lay(members, &x, backbone, ranges) > 0.0 {
            break;
        }
        descend(members, &mut x, &Stage { scale: reach.scales()[STAGES.len() - 1], ..LAST }, &mut system);
    }
    x
}

/// The barriers of a stage: on w and g of a slice, and between slices.
fn barriers(stage: &Stage) -> (Barrier, Barrier) {
    (Barrier::new(SLICE_REACH, stage.edge), Barrier::new(PAIR_REACH, stage.edge))
}

/// The objective; +∞ where the total variance of a quote is not positive. `parts` gets what each slice answers for: its quotes, its own
/// barriers, and half of those it shares with each neighbour.
fn objective(members: &[Member], x: &[Wings], stage: &Stage, parts: &mut [f64]) -> f64 {
    let (own, pair) = barriers(stage);
    let loss = Loss::saturating(stage.scale);
    for ((part, member), x) in parts.iter_mut().zip(members).zip(x) {
        let curve = Curve::new(x);
        let mut sum = 0.0;
        dispatch(Instructions::best(), OwnValue { curve: &curve, points: &member.grid, barrier: own, sum: &mut sum });
        *part = loss::objective(&member.target, x, loss) + stage.weight * sum;
    }
    for i in 1..members.len() {
        let (low, high) = (&x[i - 1], &x[i]);
        let (curve, next) = (Curve::new(low), Curve::new(high));
        let (mut sum, points) = (0.0, &members[i - 1].pair_grid);
        dispatch(Instructions::best(), PairValue { low: &curve, high: &next, points, barrier: pair, sum: &mut sum });
        for side in [1, 2] {
            sum += SLOPE_WEIGHT * pair.value((high[side] - low[side]) / SLOPE_UNIT);
        }
        parts[i - 1] += 0.5 * stage.weight * sum;
        parts[i] += 0.5 * stage.weight * sum;
    }
    let sum: f64 = parts.iter().sum();
    if sum.is_finite() { sum } else { f64::INFINITY }
}

/// Σ of the barriers on w and g of a slice.
struct OwnValue<'a> {
    curve: &'a Curve,
    points: &'a Points,
    barrier: Barrier,
    sum: &'a mut f64,
}

impl Kernel for OwnValue<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let curve = LaneCurve::new(self.curve);
        let (share, margin) = (Lanes::splat(LEAST_SHARE), Lanes::splat(G_MARGIN));
        let mut sum = BarrierSum::new(self.barrier);
        for at in (0..self.points.k.len()).step_by(LANES) {
            let [k, inverse_unit, there] = self.points.load(at);
            let w = curve.total_variance::<M>(k) * inverse_unit - share;
            let g = curve.durrleman_g::<M>(k) - margin;
            if self.barrier.reaches(w.least(g).min()) {
                sum.add(w.where_there(there));
                sum.add(g.where_there(there));
            }
        }
        *self.sum = sum.finish();
    }
}

/// What is left of w and of g of a slice above their least, at each of its points.
fn own_slacks(curve: &Curve, points: &Points, slack: &mut Vec<[f64; 2]>) {
    slack.clear();
    slack.resize(points.k.len().next_multiple_of(LANES), [f64::INFINITY; 2]);
    dispatch(Instructions::best(), OwnSlacks { curve, points, slack });
}

struct OwnSlacks<'a> {
    curve: &'a Curve,
    points: &'a Points,
    slack: &'a mut [[f64; 2]],
}

impl Kernel for OwnSlacks<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let curve = LaneCurve::new(self.curve);
        let (share, margin) = (Lanes::splat(LEAST_SHARE), Lanes::splat(G_MARGIN));
        for (at, out) in (0..self.points.k.len()).step_by(LANES).zip(self.slack.chunks_exact_mut(LANES)) {
            let [k, inverse_unit, _] = self.points.load(at);
            let w = curve.total_variance::<M>(k) * inverse_unit - share;
            let g = curve.durrleman_g::<M>(k) - margin;
            for i in 0..LANES {
                out[i] = [w.0[i], g.0[i]];
            }
        }
    }
}

/// Σ of the barriers on the rise of w from a slice to the next.
struct PairValue<'a> {
    low: &'a Curve,
    high: &'a Curve,
    points: &'a Points,
    barrier: Barrier,
    sum: &'a mut f64,
}

impl Kernel for PairValue<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let (low, high) = (LaneCurve::new(self.low), LaneCurve::new(self.high));
        let margin = Lanes::splat(CALENDAR_MARGIN);
        let mut sum = BarrierSum::new(self.barrier);
        for at in (0..self.points.k.len()).step_by(LANES) {
            let [k, inverse_unit, there] = self.points.load(at);
            let rise = (high.total_variance::<M>(k) - low.total_variance::<M>(k)) * inverse_unit - margin;
            if self.barrier.reaches(rise.min()) {
                sum.add(rise.where_there(there));
            }
        }
        *self.sum = sum.finish();
    }
}

/// Adds half the gradient and half the Gauss–Newton Hessian of [`PairValue`] to those of the two slices.
struct PairDerivatives<'a> {
    low: &'a Curve,
    high: &'a Curve,
    points: &'a Points,
    barrier: Barrier,
    weight: f64,
    gradient: [&'a mut [f64; 5]; 2],
    diagonal: [&'a mut Block; 2],
    coupling: &'a mut Block,
}

impl Kernel for PairDerivatives<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let (low, high) = (LaneCurve::new(self.low), LaneCurve::new(self.high));
        let margin = Lanes::splat(CALENDAR_MARGIN);
        let mut first = [[Lanes::ZERO; 5]; 2];
        let mut second = [[[Lanes::ZERO; 5]; 5]; 2];
        let mut cross = [[Lanes::ZERO; 5]; 5];
        for at in (0..self.points.k.len()).step_by(LANES) {
            let [k, inverse_unit, there] = self.points.load(at);
            let rise = (high.total_variance::<M>(k) - low.total_variance::<M>(k)) * inverse_unit - margin;
            if !self.barrier.reaches(rise.min()) {
                continue;
            }
            let (by_low, by_high) = (low.gradient::<M>(k).1, high.gradient::<M>(k).1);
            let [slope, bend] = self.barrier.half_derivatives_of_lanes(rise);
            let scale = there * inverse_unit * Lanes::splat(self.weight);
            let (slope, bend) = (scale * slope, scale * inverse_unit * bend);
            for r in 0..5 {
                first[0][r] = first[0][r] - slope * by_low[r];
                first[1][r] = slope.times_plus::<M>(by_high[r], first[1][r]);
                let (bent_low, bent_high) = (bend * by_low[r], bend * by_high[r]);
                for c in 0..=r {
                    second[0][r][c] = bent_low.times_plus::<M>(by_low[c], second[0][r][c]);
                    second[1][r][c] = bent_high.times_plus::<M>(by_high[c], second[1][r][c]);
                }
                for c in 0..5 {
                    cross[r][c] = bent_low.times_plus::<M>(by_high[c], cross[r][c]);
                }
            }
        }
        let [low_diagonal, high_diagonal] = self.diagonal;
        for r in 0..5 {
            for side in 0..2 {
                self.gradient[side][r] += first[side][r].sum();
            }
            for c in 0..=r {
                low_diagonal[r][c] += second[0][r][c].sum();
                high_diagonal[r][c] += second[1][r][c].sum();
            }
            for c in 0..5 {
                self.coupling[r][c] -= cross[r][c].sum();
            }
        }
    }
}

/// Half the gradient and half the Gauss–Newton Hessian of the objective.
struct System {
    gradient: Vec<[f64; 5]>,
    diagonal: Vec<Block>,
    /// Row block i, column block i + 1.
    coupling: Vec<Block>,
    /// The diagonal of the quotes' part alone: what damping is measured by, since barriers would make it stiff.
    shape: Vec<Wings>,
    /// The damped diagonal of a step.
    damped: Vec<Block>,
}

impl System {
    /// Of `n` slices, empty.
    fn new(n: usize) -> Self {
        Self {
            gradient: vec![[0.0; 5]; n],
            diagonal: vec![[[0.0; 5]; 5]; n],
            coupling: vec![[[0.0; 5]; 5]; n.saturating_sub(1)],
            shape: vec![[0.0; 5]; n],
            damped: vec![[[0.0; 5]; 5]; n],
        }
    }

    /// Lays it at `x`.
    fn lay(&mut self, members: &[Member], x: &[Wings], stage: &Stage) {
        self.gradient.fill([0.0; 5]);
        self.diagonal.fill([[0.0; 5]; 5]);
        self.coupling.fill([[0.0; 5]; 5]);
        let (own, pair) = barriers(stage);
        let loss = Loss::saturating(stage.scale);
        let mut slack = Vec::new();
        for (i, member) in members.iter().enumerate() {
            let (gradient, diagonal) = (&mut self.gradient[i], &mut self.diagonal[i]);
            loss::accumulate(&member.target, &x[i], loss, gradient, diagonal);
            for j in 0..5 {
                self.shape[i][j] = diagonal[j][j];
            }
            let curve = Curve::new(&x[i]);
            own_slacks(&curve, &member.grid, &mut slack);
            for ((&k, &inverse_unit), &[c, g]) in member.grid.k.iter().zip(&member.grid.inverse_unit).zip(&slack) {
                if own.reaches(c) {
                    let (first, second) = own.half_derivatives(c);
                    let mut by = curve.gradient(k).1;
                    by.iter_mut().for_each(|v| *v *= inverse_unit);
                    add_outer(&by, stage.weight * second, stage.weight * first, gradient, diagonal);
                }
                let c = g;
                if own.reaches(c) && c.is_finite() {
                    let (first, second) = own.half_derivatives(c);
                    let by = curve.durrleman_gradient(k).1;
                    add_outer(&by, stage.weight * second, stage.weight * first, gradient, diagonal);
                }
            }
        }
        for i in 1..members.len() {
            let (low, high) = (&x[i - 1], &x[i]);
            let (curve, next) = (Curve::new(low), Curve::new(high));
            let (gradients, after) = self.gradient.split_at_mut(i);
            let (diagonals, diagonal_after) = self.diagonal.split_at_mut(i);
            dispatch(
                Instructions::best(),
                PairDerivatives {
                    low: &curve,
                    high: &next,
                    points: &members[i - 1].pair_grid,
                    barrier: pair,
                    weight: stage.weight,
                    gradient: [&mut gradients[i - 1], &mut after[0]],
                    diagonal: [&mut diagonals[i - 1], &mut diagonal_after[0]],
                    coupling: &mut self.coupling[i - 1],
                },
            );
            for side in [1, 2] {
                let c = (high[side] - low[side]) / SLOPE_UNIT;
                if pair.reaches(c) {
                    let mut by = [0.0; 5];
                    by[side] = 1.0 / SLOPE_UNIT;
                    let weight = SLOPE_WEIGHT * stage.weight;
                    self.add_pair(i, &by.map(|v| -v), &by, weight, pair.half_derivatives(c));
                }
            }
        }
        self.hold(members, x);
    }

    /// Adds a barrier between slices i − 1 and i.
    fn add_pair(&mut self, i: usize, by_low: &Wings, by_high: &Wings, weight: f64, (first, second): (f64, f64)) {
        let (first, second) = (weight * first, weight * second);
        add_outer(by_low, second, first, &mut self.gradient[i - 1], &mut self.diagonal[i - 1]);
        add_outer(by_high, second, first, &mut self.gradient[i], &mut self.diagonal[i]);
        for r in 0..5 {
            for c in 0..5 {
                self.coupling[i - 1][r][c] += second * by_low[r] * by_high[c];
            }
        }
    }

    /// Takes the parameters that sit at a bound out of the system.
    fn hold(&mut self, members: &[Member], x: &[Wings]) {
        for (i, member) in members.iter().enumerate() {
            let held: [bool; 5] = std::array::from_fn(|j| member.bounds.holds(&x[i], &self.gradient[i], j));
            hold(&held, &member.bounds, &mut self.gradient[i], &mut self.diagonal[i]);
            for j in (0..5).filter(|&j| held[j]) {
                if let Some(coupling) = self.coupling.get_mut(i) {
                    coupling[j] = [0.0; 5];
                }
                if i > 0 {
                    self.coupling[i - 1].iter_mut().for_each(|row| row[j] = 0.0);
                }
            }
        }
    }

    /// The step under `damping`, one value a slice.
    fn solve(&mut self, members: &[Member], damping: &[f64]) -> Option<Vec<[f64; 5]>> {
        self.damped.copy_from_slice(&self.diagonal);
        for (i, member) in members.iter().enumerate() {
            for j in 0..5 {
                self.damped[i][j][j] += damping[i] * self.shape[i][j] + member.bounds.floor[j];
            }
        }
        solve_chain(&self.damped, &self.coupling, &self.gradient)
    }
}

/// Tries of a step before the stage ends.
const TRIES: usize = 30;

/// Levenberg–Marquardt over all slices. Each slice has its own damping, so that one in a narrow valley does not hold up the others.
fn descend(members: &[Member], x: &mut [Wings], stage: &Stage, system: &mut System) {
    let n = members.len();
    let (mut parts, mut trial_parts) = (vec![0.0; n], vec![0.0; n]);
    let mut value = objective(members, x, stage, &mut parts);
    let mut damping = vec![1e-4; n];
    let mut trial = x.to_vec();
    for _ in 0..stage.steps {
        system.lay(members, x, stage);
        let mut gain = None;
        for _ in 0..TRIES {
            let Some(step) = system.solve(members, &damping) else {
                damping.iter_mut().for_each(|damping| *damping = (*damping * 8.0).max(1e-6));
                continue;
            };
            for i in 0..n {
                for j in 0..5 {
                    trial[i][j] = x[i][j] - step[i][j];
                }
                members[i].bounds.clamp(&mut trial[i]);
            }
            let trial_value = objective(members, &trial, stage, &mut trial_parts);
            let better = trial_value < value;
            let mut worse = false;
            for i in 0..n {
                if trial_parts[i] > parts[i] || trial_parts[i].is_nan() {
                    damping[i] = (damping[i] * 8.0).max(1e-6);
                    worse = true;
                } else if better {
                    damping[i] *= 0.2;
                }
            }
            if better {
                gain = Some(value - trial_value);
                value = trial_value;
                break;
            }
            if !worse {
                damping.iter_mut().for_each(|damping| *damping = (*damping * 8.0).max(1e-6));
            }
        }
        let Some(gain) = gain else { break };
        x.copy_from_slice(&trial);
        std::mem::swap(&mut parts, &mut trial_parts);
        if gain <= 1e-5 * value {
            break;
        }
    }
}

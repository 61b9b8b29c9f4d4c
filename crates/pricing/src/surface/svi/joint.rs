//! All slices at once: Levenberg–Marquardt on the quotes with barriers against arbitrage, whose weight falls stage by stage.
//!
//! A calendar constraint ties neighbours only, so the normal equations are a chain of 5×5 blocks and a step over the whole surface costs
//! little more than a step of every slice alone. The start is the backbone, which is free of arbitrage: the path from it stays inside,
//! where a path from the slices' own fits would have to find the way in.
#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    barrier::Barrier,
    barrier_sums::{OwnDerivatives, OwnValue, PairDerivatives, PairValue},
    constraints::{self, Member, Points},
    loss::{self, Loss, add_outer},
    slice::hold,
    wings::{Curve, Wings},
};
use crate::math::{Target as Instructions, dispatch};
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

/// The objective by slices and by pairs of neighbours; +∞ where the total variance of a quote is not positive.
#[derive(Clone)]
struct Values {
    /// Quotes and own barriers of each slice.
    own: Vec<f64>,
    /// Barriers between each slice and the next.
    pair: Vec<f64>,
}

impl Values {
    fn new(n: usize) -> Self {
        Self { own: vec![0.0; n], pair: vec![0.0; n.saturating_sub(1)] }
    }

    /// Lays them at `x`, where they are laid but for the slices that have `moved` since.
    fn lay(&mut self, members: &[Member], x: &[Wings], stage: &Stage, moved: &[bool]) {
        let (own, pair) = barriers(stage);
        let loss = Loss::saturating(stage.scale);
        for i in (0..members.len()).filter(|&i| moved[i]) {
            let (curve, mut sum) = (Curve::new(&x[i]), 0.0);
            let points = &members[i].grid;
            dispatch(Instructions::best(), OwnValue { curve: &curve, points, barrier: own, sum: &mut sum });
            self.own[i] = loss::objective(&members[i].target, &x[i], loss) + stage.weight * sum;
        }
        for i in (0..self.pair.len()).filter(|&i| moved[i] || moved[i + 1]) {
            let (low, high) = (&x[i], &x[i + 1]);
            let (curve, next) = (Curve::new(low), Curve::new(high));
            let (mut sum, points) = (0.0, &members[i].pair_grid);
            let kernel = PairValue { low: &curve, high: &next, points, barrier: pair, sum: &mut sum };
            dispatch(Instructions::best(), kernel);
            for side in [1, 2] {
                sum += SLOPE_WEIGHT * pair.value((high[side] - low[side]) / SLOPE_UNIT);
            }
            self.pair[i] = stage.weight * sum;
        }
    }

    /// What slice `i` answers for: its quotes, its own barriers, and half of those it shares with each neighbour.
    fn part(&self, i: usize) -> f64 {
        let before = i.checked_sub(1).map_or(0.0, |before| self.pair[before]);
        self.own[i] + 0.5 * (before + self.pair.get(i).unwrap_or(&0.0))
    }

    fn sum(&self) -> f64 {
        let sum: f64 = self.own.iter().sum::<f64>() + self.pair.iter().sum::<f64>();
        if sum.is_finite() { sum } else { f64::INFINITY }
    }
}

/// Half the gradient and half the Gauss–Newton Hessian of what one slice answers for alone.
#[derive(Clone, Copy)]
struct Own {
    gradient: [f64; 5],
    diagonal: Block,
    /// The diagonal of the quotes' part alone: what damping is measured by, since barriers would make it stiff.
    shape: Wings,
}

/// The same of what two neighbours share.
#[derive(Clone, Copy)]
struct Pair {
    gradient: [[f64; 5]; 2],
    diagonal: [Block; 2],
    /// Rows of the lower slice, columns of the upper one.
    coupling: Block,
}

/// Half the gradient and half the Gauss–Newton Hessian of the objective.
struct System {
    own: Vec<Own>,
    pairs: Vec<Pair>,
    gradient: Vec<[f64; 5]>,
    diagonal: Vec<Block>,
    /// Row block i, column block i + 1.
    coupling: Vec<Block>,
    /// The damped diagonal of a step.
    damped: Vec<Block>,
}

const NO_BLOCK: Block = [[0.0; 5]; 5];

impl System {
    /// Of `n` slices, empty.
    fn new(n: usize) -> Self {
        let joins = n.saturating_sub(1);
        Self {
            own: vec![Own { gradient: [0.0; 5], diagonal: NO_BLOCK, shape: [0.0; 5] }; n],
            pairs: vec![Pair { gradient: [[0.0; 5]; 2], diagonal: [NO_BLOCK; 2], coupling: NO_BLOCK }; joins],
            gradient: vec![[0.0; 5]; n],
            diagonal: vec![NO_BLOCK; n],
            coupling: vec![NO_BLOCK; joins],
            damped: vec![NO_BLOCK; n],
        }
    }

    /// Lays it at `x`, where its parts are laid but for the slices that have `moved` since.
    fn lay(&mut self, members: &[Member], x: &[Wings], stage: &Stage, moved: &[bool]) {
        let (own, pair) = barriers(stage);
        let loss = Loss::saturating(stage.scale);
        for i in (0..members.len()).filter(|&i| moved[i]) {
            let (mut gradient, mut diagonal) = ([0.0; 5], NO_BLOCK);
            loss::accumulate(&members[i].target, &x[i], loss, &mut gradient, &mut diagonal);
            let shape = std::array::from_fn(|j| diagonal[j][j]);
            let derivatives = OwnDerivatives {
                curve: &Curve::new(&x[i]),
                points: &members[i].grid,
                barrier: own,
                weight: stage.weight,
                gradient: &mut gradient,
                diagonal: &mut diagonal,
            };
            dispatch(Instructions::best(), derivatives);
            self.own[i] = Own { gradient, diagonal, shape };
        }
        for i in (0..self.pairs.len()).filter(|&i| moved[i] || moved[i + 1]) {
            self.pairs[i] = pair_at(&members[i].pair_grid, [&x[i], &x[i + 1]], pair, stage.weight);
        }
        for (i, own) in self.own.iter().enumerate() {
            (self.gradient[i], self.diagonal[i]) = (own.gradient, own.diagonal);
        }
        for (i, pair) in self.pairs.iter().enumerate() {
            for side in 0..2 {
                for r in 0..5 {
                    self.gradient[i + side][r] += pair.gradient[side][r];
                    for c in 0..5 {
                        self.diagonal[i + side][r][c] += pair.diagonal[side][r][c];
                    }
                }
            }
            self.coupling[i] = pair.coupling;
        }
        self.hold(members, x);
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
                self.damped[i][j][j] += damping[i] * self.own[i].shape[j] + member.bounds.floor[j];
            }
        }
        solve_chain(&self.damped, &self.coupling, &self.gradient)
    }
}

/// The barriers between two neighbours.
fn pair_at(points: &Points, [low, high]: [&Wings; 2], barrier: Barrier, weight: f64) -> Pair {
    let mut pair = Pair { gradient: [[0.0; 5]; 2], diagonal: [NO_BLOCK; 2], coupling: NO_BLOCK };
    let ([of_low, of_high], [diagonal_low, diagonal_high]) = (&mut pair.gradient, &mut pair.diagonal);
    dispatch(
        Instructions::best(),
        PairDerivatives {
            low: &Curve::new(low),
            high: &Curve::new(high),
            points,
            barrier,
            weight,
            gradient: [&mut *of_low, &mut *of_high],
            diagonal: [&mut *diagonal_low, &mut *diagonal_high],
            coupling: &mut pair.coupling,
        },
    );
    for side in [1, 2] {
        let c = (high[side] - low[side]) / SLOPE_UNIT;
        if barrier.reaches(c) {
            let (first, second) = barrier.half_derivatives(c);
            let mut by = [0.0; 5];
            by[side] = 1.0 / SLOPE_UNIT;
            let (first, second) = (SLOPE_WEIGHT * weight * first, SLOPE_WEIGHT * weight * second);
            add_outer(&by.map(|v| -v), second, first, of_low, diagonal_low);
            add_outer(&by, second, first, of_high, diagonal_high);
            pair.coupling[side][side] -= second * by[side] * by[side];
        }
    }
    pair
}

/// Tries of a step before the stage ends.
const TRIES: usize = 30;
/// A stage ends where a step gains no more than this share of the objective.
const LEAST_GAIN: f64 = 1e-5;
/// All slices together may leave this share of the objective to be gained by a step: those to which it promises no more than their part of
/// that stay where they are, and nothing of them is computed anew.
const IDLE: f64 = 1e-6;

/// Levenberg–Marquardt over all slices. Each slice has its own damping, so that one in a narrow valley does not hold up the others.
fn descend(members: &[Member], x: &mut [Wings], stage: &Stage, system: &mut System) {
    let n = members.len();
    let mut moved = vec![true; n];
    let mut values = Values::new(n);
    values.lay(members, x, stage, &moved);
    let mut value = values.sum();
    let mut damping = vec![1e-4; n];
    let (mut trial, mut trial_values) = (x.to_vec(), values.clone());
    for _ in 0..stage.steps {
        system.lay(members, x, stage, &moved);
        let mut gain = None;
        for _ in 0..TRIES {
            let Some(step) = system.solve(members, &damping) else {
                damping.iter_mut().for_each(|damping| *damping = (*damping * 8.0).max(1e-6));
                continue;
            };
            // A start without a value has all to gain.
            let idle = if value.is_finite() { IDLE * value / n as f64 } else { 0.0 };
            for i in 0..n {
                let promised: f64 = (0..5).map(|j| system.gradient[i][j] * step[i][j]).sum();
                moved[i] = promised.abs() > idle || promised.is_nan();
                trial[i] = x[i];
                if moved[i] {
                    (0..5).for_each(|j| trial[i][j] -= step[i][j]);
                    members[i].bounds.clamp(&mut trial[i]);
                }
            }
            if !moved.contains(&true) {
                break;
            }
            trial_values.clone_from(&values);
            trial_values.lay(members, &trial, stage, &moved);
            let trial_value = trial_values.sum();
            let better = trial_value < value;
            let mut worse = false;
            for i in 0..n {
                let (part, trial_part) = (values.part(i), trial_values.part(i));
                if trial_part > part || trial_part.is_nan() {
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
        std::mem::swap(&mut values, &mut trial_values);
        if gain <= LEAST_GAIN * value {
            break;
        }
    }
}

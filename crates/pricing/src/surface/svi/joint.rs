//! All slices at once: Levenberg–Marquardt on the quotes with barriers against arbitrage, whose weight falls stage by stage.
//!
//! A calendar constraint ties neighbours only, so the normal equations are a chain of 5×5 blocks and a step over the whole surface costs
//! little more than a step of every slice alone. The start is the backbone, which is free of arbitrage: the path from it stays inside,
//! where a path from the slices' own fits would have to find the way in.
#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    barrier::Barrier,
    barrier_sums::{BarrierWeights, OwnDerivatives, OwnRoom, OwnValue, PairDerivatives, PairRoom, PairValue, Places},
    choice::{Values, choose},
    constraints::{self, Member, Points},
    loss::{self, Loss, Normal, add_outer},
    retraction::Keeps,
    slice::hold,
    target::Target,
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
    /// The stages of a fit; few of them where it `is_quick`.
    fn stages(self, is_quick: bool) -> Vec<Stage> {
        let scales = match self {
            Self::Near if is_quick => return QUICK.into(),
            Self::Far if is_quick => return QUICK_FAR.into(),
            Self::Near => [2.0, 2.0, 2.0, 2.0, 1.5, 1.5, 1.5],
            Self::Whole | Self::Again => [f64::INFINITY; SLOW.len()],
            Self::Far => [30.0, 12.0, 6.0, 3.0, 2.0, 1.5, 1.5],
        };
        let skipped = if matches!(self, Self::Again) { 4 } else { 0 };
        SLOW.into_iter().zip(scales).skip(skipped).map(|(stage, scale)| Stage { scale, ..stage }).collect()
    }
}

/// One stage of a fit.
#[derive(Clone, Copy)]
struct Stage {
    /// Of the loss, in half-spreads.
    scale: f64,
    /// Whether the Hessian is that of the loss itself, which is for where its minimum is near (see [`Loss::bent`]).
    is_bent: bool,
    /// Whether some of the quotes stand for all.
    has_few: bool,
    /// Whether its first step foresees how the fall of the barriers' weight moves the constraints (see [`descend`]).
    is_foreseen: bool,
    /// Whether its steps follow the valleys of the slices.
    keeps: Keeps,
    /// Weight of the barriers, and their edge.
    weight: f64,
    edge: f64,
    /// Steps at most, and the share of the objective by which one must lower it for another.
    steps: usize,
    gain: f64,
}

/// Surfaces of so many quotes are fitted by few stages: what these leave to be gained is less than one quote in two hundred. Among fewer
/// quotes each weighs more against the barriers, and time matters less.
pub(super) const QUICK_QUOTES_MIN: usize = 1000;
const QUICK_COMMON: Stage =
    Stage { scale: 2.0, has_few: true, is_foreseen: true, keeps: Keeps::Level, gain: 3e-4, ..COMMON };
const QUICK_LAST: Stage = Stage { scale: 1.5, weight: 0.03, edge: 1e-4, is_bent: true, has_few: false, ..QUICK_COMMON };
const QUICK: [Stage; 3] = [
    Stage { weight: 3.0, steps: 20, gain: 1e-2, ..QUICK_COMMON },
    Stage { weight: 0.3, is_bent: true, steps: 8, gain: 1e-3, ..QUICK_COMMON },
    QUICK_LAST,
];
const QUICK_FAR: [Stage; 4] = [
    Stage { scale: 12.0, weight: 3.0, steps: 20, ..QUICK_COMMON },
    Stage { scale: 5.0, weight: 1.0, gain: 5e-3, ..QUICK_COMMON },
    Stage { weight: 0.3, steps: 8, gain: 1e-3, ..QUICK_COMMON },
    QUICK_LAST,
];
/// Barriers that fade from what ten quotes weigh to nothing; the scales are the reach's.
const SLOW: [Stage; 7] = [
    Stage { weight: 10.0, steps: 20, ..COMMON },
    Stage { weight: 3.0, steps: 14, ..COMMON },
    Stage { weight: 1.0, steps: 14, ..COMMON },
    Stage { weight: 0.3, edge: 3e-4, ..COMMON },
    Stage { weight: 0.1, edge: 1e-4, ..COMMON },
    Stage { weight: 0.01, edge: 1e-5, ..COMMON },
    Stage { weight: 1e-3, edge: 1e-5, ..COMMON },
];
const COMMON: Stage = Stage {
    scale: 0.0,
    is_bent: false,
    has_few: false,
    is_foreseen: false,
    keeps: Keeps::Nothing,
    weight: 0.0,
    edge: 1e-3,
    steps: 10,
    gain: 1e-5,
};
/// The last stage is repeated like this with fresh points while a constraint is missed between the points, this often at most.
const LAST_WEIGHT: f64 = 0.01;
const LAST_EDGE: f64 = 1e-6;
const LAST_STEPS: usize = 6;
const LAST_ROUNDS: usize = 2;

/// Reach of the barriers on w and g of a slice, and on the rise of w (shares of the scale) and of the wing slopes (of SLOPE_UNIT).
const SLICE_REACH: f64 = 0.02;
const PAIR_REACH: f64 = 0.03;
/// Scale of a wing slope, and how much its barrier weighs against one of a point.
const SLOPE_UNIT: f64 = 0.05;
const SLOPE_WEIGHT: f64 = 4.0;

/// Fits all slices from `start` (one entry a member; best free of arbitrage, as the backbone is), by few stages where it `is_quick`.
pub(super) fn fit(
    members: &mut [Member],
    start: &[Wings],
    backbone: &[Wings],
    ranges: &[[f64; 2]],
    reach: Reach,
    is_quick: bool,
) -> Vec<Wings> {
    let mut system = System::new(members.len());
    let mut x = start.to_vec();
    for (x, member) in x.iter_mut().zip(&*members) {
        member.bounds.clamp(x);
    }
    let stages = reach.stages(is_quick);
    let mut before = None;
    for stage in &stages {
        constraints::lay(members, &x, backbone, ranges);
        descend(members, &mut x, stage, before.filter(|_| stage.is_foreseen), &mut system);
        before = Some(stage.weight);
    }
    let Some(last) = stages.last() else { return x };
    let last = Stage { weight: LAST_WEIGHT, edge: LAST_EDGE, steps: LAST_STEPS, ..*last };
    for _ in 0..LAST_ROUNDS {
        if constraints::lay(members, &x, backbone, ranges) > 0.0 {
            break;
        }
        descend(members, &mut x, &last, None, &mut system);
    }
    x
}

impl Stage {
    /// The barriers on w and g of a slice, and between slices.
    fn barriers(&self) -> (Barrier, Barrier) {
        (Barrier::new(SLICE_REACH, self.edge), Barrier::new(PAIR_REACH, self.edge))
    }

    /// What a miss of the quotes costs.
    fn loss(&self, target: &Target) -> Loss {
        let loss = if target.is_wide { Loss::LEAST_SQUARES } else { Loss::saturating(self.scale) };
        if self.is_bent { loss.bent() } else { loss }
    }

    /// What the barriers between a slice and the next cost, and where they are felt.
    fn between(&self, points: &Points, (low, curve): At, (high, next): At) -> (f64, Places) {
        let (_, barrier) = self.barriers();
        let (mut sum, mut felt) = (0.0, Places::NONE);
        dispatch(
            Instructions::best(),
            PairValue { low: curve, high: next, points, barrier, sum: &mut sum, felt: &mut felt },
        );
        for side in [1, 2] {
            sum += SLOPE_WEIGHT * barrier.value((high[side] - low[side]) / SLOPE_UNIT);
        }
        (self.weight * sum, felt)
    }

    /// What the quotes of a slice cost.
    fn objective(&self, member: &Member, (x, curve): At) -> f64 {
        if self.has_few {
            member.share * loss::objective_of(&member.few, x, curve, self.loss(&member.few))
        } else {
            loss::objective_of(&member.target, x, curve, self.loss(&member.target))
        }
    }

    /// Half the gradient and half the Hessian of [`Stage::objective`].
    fn of_quotes(&self, member: &Member, (x, curve): At) -> ([f64; 5], Block) {
        let target = if self.has_few { &member.few } else { &member.target };
        let (Normal { mut gradient, hessian: mut diagonal, .. }, _) =
            loss::accumulate_of(target, x, curve, self.loss(target));
        if self.has_few {
            gradient.iter_mut().chain(diagonal.as_flattened_mut()).for_each(|value| *value *= member.share);
        }
        (gradient, diagonal)
    }
}

/// Coordinates of a slice and its curve.
type At<'a> = (&'a Wings, &'a Curve);

/// The objective in parts at some place, with what its derivatives there need.
struct Laid {
    values: Values,
    curves: Vec<Curve>,
    /// Where the barriers of each slice, and of each and the next, are felt.
    own: Vec<Places>,
    pair: Vec<Places>,
}

impl Laid {
    /// Of `n` slices, empty.
    fn new(n: usize) -> Self {
        Self {
            values: Values::new(n),
            curves: vec![Curve::new(&[0.0; 5]); n],
            own: vec![Places::NONE; n],
            pair: vec![Places::NONE; n.saturating_sub(1)],
        }
    }

    fn copy_from(&mut self, other: &Self) {
        self.values.copy_from(&other.values);
        self.curves.copy_from_slice(&other.curves);
        self.own.copy_from_slice(&other.own);
        self.pair.copy_from_slice(&other.pair);
    }

    /// Lays it at `x`, where it is laid but for the slices that have `moved` since.
    fn lay(&mut self, members: &[Member], x: &[Wings], stage: &Stage, moved: &[bool]) {
        let (barrier, _) = stage.barriers();
        for i in (0..members.len()).filter(|&i| moved[i]) {
            self.curves[i] = Curve::new(&x[i]);
            let (curve, points, mut sum) = (&self.curves[i], &members[i].grid, 0.0);
            let value = OwnValue { curve, points, barrier, sum: &mut sum, felt: &mut self.own[i] };
            dispatch(Instructions::best(), value);
            self.values.own[i] = stage.objective(&members[i], (&x[i], curve)) + stage.weight * sum;
        }
        for i in (0..self.pair.len()).filter(|&i| moved[i] || moved[i + 1]) {
            let (low, high) = ((&x[i], &self.curves[i]), (&x[i + 1], &self.curves[i + 1]));
            (self.values.pair[i], self.pair[i]) = stage.between(&members[i].pair_grid, low, high);
        }
    }

    /// The steps to take of those that were `tried`, from `x` to `trial`, where this is laid; `before` is laid at `x`. What is laid here is then
    /// that of the steps.
    fn choose(
        &mut self,
        before: &Self,
        members: &[Member],
        [x, trial]: [&[Wings]; 2],
        stage: &Stage,
        tried: &[bool],
    ) -> Vec<bool> {
        let at = |i: usize| ((&x[i], &before.curves[i]), (&trial[i], &self.curves[i]));
        let mixed = |i: usize| {
            let ((low, low_trial), (high, high_trial)) = (at(i), at(i + 1));
            let between = |low, high| stage.between(&members[i].pair_grid, low, high).0;
            [between(low_trial, high), between(low, high_trial)]
        };
        let (steps, values) = choose(&before.values, &self.values, tried, mixed);
        self.values = values;
        let refuses = |i: usize| tried[i] && !steps[i];
        for i in (0..steps.len()).filter(|&i| refuses(i)) {
            (self.own[i], self.curves[i]) = (before.own[i], before.curves[i]);
        }
        for i in (0..self.pair.len()).filter(|&i| refuses(i) || refuses(i + 1)) {
            self.pair[i] = if steps[i] || steps[i + 1] { Places::ALL } else { before.pair[i] };
        }
        steps
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
    room: Box<(OwnRoom, PairRoom)>,
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
            room: Box::new((OwnRoom::new(), PairRoom::new())),
        }
    }

    /// Lays it at `x`, where its parts are laid but for the slices that have `moved` since, and so is all of `laid`. `bend` is what the barriers
    /// weigh in the Hessian.
    fn lay(&mut self, members: &[Member], (x, laid): (&[Wings], &Laid), (stage, bend): (&Stage, f64), moved: &[bool]) {
        let (own, pair) = stage.barriers();
        let weights = BarrierWeights { slope: stage.weight, bend };
        for i in (0..members.len()).filter(|&i| moved[i]) {
            let (mut gradient, mut diagonal) = stage.of_quotes(&members[i], (&x[i], &laid.curves[i]));
            let shape = std::array::from_fn(|j| diagonal[j][j]);
            let derivatives = OwnDerivatives {
                curve: &laid.curves[i],
                points: &members[i].grid,
                places: laid.own[i],
                barrier: own,
                weights,
                gradient: &mut gradient,
                diagonal: &mut diagonal,
                room: &mut self.room.0,
            };
            dispatch(Instructions::best(), derivatives);
            self.own[i] = Own { gradient, diagonal, shape };
        }
        for i in (0..self.pairs.len()).filter(|&i| moved[i] || moved[i + 1]) {
            let neighbours = [(&x[i], &laid.curves[i]), (&x[i + 1], &laid.curves[i + 1])];
            let at = (&members[i].pair_grid, laid.pair[i]);
            self.pairs[i] = pair_at(at, neighbours, pair, weights, &mut self.room.1);
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
fn pair_at(
    (points, places): (&Points, Places),
    [(low, curve), (high, next)]: [At; 2],
    barrier: Barrier,
    weights: BarrierWeights,
    room: &mut PairRoom,
) -> Pair {
    let mut pair = Pair { gradient: [[0.0; 5]; 2], diagonal: [NO_BLOCK; 2], coupling: NO_BLOCK };
    let ([of_low, of_high], [diagonal_low, diagonal_high]) = (&mut pair.gradient, &mut pair.diagonal);
    dispatch(
        Instructions::best(),
        PairDerivatives {
            low: curve,
            high: next,
            points,
            places,
            barrier,
            weights,
            gradient: [&mut *of_low, &mut *of_high],
            diagonal: [&mut *diagonal_low, &mut *diagonal_high],
            coupling: &mut pair.coupling,
            room,
        },
    );
    for side in [1, 2] {
        let c = (high[side] - low[side]) / SLOPE_UNIT;
        if barrier.reaches(c) {
            let (first, second) = barrier.half_derivatives(c);
            let mut by = [0.0; 5];
            by[side] = 1.0 / SLOPE_UNIT;
            let (first, second) = (SLOPE_WEIGHT * weights.slope * first, SLOPE_WEIGHT * weights.bend * second);
            add_outer(&by.map(|v| -v), second, first, of_low, diagonal_low);
            add_outer(&by, second, first, of_high, diagonal_high);
            pair.coupling[side][side] -= second * by[side] * by[side];
        }
    }
    pair
}

/// Damping of the first step of a stage, and tries of a step before the stage ends.
const FIRST_DAMPING: f64 = 1e-4;
const TRIES: usize = 30;
/// A step is taken as a whole where those that lose by it lose less than this share of what is gained.
const FORGIVEN: f64 = 0.2;
/// A stage does not end with a step that more than one in so many slices refuse.
const REFUSED_SHARE: usize = 8;
/// All slices together may leave this share of the objective to be gained by a step: those to which it promises no more than their part of
/// that stay where they are, and nothing of them is computed anew.
const IDLE: f64 = 1e-6;

/// Levenberg–Marquardt over all slices. Each slice has its own damping, so that one in a narrow valley does not hold up the others; nor does
/// one whose step fails: unless all steps together do well, those are taken that lower the objective most (see [`choose`]).
///
/// Where the barriers weighed more `before`, the first step is the primal–dual one (S. Wright, *Primal-Dual Interior-Point Methods*, 1997,
/// chapter 1): a constraint at its optimum under the weight μ has the multiplier μ/c, so that in the Hessian the barrier goes on weighing
/// what it did, μ/c², while the gradient has the new weight. To first order every constraint then moves to its new distance, the share of
/// the weights, where Newton's step of the new barrier would overshoot the boundary.
fn descend(members: &[Member], x: &mut [Wings], stage: &Stage, before: Option<f64>, system: &mut System) {
    let n = members.len();
    let mut moved = vec![true; n];
    let (mut laid, mut trial_laid) = (Laid::new(n), Laid::new(n));
    laid.lay(members, x, stage, &moved);
    let mut damping = vec![FIRST_DAMPING; n];
    let mut trial = x.to_vec();
    let mut bend = before.unwrap_or(stage.weight);
    for _ in 0..stage.steps {
        system.lay(members, (x, &laid), (stage, bend), &moved);
        bend = stage.weight;
        let value = laid.values.sum();
        let (mut gain, mut refused) = (None, 0);
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
                trial[i] = if moved[i] { members[i].bounds.moved(&x[i], &step[i], stage.keeps) } else { x[i] };
            }
            if !moved.contains(&true) {
                break;
            }
            trial_laid.copy_from(&laid);
            trial_laid.lay(members, &trial, stage, &moved);
            let losses = (0..n).filter(|&i| moved[i]).map(|i| trial_laid.values.loss_of(i, &laid.values));
            let lost: f64 = losses.sum();
            let mut steps = moved.clone();
            // Where there is no gain, or no number, the choice is not left to the whole either.
            let is_fine = lost < FORGIVEN * (value - trial_laid.values.sum());
            if !is_fine {
                steps = trial_laid.choose(&laid, members, [&*x, &trial[..]], stage, &moved);
            }
            refused = 0;
            for i in (0..n).filter(|&i| moved[i]) {
                if steps[i] {
                    damping[i] *= 0.2;
                } else {
                    damping[i] = (damping[i] * 8.0).max(1e-6);
                    trial[i] = x[i];
                    refused += 1;
                }
            }
            let found = trial_laid.values.sum();
            if found < value {
                gain = Some(value - found);
                moved = steps;
                break;
            }
        }
        let Some(gain) = gain else { break };
        x.copy_from_slice(&trial);
        std::mem::swap(&mut laid, &mut trial_laid);
        if gain <= stage.gain * value && refused <= n / REFUSED_SHARE {
            break;
        }
    }
}

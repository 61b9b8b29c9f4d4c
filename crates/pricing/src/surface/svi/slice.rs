//! One slice by itself: a global start by the quasi-explicit method (Zeliade 2009), then Levenberg–Marquardt.
//!
//! For given m and σ the other three parameters are a linear least-squares problem, so a grid over (m, σ) finds the basin of the best
//! minimum, where a descent in all five parameters from one guess falls into degenerate ones.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    lanes::{self, Lanes, blocks},
    loss::{self, Loss, Normal},
    retraction::{self, Keeps},
    target::Target,
    wings::{MOST_SLOPE, Wings},
};
use crate::math::{Kernel, MultiplyAdd, Target as Instructions, dispatch};
use crate::surface::linear::{Block, solve, solve_small};

/// Quotes that the grid search looks at.
const START_QUOTES: usize = 48;
/// Starts that are refined, over these steps at most, until a step gains less than this share.
const STARTS: usize = 2;
const START_STEPS: usize = 12;
const START_GAIN: f64 = 1e-2;
/// Steps from the best start by which a warm fit is judged.
const GLANCE_STEPS: usize = 4;
/// Damping of the first step of a descent, and steps in a row that may fail.
const FIRST_DAMPING: f64 = 1e-3;
const MOST_TRIES: usize = 8;

/// Where the parameters of a slice may go.
#[derive(Clone, Copy, Debug)]
pub(in crate::surface) struct Bounds {
    low: Wings,
    high: Wings,
    /// Damping that holds parameters which the data do not determine.
    pub(super) floor: Wings,
    /// Where steps keep what they promise (see [`retraction`]).
    nodes: [f64; 3],
}

impl Bounds {
    pub(in crate::surface) fn new(target: &Target) -> Self {
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
            nodes: retraction::nodes(target),
        }
    }

    /// Where nothing may move from `x`.
    pub(super) fn at(x: &Wings) -> Self {
        Self { low: *x, high: *x, floor: [0.0; 5], nodes: [0.0; 3] }
    }

    /// `x` less `step` within the bounds.
    pub(super) fn moved(&self, x: &Wings, step: &[f64; 5], keeps: Keeps) -> Wings {
        retraction::moved(x, step, keeps, &self.nodes, [&self.low, &self.high])
    }

    pub(super) fn clamp(&self, x: &mut Wings) {
        for i in 0..5 {
            x[i] = x[i].clamp(self.low[i], self.high[i]);
        }
    }

    /// Names and values of the parameters of `x` that are at an end of their range.
    pub(super) fn ends(&self, x: &Wings) -> Vec<(&'static str, f64)> {
        const NAMES: [&str; 5] = ["a", "b(1 - rho)", "b(1 + rho)", "m", "sigma"];
        let near = |i: usize| {
            let slack = 1e-9 * (self.high[i] - self.low[i]);
            x[i] <= self.low[i] + slack || x[i] >= self.high[i] - slack
        };
        (0..5).filter(|&i| near(i)).map(|i| (NAMES[i], if i == 4 { x[i].exp() } else { x[i] })).collect()
    }

    /// Whether parameter i sits at a bound that the descent (against `gradient`) would cross.
    pub(super) fn holds(&self, x: &Wings, gradient: &[f64; 5], i: usize) -> bool {
        (x[i] <= self.low[i] && gradient[i] > 0.0) || (x[i] >= self.high[i] && gradient[i] < 0.0)
    }
}

/// The best fit of the quotes alone under least squares.
pub(in crate::surface) fn least_squares(target: &Target, bounds: &Bounds) -> Wings {
    let few = target.thinned(START_QUOTES);
    let mut best = (f64::INFINITY, [0.0; 5]);
    for start in starts(&few, bounds) {
        let (value, x) = descend(&few, start, &Descent::least_squares(START_GAIN, START_STEPS), bounds);
        if value < best.0 {
            best = (value, x);
        }
    }
    descend(target, best.1, &Descent::least_squares(START_GAIN, 10), bounds).1
}

/// Whether a few steps from the best point of the grid already lead to a better least-squares fit than `x`, so that `x` lies in the
/// wrong hollow.
pub(super) fn is_beaten(target: &Target, bounds: &Bounds, x: &Wings) -> bool {
    let few = target.thinned(START_QUOTES);
    let [start, ..] = starts(&few, bounds);
    let found = descend(&few, start, &Descent::least_squares(START_GAIN, GLANCE_STEPS), bounds);
    // Thinned, the quotes have a minimum a little elsewhere.
    found.0 < loss::objective(&few, x, Loss::LEAST_SQUARES) * (1.0 - START_GAIN)
        && loss::objective(target, &found.1, Loss::LEAST_SQUARES) < loss::objective(target, x, Loss::LEAST_SQUARES)
}

/// Points of the grid: of m in deviations, and of σ.
const SHIFTS: [f64; 10] = [-3.0, -1.5, -0.75, -0.25, 0.0, 0.25, 0.75, 1.5, 3.0, 5.0];
const WIDTHS: [f64; 7] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// The best few points of the (m, σ) grid, with a, p, q solved for.
fn starts(target: &Target, bounds: &Bounds) -> [Wings; STARTS] {
    let deviation = target.level().unwrap_or(0.01).sqrt();
    let (first, last) = (target.k[0], target.k[target.len() - 1]);
    let span = last - first;
    let mut best = [(f64::INFINITY, [0.0; 5]); SHIFTS.len()];
    dispatch(
        Instructions::best(),
        Grid {
            target,
            shifts: SHIFTS.map(|step| (step * deviation).clamp(first - 0.2 * span, last + 0.2 * span)),
            widths: WIDTHS.map(|width| width * deviation),
            best: &mut best,
        },
    );
    best.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    std::array::from_fn(|i| {
        let mut x = best[i].1;
        bounds.clamp(&mut x);
        // Where a point of the grid has not a positive total variance at every quote, a flat slice does.
        let is_positive = loss::objective(target, &x, Loss::LEAST_SQUARES).is_finite();
        if is_positive { x } else { [target.level().unwrap_or(0.01), 0.0, 0.0, 0.0, deviation.ln()] }
    })
}

/// The least-squares a, p, q ≥ 0 and Σr² over a grid of m and σ; of each m the best.
struct Grid<'a> {
    target: &'a Target,
    shifts: [f64; SHIFTS.len()],
    widths: [f64; WIDTHS.len()],
    best: &'a mut [(f64, Wings); SHIFTS.len()],
}

impl Kernel for Grid<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { target, shifts, widths, best } = self;
        let columns = target.columns();
        for (m, best) in shifts.into_iter().zip(best) {
            for sigma in widths {
                let (shift, square) = (Lanes::splat(m), Lanes::splat(sigma * sigma));
                // Weighted sums of 1, x, R, x², xR, R², and of each of 1, x, R with the centre; of the centre's square.
                let mut sums = [Lanes::ZERO; 10];
                for at in 0..blocks(target.len()) {
                    let [k, centre, inverse_half] = [columns[0].block(at), columns[1].block(at), columns[2].block(at)];
                    let weight = inverse_half * inverse_half;
                    let x = k - shift;
                    let root = x.times_plus::<M>(x, square).sqrt();
                    let (by_x, by_root, by_centre) = (weight * x, weight * root, weight * centre);
                    sums[0] = sums[0] + weight;
                    sums[1] = sums[1] + by_x;
                    sums[2] = sums[2] + by_root;
                    sums[3] = by_x.times_plus::<M>(x, sums[3]);
                    sums[4] = by_x.times_plus::<M>(root, sums[4]);
                    sums[5] = by_root.times_plus::<M>(root, sums[5]);
                    sums[6] = sums[6] + by_centre;
                    sums[7] = by_centre.times_plus::<M>(x, sums[7]);
                    sums[8] = by_centre.times_plus::<M>(root, sums[8]);
                    sums[9] = by_centre.times_plus::<M>(centre, sums[9]);
                }
                let candidate = explicit(lanes::sums(&sums), m, sigma);
                if candidate.0 < best.0 {
                    *best = candidate;
                }
            }
        }
    }
}

/// The least-squares a, p, q ≥ 0 for given m and σ, and Σr², of the sums of [`Grid`].
#[inline(always)]
fn explicit(sums: [f64; 10], m: f64, sigma: f64) -> (f64, Wings) {
    let [n, x, root, xx, x_root, root_root, c, cx, c_root, cc] = sums;
    // The basis 1, (R − x)/2, (R + x)/2.
    let matrix = [
        [n, 0.5 * (root - x), 0.5 * (root + x)],
        [0.5 * (root - x), 0.25 * (root_root - 2.0 * x_root + xx), 0.25 * (root_root - xx)],
        [0.5 * (root + x), 0.25 * (root_root - xx), 0.25 * (root_root + 2.0 * x_root + xx)],
    ];
    let right = [c, 0.5 * (c_root - cx), 0.5 * (c_root + cx)];
    let value = |a: f64, p: f64, q: f64| {
        let at = [a, p.min(MOST_SLOPE), q.min(MOST_SLOPE)];
        let mut square = cc;
        for i in 0..3 {
            let product: f64 = (0..3).map(|j| matrix[i][j] * at[j]).sum();
            square += at[i] * (product - 2.0 * right[i]);
        }
        (square.max(0.0), [at[0], at[1], at[2], m, sigma.ln()])
    };
    let [a, p, q] = solve_small(matrix, right);
    if p >= 0.0 && q >= 0.0 {
        return value(a, p, q);
    }
    // A slope below zero is put to zero, whichever of the two leaves less behind.
    let with = |j: usize| solve_small([[n, matrix[0][j]], [matrix[j][0], matrix[j][j]]], [c, right[j]]);
    let [a_left, p_only] = with(1);
    let [a_right, q_only] = with(2);
    let left = value(a_left, p_only.max(0.0), 0.0);
    let right = value(a_right, 0.0, q_only.max(0.0));
    if left.0 <= right.0 { left } else { right }
}

/// How a descent goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descent {
    pub(super) loss: Loss,
    /// It ends with a step that gains less than this share, or after so many.
    pub(super) settled: f64,
    pub(super) steps: usize,
    /// Curved steps are for where the minimum is near: from far away they lead to hollows that straight ones pass by.
    pub(super) keeps: Keeps,
}

impl Descent {
    pub(super) fn least_squares(settled: f64, steps: usize) -> Self {
        Self { loss: Loss::LEAST_SQUARES, settled, steps, keeps: Keeps::Nothing }
    }
}

/// Levenberg–Marquardt on Σρ from `x`; the objective and parameters it ends at.
pub(super) fn descend(target: &Target, mut x: Wings, descent: &Descent, bounds: &Bounds) -> (f64, Wings) {
    let Descent { loss, settled, steps, keeps } = *descent;
    bounds.clamp(&mut x);
    let (mut normal, mut value) = loss::accumulate(target, &x, loss);
    let mut damping = FIRST_DAMPING;
    let mut tries = 0;
    for _ in 0..steps {
        let Some(step) = step(&normal, &x, bounds, damping) else {
            damping = (damping * 8.0).max(1e-6);
            tries += 1;
            if tries > MOST_TRIES {
                break;
            }
            continue;
        };
        let trial = bounds.moved(&x, &step, keeps);
        let (trial_normal, trial_value) = loss::accumulate(target, &trial, loss);
        if trial_value < value {
            let gain = value - trial_value;
            (value, x, normal) = (trial_value, trial, trial_normal);
            damping *= 0.15;
            tries = 0;
            if gain <= settled * value {
                break;
            }
        } else {
            damping = (damping * 8.0).max(1e-6);
            tries += 1;
            if tries > MOST_TRIES {
                break;
            }
        }
    }
    (value, x)
}

/// The step under `damping`: Newton's where the Hessian with it is positive definite, else that of Gauss and Newton.
fn step(normal: &Normal, x: &Wings, bounds: &Bounds, damping: f64) -> Option<[f64; 5]> {
    let Normal { mut gradient, mut hessian, mut curvature } = *normal;
    let held = at_bounds(x, bounds, &gradient);
    hold(&held, bounds, &mut gradient, &mut hessian);
    for i in 0..5 {
        hessian[i][i] += damping * hessian[i][i] + bounds.floor[i];
        for j in 0..=i {
            curvature[i][j] = if held[i] || held[j] { hessian[i][j] } else { curvature[i][j] + hessian[i][j] };
        }
    }
    solve(&curvature, &gradient).or_else(|| solve(&hessian, &gradient))
}

/// Which parameters sit at a bound that the descent would cross.
pub(super) fn at_bounds(x: &Wings, bounds: &Bounds, gradient: &[f64; 5]) -> [bool; 5] {
    std::array::from_fn(|i| bounds.holds(x, gradient, i))
}

/// Takes the parameters that are held out of the system.
pub(super) fn hold(held: &[bool; 5], bounds: &Bounds, gradient: &mut [f64; 5], hessian: &mut Block) {
    for i in (0..5).filter(|&i| held[i]) {
        gradient[i] = 0.0;
        for j in 0..5 {
            hessian[i][j] = 0.0;
            hessian[j][i] = 0.0;
        }
        hessian[i][i] = 1.0 + bounds.floor[i];
    }
}

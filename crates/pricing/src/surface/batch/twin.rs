//! The fit of one slice in plain f64: the specification of every other path.
//!
//! Method    from the best point of a grid (`start.rs`) Levenberg–Marquardt's descent on Σr², r = (w(k) − centre)/half width, in
//!           a, p, q, m, ln σ (`svi/wings.rs`). Each trial's a, p and q are put to the best for its m and σ (`explicit.rs`): long, bent valleys in
//!           which a, p, q and σ make up for each other become short
//! Box       0 ≤ p, q < 2 (Lee), bounds on m and ln σ, and a + σ√(pq) ≥ a ten-thousandth of the total variance at the money: that is the least
//!           total variance over all strikes. Where it is met and the misses would have a lower, a is no parameter but what the bound
//!           makes it of the others
//! End       where the normal equations promise, or a step gave, less than [`GAIN`] of Σr²; after so many evaluations, `NotConverged`

use zomma_base::Status;

use super::columns::{Fitted, Quotes};
use super::explicit::Sums;
use super::frame::{DAMPING_FLOOR, Frame};
use super::lanes::{self, LANES, NORMAL};
use super::start;
use crate::math::{Kernel, MultiplyAdd, Target, dispatch};
use crate::surface::Smile;
use crate::surface::svi::wings::{MOST_SLOPE, Wings, to_svi};

/// Evaluations of the normal equations at most.
pub(super) const EVALUATIONS: u32 = 60;
/// A descent ends where less than this share of Σr² is to be gained.
pub(super) const GAIN: f64 = 1e-9;
/// Stands for a sum that is not known yet.
pub(super) const UNKNOWN: f64 = 1e300;
/// A mean square below this, in half spreads, is a fit, whatever is to be gained.
pub(super) const LEAST_SQUARE: f64 = 1e-18;
/// Damping at the start, its factors after a step and after a miss, and where it ends.
pub(super) const DAMPING: f64 = 1e-2;
pub(super) const LESS: f64 = 0.15;
pub(super) const MORE: f64 = 8.0;
pub(super) const LEAST_DAMPING: f64 = 1e-6;
pub(super) const MOST_DAMPING: f64 = 1e9;
/// A bound on the least variance is met within this share.
pub(super) const MET: f64 = 1e-6;
/// Slopes below this count as this where the least variance is differentiated by them.
pub(super) const TIED_SLOPE: f64 = 1e-9;
/// Points of the grid on which Durrleman's g is evaluated.
pub(super) const G_POINTS: usize = 256;
/// The grid reaches this share of the quoted range beyond each end.
pub(super) const BEYOND: f64 = 0.25;

/// Σr², half its gradient, and the lower triangle of the Gauss–Newton half of its Hessian, by rows.
#[derive(Clone, Copy, Debug)]
struct Normal {
    value: f64,
    gradient: [f64; 5],
    hessian: [f64; 15],
}

/// The place of row i, column j ≤ i.
pub(super) const fn place(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

impl Normal {
    const UNKNOWN: Self = Self { value: UNKNOWN, gradient: [0.0; 5], hessian: [0.0; 15] };

    fn new(sums: &[f64; NORMAL]) -> Self {
        let mut normal = Self { value: sums[0], ..Self::UNKNOWN };
        normal.gradient.copy_from_slice(&sums[1..6]);
        normal.hessian.copy_from_slice(&sums[6..]);
        normal
    }
}

/// Puts a point into the box; `tied` puts a to the least that it may be.
fn into_box(x: &mut Wings, frame: &Frame, tied: bool) {
    x[1] = x[1].clamp(0.0, MOST_SLOPE);
    x[2] = x[2].clamp(0.0, MOST_SLOPE);
    x[3] = x[3].max(frame.m[0]).min(frame.m[1]);
    x[4] = x[4].max(frame.ln_sigma[0]).min(frame.ln_sigma[1]);
    let least = least_a(x, frame);
    x[0] = if tied { least } else { x[0].min(frame.most_a).max(least) };
}

/// The least a that leaves the least variance.
fn least_a(x: &Wings, frame: &Frame) -> f64 {
    frame.least_variance - x[4].exp() * (x[1] * x[2]).sqrt()
}

/// Takes a out of the system: it falls with the other parameters as the bound on the least variance lets it.
fn tie(x: &Wings, normal: &mut Normal) {
    let sigma = x[4].exp();
    let (p, q) = (x[1].max(TIED_SLOPE), x[2].max(TIED_SLOPE));
    let root = (p * q).sqrt();
    let by = [0.0, -0.5 * sigma * root / p, -0.5 * sigma * root / q, 0.0, -sigma * root];
    let (gradient, h) = (normal.gradient, normal.hessian);
    for i in 1..5 {
        normal.gradient[i] += by[i] * gradient[0];
        for j in 1..=i {
            normal.hessian[place(i, j)] += by[i] * h[place(j, 0)] + by[j] * h[place(i, 0)] + by[i] * by[j] * h[0];
        }
    }
    hold(normal, 0);
}

/// Takes parameter i out of the system.
fn hold(normal: &mut Normal, i: usize) {
    normal.gradient[i] = 0.0;
    for j in 0..5 {
        normal.hessian[if j <= i { place(i, j) } else { place(j, i) }] = 0.0;
    }
    normal.hessian[place(i, i)] = 1.0;
}

/// Gives a, p and q the best values for the m and σ of x.
#[inline(always)]
fn settle(x: &mut Wings, quotes: &Quotes<'_>, frame: &Frame) {
    let sigma = x[4].exp();
    let sums = Sums::new([x[0], x[1], x[2]], lanes::linear(quotes, x, sigma));
    let best = sums.best(sigma, frame.least_variance);
    if best.value < sums.misses([x[0], x[1], x[2]]) {
        [x[0], x[1], x[2]] = best.apq;
    }
}

/// The system of a step from x: bounds that hold are taken out; and whether a is tied to the least variance.
fn reduced(x: &Wings, mut normal: Normal, frame: &Frame) -> (Normal, bool) {
    let least = least_a(x, frame);
    let tied = x[0] - least <= MET * frame.least_variance && normal.gradient[0] > 0.0;
    if tied {
        tie(x, &mut normal);
    } else if x[0] >= frame.most_a && normal.gradient[0] < 0.0 {
        hold(&mut normal, 0);
    }
    for (i, [low, high]) in bounds(frame) {
        if (x[i] <= low && normal.gradient[i] > 0.0) || (x[i] >= high && normal.gradient[i] < 0.0) {
            hold(&mut normal, i);
        }
    }
    (normal, tied)
}

/// The bounds of the parameters but a.
fn bounds(frame: &Frame) -> [(usize, [f64; 2]); 4] {
    [(1, [0.0, MOST_SLOPE]), (2, [0.0, MOST_SLOPE]), (3, frame.m), (4, frame.ln_sigma)]
}

/// The damped step from x, and the gain that it promises. Where it leaves the box in some parameters, those go to their bounds, the others
/// the best way beside that, and what is gained is not foretold.
fn step(x: &Wings, system: &Normal, damping: f64, floor: &Wings, frame: &Frame) -> Option<(Wings, f64)> {
    let free = solve(system, damping, floor)?;
    let (mut held, mut again) = (*system, false);
    for (i, [low, high]) in bounds(frame) {
        let to = x[i] - free[i];
        if to < low || to > high {
            let by = x[i] - to.max(low).min(high);
            for j in 0..5 {
                held.gradient[j] -= held.hessian[place(i.max(j), i.min(j))] * by;
            }
            hold(&mut held, i);
            held.gradient[i] = by;
            again = true;
        }
    }
    if again {
        return Some((solve(&held, damping, floor)?, UNKNOWN));
    }
    Some((free, (0..5).map(|i| free[i] * system.gradient[i]).sum()))
}

/// The damped step by Cholesky's factors; none where rounding left the system without them.
fn solve(normal: &Normal, damping: f64, floor: &Wings) -> Option<Wings> {
    let mut factor = normal.hessian;
    let mut y = normal.gradient;
    for i in 0..5 {
        for j in 0..=i {
            let mut sum = factor[place(i, j)];
            if i == j {
                sum += damping * sum + floor[i];
            }
            for t in 0..j {
                sum -= factor[place(i, t)] * factor[place(j, t)];
            }
            if i == j {
                if sum.is_nan() || sum <= 0.0 {
                    return None;
                }
                // The inverse of the root is kept on the diagonal.
                factor[place(i, i)] = 1.0 / sum.sqrt();
            } else {
                factor[place(i, j)] = sum * factor[place(j, j)];
            }
        }
        for t in 0..i {
            y[i] -= factor[place(i, t)] * y[t];
        }
        y[i] *= factor[place(i, i)];
    }
    for i in (0..5).rev() {
        for t in i + 1..5 {
            y[i] -= factor[place(t, i)] * y[t];
        }
        y[i] *= factor[place(i, i)];
    }
    Some(y)
}

/// Where a descent stands.
#[derive(Clone, Copy, Debug)]
struct Descent {
    x: Wings,
    value: f64,
    evaluations: u32,
    converged: bool,
}

/// Levenberg–Marquardt from `x`.
#[inline(always)]
fn descend(quotes: &Quotes<'_>, frame: &Frame, mut x: Wings) -> Descent {
    let n = quotes.k.len() as f64;
    let unit = DAMPING_FLOOR * n;
    let floor = [unit / (frame.level * frame.level), unit, unit, unit / frame.level, unit];
    let mut trial = x;
    into_box(&mut trial, frame, false);
    let mut at = Normal::UNKNOWN;
    let (mut damping, mut evaluations, mut promised) = (DAMPING, 0, UNKNOWN);
    let mut converged;
    loop {
        settle(&mut trial, quotes, frame);
        let there = Normal::new(&lanes::normal(quotes, &trial, trial[4].exp()));
        evaluations += 1;
        let gain = at.value - there.value;
        if gain > 0.0 {
            converged = gain <= GAIN * at.value || there.value <= LEAST_SQUARE * n;
            (x, at) = (trial, there);
            damping *= LESS;
        } else {
            damping = (damping * MORE).max(LEAST_DAMPING);
            converged = damping >= MOST_DAMPING;
        }
        converged |= promised <= GAIN * at.value;
        if converged || evaluations >= EVALUATIONS {
            break;
        }
        let (system, tied) = reduced(&x, at, frame);
        // Without factors nothing moves, and the damping grows.
        let (step, promise) = step(&x, &system, damping, &floor, frame).unwrap_or(([0.0; 5], UNKNOWN));
        promised = promise;
        trial = x;
        trial.iter_mut().zip(step).for_each(|(x, step)| *x -= step);
        into_box(&mut trial, frame, tied);
    }
    Descent { x, value: at.value, evaluations, converged }
}

/// The least of Durrleman's g over the grid.
#[inline(always)]
fn least_g(x: &Wings, frame: &Frame) -> f64 {
    let svi = to_svi(x);
    let [first, last] = frame.range;
    let span = last - first;
    let (low, step) = (first - BEYOND * span, (1.0 + 2.0 * BEYOND) / (G_POINTS - 1) as f64 * span);
    let mut least = [f64::INFINITY; LANES];
    for at in (0..G_POINTS).step_by(LANES) {
        for (lane, least) in least.iter_mut().enumerate() {
            let g = svi.durrleman_g(low + step * (at + lane) as f64);
            *least = if g < *least { g } else { *least };
        }
    }
    least.into_iter().fold(f64::INFINITY, f64::min)
}

/// Fits one slice.
pub(super) fn fit(quotes: &Quotes<'_>) -> Result<Fitted, Status> {
    let frame = Frame::of(quotes)?;
    let mut fitted = Fitted::NONE;
    dispatch(Target::best(), Fit { quotes, frame: &frame, out: &mut fitted });
    Ok(fitted)
}

/// The work of [`fit`], compiled for each instruction set.
struct Fit<'a> {
    quotes: &'a Quotes<'a>,
    frame: &'a Frame,
    out: &'a mut Fitted,
}

impl Kernel for Fit<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { quotes, frame, out } = self;
        let end = descend(quotes, frame, start::start(quotes, frame));
        *out = Fitted {
            svi: to_svi(&end.x),
            rms: (end.value / quotes.k.len() as f64).sqrt(),
            least_g: least_g(&end.x, frame),
            iterations: end.evaluations,
            converged: end.converged,
        };
    }
}

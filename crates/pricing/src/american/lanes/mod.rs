//! Boundaries and premiums of eight puts at a time in lockstep: `boundary` and `premium` without branches, generic over the
//! multiply-add.
//!
//! Formula  The twin's, with e^(−qs) n(d₊) taken from e^(−rs) n(d₋) B(u)/B(τ), which it equals, so that a point costs three exponentials,
//!          one Mills' ratio, a root and a division
//! Method   The twin's Newton steps, their number fixed; a lane whose last step was not small is not converged and left to the twin
//! Accuracy tolerance.rs: american/lanes against the twin

mod algebra;
mod equation;
mod guess;
mod premium;

use super::accuracy::Tables;
use super::boundary::{STEP_SHARE, Terms};
use super::premium::Premium;
use crate::math::{Kernel, MultiplyAdd, exp_moderate};
use algebra::{eliminate, square, substitute};

/// Puts in lockstep: one AVX-512 register.
pub(super) const LANES: usize = 8;
type Lane = [f64; LANES];

/// One put to value: its terms, and ln(S/K).
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub terms: Terms,
    pub log_spot: f64,
}

/// What became of a [`Job`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer {
    pub premium: Premium,
    /// ln(B/K) at expiry's distance.
    pub log_boundary: f64,
    pub is_converged: bool,
}

/// Room for the columns of one group, kept between calls.
#[derive(Default)]
pub(super) struct Scratch {
    /// −ln(B/X) at the nodes, and its square.
    y: Vec<Lane>,
    squares: Vec<Lane>,
    /// Newton's matrix, row by row, and its right side.
    matrix: Vec<Lane>,
    right: Vec<Lane>,
    /// By point: H, then the derivative by it.
    points: Vec<Lane>,
    /// e^(−qs) at the points of the boundary's integrals, by node: steps with the same points share it.
    carried: Vec<Lane>,
}

/// Values jobs that share their tables.
pub(super) struct Evaluate<'a> {
    pub tables: &'a Tables,
    /// Newton steps.
    pub steps: usize,
    pub jobs: &'a [Job],
    pub answers: &'a mut [Answer],
    pub scratch: &'a mut Scratch,
}

impl Kernel for Evaluate<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        for (jobs, answers) in self.jobs.chunks(LANES).zip(self.answers.chunks_mut(LANES)) {
            // A last group that is not full repeats its last job.
            let mut group = Group::default();
            for lane in 0..LANES {
                group.set(lane, &jobs[lane.min(jobs.len() - 1)]);
            }
            let is_converged = group.boundary::<M>(self.tables, self.steps, self.scratch);
            let [value, delta, gamma] = group.premium::<M>(self.tables, self.scratch);
            let last = self.scratch.y[self.tables.root.len() - 1];
            for (lane, answer) in answers.iter_mut().enumerate() {
                *answer = Answer {
                    premium: Premium { value: value[lane], delta: delta[lane], gamma: gamma[lane] },
                    log_boundary: group.log_end[lane] - last[lane],
                    is_converged: is_converged[lane],
                };
            }
        }
    }
}

/// The terms of eight puts.
#[derive(Default)]
struct Group {
    rate: Lane,
    dividend: Lane,
    deviation: Lane,
    log_end: Lane,
    log_spot: Lane,
}

/// Below this an exponential counts as 0 and is not computed further.
const EXPONENT_LEAST: f64 = -700.0;

/// e^x for x below 700.
#[inline(always)]
fn exp_at_least<M: MultiplyAdd>(x: f64) -> f64 {
    exp_moderate::<M>(if x > EXPONENT_LEAST { x } else { EXPONENT_LEAST })
}

/// Beyond this |d| the density is 0; Mills' polynomials would overflow far out.
const D_MAX: f64 = 64.0;

/// |d|, kept where Mills' polynomials are numbers.
#[inline(always)]
fn bounded(d: f64) -> f64 {
    let size = d.abs();
    if size < D_MAX { size } else { D_MAX }
}

impl Group {
    fn set(&mut self, lane: usize, job: &Job) {
        self.rate[lane] = job.terms.rate;
        self.dividend[lane] = job.terms.dividend;
        self.deviation[lane] = job.terms.deviation;
        self.log_end[lane] = job.terms.log_end;
        self.log_spot[lane] = job.log_spot;
    }

    /// Fills `scratch.y`; says which lanes settled.
    #[inline(always)]
    fn boundary<M: MultiplyAdd>(&self, tables: &Tables, steps: usize, scratch: &mut Scratch) -> [bool; LANES] {
        let n = tables.root.len();
        scratch.y.resize(n, [0.0; LANES]);
        scratch.squares.resize(n, [0.0; LANES]);
        scratch.right.resize(n, [0.0; LANES]);
        scratch.matrix.resize(n * n, [0.0; LANES]);
        scratch.points.resize(tables.integral.points.sin.len().max(tables.premium.sin.len()), [0.0; LANES]);
        self.guess::<M>(tables, &mut scratch.y[..n]);
        let (mut greatest, mut sum) = ([0.0; LANES], [0.0; LANES]);
        for step in 0..steps {
            let integral = tables.integral_of(step);
            if step < 2 {
                self.carried::<M>(&tables.root, &integral.points, &mut scratch.carried);
            }
            square(&scratch.y, &mut scratch.squares, n);
            for i in 0..n {
                self.residual::<M>(&tables.root, integral, i, scratch);
                eliminate::<M>(&mut scratch.matrix, &mut scratch.right, i, n);
            }
            substitute::<M>(&scratch.matrix, &mut scratch.right, n);
            (greatest, sum) = ([0.0; LANES], [0.0; LANES]);
            for i in 0..n {
                let (mut y, change) = (scratch.y[i], scratch.right[i]);
                for lane in 0..LANES {
                    let most = STEP_SHARE * y[lane];
                    let limited = if change[lane] > most { most } else { change[lane] };
                    let limited = if limited < -most { -most } else { limited };
                    y[lane] -= limited;
                    let size = limited.abs();
                    greatest[lane] = if size > greatest[lane] { size } else { greatest[lane] };
                    // NaN in any of them is NaN here.
                    sum[lane] += y[lane];
                }
                scratch.y[i] = y;
            }
        }
        let last = &scratch.y[n - 1];
        std::array::from_fn(|lane| {
            let (v, y) = (self.deviation[lane], last[lane]);
            sum[lane].is_finite() && greatest[lane] <= tables.settled * if v < y { v } else { y }
        })
    }
}

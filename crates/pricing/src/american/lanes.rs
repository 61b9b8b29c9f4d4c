//! Boundaries and premiums of eight puts at a time in lockstep: `boundary` and `premium` without branches, generic over the
//! multiply-add.
//!
//! Formula  The twin's, with e^(−qs) n(d₊) taken from e^(−rs) n(d₋) B(u)/B(τ), which it equals, so that a point costs three exponentials,
//!          one Mills' ratio, a root and a division
//! Method   The twin's Newton steps, their number fixed; a lane whose last step was not small is not converged and left to the twin
//! Accuracy tolerance.rs: american/lanes against the twin

use super::accuracy::Tables;
use super::boundary::{FLOOR_SHARE, GUESS_DEVIATIONS, GUESS_STEPS, GUESS_STEPS_FIRST, STEP_SHARE, Terms};
use super::premium::Premium;
use crate::math::{FRAC_1_SQRT_2PI, Kernel, MultiplyAdd, exp_moderate, mills, mills_parts};

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
    /// e^(−qs) at the points of the boundary's integrals, by node: no step changes it.
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
        scratch.points.resize(tables.integral.sin.len().max(tables.premium.sin.len()), [0.0; LANES]);
        self.guess::<M>(tables, &mut scratch.y[..n]);
        self.carried::<M>(tables, &mut scratch.carried);
        let (mut greatest, mut sum) = ([0.0; LANES], [0.0; LANES]);
        for _ in 0..steps {
            square(&scratch.y, &mut scratch.squares, n);
            for i in 0..n {
                self.residual::<M>(tables, i, scratch);
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

    #[inline(always)]
    fn carried<M: MultiplyAdd>(&self, tables: &Tables, carried: &mut Vec<Lane>) {
        let sin = &tables.integral.sin;
        carried.resize(tables.root.len() * sin.len(), [0.0; LANES]);
        for (root, carried) in tables.root.iter().zip(carried.chunks_exact_mut(sin.len())) {
            for (sin, carried) in sin.iter().zip(carried) {
                let s = root * root * sin * sin;
                for (carried, dividend) in carried.iter_mut().zip(&self.dividend) {
                    *carried = exp_at_least::<M>(-dividend * s);
                }
            }
        }
    }

    /// Row i of Newton's matrix and its right side; see the twin.
    #[inline(always)]
    fn residual<M: MultiplyAdd>(&self, tables: &Tables, i: usize, scratch: &mut Scratch) {
        let n = tables.root.len();
        let points = &tables.integral;
        let count = points.sin.len();
        let weights = &tables.integral_weight[i * count * n..][..count * n];
        interpolate::<M>(weights, &scratch.squares[..n], &mut scratch.points[..count]);
        let root = tables.root[i];
        let time = root * root;
        let y = scratch.y[i];
        let (mut strike, mut inverse, mut forward, mut d_end) =
            ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            strike[lane] = self.rate[lane] * exp_at_least::<M>(y[lane] - self.log_end[lane]);
            let v = self.deviation[lane] * root;
            inverse[lane] = 1.0 / v;
            forward[lane] = exp_at_least::<M>(-self.dividend[lane] * time);
            d_end[lane] = (self.log_end[lane] - y[lane] + (self.rate[lane] - self.dividend[lane]) * time)
                * inverse[lane]
                + 0.5 * v;
        }
        let (mut sum, mut own) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let density = forward[lane] * FRAC_1_SQRT_2PI * exp_at_least::<M>(-0.5 * d_end[lane] * d_end[lane]);
            let tail = density * mills::<M>(bounded(d_end[lane]));
            sum[lane] = if d_end[lane] > 0.0 { tail - forward[lane] } else { -tail };
            own[lane] = density * inverse[lane];
        }
        for k in 0..count {
            let (sin, cos, share) = (points.sin[k], points.cos[k], time * points.weight[k]);
            let s = time * sin * sin;
            let one_over_sin = 1.0 / sin;
            let point = &mut scratch.points[k];
            let carried = &scratch.carried[i * count + k];
            for lane in 0..LANES {
                let (rate, dividend) = (self.rate[lane], self.dividend[lane]);
                let floor = FLOOR_SHARE * cos * y[lane];
                let square = point[lane];
                let moves = square > floor * floor;
                let inner = if moves { square.sqrt() } else { floor };
                let one_over_v = inverse[lane] * one_over_sin;
                let v = self.deviation[lane] * root * sin;
                let d_minus =
                    M::multiply_add(M::multiply_add(rate - dividend, s, inner - y[lane]), one_over_v, -0.5 * v);
                let d_plus = d_minus + v;
                let ratio = exp_at_least::<M>(y[lane] - inner);
                let density = FRAC_1_SQRT_2PI * exp_at_least::<M>(M::multiply_add(-0.5 * d_minus, d_minus, -rate * s));
                let weighted = share * one_over_v * density;
                let gain = weighted * (strike[lane] - dividend * ratio);
                let parts = mills_parts::<M>(bounded(d_plus));
                // One division for Mills' ratio and for 1/inner.
                let quotient = 1.0 / (parts.q * inner);
                let tail = density * ratio * (parts.p * quotient * inner);
                let part = if d_plus > 0.0 { carried[lane] - tail } else { tail };
                sum[lane] += M::multiply_add(-dividend * share, part, gain);
                let slope = gain * d_minus * one_over_v;
                let still = if moves { 0.0 } else { slope * FLOOR_SHARE * cos };
                own[lane] += M::multiply_add(weighted, strike[lane], slope) - still;
                point[lane] = if moves { -slope * parts.q * quotient } else { 0.0 };
            }
        }
        let row = &mut scratch.matrix[i * n..][..n];
        transpose_sum::<M>(weights, &scratch.points[..count], row);
        for (entry, y) in row.iter_mut().zip(&scratch.y[..n]) {
            for lane in 0..LANES {
                entry[lane] *= y[lane];
            }
        }
        for lane in 0..LANES {
            row[i][lane] += own[lane];
        }
        scratch.right[i] = sum;
    }

    /// Li's QD+ boundary; see the twin.
    #[inline(always)]
    fn guess<M: MultiplyAdd>(&self, tables: &Tables, y: &mut [Lane]) {
        for (i, root) in tables.root.iter().enumerate() {
            let time = root * root;
            let (mut discount, mut forward) = ([0.0; LANES], [0.0; LANES]);
            let (mut elasticity, mut spread_inverse) = ([0.0; LANES], [0.0; LANES]);
            let mut x = [0.0; LANES];
            for lane in 0..LANES {
                let (rate, deviation) = (self.rate[lane], self.deviation[lane]);
                let alpha = 2.0 / (deviation * deviation);
                let omega = (rate - self.dividend[lane]) * alpha;
                discount[lane] = exp_at_least::<M>(-rate * time);
                forward[lane] = exp_at_least::<M>(-self.dividend[lane] * time);
                let m = alpha / (time * mean_discount(rate * time, discount[lane]));
                let spread = M::multiply_add(omega - 1.0, omega - 1.0, 4.0 * m).sqrt();
                let inverse = 1.0 / spread;
                let share = m * inverse;
                elasticity[lane] = 0.5 * (1.0 - omega - spread) + discount[lane] * (share - share * share * inverse);
                spread_inverse[lane] = alpha * inverse;
                let [far, near] = GUESS_DEVIATIONS;
                let first = if self.log_end[lane] < 0.0 { near } else { far };
                x[lane] = if i == 0 { first * deviation * root } else { y[i - 1][lane] * (root / tables.root[i - 1]) };
            }
            let steps = if i == 0 { GUESS_STEPS_FIRST } else { GUESS_STEPS };
            for _ in 0..steps {
                for lane in 0..LANES {
                    x[lane] = self.guess_step::<M>(
                        lane,
                        *root,
                        [discount[lane], forward[lane]],
                        [elasticity[lane], spread_inverse[lane]],
                        x[lane],
                    );
                }
            }
            y[i] = x;
        }
    }

    #[inline(always)]
    fn guess_step<M: MultiplyAdd>(
        &self,
        lane: usize,
        root: f64,
        [discount, forward]: [f64; 2],
        [elasticity, alpha_over_spread]: [f64; 2],
        x: f64,
    ) -> f64 {
        let (rate, dividend, deviation) = (self.rate[lane], self.dividend[lane], self.deviation[lane]);
        let v = deviation * root;
        let one_over_v = 1.0 / v;
        let log = self.log_end[lane] - x;
        let b = exp_at_least::<M>(log);
        let d_plus = (log + (rate - dividend) * root * root) * one_over_v + 0.5 * v;
        let d_minus = d_plus - v;
        let density = b * forward * FRAC_1_SQRT_2PI * exp_at_least::<M>(-0.5 * d_plus * d_plus);
        let stock_tail = density * mills::<M>(bounded(d_plus));
        let cash_tail = density * mills::<M>(bounded(d_minus));
        let stock = if d_plus > 0.0 { stock_tail } else { b * forward - stock_tail };
        let cash = if d_minus > 0.0 { cash_tail } else { discount - cash_tail };
        let half = 0.5 * deviation * deviation * one_over_v * density;
        let theta = rate * cash - dividend * stock - half;
        let theta_slope =
            (dividend - rate) * density * one_over_v - dividend * stock - half * (1.0 - d_plus * one_over_v);
        let error = b - stock + elasticity * (1.0 - b - cash + stock) - alpha_over_spread * theta;
        let slope = b - stock + density * one_over_v + elasticity * (stock - b) - alpha_over_spread * theta_slope;
        let change = error / slope;
        let most = 0.5 * if x > v { x } else { v };
        let change = if change < most { change } else { most };
        let change = if change > -0.5 * x { change } else { -0.5 * x };
        x + change
    }

    /// The premium, S times its derivative by S, and S² times the second.
    #[inline(always)]
    fn premium<M: MultiplyAdd>(&self, tables: &Tables, scratch: &mut Scratch) -> [Lane; 3] {
        let n = tables.root.len();
        let points = &tables.premium;
        let count = points.sin.len();
        square(&scratch.y, &mut scratch.squares, n);
        interpolate::<M>(&tables.premium_weight, &scratch.squares[..n], &mut scratch.points[..count]);
        let last = scratch.y[n - 1];
        let (mut inverse, mut spot) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            inverse[lane] = 1.0 / self.deviation[lane];
            let log = self.log_spot[lane];
            spot[lane] = exp_at_least::<M>(if log < -EXPONENT_LEAST { log } else { -EXPONENT_LEAST });
        }
        let (mut value, mut delta, mut gamma) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for k in 0..count {
            let (sin, cos, share) = (points.sin[k], points.cos[k], points.weight[k]);
            let s = sin * sin;
            let one_over_sin = 1.0 / sin;
            for lane in 0..LANES {
                let (rate, dividend) = (self.rate[lane], self.dividend[lane]);
                let floor = FLOOR_SHARE * cos * last[lane];
                let square = scratch.points[k][lane];
                let inner = if square > floor * floor { square.sqrt() } else { floor };
                let one_over_v = inverse[lane] * one_over_sin;
                let v = self.deviation[lane] * sin;
                let distance = self.log_spot[lane] - self.log_end[lane] + inner;
                let d_minus = M::multiply_add(M::multiply_add(rate - dividend, s, distance), one_over_v, -0.5 * v);
                let d_plus = d_minus + v;
                let density = FRAC_1_SQRT_2PI * exp_at_least::<M>(M::multiply_add(-0.5 * d_minus, d_minus, -rate * s));
                let discount = exp_at_least::<M>(-rate * s);
                let carried = spot[lane] * exp_at_least::<M>(-dividend * s);
                let boundary = exp_at_least::<M>(self.log_end[lane] - inner);
                let (minus, plus) = (mills_parts::<M>(bounded(d_minus)), mills_parts::<M>(bounded(d_plus)));
                let quotient = 1.0 / (minus.q * plus.q);
                let cash_tail = density * (minus.p * plus.q * quotient);
                let stock_tail = density * boundary * (plus.p * minus.q * quotient);
                let cash = rate * if d_minus > 0.0 { cash_tail } else { discount - cash_tail };
                let stock = dividend * if d_plus > 0.0 { stock_tail } else { carried - stock_tail };
                let weighted = density * one_over_v;
                let gain = weighted * (rate - dividend * boundary);
                value[lane] += share * (cash - stock);
                delta[lane] -= share * (gain + stock);
                gamma[lane] += share * M::multiply_add(gain * d_minus, one_over_v, weighted * rate);
            }
        }
        [value, delta, gamma]
    }
}

/// (1 − e^(−x))/x: by its series where the difference would cancel.
#[inline(always)]
fn mean_discount(x: f64, exponential: f64) -> f64 {
    let series = 1.0 - x * (0.5 - x * (1.0 / 6.0 - x * (1.0 / 24.0 - x * (1.0 / 120.0))));
    let divided = (1.0 - exponential) / x;
    if x.abs() < 1e-3 { series } else { divided }
}

#[inline(always)]
fn square(y: &[Lane], squares: &mut [Lane], n: usize) {
    for (square, y) in squares[..n].iter_mut().zip(&y[..n]) {
        for lane in 0..LANES {
            square[lane] = y[lane] * y[lane];
        }
    }
}

/// Sums that are kept in registers at a time.
const SUMS: usize = 6;

/// H at the points: weights by point and node, times H at the nodes.
#[inline(always)]
fn interpolate<M: MultiplyAdd>(weights: &[f64], squares: &[Lane], points: &mut [Lane]) {
    let n = squares.len();
    let mut k = 0;
    while k + SUMS <= points.len() {
        let weights = &weights[k * n..(k + SUMS) * n];
        let mut sums = [[0.0; LANES]; SUMS];
        for j in 0..n {
            let square = squares[j];
            for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(n)) {
                add_product::<M>(sum, weights[j], &square);
            }
        }
        points[k..k + SUMS].copy_from_slice(&sums);
        k += SUMS;
    }
    for k in k..points.len() {
        let mut sum = [0.0; LANES];
        for j in 0..n {
            add_product::<M>(&mut sum, weights[k * n + j], &squares[j]);
        }
        points[k] = sum;
    }
}

/// The transpose: by node, the sum of the points' numbers times their weights.
#[inline(always)]
fn transpose_sum<M: MultiplyAdd>(weights: &[f64], points: &[Lane], row: &mut [Lane]) {
    let n = row.len();
    let mut j = 0;
    while j + SUMS <= n {
        let mut sums = [[0.0; LANES]; SUMS];
        for (point, weights) in points.iter().zip(weights.chunks_exact(n)) {
            for (sum, weight) in sums.iter_mut().zip(&weights[j..j + SUMS]) {
                add_product::<M>(sum, *weight, point);
            }
        }
        row[j..j + SUMS].copy_from_slice(&sums);
        j += SUMS;
    }
    for j in j..n {
        let mut sum = [0.0; LANES];
        for (point, weights) in points.iter().zip(weights.chunks_exact(n)) {
            add_product::<M>(&mut sum, weights[j], point);
        }
        row[j] = sum;
    }
}

#[inline(always)]
fn add_product<M: MultiplyAdd>(sum: &mut Lane, factor: f64, other: &Lane) {
    for lane in 0..LANES {
        sum[lane] = M::multiply_add(factor, other[lane], sum[lane]);
    }
}

/// Takes the rows above out of row i; each has its pivot's inverse on the diagonal.
#[inline(always)]
fn eliminate<M: MultiplyAdd>(matrix: &mut [Lane], right: &mut [Lane], i: usize, n: usize) {
    let (above, row) = matrix.split_at_mut(i * n);
    let row = &mut row[..n];
    for pivot in 0..i {
        let mut factor = [0.0; LANES];
        for lane in 0..LANES {
            factor[lane] = row[pivot][lane] * above[pivot * n + pivot][lane];
        }
        for (entry, other) in row[pivot + 1..].iter_mut().zip(&above[pivot * n + pivot + 1..(pivot + 1) * n]) {
            for lane in 0..LANES {
                entry[lane] = M::multiply_add(-factor[lane], other[lane], entry[lane]);
            }
        }
        for lane in 0..LANES {
            right[i][lane] = M::multiply_add(-factor[lane], right[pivot][lane], right[i][lane]);
        }
    }
    row[i] = row[i].map(|pivot| 1.0 / pivot);
}

#[inline(always)]
fn substitute<M: MultiplyAdd>(matrix: &[Lane], right: &mut [Lane], n: usize) {
    for i in (0..n).rev() {
        let mut sum = right[i];
        for j in i + 1..n {
            for lane in 0..LANES {
                sum[lane] = M::multiply_add(-matrix[i * n + j][lane], right[j][lane], sum[lane]);
            }
        }
        for lane in 0..LANES {
            right[i][lane] = sum[lane] * matrix[i * n + i][lane];
        }
    }
}

//! The exercise boundary of a put in plain f64: the twin that specifies the lanes.
//!
//! Formula  Smooth pasting of the premium's integral (equation A), divided by e^(−qτ)·B/K and with the terms at the strike cancelled:
//!          ∫ e^(−rs) n(d₋)/(σ√s) (r K/B(τ) − q B(u)/B(τ)) ds = q ∫ e^(−qs) N(d₊) ds + e^(−qτ) N(d₊(τ, B/K)),
//!          u = τ − s, d± = (ln(B(τ)/B(u)) + (r − q) s)/(σ√s) ± σ√s/2
//! Method   Collocation of H = ln²(B/X), X = K min(1, r/q) (accuracy.rs), from Li's QD+ boundary by Newton's method with the full
//!          Jacobian: the points between the nodes move with the nodes, so that a step squares the error. Andersen, Lake and
//!          Offengenden take the diagonal of it without the integrals, which gains a digit a step.
//! Source   L. Andersen, M. Lake and D. Offengenden (2016); M. Li (2010), "Analytical approximations for the critical stock prices of
//!          American options: a performance comparison"
//! Domain   one boundary: r > 0, or r = 0 > q. Time in expiries and the strike 1, so that three numbers are left

use super::accuracy::{Accuracy, Integral, Tables};
use crate::math::{FRAC_1_SQRT_2PI, Plain, normal_cdf, polynomial};

/// A put's terms with the expiry as the unit of time and the strike as the unit of money.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// rT.
    pub rate: f64,
    /// qT.
    pub dividend: f64,
    /// σ√T.
    pub deviation: f64,
    /// ln(X/K) ≤ 0.
    pub log_end: f64,
}

impl Terms {
    pub fn new(rate: f64, dividend: f64, deviation: f64) -> Self {
        let log_end = if dividend > rate && rate > 0.0 { (rate / dividend).ln() } else { 0.0 };
        Self { rate, dividend, deviation, log_end }
    }

    /// The tables for this X.
    pub fn tables<'a>(&self, accuracy: &'a Accuracy) -> &'a Tables {
        if self.log_end < 0.0 { &accuracy.below_strike } else { &accuracy.at_strike }
    }
}

/// Newton steps of the QD+ guess at a node, from the node before: its own error of 1 % is reached after two.
pub(super) const GUESS_STEPS: usize = 3;
/// The same at the first node, from a number of deviations by where the boundary ends.
pub(super) const GUESS_STEPS_FIRST: usize = 7;
pub(super) const GUESS_DEVIATIONS: [f64; 2] = [4.0, 0.64];
/// What QD+ is off by: the true ln(B/X) is its own times this polynomial in its deviations z = −ln(B/X)/(σ√τ), where X = K. Least squares over
/// 48,000 nodes (σ√T 0.02 to 1.8, rT to 0.4, qT from −0.1), which leave 0.3 % of 1.2 %.
pub(super) const GUESS_CORRECTION: [f64; 3] = [0.9967, 0.0148, -0.00225];
/// Deviations from which the polynomial stands still: it was fitted below, and would fall through 0 at 25, where rates of next to nothing come.
pub(super) const GUESS_CORRECTION_END: f64 = 8.0;
/// The same where X < K: 1.3 % at all times.
pub(super) const GUESS_CORRECTION_BELOW: f64 = 1.013;
/// A Newton step changes no ln(B/X) by more than this share of it.
pub(super) const STEP_SHARE: f64 = 0.7;
/// ln(B(u)/X) is at least this share of √(u/τ) ln(B(τ)/X): an interpolant that swings below is cut. The true boundary's share is 0.4
/// or more.
pub(super) const FLOOR_SHARE: f64 = 0.3;

/// n(x) without a guard: 0 far out.
pub(super) fn density(x: f64) -> f64 {
    FRAC_1_SQRT_2PI * (-0.5 * x * x).exp()
}

/// −ln(B/X) at a point, and whether it is the interpolant's own (not the floor's).
pub(super) fn log_boundary(weights: &[f64], squares: &[f64], floor: f64) -> (f64, bool) {
    let square: f64 = weights.iter().zip(squares).map(|(w, h)| w * h).sum();
    if square > floor * floor { (square.sqrt(), true) } else { (floor, false) }
}

/// y = −ln(B/X) at the nodes 1 to n; none where Newton's method does not settle.
pub(super) fn boundary(terms: &Terms, tables: &Tables) -> Option<Vec<f64>> {
    let n = tables.root.len();
    let mut y = guess(terms, tables);
    let mut squares = vec![0.0; n];
    let mut jacobian = vec![0.0; n * n];
    let mut change = vec![0.0; n];
    for step in 0.. {
        for (square, y) in squares.iter_mut().zip(&y) {
            *square = y * y;
        }
        let integral = tables.integral_of(step);
        for i in 0..n {
            let node = (i, tables.root[i]);
            change[i] = residual(terms, integral, node, &y, &squares, &mut jacobian[i * n..(i + 1) * n]);
        }
        solve(&mut jacobian, &mut change);
        let mut greatest = 0.0_f64;
        for i in 0..n {
            let most = STEP_SHARE * y[i].abs();
            let limited = change[i].clamp(-most, most);
            greatest = greatest.max(limited.abs());
            y[i] -= limited;
        }
        if !(greatest.is_finite() && y.iter().all(|y| y.is_finite() && *y > 0.0)) {
            return None;
        }
        let steps = step + 1;
        let least = tables.scheme.newton_steps;
        let may_end = steps == least || steps >= least + MORE_STEPS;
        if may_end && greatest <= tables.settled * terms.deviation.min(y[n - 1]) {
            return Some(y);
        }
        if steps >= MOST_STEPS {
            return None;
        }
    }
    None
}

const MOST_STEPS: usize = 24;
/// Steps more where the scheme's did not settle: the lanes take them together.
pub(super) const MORE_STEPS: usize = 4;

/// The equation's left side less its right side at node i of time root², and its derivatives by the y of all nodes.
fn residual(
    terms: &Terms,
    integral: &Integral,
    (i, root): (usize, f64),
    y: &[f64],
    squares: &[f64],
    row: &mut [f64],
) -> f64 {
    let &Terms { rate, dividend, deviation, log_end } = terms;
    let n = y.len();
    let time = root * root;
    let strike = rate * (y[i] - log_end).exp();
    let mut sum = 0.0;
    let mut own = 0.0;
    row.fill(0.0);
    let points = &integral.points;
    for (k, sin) in points.sin.iter().enumerate() {
        let weights = &integral.weight[(i * points.sin.len() + k) * n..][..n];
        let floor = FLOOR_SHARE * points.cos[k] * y[i];
        let (inner, moves) = log_boundary(weights, squares, floor);
        let s = time * sin * sin;
        let v = deviation * root * sin;
        let d_minus = (inner - y[i] + (rate - dividend) * s) / v - 0.5 * v;
        let d_plus = d_minus + v;
        let ratio = (y[i] - inner).exp();
        let share = time * points.weight[k];
        let density = share / v * density(d_minus) * (-rate * s).exp();
        let gain = density * (strike - dividend * ratio);
        sum += gain - dividend * share * (-dividend * s).exp() * normal_cdf::<Plain>(d_plus);
        own += density * strike;
        // By ln(B(u)/B(τ)); the terms of d₊ and of the ratio cancel.
        let slope = gain * d_minus / v;
        own += slope;
        if moves {
            let by_square = -slope / inner;
            for (entry, weight) in row.iter_mut().zip(weights) {
                *entry += by_square * weight;
            }
        } else {
            own -= slope * FLOOR_SHARE * points.cos[k];
        }
    }
    for (entry, y) in row.iter_mut().zip(y) {
        *entry *= y;
    }
    let v = deviation * root;
    let d_plus = (log_end - y[i] + (rate - dividend) * time) / v + 0.5 * v;
    let forward = (-dividend * time).exp();
    row[i] += own + forward * density(d_plus) / v;
    sum - forward * normal_cdf::<Plain>(d_plus)
}

/// Solves for the change in place by elimination without exchanges: the diagonal dominates.
fn solve(matrix: &mut [f64], right: &mut [f64]) {
    let n = right.len();
    for pivot in 0..n {
        let inverse = 1.0 / matrix[pivot * n + pivot];
        for i in pivot + 1..n {
            let factor = matrix[i * n + pivot] * inverse;
            for j in pivot + 1..n {
                matrix[i * n + j] -= factor * matrix[pivot * n + j];
            }
            right[i] -= factor * right[pivot];
        }
    }
    for i in (0..n).rev() {
        let rest: f64 = (i + 1..n).map(|j| matrix[i * n + j] * right[j]).sum();
        right[i] = (right[i] - rest) / matrix[i * n + i];
    }
}

/// Li's QD+ boundary at the nodes, in a form without divisions by the rate or by the time value, with its mean error taken out.
fn guess(terms: &Terms, tables: &Tables) -> Vec<f64> {
    let &Terms { rate, dividend, deviation, log_end } = terms;
    let mut y: Vec<f64> = Vec::with_capacity(tables.root.len());
    let alpha = 2.0 / (deviation * deviation);
    let omega = (rate - dividend) * alpha;
    for (i, root) in tables.root.iter().enumerate() {
        let time = root * root;
        let v = deviation * root;
        let discount = (-rate * time).exp();
        let forward = (-dividend * time).exp();
        // (1 − e^(−rτ))/r.
        let annuity = if rate == 0.0 { time } else { -(-rate * time).exp_m1() / rate };
        let m = alpha / annuity;
        let spread = ((omega - 1.0) * (omega - 1.0) + 4.0 * m).sqrt();
        let elasticity = 0.5 * (1.0 - omega - spread) + discount * (m - m * m / (spread * spread)) / spread;
        let mut x = match y.last() {
            Some(before) => before * root / tables.root[i - 1],
            None => v * GUESS_DEVIATIONS[usize::from(log_end < 0.0)],
        };
        let steps = if y.is_empty() { GUESS_STEPS_FIRST } else { GUESS_STEPS };
        for _ in 0..steps {
            let log = log_end - x;
            let b = log.exp();
            let d_plus = (log + (rate - dividend) * time) / v + 0.5 * v;
            let d_minus = d_plus - v;
            let stock = b * forward * normal_cdf::<Plain>(-d_plus);
            let cash = discount * normal_cdf::<Plain>(-d_minus);
            let density = b * forward * density(d_plus);
            let half = 0.5 * deviation * deviation / v;
            let theta = rate * cash - dividend * stock - half * density;
            let theta_slope = (dividend - rate) * density / v - dividend * stock - half * density * (1.0 - d_plus / v);
            let error = b - stock + elasticity * (1.0 - b - cash + stock) - alpha * theta / spread;
            let slope = b - stock + density / v + elasticity * (stock - b) - alpha * theta_slope / spread;
            let change = error / slope;
            let change = if change.is_nan() { 0.0 } else { change };
            x += change.clamp(-0.5 * x, 0.5 * x.max(v));
        }
        y.push(x);
    }
    for (y, root) in y.iter_mut().zip(&tables.root) {
        *y *= if log_end < 0.0 {
            GUESS_CORRECTION_BELOW
        } else {
            polynomial::<Plain, 3>((*y / (deviation * root)).min(GUESS_CORRECTION_END), &GUESS_CORRECTION)
        };
    }
    y
}

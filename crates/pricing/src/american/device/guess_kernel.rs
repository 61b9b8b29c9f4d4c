//! Li's QD+ boundary at the nodes, its mean error taken out, a put a thread: the guess of `boundary`, node after node.
//!
//! Shapes    jobs [5][n] in the order of `JOB`; root [nodes], √τ ascending to 1; guess [nodes][n], −ln(B/X)
//! Accuracy  tolerance.rs: device/American, after the Newton steps that it starts

use cubecl::prelude::*;

use super::kernel::{Put, bounded, put_of};
use crate::american::boundary::{
    GUESS_CORRECTION, GUESS_CORRECTION_BELOW, GUESS_CORRECTION_END, GUESS_DEVIATIONS, GUESS_STEPS, GUESS_STEPS_FIRST,
};
use crate::math::FRAC_1_SQRT_2PI;
use crate::math::kernel::{exp, mills};

/// What a node's steps share.
#[derive(CubeType, Clone, Copy)]
struct Node {
    root: f64,
    discount: f64,
    forward: f64,
    elasticity: f64,
    alpha_over_spread: f64,
}

/// (1 − e^(−x))/x: by its series where the difference would cancel.
#[cube]
fn mean_discount(x: f64, exponential: f64) -> f64 {
    let sixth = comptime!(1.0 / 6.0);
    let series = 1.0f64 - x * (0.5f64 - x * (sixth - x * (comptime!(1.0 / 24.0) - x * comptime!(1.0 / 120.0))));
    let is_small = x.abs() < 1e-3f64;
    select(is_small, series, (1.0f64 - exponential) / select(is_small, 1.0f64, x))
}

#[cube]
fn node(put: Put, root: f64) -> Node {
    let time = root * root;
    let alpha = 2.0f64 / (put.deviation * put.deviation);
    let omega = (put.rate - put.dividend) * alpha;
    let discount = exp(-(put.rate * time));
    let m = alpha / (time * mean_discount(put.rate * time, discount));
    let spread = ((omega - 1.0f64) * (omega - 1.0f64) + 4.0f64 * m).sqrt();
    let inverse = 1.0f64 / spread;
    let share = m * inverse;
    Node {
        root,
        discount,
        forward: exp(-(put.dividend * time)),
        elasticity: 0.5f64 * (1.0f64 - omega - spread) + discount * (share - share * share * inverse),
        alpha_over_spread: alpha * inverse,
    }
}

/// One Newton step from x = −ln(B/X).
#[cube]
fn step(put: Put, node: Node, x: f64) -> f64 {
    let v = put.deviation * node.root;
    let one_over_v = 1.0f64 / v;
    let log = put.log_end - x;
    let b = exp(log);
    let d_plus = (log + (put.rate - put.dividend) * node.root * node.root) * one_over_v + 0.5f64 * v;
    let d_minus = d_plus - v;
    let density = b * node.forward * FRAC_1_SQRT_2PI * exp(-(0.5f64 * d_plus * d_plus));
    let stock_tail = density * mills(bounded(d_plus)).ratio;
    let cash_tail = density * mills(bounded(d_minus)).ratio;
    let stock = select(d_plus > 0.0f64, stock_tail, b * node.forward - stock_tail);
    let cash = select(d_minus > 0.0f64, cash_tail, node.discount - cash_tail);
    let half = 0.5f64 * put.deviation * put.deviation * one_over_v * density;
    let theta = put.rate * cash - put.dividend * stock - half;
    let theta_slope =
        (put.dividend - put.rate) * density * one_over_v - put.dividend * stock - half * (1.0f64 - d_plus * one_over_v);
    let error = b - stock + node.elasticity * (1.0f64 - b - cash + stock) - node.alpha_over_spread * theta;
    let slope = b - stock + density * one_over_v + node.elasticity * (stock - b) - node.alpha_over_spread * theta_slope;
    let change = error / slope;
    x + max(min(change, 0.5f64 * max(x, v)), -(0.5f64 * x))
}

/// The guesses of `count` puts.
#[cube(launch_unchecked)]
pub(super) fn guess(
    jobs: &Array<f64>,
    root: &Array<f64>,
    guess: &mut Array<f64>,
    count: u32,
    #[comptime] nodes: usize,
) {
    let n = count as usize;
    let i = ABSOLUTE_POS;
    if i < n {
        let put = put_of(jobs, n, i);
        let first = select(
            put.log_end < 0.0f64,
            comptime!(GUESS_DEVIATIONS[1]).runtime(),
            comptime!(GUESS_DEVIATIONS[0]).runtime(),
        );
        let mut before = root[0];
        let mut x = first * put.deviation * before;
        for j in 0..nodes {
            let at = node(put, root[j]);
            x *= at.root / before;
            before = at.root;
            let mut steps = comptime!(GUESS_STEPS as u32).runtime();
            if j == 0 {
                steps = comptime!(GUESS_STEPS_FIRST as u32).runtime();
            }
            for _step in 0..steps {
                x = step(put, at, x);
            }
            let z = min(x / (put.deviation * at.root), comptime!(GUESS_CORRECTION_END));
            let at_strike = comptime!(GUESS_CORRECTION[0])
                + z * (comptime!(GUESS_CORRECTION[1]) + z * comptime!(GUESS_CORRECTION[2]));
            guess[j * n + i] = x * select(put.log_end < 0.0f64, comptime!(GUESS_CORRECTION_BELOW).runtime(), at_strike);
        }
    }
}

/// The CUDA source of this file.
#[cfg(test)]
pub(crate) fn sources<R: Runtime>(session: &zomma_gpu::Session<'_, R>, out: &mut Vec<(String, String)>) {
    use crate::cuda_source::{array, settings, source};
    let client = session.client().clone();
    let kernel = guess::Guess::<R>::new(settings(), client, array(), array(), array(), (), 11);
    out.push(("american_guess".into(), source(kernel)));
}

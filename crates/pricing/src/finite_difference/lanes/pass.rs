//! The passes over a block: the loops that are compiled for each target.
//!
//! Formula   elimination yᵢ = bᵢ + wᵢ yᵢ₋₁, substitution Vᵢ = max(yᵢ/pᵢ + gᵢ Vᵢ₊₁, payoffᵢ), as in tridiagonal.rs

use super::block::Block;
use super::{LANES, Lane};
use crate::finite_difference::events::{Event, Stretch};
use crate::finite_difference::stepper::GAMMA;
use crate::math::{Kernel, MultiplyAdd, exp};

/// Rolls a block back from expiry to now.
pub(super) struct RollBack<'a> {
    pub block: &'a mut Block,
    pub stretches: &'a [Stretch],
    pub refinement: usize,
}

impl Kernel for RollBack<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { block, stretches, refinement } = self;
        start::<M>(block);
        for stretch in stretches {
            let steps = stretch.steps * refinement;
            for i in 0..steps {
                let [before, after] = [i, i + 1].map(|i| (i as f64 / steps as f64).powi(2));
                tr_bdf2::<M>(block, stretch.length * (after - before));
            }
            if let Some(Event::Dividend(amount)) = stretch.event {
                block.pay(amount);
                exercise_ends(block);
            }
        }
    }
}

/// A number for each lane.
#[inline(always)]
fn lane(f: impl Fn(usize) -> f64) -> Lane {
    let mut out = [0.0; LANES];
    for (l, out) in out.iter_mut().enumerate() {
        *out = f(l);
    }
    out
}

/// The greater; `f64::max` with its care for NaN costs a second instruction.
#[inline(always)]
fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// Payoffs, their means over cells, the operator, and the values at the ends.
#[inline(always)]
fn start<M: MultiplyAdd>(block: &mut Block) {
    let n = block.nodes.len();
    let (sign, direction) = (block.sign, block.direction);
    for i in 0..n {
        let [prev, next] = [i.max(1) - 1, (i + 1).min(n - 1)];
        let [p, s, q] = [block.nodes[prev], block.nodes[i], block.nodes[next]];
        block.payoff[i] = lane(|l| greater(sign * (s[l] - 1.0), 0.0));
        block.values[i] = lane(|l| {
            // As UnitPayoff::mean: ∫ max(ω(s − 1), 0) over the cell is half the difference of squares.
            let (from, to) = (0.5 * (p[l] + s[l]) - 1.0, 0.5 * (s[l] + q[l]) - 1.0);
            let (a, b) = (greater(sign * from, 0.0), greater(sign * to, 0.0));
            let aside = s[l] - 1.0 - 0.5 * (from + to);
            (b - a) * (0.5 * sign * (b + a) + aside) / (to - from)
        });
    }
    for i in 1..n - 1 {
        let [p, s, q] = [block.nodes[i - 1], block.nodes[i], block.nodes[i + 1]];
        let mut out = [[0.0; LANES]; 3];
        for l in 0..LANES {
            let (before, after) = (direction * (s[l] - p[l]), direction * (q[l] - s[l]));
            let span = before + after;
            let sigma = block.volatility[l] * s[l];
            let twice_diffusion = sigma * sigma;
            let drift = direction * (block.rate[l] - block.dividend_yield[l]) * s[l];
            let lower = (twice_diffusion - drift * after) / (before * span);
            let upper = (twice_diffusion + drift * before) / (after * span);
            let upwind = lower < 0.0 || upper < 0.0;
            let [below, above] = [greater(-drift, 0.0) / before, greater(drift, 0.0) / after];
            let lower = if upwind { twice_diffusion / (before * span) + below } else { lower };
            let upper = if upwind { twice_diffusion / (after * span) + above } else { upper };
            out[0][l] = lower;
            out[1][l] = -(lower + upper) - block.rate[l];
            out[2][l] = upper;
        }
        [block.lower[i], block.diagonal[i], block.upper[i]] = out;
    }
    for i in [0, n - 1] {
        [block.lower[i], block.diagonal[i], block.upper[i]] = [[0.0; LANES]; 3];
    }
    for (which, i) in [(0, 0), (1, n - 1)] {
        let s = block.nodes[i];
        // Beyond the kink the payoff is ω(S − 1), on its other side nothing.
        block.slope[which] = lane(|l| if sign * (s[l] - 1.0) > 0.0 { sign } else { 0.0 });
        block.intercept[which] = lane(|l| if sign * (s[l] - 1.0) > 0.0 { -sign } else { 0.0 });
    }
    set_ends::<M>(block);
}

#[inline(always)]
fn ends<M: MultiplyAdd>(block: &Block) -> [Lane; 2] {
    let n = block.nodes.len();
    let at = |which: usize, i: usize| {
        let s = &block.nodes[i];
        lane(|l| M::multiply_add(block.slope[which][l], s[l], block.intercept[which][l]))
    };
    [at(0, 0), at(1, n - 1)]
}

#[inline(always)]
fn set_ends<M: MultiplyAdd>(block: &mut Block) {
    let n = block.nodes.len();
    [block.values[0], block.values[n - 1]] = ends::<M>(block);
}

#[inline(always)]
fn exercise_ends(block: &mut Block) {
    let n = block.nodes.len();
    let sign = block.sign;
    for (which, i) in [(0, 0), (1, n - 1)] {
        for l in 0..LANES {
            let s = block.nodes[i][l];
            let better = greater(sign * (s - 1.0), 0.0) > block.slope[which][l] * s + block.intercept[which][l];
            block.slope[which][l] = if better { sign } else { block.slope[which][l] };
            block.intercept[which][l] = if better { -sign } else { block.intercept[which][l] };
        }
    }
}

/// One step: to γ by the trapezoidal rule, then to the end by the second backward difference.
#[inline(always)]
fn tr_bdf2<M: MultiplyAdd>(block: &mut Block, step: f64) {
    let k = 0.5 * GAMMA * step;
    advance_ends::<M>(block, GAMMA * step);
    first_pass::<M>(block, k);
    substitute::<M>(block);
    advance_ends::<M>(block, (1.0 - GAMMA) * step);
    second_pass::<M>(block);
    substitute::<M>(block);
}

#[inline(always)]
fn advance_ends<M: MultiplyAdd>(block: &mut Block, step: f64) {
    for l in 0..LANES {
        let spot = exp::<M>(-block.dividend_yield[l] * step);
        let cash = exp::<M>(-block.rate[l] * step);
        for which in 0..2 {
            block.slope[which][l] *= spot;
            block.intercept[which][l] *= cash;
        }
    }
    exercise_ends(block);
}

/// Factors, applies 1 + kL and eliminates, keeping the values before in `first`.
#[inline(always)]
fn first_pass<M: MultiplyAdd>(block: &mut Block, k: f64) {
    let n = block.nodes.len();
    let [low, high] = ends::<M>(block);
    let Block { values, lower, diagonal, upper, weight, inverse, back, right, first, .. } = block;
    let (values, first, right) = (&values[..n], &mut first[..n], &mut right[..n]);
    let (lower, diagonal, upper) = (&lower[..n], &diagonal[..n], &upper[..n]);
    let (weight, inverse, back) = (&mut weight[..n], &mut inverse[..n], &mut back[..n]);
    // At the ends the value is given.
    for (i, given) in [(0, low), (n - 1, high)] {
        (weight[i], inverse[i], back[i], right[i]) = ([0.0; LANES], [1.0; LANES], [0.0; LANES], given);
    }
    let (mut pivot, mut link, mut reduced) = ([1.0; LANES], [0.0; LANES], low);
    let (mut p, mut v) = (values[0], values[1]);
    for i in 1..n - 1 {
        let q = values[i + 1];
        first[i] = v;
        let [mut towards, mut along, mut away] = [[0.0; LANES]; 3];
        for l in 0..LANES {
            towards[l] = k * lower[i][l];
            along[l] = k * diagonal[i][l];
            away[l] = k * upper[i][l];
        }
        for l in 0..LANES {
            let w = towards[l] * pivot[l];
            weight[i][l] = w;
            pivot[l] = 1.0 / M::multiply_add(-w, link[l], 1.0 - along[l]);
            let sum = M::multiply_add(towards[l], p[l], M::multiply_add(along[l], v[l], away[l] * q[l]));
            reduced[l] = M::multiply_add(w, reduced[l], v[l] + sum);
        }
        for l in 0..LANES {
            back[i][l] = away[l] * pivot[l];
        }
        inverse[i] = pivot;
        right[i] = reduced;
        (link, p, v) = (away, v, q);
    }
}

/// Combines the two values of before, and eliminates.
#[inline(always)]
fn second_pass<M: MultiplyAdd>(block: &mut Block) {
    let n = block.nodes.len();
    let [low, high] = ends::<M>(block);
    let share = 1.0 / (GAMMA * (2.0 - GAMMA));
    let earlier = -(1.0 - GAMMA) * (1.0 - GAMMA) * share;
    let Block { values, weight, right, first, .. } = block;
    let (values, first, right, weight) = (&values[..n], &first[..n], &mut right[..n], &weight[..n]);
    (right[0], right[n - 1]) = (low, high);
    let mut reduced = low;
    for i in 1..n - 1 {
        for l in 0..LANES {
            let b = M::multiply_add(share, values[i][l], earlier * first[i][l]);
            reduced[l] = M::multiply_add(weight[i][l], reduced[l], b);
        }
        right[i] = reduced;
    }
}

/// From the end where the option is exercised.
#[inline(always)]
fn substitute<M: MultiplyAdd>(block: &mut Block) {
    let n = block.nodes.len();
    let mut next = [0.0; LANES];
    let Block { values, payoff, inverse, back, right, .. } = block;
    let (values, payoff) = (&mut values[..n], &payoff[..n]);
    let (inverse, back, right) = (&inverse[..n], &back[..n], &right[..n]);
    for i in (0..n).rev() {
        for l in 0..LANES {
            let held = M::multiply_add(back[i][l], next[l], right[i][l] * inverse[i][l]);
            next[l] = greater(held, payoff[i][l]);
        }
        values[i] = next;
    }
}

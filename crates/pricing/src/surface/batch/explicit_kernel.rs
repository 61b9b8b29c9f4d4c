//! The linear part of a slice's fit on a device: as `explicit.rs`, whose constants it shares.

use cubecl::prelude::*;

use super::explicit::{LEAST_PIVOT, LEAST_SHARE, LEAST_SLOPE, MOST_FACTOR, NEWTON_STEPS};
use super::lanes::LINEAR;
use crate::surface::svi::wings::MOST_SLOPE;

/// Parameters: a, p, q, m, ln σ.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Wings {
    pub a: f64,
    pub p: f64,
    pub q: f64,
    pub m: f64,
    pub ln_sigma: f64,
}

/// See the twin's `Sums`.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Sums {
    pub a: f64,
    pub p: f64,
    pub q: f64,
    pub s11: f64,
    pub s1l: f64,
    pub s1r: f64,
    pub sll: f64,
    pub slr: f64,
    pub srr: f64,
    pub b1: f64,
    pub bl: f64,
    pub br: f64,
    pub square: f64,
}

/// a, p and q.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Linear {
    pub a: f64,
    pub p: f64,
    pub q: f64,
}

/// Puts the linear problem's sums over some quotes, of what `at` leaves, into `sums`.
#[cube]
pub(super) fn linear_sums(
    quotes: &Array<f64>,
    all: usize,
    from: usize,
    to: usize,
    step: usize,
    at: Wings,
    sigma: f64,
    sums: &mut Array<f64>,
) {
    #[unroll]
    for i in 0..comptime!(LINEAR) {
        sums[i] = 0.0f64;
    }
    let sigma_square = sigma * sigma;
    let mut i = from;
    while i < to {
        let x = quotes[i] - at.m;
        let root = (x * x + sigma_square).sqrt();
        let left = 0.5f64 * (root - x);
        let right = 0.5f64 * (root + x);
        let rest = quotes[all + i] - (at.a + at.p * left + at.q * right);
        let inverse_half = quotes[2 * all + i];
        let weight = inverse_half * inverse_half;
        let weighted_left = weight * left;
        let weighted_right = weight * right;
        sums[0] += weight;
        sums[1] += weighted_left;
        sums[2] += weighted_right;
        sums[3] += weighted_left * left;
        sums[4] += weighted_left * right;
        sums[5] += weighted_right * right;
        sums[6] += weight * rest;
        sums[7] += weighted_left * rest;
        sums[8] += weighted_right * rest;
        sums[9] += weight * rest * rest;
        i += step;
    }
}

/// The sums and the base that they were taken from.
#[cube]
pub(super) fn summed(sums: &Array<f64>, at: Wings) -> Sums {
    Sums {
        a: at.a,
        p: at.p,
        q: at.q,
        s11: sums[0],
        s1l: sums[1],
        s1r: sums[2],
        sll: sums[3],
        slr: sums[4],
        srr: sums[5],
        b1: sums[6],
        bl: sums[7],
        br: sums[8],
        square: sums[9],
    }
}

/// Half the gradient of Σr² at a, p and q.
#[cube]
fn gradient(sums: Sums, at: Linear) -> Linear {
    let a = at.a - sums.a;
    let p = at.p - sums.p;
    let q = at.q - sums.q;
    Linear {
        a: a * sums.s11 + p * sums.s1l + q * sums.s1r - sums.b1,
        p: a * sums.s1l + p * sums.sll + q * sums.slr - sums.bl,
        q: a * sums.s1r + p * sums.slr + q * sums.srr - sums.br,
    }
}

/// Σr² at a, p and q.
#[cube]
pub(super) fn misses(sums: Sums, at: Linear) -> f64 {
    let g = gradient(sums, at);
    let a = at.a - sums.a;
    let p = at.p - sums.p;
    let q = at.q - sums.q;
    sums.square + a * (g.a - sums.b1) + p * (g.p - sums.bl) + q * (g.q - sums.br)
}

/// 1/pivot, or 0 where it is nothing beside its diagonal.
#[cube]
fn inverse_pivot(pivot: f64, diagonal: f64) -> f64 {
    let determined = pivot > LEAST_PIVOT * diagonal;
    select(determined, 1.0f64 / select(determined, pivot, 1.0f64), 0.0f64)
}

#[cube]
pub(super) fn in_bounds(slope: f64) -> f64 {
    min(max(slope, 0.0f64), MOST_SLOPE)
}

#[cube]
fn within(to: f64, from: f64) -> f64 {
    min(max(min(max(to, from * (1.0f64 / MOST_FACTOR)), from * MOST_FACTOR), LEAST_SLOPE), MOST_SLOPE)
}

/// The unbounded a, p and q.
#[cube]
fn unbounded(sums: Sums) -> Linear {
    let pivot = inverse_pivot(sums.s11, sums.s11);
    let fl = sums.s1l * pivot;
    let fr = sums.s1r * pivot;
    let sll = sums.sll - fl * sums.s1l;
    let slr = sums.slr - fl * sums.s1r;
    let srr = sums.srr - fr * sums.s1r;
    let bl = sums.bl - fl * sums.b1;
    let br = sums.br - fr * sums.b1;
    let pivot_left = inverse_pivot(sll, sums.sll);
    let f = slr * pivot_left;
    let q = (br - f * bl) * inverse_pivot(srr - f * slr, sums.srr);
    let p = (bl - slr * q) * pivot_left;
    let a = (sums.b1 - sums.s1l * p - sums.s1r * q) * pivot;
    Linear { a: a + sums.a, p: p + sums.p, q: q + sums.q }
}

/// The best a and slope of one wing where the other is held `by` above its base.
#[cube]
fn one_wing(sums: Sums, s1w: f64, sww: f64, bw: f64, base: f64, s1o: f64, swo: f64, by: f64) -> (f64, f64) {
    let b1 = sums.b1 - s1o * by;
    let pivot = inverse_pivot(sums.s11, sums.s11);
    let f = s1w * pivot;
    let slope = in_bounds(((bw - swo * by) - f * b1) * inverse_pivot(sww - f * s1w, sww) + base);
    ((b1 - s1w * (slope - base)) * pivot + sums.a, slope)
}

/// The best p and q on the bound of the least variance.
#[cube]
fn on_the_bound(sums: Sums, sigma: f64, least: f64, at: Linear) -> Linear {
    let floor = max(LEAST_SHARE * (at.p + at.q), LEAST_SLOPE);
    let mut p = max(at.p, floor);
    let mut q = max(at.q, floor);
    for _ in 0..comptime!(NEWTON_STEPS) {
        let root = (p * q).sqrt();
        let g = gradient(sums, Linear { a: least - sigma * root, p, q });
        let inverse_p = 1.0f64 / p;
        let inverse_q = 1.0f64 / q;
        let cl = 0.5f64 * sigma * root * inverse_p;
        let cr = 0.5f64 * sigma * root * inverse_q;
        let bend = 0.25f64 * sigma * root * max(g.a, 0.0f64);
        let hpp = sums.sll - cl * (2.0f64 * sums.s1l - cl * sums.s11) + bend * inverse_p * inverse_p;
        let hqq = sums.srr - cr * (2.0f64 * sums.s1r - cr * sums.s11) + bend * inverse_q * inverse_q;
        let hpq = sums.slr - cl * sums.s1r - cr * sums.s1l + cl * cr * sums.s11 - bend * inverse_p * inverse_q;
        let gp = g.p - cl * g.a;
        let gq = g.q - cr * g.a;
        let pivot = inverse_pivot(hpp, hpp);
        let f = hpq * pivot;
        let dq = (gq - f * gp) * inverse_pivot(hqq - f * hpq, hqq);
        let dp = (gp - hpq * dq) * pivot;
        p = within(p - dp, p);
        q = within(q - dq, q);
    }
    Linear { a: least - sigma * (p * q).sqrt(), p, q }
}

/// The best a, p and q under the bounds; see the twin's `Sums::best`.
#[cube]
pub(super) fn best(sums: Sums, sigma: f64, least: f64) -> Linear {
    let free = unbounded(sums);
    let held_p = in_bounds(free.p);
    let held_q = in_bounds(free.q);
    let (a_q, free_q) = one_wing(sums, sums.s1r, sums.srr, sums.br, sums.q, sums.s1l, sums.slr, held_p - sums.p);
    let (a_p, free_p) = one_wing(sums, sums.s1l, sums.sll, sums.bl, sums.p, sums.s1r, sums.slr, held_q - sums.q);
    let at_p = misses(sums, Linear { a: a_q, p: held_p, q: free_q });
    let at_q = misses(sums, Linear { a: a_p, p: free_p, q: held_q });
    let out = held_p != free.p || held_q != free.q;
    let mut a = select(out, select(at_p <= at_q, a_q, a_p), free.a);
    let mut p = select(out, select(at_p <= at_q, held_p, free_p), free.p);
    let mut q = select(out, select(at_p <= at_q, free_q, held_q), free.q);
    if a + sigma * (p * q).sqrt() < least {
        let bound = on_the_bound(sums, sigma, least, Linear { a, p, q });
        a = bound.a;
        p = bound.p;
        q = bound.q;
    }
    Linear { a, p, q }
}

//! The best a, p and q for given m and σ: the linear part of the problem, under its bounds.
//!
//! Its sums over the quotes are all that is needed, since the misses of any (a, p, q) follow from them: one pass over the quotes is enough.
//! They are taken of what a base leaves (`lanes.rs`), so that near the base nothing cancels.
//!
//! Problem   min Σ weight·(a + p·left + q·right − centre)² with left, right = (√(x² + σ²) ∓ x)/2, over 0 ≤ p, q < 2 and the least total
//!           variance a + σ√(pq) ≥ least: convex, since √(pq) is concave
//! Method    the unbounded solution; where a slope is out of its bounds, the better with one or the other held there; where the least variance is
//!           below its bound, Newton's steps in (p, q) with a = least − σ√(pq), which is convex where the misses want a lower a

use super::lanes::LINEAR;
use crate::surface::svi::wings::MOST_SLOPE;

/// A pivot below this share of its diagonal says that the quotes do not determine the parameter.
pub(super) const LEAST_PIVOT: f64 = 1e-13;
/// Newton's steps on the bound of the least variance.
pub(super) const NEWTON_STEPS: u32 = 12;
/// There a slope starts at this share of both at least, and a step changes it by this factor at most.
pub(super) const LEAST_SHARE: f64 = 1e-3;
pub(super) const MOST_FACTOR: f64 = 8.0;
/// A slope that counts as one.
pub(super) const LEAST_SLOPE: f64 = 1e-12;

/// The sums of the linear problem: the weighted matrix of (1, left, right), its product with what the base leaves, and Σr² of the base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    base: [f64; 3],
    s11: f64,
    s1l: f64,
    s1r: f64,
    sll: f64,
    slr: f64,
    srr: f64,
    b1: f64,
    bl: f64,
    br: f64,
    square: f64,
}

/// The best of a, p and q, and Σr² there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    pub value: f64,
    pub apq: [f64; 3],
}

impl Sums {
    /// From the numbers in the order of [`LinearLanes`].
    pub fn new(base: [f64; 3], [s11, s1l, s1r, sll, slr, srr, b1, bl, br, square]: [f64; LINEAR]) -> Self {
        Self { base, s11, s1l, s1r, sll, slr, srr, b1, bl, br, square }
    }

    /// Half the gradient of Σr² by a, p and q.
    fn gradient(&self, [a, p, q]: [f64; 3]) -> [f64; 3] {
        let (a, p, q) = (a - self.base[0], p - self.base[1], q - self.base[2]);
        [
            a * self.s11 + p * self.s1l + q * self.s1r - self.b1,
            a * self.s1l + p * self.sll + q * self.slr - self.bl,
            a * self.s1r + p * self.slr + q * self.srr - self.br,
        ]
    }

    /// Σr² at a, p and q.
    pub fn misses(&self, apq: [f64; 3]) -> f64 {
        let g = self.gradient(apq);
        let [a, p, q] = [apq[0] - self.base[0], apq[1] - self.base[1], apq[2] - self.base[2]];
        self.square + a * (g[0] - self.b1) + p * (g[1] - self.bl) + q * (g[2] - self.br)
    }

    /// The unbounded (a, p, q).
    fn unbounded(&self) -> [f64; 3] {
        let pivot = inverse_pivot(self.s11, self.s11);
        let (fl, fr) = (self.s1l * pivot, self.s1r * pivot);
        let (sll, slr, srr) = (self.sll - fl * self.s1l, self.slr - fl * self.s1r, self.srr - fr * self.s1r);
        let (bl, br) = (self.bl - fl * self.b1, self.br - fr * self.b1);
        let pivot_left = inverse_pivot(sll, self.sll);
        let f = slr * pivot_left;
        let q = (br - f * bl) * inverse_pivot(srr - f * slr, self.srr);
        let p = (bl - slr * q) * pivot_left;
        let a = (self.b1 - self.s1l * p - self.s1r * q) * pivot;
        [a + self.base[0], p + self.base[1], q + self.base[2]]
    }

    /// The best a and slope of the wing with sums `of` where the other slope, with sums `other`, is held `by` above its base.
    fn one_wing(&self, of: [f64; 3], base: f64, other: [f64; 2], by: f64) -> [f64; 2] {
        let ([s1w, sww, bw], [s1o, swo]) = (of, other);
        let (b1, bw) = (self.b1 - s1o * by, bw - swo * by);
        let pivot = inverse_pivot(self.s11, self.s11);
        let f = s1w * pivot;
        let slope = in_bounds((bw - f * b1) * inverse_pivot(sww - f * s1w, sww) + base);
        [(b1 - s1w * (slope - base)) * pivot + self.base[0], slope]
    }

    /// The best p and q on the bound of the least variance, from some.
    fn on_the_bound(&self, sigma: f64, least: f64, mut p: f64, mut q: f64) -> [f64; 3] {
        let floor = (LEAST_SHARE * (p + q)).max(LEAST_SLOPE);
        (p, q) = (p.max(floor), q.max(floor));
        for _ in 0..NEWTON_STEPS {
            let root = (p * q).sqrt();
            let g = self.gradient([least - sigma * root, p, q]);
            let (inverse_p, inverse_q) = (1.0 / p, 1.0 / q);
            let (cl, cr) = (0.5 * sigma * root * inverse_p, 0.5 * sigma * root * inverse_q);
            let bend = 0.25 * sigma * root * g[0].max(0.0);
            let hpp = self.sll - cl * (2.0 * self.s1l - cl * self.s11) + bend * inverse_p * inverse_p;
            let hqq = self.srr - cr * (2.0 * self.s1r - cr * self.s11) + bend * inverse_q * inverse_q;
            let hpq = self.slr - cl * self.s1r - cr * self.s1l + cl * cr * self.s11 - bend * inverse_p * inverse_q;
            let (gp, gq) = (g[1] - cl * g[0], g[2] - cr * g[0]);
            let pivot = inverse_pivot(hpp, hpp);
            let f = hpq * pivot;
            let dq = (gq - f * gp) * inverse_pivot(hqq - f * hpq, hqq);
            let dp = (gp - hpq * dq) * pivot;
            p = within(p - dp, p);
            q = within(q - dq, q);
        }
        [least - sigma * (p * q).sqrt(), p, q]
    }

    /// The best a, p and q under the bounds.
    pub fn best(&self, sigma: f64, least: f64) -> Best {
        let mut apq = self.unbounded();
        let [_, p, q] = apq;
        let (held_p, held_q) = (in_bounds(p), in_bounds(q));
        if held_p != p || held_q != q {
            // The best point of a box lies on the side that the unbounded one lies beyond, or on either where it lies beyond both.
            let [_, base_p, base_q] = self.base;
            let left_sums = [self.s1l, self.sll, self.bl];
            let right_sums = [self.s1r, self.srr, self.br];
            let [a_q, free_q] = self.one_wing(right_sums, base_q, [self.s1l, self.slr], held_p - base_p);
            let [a_p, free_p] = self.one_wing(left_sums, base_p, [self.s1r, self.slr], held_q - base_q);
            let (at_p, at_q) = ([a_q, held_p, free_q], [a_p, free_p, held_q]);
            apq = if self.misses(at_p) <= self.misses(at_q) { at_p } else { at_q };
        }
        let [a, p, q] = apq;
        if a + sigma * (p * q).sqrt() < least {
            apq = self.on_the_bound(sigma, least, p, q);
        }
        Best { value: self.misses(apq), apq }
    }
}

/// 1/pivot, or 0 where it is nothing beside its diagonal: the parameter then stays.
fn inverse_pivot(pivot: f64, diagonal: f64) -> f64 {
    if pivot > LEAST_PIVOT * diagonal { 1.0 / pivot } else { 0.0 }
}

/// A slope within Lee's bounds.
fn in_bounds(slope: f64) -> f64 {
    slope.clamp(0.0, MOST_SLOPE)
}

/// A slope after a step that may not change it by more than a factor.
fn within(to: f64, from: f64) -> f64 {
    to.max(from * (1.0 / MOST_FACTOR)).min(from * MOST_FACTOR).clamp(LEAST_SLOPE, MOST_SLOPE)
}

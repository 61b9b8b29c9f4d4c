//! Sums of the barriers over the points of a slice and of a pair of slices, and their derivatives, eight points at a time.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    barrier::{Barrier, BarrierSum},
    constraints::Points,
    lanes::{LANES, Lanes},
    wings::{Curve, LaneCurve},
};
use crate::{
    math::{Kernel, MultiplyAdd},
    surface::linear::Block,
};

/// Total variance must rise from slice to slice by this share of the scale.
const CALENDAR_MARGIN: f64 = 5e-6;
/// Total variance must be at least this share of the scale.
const LEAST_SHARE: f64 = 1e-3;
/// Durrleman's g must be at least this.
const G_MARGIN: f64 = 2e-5;

/// Σ of the barriers on w and g of a slice.
pub(super) struct OwnValue<'a> {
    pub(super) curve: &'a Curve,
    pub(super) points: &'a Points,
    pub(super) barrier: Barrier,
    pub(super) sum: &'a mut f64,
}

impl Kernel for OwnValue<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let curve = LaneCurve::new(self.curve);
        let (share, margin) = (Lanes::splat(LEAST_SHARE), Lanes::splat(G_MARGIN));
        let mut sum = BarrierSum::new(self.barrier);
        for at in (0..self.points.k.len()).step_by(LANES) {
            let [k, inverse_unit, there] = self.points.load(at);
            let w = curve.total_variance::<M>(k) * inverse_unit - share;
            let g = curve.durrleman_g::<M>(k) - margin;
            if self.barrier.reaches(w.least(g).min()) {
                sum.add(w.where_there(there));
                sum.add(g.where_there(there));
            }
        }
        *self.sum = sum.finish();
    }
}

/// Adds half the gradient and half the Gauss–Newton Hessian of [`OwnValue`] to those of the slice.
pub(super) struct OwnDerivatives<'a> {
    pub(super) curve: &'a Curve,
    pub(super) points: &'a Points,
    pub(super) barrier: Barrier,
    pub(super) weight: f64,
    pub(super) gradient: &'a mut [f64; 5],
    pub(super) diagonal: &'a mut Block,
}

impl Kernel for OwnDerivatives<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let curve = LaneCurve::new(self.curve);
        let (share, margin) = (Lanes::splat(LEAST_SHARE), Lanes::splat(G_MARGIN));
        let weight = Lanes::splat(self.weight);
        let mut first = [Lanes::ZERO; 5];
        let mut second = [[Lanes::ZERO; 5]; 5];
        for at in (0..self.points.k.len()).step_by(LANES) {
            let [k, inverse_unit, there] = self.points.load(at);
            let [(w, by_w), (g, by_g)] = curve.both_gradients::<M>(k);
            let (c, g) = (w * inverse_unit - share, g - margin);
            if self.barrier.reaches(c.min()) {
                let [slope, bend] = self.barrier.half_derivatives_of_lanes(c);
                let scale = there * inverse_unit * weight;
                add_lanes::<M>(&by_w, scale * slope, scale * inverse_unit * bend, &mut first, &mut second);
            }
            // There is no g to speak of where there is no variance.
            let mut has_g = there;
            for i in 0..LANES {
                has_g.0[i] = if w.0[i] > 0.0 { there.0[i] } else { 0.0 };
            }
            if self.barrier.reaches(g.min()) {
                let [slope, bend] = self.barrier.half_derivatives_of_lanes(g);
                let scale = has_g * weight;
                add_lanes::<M>(&by_g, scale * slope, scale * bend, &mut first, &mut second);
            }
        }
        for r in 0..5 {
            self.gradient[r] += first[r].sum();
            for c in 0..=r {
                self.diagonal[r][c] += second[r][c].sum();
            }
        }
    }
}

/// first += slope·by, second += bend·by·byᵀ (lower triangle).
#[inline(always)]
fn add_lanes<M: MultiplyAdd>(
    by: &[Lanes; 5],
    slope: Lanes,
    bend: Lanes,
    first: &mut [Lanes; 5],
    second: &mut [[Lanes; 5]; 5],
) {
    for r in 0..5 {
        first[r] = slope.times_plus::<M>(by[r], first[r]);
        let bent = bend * by[r];
        for c in 0..=r {
            second[r][c] = bent.times_plus::<M>(by[c], second[r][c]);
        }
    }
}

/// Σ of the barriers on the rise of w from a slice to the next.
pub(super) struct PairValue<'a> {
    pub(super) low: &'a Curve,
    pub(super) high: &'a Curve,
    pub(super) points: &'a Points,
    pub(super) barrier: Barrier,
    pub(super) sum: &'a mut f64,
}

impl Kernel for PairValue<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let (low, high) = (LaneCurve::new(self.low), LaneCurve::new(self.high));
        let margin = Lanes::splat(CALENDAR_MARGIN);
        let mut sum = BarrierSum::new(self.barrier);
        for at in (0..self.points.k.len()).step_by(LANES) {
            let [k, inverse_unit, there] = self.points.load(at);
            let rise = (high.total_variance::<M>(k) - low.total_variance::<M>(k)) * inverse_unit - margin;
            if self.barrier.reaches(rise.min()) {
                sum.add(rise.where_there(there));
            }
        }
        *self.sum = sum.finish();
    }
}

/// Adds half the gradient and half the Gauss–Newton Hessian of [`PairValue`] to those of the two slices.
pub(super) struct PairDerivatives<'a> {
    pub(super) low: &'a Curve,
    pub(super) high: &'a Curve,
    pub(super) points: &'a Points,
    pub(super) barrier: Barrier,
    pub(super) weight: f64,
    pub(super) gradient: [&'a mut [f64; 5]; 2],
    pub(super) diagonal: [&'a mut Block; 2],
    pub(super) coupling: &'a mut Block,
}

impl Kernel for PairDerivatives<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let (low, high) = (LaneCurve::new(self.low), LaneCurve::new(self.high));
        let margin = Lanes::splat(CALENDAR_MARGIN);
        let mut first = [[Lanes::ZERO; 5]; 2];
        let mut second = [[[Lanes::ZERO; 5]; 5]; 2];
        let mut cross = [[Lanes::ZERO; 5]; 5];
        for at in (0..self.points.k.len()).step_by(LANES) {
            let [k, inverse_unit, there] = self.points.load(at);
            let rise = (high.total_variance::<M>(k) - low.total_variance::<M>(k)) * inverse_unit - margin;
            if !self.barrier.reaches(rise.min()) {
                continue;
            }
            let (by_low, by_high) = (low.gradient::<M>(k).1, high.gradient::<M>(k).1);
            let [slope, bend] = self.barrier.half_derivatives_of_lanes(rise);
            let scale = there * inverse_unit * Lanes::splat(self.weight);
            let (slope, bend) = (scale * slope, scale * inverse_unit * bend);
            for r in 0..5 {
                first[0][r] = first[0][r] - slope * by_low[r];
                first[1][r] = slope.times_plus::<M>(by_high[r], first[1][r]);
                let (bent_low, bent_high) = (bend * by_low[r], bend * by_high[r]);
                for c in 0..=r {
                    second[0][r][c] = bent_low.times_plus::<M>(by_low[c], second[0][r][c]);
                    second[1][r][c] = bent_high.times_plus::<M>(by_high[c], second[1][r][c]);
                }
                for c in 0..5 {
                    cross[r][c] = bent_low.times_plus::<M>(by_high[c], cross[r][c]);
                }
            }
        }
        let [low_diagonal, high_diagonal] = self.diagonal;
        for r in 0..5 {
            for side in 0..2 {
                self.gradient[side][r] += first[side][r].sum();
            }
            for c in 0..=r {
                low_diagonal[r][c] += second[0][r][c].sum();
                high_diagonal[r][c] += second[1][r][c].sum();
            }
            for c in 0..5 {
                self.coupling[r][c] -= cross[r][c].sum();
            }
        }
    }
}

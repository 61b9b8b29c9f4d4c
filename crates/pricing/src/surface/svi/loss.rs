//! What a miss costs, and the normal equations of one slice's quotes under it.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    lanes::{self, Lanes, blocks},
    moments::{Moments, Totals},
    target::Target,
    wings::{Curve, LaneCurve, Wings},
};
use crate::math::{Kernel, MultiplyAdd, Target as Instructions, dispatch};
use crate::surface::linear::Block;

/// ρ(r) = c² r²/(c² + r²): r² near zero, never above c². Falling c turns least squares into a smooth count of the quotes outside.
#[derive(Clone, Copy, Debug)]
pub(in crate::surface) struct Loss {
    inverse_square_scale: f64,
    /// Whether a far quote's share of the Hessian falls with its curvature, or only with its weight.
    is_bent: bool,
}

impl Loss {
    /// ρ(r) = r².
    pub(in crate::surface) const LEAST_SQUARES: Self = Self { inverse_square_scale: 0.0, is_bent: false };

    pub(super) fn saturating(scale: f64) -> Self {
        Self { inverse_square_scale: 1.0 / (scale * scale), is_bent: false }
    }

    /// With the Hessian of ρ itself: fewer steps, to the minimum that is near. Without, each step lowers a parabola that lies above ρ,
    /// which is slower and passes by small hollows.
    pub(super) fn bent(self) -> Self {
        Self { is_bent: true, ..self }
    }

    /// ρ/r² at eight values of r²; its square is dρ/d(r²).
    #[inline(always)]
    pub(super) fn shares(self, square: Lanes) -> Lanes {
        Lanes::ONE / (Lanes::ONE + square * Lanes::splat(self.inverse_square_scale))
    }
}

/// The Hessian of ρ has the factor (1 − 3r²/c²)/(1 + r²/c²) beside dρ/d(r²), which is negative for far quotes; it counts as this at least
/// before the division.
const LEAST_BEND: f64 = 0.1;

/// Σρ over the quotes; +∞ where a total variance is not positive.
pub(in crate::surface) fn objective(target: &Target, x: &Wings, loss: Loss) -> f64 {
    objective_of(target, x, &Curve::new(x), loss)
}

/// [`objective`] where the curve of `x` is known.
pub(super) fn objective_of(target: &Target, x: &Wings, curve: &Curve, loss: Loss) -> f64 {
    let sum = of_quotes(target, curve, loss);
    let miss = target.anchor.miss(curve.total_variance(0.0));
    sum + miss * miss + target.pull.as_ref().map_or(0.0, |pull| pull.cost(x))
}

/// The quotes' part of [`objective`].
fn of_quotes(target: &Target, curve: &Curve, loss: Loss) -> f64 {
    let mut sum = 0.0;
    dispatch(Instructions::best(), Objective { target, curve: *curve, loss, sum: &mut sum });
    sum
}

struct Objective<'a> {
    target: &'a Target,
    curve: Curve,
    loss: Loss,
    sum: &'a mut f64,
}

impl Kernel for Objective<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { target, curve, loss, sum } = self;
        let curve = LaneCurve::new(&curve);
        let inverse_square = Lanes::splat(loss.inverse_square_scale);
        let (mut total, mut least) = (Lanes::ZERO, Lanes::splat(f64::INFINITY));
        let columns = target.columns();
        for at in 0..blocks(target.len()) {
            let [k, centre, inverse_half] = [columns[0].block(at), columns[1].block(at), columns[2].block(at)];
            let w = curve.total_variance::<M>(k);
            let r = (w - centre) * inverse_half;
            let square = r * r;
            least = w.least(least);
            total = total + square / square.times_plus::<M>(inverse_square, Lanes::ONE);
        }
        let [total] = lanes::sums(&[total]);
        *sum = if lanes::least_of(&least) > 0.0 && total.is_finite() { total } else { f64::INFINITY };
    }
}

/// Half the gradient of Σρ and half its Hessian in two parts, by lower triangles.
#[derive(Clone, Copy)]
pub(super) struct Normal {
    pub(super) gradient: [f64; 5],
    /// Of products of first derivatives (Gauss–Newton's): positive semi-definite.
    pub(super) hessian: Block,
    /// Of the second derivatives of w.
    pub(super) curvature: Block,
}

impl Normal {
    pub(super) const NONE: Self = Self { gradient: [0.0; 5], hessian: [[0.0; 5]; 5], curvature: [[0.0; 5]; 5] };
}

/// Half the derivatives of Σρ at `x`, and Σρ, +∞ where a total variance is not positive.
pub(super) fn accumulate(target: &Target, x: &Wings, loss: Loss) -> (Normal, f64) {
    accumulate_of(target, x, &Curve::new(x), loss)
}

/// [`accumulate`] where the curve of `x` is known.
pub(super) fn accumulate_of(target: &Target, x: &Wings, curve: &Curve, loss: Loss) -> (Normal, f64) {
    let (curve, mut sum) = (*curve, 0.0);
    let mut totals = Totals::NONE;
    if loss.is_bent {
        let kernel = Accumulate::<true> { target, curve, loss, totals: &mut totals, sum: &mut sum };
        dispatch(Instructions::best(), kernel);
    } else {
        let kernel = Accumulate::<false> { target, curve, loss, totals: &mut totals, sum: &mut sum };
        dispatch(Instructions::best(), kernel);
    }
    let mut normal = Normal::NONE;
    let Normal { gradient, hessian, curvature } = &mut normal;
    totals.add_to(&curve, gradient, hessian, curvature);
    let (w, by) = curve.gradient(0.0);
    let miss = target.anchor.miss(w);
    if miss != 0.0 {
        let unit = target.anchor.inverse_unit;
        add_outer(&by, unit * unit, unit * miss, gradient, hessian);
    }
    let mut pulled = 0.0;
    if let Some(pull) = &target.pull {
        pulled = pull.cost(x);
        for i in 0..5 {
            let weight = pull.inverse_scale[i] * pull.inverse_scale[i];
            gradient[i] += weight * (x[i] - pull.to[i]);
            hessian[i][i] += weight;
        }
    }
    (normal, sum + miss * miss + pulled)
}

struct Accumulate<'a, const BENT: bool> {
    target: &'a Target,
    curve: Curve,
    loss: Loss,
    totals: &'a mut Totals,
    sum: &'a mut f64,
}

impl<const BENT: bool> Kernel for Accumulate<'_, BENT> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { target, curve, loss, totals, sum } = self;
        let curve = LaneCurve::new(&curve);
        let inverse_square = Lanes::splat(loss.inverse_square_scale);
        let least_bend = Lanes::splat(LEAST_BEND);
        let (mut total, mut least) = (Lanes::ZERO, Lanes::splat(f64::INFINITY));
        let mut moments = Moments::NONE;
        let columns = target.columns();
        for at in 0..blocks(target.len()) {
            let [k, centre, inverse_half] = [columns[0].block(at), columns[1].block(at), columns[2].block(at)];
            let (shape, share) = curve.shape_beside::<M>(k, |w| {
                let r = (w - centre) * inverse_half;
                (r * r).times_plus::<M>(inverse_square, Lanes::ONE)
            });
            let r = (shape.w - centre) * inverse_half;
            let square = r * r;
            least = shape.w.least(least);
            total = square.times_plus::<M>(share, total);
            let slope = share * share * inverse_half;
            let mut scale = slope * inverse_half;
            if BENT {
                let bend = Lanes::ONE - Lanes::splat(3.0) * square * inverse_square;
                scale = scale * share * bend.greatest(least_bend);
            }
            moments.add::<M>(&shape, scale, slope * r);
        }
        let (found, total) = moments.finish(total);
        *totals = found;
        *sum = if lanes::least_of(&least) > 0.0 && total.is_finite() { total } else { f64::INFINITY };
    }
}

/// hessian += scale·by·byᵀ (lower triangle), gradient += slope·by.
#[inline(always)]
pub(super) fn add_outer(by: &[f64; 5], scale: f64, slope: f64, gradient: &mut [f64; 5], hessian: &mut Block) {
    for i in 0..5 {
        gradient[i] += slope * by[i];
        let scaled = scale * by[i];
        for j in 0..=i {
            hessian[i][j] += scaled * by[j];
        }
    }
}

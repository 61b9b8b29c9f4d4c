//! What a miss costs, and the normal equations of one slice's quotes under it.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    linear::Block,
    target::Target,
    wings::{Curve, Wings},
};

/// ρ(r) = c² r²/(c² + r²): r² near zero, never above c². Falling c turns least squares into a smooth count of the quotes outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    square_scale: f64,
}

impl Loss {
    /// ρ(r) = r².
    pub(super) const LEAST_SQUARES: Self = Self { square_scale: f64::INFINITY };

    pub(super) fn saturating(scale: f64) -> Self {
        Self { square_scale: scale * scale }
    }

    /// ρ at r².
    #[inline(always)]
    pub(super) fn value(self, square: f64) -> f64 {
        square / (1.0 + square / self.square_scale)
    }

    /// dρ/d(r²).
    pub(super) fn weight(self, square: f64) -> f64 {
        self.value_and_weight(square).1
    }

    /// ρ and dρ/d(r²).
    #[inline(always)]
    fn value_and_weight(self, square: f64) -> (f64, f64) {
        let share = 1.0 / (1.0 + square / self.square_scale);
        (square * share, share * share)
    }
}

/// Σρ over the quotes; +∞ where a total variance is not positive.
pub(super) fn objective(target: &Target, x: &Wings, loss: Loss) -> f64 {
    let curve = Curve::new(x);
    let mut sum = 0.0;
    let mut least = f64::INFINITY;
    for ((&k, &centre), &inverse_half) in target.k.iter().zip(&target.centre).zip(&target.inverse_half) {
        let w = curve.total_variance(k);
        let r = (w - centre) * inverse_half;
        least = least.min(w);
        sum += loss.value(r * r);
    }
    if least > 0.0 && sum.is_finite() { sum } else { f64::INFINITY }
}

/// Adds half the gradient and half the Gauss–Newton Hessian of Σρ to `gradient` and `hessian` (lower triangle), and gives Σρ.
pub(super) fn accumulate(target: &Target, x: &Wings, loss: Loss, gradient: &mut [f64; 5], hessian: &mut Block) -> f64 {
    let curve = Curve::new(x);
    let mut sum = 0.0;
    for ((&k, &centre), &inverse_half) in target.k.iter().zip(&target.centre).zip(&target.inverse_half) {
        let (w, by) = curve.gradient(k);
        let r = (w - centre) * inverse_half;
        let (value, weight) = loss.value_and_weight(r * r);
        sum += value;
        add_outer(&by, weight * inverse_half * inverse_half, weight * inverse_half * r, gradient, hessian);
    }
    sum
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

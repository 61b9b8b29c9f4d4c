//! Weighted sums over the strikes of a slice from which a gradient and a Hessian by its five coordinates are put together.
//!
//! With x = k − m, R = √(x² + σ²), d = (R − x)/2, e = (R + x)/2, u = x/R and v = 1/R, the derivatives of w by the coordinates of
//! [`Wings`](super::wings::Wings) are mixtures of 1, d, e, u and v, whose products are mixtures of few functions again: de = σ²/4,
//! du = σ²v/2 − d, eu = e − σ²v/2, dv = (1 − u)/2, ev = (1 + u)/2 and u² = 1 − σ²v². Nine sums give what fifteen would, and of those that the
//! gradient has seven give the second derivatives of w too.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    lanes::{self, Lanes},
    wings::{Curve, Shape},
};
use crate::math::MultiplyAdd;
use crate::surface::linear::Block;

/// Sums over eight strikes at a time: of what weighs the products of first derivatives, by 1, d, e, u, v, d², e², uv, v²; of what weighs a
/// derivative, by 1, d, e, u, v, v³, uv²; and room for one more.
pub(super) struct Moments([Lanes; 17]);

impl Moments {
    pub(super) const NONE: Self = Self([Lanes::ZERO; 17]);

    /// Adds eight strikes: `bend` times the products of first derivatives, `slope` times derivatives.
    #[inline(always)]
    pub(super) fn add<M: MultiplyAdd>(&mut self, shape: &Shape, bend: Lanes, slope: Lanes) {
        let Shape { d, e, u, v, .. } = *shape;
        let square = v * v;
        let (bent_d, bent_e, bent_v) = (bend * d, bend * e, bend * v);
        let s = &mut self.0;
        s[0] = s[0] + bend;
        s[1] = s[1] + bent_d;
        s[2] = s[2] + bent_e;
        s[3] = bend.times_plus::<M>(u, s[3]);
        s[4] = s[4] + bent_v;
        s[5] = bent_d.times_plus::<M>(d, s[5]);
        s[6] = bent_e.times_plus::<M>(e, s[6]);
        s[7] = bent_v.times_plus::<M>(u, s[7]);
        s[8] = bent_v.times_plus::<M>(v, s[8]);
        let (by_u, by_v) = (slope * u, slope * v);
        s[9] = s[9] + slope;
        s[10] = slope.times_plus::<M>(d, s[10]);
        s[11] = slope.times_plus::<M>(e, s[11]);
        s[12] = s[12] + by_u;
        s[13] = s[13] + by_v;
        s[14] = by_v.times_plus::<M>(square, s[14]);
        s[15] = by_u.times_plus::<M>(square, s[15]);
    }

    /// The sums over all lanes, with what is summed beside them.
    #[inline(always)]
    pub(super) fn finish(&mut self, beside: Lanes) -> (Totals, f64) {
        self.0[16] = beside;
        let [q0, q1, q2, q3, q4, q5, q6, q7, q8, s0, s1, s2, s3, s4, s5, s6, beside] = lanes::sums(&self.0);
        (Totals { square: [q0, q1, q2, q3, q4, q5, q6, q7, q8], slope: [s0, s1, s2, s3, s4, s5, s6] }, beside)
    }
}

/// What [`Moments`] come to.
pub(super) struct Totals {
    square: [f64; 9],
    slope: [f64; 7],
}

impl Totals {
    pub(super) const NONE: Self = Self { square: [0.0; 9], slope: [0.0; 7] };

    /// Adds Σ slope·∂w to `gradient`, Σ bend·∂w·∂wᵀ to `hessian` (lower triangles), and Σ slope·∂²w to `curvature`.
    pub(super) fn add_to(&self, curve: &Curve, gradient: &mut [f64; 5], hessian: &mut Block, curvature: &mut Block) {
        let [one, d, e, u, v, dd, ee, uv, vv] = self.square;
        let (t, h, s2) = (curve.tilt, curve.half_sum, curve.sigma2);
        let (left, right, wide) = (h - t, h + t, h * s2);
        hessian[0][0] += one;
        hessian[1][0] += d;
        hessian[1][1] += dd;
        hessian[2][0] += e;
        hessian[2][1] += 0.25 * s2 * one;
        hessian[2][2] += ee;
        hessian[3][0] -= t * one + h * u;
        hessian[3][1] += left * d - 0.5 * wide * v;
        hessian[3][2] -= right * e - 0.5 * wide * v;
        hessian[3][3] += t * t * one + 2.0 * t * h * u + h * h * (one - s2 * vv);
        hessian[4][0] += wide * v;
        hessian[4][1] += 0.5 * wide * (one - u);
        hessian[4][2] += 0.5 * wide * (one + u);
        hessian[4][3] -= wide * (t * v + h * uv);
        hessian[4][4] += wide * wide * vv;
        let [one, d, e, u, v, cube, tilted] = self.slope;
        for (gradient, more) in gradient.iter_mut().zip(curve.mixed([one, d, e, u, v])) {
            *gradient += more;
        }
        curvature[3][1] += 0.5 * (one - u);
        curvature[3][2] -= 0.5 * (one + u);
        curvature[3][3] += wide * cube;
        curvature[4][1] += 0.5 * s2 * v;
        curvature[4][2] += 0.5 * s2 * v;
        curvature[4][3] += wide * tilted;
        curvature[4][4] += wide * (2.0 * v - s2 * cube);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        math::{Fused, Plain},
        surface::svi::wings::{LaneCurve, Wings},
    };

    fn totals<M: MultiplyAdd>(x: &Wings, k: Lanes, bend: Lanes, slope: Lanes) -> Totals {
        let mut moments = Moments::NONE;
        for scale in [1.0, -0.5] {
            let shape = LaneCurve::new(&Curve::new(x)).shape::<M>(k);
            moments.add::<M>(&shape, bend * Lanes::splat(scale), slope * Lanes::splat(scale));
        }
        let (totals, beside) = moments.finish(slope);
        assert!((beside - slope.0.iter().sum::<f64>()).abs() < 1e-15);
        totals
    }

    #[test]
    fn derivatives_are_those_of_the_strikes_one_by_one() {
        let k = Lanes([-1.3, -0.4, -0.11, -1e-3, 0.0, 0.03, 0.25, 0.9]);
        let bend = Lanes([0.3, 1.0, 2.0, 0.1, 0.7, 1.1, 0.0, 0.5]);
        let slope = Lanes([-0.3, 1.0, -2.0, 0.1, 0.7, -1.1, 0.4, 0.5]);
        for x in [[0.01, 0.12, 0.05, 0.02, -3.0], [-0.004, 0.3, 0.2, -0.1, -2.0], [0.02, 1.1, 0.0, 0.05, -6.0_f64]] {
            let curve = Curve::new(&x);
            for found in [totals::<Plain>(&x, k, bend, slope), totals::<Fused>(&x, k, bend, slope)] {
                let (mut gradient, mut hessian, mut curvature) = ([0.0; 5], [[0.0; 5]; 5], [[0.0; 5]; 5]);
                found.add_to(&curve, &mut gradient, &mut hessian, &mut curvature);
                let by = |x: &Wings, i: usize| Curve::new(x).gradient(k.0[i]).1;
                for r in 0..5 {
                    let near = |one: f64, other: f64, slack: f64| {
                        assert!((one - other).abs() < slack * (1.0 + other.abs()), "{one} {other} in row {r} at {x:?}");
                    };
                    near(gradient[r], 0.5 * (0..8).map(|i| slope.0[i] * by(&x, i)[r]).sum::<f64>(), 1e-13);
                    for c in 0..=r {
                        let products = (0..8).map(|i| bend.0[i] * by(&x, i)[r] * by(&x, i)[c]);
                        near(hessian[r][c], 0.5 * products.sum::<f64>(), 1e-13);
                        let h = 1e-6;
                        let [up, down] = [h, -h].map(|h| {
                            let mut beside = x;
                            beside[c] += h;
                            (0..8).map(|i| slope.0[i] * by(&beside, i)[r]).sum::<f64>()
                        });
                        near(curvature[r][c], 0.5 * (up - down) / (2.0 * h), 1e-6);
                    }
                }
            }
        }
    }
}

//! SVI in the coordinates that the fits work in: w = a + (q − p)/2·x + (p + q)/2·√(x² + σ²), x = k − m.
//!
//! p = b(1 − ρ) and q = b(1 + ρ) are the slopes of the two wings, so w is linear in a, p and q, the bounds of Lee's moment formula are
//! bounds on single coordinates, and no wing slope falls with expiry exactly when p and q do not. The vertex width enters as ln σ.

use super::{
    Svi,
    lanes::{LANES, Lanes},
};
use crate::math::MultiplyAdd;

/// Largest wing slope: Lee's bound 2, less a hair so that rounding in b(1 ± ρ) cannot cross it.
pub(in crate::surface) const MOST_SLOPE: f64 = 2.0 - 1e-9;

/// a, p, q, m, ln σ.
pub(in crate::surface) type Wings = [f64; 5];

/// Raw parameters of `x`.
pub(in crate::surface) fn to_svi(x: &Wings) -> Svi {
    let b = 0.5 * (x[1] + x[2]);
    let rho = if b > 0.0 { (0.5 * (x[2] - x[1]) / b).clamp(-1.0, 1.0) } else { 0.0 };
    Svi { a: x[0], b, rho, m: x[3], sigma: x[4].exp() }
}

/// Coordinates of `svi`.
pub(in crate::surface) fn from_svi(svi: &Svi) -> Wings {
    let [left, right] = svi.wing_slopes();
    [svi.a, left, right, svi.m, svi.sigma.max(1e-12).ln()]
}

/// What an evaluation at many strikes needs of the coordinates, computed once.
#[derive(Clone, Copy)]
pub(in crate::surface) struct Curve {
    a: f64,
    pub(super) tilt: f64,
    pub(super) half_sum: f64,
    m: f64,
    pub(super) sigma2: f64,
}

impl Curve {
    pub(super) fn new(x: &Wings) -> Self {
        let sigma = x[4].exp();
        Self { a: x[0], tilt: 0.5 * (x[2] - x[1]), half_sum: 0.5 * (x[1] + x[2]), m: x[3], sigma2: sigma * sigma }
    }

    pub(in crate::surface) fn from_svi(svi: &Svi) -> Self {
        Self { a: svi.a, tilt: svi.b * svi.rho, half_sum: svi.b, m: svi.m, sigma2: svi.sigma * svi.sigma }
    }

    /// w(k).
    #[inline(always)]
    pub(super) fn total_variance(&self, k: f64) -> f64 {
        let x = k - self.m;
        self.a + self.tilt * x + self.half_sum * (x * x + self.sigma2).sqrt()
    }

    /// w(k) and its gradient by a, p, q, m, ln σ.
    #[inline(always)]
    pub(super) fn gradient(&self, k: f64) -> (f64, Wings) {
        let x = k - self.m;
        let root = (x * x + self.sigma2).sqrt();
        let inverse = 1.0 / root;
        let w = self.a + self.tilt * x + self.half_sum * root;
        let by_m = -(self.tilt + self.half_sum * x * inverse);
        (w, [1.0, 0.5 * (root - x), 0.5 * (root + x), by_m, self.half_sum * self.sigma2 * inverse])
    }

    /// A derivative of w by each coordinate, where `of` has what 1, d, e, u and v (see [`Shape`]) come to.
    pub(super) fn mixed(&self, of: [f64; 5]) -> [f64; 5] {
        let [one, d, e, u, v] = of;
        [one, d, e, -(self.tilt * one + self.half_sum * u), self.half_sum * self.sigma2 * v]
    }

    /// g(k) and its gradient by a, p, q, m, ln σ: what [`LaneCurve::both_gradients`] is held against. Wants w > 0.
    #[cfg(test)]
    pub(super) fn durrleman_gradient(&self, k: f64) -> (f64, Wings) {
        let x = k - self.m;
        let s2 = self.sigma2;
        let root = (x * x + s2).sqrt();
        let cube = root * root * root;
        let w = self.a + self.tilt * x + self.half_sum * root;
        let slope = self.tilt + self.half_sum * x / root;
        let bend = self.half_sum * s2 / cube;
        let third = -3.0 * self.half_sum * s2 * x / (cube * root * root);
        let lead = 1.0 - 0.5 * k * slope / w;
        let g = lead * lead - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * bend;
        let by_w = lead * k * slope / (w * w) + 0.25 * slope * slope / (w * w);
        let by_slope = -lead * k / w - 0.5 * slope * (1.0 / w + 0.25);
        let half_turn = 0.5 * x / root;
        let half_bend = 0.5 * s2 / cube;
        let by_wings = |w_by: f64, slope_by: f64, bend_by: f64| by_w * w_by + by_slope * slope_by + 0.5 * bend_by;
        let gradient = [
            by_w,
            by_wings(0.5 * (root - x), half_turn - 0.5, half_bend),
            by_wings(0.5 * (root + x), half_turn + 0.5, half_bend),
            by_wings(-slope, -bend, -third),
            by_wings(
                self.half_sum * s2 / root,
                -self.half_sum * x * s2 / cube,
                self.half_sum * (2.0 * s2 / cube - 3.0 * s2 * s2 / (cube * root * root)),
            ),
        ];
        (g, gradient)
    }
}

/// w at eight strikes and what its derivatives are made of: with x = k − m and R = √(x² + σ²), d = (R − x)/2, e = (R + x)/2, u = x/R, v = 1/R.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) w: Lanes,
    pub(super) d: Lanes,
    pub(super) e: Lanes,
    pub(super) u: Lanes,
    pub(super) v: Lanes,
}

impl Shape {
    pub(super) const NONE: Self =
        Self { w: Lanes::ZERO, d: Lanes::ZERO, e: Lanes::ZERO, u: Lanes::ZERO, v: Lanes::ZERO };
}

/// A [`Curve`] for eight strikes at a time.
#[derive(Clone, Copy)]
pub(super) struct LaneCurve {
    a: Lanes,
    tilt: Lanes,
    half_sum: Lanes,
    m: Lanes,
    sigma2: Lanes,
}

impl LaneCurve {
    #[inline(always)]
    pub(super) fn new(curve: &Curve) -> Self {
        Self {
            a: Lanes::splat(curve.a),
            tilt: Lanes::splat(curve.tilt),
            half_sum: Lanes::splat(curve.half_sum),
            m: Lanes::splat(curve.m),
            sigma2: Lanes::splat(curve.sigma2),
        }
    }

    /// w(k).
    #[inline(always)]
    pub(super) fn total_variance<M: MultiplyAdd>(&self, k: Lanes) -> Lanes {
        let x = k - self.m;
        let root = x.times_plus::<M>(x, self.sigma2).sqrt();
        self.half_sum.times_plus::<M>(root, self.tilt.times_plus::<M>(x, self.a))
    }

    /// Durrleman's g(k); −∞ where w ≤ 0.
    #[inline(always)]
    pub(super) fn durrleman_g<M: MultiplyAdd>(&self, k: Lanes) -> Lanes {
        let (half, quarter) = (Lanes::splat(0.5), Lanes::splat(0.25));
        let x = k - self.m;
        let root = x.times_plus::<M>(x, self.sigma2).sqrt();
        let w = self.half_sum.times_plus::<M>(root, self.tilt.times_plus::<M>(x, self.a));
        // One division for two.
        let of_both = Lanes::ONE / (root * w);
        let (inverse, inverse_w) = (of_both * w, of_both * root);
        let bent = self.half_sum * inverse;
        let slope = bent.times_plus::<M>(x, self.tilt);
        let bend = bent * self.sigma2 * inverse * inverse;
        let lead = Lanes::ONE - half * k * slope * inverse_w;
        let g = lead * lead - quarter * slope * slope * (inverse_w + quarter) + half * bend;
        let mut out = g;
        for i in 0..LANES {
            out.0[i] = if w.0[i] > 0.0 { g.0[i] } else { f64::NEG_INFINITY };
        }
        out
    }

    /// w(k), w′(k), w″(k).
    #[inline(always)]
    pub(super) fn derivatives<M: MultiplyAdd>(&self, k: Lanes) -> [Lanes; 3] {
        let x = k - self.m;
        let root = x.times_plus::<M>(x, self.sigma2).sqrt();
        let inverse = Lanes::ONE / root;
        let bent = self.half_sum * inverse;
        [
            self.half_sum.times_plus::<M>(root, self.tilt.times_plus::<M>(x, self.a)),
            bent.times_plus::<M>(x, self.tilt),
            bent * self.sigma2 * inverse * inverse,
        ]
    }

    /// w(k) and g(k) with their gradients by a, p, q, m, ln σ. g means nothing where w ≤ 0, and is finite there.
    #[inline(always)]
    pub(super) fn both_gradients<M: MultiplyAdd>(&self, k: Lanes) -> [(Lanes, [Lanes; 5]); 2] {
        let (half, quarter) = (Lanes::splat(0.5), Lanes::splat(0.25));
        let (two, three) = (Lanes::splat(2.0), Lanes::splat(3.0));
        let x = k - self.m;
        let root = x.times_plus::<M>(x, self.sigma2).sqrt();
        let w = self.half_sum.times_plus::<M>(root, self.tilt.times_plus::<M>(x, self.a));
        let mut positive = w;
        for i in 0..LANES {
            positive.0[i] = if w.0[i] > 0.0 { w.0[i] } else { 1.0 };
        }
        let of_both = Lanes::ONE / (root * positive);
        let (inverse, inverse_w) = (of_both * positive, of_both * root);
        let bent = self.half_sum * inverse;
        let slope = bent.times_plus::<M>(x, self.tilt);
        let square = inverse * inverse;
        let wide = self.sigma2 * square;
        let bend = bent * wide;
        let by_sigma = bent * self.sigma2;
        let [up, down] = [half * (root + x), half * (root - x)];
        let of_w = [Lanes::ONE, down, up, -slope, by_sigma];

        let lead = Lanes::ONE - half * k * slope * inverse_w;
        let g = lead * lead - quarter * slope * slope * (inverse_w + quarter) + half * bend;
        let by_w = slope * (lead * k + quarter * slope) * inverse_w * inverse_w;
        let by_slope = -lead * k * inverse_w - half * slope * (inverse_w + quarter);
        let half_turn = half * x * inverse;
        let quarter_bend = quarter * wide * inverse;
        // The third derivative of w is −3 bend x/root².
        let by_m = -by_w * slope - by_slope * bend + half * three * bend * x * square;
        let by_width = by_w * by_sigma - by_slope * bend * x + half * bend * (two - three * wide);
        let of_g = [
            by_w,
            by_w * down + by_slope * (half_turn - half) + quarter_bend,
            by_w * up + by_slope * (half_turn + half) + quarter_bend,
            by_m,
            by_width,
        ];
        [(w, of_w), (g, of_g)]
    }

    /// w(k) and what its derivatives are made of.
    #[inline(always)]
    pub(super) fn shape<M: MultiplyAdd>(&self, k: Lanes) -> Shape {
        self.shape_beside::<M>(k, |_| Lanes::ONE).0
    }

    /// [`LaneCurve::shape`], and one over what `other` makes of w(k): two inverses by one division.
    #[inline(always)]
    pub(super) fn shape_beside<M: MultiplyAdd>(&self, k: Lanes, other: impl Fn(Lanes) -> Lanes) -> (Shape, Lanes) {
        let x = k - self.m;
        let root = x.times_plus::<M>(x, self.sigma2).sqrt();
        let w = self.half_sum.times_plus::<M>(root, self.tilt.times_plus::<M>(x, self.a));
        let other = other(w);
        let of_both = Lanes::ONE / (root * other);
        let v = of_both * other;
        let half = Lanes::splat(0.5);
        (Shape { w, d: half * (root - x), e: half * (root + x), u: x * v, v }, of_both * root)
    }
}

/// Durrleman's g at `k` of a smile of total variance w, w′, w″; −∞ where w ≤ 0.
#[inline(always)]
pub(super) fn durrleman_g_of(k: Lanes, [w, slope, bend]: [Lanes; 3]) -> Lanes {
    let (half, quarter) = (Lanes::splat(0.5), Lanes::splat(0.25));
    let inverse = Lanes::ONE / w;
    let lead = Lanes::ONE - half * k * slope * inverse;
    let mut g = lead * lead - quarter * slope * slope * (inverse + quarter) + half * bend;
    for i in 0..LANES {
        g.0[i] = if w.0[i] > 0.0 { g.0[i] } else { f64::NEG_INFINITY };
    }
    g
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{Fused, Plain};

    #[test]
    fn eight_strikes_at_a_time_are_as_one_by_one() {
        let k = Lanes([-1.3, -0.4, -0.11, -1e-3, 0.0, 0.03, 0.25, 0.9]);
        for x in [[0.01, 0.12, 0.05, 0.02, -3.0], [-0.004, 0.3, 0.2, -0.1, -2.0], [0.02, 1.1, 0.9, 0.05, -6.0_f64]] {
            let (curve, lanes) = (Curve::new(&x), LaneCurve::new(&Curve::new(&x)));
            for both in [lanes.both_gradients::<Plain>(k), lanes.both_gradients::<Fused>(k)] {
                for i in 0..LANES {
                    let exact = [curve.gradient(k.0[i]), curve.durrleman_gradient(k.0[i])];
                    for ((value, by), (exact, exact_by)) in both.iter().zip(exact) {
                        let near = |x: f64, y: f64| assert!((x - y).abs() < 1e-11 * (1.0 + y.abs()), "{x} {y} {i}");
                        near(value.0[i], exact);
                        (0..5).for_each(|j| near(by[j].0[i], exact_by[j]));
                    }
                }
            }
        }
        // No variance at all at some strikes: what is said of g there is finite.
        let below = LaneCurve::new(&Curve::new(&[-0.05, 0.3, 0.2, 0.0, -2.0]));
        let [(w, _), (g, by)] = below.both_gradients::<Plain>(k);
        assert!(w.min() < 0.0 && g.0.iter().chain(by.iter().flat_map(|by| &by.0)).all(|value| value.is_finite()));
    }
}

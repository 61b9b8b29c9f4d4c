//! The Mills ratio R(a) = (1 − Φ(a)) / φ(a) and its difference quotient, from one polynomial without regions.
//!
//! With z = ln(F/K)/s + s/2 (d₁) and a₂ = |ln(F/K)|/s + s/2, the out-of-the-money Black price over min(F, K) is
//! p = φ(z) · (R(−z) − R(a₂)), and a₂ + z = s. Subtracting two Mills ratios would cancel near the money, so the quotient
//! (R(a₁) − R(a₂)) / (a₂ − a₁) is evaluated directly: R is a polynomial in v = a/(a + 5), and the divided difference of a
//! polynomial has a Horner scheme of its own. `golden/implied_vol.py` makes the coefficients.

use crate::math::MultiplyAdd;

/// Coefficients of R(a) = Σ cₖ vᵏ, v = a/(a + 5), for −0.8 ≤ a < ∞; exact to the last place or so where a is small.
pub(super) const MILLS: [f64; 29] = [
    1.2533141373155003,
    -5.0,
    10.666426716443754,
    -15.333813233779196,
    14.91444712710449,
    -9.006958556456343,
    2.130332434012501,
    1.1334552500593855,
    -0.7899881819342197,
    -0.18265561368449557,
    0.2212493760507138,
    0.062081037180498316,
    -0.05844812562072708,
    -0.029911426171591194,
    0.011394076252846665,
    0.013735920304389873,
    -0.0008502220614199958,
    -0.004665009745046512,
    0.012861350118313259,
    -0.05505583962773267,
    0.123940193868254,
    -0.18781261589073447,
    0.2086002533333497,
    -0.16928687564227518,
    0.09795022254411379,
    -0.039040947858336186,
    0.010122965966092858,
    -0.001523943342817911,
    9.953126073429302e-5,
];

/// Least argument of the Mills ratio here.
pub(super) const LEAST_ARGUMENT: f64 = -0.8;

/// Horner's scheme for the polynomial at v₁ and, on its partial sums, for its difference quotient at v₂.
#[derive(Clone, Copy)]
struct Horner {
    value: f64,
    quotient: f64,
}

impl Horner {
    /// Takes in `N` coefficients from number `FROM` down. In four parts, because a loop of 28 is too long for the compiler to unroll,
    /// and only what is unrolled inside a loop over rows is vectorised.
    #[inline(always)]
    fn down<M: MultiplyAdd, const FROM: usize, const N: usize>(mut self, v1: f64, v2: f64) -> Self {
        let mut i = 0;
        while i < N {
            self.quotient = M::multiply_add(self.quotient, v2, self.value);
            self.value = M::multiply_add(self.value, v1, MILLS[FROM - i]);
            i += 1;
        }
        self
    }
}

/// R(a₁) and R(a₁) − R(a₂), where `gap` = a₂ − a₁ is given by the caller, who knows it without cancellation.
#[inline(always)]
pub(super) fn mills_and_difference<M: MultiplyAdd>(a1: f64, a2: f64, gap: f64) -> (f64, f64) {
    let inverse = 1.0 / ((a1 + 5.0) * (a2 + 5.0));
    let v1 = a1 * ((a2 + 5.0) * inverse);
    let v2 = a2 * ((a1 + 5.0) * inverse);
    let sums = Horner { value: MILLS[28], quotient: 0.0 }
        .down::<M, 27, 7>(v1, v2)
        .down::<M, 20, 7>(v1, v2)
        .down::<M, 13, 7>(v1, v2)
        .down::<M, 6, 7>(v1, v2);
    (sums.value, sums.quotient * (-5.0 * gap * inverse))
}

/// R(a) for a ≥ −0.8.
pub(super) fn mills(a: f64) -> f64 {
    let v = a / (a + 5.0);
    MILLS.iter().rev().fold(0.0, |sum, &c| sum * v + c)
}

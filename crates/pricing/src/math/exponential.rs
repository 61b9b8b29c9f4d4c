//! e^x without branches.
//!
//! Reduction  x = k ln 2 + r, |r| ≤ ln 2 / 2, k ln 2 subtracted in two parts (the first exact)
//! Series     e^r = 1 + r + r² Q(r), Q the minimax polynomial of degree 9: 3.6e-18 relative
//! Scale      2^k in two factors, so that subnormal results are right and nothing overflows on the way
//! Domain     all; below −746 gives 0, above 709.78 gives ∞, NaN gives NaN
//! Accuracy   0.6 ulp for normal results (tolerance.rs: math/exp)

use super::multiply_add::{MultiplyAdd, polynomial};

/// (e^r − 1 − r)/r² on |r| ≤ ln 2 / 2.
pub(super) const SERIES: [f64; 10] = [
    0.5000000000000011,
    0.16666666666666413,
    0.041666666666530267,
    0.008333333333494338,
    0.0013888888943598106,
    0.00019841269506768968,
    2.4801493135729376e-05,
    2.7557586275829297e-06,
    2.76302340918281e-07,
    2.5000069391129154e-08,
];

/// ln 2 to 33 bits, so that its product with |k| < 2^20 is exact.
pub(super) const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
/// ln 2 − [`LN_2_HIGH`].
pub(super) const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 1.5 · 2^52: added and taken away again it rounds to an integer, which its low bits then hold.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// e^x as mantissa · scale\[0\] · scale\[1\]. Multiplying another number in before the last scale keeps its product from falling under
/// the normal range when the exponential alone would.
#[derive(Clone, Copy, Debug)]
pub struct ScaledExponential {
    /// Between 0.7 and 1.42.
    pub mantissa: f64,
    /// Two powers of two.
    pub scale: [f64; 2],
}

/// e^(x + tail) for a tail that is small against one (the rounding error of x, say).
#[inline(always)]
pub fn exp_scaled<M: MultiplyAdd>(x: f64, tail: f64) -> ScaledExponential {
    // Written so that NaN passes through: both comparisons are false for it.
    let x = if x < -1000.0 { -1000.0 } else { x };
    let x = if x > 1000.0 { 1000.0 } else { x };
    let shifted = M::multiply_add(x, std::f64::consts::LOG2_E, ROUNDER);
    let k = shifted - ROUNDER;
    let r = M::multiply_add(k, -LN_2_HIGH, x);
    let r = M::multiply_add(k, -LN_2_LOW, r) + tail;
    let series = polynomial::<M, 10>(r, &SERIES);
    let mantissa = 1.0 + M::multiply_add(r * r, series, r);
    let half_shifted = M::multiply_add(k, 0.5, ROUNDER);
    let rest_shifted = (k - (half_shifted - ROUNDER)) + ROUNDER;
    ScaledExponential { mantissa, scale: [power_of_two(half_shifted), power_of_two(rest_shifted)] }
}

/// e^x for |x| ≤ 708: one scale, three operations cheaper than [`exp`]. Outside that range the result means nothing.
#[inline(always)]
pub fn exp_moderate<M: MultiplyAdd>(x: f64) -> f64 {
    let shifted = M::multiply_add(x, std::f64::consts::LOG2_E, ROUNDER);
    let k = shifted - ROUNDER;
    let r = M::multiply_add(k, -LN_2_HIGH, x);
    let r = M::multiply_add(k, -LN_2_LOW, r);
    let series = polynomial::<M, 10>(r, &SERIES);
    (1.0 + M::multiply_add(r * r, series, r)) * power_of_two(shifted)
}

/// e^x.
#[inline(always)]
pub fn exp<M: MultiplyAdd>(x: f64) -> f64 {
    let e = exp_scaled::<M>(x, 0.0);
    e.mantissa * e.scale[0] * e.scale[1]
}

/// 2^n, |n| ≤ 1022, from n + [`ROUNDER`].
#[inline(always)]
fn power_of_two(shifted: f64) -> f64 {
    f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
}

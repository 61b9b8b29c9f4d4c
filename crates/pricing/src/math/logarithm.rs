//! ln(a/b) without branches, to relative accuracy even where a ≈ b.
//!
//! Reduction  a/b = 2^k a/b′ with a/b′ in [2/3, 3/2], b′ = 2^k b exact, k from the bit patterns
//! Series     ln(a/b′) = 2 atanh(s), s = (a − b′)/(a + b′), where a − b′ is exact (Sterbenz); minimax in s²: 1.5e-17 relative
//! Domain     a and b from 2^-1020 to 2^1020
//! Accuracy   2 ulp (tolerance.rs: math/ln_ratio); exactly 0 where a = b

use super::exponential::{LN_2_HIGH, LN_2_LOW};
use super::multiply_add::{MultiplyAdd, polynomial};

/// (2 atanh(s) − 2s)/s³ in s², |s| ≤ 0.2.
pub(super) const SERIES: [f64; 7] = [
    0.6666666666667279,
    0.39999999996117713,
    0.2857142940345424,
    0.22222137816281262,
    0.18186384765456043,
    0.15249603738964257,
    0.15372810896423006,
];

/// ln(a/b).
#[inline(always)]
pub fn ln_ratio<M: MultiplyAdd>(a: f64, b: f64) -> f64 {
    const EXPONENT: u64 = 0xfff0_0000_0000_0000;
    // The difference of the bit patterns is log2(a/b) in units of 2^-52, to within 0.09: rounded to whole exponents it is k.
    let k_bits = a.to_bits().wrapping_sub(b.to_bits()).wrapping_add(1 << 51) & EXPONENT;
    // k + 2048 as a float: the low bits of 2^52.
    let k = f64::from_bits(((k_bits ^ (1 << 63)) >> 52) | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 2048.0);
    let b = f64::from_bits(b.to_bits().wrapping_add(k_bits));
    let s = (a - b) / (a + b);
    let z = s * s;
    let series = polynomial::<M, 7>(z, &SERIES);
    let low = M::multiply_add(k, LN_2_LOW, s * z * series);
    let high = k * LN_2_HIGH;
    // 2s is added to the larger part last but for the part below it, so that one rounding of full size is made.
    let sum = high + 2.0 * s;
    let lost = (high - sum) + 2.0 * s;
    sum + (lost + low)
}

/// ln(x) for x from 2^-1020 to 2^1020.
#[inline(always)]
pub fn ln<M: MultiplyAdd>(x: f64) -> f64 {
    ln_ratio::<M>(x, 1.0)
}

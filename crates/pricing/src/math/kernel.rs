//! The functions of this folder over the threads of a device: the same reductions and tables, written in CubeCL.
//!
//! Only + − × ÷ √ floor and bit operations are used: on Vulkan the built-in f64 exp, log and erf compile and return garbage.
//!
//! A device's compiler may fuse a product with a sum, and Mesa's also rewrites a − (a + b) to −b. Neither changes what is here by more
//! than a rounding, except where a rounding error itself is computed. There the sum passes through [`settle`], which no compiler sees
//! through, and products are split into halves by bits, so that every partial product is exact, fused or not.
//!
//! Accuracy  tolerance.rs: device/exp, device/ln_ratio, device/mills

use cubecl::prelude::*;

use super::exponential::{self, LN_2_HIGH, LN_2_LOW};
use super::{logarithm, normal};

/// The upper 26 bits of a significand, with sign and exponent.
const HIGH_HALF: u64 = 0xffff_ffff_f800_0000;
/// The bits of 1.
const ONE_BITS: u64 = 0x3ff0_0000_0000_0000;
/// The exponent's bits, with the sign.
const EXPONENT: u64 = 0xfff0_0000_0000_0000;

/// The value itself. `zero` is 0 at run time, which the compiler cannot know: the value is what the device has in its register, not
/// an expression to simplify.
#[cube]
pub(crate) fn settle(x: f64, zero: u64) -> f64 {
    f64::reinterpret(u64::reinterpret(x) ^ zero)
}

/// fl(a + b) and what the rounding lost, for any a and b.
#[cube]
pub(crate) fn two_sum(a: f64, b: f64, zero: u64) -> (f64, f64) {
    let sum = settle(a + b, zero);
    let shadow = settle(sum - a, zero);
    let rest = settle(sum - shadow, zero);
    (sum, (a - rest) + (b - shadow))
}

/// fl(a·b) and what the rounding lost, exactly where nothing overflows or falls under the normal range. The product is settled, since
/// a compiler that fused it with the subtraction would find no loss.
#[cube]
pub(crate) fn two_product(a: f64, b: f64, zero: u64) -> (f64, f64) {
    let product = settle(a * b, zero);
    let a_high = f64::reinterpret(u64::reinterpret(a) & HIGH_HALF);
    let b_high = f64::reinterpret(u64::reinterpret(b) & HIGH_HALF);
    let a_low = a - a_high;
    let b_low = b - b_high;
    (product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low))
}

/// Coefficients that the compiler of the kernel knows, lowest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table(pub &'static [f64]);

/// c\[0\] + c\[1\] x + … by Horner's rule.
#[cube]
pub(crate) fn polynomial(x: f64, #[comptime] table: Table) -> f64 {
    let count = comptime!(table.0.len());
    let mut sum = comptime!(table.0[count - 1]).runtime();
    #[unroll]
    for i in 1..count {
        sum = sum * x + comptime!(table.0[count - 1 - i]);
    }
    sum
}

/// e^x as mantissa · low · high, two powers of two; see [`ScaledExponential`](super::ScaledExponential).
#[derive(CubeType, Clone, Copy)]
pub(crate) struct ScaledExponent {
    /// Between 0.7 and 1.42.
    pub mantissa: f64,
    /// One power of two.
    pub low: f64,
    /// The other.
    pub high: f64,
}

/// 2^k for |k| ≤ 1022.
#[cube]
fn power_of_two(k: f64) -> f64 {
    f64::reinterpret((i64::cast_from(k) + 1023i64) << 52i64)
}

/// e^(x + tail) for a tail that is small against one. NaN gives garbage: callers check their rows first.
#[cube]
pub(crate) fn exp_scaled(x: f64, tail: f64) -> ScaledExponent {
    let x = max(min(x, 1000.0f64), -1000.0f64);
    let k = (x * std::f64::consts::LOG2_E + 0.5f64).floor();
    let r = (x - k * LN_2_HIGH) - k * LN_2_LOW + tail;
    let series = polynomial(r, comptime!(Table(&exponential::SERIES)));
    let half = (k * 0.5f64).floor();
    ScaledExponent { mantissa: 1.0f64 + (r + r * r * series), low: power_of_two(half), high: power_of_two(k - half) }
}

/// e^x.
#[cube]
pub(crate) fn exp(x: f64) -> f64 {
    let e = exp_scaled(x, 0.0f64);
    e.mantissa * e.low * e.high
}

/// ln(a/b) for normal, positive a and b; see [`ln_ratio`](super::ln_ratio).
#[cube]
pub(crate) fn ln_ratio(a: f64, b: f64, zero: u64) -> f64 {
    ln_ratio_bits(a, u64::reinterpret(b), zero)
}

/// [`ln_ratio`] by the bits of b: the CUDA compiler takes those of a variable, but of no constant.
#[cube]
fn ln_ratio_bits(a: f64, b_bits: u64, zero: u64) -> f64 {
    let a_bits = u64::reinterpret(a);
    // The difference of the bit patterns, rounded to whole exponents, is k: both exponents are added so that it stays positive.
    let k_bits = ((a_bits + 0x8008_0000_0000_0000u64) - b_bits) & EXPONENT;
    let k = f64::cast_from(i64::cast_from(k_bits >> 52u64) - 2048i64);
    let b = f64::reinterpret(b_bits + (k_bits - 0x8000_0000_0000_0000u64));
    let s = (a - b) / (a + b);
    let z = s * s;
    let series = polynomial(z, comptime!(Table(&logarithm::SERIES)));
    let low = k * LN_2_LOW + s * z * series;
    let high = k * LN_2_HIGH;
    let sum = settle(high + 2.0f64 * s, zero);
    let lost = (high - sum) + 2.0f64 * s;
    sum + (lost + low)
}

/// Mills' ratio Y(x) = (1 − N(x))/n(x) at x ≥ 0, and the excess of the hazard rate 1/Y over x.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Mills {
    /// Y.
    pub ratio: f64,
    /// 1/Y − x.
    pub excess: f64,
}

/// Mills' ratio at x ≥ 0; see [`mills_parts`](super::mills_parts).
#[cube]
pub(crate) fn mills(x: f64) -> Mills {
    let p = polynomial(x, comptime!(Table(&normal::RATIO)));
    let r = polynomial(x, comptime!(Table(&normal::EXCESS)));
    Mills { ratio: p / (x * p + r), excess: r / p }
}

/// ln(x) for normal, positive x.
#[cube]
pub(crate) fn ln(x: f64, zero: u64) -> f64 {
    ln_ratio_bits(x, ONE_BITS.runtime(), zero)
}

/// Whether a ≤ x ≤ b for a ≥ 0: by the bits, since a device's compiler may assume that there is no NaN.
#[cube]
pub(crate) fn is_within(x: f64, #[comptime] a: f64, #[comptime] b: f64) -> bool {
    let bits = u64::reinterpret(x);
    bits >= comptime!(a.to_bits()) && bits <= comptime!(b.to_bits())
}

/// Whether 0 ≤ x ≤ limit, by the bits; the limit is no constant.
#[cube]
pub(crate) fn is_up_to(x: f64, limit: f64) -> bool {
    u64::reinterpret(x) <= u64::reinterpret(limit)
}

#[cfg(test)]
mod tests;

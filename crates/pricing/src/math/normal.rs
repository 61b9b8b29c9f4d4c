//! The normal distribution to relative accuracy in both tails, by Mills' ratio Y(x) = (1 − N(x))/n(x).
//!
//! Formula   Y(x) = 1/(x + r(x)), r the excess of the hazard rate over x, r = R/P with R of degree 9 and P of degree 10
//! Fit       weighted Remez on [0, ∞): 1.2e-17 relative in Y before, 5.7e-17 after rounding the coefficients, which are all positive,
//!           so that nothing cancels (fitted for this library; golden/mills.py)
//! Domain    x ≥ 0, up to 1e14
//! Accuracy  tolerance.rs: math/mills, math/normal_cdf

use super::exponential::{ScaledExponential, exp_scaled};
use super::multiply_add::{MultiplyAdd, polynomial};

/// 1/√(2π).
pub const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;
/// √(2/π).
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;

pub(super) const EXCESS: [f64; 10] = [
    0.7978845608028653,
    1.0100001944536774,
    0.6510666005065406,
    0.2722020504075392,
    0.08023948334336628,
    0.017177544881764713,
    0.002664873019168693,
    0.00028942591832002674,
    2.0096065184431768e-05,
    6.889609591924845e-07,
];

pub(super) const RATIO: [f64; 11] = [
    1.0,
    1.7212770989128305,
    1.4632917026000585,
    0.796394466036881,
    0.3048498527183188,
    0.08544863880493811,
    0.017752263395868377,
    0.002705065139982543,
    0.00029080384036883026,
    2.009606518345796e-05,
    6.889609591953533e-07,
];

/// Mills' ratio as polynomials: Y = p/q with q = x p + r, and the hazard's excess over x = r/p. All are positive.
#[derive(Clone, Copy, Debug)]
pub struct Mills {
    /// Numerator of Y.
    pub p: f64,
    /// Denominator of Y.
    pub q: f64,
    /// Numerator of the excess.
    pub r: f64,
}

/// Mills' ratio at x ≥ 0 as polynomials.
#[inline(always)]
pub fn mills_parts<M: MultiplyAdd>(x: f64) -> Mills {
    let p = polynomial::<M, 11>(x, &RATIO);
    let r = polynomial::<M, 10>(x, &EXCESS);
    Mills { p, q: M::multiply_add(x, p, r), r }
}

/// Mills' ratio (1 − N(x))/n(x) at x ≥ 0.
#[inline(always)]
pub fn mills<M: MultiplyAdd>(x: f64) -> f64 {
    let parts = mills_parts::<M>(x);
    parts.p / parts.q
}

/// e^(x²) erfc(x) at x ≥ 0.
#[inline(always)]
pub fn erfcx<M: MultiplyAdd>(x: f64) -> f64 {
    SQRT_2_OVER_PI * mills::<M>(std::f64::consts::SQRT_2 * x)
}

/// e^(−x²/2) in parts, with the rounding error of x² taken in.
#[inline(always)]
pub fn exp_half_square<M: MultiplyAdd>(x: f64) -> ScaledExponential {
    // Beyond this e^(−x²/2) is 0, and x² could overflow.
    let x = x.abs();
    let x = if x > 40.0 { 40.0 } else { x };
    let square = x * x;
    let error = M::product_error(x, x, square);
    exp_scaled::<M>(-0.5 * square, -0.5 * error)
}

/// The density n(x).
#[inline(always)]
pub fn normal_pdf<M: MultiplyAdd>(x: f64) -> f64 {
    let e = exp_half_square::<M>(x);
    FRAC_1_SQRT_2PI * e.mantissa * e.scale[0] * e.scale[1]
}

/// The distribution function N(x), to relative accuracy for every x down to where it falls under the normal range.
#[inline(always)]
pub fn normal_cdf<M: MultiplyAdd>(x: f64) -> f64 {
    let e = exp_half_square::<M>(x);
    let a = x.abs();
    let a = if a > 1e14 { 1e14 } else { a };
    let tail = mills::<M>(a) * FRAC_1_SQRT_2PI * e.mantissa * e.scale[0] * e.scale[1];
    if x > 0.0 { 1.0 - tail } else { tail }
}

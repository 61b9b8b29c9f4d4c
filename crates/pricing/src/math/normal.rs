//! The normal distribution to relative accuracy in both tails, by Mills' ratio Y(x) = (1 − N(x))/n(x).
//!
//! Formula   Y(x) = 1/(x + r(x)), r the excess of the hazard rate over x, r = R/P with R of degree 10 and P of degree 11
//! Fit       Remez on [0, ∞), relative in r: 3.6e-17 before rounding the coefficients, which are all positive, so that nothing
//!           cancels: Y, and also r and 1 − x Y, keep their relative accuracy for every x (fitted for this library; golden/mills.py)
//! Domain    x ≥ 0, up to 1e14
//! Accuracy  tolerance.rs: math/mills, math/normal_cdf

use super::exponential::{ScaledExponential, exp_scaled};
use super::multiply_add::{MultiplyAdd, polynomial};

/// 1/√(2π).
pub const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;
/// √(2/π).
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;

pub(super) const EXCESS: [f64; 11] = [
    0.7978845608028654,
    1.1488811278079987,
    0.835083737334603,
    0.39550257383737486,
    0.133752432059887,
    0.033565613054636644,
    0.006318215730375814,
    0.0008818952980081175,
    8.774961076296862e-05,
    5.671518559419188e-06,
    1.8404601660747526e-07,
];

pub(super) const RATIO: [f64; 12] = [
    1.0,
    1.8953385360893804,
    1.7731957083152625,
    1.0682879713500184,
    0.45758065784642377,
    0.14587009499266623,
    0.03529537455659622,
    0.006492610675552785,
    0.0008932383351291236,
    8.81177027961738e-05,
    5.671518559419205e-06,
    1.8404601660747526e-07,
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
    let p = polynomial::<M, 12>(x, &RATIO);
    let r = polynomial::<M, 11>(x, &EXCESS);
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

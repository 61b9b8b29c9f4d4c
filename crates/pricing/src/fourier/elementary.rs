//! The elementary functions that characteristic functions need, twice: of the standard library for the twin, and branch-free for the
//! loops over lanes. The formulae are written once, generic over [`Elementary`].
//!
//! sin, cos  reduction by π/2 in three parts (the first two exact for |k| < 2^20), Taylor series of degree 17 and 18 on |r| ≤ π/4
//! atan      reduction to |t| ≤ tan(π/8), t + t³ Q(t²), Q fitted with degree 10: 5e-18
//! exp − 1   the series of `math::exp`, before one is added
//! Accuracy  absolute errors under 4e-16 for arguments to 1e6; beyond 1e9 sin and cos mean nothing but stay within −1 and 1

use std::marker::PhantomData;

use crate::math::{self, MultiplyAdd, polynomial};

/// Real functions. Every implementation of [`Lanes`] is `#[inline(always)]` and free of branches.
pub(super) trait Elementary: Copy {
    fn exp(x: f64) -> f64;
    fn exp_m1(x: f64) -> f64;
    /// ln(x) for x from 2^-1020 to 2^1020.
    fn ln(x: f64) -> f64;
    fn sin_cos(x: f64) -> (f64, f64);
    fn atan2(y: f64, x: f64) -> f64;
}

/// The standard library.
#[derive(Clone, Copy)]
pub(super) struct Std;

impl Elementary for Std {
    fn exp(x: f64) -> f64 {
        x.exp()
    }
    fn exp_m1(x: f64) -> f64 {
        x.exp_m1()
    }
    fn ln(x: f64) -> f64 {
        x.ln()
    }
    fn sin_cos(x: f64) -> (f64, f64) {
        x.sin_cos()
    }
    fn atan2(y: f64, x: f64) -> f64 {
        y.atan2(x)
    }
}

/// Branch-free, for vectorised loops.
#[derive(Clone, Copy)]
pub(super) struct Lanes<M>(PhantomData<M>);

/// 1.5 · 2^52: added and taken away again it rounds to an integer, which its low bits then hold.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// π/2 to 33 bits, the next 33, and the rest.
const HALF_PI: [f64; 3] = [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_6e-21];
/// sin(r) = r + r³ (…), by r².
const SIN: [f64; 8] = [
    -1.0 / 6.0,
    1.0 / 120.0,
    -1.0 / 5040.0,
    1.0 / 362_880.0,
    -1.0 / 39_916_800.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 355_687_428_096_000.0,
];
/// cos(r) = 1 + r² (…), by r².
const COS: [f64; 9] = [
    -0.5,
    1.0 / 24.0,
    -1.0 / 720.0,
    1.0 / 40_320.0,
    -1.0 / 3_628_800.0,
    1.0 / 479_001_600.0,
    -1.0 / 87_178_291_200.0,
    1.0 / 20_922_789_888_000.0,
    -1.0 / 6_402_373_705_728_000.0,
];
/// (atan(t) − t)/t³ in t², |t| ≤ tan(π/8).
const ATAN: [f64; 11] = [
    -0.3333333333333333,
    0.19999999999995516,
    -0.14285714284665682,
    0.11111111015187018,
    -0.0909090457530649,
    0.07692183125376892,
    -0.06664510525508936,
    0.05858140904866328,
    -0.050854078345894844,
    0.03923044778479309,
    -0.019175404711104935,
];
/// tan(π/8).
const TAN_PI_8: f64 = 0.414_213_562_373_095_05;
/// The largest argument that sin and cos reduce.
const LARGEST_ANGLE: f64 = 1e9;

impl<M: MultiplyAdd> Elementary for Lanes<M> {
    #[inline(always)]
    fn exp(x: f64) -> f64 {
        math::exp::<M>(x)
    }

    #[inline(always)]
    fn exp_m1(x: f64) -> f64 {
        let small = x.abs() < 0.35;
        let t = if small { x } else { 0.0 };
        let series = polynomial::<M, 14>(t, &EXP_M1);
        let near = M::multiply_add(t * t, series, t);
        if small { near } else { math::exp::<M>(x) - 1.0 }
    }

    #[inline(always)]
    fn ln(x: f64) -> f64 {
        math::ln::<M>(x)
    }

    #[inline(always)]
    fn sin_cos(x: f64) -> (f64, f64) {
        // Written so that NaN passes through.
        let x = if x > LARGEST_ANGLE { LARGEST_ANGLE } else { x };
        let x = if x < -LARGEST_ANGLE { -LARGEST_ANGLE } else { x };
        let shifted = M::multiply_add(x, std::f64::consts::FRAC_2_PI, ROUNDER);
        let k = shifted - ROUNDER;
        let r = M::multiply_add(k, -HALF_PI[0], x);
        let r = M::multiply_add(k, -HALF_PI[1], r);
        let r = M::multiply_add(k, -HALF_PI[2], r);
        let z = r * r;
        let sin = M::multiply_add(r * z, polynomial::<M, 8>(z, &SIN), r);
        let cos = M::multiply_add(z, polynomial::<M, 9>(z, &COS), 1.0);
        let quadrant = shifted.to_bits();
        let odd = quadrant & 1 != 0;
        let (s, c) = if odd { (cos, sin) } else { (sin, cos) };
        // Signs: sine is negative in quadrants 2 and 3, cosine in 1 and 2.
        let sin_sign = (quadrant & 2) << 62;
        let cos_sign = ((quadrant + 1) & 2) << 62;
        (f64::from_bits(s.to_bits() ^ sin_sign), f64::from_bits(c.to_bits() ^ cos_sign))
    }

    #[inline(always)]
    fn atan2(y: f64, x: f64) -> f64 {
        let (ax, ay) = (x.abs(), y.abs());
        let swapped = ay > ax;
        let (most, least) = if swapped { (ay, ax) } else { (ax, ay) };
        let turned = least > TAN_PI_8 * most;
        let numerator = if turned { least - most } else { least };
        let denominator = if turned { least + most } else { most };
        let denominator = if denominator == 0.0 { 1.0 } else { denominator };
        let t = numerator / denominator;
        let z = t * t;
        let angle = M::multiply_add(t * z, polynomial::<M, 11>(z, &ATAN), t);
        let angle = if turned { angle + std::f64::consts::FRAC_PI_4 } else { angle };
        let angle = if swapped { std::f64::consts::FRAC_PI_2 - angle } else { angle };
        let angle = if x < 0.0 { std::f64::consts::PI - angle } else { angle };
        if y < 0.0 { -angle } else { angle }
    }
}

/// (e^x − 1 − x)/x² by Taylor, |x| < 0.35.
const EXP_M1: [f64; 14] = [
    0.5,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
    1.0 / 87_178_291_200.0,
    1.0 / 1_307_674_368_000.0,
];

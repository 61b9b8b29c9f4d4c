//! f32 functions without branches, so that a loop that calls them over a column becomes vector code, generic over whether the hardware
//! fuses multiplication and addition.
//!
//! Sources   exp and ln: Cephes 2.8 (S. L. Moshier), expf.c and logf.c; gelu: Abramowitz and Stegun 7.1.26
//! Accuracy  4·10⁻⁷ of 1 + |z| for every activation, 10⁻⁷ for ln, 2·10⁻⁷ relative for exp and e^x − 1 (tests)

use crate::network::Activation;

/// How a target multiplies and adds.
pub(super) trait MultiplyAdd: Copy {
    /// The same in f64.
    type Wide: zomma_pricing::math::MultiplyAdd;

    /// a·b + c.
    fn of(a: f32, b: f32, c: f32) -> f32;
}

/// One rounding: targets whose hardware fuses.
#[derive(Clone, Copy)]
pub(super) struct Fused;

/// Two roundings: everywhere else, where the fused one is a slow library call.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl MultiplyAdd for Fused {
    type Wide = zomma_pricing::math::Fused;

    #[inline(always)]
    fn of(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

impl MultiplyAdd for Plain {
    type Wide = zomma_pricing::math::Plain;

    #[inline(always)]
    fn of(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// c\[0\] + c\[1\] x + … by Horner's rule.
#[inline(always)]
fn polynomial<M: MultiplyAdd, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = M::of(sum, x, coefficients[i]);
    }
    sum
}

/// Added to a number, it rounds it to a whole one in the mantissa's last bits.
const ROUND: f32 = 12_582_912.0;

/// 2ⁿ and e^r − 1 with x = n ln 2 + r; below −87 and above 88 as there. NaN stays NaN.
#[inline(always)]
fn exp_parts<M: MultiplyAdd>(x: f32) -> (f32, f32) {
    let x = x.clamp(-87.0, 88.0);
    let rounded = M::of(x, std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = M::of(n, 2.121_944_4e-4, M::of(n, -0.693_359_4, x));
    let p = polynomial::<M, 6>(r, [0.5, 1.666_666_5e-1, 4.166_579_6e-2, 8.333_452e-3, 1.398_199_9e-3, 1.987_569_2e-4]);
    // The exponent's field of 2ⁿ, of the whole number in the last bits.
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    (power, M::of(p * r, r, r))
}

/// e^x; below −87 and above 88 as there.
#[inline(always)]
pub(super) fn exp<M: MultiplyAdd>(x: f32) -> f32 {
    let (power, rest) = exp_parts::<M>(x);
    M::of(rest, power, power)
}

/// e^x − 1, without the cancellation near 0.
#[inline(always)]
pub(super) fn exp_m1<M: MultiplyAdd>(x: f32) -> f32 {
    let (power, rest) = exp_parts::<M>(x);
    M::of(rest, power, power - 1.0)
}

/// ln x for normal numbers above 0.
#[inline(always)]
pub(super) fn ln<M: MultiplyAdd>(x: f32) -> f32 {
    let (n, f) = ln_parts(x);
    ln_of::<M>(n, f)
}

/// The same of 1 + `excess`, which x is to f32's precision: near 1 to the precision of the excess, 2·10⁻⁷ relative.
#[inline(always)]
pub(super) fn ln_of_excess<M: MultiplyAdd>(x: f32, excess: f32) -> f32 {
    let (n, f) = ln_parts(x);
    ln_of::<M>(n, if n == 0.0 { excess } else { f })
}

/// x = 2ⁿ(1 + f) with 1 + f from √½ to √2.
#[inline(always)]
fn ln_parts(x: f32) -> (f32, f32) {
    let bits = x.to_bits();
    let n = (bits.wrapping_sub(0x3f35_04f3) as i32) >> 23;
    (n as f32, f32::from_bits(bits.wrapping_sub((n << 23) as u32)) - 1.0)
}

#[inline(always)]
fn ln_of<M: MultiplyAdd>(n: f32, f: f32) -> f32 {
    let p = polynomial::<M, 9>(
        f,
        [
            0.333_333_3,
            -2.499_999_4e-1,
            2.000_071_5e-1,
            -1.666_805_8e-1,
            1.424_932_3e-1,
            -1.242_014_1e-1,
            1.167_699_9e-1,
            -1.151_461e-1,
            7.037_683_6e-2,
        ],
    );
    let square = f * f;
    let rest = M::of(-0.5, square, M::of(n, -2.121_944_4e-4, p * f * square));
    M::of(n, 0.693_359_4, f + rest)
}

/// ln(1 + u) for u from 0 to 1.
#[inline(always)]
fn ln_1p<M: MultiplyAdd>(u: f32) -> f32 {
    let w = u / (2.0 + u);
    let s = w * w;
    let p = polynomial::<M, 6>(s, [1.0 / 3.0, 0.2, 1.0 / 7.0, 1.0 / 9.0, 1.0 / 11.0, 1.0 / 13.0]);
    2.0 * M::of(w * s, p, w)
}

#[inline(always)]
fn silu<M: MultiplyAdd>(z: f32) -> f32 {
    z / (1.0 + exp::<M>(-z))
}

#[inline(always)]
fn tanh<M: MultiplyAdd>(z: f32) -> f32 {
    1.0 - 2.0 / (exp::<M>(2.0 * z) + 1.0)
}

/// ln(1 + e^z).
#[inline(always)]
pub(super) fn softplus<M: MultiplyAdd>(z: f32) -> f32 {
    let above = if z > 0.0 { z } else { 0.0 };
    above + ln_1p::<M>(exp::<M>(-z.abs()))
}

#[inline(always)]
fn gelu<M: MultiplyAdd>(z: f32) -> f32 {
    let bell = exp::<M>(-0.5 * z * z);
    let t = 1.0 / M::of(0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2, z.abs(), 1.0);
    let p = polynomial::<M, 5>(t, [0.254_829_6, -0.284_496_74, 1.421_413_7, -1.453_152, 1.061_405_4]) * t;
    let tail = 0.5 * p * bell;
    z * if z > 0.0 { 1.0 - tail } else { tail }
}

#[inline(always)]
fn sine<M: MultiplyAdd>(z: f32) -> f32 {
    // To ±π/2 by whole halves of the circle; π in three parts, so that their products with n are exact.
    let rounded = M::of(z, std::f32::consts::FRAC_1_PI, ROUND);
    let n = rounded - ROUND;
    let r = z - n * 3.140_625 - n * 9.675_026e-4 - n * 1.509_958e-7;
    let s = r * r;
    let p = polynomial::<M, 5>(s, [-1.666_666_7e-1, 8.333_334e-3, -1.984_127e-4, 2.755_731_9e-6, -2.505_210_8e-8]);
    let sine = M::of(p * s, r, r);
    // Odd halves turn the sign.
    f32::from_bits(sine.to_bits() ^ (rounded.to_bits() << 31))
}

/// The activation of every number of a column, in place.
#[inline(always)]
pub(super) fn activate<M: MultiplyAdd>(activation: Activation, column: &mut [f32]) {
    match activation {
        Activation::Relu => column.iter_mut().for_each(|z| *z = if *z < 0.0 { 0.0 } else { *z }),
        Activation::Gelu => column.iter_mut().for_each(|z| *z = gelu::<M>(*z)),
        Activation::Silu => column.iter_mut().for_each(|z| *z = silu::<M>(*z)),
        Activation::Tanh => column.iter_mut().for_each(|z| *z = tanh::<M>(*z)),
        Activation::Softplus => column.iter_mut().for_each(|z| *z = softplus::<M>(*z)),
        Activation::Sine => column.iter_mut().for_each(|z| *z = sine::<M>(*z)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions_are_accurate<M: MultiplyAdd>() {
        for i in -8600..=8700 {
            let x = i as f32 * 0.01;
            let wanted = f64::from(x).exp();
            let error = (f64::from(exp::<M>(x)) / wanted - 1.0).abs();
            assert!(error < 2e-7, "exp {x}: {error:e}");
            let wanted = f64::from(x).exp_m1();
            let error = (f64::from(exp_m1::<M>(x)) - wanted).abs();
            assert!(error <= 2e-7 * wanted.abs(), "exp_m1 {x}: {error:e}");
        }
        for i in 1..=100_000 {
            let x = i as f32 * 1e-3;
            let wanted = f64::from(x).ln();
            let error = (f64::from(ln::<M>(x)) - wanted).abs();
            assert!(error < 1e-7 * (1.0 + wanted.abs()), "ln {x}: {error:e}");
        }
        for i in -80_000i32..=80_000 {
            // From 1e-9 to beyond √½ and √2 on either side of 1.
            let excess = f64::from(i.signum()) * 1e-9 * (f64::from(i.abs()) * 2.6e-4).exp().min(0.9e9);
            let wanted = excess.ln_1p();
            let error = (f64::from(ln_of_excess::<M>((1.0 + excess) as f32, excess as f32)) - wanted).abs();
            assert!(error <= 2e-7 * wanted.abs(), "ln of 1 and {excess:e}: {error:e}");
        }
        for activation in Activation::ALL {
            let at: Vec<f32> = (-8000..=8000).map(|i| i as f32 * 0.0025).collect();
            let mut found = at.clone();
            activate::<M>(activation, &mut found);
            for (z, found) in at.iter().zip(found) {
                let error = (f64::from(found) - activation.twin(f64::from(*z))[0]).abs();
                assert!(error < 4e-7 * (1.0 + f64::from(z.abs())), "{activation:?} at {z}: {error:e}");
            }
        }
    }

    #[test]
    fn functions_are_those_of_the_twin_fused_or_not() {
        functions_are_accurate::<Fused>();
        functions_are_accurate::<Plain>();
    }

    #[test]
    fn no_number_is_made_of_nan() {
        for activation in Activation::ALL {
            let mut column = [f32::NAN; 3];
            activate::<Plain>(activation, &mut column);
            assert!(column.iter().all(|x| x.is_nan()), "{activation:?}");
        }
    }
}

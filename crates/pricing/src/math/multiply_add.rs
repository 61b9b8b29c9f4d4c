//! Multiply-add, fused or plain, as a type parameter: the one thing that differs between instruction sets in the loops of this crate.

/// How a target multiplies and adds. Every function of [`crate::math`] takes one as its type parameter.
pub trait MultiplyAdd: Copy + Send + Sync + 'static {
    /// a·b + c.
    fn multiply_add(a: f64, b: f64, c: f64) -> f64;

    /// a·b − fl(a·b), exactly, where neither overflows nor falls under 2^−968.
    fn product_error(a: f64, b: f64, product: f64) -> f64;
}

/// One rounding, for targets whose hardware fuses (elsewhere it is right but a slow library call).
#[derive(Clone, Copy, Debug)]
pub struct Fused;

/// Two roundings, for targets without a fused instruction.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl MultiplyAdd for Fused {
    #[inline(always)]
    fn multiply_add(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn product_error(a: f64, b: f64, product: f64) -> f64 {
        a.mul_add(b, -product)
    }
}

impl MultiplyAdd for Plain {
    #[inline(always)]
    fn multiply_add(a: f64, b: f64, c: f64) -> f64 {
        a * b + c
    }

    #[inline(always)]
    fn product_error(a: f64, b: f64, product: f64) -> f64 {
        // Dekker's product: halves of 26 bits, whose products are exact.
        let (a_high, a_low) = halves(a);
        let (b_high, b_low) = halves(b);
        a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    }
}

/// Splits into a part of 26 bits and the rest.
#[inline(always)]
fn halves(x: f64) -> (f64, f64) {
    let high = f64::from_bits(x.to_bits() & 0xffff_ffff_f800_0000);
    (high, x - high)
}

/// c\[0\] + c\[1\] x + … by Horner's rule.
#[inline(always)]
pub fn polynomial<M: MultiplyAdd, const N: usize>(x: f64, coefficients: &[f64; N]) -> f64 {
    let mut sum = coefficients[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = M::multiply_add(sum, x, coefficients[i]);
    }
    sum
}

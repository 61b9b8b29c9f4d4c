//! What a training step's matrix products are given: f32, or numbers rounded to 16 bits, as the matrix units of a device read them.
//!
//! Method  every operand of a product is rounded to the nearest number of the format, ties to the even one; sums are f32, and so is what lies
//!         between two products (bias, nonlinearity, residual); the price and the loss are f64. Parameters stay f32 outside of the products.
//! Formats bf16: 8 bits of mantissa with the leading one, f32's exponents. f16 (IEEE 754 binary16): 11 bits, greatest 65,504, least 2⁻²⁴,
//!         above 65,520 infinite
//! Source  P. Micikevicius et al., "Mixed Precision Training" (2018)

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

/// The numbers of a training step's products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// bfloat16: f32's range, 8 bits of mantissa.
    Bf16,
    /// IEEE 754 binary16: 11 bits of mantissa, from 6·10⁻⁸ to 65,504. Small gradients are kept by a loss scale.
    F16,
}

impl Precision {
    /// The name in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Greatest relative error of rounding a normal number; 0 for f32.
    pub fn unit_roundoff(self) -> f64 {
        match self {
            Self::F32 => 0.0,
            Self::Bf16 => 1.0 / 256.0,
            Self::F16 => 1.0 / 2048.0,
        }
    }

    /// Rounds numbers to the format, in place. Beyond its greatest they are infinite; NaN stays NaN.
    pub fn round(self, numbers: &mut [f32]) {
        match self {
            Self::F32 => {}
            Self::Bf16 => bf16(numbers),
            Self::F16 => f16(numbers),
        }
    }
}

#[inline(always)]
fn bf16_at(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
    if x.is_nan() { x } else { f32::from_bits(rounded) }
}

#[inline(always)]
fn f16_at(x: f32) -> f32 {
    let bits = x.to_bits();
    let size = bits & 0x7fff_ffff;
    let rounded = f32::from_bits(size.wrapping_add(0x0fff + ((size >> 13) & 1)) & 0xffff_e000);
    let rounded = if rounded > 65_504.0 { f32::INFINITY } else { rounded };
    // From 1/2 to 1 the numbers of f32 are 2⁻²⁴ apart, as those of f16 are below 2⁻¹⁴.
    let small = (f32::from_bits(size) + 0.5) - 0.5;
    let rounded = if size < 0x3880_0000 { small } else { rounded };
    if x.is_nan() { x } else { f32::from_bits(rounded.to_bits() | (bits & 0x8000_0000)) }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma+avx2", "x86_64+avx2+fma"))]
fn bf16(numbers: &mut [f32]) {
    for x in numbers {
        *x = bf16_at(*x);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma+avx2", "x86_64+avx2+fma"))]
fn f16(numbers: &mut [f32]) {
    for x in numbers {
        *x = f16_at(*x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ours against the crate `half`, to the bit (NaN as NaN).
    fn agrees(x: f32) -> Result<(), String> {
        for (precision, wanted) in
            [(Precision::Bf16, half::bf16::from_f32(x).to_f32()), (Precision::F16, half::f16::from_f32(x).to_f32())]
        {
            let mut found = [x];
            precision.round(&mut found);
            if found[0].to_bits() != wanted.to_bits() && !(found[0].is_nan() && wanted.is_nan()) {
                return Err(format!("{precision:?} of {x:e}: {:e} instead of {wanted:e}", found[0]));
            }
        }
        Ok(())
    }

    #[test]
    fn every_half_way_case_rounds_as_in_the_crate_half() {
        // All bit patterns of the upper 20 bits, with what lies below, at and above the half of either format.
        for upper in 0..1u32 << 20 {
            for lower in [0, 1, 0x7ff, 0x800, 0x801, 0xfff] {
                agrees(f32::from_bits(upper << 12 | lower)).unwrap();
            }
        }
    }

    #[test]
    fn a_number_of_the_format_stays_and_others_move_by_its_roundoff_at_most() {
        for precision in [Precision::Bf16, Precision::F16] {
            for i in 0..20_000 {
                let x = 1e-4 * 1.001f32.powi(i) * if i % 2 == 0 { 1.0 } else { -1.0 };
                let mut once = [x];
                precision.round(&mut once);
                let error = f64::from(once[0] - x).abs() / f64::from(x).abs();
                assert!(once[0].is_infinite() || error <= precision.unit_roundoff(), "{precision:?} {x}");
                let mut twice = once;
                precision.round(&mut twice);
                assert_eq!(once, twice);
            }
        }
        let mut all = [1.0 / 3.0, -1e30, f32::MIN_POSITIVE];
        Precision::F32.round(&mut all);
        assert_eq!(all, [1.0 / 3.0, -1e30, f32::MIN_POSITIVE]);
    }
}

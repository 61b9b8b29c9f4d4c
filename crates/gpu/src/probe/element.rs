//! The two floating-point types that probes compute in.

use bytemuck::Pod;
use cubecl::ir::StorageType;
use cubecl::prelude::*;

/// f32 or f64.
pub trait Element: Pod + Send + Sync + std::fmt::Debug {
    /// As tables print it.
    const NAME: &'static str;
    /// Distance from 1 to the next number, 2^-23 or 2^-52.
    const EPSILON: f64;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
    /// The same number, exactly.
    fn to_f64(self) -> f64;
    /// CubeCL's name of the type.
    fn storage_type() -> StorageType;
}

impl Element for f32 {
    const NAME: &'static str = "f32";
    const EPSILON: f64 = f32::EPSILON as f64;
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value as f32
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn storage_type() -> StorageType {
        f32::as_type_native_unchecked().storage_type()
    }
}

impl Element for f64 {
    const NAME: &'static str = "f64";
    const EPSILON: f64 = f64::EPSILON;
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn storage_type() -> StorageType {
        f64::as_type_native_unchecked().storage_type()
    }
}

/// `count` numbers in [-1, 1), the same for a seed on every machine (SplitMix64).
pub fn uniform<T: Element>(count: usize, seed: u64) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| T::from_f64(next())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_uniform_and_the_same_for_a_seed() {
        let numbers: Vec<f64> = uniform(100_000, 7);
        assert_eq!(numbers[..10], uniform::<f64>(10, 7));
        assert_ne!(numbers[..10], uniform::<f64>(10, 8));
        assert!(numbers.iter().all(|x| (-1.0..1.0).contains(x)));
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let variance = numbers.iter().map(|x| x * x).sum::<f64>() / 1e5;
        // Five standard errors: 5·√(1/3)/√n and 5·√(4/45)/√n.
        assert!(mean.abs() < 0.0092 && (variance - 1.0 / 3.0).abs() < 0.0048, "{mean} {variance}");
    }
}

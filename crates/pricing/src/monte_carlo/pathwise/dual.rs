//! A number with its derivatives by the parameters of a path.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::math::{MultiplyAdd, ln};

/// A value and its derivatives by `N` parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dual<const N: usize> {
    pub value: f64,
    pub by: [f64; N],
}

impl<const N: usize> Dual<N> {
    #[inline(always)]
    pub fn constant(value: f64) -> Self {
        Self { value, by: [0.0; N] }
    }

    /// The parameter of that place.
    #[inline(always)]
    pub fn parameter(value: f64, place: usize) -> Self {
        let mut by = [0.0; N];
        by[place] = 1.0;
        Self { value, by }
    }

    /// A function of it, by value and slope.
    #[inline(always)]
    pub fn through(self, value: f64, slope: f64) -> Self {
        Self { value, by: std::array::from_fn(|i| slope * self.by[i]) }
    }

    /// a·self + b·other
    #[inline(always)]
    fn mixed(self, value: f64, a: f64, b: f64, other: Self) -> Self {
        Self { value, by: std::array::from_fn(|i| a * self.by[i] + b * other.by[i]) }
    }

    #[inline(always)]
    pub fn square(self) -> Self {
        self.through(self.value * self.value, 2.0 * self.value)
    }

    /// The root of a number above 0.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        self.through(root, 0.5 / root)
    }

    #[inline(always)]
    pub fn ln<M: MultiplyAdd>(self) -> Self {
        self.through(ln::<M>(self.value), 1.0 / self.value)
    }
}

impl<const N: usize> Add for Dual<N> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.mixed(self.value + other.value, 1.0, 1.0, other)
    }
}

impl<const N: usize> Sub for Dual<N> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.mixed(self.value - other.value, 1.0, -1.0, other)
    }
}

impl<const N: usize> Mul for Dual<N> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.mixed(self.value * other.value, other.value, self.value, other)
    }
}

impl<const N: usize> Div for Dual<N> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let inverse = 1.0 / other.value;
        let value = self.value * inverse;
        self.mixed(value, inverse, -value * inverse, other)
    }
}

impl<const N: usize> Neg for Dual<N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.through(-self.value, -1.0)
    }
}

impl<const N: usize> Add<f64> for Dual<N> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: f64) -> Self {
        Self { value: self.value + other, ..self }
    }
}

impl<const N: usize> Mul<f64> for Dual<N> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: f64) -> Self {
        self.through(self.value * other, other)
    }
}

//! Complex numbers, as few of their operations as characteristic functions need.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::elementary::Elementary;

/// re + i im.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Complex {
    pub re: f64,
    pub im: f64,
}

/// re + i im.
#[inline(always)]
pub(super) const fn complex(re: f64, im: f64) -> Complex {
    Complex { re, im }
}

impl Complex {
    pub const ZERO: Self = complex(0.0, 0.0);
    pub const ONE: Self = complex(1.0, 0.0);

    /// |self|².
    #[inline(always)]
    pub fn norm(self) -> f64 {
        self.re * self.re + self.im * self.im
    }

    #[inline(always)]
    pub fn scale(self, factor: f64) -> Self {
        complex(self.re * factor, self.im * factor)
    }

    /// i · self.
    #[inline(always)]
    pub fn times_i(self) -> Self {
        complex(-self.im, self.re)
    }

    #[inline(always)]
    pub fn square(self) -> Self {
        complex((self.re - self.im) * (self.re + self.im), 2.0 * self.re * self.im)
    }

    /// `self` where the condition holds, else `other`, without a branch.
    #[inline(always)]
    pub fn select(self, condition: bool, other: Self) -> Self {
        complex(if condition { self.re } else { other.re }, if condition { self.im } else { other.im })
    }

    /// The root with real part at or above 0.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        let most = (0.5 * (self.norm().sqrt() + self.re.abs())).sqrt();
        let least = 0.5 * self.im / if most == 0.0 { 1.0 } else { most };
        let other = complex(least.abs(), most.copysign(self.im));
        complex(most, least).select(self.re >= 0.0, other)
    }

    #[inline(always)]
    pub fn exp<E: Elementary>(self) -> Self {
        let (sin, cos) = E::sin_cos(self.im);
        let size = E::exp(self.re);
        complex(size * cos, size * sin)
    }

    /// e^self − 1, to relative accuracy near 0.
    #[inline(always)]
    pub fn exp_m1<E: Elementary>(self) -> Self {
        let (sin, cos) = E::sin_cos(0.5 * self.im);
        let grown = E::exp_m1(self.re);
        // cos y − 1 = −2 sin²(y/2), sin y = 2 sin(y/2) cos(y/2)
        let versine = -2.0 * sin * sin;
        complex(grown + (grown + 1.0) * versine, (grown + 1.0) * 2.0 * sin * cos)
    }

    /// ln(1 + self), principal, to relative accuracy near 0.
    #[inline(always)]
    pub fn ln_1p<E: Elementary>(self) -> Self {
        let w = 2.0 * self.re + self.norm();
        let one = 1.0 + w;
        // What adding 1 has lost, by Taylor's first term.
        let lost = w - (one - 1.0);
        complex(0.5 * (E::ln(one) + lost / one), E::atan2(self.im, 1.0 + self.re))
    }

    /// ln(1 + self)/self, and its derivative.
    #[inline(always)]
    pub fn ln_1p_ratio<E: Elementary>(self) -> (Self, Self) {
        let size = self.norm();
        let tiny = size < 1e-200;
        let safe = Self::ONE.select(tiny, self);
        let ratio = Self::ONE.select(tiny, safe.ln_1p::<E>() / safe);
        let direct = (Self::ONE / (Self::ONE + safe) - ratio) / safe;
        // −1/2 + 2z/3 − 3z²/4 + …, within 1e-14 where |z| < 0.01.
        let mut series = complex(-7.0 / 8.0, 0.0);
        for coefficient in [6.0 / 7.0, -5.0 / 6.0, 4.0 / 5.0, -3.0 / 4.0, 2.0 / 3.0, -0.5] {
            series = complex(coefficient, 0.0) + self * series;
        }
        (ratio, series.select(size < 1e-4, direct))
    }
}

impl Add for Complex {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        complex(self.re + other.re, self.im + other.im)
    }
}

impl Sub for Complex {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        complex(self.re - other.re, self.im - other.im)
    }
}

impl Mul for Complex {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        complex(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)
    }
}

impl Div for Complex {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let inverse = 1.0 / other.norm();
        complex(
            (self.re * other.re + self.im * other.im) * inverse,
            (self.im * other.re - self.re * other.im) * inverse,
        )
    }
}

impl Neg for Complex {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        complex(-self.re, -self.im)
    }
}

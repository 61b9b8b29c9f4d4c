//! Eight values side by side: what one 512-bit vector, two 256-bit or four 128-bit ones hold. Loops over them are unrolled and vectorised
//! with the instructions of the kernel that they are inlined into (see [`crate::math::dispatch`]). Loops, not `map` and `from_fn` of arrays:
//! those stay calls, round which every vector register is saved.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::math::MultiplyAdd;

/// Values side by side.
pub(super) const LANES: usize = 8;

/// Eight values.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Lanes(pub(super) [f64; LANES]);

macro_rules! by_lane {
    ($trait:ident, $method:ident, $operator:tt) => {
        impl $trait for Lanes {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let mut out = self;
                for i in 0..LANES {
                    out.0[i] = self.0[i] $operator other.0[i];
                }
                out
            }
        }
    };
}

by_lane!(Add, add, +);
by_lane!(Sub, sub, -);
by_lane!(Mul, mul, *);
by_lane!(Div, div, /);

impl Neg for Lanes {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out.0[i] = -self.0[i];
        }
        out
    }
}

impl Lanes {
    pub(super) const ZERO: Self = Self([0.0; LANES]);
    pub(super) const ONE: Self = Self([1.0; LANES]);

    #[inline(always)]
    pub(super) fn splat(value: f64) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    pub(super) fn sqrt(self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out.0[i] = self.0[i].sqrt();
        }
        out
    }

    /// self·by + plus.
    #[inline(always)]
    pub(super) fn times_plus<M: MultiplyAdd>(self, by: Self, plus: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out.0[i] = M::multiply_add(self.0[i], by.0[i], plus.0[i]);
        }
        out
    }

    /// The lesser of each pair; NaN in `self` gives the other.
    #[inline(always)]
    pub(super) fn least(self, other: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out.0[i] = if self.0[i] < other.0[i] { self.0[i] } else { other.0[i] };
        }
        out
    }

    /// The greater of each pair; NaN in `self` gives the other.
    #[inline(always)]
    pub(super) fn greatest(self, other: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out.0[i] = if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] };
        }
        out
    }

    /// The values where `there` is not zero, +∞ elsewhere.
    #[inline(always)]
    pub(super) fn where_there(self, there: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out.0[i] = if there.0[i] > 0.0 { self.0[i] } else { f64::INFINITY };
        }
        out
    }

    /// The sum, added as a balanced tree.
    #[inline(always)]
    pub(super) fn sum(self) -> f64 {
        let v = self.0;
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }

    /// The least of the eight.
    #[inline(always)]
    pub(super) fn min(self) -> f64 {
        let lesser = |one: f64, other: f64| if one < other { one } else { other };
        let v = self.0;
        let mut half = [0.0; LANES / 2];
        for i in 0..LANES / 2 {
            half[i] = lesser(v[i], v[i + LANES / 2]);
        }
        lesser(lesser(half[0], half[2]), lesser(half[1], half[3]))
    }
}

/// The eight values of `column` from `at` on; what it has not got is `fill`.
#[inline(always)]
pub(super) fn load(column: &[f64], at: usize, fill: f64) -> Lanes {
    let mut lanes = Lanes::splat(fill);
    if let Some(part) = column.get(at..at + LANES) {
        #[allow(clippy::manual_memcpy, reason = "a loop becomes a load; a copy goes through memory")]
        for i in 0..LANES {
            lanes.0[i] = part[i];
        }
    } else {
        for (lane, value) in lanes.0.iter_mut().zip(&column[at..]) {
            *lane = *value;
        }
    }
    lanes
}

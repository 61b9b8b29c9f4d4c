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

    /// Whether any is below `bound`.
    #[inline(always)]
    pub(super) fn is_any_below(self, bound: f64) -> bool {
        let mut any = false;
        for i in 0..LANES {
            any |= self.0[i] < bound;
        }
        any
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

/// A column in blocks of eight. The last block is filled up once, before the loop over the blocks: a block is one load from one place or
/// another, where a branch between a load and a copy would break the loop into vectors of two.
pub(super) struct Column<'a> {
    whole: &'a [[f64; LANES]],
    last: [f64; LANES],
}

impl<'a> Column<'a> {
    /// `values`, and `fill` in what the last block has not got.
    #[inline(always)]
    pub(super) fn new(values: &'a [f64], fill: f64) -> Self {
        let (whole, rest) = values.as_chunks::<LANES>();
        let mut last = [fill; LANES];
        for (last, value) in last.iter_mut().zip(rest) {
            *last = *value;
        }
        Self { whole, last }
    }

    /// The same for sums, to which the order within an eight is all one: the last eight values are one load, and those of them that are in
    /// a whole eight already give way to `fill`.
    #[inline(always)]
    pub(super) fn in_any_order(values: &'a [f64], fill: f64) -> Self {
        let (whole, rest) = values.as_chunks::<LANES>();
        let Some(tail) = values.last_chunk::<LANES>() else { return Self::new(values, fill) };
        let mut last = [fill; LANES];
        for i in 0..LANES {
            last[i] = if i + rest.len() < LANES { fill } else { tail[i] };
        }
        Self { whole, last }
    }

    /// `values`, which fill their eights up; what is less than eight at the end is left out.
    #[inline(always)]
    pub(super) fn whole(values: &'a [f64]) -> Self {
        Self { whole: values.as_chunks::<LANES>().0, last: [0.0; LANES] }
    }

    /// Eight values.
    #[inline(always)]
    pub(super) fn block(&self, block: usize) -> Lanes {
        let from = self.whole.get(block).unwrap_or(&self.last);
        let mut lanes = Lanes::ZERO;
        #[allow(clippy::manual_memcpy, reason = "a loop becomes a load; a copy goes through memory")]
        for i in 0..LANES {
            lanes.0[i] = from[i];
        }
        lanes
    }
}

/// Blocks of a column of `len` values.
#[inline(always)]
pub(super) fn blocks(len: usize) -> usize {
    len.div_ceil(LANES)
}

// What follows is not inlined: the stores of its arguments to memory are what the vectoriser starts from, eight wide. With additions of
// pairs of lanes in their place it would start from these, and leave the whole loop before them in vectors of two.

/// The sum of each of many accumulators.
#[inline(never)]
pub(super) fn sums<const N: usize>(of: &[Lanes; N]) -> [f64; N] {
    let mut out = [0.0; N];
    for (out, lanes) in out.iter_mut().zip(of) {
        *out = lanes.sum();
    }
    out
}

/// [`Lanes::min`].
#[inline(never)]
pub(super) fn least_of(lanes: &Lanes) -> f64 {
    lanes.min()
}

/// The natural logarithm of the product of the eight.
#[inline(never)]
pub(super) fn logarithm_of_product(lanes: &Lanes) -> f64 {
    let v = lanes.0;
    (((v[0] * v[4]) * (v[2] * v[6])) * ((v[1] * v[5]) * (v[3] * v[7]))).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_comes_in_blocks_and_the_last_is_filled_up() {
        for n in [0_usize, 1, 7, 8, 9, 24, 27] {
            let values: Vec<f64> = (0..n).map(|i| i as f64 + 0.5).collect();
            let column = Column::new(&values, -1.0);
            let all: Vec<f64> = (0..blocks(n)).flat_map(|block| column.block(block).0).collect();
            let filled: Vec<f64> = (0..n.next_multiple_of(LANES)).map(|i| *values.get(i).unwrap_or(&-1.0)).collect();
            assert_eq!(all, filled, "{n}");
            let column = Column::in_any_order(&values, -1.0);
            let mut all: Vec<f64> = (0..blocks(n)).flat_map(|block| column.block(block).0).collect();
            all.sort_by(f64::total_cmp);
            let fills = filled.len() - n;
            assert_eq!((&all[..fills], &all[fills..]), (&vec![-1.0; fills][..], &values[..]), "{n}");
        }
    }

    #[test]
    fn what_is_not_inlined_is_what_its_name_says() {
        let (one, other) = (Lanes([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), Lanes::splat(0.25));
        assert_eq!(sums(&[one, other]), [36.0, 2.0]);
        assert_eq!((least_of(&one), least_of(&-one)), (1.0, -8.0));
        assert!((logarithm_of_product(&one) - 40_320_f64.ln()).abs() < 1e-14);
        assert!(one.is_any_below(1.5) && !one.is_any_below(1.0) && !Lanes::splat(f64::NAN).is_any_below(1.0));
    }
}

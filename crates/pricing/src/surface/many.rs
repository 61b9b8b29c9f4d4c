//! Many points of a surface at once: what is the same for all models of the last steps, in loops that are compiled for the machine's vectors.

use crate::math::{Kernel, MultiplyAdd, Target, dispatch};

/// Points in one block: what is computed between two steps stays in the nearest cache.
pub(super) const BLOCK: usize = 64;

/// √(w/t), in place.
pub(super) fn to_volatilities(expiry_years: &[f64], total_variances: &mut [f64]) {
    dispatch(Target::best(), Volatilities { expiry_years, total_variances });
}

struct Volatilities<'a> {
    expiry_years: &'a [f64],
    total_variances: &'a mut [f64],
}

impl Kernel for Volatilities<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        for (w, t) in self.total_variances.iter_mut().zip(self.expiry_years) {
            *w = (*w / t).sqrt();
        }
    }
}

/// What joins the smiles before and after a point: scale · (w₁ + passed/length · (w₂ − w₁)) + gain.
#[derive(Clone, Copy)]
pub(super) struct Join {
    pub(super) passed: f64,
    pub(super) length: f64,
    pub(super) scale: f64,
    pub(super) gain: f64,
}

impl Join {
    /// One smile as it is.
    pub(super) const ONE: Self = Self { passed: 0.0, length: 1.0, scale: 1.0, gain: 0.0 };
    /// No value.
    pub(super) const NONE: Self = Self { gain: f64::NAN, ..Self::ONE };
}

/// Joins a block: `low` has w₁ and gets the result, `high` has w₂.
pub(super) fn join(joins: &[Join], high: &[f64], low: &mut [f64]) {
    dispatch(Target::best(), Joined { joins, high, low });
}

struct Joined<'a> {
    joins: &'a [Join],
    high: &'a [f64],
    low: &'a mut [f64],
}

impl Kernel for Joined<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        for ((low, high), join) in self.low.iter_mut().zip(self.high).zip(self.joins) {
            *low = join.scale * (*low + join.passed / join.length * (high - *low)) + join.gain;
        }
    }
}

//! Elementary functions that vectorise: branch-free f64 exp, ln, erfcx and the normal distribution, generic over fused or plain
//! multiply-add so that one source serves AVX-512, AVX2+FMA and the baseline.
//!
//! Every function is `#[inline(always)]` and free of branches, so that a loop that calls it over slices becomes vector code in whatever
//! [`Target`] the loop was [`dispatch`]ed to. Outside such a loop call them with [`Plain`].

mod dispatch;
mod exponential;
pub(crate) mod grid;
pub(crate) mod kernel;
mod logarithm;
mod multiply_add;
mod normal;
pub(crate) mod part;
pub(crate) mod reduction;
#[cfg(test)]
mod tests;

pub use dispatch::{Kernel, Target, dispatch};
pub use exponential::{ScaledExponential, exp, exp_moderate, exp_scaled};
pub use logarithm::{ln, ln_ratio};
pub use multiply_add::{Fused, MultiplyAdd, Plain, polynomial};
pub use normal::{FRAC_1_SQRT_2PI, Mills, erfcx, exp_half_square, mills, mills_parts, normal_cdf, normal_pdf};

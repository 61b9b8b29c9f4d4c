//! The normal distribution.

/// N(x), to relative accuracy in the lower tail.
pub(super) fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

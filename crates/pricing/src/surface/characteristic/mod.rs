//! Models known by their characteristic functions as surfaces: one set of parameters for all expiries, free of static arbitrage by
//! construction.
//!
//! Parameters are found by least squares over all quotes at once, with the analytic gradient of the prices (Y. Cui, S. del Baño Rollin
//! and G. Germano 2017, "Full and fast calibration of the Heston stochastic volatility model"), in a box that each model states
//! ([`bounds`]). Feller's condition is not asked for: prices are right without it, and index surfaces do not meet it
//! ([`Heston::feller_ratio`] tells).

mod descent;
mod fit;
mod market;
mod parameters;
mod rare_jumps;
mod starts;
#[cfg(test)]
mod tests;
mod variance;

pub use fit::{bates, heston, heston_from, kou, merton};
pub use parameters::bounds;

#[cfg(doc)]
use crate::fourier::Heston;

//! Models that follow the quotes closely and promise no more: splines, radial basis functions, kriging, a neural network. Beyond the quotes
//! all of them continue linearly in total variance within Lee's bound. None but the arbitrage-free smoothing spline is free of arbitrage;
//! [`violations`](super::violations) says where they have it and how much.

pub mod cubic_spline;
mod knots;
pub mod monotone_spline;
mod piecewise_cubic;
mod remarks;
#[cfg(test)]
mod tests;

pub use piecewise_cubic::PiecewiseCubic;

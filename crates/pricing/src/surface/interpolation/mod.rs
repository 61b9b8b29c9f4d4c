//! Models that follow the quotes closely and promise no more: splines, radial basis functions, kriging, a neural network. Beyond the quotes
//! all of them continue linearly in total variance within Lee's bound. None but the arbitrage-free smoothing spline is free of arbitrage;
//! [`violations`](super::violations) says where they have it and how much.

mod backbone;
pub mod cubic_spline;
mod dense;
mod domain;
mod kernel;
mod knots;
pub mod kriging;
pub mod monotone_spline;
pub mod neural;
mod piecewise_cubic;
#[cfg(test)]
mod plane_tests;
pub mod rbf;
mod remarks;
pub mod smoothing_spline;
#[cfg(test)]
mod tests;

pub use backbone::Backbone;
pub use domain::Domain;
pub use kriging::Kriging;
pub use neural::Neural;
pub use piecewise_cubic::PiecewiseCubic;
pub use rbf::Rbf;

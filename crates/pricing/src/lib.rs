//! Values options: Greeks, implied volatility, American exercise, and the volatility surfaces that they read and fit.

pub mod american;
#[cfg(test)]
mod any_bits;
pub mod black;
#[cfg(test)]
mod cuda_source;
pub mod displaced;
pub mod exotic;
pub mod finite_difference;
pub mod fourier;
pub mod implied_vol;
pub mod limits;
pub mod math;
pub mod monte_carlo;
pub mod parity;
pub mod portfolio;
pub mod surface;
pub mod tolerance;
pub mod valuation;

//! Values options: Greeks, implied volatility, American exercise, and the volatility surfaces that they read and fit.

pub mod american;
pub mod black;
pub mod implied_vol;
pub mod math;
pub mod parity;
pub mod surface;
pub mod tolerance;

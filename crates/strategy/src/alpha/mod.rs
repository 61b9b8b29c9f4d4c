//! Alpha: signals that may tell where a price goes, how they are joined, and how much they told.
//!
//! Pure functions over columns with times in nanoseconds since the epoch. A value that is not there is `None` and never filled; a signal at row n
//! depends on rows up to n alone, which tests hold by prefixes. What is fitted to rows says to which, and what is computed of a fit starts behind them.

pub mod arbitrage;
pub mod combine;
mod error;
pub mod evaluation;
mod least_squares;
pub mod mean_reversion;
mod moments;
pub mod momentum;
pub mod options;
mod pace;
pub mod regime;
pub mod sentiment;

pub use error::AlphaError;
pub use pace::SteadyPace;

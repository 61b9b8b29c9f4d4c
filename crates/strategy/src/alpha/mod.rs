//! Alpha: signals that may tell where a price goes, how they are joined, and how much they told.
//!
//! Pure functions over columns with times. A value that is not there is `None` and never filled; a signal at row n depends on rows up to n alone.

pub mod arbitrage;
pub mod options;

//! Technical indicators over bars, and patterns of bars.
//!
//! Each takes bars one by one in constant time. Window: its last bars (an exponential one never quite forgets). Prices are in whatever unit the bars
//! have; what a value's unit is stands with each. A value is `None` until there are as many bars as its definition needs. A bar that is no bar
//! ([`Bar::checked`]) is left out.

pub mod averages;
mod bar;
pub mod oscillators;
pub mod patterns;
pub mod ranges;
pub mod volumes;

pub use bar::{Bar, TradeBars};

#[cfg(test)]
mod tests;

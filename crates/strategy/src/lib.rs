//! Analysis of a chain and the strategies that trade on it.

pub mod alpha;
pub mod analysis;
pub mod demo;
mod random;

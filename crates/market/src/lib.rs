//! Turns feed bytes and files into records: option chains and daily bars.

pub mod bars;
pub mod chain;

//! `zomma alpha arbitrage`: what is found in each day of a chain, as rows for a table, JSON and a terminal.

mod output;
mod rows;
mod terminal;

pub use output::{create, write};
pub use rows::DayFindings;
pub use terminal::text;

//! `zomma alpha options`: the features of each day as rows for tables, JSON and a terminal.

mod rows;
mod tables;
mod terminal;

pub use rows::DayFeatures;
pub use tables::{Table, write};
pub use terminal::text;

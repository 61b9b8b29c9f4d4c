//! Quantisation from the command line: what an option costs before and after, and the words for what was lost.

mod report;
mod speed;

pub use report::{Report, json, table};
pub use speed::{Speed, measure};

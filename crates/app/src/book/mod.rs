//! `zomma book`: recorded feeds, replayed into order books.

mod counts;
mod latency;
mod moment;
mod replay;
mod report;
mod rows;
mod run;
mod verdict;

pub use moment::{Moment, parse_moment};
pub use report::{json, text};
pub use run::{Job, run};

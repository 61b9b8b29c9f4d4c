//! Training from the command line: who watches the run, what it took against the closed form, and the words for it.

pub mod allocations;
pub mod memory;
mod nvtx;
pub mod profile;
pub mod ranks;
mod report;
mod speed;
mod table_report;
mod watcher;

pub use report::{Report, json, summary, table};
pub use speed::{Speed, measure};
pub use watcher::Watcher;

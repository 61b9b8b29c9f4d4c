//! A search of hyperparameters: its workers and what the user sees of it.

mod report;
mod run;
mod watcher;

pub use report::{json, table};
pub use run::{Job, run};

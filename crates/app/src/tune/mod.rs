//! A search of hyperparameters: its workers and what the user sees of it.

mod report;
mod run;
mod watcher;

pub use report::{Found, json, table};
pub use run::{Job, in_folder, run};

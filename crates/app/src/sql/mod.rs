//! `zomma sql`: a query's rows on their way out, and what is said of functions and tables.

mod listing;
mod output;
mod run;
mod text_table;

pub use listing::{functions, functions_json};
pub use output::{Format, Output};
pub use run::{Job, run};

//! `zomma surface`: what the commands share. Quotes come in as chains or as tables of volatilities, surfaces go out as files.

mod comparison;
mod days;
mod fit;
mod history;
mod plot;
mod quotes;
mod saved_file;
mod text;
mod variance_clock;
mod vol_table;

pub use comparison::{Outcome, compare, pooled};
pub use days::read_days;
pub use fit::{FitOptions, fit, fit_svi_from};
pub use history::{FittedDay, drift_text, history_html, parameters_csv, shapes_csv};
pub use plot::{html, svg};
pub use quotes::{Quotes, file_name};
pub use saved_file::{read, write};
pub use text::{error, fit_line, fit_text, share};
pub use variance_clock::ClockOptions;

//! Networks of tables of one's own: what they say of rows, and what they are worth beside a mean and a ridge regression.
//!
//! Inputs, scales and targets are [`crate::network::TableColumns`]; the config is [`crate::config::TableConfig`]. See docs/training-data.md.

mod assessment;
mod derive;
mod predictor;
mod ridge;
#[cfg(test)]
mod tests;

pub use assessment::{Assessment, Errors, Importance, RidgeErrors};
pub(crate) use assessment::{Parts, assess};
pub use derive::{Columns, Derivation, Derived, GreekDerivation, NumberOr, SeriesDerivation, TimeDerivation, TimeUnit};
pub use predictor::{RowStatus, TablePredictor};

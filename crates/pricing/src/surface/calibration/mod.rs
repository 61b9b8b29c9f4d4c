//! How any model is fitted to quotes: what a miss is, what it costs, how the least cost is found, and how well it is determined.

mod fit;
mod levenberg;
pub(in crate::surface) mod noise;
mod note;
mod objective;
mod quote_notes;
mod settings;
mod stability;
#[cfg(test)]
mod stability_tests;
#[cfg(test)]
mod tests;

pub use fit::{Fit, FitError};
pub use levenberg::{Bounds, Normal, Solution, minimise, minimise_within};
pub(super) use note::by_expiry;
pub use note::{Note, Reason};
pub use objective::{Objective, Point};
pub(super) use quote_notes::{moved, quote_notes};
pub use settings::{Estimator, ModelSettings, Residual, SabrHeld, Settings, Weights};
pub use stability::{Evidence, Row, Stability, stability};

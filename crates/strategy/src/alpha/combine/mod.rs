//! Signals joined to one, walk-forward alone: what a row is given by was fitted to returns that were known at its time.
//!
//! A row takes part where all signals are there. Weights are those of standardised signals; a combined value is a forecast of the return's difference from
//! its mean, in the return's unit.

mod inverse_variance;
mod online;
mod ridge;
mod walk_forward;

pub use online::{OnlineGradient, online};
pub use walk_forward::{Combined, Fold, Method, Split, walk_forward};

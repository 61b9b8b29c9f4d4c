//! Instruments, time and calendars, statuses, bounds, seeds and errors that every other crate speaks.

pub mod bounds;
pub mod calendar;
mod instrument;
pub mod occ;
pub mod root;
mod status;
pub mod time;

pub use instrument::{ExerciseStyle, OptionType, Settlement};
pub use occ::OccSymbol;
pub use status::Status;

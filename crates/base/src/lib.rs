//! Instruments, time and calendars, statuses, bounds, seeds and errors that every other crate speaks.

mod instrument;
mod status;

pub use instrument::{ExerciseStyle, OptionType, Settlement};
pub use status::Status;

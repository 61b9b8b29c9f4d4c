//! Instruments, time and calendars, statuses, bounds, seeds and errors that every other crate speaks.
//!
//! ```
//! use zomma_base::{OccSymbol, root, time};
//!
//! let option = OccSymbol::parse("SPXW190426C02900000")?;
//! let expiry = time::expiry_instant(option.expiry, root::settlement(option.root()));
//! assert_eq!(expiry.to_string(), "2019-04-26T20:00:00Z"); // 16:00 in New York
//! # Ok::<(), zomma_base::occ::OccError>(())
//! ```

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

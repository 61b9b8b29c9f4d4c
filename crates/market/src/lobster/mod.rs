//! LOBSTER's files: the messages of a stock's day, and the order book after each, at so many levels as were ordered.
//!
//! [`Decoder`] makes events of the messages, [`RowWriter`] writes any book in the columns of the orderbook file, and [`check_day`] says whether the two
//! files of a day agree, message by message. The format is that of LOBSTER's "Sample Files Readme" of 1 September 2013: no header; prices in dollars
//! times 10,000; times in seconds after midnight with decimals to the nanosecond.
//!
//! A messages file begins with orders resting that it never told, and leaves out what happens outside the ordered levels. Books that are made of
//! messages alone therefore meet orders that they do not know; [`check_day`] takes each step from the row before it and needs no history.
//!
//! ```
//! use zomma_market::lobster::check_day;
//!
//! let messages = b"34200.1,1,77,30,5853300,1\n34200.25,4,77,10,5853300,1\n";
//! let orderbook = b"5859400,200,5853300,30\n5859400,200,5853300,20\n";
//! let report = check_day(messages, orderbook)?;
//! assert_eq!((report.rows, report.whole, report.mismatched), (2, 1, 0));
//! # Ok::<(), zomma_market::feed::FeedError>(())
//! ```

mod check;
mod decoder;
mod message;
mod row;
#[cfg(test)]
pub(crate) mod samples;

pub use check::{Mismatch, StepCheck, StepReport, check_day};
pub use decoder::Decoder;
pub use message::{Kind, Message, MessageProblem};
pub use row::{Row, RowWriter};

/// Prices have four decimals.
const TICK_NANOS: i64 = 100_000;
/// Sizes are whole shares.
const LOT_NANOS: i64 = 1_000_000_000;
/// The price of an ask that is not there; of a bid, less than none.
const FILLER: i64 = 9_999_999_999;

//! Option chains from files: layouts recognised by their columns.
//!
//! [`members`] opens a path (a file, a directory, a tar, each perhaps compressed) and gives its files one after the other;
//! [`parse`] turns one file into chains. A file is what its content says (CSV, Parquet, JSON), whatever its name. Columns are
//! found by name ([`columns`] has the table of synonyms), in any order.
//!
//! A row that cannot be read stays, with a status; a file that cannot be read is a [`ChainError`]. A file holds at most
//! [`MAX_ROWS`] rows and [`MAX_MEMBER_BYTES`] bytes, and a chain [`MAX_CHAIN_ROWS`] rows; a row takes some 100 bytes of memory
//! beside the file's own.

mod build;
pub(crate) mod cell;
pub mod columns;
mod contained;
pub(crate) mod csv;
mod error;
mod json;
mod member;
mod parquet;
mod quotes;
pub(crate) mod recognise;

use jiff::civil::{Date, Time};

pub use error::ChainError;
pub use member::{MAX_MEMBER_BYTES, Member, members};
pub use quotes::{Quotes, Symbols};

/// Greatest number of rows in one file.
pub const MAX_ROWS: usize = 12_000_000;
/// Greatest number of rows in one chain. The largest that is traded, SPX, has some 30,000.
pub const MAX_CHAIN_ROWS: usize = 2_000_000;
/// Greatest number of chains in one file.
pub const MAX_CHAINS: usize = 200_000;

/// Which layout a file was recognised as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// CBOE end-of-day: OCC symbols in `optionroot`, MM/DD/YYYY dates, a snapshot before the close.
    CboeEndOfDay,
    /// SPY 2021: the same names with ISO dates and vendor Greeks.
    CboeEndOfDayIso,
    /// LEAN: `date,expiration,strike,type,bid_close,ask_close,…`.
    Lean,
    /// CBOE delayed-quotes JSON.
    CboeDelayedQuotes,
    /// Our own column names.
    Zomma,
    /// Recognised through `--map` or by synonyms.
    Mapped,
}

/// What the reader is told.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// `--map ours=theirs`.
    pub column_map: Vec<(String, String)>,
    /// `--underlying`: keep this one where a file holds several, and name it where the file does not.
    pub underlying: Option<String>,
}

/// The quotes of one underlying on one date (at one time, where the file holds several snapshots of a day), as columns of
/// one length.
#[derive(Clone, Debug)]
pub struct Chain {
    /// File (and member of a tar) that the rows came from.
    pub source: String,
    /// How it was read.
    pub layout: Layout,
    /// Ticker of the underlying.
    pub underlying: String,
    /// Date of the quotes.
    pub quote_date: Date,
    /// Local time in New York of the quotes, where the file says it.
    pub quote_time: Option<Time>,
    /// Price of the underlying, where the file says it.
    pub underlying_last: Option<f64>,
    /// What a user should be told: where the underlying's name came from; of each fault the first row, its value and what is
    /// allowed.
    pub notes: Vec<String>,
    /// The rows.
    pub quotes: Quotes,
}

/// The chains of one member, one an underlying and quote date (and quote time, where the file has several a day), in order
/// of date, time and underlying.
pub fn parse(member: &Member, options: &ReadOptions) -> Result<Vec<Chain>, ChainError> {
    let bytes = member.bytes.as_slice();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ChainError::Empty { path: member.name.clone() });
    }
    if bytes.starts_with(b"PAR1") {
        return parquet::parse(member, options);
    }
    if bytes.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'[')) {
        return json::parse(member, options);
    }
    csv::parse(member, options)
}

#[cfg(test)]
mod tests;

//! Why a file gave no bars.

use crate::chain::ChainError;

/// Why daily bars could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BarsError {
    /// The file cannot be opened, decompressed or taken for text.
    #[error(transparent)]
    File(#[from] ChainError),
    /// Columns are missing.
    #[error(
        "{path}: not daily bars: found columns [{found}]; missing {missing}; needed: date, close (and open, high, low, volume, adjClose, divCash where there are)"
    )]
    Unrecognised {
        /// File.
        path: String,
        /// Columns found.
        found: String,
        /// Columns missing.
        missing: String,
    },
    /// A header and nothing behind it.
    #[error("{path}: no data rows behind the header [{found}]")]
    NoRows {
        /// File.
        path: String,
        /// Columns found.
        found: String,
    },
    /// A value that cannot be.
    #[error("{path}: row {row}: {field} {value:?}; allowed: {allowed}")]
    BadField {
        /// File.
        path: String,
        /// Row, from 1.
        row: usize,
        /// Column.
        field: &'static str,
        /// What the row has.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Two rows of one date.
    #[error("{path}: row {row}: a second bar for {date}; allowed: one a day")]
    DuplicateDate {
        /// File.
        path: String,
        /// Row, from 1.
        row: usize,
        /// Date.
        date: jiff::civil::Date,
    },
    /// More than one ticker.
    #[error("{path}: row {row}: symbol {second:?} behind {first:?}; allowed: the bars of one underlying")]
    SeveralSymbols {
        /// File.
        path: String,
        /// Row, from 1.
        row: usize,
        /// Ticker of the rows before.
        first: String,
        /// Ticker of this row.
        second: String,
    },
}

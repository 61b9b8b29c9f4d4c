//! Why a file gave no chain.

use super::{MAX_CHAIN_ROWS, MAX_CHAINS, MAX_MEMBER_BYTES, MAX_ROWS};

/// Why a chain could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The file, directory or member cannot be opened or read.
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        /// File.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// No byte but blanks.
    #[error("{path}: the file is empty; needed: a header line and rows")]
    Empty {
        /// File.
        path: String,
    },
    /// A header and nothing behind it.
    #[error("{path}: no data rows behind the header [{found}]")]
    NoRows {
        /// File.
        path: String,
        /// Columns found.
        found: String,
    },
    /// Neither text nor Parquet nor JSON.
    #[error("{path}: not text: {what}; allowed: CSV (UTF-8), Parquet or JSON, plain or as .gz, .xz, .zst")]
    NotText {
        /// File.
        path: String,
        /// What it looks like.
        what: &'static str,
    },
    /// The header has one column: none of the known delimiters is in it.
    #[error(
        "{path}: no delimiter in the header {header:?}; allowed: comma, semicolon, tab or |, and one of these layouts: {needed}"
    )]
    Delimiter {
        /// File.
        path: String,
        /// The first line.
        header: String,
        /// Columns needed.
        needed: String,
    },
    /// The columns are of no known layout.
    #[error("{path}: not a chain that I know: found columns [{found}]; needed: {needed}")]
    Unrecognised {
        /// File.
        path: String,
        /// Columns found.
        found: String,
        /// Columns needed.
        needed: String,
    },
    /// `--map` names a column that is not ours.
    #[error("--map {ours}={theirs}: {ours:?} is not one of our columns; allowed: {allowed}")]
    MapUnknown {
        /// Left side.
        ours: String,
        /// Right side.
        theirs: String,
        /// Our columns.
        allowed: String,
    },
    /// `--map` names a column that the file does not have.
    #[error("{path}: --map {ours}={theirs}: no column {theirs:?}; found columns [{found}]")]
    MapAbsent {
        /// File.
        path: String,
        /// Left side.
        ours: String,
        /// Right side.
        theirs: String,
        /// Columns found.
        found: String,
    },
    /// Nothing says what the options are on.
    #[error("{path}: no column and no file name says the underlying; give --underlying TICKER")]
    NoUnderlying {
        /// File.
        path: String,
    },
    /// `--underlying` is not in the file.
    #[error("{path}: no row of --underlying {wanted}; the file has {found}")]
    UnderlyingAbsent {
        /// File.
        path: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// No row of the file has a value that the whole chain needs.
    #[error("{path}: row {row}: {field} {value:?}; allowed: {allowed}; no row of the file has one")]
    BadField {
        /// File.
        path: String,
        /// First row, from 1.
        row: u32,
        /// Column.
        field: &'static str,
        /// What the row has.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Truncated or damaged.
    #[error("{path}: truncated or damaged {format}: {reason}")]
    Corrupt {
        /// File.
        path: String,
        /// Format.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Too many rows.
    #[error("{path}: more than {MAX_ROWS} rows; allowed: {MAX_ROWS} a file (split it by date)")]
    TooManyRows {
        /// File.
        path: String,
    },
    /// Too many rows of one underlying on one date.
    #[error(
        "{path}: row {row}: more than {MAX_CHAIN_ROWS} rows of {underlying} on {quote_date}; allowed: {MAX_CHAIN_ROWS} a chain"
    )]
    ChainTooLong {
        /// File.
        path: String,
        /// Row, from 1.
        row: u32,
        /// Ticker.
        underlying: String,
        /// Date of the quotes.
        quote_date: jiff::civil::Date,
    },
    /// Too many chains.
    #[error(
        "{path}: row {row}: more than {MAX_CHAINS} different underlyings and quote dates; allowed: {MAX_CHAINS} chains a file"
    )]
    TooManyChains {
        /// File.
        path: String,
        /// Row, from 1.
        row: u32,
    },
    /// Too many bytes.
    #[error("{path}: more than {} MiB decompressed; allowed: {} MiB a file (split it by date)", MAX_MEMBER_BYTES >> 20, MAX_MEMBER_BYTES >> 20)]
    TooLarge {
        /// File.
        path: String,
    },
    /// Too many names of one kind in one chain.
    #[error("{path}: row {row}: more than {allowed} option roots on one date; allowed: {allowed}")]
    TooManyRoots {
        /// File.
        path: String,
        /// Row, from 1.
        row: u32,
        /// Greatest number.
        allowed: usize,
    },
    /// A directory or tar without any file in it.
    #[error("{path}: no files in it")]
    NoMembers {
        /// Directory or tar.
        path: String,
    },
    /// A directory or tar in which no file is a chain.
    #[error("{path}: none of the {count} files in it is a chain: {reasons}")]
    NoChain {
        /// Directory or tar.
        path: String,
        /// Files in it.
        count: usize,
        /// Why each was skipped.
        reasons: String,
    },
}

impl ChainError {
    /// Whether the file is something else than a chain (and may be skipped among many), rather than a chain that is damaged.
    pub fn is_no_chain(&self) -> bool {
        matches!(self, Self::Unrecognised { .. } | Self::NotText { .. } | Self::Delimiter { .. } | Self::Empty { .. })
    }
}

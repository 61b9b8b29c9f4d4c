//! Option chains from files: layouts recognised by their columns.

use std::path::Path;

use jiff::civil::{Date, DateTime, Time};
use zomma_base::{ExerciseStyle, OptionType, Settlement, Status};

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

/// Columns of a chain. NaN is an absent number. A row that could not be read has a status other than `Ok`.
#[derive(Clone, Debug, Default)]
pub struct Quotes {
    /// Number of the data row in its source, from 1 (the header is not counted).
    pub source_row: Vec<u32>,
    /// OCC symbol as the file has it, or empty.
    pub symbol: Symbols,
    /// Index into `roots`.
    pub root: Vec<u16>,
    /// Option roots in order of appearance (SPX, SPXW, …); the underlying's ticker where the file has none.
    pub roots: Vec<String>,
    /// Call or put.
    pub option_type: Vec<OptionType>,
    /// Strike.
    pub strike: Vec<f64>,
    /// Expiry in New York; midnight where the time is not in the file (then `settlement` says the instant). Where the
    /// status is `BadExpiry`, `DateTime::ZERO`.
    pub expiry: Vec<DateTime>,
    /// AM or PM settled.
    pub settlement: Vec<Settlement>,
    /// Exercise style, where the file has the column.
    pub exercise_style: Vec<Option<ExerciseStyle>>,
    /// Bid.
    pub bid: Vec<f64>,
    /// Ask.
    pub ask: Vec<f64>,
    /// Last trade.
    pub last: Vec<f64>,
    /// Volume.
    pub volume: Vec<f64>,
    /// Open interest.
    pub open_interest: Vec<f64>,
    /// The vendor's implied volatility.
    pub vendor_implied_volatility: Vec<f64>,
    /// What was wrong with reading the row.
    pub status: Vec<Status>,
    /// Optional columns that the file has: `open_interest`, `volume`, `bid`, …, by our names.
    pub present: Vec<&'static str>,
}

impl Quotes {
    /// Rows.
    pub fn len(&self) -> usize {
        self.strike.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.strike.is_empty()
    }

    /// Root of a row.
    pub fn root_of(&self, row: usize) -> &str {
        &self.roots[usize::from(self.root[row])]
    }

    /// Whether the file has the optional column.
    pub fn has(&self, column: &str) -> bool {
        self.present.contains(&column)
    }
}

/// A column of short texts in one allocation: 4 bytes a row and the text itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    text: String,
    end: Vec<u32>,
}

impl Symbols {
    /// Rows.
    pub fn len(&self) -> usize {
        self.end.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.end.is_empty()
    }

    /// The text of a row.
    pub fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.end[row - 1] as usize };
        &self.text[start..self.end[row] as usize]
    }

    /// Appends a row. The whole column holds at most 4 GiB: what would go beyond is left empty.
    pub fn push(&mut self, text: &str) {
        if u32::try_from(self.text.len() + text.len()).is_ok() {
            self.text.push_str(text);
        }
        self.end.push(self.text.len() as u32);
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|row| self.get(row))
    }
}

impl<'a> FromIterator<&'a str> for Symbols {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut symbols = Self::default();
        for text in texts {
            symbols.push(text);
        }
        symbols
    }
}

/// Why a chain could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
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
}

impl ChainError {
    /// Whether the file is something else than a chain, rather than a chain that is damaged.
    pub fn is_no_chain(&self) -> bool {
        matches!(self, Self::Unrecognised { .. })
    }
}

/// One file of chains, in memory: a file itself, or a member of a directory or tar.
#[derive(Clone, Debug)]
pub struct Member {
    /// Path, with the member's name behind `!` in a tar.
    pub name: String,
    /// Content, decompressed.
    pub bytes: Vec<u8>,
    /// Whether it is one of many (a directory, a tar): then one that is no chain (`ChainError::is_no_chain`) may be skipped
    /// with its reason, as long as another is one.
    pub one_of_many: bool,
}

/// The files behind a path, one after the other: a file, the chains of a directory in order of name, or the members of a tar
/// (plain, .gz, .xz, .zst), read as a stream so that memory holds one at a time.
pub fn members(path: &Path) -> Result<Box<dyn Iterator<Item = Result<Member, ChainError>> + Send>, ChainError> {
    let _ = path;
    todo!()
}

/// The chains of one member, one an underlying and quote date (and quote time, where the file has several a day), in order
/// of date, time and underlying.
pub fn parse(member: &Member, options: &ReadOptions) -> Result<Vec<Chain>, ChainError> {
    let _ = (member, options);
    todo!()
}

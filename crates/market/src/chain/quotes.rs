//! The rows of a chain, as columns.

use jiff::civil::DateTime;
use zomma_base::{ExerciseStyle, OptionType, Settlement, Status};

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
    /// Contracts wanted at the bid.
    pub bid_size: Vec<f64>,
    /// Contracts offered at the ask.
    pub ask_size: Vec<f64>,
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

    /// Appends the rows of `other`, all with one root.
    pub(super) fn append(&mut self, other: &Self, root_id: u16) {
        self.source_row.extend(&other.source_row);
        other.symbol.iter().for_each(|symbol| self.symbol.push(symbol));
        self.root.extend(std::iter::repeat_n(root_id, other.len()));
        self.option_type.extend(&other.option_type);
        self.strike.extend(&other.strike);
        self.expiry.extend(&other.expiry);
        self.settlement.extend(&other.settlement);
        self.exercise_style.extend(&other.exercise_style);
        self.bid.extend(&other.bid);
        self.ask.extend(&other.ask);
        self.bid_size.extend(&other.bid_size);
        self.ask_size.extend(&other.ask_size);
        self.last.extend(&other.last);
        self.volume.extend(&other.volume);
        self.open_interest.extend(&other.open_interest);
        self.vendor_implied_volatility.extend(&other.vendor_implied_volatility);
        self.status.extend(&other.status);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_keep_their_rows() {
        let symbols: Symbols = ["SPX", "", "SPXW190426C00800000"].into_iter().collect();
        assert_eq!(symbols.iter().collect::<Vec<_>>(), ["SPX", "", "SPXW190426C00800000"]);
        assert_eq!((symbols.len(), symbols.get(2)), (3, "SPXW190426C00800000"));
        assert!(Symbols::default().is_empty());
    }
}

//! Generated quotes for the section `data`: a CSV text of them, and its columns.

use std::fmt::Write as _;
use std::ops::Range;

use rayon::prelude::*;

/// Underlyings.
pub const SYMBOLS: usize = 500;

/// Quotes as columns of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quotes {
    /// Number of the underlying, below [`SYMBOLS`].
    pub symbol: Vec<u32>,
    /// Nanoseconds since the epoch.
    pub time_ns: Vec<i64>,
    /// Best bid.
    pub bid: Vec<f64>,
    /// Best ask.
    pub ask: Vec<f64>,
    /// Contracts at the bid and the ask together.
    pub size: Vec<u32>,
}

impl Quotes {
    /// `count` quotes, the same on every machine, not in order of time.
    pub fn generated(count: usize) -> Self {
        let mut state = 0x5eed_u64;
        let mut next = move |bound: u64| {
            // Knuth's 64-bit linear congruential generator; its high bits are good.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let mut quotes = Self::default();
        for _ in 0..count {
            let cents = 100 + next(90_000);
            quotes.symbol.push(next(SYMBOLS as u64) as u32);
            quotes.time_ns.push(1_700_000_000_000_000_000 + (next(23_400_000) * 1_000_000 + next(1_000_000)) as i64);
            quotes.bid.push(cents as f64 / 100.0);
            quotes.ask.push((cents + 1 + next(20)) as f64 / 100.0);
            quotes.size.push(1 + next(500) as u32);
        }
        quotes
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.symbol.len()
    }

    /// The quotes as a CSV text without a header.
    pub fn to_csv(&self) -> String {
        let mut text = String::with_capacity(40 * self.len());
        for i in 0..self.len() {
            let (symbol, time, size) = (self.symbol[i], self.time_ns[i], self.size[i]);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{symbol},{time},{:.2},{:.2},{size}", self.bid[i], self.ask[i]);
        }
        text
    }

    /// Reads what [`Quotes::to_csv`] writes; absent where a row or a field is broken.
    pub fn parse(text: &str) -> Option<Self> {
        let mut quotes = Self::default();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).ok()? {
            quotes.symbol.push(record.get(0)?.parse().ok()?);
            quotes.time_ns.push(record.get(1)?.parse().ok()?);
            quotes.bid.push(record.get(2)?.parse().ok()?);
            quotes.ask.push(record.get(3)?.parse().ok()?);
            quotes.size.push(record.get(4)?.parse().ok()?);
        }
        Some(quotes)
    }

    /// The same on all cores: whole lines to each, joined in order.
    pub fn parse_on_all_cores(text: &str) -> Option<Self> {
        let parts = line_ranges(text, 4 * rayon::current_num_threads());
        let parsed: Option<Vec<Self>> = parts.into_par_iter().map(|part| Self::parse(&text[part])).collect();
        let mut whole = Self::default();
        for mut part in parsed? {
            whole.symbol.append(&mut part.symbol);
            whole.time_ns.append(&mut part.time_ns);
            whole.bid.append(&mut part.bid);
            whole.ask.append(&mut part.ask);
            whole.size.append(&mut part.size);
        }
        Some(whole)
    }
}

/// About `parts` ranges of whole lines that cover the text.
fn line_ranges(text: &str, parts: usize) -> Vec<Range<usize>> {
    let step = text.len().div_ceil(parts.max(1)).max(1);
    let (mut ranges, mut start) = (Vec::new(), 0);
    while start < text.len() {
        // Bytes, since the middle of the text need not be the start of a character; a line's end is.
        let from = (start + step).min(text.len());
        let end = text.as_bytes()[from..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| from + at + 1);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_read_back_as_they_were_written_on_any_number_of_cores() {
        let quotes = Quotes::generated(5000);
        let text = quotes.to_csv();
        assert_eq!(Quotes::parse(&text).unwrap(), quotes);
        assert_eq!(Quotes::parse_on_all_cores(&text).unwrap(), quotes);
        assert_eq!(Quotes::parse_on_all_cores("").unwrap(), Quotes::default());
        assert!(quotes.bid.iter().zip(&quotes.ask).all(|(bid, ask)| bid < ask));
        assert!(quotes.symbol.iter().all(|symbol| (*symbol as usize) < SYMBOLS));
    }

    #[test]
    fn ranges_cover_the_text_line_by_line() {
        let text = "a\nbb\nccc\ndddd\n";
        for parts in 1..20 {
            let ranges = line_ranges(text, parts);
            assert_eq!(ranges.iter().map(|range| &text[range.clone()]).collect::<String>(), text);
            assert!(ranges.iter().all(|range| text[range.clone()].ends_with('\n')), "{ranges:?}");
        }
    }

    #[test]
    fn a_broken_row_is_no_quote() {
        assert_eq!(Quotes::parse("1,2,3.0\n"), None);
        assert_eq!(Quotes::parse("1,2,3.0,x,5\n"), None);
    }
}

//! A line of an orderbook file: the book after a message.

use std::io::Write;

use super::FILLER;
use crate::{book::Book, decimal::fixed, event::Side, instruments::Definition};

/// How many columns a level has: ask price, ask size, bid price, bid size.
const COLUMNS: usize = 4;

/// The published levels of one row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    values: Vec<i64>,
}

impl Row {
    /// Reads a line, without its end, in place of what the row held. `false` where it is no row: other than whole numbers, or not four columns a
    /// level; the row is empty then.
    pub fn parse(&mut self, line: &[u8]) -> bool {
        self.values.clear();
        for field in line.split(|byte| *byte == b',') {
            let Ok(value) = fixed(field, 0) else {
                self.values.clear();
                return false;
            };
            self.values.push(value);
        }
        let is_whole = self.values.len().is_multiple_of(COLUMNS);
        if !is_whole {
            self.values.clear();
        }
        is_whole
    }

    /// How many levels are published.
    pub fn depth(&self) -> usize {
        self.values.len() / COLUMNS
    }

    /// Price (dollars times 10,000) and shares of a level, the best being 0; none where the level is not there.
    pub fn level(&self, side: Side, level: usize) -> Option<(i64, i64)> {
        let first = level * COLUMNS + if side == Side::Ask { 0 } else { 2 };
        let price = *self.values.get(first)?;
        let size = *self.values.get(first + 1)?;
        (price.abs() != FILLER).then_some((price, size))
    }

    /// The levels that are there, the best first.
    pub(super) fn levels(&self, side: Side) -> impl Iterator<Item = (i64, i64)> + '_ {
        (0..self.depth()).map_while(move |level| self.level(side, level))
    }

    /// The first level of a side that is not worse than the one before it, holds nothing, or comes behind a filler; none where all are in order.
    pub(super) fn out_of_order(&self, side: Side) -> Option<usize> {
        let mut before = None;
        let mut is_behind_last = false;
        (0..self.depth()).find(|level| {
            let Some((price, size)) = self.level(side, *level) else {
                is_behind_last = true;
                return !self.is_filler(side, *level);
            };
            let is_worse = before.is_none_or(|before| if side == Side::Ask { price > before } else { price < before });
            before = Some(price);
            is_behind_last || !is_worse || size <= 0
        })
    }

    fn is_filler(&self, side: Side, level: usize) -> bool {
        let first = level * COLUMNS;
        let (columns, filler) = match side {
            Side::Ask => (first..first + 2, FILLER),
            Side::Bid => (first + 2..first + 4, -FILLER),
        };
        self.values.get(columns) == Some(&[filler, 0])
    }
}

/// Writes books as LOBSTER's orderbook file has them: for each level, the best first, ask price, ask size, bid price, bid size; prices times 10,000;
/// where there is no level ±9999999999 and 0. What is no whole number in these units (a tick below a hundredth of a cent, a lot below one unit) is
/// written with its decimals.
#[derive(Debug, Clone, Copy)]
pub struct RowWriter {
    levels: usize,
    /// Billionths of a ten-thousandth in a tick.
    tick: i128,
    /// Billionths of a unit in a lot.
    lot: i128,
}

impl RowWriter {
    /// A writer of so many levels of an instrument's book.
    pub fn new(levels: usize, definition: &Definition) -> Self {
        let (tick, lot) = (i128::from(definition.tick_nanos) * 10_000, i128::from(definition.lot_nanos));
        Self { levels, tick, lot }
    }

    /// Writes a row, with its end, behind what is there.
    pub fn write(&self, book: &Book<'_>, out: &mut Vec<u8>) {
        let (mut asks, mut bids) = (book.levels(Side::Ask), book.levels(Side::Bid));
        for level in 0..self.levels {
            if level > 0 {
                out.push(b',');
            }
            for (side, next) in [(Side::Ask, asks.next()), (Side::Bid, bids.next())] {
                if side == Side::Bid {
                    out.push(b',');
                }
                match next {
                    Some(level) => {
                        decimal(i128::from(level.price_ticks) * self.tick, out);
                        out.push(b',');
                        decimal(i128::from(level.size) * self.lot, out);
                    }
                    None if side == Side::Ask => out.extend_from_slice(b"9999999999,0"),
                    None => out.extend_from_slice(b"-9999999999,0"),
                }
            }
        }
        out.push(b'\n');
    }
}

/// Writes a number of billionths.
fn decimal(nanos: i128, out: &mut Vec<u8>) {
    const ONE: u128 = 1_000_000_000;
    let (whole, rest) = (nanos.unsigned_abs() / ONE, nanos.unsigned_abs() % ONE);
    let sign = if nanos < 0 { "-" } else { "" };
    // Writing to memory does not fail.
    let _ = write!(out, "{sign}{whole}");
    if rest > 0 {
        let _ = write!(out, ".{rest:09}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Books;
    use crate::event::{Body, Event, Flags, InstrumentId};

    fn definition(tick_nanos: i64, lot_nanos: i64) -> Definition {
        Definition { symbol: "X".into(), tick_nanos, lot_nanos, valid_from_ns: 0 }
    }

    fn rows(definition: &Definition, levels: usize, told: &[(Side, i64, u64)]) -> String {
        let mut books = Books::new();
        for (side, price_ticks, size) in told.iter().copied() {
            let (instrument, flags, body) = (InstrumentId(0), Flags::LAST, Body::Level { side, price_ticks, size });
            books.apply(&Event { exchange_ns: 0, receive_ns: 0, sequence: 0, instrument, flags, body });
        }
        let mut out = Vec::new();
        RowWriter::new(levels, definition).write(&books.book(InstrumentId(0)), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_stand_as_lobster_has_them_with_fillers_behind() {
        let told = [(Side::Ask, 5_859_400, 200), (Side::Ask, 5_859_300, 7), (Side::Bid, 5_853_300, 18)];
        let of_shares = definition(100_000, 1_000_000_000);
        assert_eq!(rows(&of_shares, 1, &told), "5859300,7,5853300,18\n");
        let want = "5859300,7,5853300,18,5859400,200,-9999999999,0,9999999999,0,-9999999999,0\n";
        assert_eq!(rows(&of_shares, 3, &told), want);
        assert_eq!(rows(&of_shares, 1, &[]), "9999999999,0,-9999999999,0\n");
    }

    #[test]
    fn other_ticks_and_lots_are_converted_exactly() {
        // Ticks of 0.1 and lots of a thousandth, as Binance's futures have them; a tick of a billionth; a price below zero.
        let told = [(Side::Ask, 550_001, 1), (Side::Bid, -3, 1_500)];
        assert_eq!(rows(&definition(100_000_000, 1_000_000), 1, &told), "550001000,0.001,-3000,1.5\n");
        assert_eq!(rows(&definition(1, 1_000_000_000), 1, &told), "5.50001,1,-0.00003,1500\n");
    }

    #[test]
    fn a_row_is_whole_numbers_four_a_level() {
        let mut row = Row::default();
        assert!(row.parse(b"5859400,200,5853300,18,9999999999,0,-9999999999,0"));
        assert_eq!((row.depth(), row.level(Side::Ask, 0), row.level(Side::Ask, 1)), (2, Some((5_859_400, 200)), None));
        assert_eq!((row.out_of_order(Side::Ask), row.out_of_order(Side::Bid)), (None, None));
        for not in [&b""[..], b"1,2,3", b"1,2,3,", b"1,2,3,x", b"1,2,3,4,5"] {
            assert!(!row.parse(not), "{}", not.escape_ascii());
            assert_eq!(row.depth(), 0);
        }
    }

    #[test]
    fn levels_that_do_not_get_worse_are_seen() {
        let mut row = Row::default();
        let mut out_of_order = |line: &str| {
            assert!(row.parse(line.as_bytes()));
            (row.out_of_order(Side::Ask), row.out_of_order(Side::Bid))
        };
        assert_eq!(out_of_order("100,5,90,5,100,5,95,5"), (Some(1), Some(1)));
        assert_eq!(out_of_order("100,0,-9999999999,1,101,5,90,5"), (Some(0), Some(0)));
        assert_eq!(out_of_order("9999999999,0,-9999999999,0,101,5,90,5"), (Some(1), Some(1)));
        assert_eq!(out_of_order("-9999999999,0,90,5"), (Some(0), None));
    }
}

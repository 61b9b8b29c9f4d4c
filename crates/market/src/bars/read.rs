//! Bars from CSV: `date,open,high,low,close,volume`, the same with `adjClose`, `divCash`, `splitFactor`, and their synonyms.

use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use jiff::civil::Date;

use super::{BarsError, DailyBars, splits};
use crate::chain::cell::{Cell, Number};
use crate::chain::columns::normalized;
use crate::chain::{ChainError, Member, csv as text, members};

/// A column and the names that files give it, as letters and digits in lower case.
struct Names {
    column: &'static str,
    synonyms: &'static [&'static str],
}

const DATE: usize = 0;
const OPEN: usize = 1;
const HIGH: usize = 2;
const LOW: usize = 3;
const CLOSE: usize = 4;
const ADJUSTED: usize = 5;
const DIVIDEND: usize = 6;
const SYMBOL: usize = 7;

/// In the order of the constants above.
const TABLE: [Names; 8] = [
    Names { column: "date", synonyms: &["date", "day", "tradedate", "timestamp", "datetime"] },
    Names { column: "open", synonyms: &["open", "openprice", "openpx"] },
    Names { column: "high", synonyms: &["high", "highprice", "highpx"] },
    Names { column: "low", synonyms: &["low", "lowprice", "lowpx"] },
    Names { column: "close", synonyms: &["close", "closeprice", "closelast", "closepx"] },
    Names { column: "adjClose", synonyms: &["adjclose", "adjustedclose", "closeadj", "closeadjusted"] },
    Names { column: "divCash", synonyms: &["divcash", "dividend", "dividends", "cashdividend", "dividendamount"] },
    Names { column: "symbol", synonyms: &["symbol", "ticker", "underlying"] },
];

struct Row {
    number: usize,
    date: Date,
    prices: [f64; 4],
    adjusted: f64,
    dividend: f64,
}

/// Reads the bars of a file, which may be compressed.
pub fn read(path: &Path) -> Result<DailyBars, BarsError> {
    let mut members = members(path)?;
    let first = members.next().ok_or_else(|| ChainError::NoMembers { path: path.display().to_string() })??;
    parse(&first)
}

/// Reads the bars of a file in memory.
pub fn parse(member: &Member) -> Result<DailyBars, BarsError> {
    let path = member.name.as_str();
    if member.bytes.trim_ascii().is_empty() {
        return Err(ChainError::Empty { path: path.to_owned() }.into());
    }
    let bytes = text::text_of(path, &member.bytes)?;
    let delimiter = text::delimiter_of(text::first_line(bytes)).unwrap_or(b',');
    let mut reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(bytes);
    let mut record = ByteRecord::new();
    let damaged = |e: csv::Error| ChainError::Corrupt { path: path.to_owned(), format: "CSV", reason: e.to_string() };
    reader.read_byte_record(&mut record).map_err(damaged)?;
    let header: Vec<String> = record.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
    let found = || crate::chain::recognise::listed(&header);
    let names: Vec<String> = header.iter().map(|name| normalized(name)).collect();
    let index: [Option<usize>; TABLE.len()] = TABLE
        .each_ref()
        .map(|wanted| wanted.synonyms.iter().find_map(|synonym| names.iter().position(|name| name == synonym)));
    let missing: Vec<&str> =
        [DATE, CLOSE].into_iter().filter(|at| index[*at].is_none()).map(|at| TABLE[at].column).collect();
    if !missing.is_empty() {
        return Err(BarsError::Unrecognised { path: path.to_owned(), found: found(), missing: missing.join(", ") });
    }

    let mut rows: Vec<Row> = Vec::new();
    let (mut number, mut left_out, mut symbol) = (0, 0, String::new());
    while reader.read_byte_record(&mut record).map_err(damaged)? {
        number += 1;
        let cells = Cells { path, number, record: &record, index: &index };
        cells.check_symbol(&mut symbol)?;
        match cells.row()? {
            Some(row) => rows.push(row),
            None => left_out += 1,
        }
    }
    if rows.is_empty() {
        return Err(BarsError::NoRows { path: path.to_owned(), found: found() });
    }
    rows.sort_by_key(|row| row.date);
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].date == pair[1].date) {
        return Err(BarsError::DuplicateDate { path: path.to_owned(), row: pair[1].number, date: pair[1].date });
    }
    let mut bars = columns(&rows);
    if left_out > 0 {
        bars.notes.push(format!("{left_out} rows without a close left out"));
    }
    if index[ADJUSTED].is_some() {
        bars.notes.push(format!("closes adjusted as the column {} says", TABLE[ADJUSTED].column));
    } else {
        splits::adjust_for_gaps(&mut bars);
    }
    Ok(bars)
}

fn columns(rows: &[Row]) -> DailyBars {
    let price = |at: usize| rows.iter().map(|row| row.prices[at - OPEN]).collect::<Vec<f64>>();
    let adjusted_close =
        rows.iter().map(|row| if row.adjusted.is_nan() { row.prices[CLOSE - OPEN] } else { row.adjusted }).collect();
    DailyBars {
        date: rows.iter().map(|row| row.date).collect(),
        open: price(OPEN),
        high: price(HIGH),
        low: price(LOW),
        close: price(CLOSE),
        adjusted_close,
        dividend: rows.iter().map(|row| row.dividend).collect(),
        notes: Vec::new(),
    }
}

/// The cells of one record.
struct Cells<'a> {
    path: &'a str,
    number: usize,
    record: &'a ByteRecord,
    index: &'a [Option<usize>; TABLE.len()],
}

impl<'a> Cells<'a> {
    fn cell(&self, at: usize) -> Cell<'a> {
        self.index[at].and_then(|column| self.record.get(column)).map_or(Cell::Absent, Cell::Text)
    }

    fn bad(&self, at: usize, allowed: &'static str) -> BarsError {
        BarsError::BadField {
            path: self.path.to_owned(),
            row: self.number,
            field: TABLE[at].column,
            value: self.cell(at).shown(),
            allowed,
        }
    }

    fn check_symbol(&self, first: &mut String) -> Result<(), BarsError> {
        let symbol = String::from_utf8_lossy(self.cell(SYMBOL).text());
        if symbol.is_empty() || symbol == first.as_str() {
            return Ok(());
        }
        if first.is_empty() {
            *first = symbol.into_owned();
            return Ok(());
        }
        Err(BarsError::SeveralSymbols {
            path: self.path.to_owned(),
            row: self.number,
            first: first.clone(),
            second: symbol.into_owned(),
        })
    }

    /// The row; `None` where it has no close (a day that the vendor has not filled in).
    fn row(&self) -> Result<Option<Row>, BarsError> {
        let date = self.cell(DATE).moment().ok_or_else(|| self.bad(DATE, "2019-04-26, 04/26/2019 or 20190426"))?.date;
        if self.cell(CLOSE).number() == Number::Absent {
            return Ok(None);
        }
        let mut prices = [f64::NAN; 4];
        for (price, at) in prices.iter_mut().zip(OPEN..=CLOSE) {
            *price = self.price(at)?;
        }
        let dividend = match self.cell(DIVIDEND).number() {
            Number::Absent => 0.0,
            Number::Is(cash) if cash.is_finite() && cash >= 0.0 => cash,
            _ => return Err(self.bad(DIVIDEND, "a finite number at or above zero")),
        };
        Ok(Some(Row { number: self.number, date, prices, adjusted: self.price(ADJUSTED)?, dividend }))
    }

    /// A price above zero, or NaN where there is none.
    fn price(&self, at: usize) -> Result<f64, BarsError> {
        match self.cell(at).number() {
            Number::Absent => Ok(f64::NAN),
            Number::Is(price) if price.is_finite() && price > 0.0 => Ok(price),
            _ => Err(self.bad(at, "a finite number above zero")),
        }
    }
}

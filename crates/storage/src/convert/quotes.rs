//! The rows of an option chain as rows of `quotes`.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
};
use zomma_base::{
    OptionType, Status,
    time::{expiry_instant, new_york_instant},
};
use zomma_market::chain::{Chain, Quotes};

use crate::{error::Result, table::Table};

/// Rows of a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct QuoteRows {
    /// The rows.
    pub rows: RecordBatch,
    /// Rows of the chain that are not among them since they could not be read, by the status that says why.
    pub left_out: BTreeMap<&'static str, usize>,
}

/// The quotes of a chain, all at one time.
///
/// An option is called by its OCC symbol without spaces: the chain's own, or root, date, C or P and strike in thousandths. Values that are absent or
/// negative are not there.
///
/// # Errors
///
/// Where columns could not be put together, which is an error of this program.
pub fn quotes(chain: &Chain, time: Timestamp) -> Result<QuoteRows> {
    let source = &chain.quotes;
    let mut left_out: BTreeMap<&'static str, usize> = BTreeMap::new();
    let expiries: Vec<Option<i64>> = (0..source.len()).map(|row| expiry_ns(source, row)).collect();
    let mut kept = Vec::with_capacity(source.len());
    for (row, (status, expiry)) in source.status.iter().zip(&expiries).enumerate() {
        match status {
            Status::Ok if expiry.is_some() => kept.push(row),
            Status::Ok => *left_out.entry(Status::BadExpiry.as_str()).or_default() += 1,
            status => *left_out.entry(status.as_str()).or_default() += 1,
        }
    }
    let time_ns = nanoseconds(time).unwrap_or(i64::MAX);
    let count = kept.len();
    let texts = |text: &dyn Fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(kept.iter().map(|row| text(*row))))
    };
    let floats = |values: &[f64]| -> ArrayRef {
        let value = |row: &usize| values.get(*row).copied().filter(|value| value.is_finite() && *value >= 0.0);
        Arc::new(kept.iter().map(value).collect::<Float64Array>())
    };
    let absent = || -> ArrayRef { Arc::new(Float64Array::new_null(count)) };
    let times =
        |times: Vec<Option<i64>>| -> ArrayRef { Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")) };
    let columns: Vec<ArrayRef> = vec![
        times(vec![Some(time_ns); count]),
        texts(&|row| symbol(source, row)),
        texts(&|_| chain.underlying.clone()),
        times(kept.iter().map(|row| expiries[*row]).collect()),
        floats(&source.strike),
        texts(&|row| source.option_type[row].as_str().to_owned()),
        floats(&source.bid),
        absent(),
        floats(&source.ask),
        absent(),
        floats(&source.open_interest),
        floats(&source.volume),
    ];
    Ok(QuoteRows { rows: RecordBatch::try_new(Table::Quotes.schema(), columns)?, left_out })
}

fn nanoseconds(time: Timestamp) -> Option<i64> {
    i64::try_from(time.as_nanosecond()).ok()
}

/// When an option expires: at its clock time where the chain has one, else by its settlement.
fn expiry_ns(source: &Quotes, row: usize) -> Option<i64> {
    let expiry: DateTime = source.expiry[row];
    let instant = match expiry.time() == Time::midnight() {
        true => expiry_instant(expiry.date(), source.settlement[row]),
        false => new_york_instant(expiry),
    };
    nanoseconds(instant)
}

fn symbol(source: &Quotes, row: usize) -> String {
    let given = source.symbol.get(row);
    if !given.is_empty() {
        return given.split_whitespace().collect();
    }
    option_symbol(source.root_of(row), source.expiry[row].date(), source.option_type[row], source.strike[row])
}

/// An option's name in tables: its OCC symbol without spaces, which is root, date of expiry, C or P, and strike in thousandths.
pub fn option_symbol(root: &str, expiry: Date, option_type: OptionType, strike: f64) -> String {
    let side = if option_type == OptionType::Call { 'C' } else { 'P' };
    let (year, month, day) = (expiry.year().rem_euclid(100), expiry.month(), expiry.day());
    let thousandths = (strike * 1_000.0).round();
    format!("{root}{year:02}{month:02}{day:02}{side}{thousandths:08.0}")
}

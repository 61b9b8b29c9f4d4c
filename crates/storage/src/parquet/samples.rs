//! Rows that tests keep.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, new_null_array,
};
use jiff::civil::Date;

use super::{Clock, layout::begin_ns};
use crate::table::Table;

/// A clock that goes on by a second each time it is looked at.
pub(crate) fn clock() -> Clock {
    static NOW: AtomicI64 = AtomicI64::new(1);
    Arc::new(|| NOW.fetch_add(1, Ordering::Relaxed) * 1_000_000_000)
}

pub(crate) fn times(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(values).with_timezone("UTC"))
}

/// Columns by name; those that are not named have no value.
pub(crate) fn rows(table: Table, columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let schema = table.schema();
    let length = columns[0].1.len();
    let column = |name: &str| columns.iter().find(|(of, _)| *of == name).map(|(_, values)| Arc::clone(values));
    let arrays = schema
        .fields()
        .iter()
        .map(|field| column(field.name()).unwrap_or_else(|| new_null_array(field.data_type(), length)));
    RecordBatch::try_new(Arc::clone(&schema), arrays.collect()).unwrap()
}

/// So many quotes of one day, of three instruments, out of order; a second each, the bid says which.
pub(crate) fn quotes(date: Date, count: usize) -> RecordBatch {
    static FIRST: AtomicI64 = AtomicI64::new(0);
    let first = FIRST.fetch_add(count as i64, Ordering::Relaxed);
    let seconds: Vec<i64> = (0..count as i64).rev().map(|index| (first + index) % 86_400).collect();
    let names: StringArray = (0..count).map(|index| Some(["SPY", "AAPL", "QQQ"][index % 3])).collect();
    rows(
        Table::Quotes,
        vec![
            ("time", times(seconds.iter().map(|second| begin_ns(date) + second * 1_000_000_000).collect())),
            ("instrument", Arc::new(names)),
            ("bid", Arc::new(seconds.iter().map(|second| Some(*second as f64)).collect::<Float64Array>())),
        ],
    )
}

/// One tick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    pub time_ns: i64,
    pub instrument: &'static str,
    pub sequence: i64,
    pub kind: &'static str,
    pub price: Option<f64>,
    pub size: Option<f64>,
    pub flags: i64,
}

/// Ticks as rows.
pub(crate) fn ticks(ticks: &[Tick]) -> RecordBatch {
    let integers = |value: fn(&Tick) -> i64| -> ArrayRef {
        Arc::new(ticks.iter().map(|tick| Some(value(tick))).collect::<Int64Array>())
    };
    let floats =
        |value: fn(&Tick) -> Option<f64>| -> ArrayRef { Arc::new(ticks.iter().map(value).collect::<Float64Array>()) };
    let texts = |value: fn(&Tick) -> &'static str| -> ArrayRef {
        Arc::new(ticks.iter().map(|tick| Some(value(tick))).collect::<StringArray>())
    };
    rows(
        Table::Ticks,
        vec![
            ("time", times(ticks.iter().map(|tick| tick.time_ns).collect())),
            ("instrument", texts(|tick| tick.instrument)),
            ("sequence", integers(|tick| tick.sequence)),
            ("receive_time", times(ticks.iter().map(|tick| tick.time_ns).collect())),
            ("kind", texts(|tick| tick.kind)),
            ("price", floats(|tick| tick.price)),
            ("size", floats(|tick| tick.size)),
            ("flags", integers(|tick| tick.flags)),
        ],
    )
}

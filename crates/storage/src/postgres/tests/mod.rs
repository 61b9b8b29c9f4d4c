//! Against a real server, which the test kit starts; without one these tests are skipped, and counted.

mod batches;
mod connecting;
mod faults;
mod keeping;
mod reading;
mod replica;
mod timescale;
mod writing;

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use sqlx::{AssertSqlSafe, query_scalar};
use zomma_testkit::postgres::Server;

use super::{Database, Settings, layout::DAY_NS, migrate};
use crate::table::Table;

/// 2026-01-02 00:00 UTC.
pub(super) const DAY: i64 = 20_455 * DAY_NS;

fn time_array(times: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC"))
}

/// Ticks of three instruments, a tick every 1.000000007 ms, every fourth of them a trade; some without side, price, size and order. Each has its
/// own sequence number, from `first` on.
pub(crate) fn ticks(first: i64, count: i64) -> RecordBatch {
    let rows = || first..first + count;
    let time = |row: i64| DAY + row * 1_000_007;
    let is_trade = |row: i64| row % 4 == 0;
    let columns: Vec<ArrayRef> = vec![
        time_array(rows().map(time)),
        Arc::new(StringArray::from_iter_values(rows().map(|row| ["AAPL", "MSFT", "O'Neil é"][row as usize % 3]))),
        Arc::new(Int64Array::from_iter_values(rows())),
        time_array(rows().map(|row| time(row) + 999)),
        Arc::new(StringArray::from_iter_values(rows().map(|row| if is_trade(row) { "trade" } else { "add" }))),
        Arc::new(StringArray::from_iter(rows().map(|row| (row % 5 != 0).then_some("bid")))),
        Arc::new(Float64Array::from_iter(
            rows().map(|row| (row % 7 != 0).then_some(100.0 + (row % 1000) as f64 / 3.0)),
        )),
        Arc::new(Float64Array::from_iter(rows().map(|row| (row % 11 != 0).then_some((row % 13) as f64)))),
        Arc::new(Int64Array::from_iter(rows().map(|row| (row % 2 == 0).then_some(row * 3)))),
        Arc::new(Int64Array::from_iter_values(rows().map(|row| row % 3))),
        Arc::new(Int64Array::from_iter(rows().map(|row| (row % 6 == 0).then_some(row * 3 + 1)))),
        Arc::new(StringArray::from_iter(rows().map(|row| (row % 9 == 0).then_some("trading")))),
        Arc::new(Int64Array::from_iter_values(rows().map(|_| 0))),
    ];
    RecordBatch::try_new(Table::Ticks.schema(), columns).unwrap()
}

/// Quotes of one instrument at these times, with these bids.
fn quotes(rows: &[(i64, f64)]) -> RecordBatch {
    let nothing = |kind: &crate::table::Column| arrow_array::new_null_array(&kind.kind.data_type(), rows.len());
    let columns = Table::Quotes.columns().iter().map(|column| match column.name {
        "time" => time_array(rows.iter().map(|row| row.0)),
        "instrument" => Arc::new(StringArray::from_iter_values(rows.iter().map(|_| "SPY"))),
        "bid" => Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.1))),
        _ => nothing(column),
    });
    RecordBatch::try_new(Table::Quotes.schema(), columns.collect()).unwrap()
}

/// A database of the shared server with its tables, for this test alone.
async fn migrated() -> Option<(Arc<Server>, Database, String)> {
    let server = Server::shared()?;
    let name = server.create_database();
    let database = Database::connect(&server.url(&name), Settings::default()).await.unwrap();
    migrate(&database).await.unwrap();
    Some((server, database, name))
}

/// One whole number of a question.
async fn number(database: &Database, sql: &str) -> i64 {
    query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(database.pool()).await.unwrap()
}

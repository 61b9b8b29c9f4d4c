//! How fast ticks go into PostgreSQL by COPY: rows a second over one connection, all in (checks, encoding, the server's index and its write-ahead
//! log, commits).
//!
//!     cargo run --release -p zomma-storage --example postgres_ingest postgres://user@host/database [ROWS] [REPEATS]
//!
//! It fills a day of `ticks` that it drops before each repeat: name a database that is there for this. Of the repeats the fastest counts.

use std::{sync::Arc, time::Instant};

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, new_null_array,
};
use zomma_storage::{
    block_on,
    postgres::{Database, Settings, Writer, migrate},
    table::Table,
};

const BATCH_ROWS: i64 = 1 << 16;
const INSTRUMENTS: i64 = 500;
/// 2026-01-05, 14:30 UTC.
const OPEN_NS: i64 = 1_767_623_400_000_000_000;

/// Orders of 500 instruments, one after the other.
fn batch(first: i64) -> RecordBatch {
    let rows = || first..first + BATCH_ROWS;
    let times = || -> ArrayRef {
        let times = TimestampNanosecondArray::from_iter_values(rows().map(|row| OPEN_NS + row * 1_000));
        Arc::new(times.with_timezone("UTC"))
    };
    let texts =
        |text: &dyn Fn(i64) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows().map(text))) };
    let whole =
        |number: &dyn Fn(i64) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(rows().map(number))) };
    let float =
        |number: &dyn Fn(i64) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(rows().map(number))) };
    let columns = vec![
        times(),
        texts(&|row| format!("S{:03}", row * 7919 % INSTRUMENTS)),
        whole(&|row| row),
        times(),
        texts(&|row| ["add", "cancel", "execute"][row as usize % 3].to_owned()),
        texts(&|row| ["bid", "ask"][row as usize % 2].to_owned()),
        float(&|row| 100.0 + (row % 400) as f64 / 100.0),
        float(&|row| (row % 10) as f64 * 100.0),
        whole(&|row| row * 2),
        whole(&|_| 1),
        new_null_array(&arrow_schema::DataType::Int64, BATCH_ROWS as usize),
        new_null_array(&arrow_schema::DataType::Utf8, BATCH_ROWS as usize),
        whole(&|_| 0),
    ];
    RecordBatch::try_new(Table::Ticks.schema(), columns).expect("the columns of ticks")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("the first argument is postgres://user@host/database")?;
    let rows: i64 = arguments.next().map_or(Ok(2_000_000), |text| text.parse())?;
    let repeats: usize = arguments.next().map_or(Ok(3), |text| text.parse())?;
    block_on(run(&url, rows, repeats))
}

async fn run(url: &str, rows: i64, repeats: usize) -> Result<(), Box<dyn std::error::Error>> {
    let batches: Vec<_> = (0..(rows / BATCH_ROWS).max(1)).map(|index| batch(index * BATCH_ROWS)).collect();
    let database = Database::connect(url, Settings::default()).await?;
    migrate(&database).await?;
    let mut fastest = f64::MAX;
    for repeat in 0..repeats {
        sqlx::raw_sql("DROP TABLE IF EXISTS zomma.ticks_20260105; TRUNCATE zomma.batches, zomma.changes; CHECKPOINT")
            .execute(database.pool())
            .await?;
        let mut writer = Writer::new(database.clone());
        let begun = Instant::now();
        let mut sent = 0;
        for (index, batch) in batches.iter().enumerate() {
            sent += writer.append(Table::Ticks, batch, &format!("bench {repeat} {index}")).await?.rows;
        }
        let seconds = begun.elapsed().as_secs_f64();
        fastest = fastest.min(seconds / sent as f64);
        println!("{sent} rows in {seconds:.2} s, {:.0} a second", sent as f64 / seconds);
    }
    println!("fastest: {:.0} rows a second", 1.0 / fastest);
    Ok(())
}

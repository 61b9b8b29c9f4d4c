//! How fast ticks go into Parquet files: rows a second of one core, all in (checks, sorting, encoding, zstd, files on the disk).
//!
//!     cargo run --release -p zomma-storage --example parquet_ingest [ROWS] [REPEATS] [FOLDER]
//!
//! The rows are those of a stock feed: adds, cancels and executions of 500 instruments, interleaved in time. Of the repeats the fastest counts; the
//! time that the thread was on a core is told beside the wall's, which other work on the machine lengthens.

use std::{path::PathBuf, sync::Arc, time::Instant};

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, new_null_array,
};
use zomma_storage::{
    Place, block_on,
    parquet::{Earlier, Writer, WriterSettings},
    place::S3Settings,
    table::Table,
};

const BATCH_ROWS: usize = 1 << 16;
const INSTRUMENTS: u64 = 500;
/// 2026-01-05, 14:30 UTC.
const OPEN_NS: i64 = 1_767_623_400_000_000_000;

/// Numbers that look random and are the same each time (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn batch(first: usize, names: &[String], numbers: &mut Numbers) -> RecordBatch {
    let rows: Vec<(usize, u64)> = (first..first + BATCH_ROWS).map(|row| (row, numbers.next())).collect();
    let times: Vec<i64> =
        rows.iter().map(|(row, random)| OPEN_NS + *row as i64 * 4_000 + (random % 4_000) as i64).collect();
    let times = || -> ArrayRef { Arc::new(TimestampNanosecondArray::from(times.clone()).with_timezone("UTC")) };
    let kind = |random: u64| ["add", "cancel", "add", "cancel", "execute"][(random >> 8) as usize % 5];
    let price = |random: u64| 100.0 + (random >> 16) as f64 % 400.0 / 100.0;
    let texts = |text: &dyn Fn(&(usize, u64)) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(text).collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        times(),
        texts(&|(_, random)| Some(names[(random % INSTRUMENTS) as usize].clone())),
        Arc::new(rows.iter().map(|(row, _)| Some(*row as i64)).collect::<Int64Array>()),
        times(),
        texts(&|(_, random)| Some(kind(*random).to_owned())),
        texts(&|(_, random)| {
            (kind(*random) != "cancel").then(|| if random >> 12 & 1 == 0 { "bid" } else { "ask" }.to_owned())
        }),
        Arc::new(
            rows.iter()
                .map(|(_, random)| (kind(*random) != "cancel").then(|| price(*random)))
                .collect::<Float64Array>(),
        ),
        Arc::new(rows.iter().map(|(_, random)| Some((random >> 24) as f64 % 10.0 * 100.0)).collect::<Float64Array>()),
        Arc::new(
            rows.iter()
                .map(|(row, random)| Some(*row as i64 * 2 - (random >> 30) as i64 % 5_000))
                .collect::<Int64Array>(),
        ),
        Arc::new(Int64Array::from(vec![1; BATCH_ROWS])),
        new_null_array(&arrow_schema::DataType::Int64, BATCH_ROWS),
        new_null_array(&arrow_schema::DataType::Utf8, BATCH_ROWS),
        Arc::new(Int64Array::from(vec![0; BATCH_ROWS])),
    ];
    RecordBatch::try_new(Table::Ticks.schema(), columns).expect("the columns of ticks")
}

/// Seconds that this thread has been on a core, where Linux tells.
fn on_core() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows: usize = arguments.next().map_or(Ok(4_000_000), |text| text.parse())?;
    let repeats: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let folder =
        arguments.next().map(PathBuf::from).map_or_else(|| Ok(tempfile::tempdir()?.keep()), Ok::<_, std::io::Error>)?;
    let names: Vec<String> = (0..INSTRUMENTS).map(|index| format!("S{index:03}")).collect();
    let mut numbers = Numbers(42);
    let batches: Vec<RecordBatch> =
        (0..rows.div_ceil(BATCH_ROWS)).map(|index| batch(index * BATCH_ROWS, &names, &mut numbers)).collect();
    let place = Place::create(&folder.to_string_lossy(), &S3Settings::default())?;
    let (mut wall_best, mut core_best) = (f64::MAX, f64::MAX);
    for _ in 0..repeats {
        let (begun, core) = (Instant::now(), on_core());
        let settings = WriterSettings::new("bench", Earlier::Replace, Arc::new(|| 1));
        let written = block_on(async {
            let mut writer = Writer::new(&place, settings)?;
            for batch in &batches {
                writer.append(Table::Ticks, batch).await?;
            }
            writer.finish().await
        })?;
        let million = written.rows as f64 / 1e6;
        let wall = begun.elapsed().as_secs_f64();
        wall_best = wall_best.min(wall / million);
        if let (Some(before), Some(after)) = (core, on_core()) {
            core_best = core_best.min((after - before) / million);
        }
        println!(
            "{:.2} million rows in {wall:.2} s, {:.1} bytes a row",
            million,
            written.bytes as f64 / written.rows as f64
        );
    }
    println!(
        "fastest: {:.2} million rows a second by the wall, {:.2} by the time on a core",
        1.0 / wall_best,
        1.0 / core_best
    );
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

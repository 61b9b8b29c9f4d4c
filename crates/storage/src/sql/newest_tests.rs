use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{
    Float64Array, Int64Array, RecordBatch, StringArray,
    cast::AsArray,
    types::{Float64Type, Int64Type, TimestampNanosecondType},
};
use proptest::prelude::*;

use super::*;
use crate::{
    Place, block_on,
    compact::{CompactSettings, compact},
    parquet::{Attempt, Earlier, Writer, WriterSettings, layout::begin_ns, samples},
    place::S3Settings,
    table::Table,
};

const NAMES: [&str; 4] = ["AAPL", "MSFT", "QQQ", "SPY"];
/// Steps of a day, of which there are two.
const STEPS: i64 = 40;
const STEP_NS: i64 = 60_000_000_000;
/// Lengths of bars.
const LENGTHS: [i64; 2] = [60, 3_600];

/// A row of either table: of which minute, instrument and length of bars, and its value.
type Row = (i64, usize, usize, f64);

/// What is written at once: by which writer, into files of how many rows.
#[derive(Debug, Clone)]
struct Batch {
    file_rows: usize,
    rows: Vec<Row>,
}

fn time_ns(step: i64) -> i64 {
    let begin = begin_ns(jiff::civil::date(2026, 1, 2));
    begin + step / STEPS * 86_400_000_000_000 + step % STEPS * STEP_NS
}

fn record(table: Table, rows: &[Row]) -> RecordBatch {
    let values = || Arc::new(rows.iter().map(|row| Some(row.3)).collect::<Float64Array>());
    let lengths = || Arc::new(rows.iter().map(|row| Some(LENGTHS[row.2])).collect::<Int64Array>());
    let mut columns: Vec<(&str, arrow_array::ArrayRef)> = vec![
        ("time", samples::times(rows.iter().map(|row| time_ns(row.0)).collect())),
        ("instrument", Arc::new(rows.iter().map(|row| Some(NAMES[row.1])).collect::<StringArray>())),
    ];
    match table {
        Table::Quotes => columns.push(("bid", values())),
        _ => {
            columns.extend([("interval_ns", lengths() as arrow_array::ArrayRef), ("trades", lengths())]);
            columns.extend(["open", "high", "low", "close"].map(|name| (name, values() as arrow_array::ArrayRef)));
        }
    }
    samples::rows(table, columns)
}

/// The value of each key, of those that a question lets through.
fn asked(session: &Session, table: Table, predicate: &str) -> Vec<(i64, String, i64, f64)> {
    let (length, value) = if table == Table::Quotes { ("0", "bid") } else { ("interval_ns", "close") };
    let sql = format!(
        "SELECT {value} AS v, instrument, CAST({length} AS BIGINT) AS l, time, date FROM {table} WHERE {predicate} ORDER BY time, instrument, l"
    );
    let rows = answer(session, &sql);
    let times = rows.column(3).as_primitive::<TimestampNanosecondType>();
    let days = rows.column(4).as_primitive::<arrow_array::types::Date32Type>();
    (0..rows.num_rows())
        .map(|row| {
            let time = times.value(row);
            assert_eq!(i64::from(days.value(row)), time / 86_400_000_000_000);
            let length = rows.column(2).as_primitive::<Int64Type>().value(row);
            let value = rows.column(0).as_primitive::<Float64Type>().value(row);
            (time, rows.column(1).text_at(row), length, value)
        })
        .collect()
}

/// A text whatever kind of text column DataFusion gives.
trait Text {
    fn text_at(&self, row: usize) -> String;
}

impl Text for arrow_array::ArrayRef {
    fn text_at(&self, row: usize) -> String {
        match self.as_string_view_opt() {
            Some(texts) => texts.value(row).to_owned(),
            None => self.as_string::<i32>().value(row).to_owned(),
        }
    }
}

fn answer(session: &Session, sql: &str) -> RecordBatch {
    block_on(async {
        let Outcome::Rows(mut answer) = session.ask(sql, None).await.unwrap() else { panic!("{sql} was explained") };
        let mut batches = Vec::new();
        while let Some(batch) = answer.next().await.unwrap() {
            batches.push(batch);
        }
        datafusion::arrow::compute::concat_batches(answer.columns(), &batches).unwrap()
    })
}

fn count(session: &Session, sql: &str) -> i64 {
    answer(session, sql).column(0).as_primitive::<Int64Type>().value(0)
}

fn place_of(folder: &tempfile::TempDir) -> Place {
    Place::open(folder.path().to_str().unwrap(), &S3Settings::default()).unwrap()
}

fn session_of(place: &Place) -> Session {
    let places = vec![NamedPlace { name: "kept".into(), kept: Kept::Files(place.clone()) }];
    block_on(Session::open(Settings { places, threads: Some(2), ..Settings::default() })).unwrap()
}

fn write(place: &Place, table: Table, batch: &Batch) {
    block_on(async {
        let settings = WriterSettings::new("desk", Earlier::Keep, samples::clock());
        let mut writer = Writer::new(place, WriterSettings { file_rows: batch.file_rows, ..settings }).unwrap();
        writer.append(table, &record(table, &batch.rows)).await.unwrap();
        writer.finish().await.unwrap();
    });
}

fn compacted(place: &Place, table: Table) {
    let settings = CompactSettings {
        tables: vec![table],
        attempt: Attempt { now_ns: begin_ns(jiff::civil::date(2026, 2, 1)), take_over: false },
        closed_after_ns: 0,
        dry_run: false,
    };
    assert!(!block_on(compact(place, &settings)).unwrap().has_failed());
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    // A rewrite of a stretch of time, so that files also lie apart, touch, and hold the same key several times over.
    let batch =
        (0..2 * STEPS, 1..30_i64, 1..60_usize, 1..40_usize).prop_flat_map(|(first, length, count, file_rows)| {
            let step = first..(first + length).min(2 * STEPS);
            let row = (step, 0..NAMES.len(), 0..LENGTHS.len(), (0..1_000_i32).prop_map(f64::from));
            proptest::collection::vec(row, count).prop_map(move |rows| Batch { file_rows, rows })
        });
    proptest::collection::vec(batch, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However rows are written again, a query sees of each key the row that was written last, and compaction changes no answer.
    #[test]
    fn of_each_key_the_newest_row_is_seen(
        batches in batches(),
        is_quotes in any::<bool>(),
        compacted_after in 0..8_usize,
        (from, to) in (0..2 * STEPS, 0..2 * STEPS),
        least in 0..1_000_i32,
    ) {
        let table = if is_quotes { Table::Quotes } else { Table::Bars };
        let folder = tempfile::tempdir().unwrap();
        let place = place_of(&folder);
        let session = session_of(&place);
        let mut model: BTreeMap<(i64, String, i64), f64> = BTreeMap::new();
        for (at, batch) in batches.iter().enumerate() {
            write(&place, table, batch);
            for (step, name, length, value) in &batch.rows {
                let length = if is_quotes { 0 } else { LENGTHS[*length] };
                model.insert((time_ns(*step), NAMES[*name].to_owned(), length), *value);
            }
            if at == compacted_after {
                compacted(&place, table);
            }
        }
        let least = f64::from(least);
        let value = if is_quotes { "bid" } else { "close" };
        let (from, to) = (time_ns(from), time_ns(to));
        let between = format!("time >= to_timestamp_nanos({from}) AND time < to_timestamp_nanos({to})");
        type Wanted = Box<dyn Fn(i64, &str, f64) -> bool>;
        let questions: Vec<(String, Wanted)> = vec![
            ("true".into(), Box::new(|_, _, _| true)),
            (format!("{value} >= {least}"), Box::new(move |_, _, value| value >= least)),
            (between, Box::new(move |time, _, _| (from..to).contains(&time))),
            (format!("instrument = 'QQQ' AND {value} < {least}"), Box::new(move |_, name, value| name == "QQQ" && value < least)),
            ("date = '2026-01-03' OR instrument = 'AAPL'".into(),
                Box::new(|time, name, _| time >= time_ns(STEPS) || name == "AAPL")),
        ];
        for round in ["before", "after"] {
            for (predicate, wanted) in &questions {
                let expected: Vec<_> = model
                    .iter()
                    .filter(|((time, name, _), value)| wanted(*time, name, **value))
                    .map(|((time, name, length), value)| (*time, name.clone(), *length, *value))
                    .collect();
                prop_assert_eq!(asked(&session, table, predicate), expected, "{} {}", round, predicate);
            }
            prop_assert_eq!(count(&session, &format!("SELECT count(*) FROM {table}")), model.len() as i64);
            let limited = answer(&session, &format!("SELECT instrument FROM {table} LIMIT 3"));
            prop_assert_eq!(limited.num_rows(), model.len().min(3));
            compacted(&place, table);
        }
    }
}

/// Rows at these steps, one of each instrument.
fn steps(steps: std::ops::Range<i64>, value: f64) -> Batch {
    let rows = steps.flat_map(|step| (0..NAMES.len()).map(move |name| (step, name, 0, value))).collect();
    Batch { file_rows: 1 << 20, rows }
}

#[test]
fn only_what_lies_over_each_other_is_read_together() {
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    let session = session_of(&place);
    let plan = || {
        let Outcome::Explained(said) =
            block_on(session.ask("SELECT instrument, bid FROM quotes", Some(Explain::Run))).unwrap()
        else {
            panic!("it was answered")
        };
        said
    };
    write(&place, Table::Quotes, &steps(0..10, 1.0));
    write(&place, Table::Quotes, &steps(10..20, 1.0));
    write(&place, Table::Quotes, &steps(STEPS..STEPS + 5, 1.0));
    let apart = plan();
    assert!(!apart.plan.contains("NewestScan"), "{apart}");
    assert_eq!((apart.rows, apart.reads[0].rows), (Some(100), Some(100)), "{apart}");
    // One minute of the first day again: the second file of that day and the other day are as before.
    write(&place, Table::Quotes, &steps(3..4, 2.0));
    let over = plan();
    assert!(over.plan.contains("NewestScan: quotes, the newest row of each key of 2 files"), "{over}");
    assert!(over.plan.contains("is_uncontested"), "{over}");
    assert_eq!((over.rows, over.reads[0].files), (Some(100), Some(Share { read: 4, all: 4 })), "{over}");
    assert_eq!(count(&session, "SELECT count(*) FROM quotes WHERE bid = 2"), 4);
    compacted(&place, Table::Quotes);
    assert!(!plan().plan.contains("NewestScan"), "{}", plan());
}

#[test]
fn a_row_written_twice_into_one_file_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    let rows = vec![(0, 0, 0, 1.0), (0, 0, 0, 2.0), (1, 0, 0, 3.0)];
    let written = block_on(async {
        let settings = WriterSettings::new("desk", Earlier::Keep, samples::clock());
        let mut writer = Writer::new(&place, settings).unwrap();
        writer.append(Table::Quotes, &record(Table::Quotes, &rows)).await.unwrap();
        writer.finish().await.unwrap()
    });
    assert_eq!((written.rows, written.replaced), (2, 1));
    assert_eq!(count(&session_of(&place), "SELECT CAST(sum(bid) AS BIGINT) FROM quotes"), 5);
}

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use jiff::civil::{Date, date};
use object_store::{ObjectStore, memory::InMemory, path::Path};
use proptest::prelude::*;

use super::{
    check::{instruments, times},
    encode::ROW_GROUP_ROWS,
    layout::{DAY_NS, begin_ns},
    samples::{clock, quotes, rows, times as time_column},
    *,
};
use crate::{
    block_on,
    error::StorageError,
    place::{Place, Put, S3Settings},
    table::Table,
};

const DAY: Date = date(2026, 1, 2);

fn place_of(folder: &tempfile::TempDir) -> Place {
    Place::open(folder.path().to_str().unwrap(), &S3Settings::default()).unwrap()
}

fn settings(writer: &str) -> WriterSettings {
    WriterSettings::new(writer, Earlier::Keep, clock())
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let place = place_of(folder);
    let listed = block_on(place.list(&Path::from(""))).unwrap();
    listed.into_iter().map(|meta| meta.location.to_string()).collect()
}

/// Quotes of one instrument each, at these times.
fn at(times: &[(i64, &str)]) -> RecordBatch {
    let bids: Vec<Option<f64>> = (0..times.len()).map(|index| Some(index as f64)).collect();
    rows(
        Table::Quotes,
        vec![
            ("time", time_column(times.iter().map(|(time, _)| *time).collect())),
            ("instrument", Arc::new(times.iter().map(|(_, name)| Some(*name)).collect::<StringArray>())),
            ("bid", Arc::new(Float64Array::from(bids))),
        ],
    )
}

async fn write(place: &Place, settings: WriterSettings, batches: &[RecordBatch]) -> Result<Written, StorageError> {
    let mut writer = Writer::new(place, settings)?;
    for batch in batches {
        writer.append(Table::Quotes, batch).await?;
    }
    writer.finish().await
}

#[test]
fn rows_lie_by_day_sorted_and_each_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let begin = begin_ns(DAY);
    let given = [(begin + DAY_NS, "B"), (begin + 5, "B"), (begin + 9, "A"), (begin + 5, "A"), (begin - 1, "B")];
    let written = block_on(write(&place_of(&folder), settings("desk"), &[at(&given)])).unwrap();
    assert_eq!((written.rows, written.files), (5, 3));
    assert_eq!(
        names(&folder),
        [
            "quotes/date=2026-01-01/desk-000000.parquet",
            "quotes/date=2026-01-02/desk-000000.parquet",
            "quotes/date=2026-01-03/desk-000000.parquet"
        ]
    );
    let (batches, scanned) = block_on(read(&place_of(&folder), Table::Quotes, &Filter::default())).unwrap();
    assert_eq!((scanned.rows, scanned.files_read), (5, 3));
    let middle: Vec<_> =
        (0..3).map(|row| (instruments(&batches[1]).value(row), times(&batches[1]).value(row) - begin)).collect();
    assert_eq!(middle, [("A", 5), ("A", 9), ("B", 5)]);
    assert!(block_on(crate::verify::verify(&place_of(&folder), &Table::ALL)).unwrap().faults.is_empty());
}

#[test]
fn files_end_at_their_rows_and_memory_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    let few = WriterSettings { file_rows: 100, ..settings("few") };
    let written = block_on(write(&place, few, &[quotes(DAY, 70), quotes(DAY, 70), quotes(DAY, 170)])).unwrap();
    assert_eq!((written.rows, written.files), (310, 4));
    block_on(async {
        let small = WriterSettings { memory_bytes: 20_000, ..settings("small") };
        let mut writer = Writer::new(&place, small).unwrap();
        for day in 1..=28 {
            writer.append(Table::Quotes, &quotes(date(2026, 2, day), 100)).await.unwrap();
        }
        let before = files(&place, Table::Quotes, None).await.unwrap().len();
        assert!(before > 4 + 15, "only {before} files before the end");
        assert_eq!(writer.finish().await.unwrap().rows, 2_800);
    });
    let scanned = block_on(read(&place, Table::Quotes, &Filter::default())).unwrap().1;
    assert_eq!(scanned.rows, 3_110);
}

#[test]
fn a_reader_leaves_out_what_it_does_not_need() {
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    let begin = begin_ns(DAY);
    let many: Vec<(i64, String)> =
        (0..3 * ROW_GROUP_ROWS as i64).map(|row| (begin + row, format!("S{}", row % 997 * 7))).collect();
    let many: Vec<(i64, &str)> = many.iter().map(|(time, name)| (*time, name.as_str())).collect();
    block_on(write(&place, settings("a"), &[at(&many)])).unwrap();
    block_on(write(&place, settings("b"), &[at(&[(begin + DAY_NS, "S7"), (begin + 2 * DAY_NS, "Z")])])).unwrap();
    let scan = |filter: Filter| block_on(read(&place, Table::Quotes, &filter)).unwrap().1;
    let named = |name: &str| Filter { instruments: [name.to_owned()].into(), ..Filter::default() };

    let all = scan(Filter::default());
    assert_eq!((all.files_read, all.row_groups_read, all.rows), (3, 5, 3 * ROW_GROUP_ROWS as u64 + 2));
    // By statistics: an instrument lies in one row group, or two where it is on the border.
    let one = scan(named("S700"));
    assert!(one.row_groups_read <= 2 && one.row_groups == 5, "{one:?}");
    assert_eq!(one.rows, (0..3 * ROW_GROUP_ROWS).filter(|row| row % 997 == 100).count() as u64);
    // By Bloom filter: within the bounds, and nowhere.
    assert_eq!(scan(named("S701")).row_groups_read, 0);
    // By partition.
    let late = scan(Filter { from_ns: Some(begin + DAY_NS), ..Filter::default() });
    assert_eq!((late.files, late.row_groups, late.rows), (3, 2, 2));
    let exact = scan(Filter { from_ns: Some(begin + 10), to_ns: Some(begin + 20), ..named("S77") });
    assert_eq!(exact.rows, 1);
}

#[test]
fn what_may_not_be_kept_is_named_and_no_row_of_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    let good = at(&[(5, "A"), (6, "B")]);
    let with = |name: &str, column: ArrayRef| {
        let schema = good.schema();
        let names = schema.fields().iter().map(|field| field.name()).filter(|of| *of != name);
        let columns = names.map(|of| (of.clone(), good.column_by_name(of).cloned().unwrap()));
        let columns: Vec<(String, ArrayRef)> = columns.chain([(name.to_owned(), column)]).collect();
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let refused = |rows: RecordBatch, words: &[&str]| {
        let error = block_on(async {
            let mut writer = Writer::new(&place, settings("bad")).unwrap();
            writer.append(Table::Quotes, &good).await.unwrap();
            writer.append(Table::Quotes, &rows).await.unwrap_err()
        });
        for word in words {
            assert!(error.to_string().contains(word), "{error}: {word}");
        }
    };
    let floats = |values: Vec<Option<f64>>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    refused(with("bid", floats(vec![Some(1.0), Some(f64::NAN)])), &["quotes: row 4", "bid = NaN", "finite"]);
    refused(with("ask", floats(vec![Some(f64::INFINITY), None])), &["row 3", "ask = inf"]);
    refused(with("time", time_column(vec![5, -1])), &["row 4", "time = -1", "1970"]);
    refused(with("instrument", Arc::new(StringArray::from(vec![Some("A"), None]))), &["row 4", "instrument = nothing"]);
    refused(with("instrument", Arc::new(StringArray::from(vec!["", "B"]))), &["row 3", "0 bytes", "1 to 255"]);
    refused(with("bid", Arc::new(Int64Array::from(vec![1, 2]))), &["column bid is Int64", "Float64"]);
    refused(with("time", Arc::new(Int64Array::from(vec![1, 2]))), &["column time is Int64", "Timestamp"]);
    refused(with("gamma", floats(vec![None, None])), &["no column \"gamma\"", "bid_size"]);
    refused(RecordBatch::try_from_iter([("bid", floats(vec![None]))]).unwrap(), &["column time is missing"]);
    for writer in ["", "a/b", ".a", "replace-x", "rule-x", "-a"] {
        assert!(Writer::new(&place, settings(writer)).is_err(), "{writer}");
    }
    // Absent values in a column whose slots hold rubbish are no fault, and columns that may be missing may.
    let slots = Float64Array::new(vec![f64::NAN, 1.0].into(), Some(vec![false, true].into()));
    let few = ["time", "instrument"].map(|name| (name, good.column_by_name(name).cloned().unwrap()));
    let few = RecordBatch::try_from_iter(few.into_iter().chain([("bid", Arc::new(slots) as ArrayRef)])).unwrap();
    assert_eq!(block_on(write(&place, settings("good"), &[few])).unwrap().rows, 2);
}

#[test]
fn a_file_that_is_cut_is_named_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    for writer in ["a", "b"] {
        block_on(write(&place, settings(writer), &[quotes(DAY, 500)])).unwrap();
    }
    let cut = folder.path().join("quotes/date=2026-01-02/a-000000.parquet");
    let bytes = std::fs::read(&cut).unwrap();
    for length in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        let scanned = block_on(read(&place, Table::Quotes, &Filter::default())).unwrap().1;
        assert_eq!((scanned.rows, scanned.damaged.len()), (500, 1), "{length} bytes");
        let said = scanned.damaged[0].to_string();
        assert!(said.contains("a-000000.parquet") && said.contains("is it whole?"), "{said}");
        let verified = block_on(crate::verify::verify(&place, &[Table::Quotes])).unwrap();
        assert_eq!((verified.files, verified.rows, verified.faults.len()), (2, 500, 1));
    }
    // A byte in the middle: rows before it may have been given, and the file is named all the same.
    let mut flipped = bytes.clone();
    (4..200).for_each(|at| flipped[at] ^= 0x55);
    std::fs::write(&cut, &flipped).unwrap();
    assert_eq!(block_on(read(&place, Table::Quotes, &Filter::default())).unwrap().1.damaged.len(), 1);
}

#[test]
fn two_writers_of_one_name_do_not_overwrite_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let threads = (0..4).map(|_| {
        let place = place_of(&folder);
        std::thread::spawn(move || {
            let few = WriterSettings { file_rows: 10, ..settings("same") };
            block_on(write(&place, few, &[quotes(DAY, 100)])).unwrap().files
        })
    });
    let threads: Vec<_> = threads.collect();
    let total: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!((total, names(&folder).len()), (40, 40));
    assert_eq!(block_on(read(&place_of(&folder), Table::Quotes, &Filter::default())).unwrap().1.rows, 400);
}

#[test]
fn a_replacing_writer_that_was_cut_short_leaves_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    let day = [quotes(DAY, 70), quotes(date(2026, 1, 3), 70)];
    let replacing = |file_rows| WriterSettings { file_rows, earlier: Earlier::Replace, ..settings("digest") };
    block_on(write(&place, settings("other"), &day)).unwrap();
    block_on(async {
        // Dropped without a finish, as a kill does: whole files are there, the rest is lost.
        let mut writer = Writer::new(&place, replacing(10)).unwrap();
        for rows in &day {
            writer.append(Table::Quotes, rows).await.unwrap();
        }
    });
    assert_eq!(names(&folder).len(), 2 + 14);
    let written = block_on(write(&place, replacing(50), &day)).unwrap();
    assert_eq!((written.rows, written.files, written.files_removed), (140, 4, 10));
    let again = block_on(write(&place, replacing(50), &day)).unwrap();
    assert_eq!((again.files, again.files_removed), (4, 0));
    assert_eq!(block_on(read(&place, Table::Quotes, &Filter::default())).unwrap().1.rows, 280);
}

/// A store whose puts fail where `fails` says so, having written nothing.
#[derive(Debug)]
struct Failing {
    inner: InMemory,
    puts: AtomicUsize,
    fails: std::ops::Range<usize>,
}

impl std::fmt::Display for Failing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("failing")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Failing {
    async fn put_opts(
        &self,
        location: &Path,
        payload: object_store::PutPayload,
        options: object_store::PutOptions,
    ) -> object_store::Result<object_store::PutResult> {
        if self.fails.contains(&self.puts.fetch_add(1, Ordering::Relaxed)) {
            return Err(object_store::Error::Generic { store: "failing", source: "no space left on device".into() });
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: object_store::PutMultipartOptions,
    ) -> object_store::Result<Box<dyn object_store::MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: object_store::GetOptions,
    ) -> object_store::Result<object_store::GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: futures::stream::BoxStream<'static, object_store::Result<Path>>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(
        &self,
        prefix: Option<&Path>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<object_store::ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: object_store::CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[test]
fn rows_that_a_store_did_not_take_wait_for_the_next_try() {
    let failing = Failing { inner: InMemory::new(), puts: AtomicUsize::new(0), fails: 1..4 };
    let place = Place::of_store("failing", Arc::new(failing));
    block_on(async {
        let few = WriterSettings { file_rows: 10, ..settings("w") };
        let mut writer = Writer::new(&place, few).unwrap();
        writer.append(Table::Quotes, &quotes(DAY, 12)).await.unwrap();
        // The first of these files cannot be written; the rows wait with those that were there.
        let error = writer.append(Table::Quotes, &quotes(DAY, 13)).await.unwrap_err();
        assert!(error.to_string().contains("no space left"), "{error}");
        assert!(writer.flush_all().await.is_err());
        assert!(writer.append(Table::Quotes, &quotes(DAY, 1)).await.is_err());
        let written = writer.finish().await.unwrap();
        assert_eq!((written.rows, written.files), (26, 3));
        assert_eq!(read(&place, Table::Quotes, &Filter::default()).await.unwrap().1.rows, 26);
    });
}

#[test]
fn a_folder_that_takes_no_file_gets_no_part_of_one() {
    // The binary's tests fill a disk.
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    let partition = folder.path().join("quotes/date=2026-01-02");
    let earlier = || WriterSettings { earlier: Earlier::Replace, ..settings("w") };
    block_on(async {
        std::fs::create_dir(folder.path().join("quotes")).unwrap();
        std::fs::write(&partition, "in the way").unwrap();
        let error = write(&place, earlier(), &[quotes(DAY, 5)]).await.unwrap_err().to_string();
        assert!(error.contains("quotes/date=2026-01-02/w-000000.parquet"), "{error}");
        std::fs::remove_file(&partition).unwrap();
        assert_eq!(write(&place, earlier(), &[quotes(DAY, 5)]).await.unwrap().rows, 5);
        assert!(
            !place.put(&Path::from("quotes/date=2026-01-02/w-000000.parquet"), "x".into(), Put::New).await.unwrap()
        );
    });
    assert_eq!(names(&folder), ["quotes/date=2026-01-02/w-000000.parquet"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// What comes out of merged files is what a map by key holds after the same writes in the same order.
    #[test]
    fn merged_files_are_the_last_row_of_each_key_in_order(
        writes in proptest::collection::vec(proptest::collection::vec((0..6_i64, 0..3_usize), 1..40), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let place = place_of(&folder);
        let mut expected = std::collections::BTreeMap::new();
        let mut stamp = 0.0;
        for (index, of_file) in writes.iter().enumerate() {
            let names = ["A", "B", "C"];
            let cells: Vec<(i64, &str)> = of_file.iter().map(|(time, name)| (begin_ns(DAY) + time, names[*name])).collect();
            let bids: Vec<f64> = cells.iter().map(|_| { stamp += 1.0; stamp }).collect();
            cells.iter().zip(&bids).for_each(|((time, name), bid)| { expected.insert((*name, *time), *bid); });
            let batch = rows(Table::Quotes, vec![
                ("time", time_column(cells.iter().map(|(time, _)| *time).collect())),
                ("instrument", Arc::new(cells.iter().map(|(_, name)| Some(*name)).collect::<StringArray>())),
                ("bid", Arc::new(Float64Array::from(bids))),
            ]);
            block_on(write(&place, settings(&format!("w{}", 9 - index)), &[batch])).unwrap();
        }
        let listed = block_on(files(&place, Table::Quotes, None)).unwrap();
        let found = block_on(async {
            let mut merged = merge::Merged::open(&place, Table::Quotes, &listed, &Filter::default()).await.unwrap();
            let mut found = Vec::new();
            while let Some(rows) = merged.next().await.unwrap() {
                let bids: &Float64Array = rows.column_by_name("bid").unwrap().as_any().downcast_ref().unwrap();
                found.extend((0..rows.num_rows()).map(|row| ((instruments(&rows).value(row).to_owned(), times(&rows).value(row)), bids.value(row))));
            }
            found
        });
        let expected: Vec<_> = expected.into_iter().map(|((name, time), bid)| ((name.to_owned(), time), bid)).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn dates_are_those_that_have_files() {
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    block_on(write(&place, settings("w"), &[quotes(DAY, 5), quotes(date(2025, 12, 31), 5)])).unwrap();
    let found = block_on(dates(&place, Table::Quotes)).unwrap();
    assert_eq!(found, BTreeSet::from([date(2025, 12, 31), DAY]));
    assert!(block_on(dates(&place, Table::Bars)).unwrap().is_empty());
}

/// A file of quotes as another program may write it.
fn foreign(place: &Place, table: Table, date: Date, rows: &RecordBatch) -> String {
    let about = encode::About { table, written_ns: 1, replaces: Vec::new() };
    let mut encoder = encode::Encoder::new(&about, 1).unwrap();
    encoder.write(rows).unwrap();
    let path = layout::file_path(Table::Quotes, date, "foreign", 0);
    block_on(place.put(&path, encoder.finish().unwrap(), Put::Replace)).unwrap();
    path.to_string()
}

#[test]
fn what_another_program_put_there_wrongly_is_found_and_never_merged() {
    let begin = begin_ns(DAY);
    let sorted = at(&[(begin, "A"), (begin + 1, "A"), (begin, "B")]);
    let cases = [
        (at(&[(begin, "B"), (begin, "A")]), "not sorted"),
        (at(&[(begin + 5, "A"), (begin + 4, "A")]), "row 2"),
        (at(&[(begin, "A"), (begin + DAY_NS, "A")]), "time is of 2026-01-03"),
    ];
    for (rows, problem) in &cases {
        let folder = tempfile::tempdir().unwrap();
        let place = place_of(&folder);
        let path = foreign(&place, Table::Quotes, DAY, rows);
        let report = block_on(crate::verify::verify(&place, &[Table::Quotes])).unwrap();
        let fault = &report.faults[0];
        assert!(fault.path.ends_with(&path) && fault.problem.contains(problem), "{fault:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder);
    foreign(&place, Table::Quotes, DAY, &sorted);
    assert!(block_on(crate::verify::verify(&place, &[Table::Quotes])).unwrap().faults.is_empty());
    // Unsorted rows would be merged in a wrong order, and duplicates missed.
    foreign(&place, Table::Quotes, DAY, &cases[0].0);
    block_on(write(&place, settings("w"), &[quotes(DAY, 5)])).unwrap();
    let compact = crate::compact::CompactSettings {
        tables: vec![Table::Quotes],
        attempt: Attempt { now_ns: i64::MAX - 1, take_over: false },
        closed_after_ns: 0,
        dry_run: false,
    };
    let report = block_on(crate::compact::compact(&place, &compact)).unwrap();
    assert!(report.left_alone[0].reason.contains("not sorted"), "{report:?}");
    assert_eq!(names(&folder).len(), 2);
    // A file of another table, and one with other columns.
    let bars = rows(
        Table::Surfaces,
        ["time", "instrument", "model", "surface"]
            .map(|name| {
                (
                    name,
                    match name {
                        "time" => time_column(vec![begin]),
                        _ => Arc::new(StringArray::from(vec!["x"])) as ArrayRef,
                    },
                )
            })
            .to_vec(),
    );
    foreign(&place, Table::Surfaces, DAY, &bars);
    let scanned = block_on(read(&place, Table::Quotes, &Filter::default())).unwrap().1;
    assert!(scanned.damaged[0].to_string().contains("its columns are"), "{scanned:?}");
    assert_eq!(scanned.rows, 5);
}

use std::{fs, path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray,
    cast::AsArray,
    new_null_array,
    types::{Float64Type, Int64Type},
};
use parquet::{
    arrow::ArrowWriter,
    file::{
        properties::WriterProperties,
        reader::{FileReader, SerializedFileReader},
    },
};
use zomma_testkit::postgres::Server;

use super::*;
use crate::{
    Place, block_on,
    place::S3Settings,
    postgres::{self, Database},
    table::Table,
};

const DAY_NS: i64 = 86_400_000_000_000;
/// 2026-01-01.
const FIRST_DAY: i64 = 20_454;
const INSTRUMENTS: [&str; 2] = ["AAPL", "SPY"];
/// Rows of an instrument and day; a row group has a quarter of a day's.
const ROWS: i64 = 100;

/// Quotes of one day since the first, one every 864 seconds, bid = rows since the first day.
fn quotes_of(day: i64, instrument: &str) -> RecordBatch {
    let rows: Vec<i64> = (0..ROWS).collect();
    let schema = Table::Quotes.schema();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "time" => {
                let times = rows.iter().map(|row| (FIRST_DAY + day) * DAY_NS + row * (DAY_NS / ROWS));
                Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC"))
            }
            "instrument" => Arc::new(StringArray::from_iter_values(rows.iter().map(|_| instrument))),
            "bid" => Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| (day * ROWS + row) as f64))),
            _ => new_null_array(field.data_type(), rows.len()),
        }
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

/// Five days of them, a file a day and instrument, four row groups each.
fn quotes(root: &Path) {
    for day in 0..5 {
        for (at, instrument) in INSTRUMENTS.iter().enumerate() {
            let folder = root.join(format!("quotes/date=2026-01-0{}", day + 1));
            fs::create_dir_all(&folder).unwrap();
            let file = fs::File::create(folder.join(format!("test-00000{at}.parquet"))).unwrap();
            let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROWS as usize / 4)).build();
            let mut writer = ArrowWriter::try_new(file, Table::Quotes.schema(), Some(properties)).unwrap();
            writer.write(&quotes_of(day, instrument)).unwrap();
            writer.close().unwrap();
        }
    }
}

fn place(name: &str, root: &Path) -> NamedPlace {
    let place = Place::open(root.to_str().unwrap(), &S3Settings::default()).unwrap();
    NamedPlace { name: name.into(), kept: Kept::Files(place) }
}

fn session(settings: Settings) -> Session {
    block_on(Session::open(settings)).unwrap()
}

fn rows(session: &Session, sql: &str) -> Result<RecordBatch, SqlError> {
    block_on(async {
        let Outcome::Rows(mut answer) = session.ask(sql, None).await? else { panic!("{sql} was explained") };
        let mut batches = Vec::new();
        while let Some(batch) = answer.next().await? {
            batches.push(batch);
        }
        Ok(datafusion::arrow::compute::concat_batches(answer.columns(), &batches).unwrap())
    })
}

fn explained(session: &Session, sql: &str, mode: Explain) -> Explained {
    let Outcome::Explained(explained) = block_on(session.ask(sql, Some(mode))).unwrap() else {
        panic!("{sql} was answered")
    };
    explained
}

fn count(session: &Session, sql: &str) -> i64 {
    rows(session, sql).unwrap().column(0).as_primitive::<Int64Type>().value(0)
}

#[test]
fn times_decide_which_days_files_and_row_groups_are_read() {
    let folder = tempfile::tempdir().unwrap();
    quotes(folder.path());
    let session = session(Settings { places: vec![place("kept", folder.path())], ..Settings::default() });
    assert_eq!(count(&session, "SELECT count(*) FROM quotes"), 5 * 2 * ROWS);
    // (query, rows, days, files, row groups of those files, all row groups of them)
    for (predicate, wanted, days, files, groups) in [
        ("true", 1000, 5, 10, (40, 40)),
        ("time >= '2026-01-02' AND time < '2026-01-04'", 400, 2, 4, (16, 16)),
        ("time >= '2026-01-02T18:00:00Z' AND time < '2026-01-03T06:00:00Z'", 100, 2, 4, (4, 16)),
        ("time = '2026-01-03T12:00:00Z'", 2, 1, 2, (2, 8)),
        ("time BETWEEN '2026-01-03' AND '2026-01-03T01:00:00Z'", 10, 1, 2, (2, 8)),
        ("'2026-01-05' <= time", 200, 1, 2, (8, 8)),
        ("CAST(time AS DATE) = '2026-01-05'", 200, 1, 2, (8, 8)),
        ("date = '2026-01-05'", 200, 1, 2, (8, 8)),
        ("date > '2026-01-03' AND instrument = 'SPY'", 200, 2, 4, (8, 16)),
        ("date IN ('2026-01-02', '2026-01-03')", 400, 2, 4, (16, 16)),
        ("time >= '2026-01-02' AND time < '2026-01-04' AND bid >= 250 AND bid < 260", 20, 2, 4, (2, 16)),
        ("time < '2025-12-31'", 0, 0, 0, (0, 0)),
    ] {
        let sql = format!("SELECT time, bid FROM quotes WHERE {predicate}");
        let plan = explained(&session, &sql, Explain::Plan);
        assert_eq!((plan.rows, plan.reads[0].row_groups), (None, None));
        let run = explained(&session, &sql, Explain::Run);
        let read = &run.reads[0];
        assert_eq!(run.rows, Some(wanted), "{predicate}");
        assert_eq!(run.reads.len(), 1);
        for explained in [&plan.reads[0], read] {
            let shares = (
                explained.days.unwrap().read,
                explained.days.unwrap().all,
                explained.files.unwrap().read,
                explained.files.unwrap().all,
            );
            assert_eq!(shares, (days, 5, files, 10), "{predicate}");
        }
        let found = read.row_groups.unwrap();
        assert_eq!((found.read, found.all), groups, "{predicate}: {run}");
        assert_eq!(rows(&session, &sql).unwrap().num_rows() as u64, wanted, "{predicate}");
    }
    let said = explained(&session, "SELECT * FROM quotes WHERE time >= '2026-01-04'", Explain::Run).to_string();
    for words in [
        "2 of 5 days (2026-01-04 to 2026-01-05)",
        "4 of 10 files",
        "16 of their 16 row groups",
        "by time from 2026-01-04T00:00:00Z on",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn places_are_told_by_their_names_and_empty_tables_have_no_rows() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    quotes(folders[1].path());
    let places = vec![place("live", folders[0].path()), place("archive", folders[1].path())];
    let session = session(Settings { places, ..Settings::default() });
    assert_eq!(count(&session, "SELECT count(*) FROM quotes"), 0);
    assert_eq!(count(&session, "SELECT count(*) FROM live.quotes"), 0);
    assert_eq!(count(&session, "SELECT count(*) FROM archive.quotes WHERE time < '2026-01-02'"), 200);
    assert_eq!(
        count(
            &session,
            "SELECT count(*) FROM archive.quotes a JOIN archive.quotes b ON a.time = b.time AND a.instrument = b.instrument"
        ),
        1000
    );
    assert_eq!(session.tables().len(), 10);
    assert_eq!(rows(&session, "SELECT * FROM surfaces").unwrap().num_rows(), 0);
    let twice = vec![place("live", folders[0].path()), place("live", folders[1].path())];
    let error = block_on(Session::open(Settings { places: twice, ..Settings::default() })).err().unwrap();
    assert!(error.message.contains("two places"), "{error}");
}

#[test]
fn files_are_asked_by_name_and_in_quotes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("a.csv"), "strike,option_type\n100,call\n110.5,put\n").unwrap();
    fs::write(path("b.tsv"), "strike\toption_type\n100\tcall\n").unwrap();
    fs::write(path("c.json"), "{\"strike\": 1.5}\n{\"strike\": null}\n").unwrap();
    fs::create_dir(path("many")).unwrap();
    fs::write(path("many/1.csv"), "x\n1\n").unwrap();
    fs::write(path("many/2.csv"), "x\n2\n").unwrap();
    let session = session(Settings { files: vec![("chain".into(), path("a.csv"))], ..Settings::default() });
    let sum = |sql: &str| rows(&session, sql).unwrap().column(0).as_primitive::<Float64Type>().value(0);
    assert_eq!(sum("SELECT sum(strike) FROM chain"), 210.5);
    assert_eq!(sum(&format!("SELECT sum(strike) FROM '{}'", path("a.csv"))), 210.5);
    assert_eq!(count(&session, &format!("SELECT sum(strike) FROM '{}'", path("b.tsv"))), 100);
    assert_eq!(sum(&format!("SELECT sum(strike) FROM '{}'", path("c.json"))), 1.5);
    assert_eq!(count(&session, &format!("SELECT sum(x) FROM '{}'", path("many"))), 3);
    assert_eq!(count(&session, &format!("SELECT sum(x) FROM '{}'", path("many/*.csv"))), 3);
    assert_eq!(
        sum(&format!("SELECT sum(a.strike) FROM chain a JOIN '{}' b ON a.strike = b.strike", path("a.csv"))),
        210.5
    );
    fs::write(path("broken.parquet"), "no Parquet").unwrap();
    for (name, words) in
        [("gone.csv", "no such file"), ("broken.parquet", "cannot be read"), ("a.csv.gz", "no such file")]
    {
        let error = rows(&session, &format!("SELECT * FROM '{}'", path(name))).unwrap_err();
        assert!(error.message.contains(words) && error.message.contains(name), "{error}");
    }
}

#[test]
fn faults_are_shown_where_they_are_with_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    quotes(folder.path());
    let session = session(Settings { places: vec![place("kept", folder.path())], ..Settings::default() });
    let fault = |sql: &str| rows(&session, sql).unwrap_err();
    let error = fault("SELECT instrument,\n       bidd FROM quotes");
    assert_eq!(error.position, Some(Position { line: 2, column: 8, length: 4 }), "{error:?}");
    assert!(error.to_string().contains("  2 |        bidd FROM quotes\n    |        ^^^^\n"), "{error}");
    assert!(error.help.as_ref().is_some_and(|help| help.contains("bid")), "{error}");
    let error = fault("SELECT * FROM quots");
    assert_eq!(error.position.map(|position| (position.line, position.column)), Some((1, 15)), "{error:?}");
    assert!(error.message.contains("no table quots") && error.help.unwrap().contains("quotes"));
    let error = fault("SELECT * FORM quotes");
    assert_eq!(error.position, Some(Position { line: 1, column: 10, length: 4 }), "{error}");
    let error = fault("SELECT delt('call', 1, 1, 1, 0, 0, 1)");
    assert!(error.help.as_ref().is_some_and(|help| help.contains("delta")), "{error}");
    let error = fault("SELECT * FROM chain.csv");
    assert!(error.help.as_ref().is_some_and(|help| help.contains("FROM 'chain.csv'")), "{error}");
    let error = fault("SELECT bs_price('call', instrument, 1, 1, 0, 0, 1) FROM quotes");
    assert!(error.message.starts_with("bs_price: argument 2 (spot)"), "{error}");
    for sql in [
        "",
        "SELECT",
        "SELECT 'open",
        "SELECT (((",
        "\u{0}",
        "SELECT * FROM quotes WHERE",
        "🦀",
        "SELECT * FROM quotes LIMIT -1",
    ] {
        let error = fault(sql);
        assert!(error.is_query && !error.message.is_empty(), "{sql}: {error}");
    }
    for sql in [
        "SELECT 1 INTO a",
        "CREATE TABLE a AS SELECT 1",
        "INSERT INTO quotes SELECT * FROM quotes",
        "COPY quotes TO 'a.csv'",
    ] {
        let error = fault(sql);
        assert!(error.is_query && error.message.contains("only reads"), "{sql}: {error}");
    }
    let columns = rows(&session, "DESCRIBE SELECT bid, time FROM quotes").unwrap();
    assert_eq!(columns.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["bid", "time"]);
    // What goes wrong on the way is no fault of the query's text.
    let error = fault("SELECT CAST(instrument AS INT) FROM quotes");
    assert!(!error.is_query, "{error}");
}

#[test]
fn a_damaged_file_is_named_and_days_beside_it_are_read() {
    let folder = tempfile::tempdir().unwrap();
    quotes(folder.path());
    let of_day = |day: u8, at: u8| folder.path().join(format!("quotes/date=2026-01-0{day}/test-00000{at}.parquet"));
    // The third day's first file is cut, beside another; the fourth day's only one is; of the fifth's only one a page of bids is no page any more.
    let cut = |path: &Path| fs::write(path, &fs::read(path).unwrap()[..1_000]).unwrap();
    cut(&of_day(3, 0));
    cut(&of_day(4, 0));
    fs::remove_file(of_day(4, 1)).unwrap();
    fs::remove_file(of_day(5, 1)).unwrap();
    let mut bytes = fs::read(of_day(5, 0)).unwrap();
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes.clone())).unwrap();
    let bid = Table::Quotes.columns().iter().position(|column| column.name == "bid").unwrap();
    let (begin, _) = reader.metadata().row_group(2).column(bid).byte_range();
    bytes[begin as usize..begin as usize + 8].fill(0xff);
    fs::write(of_day(5, 0), &bytes).unwrap();
    let session = session(Settings { places: vec![place("tables", folder.path())], ..Settings::default() });
    let fault = |sql: &str| {
        let fault = rows(&session, sql).unwrap_err();
        assert!(!fault.is_query && !fault.message.contains("Parquet error: "), "{}", fault.message);
        fault.message
    };
    let on = |day: u8| format!("SELECT sum(bid) FROM quotes WHERE date = DATE '2026-01-0{day}'");
    for day in [3, 4] {
        let message = fault(&on(day));
        let path = format!("{}/quotes/date=2026-01-0{day}/test-000000.parquet", folder.path().display());
        assert!(message.contains(&path) && message.contains("footer"), "{message}");
    }
    let message = fault(&on(5));
    assert!(message.contains("date=2026-01-05/test-000000.parquet"), "{message}");
    assert!(message.contains("row group 3 of 4, column bid,"), "{message}");
    // What does not need the page or the day is answered.
    assert_eq!(count(&session, "SELECT count(instrument) FROM quotes WHERE date = DATE '2026-01-05'"), ROWS);
    assert_eq!(count(&session, "SELECT count(bid) FROM quotes WHERE date <= DATE '2026-01-02'"), 4 * ROWS);
    let by_name = fault(&format!("SELECT sum(bid) FROM '{}'", of_day(5, 0).display()));
    assert!(by_name.contains("date=2026-01-05/test-000000.parquet: row group 3"), "{by_name}");
    // While the columns of a folder's or a pattern's files are found out, too; of two the damaged one.
    for files in ["", "/*.parquet"] {
        let all = fault(&format!("SELECT sum(bid) FROM '{}{files}'", of_day(3, 0).parent().unwrap().display()));
        assert!(all.contains("file test-000000.parquet: cannot be read"), "{all}");
    }
}

#[test]
fn sorting_beyond_the_memory_spills_and_what_cannot_spill_says_so() {
    let settings = Settings { memory_bytes: Some(32 << 20), threads: Some(2), ..Settings::default() };
    let session = session(settings);
    // 3 million rows of 24 bytes, more than twice the memory.
    let sorted = "SELECT count(*) FROM (SELECT v, row_number() OVER (ORDER BY v * 7919 % 1000003) AS r FROM (SELECT value AS v FROM range(3000000)))";
    assert_eq!(count(&session, sorted), 3_000_000);
    let wide = "SELECT array_agg(repeat('x', 100) || CAST(value AS text)) FROM range(3000000)";
    let error = rows(&session, wide).unwrap_err();
    assert!(error.message.contains("not enough memory") && error.help.unwrap().contains("--memory-limit"));
}

#[test]
fn a_server_is_asked_for_what_a_query_needs() {
    let Some(server) = Server::shared() else { return };
    let name = server.create_database();
    let database = block_on(async {
        let database = Database::connect(&server.url(&name), postgres::Settings::default()).await.unwrap();
        postgres::migrate(&database).await.unwrap();
        let mut writer = postgres::Writer::new(database.clone());
        for day in 0..5 {
            for instrument in INSTRUMENTS {
                let id = format!("{instrument}-{day}");
                writer.append(Table::Quotes, &quotes_of(day, instrument), &id).await.unwrap();
            }
        }
        database
    });
    let folder = tempfile::tempdir().unwrap();
    quotes(folder.path());
    let server = NamedPlace { name: "server".into(), kept: Kept::Server(Box::new(database)) };
    let session = session(Settings { places: vec![place("files", folder.path()), server], ..Settings::default() });
    for query in [
        "SELECT count(*) FROM {}.quotes",
        "SELECT sum(bid), min(time), max(time) FROM {}.quotes WHERE time > '2026-01-02' AND instrument = 'SPY'",
        "SELECT instrument, bid FROM {}.quotes WHERE time BETWEEN '2026-01-02' AND '2026-01-03' ORDER BY instrument, bid",
        "SELECT count(*) FROM {}.quotes WHERE instrument IN ('SPY', 'QQQ') OR bid < 10",
    ] {
        let of = |place: &str| rows(&session, &query.replace("{}", place)).unwrap();
        assert_eq!(of("server").columns(), of("files").columns(), "{query}");
    }
    let limited = rows(&session, "SELECT * FROM server.quotes LIMIT 7").unwrap();
    assert_eq!(limited.num_rows(), 7);
    let sql = "SELECT bid FROM server.quotes WHERE time >= '2026-01-02' AND instrument = 'SPY'";
    let said = explained(&session, sql, Explain::Plan).to_string();
    let begin = (FIRST_DAY + 1) * DAY_NS;
    for words in ["asked of the server", &format!("time >= {begin} ns"), "instruments SPY"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let both =
        "SELECT count(*) FROM server.quotes a JOIN files.quotes b ON a.time = b.time AND a.instrument = b.instrument";
    assert_eq!(count(&session, both), 1000);
}

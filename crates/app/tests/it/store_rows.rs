//! `zomma store ingest` of files of rows: Arrow IPC, Parquet and CSV, also with columns of one's own that `--schema` says what they are.

use std::{fs, io::Cursor, path::Path, sync::Arc};

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::{FileWriter, StreamWriter};

use crate::program::{arg, run, run_with_input};

/// 2026-01-02T15:30:00Z in milliseconds.
const TIME_MS: i64 = 1_767_367_800_000;

fn quotes(time: &str, instrument: &str, scale: i64) -> RecordBatch {
    let times: ArrayRef = Arc::new(Int64Array::from(vec![TIME_MS * scale, (TIME_MS + 1) * scale]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["SPY", "QQQ"]));
    let bids: ArrayRef = Arc::new(Float64Array::from(vec![100.5, 200.25]));
    RecordBatch::try_from_iter([(time, times), (instrument, names), ("bid", bids)]).unwrap()
}

fn file(rows: &RecordBatch) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = FileWriter::try_new(&mut bytes, &rows.schema()).unwrap();
    writer.write(rows).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes.into_inner()
}

fn stream(rows: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &rows.schema()).unwrap();
    writer.write(rows).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn asked(root: &str) -> String {
    let sql = "SELECT CAST(time AS BIGINT) AS t, instrument, bid FROM quotes ORDER BY time";
    run(&["sql", "--root", root, sql, "--format", "csv"]).ok().out
}

const WANTED: &str = "t,instrument,bid\n1767367800000000000,SPY,100.5\n1767367800001000000,QQQ,200.25\n";

#[test]
fn arrow_files_and_streams_go_in_from_a_file_and_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let rows = quotes("time", "instrument", 1_000_000);
    for (name, bytes) in [("rows.arrow", file(&rows)), ("rows.arrows", stream(&rows))] {
        let (path, root) = (folder.path().join(name), folder.path().join(format!("{name}-tables")));
        fs::write(&path, &bytes).unwrap();
        let told = run(&["store", "ingest", arg(&root), arg(&path), "--table", "quotes"]).ok().out;
        assert!(told.contains("rows of quotes, 2 rows into quotes"), "{told}");
        assert_eq!(asked(arg(&root)), WANTED, "{name}");
        let piped = folder.path().join(format!("{name}-piped"));
        let base = ["store", "ingest", arg(&piped), "-", "--table", "quotes", "--writer", "pipe"];
        run_with_input(&base, &bytes).ok();
        assert_eq!(asked(arg(&piped)), WANTED, "{name} by a pipe");
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        run(&["store", "ingest", arg(&root), arg(&path), "--table", "quotes"]).refused(1, &[name]);
    }
}

#[test]
fn a_schema_is_shown_edited_and_says_what_columns_are() {
    let folder = tempfile::tempdir().unwrap();
    let [rows, text, schema, root] =
        ["mine.arrow", "mine.csv", "mine.toml", "tables"].map(|name| folder.path().join(name));
    fs::write(&rows, file(&quotes("ts", "symbol", 1))).unwrap();
    let base = ["store", "ingest", arg(&root), arg(&rows), "--table", "quotes", "--schema"];
    let shown = run(&[&base[..], &["show"]].concat()).ok().out;
    assert!(shown.contains("ts (Int64), symbol (Utf8), bid (Float64)") && !root.exists(), "{shown}");
    fs::write(&schema, &shown).unwrap();
    run(&[&base[..], &[arg(&schema)]].concat()).refused(2, &["mine.toml", "time = \"\""]);
    let filled = shown
        .replace("\ntime = \"\"", "\ntime = { column = \"ts\", unit = \"ms\" }")
        .replace("\ninstrument = \"\"", "\ninstrument = \"symbol\"");
    fs::write(&schema, &filled).unwrap();
    run(&[&base[..], &[arg(&schema)]].concat()).ok();
    assert_eq!(asked(arg(&root)), WANTED);
    // The same schema for CSV.
    fs::write(&text, format!("symbol,bid,ts\nSPY,100.5,{TIME_MS}\nQQQ,200.25,{}\n", TIME_MS + 1)).unwrap();
    let other = folder.path().join("other");
    run(&["store", "ingest", arg(&other), arg(&text), "--table", "quotes", "--schema", arg(&schema)]).ok();
    assert_eq!(asked(arg(&other)), WANTED);
    fs::write(&schema, filled.replace("\"symbol\"", "\"ticker\"")).unwrap();
    run(&[&base[..], &[arg(&schema)]].concat())
        .refused(1, &["mine.arrow", "no column \"ticker\"", "quotes.instrument", "it has [ts, symbol, bid]"]);
}

#[test]
fn wrong_types_are_told_by_file_column_type_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, root) = (folder.path().join("wrong.arrow"), folder.path().join("tables"));
    let rows = quotes("time", "instrument", 1_000_000);
    let truths: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
    let columns = [("time", rows.column(0)), ("instrument", rows.column(1)), ("bid", &truths)];
    let wrong = RecordBatch::try_from_iter(columns.map(|(name, values)| (name, Arc::clone(values)))).unwrap();
    fs::write(&path, file(&wrong)).unwrap();
    let told = run(&["store", "ingest", arg(&root), arg(&path), "--table", "quotes"]);
    told.refused(1, &["wrong.arrow", "column bid is Boolean", "allowed for quotes.bid: Float16"]);
}

#[test]
fn a_row_written_again_is_seen_once_and_downsampling_is_told_before_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (path, root, rules) =
        (folder.path().join("bars.csv"), folder.path().join("tables"), folder.path().join("rules.toml"));
    let bar = |close: f64| {
        format!(
            "time,instrument,interval_ns,open,high,low,close,trades\n2026-01-02T15:30:00Z,SPY,60000000000,1,9,0,{close},7\n"
        )
    };
    for close in [1.5, 2.5] {
        fs::write(&path, bar(close)).unwrap();
        run(&["store", "ingest", arg(&root), arg(&path), "--table", "bars"]).ok();
    }
    let asked = || run(&["sql", "--root", arg(&root), "SELECT close FROM bars", "--format", "csv"]).ok().out;
    assert_eq!(asked(), "close\n2.5\n");
    fs::write(&rules, "[[aggregate]]\nfrom='bars'\nfrom_interval='1m'\nto='bars'\ninterval='1h'\n").unwrap();
    let base = ["store", "downsample", arg(&root), "--rules", arg(&rules), "--now", "2026-01-03T12:00:00Z"];
    let told = run(&[&base[..], &["--dry-run"]].concat()).ok().out;
    assert!(told.contains("1 days would change, 1 bars") && told.contains("2026-01-02: would have 1 bars"), "{told}");
    assert!(!root.join("_state").exists() && asked() == "close\n2.5\n");
    let done = run(&base).ok().out;
    assert!(done.contains("1 days changed, 1 bars"), "{done}");
    run(&["store", "compact", arg(&root)]).ok();
    assert_eq!(asked().lines().filter(|line| *line == "2.5").count(), 2, "the bar of a minute and that of the hour");
}

#[test]
fn rubbish_is_no_text_and_is_not_said_again() {
    let folder = tempfile::tempdir().unwrap();
    let noise: Vec<u8> = (0..3_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let utf16: Vec<u8> = "time,mid\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = [&[0xff, 0xfe][..], &utf16].concat();
    let cases: [(&str, &[u8], &str); 4] = [
        ("noise.csv", &noise, "not text"),
        ("zeros.csv", &[0; 3_000], "not text"),
        ("utf16.csv", &utf16, "UTF-16"),
        ("empty.csv", b"", "empty"),
    ];
    let root = folder.path().join("tables");
    let out = folder.path().join("out.parquet");
    let refused = |path: &Path, words: &[&str]| {
        for arguments in [
            vec!["alpha", "report", arg(path), "--price", "mid"],
            vec!["price", arg(path), "-o", arg(&out)],
            vec!["store", "ingest", arg(&root), arg(path), "--table", "bars"],
            vec!["store", "ingest", arg(&root), arg(path), "--table", "greeks"],
        ] {
            let told = run(&arguments).refused(1, words);
            assert!(!told.err.contains('\u{fffd}') && told.err.len() < 300, "{}", told.err);
        }
    };
    for (name, bytes, word) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        refused(&path, &[name, word]);
    }
    refused(folder.path(), &["is a directory"]);
    refused(&folder.path().join("nowhere.csv"), &["nowhere.csv", "No such file"]);
}

#[test]
fn csv_on_standard_input_is_told_by_its_first_line_and_a_header_alone_is_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tables");
    let base = |table: &'static str| ["store", "ingest", arg(&root), "-", "--table", table, "--writer", "pipe"];
    let quotes = format!("time,instrument,bid\n{0}000000,SPY,100.5\n{1}000000,QQQ,200.25\n", TIME_MS, TIME_MS + 1);
    run_with_input(&base("quotes"), quotes.as_bytes()).ok();
    assert_eq!(asked(arg(&root)), WANTED);
    let ticks = "time,instrument,sequence,receive_time,kind,flags,ordinal\n\
                 2026-01-02T15:30:00Z,SPY,1,2026-01-02T15:30:00Z,clear,0,0\n";
    let told = run_with_input(&base("ticks"), ticks.as_bytes()).ok().out;
    assert!(told.contains("rows of ticks, 1 rows into ticks"), "{told}");
    // What is no such CSV is a feed or a chain, as without.
    run_with_input(&base("ticks"), b"time,mid\n1,2\n").refused(1, &["standard input", "not a feed"]);
    // Columns without rows.
    let header = b"time,instrument,bid\n";
    run_with_input(&base("quotes"), header).refused(1, &["standard input", "not one row"]);
    let path = folder.path().join("header.csv");
    fs::write(&path, header).unwrap();
    run(&["store", "ingest", arg(&root), arg(&path), "--table", "quotes"]).refused(1, &["header.csv", "not one row"]);
    assert_eq!(asked(arg(&root)), WANTED);
}

#[test]
fn a_row_after_a_clock_jump_is_kept_in_the_day_that_it_tells_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (feed, root) = (folder.path().join("trades.csv"), folder.path().join("tables"));
    let mut text = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n".to_owned();
    // Microseconds; the third is ten days ahead.
    for (id, seconds) in [0, 1, 864_002, 3].into_iter().enumerate() {
        let time = (TIME_MS / 1_000 + seconds) * 1_000_000;
        text += &format!("deribit,BTC-PERPETUAL,{time},{},{id},buy,100.5,10\n", time + 5);
    }
    fs::write(&feed, text).unwrap();
    let told = run(&["store", "ingest", arg(&root), arg(&feed), "--table", "ticks"]).ok().out;
    assert!(told.contains("1 rows are more than a day from the row before and after"), "{told}");
    assert!(told.contains("2026-01-12T15:30:02Z"), "{told}");
    let sql = "SELECT count(*) FROM ticks WHERE time >= '2026-01-12' AND kind = 'trade'";
    assert_eq!(run(&["sql", "--root", arg(&root), sql, "--format", "csv"]).ok().out.lines().nth(1), Some("1"));
}

/// A header that comes through a pipe in two pieces is the header: of a table's own rows, and of a chain, which goes on to be read from its first byte.
#[test]
fn a_header_in_two_pieces_is_one() {
    use std::{io::Write, process::Stdio, time::Duration};
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tables");
    for (first, rest, read_as) in [
        ("time,instr", "ument,bid,ask\n2026-01-02T15:30:00Z,SPY,1,2\n", "rows of quotes, 1 rows into quotes"),
        (
            "underlying,quote_date,exp",
            "iry,strike,option_type,bid,ask,spot\nSPX,2026-02-02,2026-02-20,100,C,3,9,101\n",
            "1 chains, 1 rows into quotes",
        ),
    ] {
        let mut child = crate::program::zomma()
            .args(["store", "ingest", arg(&root), "-", "--table", "quotes", "--writer", "pipe"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(first.as_bytes()).unwrap();
        input.flush().unwrap();
        // So that the second piece comes by itself.
        std::thread::sleep(Duration::from_millis(700));
        input.write_all(rest.as_bytes()).unwrap();
        drop(input);
        let told = crate::program::Run::of(&child.wait_with_output().unwrap()).ok().out;
        assert!(told.contains(read_as), "{told}");
    }
}

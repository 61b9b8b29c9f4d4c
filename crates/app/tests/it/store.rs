//! `zomma store`: files into tables, what is done to tables, and what happens when the disk is full or the process is killed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use zomma_testkit::{real_data, s3_server::s3_server, skip};

use crate::program::{Run, arg, run, run_env, run_with_input, zomma};

/// A LOBSTER day of a stock: two orders, an execution of one, a hidden trade.
const MESSAGES: &str = "\
34200.000000000,1,11,100,1000000,1
34200.500000000,1,12,50,1010000,-1
34201.000000000,4,11,40,1000000,1
34260.000000000,5,0,25,1005000,-1
";

fn lobster(folder: &Path) -> PathBuf {
    let path = folder.join("ACME_2012-06-21_34200000_57600000_message_1.csv");
    fs::write(&path, MESSAGES).unwrap();
    path
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.out))
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Rows of a table by `zomma store list`.
fn rows(root: &str, table: &str) -> u64 {
    let listed = json(&run(&["store", "list", root, "--table", table, "--json"]).ok());
    listed["days"].as_array().unwrap().iter().map(|day| day["rows"].as_u64().unwrap()).sum()
}

#[test]
fn greeks_of_an_analysis_go_into_their_table_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    run(&["demo", "chain", "-o", &path("chain.csv")]).ok();
    run(&["analyze", &path("chain.csv"), "--out", &path("report")]).ok();
    let (quotes, root) = (path("report/2025-06-12/quotes.parquet"), path("tables"));
    for _ in 0..2 {
        run(&["store", "ingest", &root, &quotes, "--table", "greeks"]).ok();
    }
    let count = run(&["sql", &format!("SELECT COUNT(*) AS n FROM '{quotes}'")]).ok();
    let analysed = crate::program::table(&count.out)[0]["n"].parse::<u64>().unwrap();
    assert!(analysed > 1000 && rows(&root, "greeks") == analysed, "{analysed}");
    // Each option's numbers are those of the analysis, under its OCC symbol, at the time of its quotes.
    let joined = format!(
        "SELECT COUNT(*) AS n FROM greeks JOIN '{quotes}' AS q ON greeks.strike = q.strike AND greeks.option_type = q.option_type \
         AND greeks.expiry = q.expiry WHERE (greeks.delta IS NOT DISTINCT FROM q.delta) AND greeks.status = q.greeks_status \
         AND greeks.instrument LIKE q.root || to_char(q.expiry_date::date, '%y%m%d') || '%' \
         AND greeks.time = TIMESTAMP '2025-06-12T19:45:00Z'"
    );
    let joined = run(&["sql", &joined, "--root", &root]).ok();
    assert_eq!(crate::program::table(&joined.out)[0]["n"].parse::<u64>().unwrap(), analysed, "{}", joined.out);
    run(&["store", "ingest", &root, &path("chain.csv"), "--table", "greeks"])
        .refused(1, &["chain.csv", "greeks", "quotes.parquet of zomma analyze"]);
}

const RULES: &str = r#"
[retention]
ticks = "30d"
[[aggregate]]
from = "ticks"
to = "bars"
interval = "1m"
"#;

#[test]
fn a_feed_becomes_ticks_then_bars_and_the_ticks_go_when_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let (feed, root, rules) = (lobster(folder.path()), folder.path().join("tables"), folder.path().join("rules.toml"));
    let root = arg(&root);
    fs::write(&rules, RULES).unwrap();
    let report = json(&run(&["store", "ingest", root, arg(&feed), "--table", "ticks", "--json"]).ok());
    assert_eq!(report["files"][0]["written"]["rows"], 4);
    assert_eq!(report["files"][0]["read_as"], "lobster");
    let listed = run(&["store", "list", root]).ok();
    assert!(listed.out.contains("2012-06-21") && listed.out.contains("13:30:00.000000"), "{}", listed.out);
    // Retention waits for the bars.
    let retain = |now: &str, dry: bool| {
        let base = ["store", "retain", root, "--rules", arg(&rules), "--now", now, "--json"];
        let more: &[&str] = if dry { &["--dry-run"] } else { &[] };
        json(&run(&[&base[..], more].concat()).ok())
    };
    assert_eq!(retain("2040-01-01T00:00:00Z", true)["left_alone"].as_array().unwrap().len(), 1);
    let downsample =
        || run(&["store", "downsample", root, "--rules", arg(&rules), "--now", "2012-06-22T00:00:00Z"]).ok();
    let told = downsample().out;
    assert!(told.contains("ticks-bars-1m: 1 days changed, 2 bars"), "{told}");
    assert!(downsample().out.contains("0 days changed, 0 bars in them, 0 rows read"));
    assert_eq!(rows(root, "bars"), 2);
    assert_eq!(retain("2012-07-01T00:00:00Z", false)["dropped"].as_array().unwrap().len(), 0);
    assert_eq!(retain("2040-01-01T00:00:00Z", true)["dropped"][0]["date"], "2012-06-21");
    assert_eq!(rows(root, "ticks"), 4);
    retain("2040-01-01T00:00:00Z", false);
    assert_eq!((rows(root, "ticks"), rows(root, "bars")), (0, 2));
    run(&["store", "verify", root]).ok();
}

#[test]
fn the_same_input_again_replaces_and_a_named_writer_adds() {
    let folder = tempfile::tempdir().unwrap();
    let (feed, root) = (lobster(folder.path()), folder.path().join("tables"));
    let root = arg(&root);
    let ingest =
        |more: &[&str]| run(&[&["store", "ingest", root, arg(&feed), "--table", "ticks"][..], more].concat()).ok();
    ingest(&[]);
    ingest(&[]);
    assert_eq!(rows(root, "ticks"), 4);
    ingest(&["--writer", "desk"]);
    ingest(&["--writer", "desk"]);
    assert_eq!(rows(root, "ticks"), 12);
    let told = run(&["store", "compact", root, "--dry-run"]).ok();
    assert!(told.out.contains("3 files") && told.out.contains("would become one"), "{}", told.out);
    let report = json(&run(&["store", "compact", root, "--json"]).ok());
    assert_eq!(
        (&report["compacted"][0]["rows"], &report["compacted"][0]["duplicates"]),
        (&Value::from(4), &Value::from(8))
    );
    assert_eq!(rows(root, "ticks"), 4);
}

#[test]
fn rows_with_a_tables_own_columns_come_from_csv_and_standard_input_needs_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let (bars, root) = (folder.path().join("bars.csv"), folder.path().join("tables"));
    let root = arg(&root);
    let header = "time,instrument,interval_ns,open,high,low,close,volume,trades\n";
    let row =
        "2026-01-02T15:30:00Z,SPY,60000000000,1,2,0.5,1.5,,7\n1767367860000000000,SPY,60000000000,1,2,0.5,1.5,10,7\n";
    fs::write(&bars, format!("{header}{row}")).unwrap();
    run(&["store", "ingest", root, arg(&bars), "--table", "bars"]).ok();
    assert_eq!(rows(root, "bars"), 2);
    let refused = |text: &str, words: &[&str]| {
        fs::write(&bars, text).unwrap();
        run(&["store", "ingest", root, arg(&bars), "--table", "bars"]).refused(1, words);
    };
    refused(&format!("{header}soon,SPY,1,1,2,0.5,1.5,,7\n"), &["bars.csv", "row 1", "time = \"soon\"", "nanoseconds"]);
    refused(
        &format!("{header}{row}1767367920000000000,SPY,1,one,2,0.5,1.5,,7\n"),
        &["row 3", "open = \"one\"", "a number"],
    );
    refused(
        &format!("{header}{row}1767367920000000000,SPY,1,,2,0.5,1.5,,7\n"),
        &["row 3", "open = nothing", "a value"],
    );
    refused(&format!("{header}1767367920000000000,SPY,1,NaN,2,0.5,1.5,,7\n"), &["row 1", "open = NaN", "finite"]);
    // Seconds, milliseconds and microseconds are no nanoseconds of 1970.
    for time in ["1767367920", "1767367920000", "1767367920000000"] {
        refused(
            &format!("{header}{time},SPY,1,1,2,0.5,1.5,,7\n"),
            &["row 1", &format!("time = \"{time}\""), "--schema"],
        );
    }
    refused("time,instrument,colour\n5,SPY,red\n", &["no column \"colour\"", "vwap"]);
    refused("a,b\n1,2\n", &["needed are time and instrument"]);
    assert_eq!(rows(root, "bars"), 2);
    let feed = MESSAGES.as_bytes();
    let base = ["store", "ingest", root, "-", "--table", "ticks", "--format", "lobster", "--date", "2012-06-21"];
    run_with_input(&base, feed).refused(2, &["--writer"]);
    run_with_input(&[&base[..], &["--writer", "pipe", "--instrument", "ACME"]].concat(), feed).ok();
    assert_eq!(rows(root, "ticks"), 4);
}

#[test]
fn wrong_arguments_and_faulty_files_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (feed, root, rules) = (lobster(folder.path()), folder.path().join("tables"), folder.path().join("rules.toml"));
    let root = arg(&root);
    run(&["store", "list", "/no/such/place"]).refused(2, &["/no/such/place"]);
    run(&["store", "explain", root, "--table", "ticks"]).refused(2, &["postgres://", "zomma sql --root", "EXPLAIN"]);
    run(&["store", "ingest", "gs://x", arg(&feed), "--table", "ticks"]).refused(2, &["s3://bucket/prefix"]);
    run(&["store", "ingest", root, arg(&feed), "--table", "trades"]).refused(2, &["trades", "ticks, quotes, bars"]);
    run(&["store", "ingest", root, arg(&feed), "--table", "ticks", "--writer", "a/b"]).refused(2, &["a/b", "allowed"]);
    // What would change nothing is not taken in silence.
    let feed_into = |more: &[&str]| run(&[&["store", "ingest", root, arg(&feed), "--table", "ticks"], more].concat());
    feed_into(&["--map", "bid=b"]).refused(2, &["--map", "option chains", "ticks"]);
    feed_into(&["--spool", "waiting"]).refused(2, &["--spool", "PostgreSQL", "postgres://user@host/database"]);
    let own = folder.path().join("own.csv");
    fs::write(&own, "time,instrument,bid\n2026-01-02T15:30:00Z,SPY,1\n").unwrap();
    let quotes = ["store", "ingest", root, arg(&own), "--table", "quotes"];
    run(&[&quotes[..], &["--underlying", "SPY"]].concat()).refused(2, &["--underlying", "own.csv", "--schema"]);
    fs::write(&rules, "").unwrap();
    run(&["store", "retain", root, "--rules", arg(&rules), "--now", "soon"])
        .refused(2, &["--now", "soon", "2019-04-26"]);
    let nameless = folder.path().join("day.csv");
    fs::write(&nameless, MESSAGES).unwrap();
    run(&["store", "ingest", root, arg(&nameless), "--table", "ticks"]).refused(2, &["--date"]);
    run(&["store", "ingest", root, arg(&feed), "--table", "ticks"]).ok();
    let empty = run(&["store", "downsample", root, "--rules", arg(&rules)]).ok();
    assert!(empty.out.contains("rules.toml: no rule of aggregation"), "{}", empty.out);
    fs::write(&rules, "[retention]\ntrades = \"30d\"\n").unwrap();
    run(&["store", "retain", root, "--rules", arg(&rules)]).refused(1, &["rules.toml", "trades", "ticks, quotes"]);
    fs::write(&rules, "[retain]\nticks = \"30d\"\n").unwrap();
    run(&["store", "retain", root, "--rules", arg(&rules)]).refused(1, &["rules.toml", "retain", "retention"]);
    run_env(&["store", "list", root], b"", &[("ZOMMA_S3_ENDPIONT", "x")]).refused(2, &["ENDPIONT", "ENDPOINT"]);
    let file = files(Path::new(root)).remove(0);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    run(&["store", "verify", root]).refused(1, &[file.file_name().unwrap().to_str().unwrap(), "is it whole?"]);
    let listed = run(&["store", "list", root]).ok();
    assert!(listed.out.contains("is it whole?"), "{}", listed.out);
}

#[test]
fn a_copy_in_a_bucket_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = s3_server(&folder.path().join("s3")) else { return };
    let variables = server.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (feed, root, restored) = (lobster(folder.path()), folder.path().join("tables"), folder.path().join("restored"));
    run(&["store", "ingest", arg(&root), arg(&feed), "--table", "ticks"]).ok();
    let copied = run_env(&["store", "replicate", arg(&root), "s3://zomma/copy", "--json"], b"", &variables).ok();
    assert_eq!(json(&copied)["copied"].as_array().unwrap().len(), 1);
    run_env(&["store", "verify", "s3://zomma/copy"], b"", &variables).ok();
    run_env(&["store", "replicate", "s3://zomma/copy", arg(&restored)], b"", &variables).ok();
    assert_eq!(rows(arg(&restored), "ticks"), 4);
}

/// A feed of more messages than are read in the time that a kill takes. Times and prices are irregular, so that its files are some megabytes long.
fn long_day(folder: &Path) -> PathBuf {
    let path = folder.join("LONG_2012-06-21_34200000_57600000_message_1.csv");
    let line = |index: u64| {
        // 24 bits that look random, and are the same each time.
        let mixed = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let random = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 40;
        let nanoseconds = index % 100 * 10_000_000 + random % 9_999_999;
        let price = 1_000_000 + random % 5_000 * 100;
        format!("{}.{nanoseconds:09},1,{},100,{price},1\n", 34_200 + index / 100, index + 1)
    };
    fs::write(&path, (0..2_300_000).map(line).collect::<String>()).unwrap();
    path
}

#[test]
fn killed_in_mid_ingest_and_run_again_every_row_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let (feed, root) = (long_day(folder.path()), folder.path().join("tables"));
    let mut child = zomma()
        .args(["store", "ingest", arg(&root), arg(&feed), "--table", "ticks"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Killed once a file is there, or before: it must not matter.
    for _ in 0..3_000 {
        let has_file =
            root.exists() && files(&root).iter().any(|path| path.extension().is_some_and(|ending| ending == "parquet"));
        if has_file || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    child.wait().unwrap();
    let left = rows(arg(&root), "ticks");
    assert!(left <= 2_300_000, "{left}");
    run(&["store", "verify", arg(&root)]).ok();
    run(&["store", "ingest", arg(&root), arg(&feed), "--table", "ticks"]).ok();
    assert_eq!(rows(arg(&root), "ticks"), 2_300_000);
}

#[test]
fn a_full_disk_is_told_and_leaves_no_part_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (feed, disk) = (long_day(folder.path()), folder.path().join("disk"));
    fs::create_dir(&disk).unwrap();
    // A disk of its own that holds one file and not the next, in a namespace that ends with the shell.
    let script = format!(
        "mount -t tmpfs -o size=12m tmpfs {0} || exit 77\n{1} store ingest {0}/t {2} --table ticks; code=$?\n{1} store verify {0}/t >&2 || exit 78\nfind {0} -name '*.tmp' | grep . && exit 79\nexit $code",
        disk.display(),
        env!("CARGO_BIN_EXE_zomma"),
        feed.display()
    );
    let output = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).output();
    let run = match output {
        Ok(output)
            if output.status.code() != Some(77) && !String::from_utf8_lossy(&output.stderr).contains("unshare") =>
        {
            Run::of(&output)
        }
        _ => return skip("no disk of a few megabytes can be mounted"),
    };
    run.refused(1, &["No space left"]);
}

#[test]
fn real_feeds_are_kept_with_every_key_once() {
    let Some(data) = real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let books = data.join("books");
    for (index, (file, more)) in [
        ("itch/lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz", &["--date", "2012-06-21"][..]),
        ("LOBSTER_SampleFile_AAPL_2012-06-21_1.zip", &[][..]),
        ("usdm_btcusdt_20240808.gz", &[][..]),
        ("spot_btcusdt_20240808.gz", &[][..]),
        ("dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst", &[][..]),
        ("dbn/tardis_deribit_incremental_book_L2_BTC-PERPETUAL.csv", &[][..]),
    ]
    .into_iter()
    .enumerate()
    {
        let root = folder.path().join(index.to_string());
        let root = arg(&root);
        let path = books.join(file);
        let base = ["store", "ingest", root, arg(&path), "--table", "ticks"];
        run(&[&base[..], more].concat()).ok();
        let before = rows(root, "ticks");
        // The same again under another name: compaction leaves exactly what was there, so that no two events of a feed have one key.
        run(&[&base[..], more, &["--writer", "again"]].concat()).ok();
        run(&["store", "compact", root]).ok();
        assert_eq!(rows(root, "ticks"), before, "{file}");
        run(&["store", "verify", root]).ok();
    }
}

#[test]
fn real_chains_become_quotes() {
    let Some(data) = real_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tables");
    let chain = data.join("options/spx_cboe_eod_20190425.csv");
    let report = json(&run(&["store", "ingest", arg(&root), arg(&chain), "--table", "quotes", "--json"]).ok());
    let written = report["files"][0]["written"]["rows"].as_u64().unwrap();
    let left_out: u64 =
        report["files"][0]["left_out"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(written + left_out, 13_340);
    assert!(written > 13_000, "{written}");
    run(&["store", "verify", arg(&root)]).ok();
}

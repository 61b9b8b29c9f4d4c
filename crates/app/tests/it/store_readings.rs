//! `zomma store ingest --replace`: what a reading of a file stands for, what goes with it and what stays, in files and in a real server.

use std::{fs, path::Path};

use serde_json::Value;
use zomma_testkit::postgres::Server;

use crate::program::{arg, run};

/// Two trades of one order each.
const MESSAGES: &str = "\
34200.000000000,1,11,100,1000000,1
34201.000000000,4,11,40,1000000,1
";

/// What a question to the tables gives, a line a row, without the header.
fn asked(root: &str, sql: &str) -> Vec<String> {
    let out = run(&["sql", "--root", root, sql, "--format", "csv"]).ok().out;
    out.lines().skip(1).map(ToOwned::to_owned).collect()
}

fn ingest(root: &str, file: &Path, table: &str, more: &[&str]) -> String {
    run(&[&["store", "ingest", root, arg(file), "--table", table], more].concat()).ok().out
}

/// The name of a chain's file says the ticker: the same bytes under another name are another reading, and the wrong one goes.
fn ticker_of_the_files_name(root: &str, folder: &Path) {
    let chain = "quote_date,expiry,strike,option_type,bid,ask,spot\n2026-01-02,2026-01-16,100,C,3,3.2,101\n";
    let [wrong, right] = ["QQQ.csv", "AAPL.csv"].map(|name| folder.join(name));
    fs::write(&wrong, chain).unwrap();
    fs::write(&right, chain).unwrap();
    let tickers = "SELECT DISTINCT underlying FROM quotes ORDER BY 1";
    ingest(root, &wrong, "quotes", &[]);
    assert_eq!(asked(root, tickers), ["QQQ"]);
    let told = ingest(root, &right, "quotes", &[]);
    assert!(told.contains("1 rows of another reading of the same file stand here too"), "{told}");
    assert_eq!(asked(root, tickers), ["AAPL", "QQQ"]);
    let told = ingest(root, &right, "quotes", &["--replace"]);
    assert!(told.contains("1 rows of another reading of the same file are gone"), "{told}");
    assert_eq!(asked(root, tickers), ["AAPL"]);
    // The name that the file has by another way is no other reading.
    let told = ingest(root, &wrong, "quotes", &["--underlying", "aapl"]);
    assert!(!told.contains("another reading"), "{told}");
}

/// Two tickers of one file, each taken by itself: neither is in the other's way, and each is corrected alone.
fn parts_of_one_file(root: &str, folder: &Path) {
    let chain = folder.join("both.csv");
    let row = |ticker: &str, bid: u32| format!("{ticker},2026-02-02,2026-02-20,100,C,{bid},9,101\n");
    let header = "underlying,quote_date,expiry,strike,option_type,bid,ask,spot\n";
    fs::write(&chain, format!("{header}{}{}", row("SPX", 3), row("NDX", 4))).unwrap();
    let found = || {
        asked(root, "SELECT underlying, count(*) FROM quotes WHERE underlying IN ('SPX', 'NDX') GROUP BY 1 ORDER BY 1")
    };
    ingest(root, &chain, "quotes", &["--underlying", "SPX", "--quote-time", "15:00"]);
    let told = ingest(root, &chain, "quotes", &["--underlying", "NDX", "--replace"]);
    assert!(!told.contains("another reading"), "{told}");
    assert_eq!(found(), ["NDX,1", "SPX,1"]);
    // The wrong quote time of one part goes, and nothing of the other.
    let told = ingest(root, &chain, "quotes", &["--underlying", "spx", "--replace"]);
    assert!(told.contains("1 rows of another reading of the same file are gone"), "{told}");
    assert_eq!(found(), ["NDX,1", "SPX,1"]);
    // All of the file is more than a part of it, which does not replace it.
    let told = ingest(root, &chain, "quotes", &["--replace", "--quote-time", "14:00"]);
    assert_eq!(told.matches("are gone").count(), 2, "{told}");
    assert_eq!(found(), ["NDX,1", "SPX,1"]);
    let told = ingest(root, &chain, "quotes", &["--underlying", "SPX", "--replace"]);
    assert!(told.contains("stand here") && told.contains("of all of the file"), "{told}");
    assert_eq!(found(), ["NDX,1", "SPX,2"]);
}

#[test]
fn readings_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tables");
    ticker_of_the_files_name(arg(&root), folder.path());
    parts_of_one_file(arg(&root), folder.path());
}

/// On a server, and there a wrong reading takes the place of another file's rows: when it goes, that file is named, and comes again.
#[test]
fn readings_in_a_server() {
    let Some(server) = Server::start() else { return };
    let name = server.create_database();
    let url = server.url(&name);
    let folder = tempfile::tempdir().unwrap();
    run(&["store", "migrate", &url]).ok();
    ticker_of_the_files_name(&url, folder.path());
    parts_of_one_file(&url, folder.path());
    let [day, next] =
        ["20", "21"].map(|day| folder.path().join(format!("ACME_2012-06-{day}_34200000_57600000_message_1.csv")));
    fs::write(&day, MESSAGES).unwrap();
    fs::write(&next, MESSAGES.replace(",100,", ",101,")).unwrap();
    ingest(&url, &day, "ticks", &[]);
    ingest(&url, &next, "ticks", &["--date", "2012-06-20"]);
    let sizes = || asked(&url, "SELECT CAST(time AS VARCHAR) AS at, size FROM ticks ORDER BY at").join(" ");
    assert!(!sizes().contains(",100.0"), "the wrong reading has taken the place: {}", sizes());
    let told = ingest(&url, &next, "ticks", &["--replace"]);
    assert!(told.contains("ingest again ACME20120620"), "{told}");
    let told = ingest(&url, &day, "ticks", &[]);
    assert!(told.contains("2 rows into ticks: 0 were there already"), "{told}");
    let sizes = sizes();
    assert!(sizes.matches("2012-06-20").count() == 2 && sizes.matches("2012-06-21").count() == 2, "{sizes}");
    assert!(sizes.contains(",100.0") && sizes.contains(",101.0"), "{sizes}");
    let told = ingest(&url, &day, "ticks", &[]);
    assert!(told.contains("2 were there already"), "{told}");
}

/// Bars of a day that only a wrong reading had rows of go with it.
#[test]
fn bars_of_an_emptied_day_go_with_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (root, rules) = (folder.path().join("tables"), folder.path().join("rules.toml"));
    let feed = folder.path().join("ACME_2012-06-21_34200000_57600000_message_1.csv");
    fs::write(&feed, MESSAGES).unwrap();
    fs::write(&rules, "[[aggregate]]\nfrom = \"ticks\"\nto = \"bars\"\ninterval = \"1m\"\n").unwrap();
    let root = arg(&root);
    let downsample = || run(&["store", "downsample", root, "--rules", arg(&rules)]).ok();
    ingest(root, &feed, "ticks", &["--date", "2012-06-20"]);
    downsample();
    let bars = || asked(root, "SELECT CAST(time AS VARCHAR) FROM bars");
    assert!(bars().len() == 1 && bars()[0].contains("2012-06-20"), "{:?}", bars());
    let told = run(&["store", "ingest", root, arg(&feed), "--table", "ticks", "--replace"]).ok().out;
    assert!(told.contains("with the bars of 2012-06-20"), "{told}");
    downsample();
    assert!(bars().len() == 1 && bars()[0].contains("2012-06-21"), "{:?}", bars());
    let again = run(&["store", "ingest", root, arg(&feed), "--table", "ticks", "--replace", "--json"]).ok().out;
    let report: Value = serde_json::from_str(&again).unwrap();
    assert!(report["files"][0].get("other_readings").is_none(), "{again}");
}

/// What a killed writer left goes at the next ingest, and is named.
#[test]
fn unfinished_files_of_a_killed_writer_go() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tables");
    let feed = folder.path().join("ACME_2012-06-21_34200000_57600000_message_1.csv");
    fs::write(&feed, MESSAGES).unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let left = root.join(format!("ticks/date=2012-06-20/.x-000000.parquet.{}-0.tmp", child.id()));
    fs::create_dir_all(left.parent().unwrap()).unwrap();
    fs::write(&left, "half").unwrap();
    let first = run(&["store", "ingest", arg(&root), arg(&feed), "--table", "ticks"]).ok();
    assert!(first.err.contains(left.file_name().unwrap().to_str().unwrap()) && !left.exists(), "{}", first.err);
    let second = run(&["store", "ingest", arg(&root), arg(&feed), "--table", "ticks"]).ok();
    assert_eq!(second.err, "");
}

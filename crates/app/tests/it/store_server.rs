//! `zomma store` where the tables are in PostgreSQL, with a real server.

use std::fs;

use serde_json::Value;
use zomma_testkit::postgres::Server;

use crate::program::{Run, arg, run};

/// A LOBSTER day of a stock: two orders, an execution of one, a hidden trade.
const MESSAGES: &str = "\
34200.000000000,1,11,100,1000000,1
34200.500000000,1,12,50,1010000,-1
34201.000000000,4,11,40,1000000,1
34260.000000000,5,0,25,1005000,-1
";

const RULES: &str = r#"
[retention]
ticks = "30d"
[[aggregate]]
from = "ticks"
to = "bars"
interval = "1m"
"#;

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.out))
}

#[test]
fn a_feed_goes_into_a_server_once_becomes_bars_and_goes_when_it_is_old() {
    let Some(server) = Server::start() else { return };
    let name = server.create_database();
    let url = server.url(&name);
    let folder = tempfile::tempdir().unwrap();
    let feed = folder.path().join("ACME_2012-06-21_34200000_57600000_message_1.csv");
    let rules = folder.path().join("rules.toml");
    fs::write(&feed, MESSAGES).unwrap();
    fs::write(&rules, RULES).unwrap();
    let (feed, rules) = (arg(&feed), arg(&rules));
    let ingest = || run(&["store", "ingest", &url, feed, "--table", "ticks", "--json"]);
    let early = ingest();
    assert!(early.code == 1 && early.err.contains("zomma store migrate"), "{}", early.err);
    assert_eq!(json(&run(&["store", "migrate", &url, "--json"]).ok())["to_version"], 2);
    assert!(run(&["store", "migrate", &url]).ok().out.contains("nothing was to do"));
    let first = json(&ingest().ok());
    assert_eq!(first["files"][0]["written"]["rows"], 4);
    assert_eq!(first["files"][0]["sent"]["was_there"], 0);
    let second = json(&ingest().ok());
    assert_eq!(second["files"][0]["sent"]["was_there"], 4);
    assert_eq!(server.sql(&name, "SELECT count(*) FROM zomma.ticks").trim(), "4");
    let made = json(&run(&["store", "downsample", &url, "--rules", rules, "--json"]).ok());
    assert_eq!(made[0]["bars"], 2);
    let listed = run(&["store", "list", &url, "--table", "bars"]).ok().out;
    assert!(listed.contains("2012-06-21") && !listed.contains("ticks"), "{listed}");
    let base = ["store", "explain", &url, "--table", "ticks", "--json"];
    let plan = json(&run(&[&base[..], &["--from", "2012-06-22T00:00:00Z"]].concat()).ok());
    assert_eq!(plan["days"], 1);
    assert!(plan["days_read"].as_array().unwrap().is_empty());
    let dry = run(&["store", "retain", &url, "--rules", rules, "--dry-run"]).ok().out;
    assert!(dry.contains("ticks 2012-06-21: would go"), "{dry}");
    run(&["store", "retain", &url, "--rules", rules]).ok();
    assert_eq!(server.sql(&name, "SELECT count(*) FROM zomma.ticks").trim(), "0");
    assert_eq!(server.sql(&name, "SELECT count(*) FROM zomma.bars").trim(), "2");
    // What comes late of the day that went makes no bars, not by a rule that is added now either.
    let late = folder.path().join("ACME_2012-06-21_34200000_57600000_message_2.csv");
    fs::write(&late, "34500.000000000,5,0,7,1002000,-1\n").unwrap();
    fs::write(rules, RULES.to_owned() + "[[aggregate]]\nfrom = \"ticks\"\nto = \"bars\"\ninterval = \"5m\"\n").unwrap();
    run(&["store", "ingest", &url, arg(&late), "--table", "ticks"]).ok();
    let made = json(&run(&["store", "downsample", &url, "--rules", rules, "--json"]).ok());
    assert_eq!((&made[0]["bars"], &made[1]["bars"]), (&0.into(), &0.into()));
    assert_eq!(server.sql(&name, "SELECT count(*) FROM zomma.bars").trim(), "2");
}

/// What a question to the tables gives, as CSV without its header.
fn asked(root: &str, sql: &str) -> String {
    let out = run(&["sql", "--root", root, sql, "--format", "csv"]).ok().out;
    out.split_once('\n').map(|(_, rows)| rows.to_owned()).unwrap_or_default()
}

/// The same file with other options is another reading: its rows come, the earlier ones are told, and `--replace` takes them away and no others.
fn readings_of_one_file(root: &str, folder: &std::path::Path) {
    let feed = folder.join("ACME_2012-06-21_34200000_57600000_message_1.csv");
    let other = folder.join("OTHR_2012-06-20_34200000_57600000_message_1.csv");
    fs::write(&feed, MESSAGES).unwrap();
    fs::write(&other, MESSAGES.replace(",100,", ",101,")).unwrap();
    let ingest = |file: &std::path::Path, more: &[&str]| {
        run(&[&["store", "ingest", root, arg(file), "--table", "ticks"], more].concat()).ok().out
    };
    let days = "SELECT date_trunc('day', time) AS day, count(*) AS n FROM ticks GROUP BY 1 ORDER BY 1";
    let by_day = || -> Vec<String> {
        asked(root, days).lines().map(|line| format!("{}{}", &line[..10], &line[line.rfind(',').unwrap()..])).collect()
    };
    ingest(&other, &[]);
    let wrong = ingest(&feed, &["--date", "2012-06-20"]);
    assert!(!wrong.contains("another reading"), "{wrong}");
    assert_eq!(by_day(), ["2012-06-20,8"]);
    let right = ingest(&feed, &[]);
    assert!(right.contains("4 rows into ticks") && !right.contains("4 were there already"), "{right}");
    assert!(right.contains("4 rows of another reading of the same file stand here too"), "{right}");
    assert!(right.contains("--replace"), "{right}");
    assert_eq!(by_day(), ["2012-06-20,8", "2012-06-21,4"]);
    let replaced = json(&run(&["store", "ingest", root, arg(&feed), "--table", "ticks", "--replace", "--json"]).ok());
    let gone = &replaced["files"][0]["other_readings"][0];
    assert_eq!((&gone["rows"], &gone["removed"]), (&Value::from(4), &Value::from(true)), "{replaced}");
    assert_eq!(by_day(), ["2012-06-20,4", "2012-06-21,4"]);
    let again = ingest(&feed, &["--format", "lobster", "--date", "2012-06-21"]);
    assert!(!again.contains("another reading"), "what the file tells itself may be told: {again}");
    assert_eq!(by_day(), ["2012-06-20,4", "2012-06-21,4"]);
    run(&["store", "ingest", root, arg(&feed), "--table", "ticks", "--replace", "--writer", "x"])
        .refused(2, &["--replace", "--writer"]);
    // Two schemas of one file whose rows have the same keys: the one that came last counts, whichever it is.
    let quotes = folder.join("q.csv");
    fs::write(&quotes, "time,symbol,low,high\n2026-01-02T15:30:00Z,SPY,1,2\n").unwrap();
    for column in ["low", "high", "low"] {
        let schema = folder.join(format!("{column}.toml"));
        fs::write(&schema, format!("time = \"time\"\ninstrument = \"symbol\"\nbid = \"{column}\"\n")).unwrap();
        run(&["store", "ingest", root, arg(&quotes), "--table", "quotes", "--schema", arg(&schema)]).ok();
        let wanted = if column == "low" { "1.0\n" } else { "2.0\n" };
        assert_eq!(asked(root, "SELECT bid FROM quotes"), wanted, "{column}");
    }
}

#[test]
fn another_reading_of_a_file_goes_into_a_server_and_replaces_the_one_before() {
    let Some(server) = Server::start() else { return };
    let name = server.create_database();
    let url = server.url(&name);
    let folder = tempfile::tempdir().unwrap();
    run(&["store", "migrate", &url]).ok();
    readings_of_one_file(&url, folder.path());
    // What a version wrote that did not keep how it had read: told, not guessed, and not in the way.
    server.sql(
        &name,
        "UPDATE zomma.batches SET id = regexp_replace(id, '^(ACME[^.]*\\.[^.]*)\\.[^/]*', '\\1'), xact = NULL, home = NULL \
         WHERE id LIKE 'ACME%'",
    );
    let feed = folder.path().join("ACME_2012-06-21_34200000_57600000_message_1.csv");
    let told = run(&["store", "ingest", &url, arg(&feed), "--table", "ticks", "--replace"]).ok().out;
    assert!(told.contains("may stand here") && told.contains("an earlier version"), "{told}");
    assert_eq!(server.sql(&name, "SELECT count(*) FROM zomma.ticks").trim(), "8");
}

#[test]
fn another_reading_of_a_file_goes_into_files_and_replaces_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tables");
    readings_of_one_file(arg(&root), folder.path());
    // Files of a version that did not keep how it had read.
    let day = root.join("ticks/date=2012-06-21");
    let ours = fs::read_dir(&day).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    let name = ours.file_name().unwrap().to_str().unwrap();
    let (writer, sequence) = name.split_once('-').unwrap();
    fs::rename(&ours, day.join(format!("{}-{sequence}", writer.rsplit_once('.').unwrap().0))).unwrap();
    let feed = folder.path().join("ACME_2012-06-21_34200000_57600000_message_1.csv");
    let told = run(&["store", "ingest", arg(&root), arg(&feed), "--table", "ticks", "--replace"]).ok().out;
    assert!(told.contains("4 rows of another reading of the same file are gone"), "{told}");
    assert_eq!(asked(arg(&root), "SELECT count(*) FROM ticks"), "8\n");
}

#[test]
fn rows_wait_while_the_server_is_away_and_go_in_when_it_is_back() {
    let Some(server) = Server::start() else { return };
    let name = server.create_database();
    let url = server.url(&name);
    let folder = tempfile::tempdir().unwrap();
    let feed = folder.path().join("ACME_2012-06-21_34200000_57600000_message_1.csv");
    let spool = folder.path().join("spool");
    fs::write(&feed, MESSAGES).unwrap();
    let (feed, spool) = (arg(&feed), arg(&spool));
    run(&["store", "migrate", &url]).ok();
    server.crash();
    let without = run(&["store", "ingest", &url, feed, "--table", "ticks"]);
    assert!(without.code == 1 && without.err.contains("is the server running"), "{}", without.err);
    let with = run(&["store", "ingest", &url, feed, "--table", "ticks", "--spool", spool]);
    assert!(with.code == 1 && with.err.contains("1 batches wait") && with.err.contains("catch-up"), "{}", with.err);
    assert!(with.out.contains("4 went into the spool"), "{}", with.out);
    let still = run(&["store", "catch-up", &url, "--spool", spool]);
    assert_eq!(still.code, 1, "{}", still.err);
    server.begin();
    let done = json(&run(&["store", "catch-up", &url, "--spool", spool, "--wait", "60", "--json"]).ok());
    assert_eq!(done["rows"], 4);
    assert_eq!(done["waiting"], 0);
    assert_eq!(server.sql(&name, "SELECT count(*) FROM zomma.ticks").trim(), "4");
}

#[test]
fn a_wrong_address_is_told_without_its_password() {
    for (args, code) in [
        (vec!["store", "migrate", "postgres://bob:s3cret@127.0.0.1:1/x"], 1),
        (vec!["store", "list", "postgres://bob:s3cret@127.0.0.1:notaport/x"], 1),
        (vec!["store", "verify", "postgres://bob:s3cret@127.0.0.1:1/x"], 2),
        (vec!["store", "migrate", "tables"], 2),
    ] {
        let run = run(&args);
        assert_eq!(run.code, code, "{args:?}: {}", run.err);
        assert!(!run.err.contains("s3cret") && !run.err.is_empty(), "{}", run.err);
    }
}

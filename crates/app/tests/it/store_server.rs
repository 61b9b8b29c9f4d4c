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

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use super::{
    super::{Accepted, Sink, Spool},
    *,
};
use crate::error::StorageError;

const ROWS: i64 = 5_000;
const SPOOL_BYTES: u64 = 1 << 30;

/// Every row once: none is missing, none is there twice, none is another.
async fn all_are_there(database: &Database, batches: i64) {
    let rows = batches * ROWS;
    assert_eq!(number(database, "SELECT count(*) FROM zomma.ticks").await, rows);
    assert_eq!(number(database, "SELECT count(DISTINCT sequence) FROM zomma.ticks").await, rows);
    assert_eq!(number(database, "SELECT max(sequence) FROM zomma.ticks").await, rows - 1);
    // The key would hide what went in twice; the names of batches and their rows do not.
    assert_eq!(number(database, "SELECT sum(rows)::bigint FROM zomma.batches").await, rows);
    assert_eq!(number(database, "SELECT count(*) FROM zomma.changes").await, batches);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_killed_in_mid_ingest_and_no_row_is_lost() {
    let Some(server) = Server::start() else { return };
    let server = Arc::new(server);
    let name = server.create_database();
    let database = Database::connect(&server.url(&name), Settings::default()).await.unwrap();
    migrate(&database).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Sink::new(database.clone(), Spool::open(folder.path(), SPOOL_BYTES).unwrap());
    let mut spooled = BTreeSet::new();
    let mut killer = None;
    let batches = 60;
    for batch in 0..batches {
        if batch == 10 || batch == 40 {
            let server = Arc::clone(&server);
            killer = Some(thread::spawn(move || {
                server.crash();
                thread::sleep(Duration::from_millis(300));
                server.begin();
            }));
        }
        // It stays away at least as long as that.
        if batch == 30
            && let Some(killer) = killer.take()
        {
            killer.join().unwrap();
        }
        let accepted = sink.append(Table::Ticks, &ticks(batch * ROWS, ROWS), &format!("feed {batch}")).await.unwrap();
        if accepted == Accepted::Spooled {
            spooled.insert(batch);
        }
        // Until the first kill has been felt.
        while batch == 10 && sink.spool().is_empty() && killer.as_ref().is_some_and(|killer| !killer.is_finished()) {
            let again = sink.append(Table::Ticks, &ticks(batch * ROWS, ROWS), &format!("feed {batch}")).await.unwrap();
            if again == Accepted::Spooled {
                spooled.insert(batch);
            }
        }
    }
    killer.unwrap().join().unwrap();
    let done = sink.finish(Duration::from_secs(120)).await.unwrap();
    assert_eq!(done.waiting, 0);
    assert!(sink.spool().is_empty());
    assert!(!spooled.is_empty(), "the server was never missed: this tested nothing");
    let database = Database::connect(&server.url(&name), Settings::default()).await.unwrap();
    all_are_there(&database, batches).await;
}

#[tokio::test]
async fn a_full_spool_stops_the_feed_and_goes_on_later() {
    let Some(server) = Server::start() else { return };
    let name = server.create_database();
    let database = Database::connect(&server.url(&name), Settings::default()).await.unwrap();
    migrate(&database).await.unwrap();
    server.crash();
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Sink::new(
        Database::lazy(&server.url(&name), Settings::default()).unwrap(),
        Spool::open(folder.path(), 1_500_000).unwrap(),
    );
    let mut taken = 0;
    let error = loop {
        match sink.append(Table::Ticks, &ticks(taken * ROWS, ROWS), &format!("feed {taken}")).await {
            Ok(Accepted::Spooled) => taken += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StorageError::SpoolFull { .. }), "{error}");
    assert!(taken > 0);
    server.begin();
    sink.finish(Duration::from_secs(60)).await.unwrap();
    // The batch that was refused comes again.
    let again = sink.append(Table::Ticks, &ticks(taken * ROWS, ROWS), &format!("feed {taken}")).await.unwrap();
    assert!(matches!(again, Accepted::Written(_)));
    all_are_there(&database, taken + 1).await;
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_told_and_not_put_aside() {
    let Some((server, database, name)) = migrated().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Sink::new(database, Spool::open(folder.path(), SPOOL_BYTES).unwrap());
    server.sql(&name, "DROP VIEW zomma.ticks_utc; ALTER TABLE zomma.ticks ALTER flags TYPE text");
    let error = sink.append(Table::Ticks, &ticks(0, 10), "a").await.unwrap_err();
    assert!(matches!(error, StorageError::Database { .. }), "{error}");
    assert!(sink.spool().is_empty());
}

/// The variable that makes a test of this program the process that is killed: the server's address, a line break, the spool's folder.
const CHILD: &str = "ZOMMA_TEST_INGEST";
const CHILD_BATCHES: i64 = 40;

/// No test of its own: what the next one starts and kills. It feeds every batch from the first on, as after a restart, and tells of each that was
/// taken.
#[tokio::test]
async fn ingests_as_a_child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (url, folder) = told.split_once('\n').unwrap();
    let database = Database::lazy(url, Settings::default()).unwrap();
    let mut sink = Sink::new(database, Spool::open(folder, SPOOL_BYTES).unwrap());
    for batch in 0..CHILD_BATCHES {
        sink.append(Table::Ticks, &ticks(batch * ROWS, ROWS), &format!("feed {batch}")).await.unwrap();
        println!("taken {batch}");
    }
    assert_eq!(sink.finish(Duration::from_secs(120)).await.unwrap().waiting, 0);
    println!("every batch is in");
}

fn child(url: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "postgres::tests::faults::ingests_as_a_child", "--nocapture"])
        .env(CHILD, format!("{url}\n{}", folder.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the process (signal 9) after it has said that so many batches were taken, in the middle of the next; how many it said.
fn killed_after(mut child: Child, batches: usize) -> usize {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut taken = 0;
    // The harness's own words may stand before the first.
    for _ in lines.filter(|line| line.contains("taken ")).take(batches) {
        taken += 1;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    taken
}

#[tokio::test]
async fn the_process_is_killed_and_no_row_is_lost_or_doubled() {
    let Some(server) = Server::start() else { return };
    let name = server.create_database();
    let url = server.url(&name);
    let database = Database::connect(&url, Settings::default()).await.unwrap();
    migrate(&database).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // While the server is there: in the middle of a transaction.
    assert_eq!(killed_after(child(&url, folder.path()), 7), 7);
    assert!(number(&database, "SELECT count(*) FROM zomma.batches").await >= 7);
    // While it is away: in the middle of a file. What was said to be taken is on the disk.
    server.crash();
    let taken = killed_after(child(&url, folder.path()), 15);
    assert_eq!(taken, 15);
    let spool = Spool::open(folder.path(), SPOOL_BYTES).unwrap();
    assert!(spool.len() >= taken, "{} of {taken}", spool.len());
    drop(spool);
    server.begin();
    let database = Database::connect(&url, Settings::default()).await.unwrap();
    // While it catches up: as soon as one more batch is in.
    let before = number(&database, "SELECT count(*) FROM zomma.batches").await;
    let mut third = child(&url, folder.path());
    while number(&database, "SELECT count(*) FROM zomma.batches").await == before {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    third.kill().unwrap();
    third.wait().unwrap();
    // What was taken and told is there, without the feed coming again.
    let lazy = Database::lazy(&url, Settings::default()).unwrap();
    let mut sink = Sink::new(lazy, Spool::open(folder.path(), SPOOL_BYTES).unwrap());
    assert_eq!(sink.finish(Duration::from_secs(120)).await.unwrap().waiting, 0);
    assert!(number(&database, "SELECT count(*) FROM zomma.batches").await >= taken as i64);
    drop(sink);
    let mut last = child(&url, folder.path());
    let lines = BufReader::new(last.stdout.take().unwrap()).lines().map_while(Result::ok);
    // To the last line: the harness speaks after it.
    assert_eq!(lines.filter(|line| line.contains("every batch is in")).count(), 1);
    assert!(last.wait().unwrap().success());
    all_are_there(&database, CHILD_BATCHES).await;
}

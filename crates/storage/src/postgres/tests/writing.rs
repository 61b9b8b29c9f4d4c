use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use arrow_select::concat::concat_batches;

use super::{
    super::{Request, Writer, partitions, scan},
    *,
};
use crate::error::StorageError;

/// The rows of a table in order of sequence or time, as one batch.
pub(super) async fn rows(database: &Database, request: &Request) -> RecordBatch {
    let scan = scan(database, request).await.unwrap();
    let schema = scan.schema();
    concat_batches(&schema, &scan.collect().await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_value_comes_back_as_it_went_in() {
    let Some((_server, database, _)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    // 30,000 rows, more than a batch of the answer holds.
    let sent = ticks(0, 30_000);
    let appended = writer.append(Table::Ticks, &sent, "a").await.unwrap();
    assert_eq!((appended.rows, appended.was_there, appended.attempts), (30_000, false, 1));
    // One partition, filled in the order of sending.
    assert_eq!(rows(&database, &Request::of(Table::Ticks)).await, sent);
    let odd = quotes(&[(0, f64::MIN_POSITIVE), (DAY - 1, -0.0), (DAY, 1e308), (i64::MAX - 1, 0.1 + 0.2)]);
    writer.append(Table::Quotes, &odd, "b").await.unwrap();
    let back = rows(&database, &Request::of(Table::Quotes)).await;
    assert_eq!(back, odd);
    let dates: Vec<_> =
        partitions(&database).await.unwrap().iter().map(|partition| partition.date.unwrap().to_string()).collect();
    assert_eq!(dates, ["2026-01-02", "1970-01-01", "2026-01-01", "2026-01-02", "2262-04-11"]);
    // The microseconds of the view, for people.
    let utc =
        number(&database, "SELECT count(*) FROM zomma.ticks_utc WHERE \"time\" >= timestamptz '2026-01-02 00:00:10Z'")
            .await;
    assert_eq!(utc, (0..30_000_i64).filter(|row| (row * 1_000_007) / 1000 >= 10_000_000).count() as i64);
}

#[tokio::test]
async fn a_row_of_the_same_key_replaces_the_other_and_the_last_of_a_batch_counts() {
    let Some((_server, database, _)) = migrated().await else { return };
    the_last_row_of_a_key_counts(&database).await;
}

pub(super) async fn the_last_row_of_a_key_counts(database: &Database) {
    let mut writer = Writer::new(database.clone());
    writer.append(Table::Quotes, &quotes(&[(DAY, 1.0), (DAY + 1, 2.0)]), "a").await.unwrap();
    // One row is there, one is twice in the batch, one is new.
    let second = quotes(&[(DAY + 1, 3.0), (DAY + 2, 4.0), (DAY + 2, 5.0), (DAY + 3, 6.0)]);
    writer.append(Table::Quotes, &second, "b").await.unwrap();
    let expected = quotes(&[(DAY, 1.0), (DAY + 1, 3.0), (DAY + 2, 5.0), (DAY + 3, 6.0)]);
    // The key's index gives the order.
    let bids = |batch: &RecordBatch| -> Vec<String> {
        let mut rows: Vec<_> = (0..batch.num_rows()).map(|row| format!("{:?}", batch.slice(row, 1))).collect();
        rows.sort_unstable();
        rows
    };
    assert_eq!(bids(&rows(database, &Request::of(Table::Quotes)).await), bids(&expected));
    // Ticks without side and order are told apart by the rest of their key.
    let ten = ticks(0, 10);
    for id in ["c", "d", "e"] {
        writer.append(Table::Ticks, &ten, id).await.unwrap();
    }
    assert_eq!(number(database, "SELECT count(*) FROM zomma.ticks").await, 10);
}

#[tokio::test]
async fn a_batch_of_the_same_name_goes_in_once() {
    let Some((_server, database, _)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    assert!(!writer.append(Table::Ticks, &ticks(0, 10), "a").await.unwrap().was_there);
    assert!(writer.append(Table::Ticks, &ticks(0, 10), "a").await.unwrap().was_there);
    // The name alone says it: whoever gives it to other rows loses them.
    assert!(writer.append(Table::Ticks, &ticks(10, 10), "a").await.unwrap().was_there);
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.ticks").await, 10);
    let empty = writer.append(Table::Ticks, &ticks(0, 0), "b").await.unwrap();
    assert_eq!((empty.rows, empty.was_there), (0, false));
}

/// A way to the server that breaks right after it has carried the COMMIT of a batch there, before its answer is back: so often.
fn breaking_at_commit(server: u16, times: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let broken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&broken);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            let (mut from_server, mut to_client) = (upstream, client);
            let (count, is_mute) = (Arc::clone(&count), Arc::new(AtomicUsize::new(0)));
            let mute = Arc::clone(&is_mute);
            thread::spawn(move || {
                let mut bytes = [0; 1 << 16];
                let mut has_named = false;
                while let Ok(read @ 1..) = from_client.read(&mut bytes) {
                    let has = |what: &[u8]| bytes[..read].windows(what.len()).any(|words| words == what);
                    has_named |= has(b"INSERT INTO zomma.batches");
                    if has_named && has(b"COMMIT") && count.load(Ordering::SeqCst) < times {
                        count.fetch_add(1, Ordering::SeqCst);
                        mute.store(1, Ordering::SeqCst);
                    }
                    if to_server.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                let _ = to_server.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let mut bytes = [0; 1 << 16];
                while let Ok(read @ 1..) = from_server.read(&mut bytes) {
                    // The server has committed: this is its answer, which nobody hears.
                    if is_mute.load(Ordering::SeqCst) == 1 || to_client.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                let _ = to_client.shutdown(Shutdown::Both);
            });
        }
    });
    (port, broken)
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_does_not_double_anything() {
    let Some((server, database, name)) = migrated().await else { return };
    Writer::new(database.clone()).append(Table::Ticks, &ticks(0, 10), "before").await.unwrap();
    let (port, broken) = breaking_at_commit(server.port(), 3);
    let url = format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable");
    let mut writer = Writer::new(Database::lazy(&url, Settings::default()).unwrap());
    for batch in 1..=3 {
        let appended = writer.append(Table::Ticks, &ticks(batch * 10, 10), &format!("batch {batch}")).await.unwrap();
        assert!(appended.attempts > 1 && appended.was_there, "{appended:?}");
    }
    assert_eq!(broken.load(Ordering::SeqCst), 3);
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.ticks").await, 40);
    // Not only the key kept them from being there twice.
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.batches").await, 4);
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.changes").await, 4);
}

#[tokio::test]
async fn a_partition_that_was_dropped_is_made_again() {
    let Some((server, database, name)) = migrated().await else { return };
    let mut writer = Writer::new(database.clone());
    writer.append(Table::Ticks, &ticks(0, 10), "a").await.unwrap();
    server.sql(&name, "DROP TABLE zomma.ticks_20260102");
    let appended = writer.append(Table::Ticks, &ticks(10, 10), "b").await.unwrap();
    assert_eq!(appended.attempts, 2);
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.ticks").await, 10);
}

#[tokio::test]
async fn a_batch_of_many_days_goes_in_by_parts_and_two_writers_do_not_hinder_each_other() {
    let Some((_server, database, _)) = migrated().await else { return };
    let daily: Vec<_> = (0..300).map(|day| (day * DAY_NS + 5, day as f64)).collect();
    let (mut one, mut other) = (Writer::new(database.clone()), Writer::new(database.clone()));
    let batch = quotes(&daily);
    let (first, second) =
        tokio::join!(one.append(Table::Quotes, &batch, "daily"), other.append(Table::Quotes, &batch, "daily"));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.rows + second.rows, 600);
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.quotes").await, 300);
    assert_eq!(number(&database, "SELECT count(*) FROM zomma.batches").await, 2);
    assert_eq!(partitions(&database).await.unwrap().len(), 300);
    assert!(one.append(Table::Quotes, &batch, "daily").await.unwrap().was_there);
}

#[tokio::test]
async fn what_is_not_of_the_table_is_refused_before_the_server_is_asked() {
    let nowhere = Database::lazy("postgres://127.0.0.1:1/x", Settings::default()).unwrap();
    let mut writer = Writer::new(nowhere);
    let error = writer.append(Table::Quotes, &ticks(0, 1), "a").await.unwrap_err();
    assert!(matches!(error, StorageError::Columns { table: Table::Quotes, .. }), "{error}");
    let good = ticks(0, 3);
    let mut columns = good.columns().to_vec();
    columns[1] = Arc::new(StringArray::from(vec!["A", "B\0", "C"]));
    let error =
        writer.append(Table::Ticks, &RecordBatch::try_new(good.schema(), columns).unwrap(), "a").await.unwrap_err();
    assert!(error.to_string().contains("ticks: row 2: instrument = \"B\\0\"; allowed: text without"), "{error}");
}

#[tokio::test]
async fn a_database_without_tables_says_how_to_make_them() {
    let Some(server) = Server::shared() else { return };
    let database = Database::connect(&server.url(&server.create_database()), Settings::default()).await.unwrap();
    let error = Writer::new(database).append(Table::Ticks, &ticks(0, 1), "a").await.unwrap_err().to_string();
    assert!(error.contains("zomma store migrate"), "{error}");
}

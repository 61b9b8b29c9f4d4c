use std::time::Duration;

use super::{
    super::{Request, Writer},
    writing::rows,
    *,
};
use crate::error::StorageError;

/// The recipe of docs/storage-postgres.md: a second server follows the first and takes its place.
#[tokio::test]
async fn a_standby_has_every_row_and_takes_over() {
    let Some(server) = Server::start() else { return };
    let name = server.create_database();
    let primary = Database::connect(&server.url(&name), Settings::default()).await.unwrap();
    migrate(&primary).await.unwrap();
    let mut writer = Writer::new(primary.clone());
    writer.append(Table::Ticks, &ticks(0, 1000), "before").await.unwrap();
    let standby = server.standby();
    writer.append(Table::Ticks, &ticks(1000, 1000), "after").await.unwrap();
    let written: String = query_scalar("SELECT pg_current_wal_lsn()::text").fetch_one(primary.pool()).await.unwrap();
    let follower = Database::connect(&standby.url(&name), Settings::default()).await.unwrap();
    let replayed = format!("SELECT (pg_last_wal_replay_lsn() >= '{written}'::pg_lsn)::int::bigint");
    for _ in 0..1200 {
        if number(&follower, &replayed).await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(rows(&follower, &Request::of(Table::Ticks)).await, rows(&primary, &Request::of(Table::Ticks)).await);
    // It is for reading until it is told otherwise.
    let mut on_standby = Writer::new(follower.clone()).with_attempts(1);
    let error = on_standby.append(Table::Ticks, &ticks(2000, 10), "too early").await.unwrap_err();
    assert!(matches!(error, StorageError::Unreachable { .. }) && error.to_string().contains("standby"), "{error}");
    server.crash();
    standby.promote();
    let appended = on_standby.append(Table::Ticks, &ticks(2000, 10), "too early").await.unwrap();
    assert!(!appended.was_there);
    // What went in before the change of servers is known there.
    assert!(on_standby.append(Table::Ticks, &ticks(1000, 1000), "after").await.unwrap().was_there);
    assert_eq!(number(&follower, "SELECT count(*) FROM zomma.ticks").await, 2010);
}

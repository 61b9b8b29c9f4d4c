use std::time::{Duration, Instant};

use super::{
    super::{Layout, Migrated, layout::partitions},
    *,
};
use crate::error::StorageError;

async fn refused(url: &str) -> String {
    let settings = Settings { connect_timeout: Duration::from_secs(20), ..Settings::default() };
    Database::connect(url, settings).await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_to_do() {
    let Some(server) = Server::shared() else { return };
    let port = server.port();
    let said = |error: String, words: &[&str]| {
        for word in words.iter().chain(&["127.0.0.1", &port.to_string()]) {
            assert!(error.contains(word), "{error}: {word}");
        }
        assert!(!error.contains("wr0ng"), "{error}");
    };
    let at = format!("127.0.0.1:{port}");
    said(refused(&format!("postgres://locked:wr0ng@{at}/postgres")).await, &["postgres://locked@", "PGPASSWORD"]);
    said(refused(&format!("postgres://postgres@{at}/nowhere")).await, &["nowhere", "createdb nowhere"]);
    said(refused(&format!("postgres://nobody_here:wr0ng@{at}/postgres")).await, &["nobody_here"]);
    Database::connect(&format!("postgres://locked:right@{at}/postgres"), Settings::default()).await.unwrap();
    Database::connect(&server.socket_url("postgres"), Settings::default()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_is_told_at_once() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let begun = Instant::now();
    let database = Database::lazy(&format!("postgres://127.0.0.1:{port}/x"), Settings::default()).unwrap();
    let error = database.layout().await.unwrap_err();
    assert!(matches!(error, StorageError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("is the server running"), "{error}");
    // Far below the pool's patience, which would hide the reason.
    assert!(begun.elapsed() < Settings::default().connect_timeout);
    // It takes connections and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://{}/x", mute.local_addr().unwrap());
    let settings = Settings { connect_timeout: Duration::from_millis(200), ..Settings::default() };
    let error = Database::connect(&url, settings).await.unwrap_err().to_string();
    assert!(error.contains("no answer within 0.2 s"), "{error}");
}

#[tokio::test]
async fn two_that_migrate_at_once_do_it_once() {
    let Some(server) = Server::shared() else { return };
    let name = server.create_database();
    let database = Database::connect(&server.url(&name), Settings::default()).await.unwrap();
    assert_eq!(database.layout().await.unwrap(), None);
    let (one, other) = tokio::join!(migrate(&database), migrate(&database));
    let (one, other) = (one.unwrap(), other.unwrap());
    let did = |migrated: &Migrated| (migrated.from_version, migrated.made.len());
    let mut both = [did(&one), did(&other)];
    both.sort_unstable();
    assert_eq!(both, [(0, 5), (2, 0)]);
    assert_eq!(one.layout, Layout::Partitions);
    assert_eq!(database.layout().await.unwrap(), Some(Layout::Partitions));
    assert_eq!(partitions(&database).await.unwrap(), []);
}

#[tokio::test]
async fn a_database_that_is_not_ours_is_refused_and_one_that_lacks_a_column_gets_it() {
    let Some((server, database, name)) = migrated().await else { return };
    server.sql(&name, "ALTER TABLE zomma.quotes DROP COLUMN open_interest CASCADE");
    let again = migrate(&database).await.unwrap();
    assert_eq!(again.made, ["quotes.open_interest"]);
    server.sql(&name, "SELECT open_interest FROM zomma.quotes_utc");
    server.sql(&name, "DROP VIEW zomma.bars_utc; ALTER TABLE zomma.bars ALTER volume TYPE real");
    let error = migrate(&database).await.unwrap_err().to_string();
    assert!(error.contains("zomma.bars: column volume is real; allowed: double precision"), "{error}");
    server.sql(&name, "ALTER TABLE zomma.bars DROP COLUMN trades");
    let error = migrate(&database).await.unwrap_err().to_string();
    assert!(error.contains("volume") || error.contains("trades"), "{error}");
    server.sql(&name, "INSERT INTO zomma.migrations (version, name) VALUES (99, 'of the future')");
    let error = migrate(&database).await.unwrap_err().to_string();
    assert!(error.contains("version 99") && error.contains("newer program"), "{error}");
}

//! `zomma store`: what its commands share. Files come in as feeds, chains, surfaces or rows of a table, and go into a place.

mod analysed;
mod digest;
mod ingest;
mod own_columns;
mod readings;
mod row_schema;
mod row_types;
mod row_writer;
mod ticks;

pub use ingest::{FileReport, Job, run as ingest, schema_template};
pub use row_schema::RowSchema;
pub use row_writer::{Root, SpoolArgs, sink, sweep};

use std::{path::Path, sync::Arc};

use anyhow::Context;
use jiff::Timestamp;
use zomma_storage::{
    Place, StorageError, block_on,
    parquet::Clock,
    place::S3Settings,
    postgres::{Database, Settings, is_postgres},
    rules::Rules,
    table::Table,
};

use crate::failure::BadArguments;

/// A place that must be there.
pub fn open(root: &str) -> anyhow::Result<Place> {
    if is_postgres(root) {
        let shown = shown(root)?;
        let why = "is a server; allowed here: a folder or s3://bucket/prefix (docs/storage-postgres.md says how a server is copied)";
        return Err(BadArguments(format!("{shown} {why}")).into());
    }
    Place::open(root, &settings()?).map_err(refused)
}

/// A place that is made where it is missing.
pub fn create(root: &str) -> anyhow::Result<Place> {
    Place::create(root, &settings()?).map_err(refused)
}

/// A server's address without its password.
pub fn shown(root: &str) -> anyhow::Result<String> {
    Ok(Database::lazy(root, Settings::default()).map_err(refused)?.shown().to_owned())
}

/// A database that answers.
pub fn database(root: &str) -> anyhow::Result<Database> {
    block_on(Database::connect(root, Settings::default())).map_err(|error| match is_postgres(root) {
        true => error.into(),
        false => refused(error),
    })
}

/// How S3 is reached, from the environment.
fn settings() -> anyhow::Result<S3Settings> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    S3Settings::from_variables(std::env::vars_os().filter_map(text)).map_err(refused)
}

/// What names no place is a wrong argument; anything else is failed work.
fn refused(error: StorageError) -> anyhow::Error {
    match error {
        StorageError::Place { .. } => BadArguments(error.to_string()).into(),
        other => other.into(),
    }
}

/// The rules of a file.
pub fn rules(path: &Path) -> anyhow::Result<Rules> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("--rules {name}"))?;
    Ok(Rules::parse(&name, &text)?)
}

/// The tables that were named, or all.
pub fn tables(named: &[Table]) -> Vec<Table> {
    if named.is_empty() { Table::ALL.to_vec() } else { named.to_vec() }
}

/// The clock of this machine.
pub fn clock() -> Clock {
    Arc::new(|| nanoseconds(Timestamp::now()))
}

/// A time in nanoseconds since the Unix epoch; the greatest that there is where it is past the year 2262.
pub fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(if time.as_nanosecond() < 0 { i64::MIN } else { i64::MAX })
}

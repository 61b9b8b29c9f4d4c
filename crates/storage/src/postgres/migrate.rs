//! Bringing a database to what this program needs: forward only, and safe where two programs start at once.

use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, query, query_scalar, raw_sql};

use super::{
    connect::Database,
    layout::{Layout, Lock, SCHEMA, column_sql, create_sql, full_name, view_sql},
    timescale,
};
use crate::{
    error::{Result, StorageError},
    table::{Kind, Table},
};

/// The steps, the first is version 1. A step that has been in a release stays as it is for ever.
const STEPS: [(&str, &str); 2] = [
    (
    "settings, batches, changes",
    "CREATE TABLE zomma.settings (key text PRIMARY KEY, value text NOT NULL);
     CREATE TABLE zomma.batches (
       id text COLLATE \"C\" PRIMARY KEY,
       \"table\" text NOT NULL,
       rows bigint NOT NULL,
       applied_at timestamptz NOT NULL DEFAULT now()
     );
     CREATE INDEX batches_applied_at ON zomma.batches (applied_at);
     CREATE TABLE zomma.changes (\"table\" text NOT NULL, from_ns bigint NOT NULL, to_ns bigint NOT NULL);
     CREATE TABLE zomma.aggregates (name text PRIMARY KEY, pending int8multirange NOT NULL);",
    ),
    (
        "what rows a batch put in",
        // The transaction, which its rows bear; the database that counted it, since a restored one counts anew; their times. The input's digest is
        // the second part of a name.
        "ALTER TABLE zomma.batches ADD COLUMN xact bigint, ADD COLUMN home text, ADD COLUMN from_ns bigint, ADD COLUMN to_ns bigint;
         CREATE INDEX batches_input ON zomma.batches (split_part(split_part(id, '/', 1), '.', 2));",
    ),
];

/// The version that this program writes to.
pub(super) const NEWEST: i32 = STEPS.len() as i32;

/// The oldest server that serves: `UNIQUE NULLS NOT DISTINCT` came with it.
const OLDEST: i32 = 150_000;

/// What [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// Version before; 0 where nothing was there.
    pub from_version: i32,
    /// Version now.
    pub to_version: i32,
    /// What cuts tables into days.
    pub layout: Layout,
    /// Tables made, and columns added as `table.column`.
    pub made: Vec<String>,
}

/// Brings a database to the newest version: the schema `zomma`, its tables as [`Table::columns`] has them, and what belongs to them. All of it or
/// nothing; does nothing where nothing is to do. A column that a table lacks is added where rows may go without it.
///
/// # Errors
///
/// Where the server is older than PostgreSQL 15, the database was migrated by a newer program, a table is not what it must be, or the role may not
/// create.
pub async fn migrate(database: &Database) -> Result<Migrated> {
    let failed = |error| database.failed("migrating", error);
    let mut connection = database.connection().await?;
    let mut transaction = connection.begin().await.map_err(failed)?;
    Lock::Migrate.take(&mut transaction).await.map_err(failed)?;
    let migrated = run(database, &mut transaction).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(migrated)
}

async fn run(database: &Database, connection: &mut PgConnection) -> Result<Migrated> {
    let failed = |error| database.failed("migrating", error);
    let wrong = |problem: String| StorageError::Place { place: database.shown().to_owned(), problem };
    let server: String = query_scalar("SHOW server_version_num").fetch_one(&mut *connection).await.map_err(failed)?;
    if server.parse::<i32>().is_ok_and(|version| version < OLDEST) {
        return Err(wrong(format!("server version {server}; allowed: PostgreSQL 15 or newer")));
    }
    let from_version = version(connection).await.map_err(failed)?;
    let newest = NEWEST;
    if from_version > newest {
        return Err(wrong(format!(
            "the database is at version {from_version}, and this program knows {newest}: use the newer program"
        )));
    }
    for (index, (name, statements)) in STEPS.iter().enumerate().skip(from_version as usize) {
        raw_sql(*statements).execute(&mut *connection).await.map_err(failed)?;
        query("INSERT INTO zomma.migrations (version, name) VALUES ($1, $2)")
            .bind(index as i32 + 1)
            .bind(*name)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    let layout = layout(connection).await.map_err(failed)?;
    let mut made = Vec::new();
    for table in Table::ALL {
        make_table(connection, table, layout, &mut made).await.map_err(failed)?.map_err(wrong)?;
    }
    Ok(Migrated { from_version, to_version: newest, layout, made })
}

/// The version of a database that has been migrated.
pub(super) async fn current(connection: &mut PgConnection) -> sqlx::Result<i32> {
    query_scalar("SELECT coalesce(max(version), 0) FROM zomma.migrations").fetch_one(connection).await
}

/// The version that the database is at, whose table this makes.
async fn version(connection: &mut PgConnection) -> sqlx::Result<i32> {
    let is_there: bool =
        query_scalar("SELECT to_regclass('zomma.migrations') IS NOT NULL").fetch_one(&mut *connection).await?;
    if !is_there {
        raw_sql(
            "CREATE SCHEMA IF NOT EXISTS zomma;
             CREATE TABLE zomma.migrations (
               version int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
             );",
        )
        .execute(&mut *connection)
        .await?;
    }
    current(connection).await
}

/// The layout that the database has, or gets: what the first migration found stays, since a table cannot change from one to the other.
async fn layout(connection: &mut PgConnection) -> sqlx::Result<Layout> {
    if let Some(layout) = Layout::read(connection).await? {
        return Ok(layout);
    }
    let layout = if timescale::is_there(connection).await? { Layout::Hypertables } else { Layout::Partitions };
    if layout == Layout::Hypertables {
        raw_sql(AssertSqlSafe(timescale::now_sql())).execute(&mut *connection).await?;
    }
    query("INSERT INTO zomma.settings (key, value) VALUES ('layout', $1)")
        .bind(layout.name())
        .execute(connection)
        .await?;
    Ok(layout)
}

/// Makes a table, or adds what it lacks. The inner error says what about it cannot be mended.
async fn make_table(
    connection: &mut PgConnection,
    table: Table,
    layout: Layout,
    made: &mut Vec<String>,
) -> sqlx::Result<Result<(), String>> {
    let rows = query(
        "SELECT column_name::text, data_type::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
    )
    .bind(SCHEMA)
    .bind(table.name())
    .fetch_all(&mut *connection)
    .await?;
    if rows.is_empty() {
        let hypertable = match layout {
            Layout::Partitions => String::new(),
            Layout::Hypertables => timescale::hypertable_sql(table),
        };
        let statements = create_sql(table, layout) + &hypertable + &view_sql(table);
        raw_sql(AssertSqlSafe(statements)).execute(connection).await?;
        made.push(table.name().to_owned());
        return Ok(Ok(()));
    }
    let mut there = Vec::new();
    for row in rows {
        there.push((row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?));
    }
    let mut added = String::new();
    for column in table.columns() {
        let expected = match column.kind {
            Kind::Time | Kind::Integer => "bigint",
            Kind::Float => "double precision",
            Kind::Text => "text",
        };
        match there.iter().find(|(name, _)| name == column.name) {
            Some((_, kind)) if kind == expected => {}
            Some((name, kind)) => {
                return Ok(Err(format!("{SCHEMA}.{table}: column {name} is {kind}; allowed: {expected}")));
            }
            None if column.nullable => {
                added += &format!("ALTER TABLE {} ADD COLUMN {};\n", full_name(table), column_sql(column));
                made.push(format!("{table}.{}", column.name));
            }
            None => {
                let name = column.name;
                return Ok(Err(format!(
                    "{SCHEMA}.{table} lacks the column {name}, without which no row may be: add it"
                )));
            }
        }
    }
    if !added.is_empty() {
        let view = format!("DROP VIEW IF EXISTS {SCHEMA}.\"{table}_utc\";\n{}", view_sql(table));
        raw_sql(AssertSqlSafe(added + &view)).execute(connection).await?;
    }
    Ok(Ok(()))
}

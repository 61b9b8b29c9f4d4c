//! Putting rows in: fast where their keys are new, right where they are not, and once where a commit's answer was lost.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use arrow_array::RecordBatch;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, raw_sql};

use super::{
    batches::HOME_SQL,
    connect::Database,
    encode::Rows,
    failure::{self, Class},
    layout::{Layout, day_of, full_name, listed, make_partitions, quoted},
    migrate,
};
use crate::{
    error::{Result, StorageError},
    table::Table,
};

/// How often a batch is tried where the server goes away or another transaction is in the way.
const ATTEMPTS: u32 = 5;
/// The pause before the second attempt; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long one attempt may take before its connection is given up.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes that go out at once.
const PIECE_BYTES: usize = 1 << 20;
/// After rows that were there already, this many batches expect the same.
const STAGED_BATCHES: u32 = 32;
/// Days in one transaction: each holds locks of the server, whose number is limited.
const DAYS_AT_ONCE: usize = 256;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Appended {
    /// Rows of the batch. Of rows with one key among them the last counts.
    pub rows: u64,
    /// Whether all of it was there already under this name, and nothing was done.
    pub was_there: bool,
    /// How often it was tried.
    pub attempts: u32,
}

/// Puts batches into a database, over a connection of its own that it makes anew when it breaks.
pub struct Writer {
    database: Database,
    connection: Option<PgConnection>,
    layout: Option<Layout>,
    known: HashSet<(Table, i64)>,
    staged_left: u32,
    attempts: u32,
    buffer: Vec<u8>,
}

/// Why an attempt failed.
enum Failure {
    /// The driver or the server.
    Sql(&'static str, sqlx::Error),
    /// It cannot be told from what the driver says.
    Told(StorageError),
}

impl Writer {
    /// For a database that [`migrate`](super::migrate()) has been to.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            connection: None,
            layout: None,
            known: HashSet::new(),
            staged_left: 0,
            attempts: ATTEMPTS,
            buffer: Vec::new(),
        }
    }

    /// The same, trying a batch this often instead of five times.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Its connection, made where there is none.
    pub(super) async fn connected(&mut self) -> Result<&mut PgConnection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.connection().await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// What came of a question on its connection, which may be in the middle of something where it failed.
    pub(super) fn told<T>(&mut self, what: &str, answer: sqlx::Result<T>) -> Result<T> {
        answer.map_err(|error| {
            self.connection = None;
            self.database.failed(what, error)
        })
    }

    /// Puts a batch in, in one transaction (of more than 256 days: in several, each with its own part of the name). A row replaces the one of the
    /// same [`Table::key`], and of such rows within the batch the last one counts.
    ///
    /// `id` names the batch: of the same name a second one is not put in. It must be the same when the same rows are sent again, after whatever
    /// failure, and another for other rows: a file's name and the place in it, say.
    ///
    /// # Errors
    ///
    /// Where the rows are not the table's ([`StorageError::Columns`], [`StorageError::Value`]); where the server stayed away over all attempts
    /// ([`StorageError::Unreachable`]: the batch is in, or not, and sending it again under the same name is right); where the server refused it.
    pub async fn append(&mut self, table: Table, batch: &RecordBatch, id: &str) -> Result<Appended> {
        let rows = Rows::new(table, batch)?;
        let mut by_day: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (row, time) in rows.times().iter().enumerate() {
            by_day.entry(day_of(*time)).or_default().push(row);
        }
        let mut whole = Appended { rows: rows.len() as u64, was_there: rows.len() > 0, attempts: 0 };
        let days: Vec<_> = by_day.into_iter().collect();
        let parts = days.chunks(DAYS_AT_ONCE);
        let is_one = parts.len() == 1;
        for (number, part) in parts.enumerate() {
            let id = if is_one { id.to_owned() } else { format!("{id}#{number}") };
            let days: BTreeSet<_> = part.iter().map(|(day, _)| *day).collect();
            let mut indices: Vec<_> = part.iter().flat_map(|(_, rows)| rows).copied().collect();
            indices.sort_unstable();
            let (was_there, attempts) = self.part(&Part { rows: &rows, indices, days, id }).await?;
            whole.was_there &= was_there;
            whole.attempts = whole.attempts.max(attempts);
        }
        Ok(whole)
    }

    /// Tries one part until it is in; whether it was there, and how often it was tried.
    async fn part(&mut self, part: &Part<'_>) -> Result<(bool, u32)> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let staged = self.staged_left > 0;
            let tried = tokio::time::timeout(ATTEMPT_TIMEOUT, self.attempt(part, staged)).await;
            let failure = match tried {
                Ok(Ok(was_there)) => {
                    self.staged_left = self.staged_left.saturating_sub(1);
                    return Ok((was_there, attempt));
                }
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Told(StorageError::Unreachable {
                    place: self.database.shown().to_owned(),
                    problem: format!("no answer within {} s in the middle of a batch", ATTEMPT_TIMEOUT.as_secs()),
                }),
            };
            // Whatever it was, the connection may be in the middle of something.
            self.connection = None;
            let (class, error) = match failure {
                Failure::Sql(what, error) => (failure::class(&error), self.database.failed(what, error)),
                Failure::Told(error @ StorageError::Unreachable { .. }) => (Class::Gone, error),
                Failure::Told(error) => (Class::Lasting, error),
            };
            match class {
                // Keys that are there: the staging table takes them. That costs no attempt, and happens once.
                Class::Duplicate if !staged => {
                    self.staged_left = STAGED_BATCHES;
                    continue;
                }
                // Somebody dropped a partition: it is made again, once an attempt.
                Class::NoPartition => self.known.clear(),
                Class::Gone | Class::Again => {}
                Class::Duplicate | Class::Lasting => return Err(error),
            }
            if attempt == self.attempts {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            (attempt, pause) = (attempt + 1, pause * 2);
        }
    }

    /// One attempt; whether the part was there already.
    async fn attempt(&mut self, part: &Part<'_>, staged: bool) -> Result<bool, Failure> {
        let table = part.rows.table();
        self.connected().await.map_err(Failure::Told)?;
        let Self { connection: Some(connection), buffer, known, layout, database, .. } = self else {
            return Ok(false);
        };
        if layout.is_none() {
            let failed = |error| Failure::Sql("reading the layout", error);
            let found = Layout::read(connection).await.map_err(failed)?;
            let version = if found.is_some() { migrate::current(connection).await.map_err(failed)? } else { 0 };
            if found.is_some() && version < migrate::NEWEST {
                let problem = format!(
                    "its tables are of version {version}, and this program writes version {}: run `zomma store migrate` first",
                    migrate::NEWEST
                );
                return Err(Failure::Told(StorageError::Place { place: database.shown().to_owned(), problem }));
            }
            *layout = found;
        }
        let Some(layout) = *layout else {
            return Err(Failure::Told(StorageError::Place {
                place: database.shown().to_owned(),
                problem: "there are no tables here: run `zomma store migrate` first".into(),
            }));
        };
        let missing: BTreeSet<_> = part.days.iter().copied().filter(|day| !known.contains(&(table, *day))).collect();
        if layout == Layout::Partitions && !missing.is_empty() {
            make_partitions(connection, table, &missing)
                .await
                .map_err(|error| Failure::Sql("making the partitions of days", error))?;
            known.extend(missing.iter().map(|day| (table, *day)));
        }
        put(connection, part, staged, buffer).await.map_err(|error| Failure::Sql("putting rows in", error))
    }
}

/// What goes in together.
struct Part<'a> {
    rows: &'a Rows,
    indices: Vec<usize>,
    days: BTreeSet<i64>,
    id: String,
}

/// The transaction: name, change, rows.
async fn put(connection: &mut PgConnection, part: &Part<'_>, staged: bool, buffer: &mut Vec<u8>) -> sqlx::Result<bool> {
    let table = part.rows.table();
    let mut transaction = connection.begin().await?;
    let times = || part.indices.iter().map(|row| part.rows.times()[*row]);
    let (from, to) = (times().min(), times().max());
    // Another transaction with the same name that is not over is waited for here.
    let statement = format!(
        "INSERT INTO zomma.batches (id, \"table\", rows, xact, home, from_ns, to_ns) \
         VALUES ($1, $2, $3, pg_current_xact_id()::text::bigint, {HOME_SQL}, $4, $5) ON CONFLICT (id) DO NOTHING"
    );
    let named = query(AssertSqlSafe(statement))
        .bind(&part.id)
        .bind(table.name())
        .bind(part.indices.len() as i64)
        .bind(from)
        .bind(to)
        .execute(&mut *transaction)
        .await?;
    if named.rows_affected() == 0 {
        transaction.rollback().await?;
        return Ok(true);
    }
    if let (Some(from), Some(to)) = (from, to) {
        query("INSERT INTO zomma.changes (\"table\", from_ns, to_ns) VALUES ($1, $2, $3)")
            .bind(table.name())
            .bind(from)
            .bind(to)
            .execute(&mut *transaction)
            .await?;
    }
    buffer.clear();
    part.rows.encode(part.indices.iter().copied(), staged, buffer);
    if staged {
        raw_sql(AssertSqlSafe(staging_sql(table))).execute(&mut *transaction).await?;
        copy(&mut transaction, &copy_sql(table, &staging_name(table), true), buffer).await?;
        raw_sql(AssertSqlSafe(upsert_sql(table))).execute(&mut *transaction).await?;
    } else {
        copy(&mut transaction, &copy_sql(table, &full_name(table), false), buffer).await?;
    }
    transaction.commit().await?;
    Ok(false)
}

async fn copy(connection: &mut PgConnection, statement: &str, bytes: &[u8]) -> sqlx::Result<()> {
    let mut copy = connection.copy_in_raw(statement).await?;
    for piece in bytes.chunks(PIECE_BYTES) {
        copy.send(piece).await?;
    }
    copy.finish().await.map(drop)
}

/// The number of a row in its batch, in the staging table: no column of a table has this name.
const ROW: &str = "row_of_batch";

fn staging_name(table: Table) -> String {
    quoted(&format!("zomma_staging_{table}"))
}

/// The connection's own staging table. It outlives a transaction, so that the catalogue is not written for every batch; its rows do not.
fn staging_sql(table: Table) -> String {
    format!(
        "SET LOCAL client_min_messages = warning; CREATE TEMP TABLE IF NOT EXISTS {} (LIKE {}, {ROW} bigint NOT NULL) ON COMMIT DELETE ROWS",
        staging_name(table),
        full_name(table)
    )
}

fn copy_sql(table: Table, to: &str, numbered: bool) -> String {
    let columns = listed(table.columns().iter().map(|column| column.name));
    let row = if numbered { format!(", {ROW}") } else { String::new() };
    format!("COPY {to} ({columns}{row}) FROM STDIN (FORMAT binary)")
}

/// From the staging table into the table: the last row of each key, in place of the one that is there.
fn upsert_sql(table: Table) -> String {
    let columns = listed(table.columns().iter().map(|column| column.name));
    let key = listed(table.key().iter().copied());
    let others = table.columns().iter().map(|column| column.name).filter(|name| !table.key().contains(name));
    let set: Vec<_> = others.map(|name| format!("{0} = excluded.{0}", quoted(name))).collect();
    format!(
        "INSERT INTO {} ({columns}) SELECT DISTINCT ON ({key}) {columns} FROM {} ORDER BY {key}, {ROW} DESC \
         ON CONFLICT ({key}) DO UPDATE SET {}",
        full_name(table),
        staging_name(table),
        set.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::TIME;

    #[test]
    fn statements_name_every_column() {
        for table in Table::ALL {
            assert!(table.key().contains(&TIME));
            assert!(table.columns().iter().all(|column| column.name != ROW));
            let upsert = upsert_sql(table);
            for column in table.columns() {
                assert!(upsert.contains(&quoted(column.name)), "{upsert}");
                assert_eq!(
                    upsert.contains(&format!("excluded.{}", quoted(column.name))),
                    !table.key().contains(&column.name)
                );
            }
        }
    }
}

//! What stands in a table under the names of batches: which readings of one input, and taking one of them away.
//!
//! A name is `<input>/<table>/<number>`, and an input's own name is `<words>.<digest of its bytes>.<digest of how it was read>` where the program chose
//! it (earlier versions left the last part out). PostgreSQL gives every row the number of the transaction that put it in (`xmin`), and that number
//! stands beside the batch's name: so a batch's rows are those of its number that nothing has replaced since. The number means nothing in a
//! database that was restored from a dump, which counts anew, nor once 2³¹ later ones have gone by; then what a batch put in cannot be told.

use std::collections::{BTreeSet, HashMap};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgRow, query};

use super::{
    layout::{Layout, full_name},
    migrate,
    writer::Writer,
};
use crate::{
    error::{Result, StorageError},
    table::Table,
};

/// The database that counts transactions: another one after a restore.
pub(super) const HOME_SQL: &str = "(SELECT system_identifier FROM pg_control_system())::text || '/' || \
                                   'zomma.batches'::regclass::oid::text";
/// A transaction's number in 32 bits, as a row bears it, can be told from later ones for so many.
const TOLD_APART: i64 = 1 << 31;
/// The name of an input in the name of a batch.
const NAME_SQL: &str = "split_part(id, '/', 1)";

/// What stands behind the name of a batch that is to be put in again.
const AGAIN: &str = "/again-";

/// Why rows cannot be told from others.
const CANNOT_BE_TOLD: &str = "cannot be told: an earlier version did, or the database was restored from a dump";

/// One reading of an input, as it stands in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The input's name, which its batches' names begin with.
    pub name: String,
    /// Rows that its batches put in.
    pub put_rows: u64,
    /// When its last batch came, in microseconds since the Unix epoch by the server's clock.
    pub last_us: i64,
}

/// What came of taking a reading away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// Rows that are gone.
    pub rows: u64,
    /// Inputs whose rows may have stood where the reading's stood, and are gone with them: their batches count as not there, and go in again when the
    /// inputs are ingested again.
    pub again: Vec<String>,
}

/// What the batches of a name put in, as far as it can be told.
struct Marks {
    xacts: Vec<String>,
    /// The greatest number in all its bits.
    last_xact: i64,
    span_ns: Option<(i64, i64)>,
    rows: i64,
    is_known: bool,
}

impl Writer {
    /// The readings of an input in a table, the earliest first: of every batch whose name has this digest of bytes, while `retain` has not forgotten it.
    /// None where no table is.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn readings(&mut self, table: Table, input: &str) -> Result<Vec<Reading>> {
        let found = list(self.connected().await?, table, input).await;
        self.told("looking for earlier readings of a file", found)
    }

    /// How many of the rows that an input's batches put into a table stand there and were not replaced since; `None` where that cannot be told: of
    /// batches of an earlier version, and in a database that was restored from a dump. Reads the days between their first and their last time.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn standing(&mut self, table: Table, name: &str) -> Result<Option<u64>> {
        let found = standing(self.connected().await?, table, name).await;
        self.told("counting the rows of an earlier reading", found)
    }

    /// Forgets the names of an input's batches in a table, so that they are put in again; their rows stay.
    ///
    /// # Errors
    ///
    /// Where the database fails.
    pub async fn forget(&mut self, table: Table, name: &str) -> Result<()> {
        let done = delete_names(self.connected().await?, table, name).await;
        self.told("forgetting names of batches", done)
    }

    /// Takes away what an input's batches put into a table and nothing has replaced since, and their names, in one transaction. Bars of the intervals
    /// are made anew by the next [`aggregate`](super::aggregate()).
    ///
    /// Where those rows had taken the place of another input's, that one's are not there any more either: the batches from before, in those times, that
    /// lack rows count as not there from now on, and [`Removed::again`] names their inputs.
    ///
    /// # Errors
    ///
    /// Where the database fails, or what the batches put in cannot be told ([`StorageError::Place`]); then nothing is gone.
    pub async fn remove(&mut self, table: Table, name: &str) -> Result<Removed> {
        let removed = remove(self.connected().await?, table, name).await;
        let shown = self.database().shown().to_owned();
        self.told("taking away an earlier reading of a file", removed)?
            .map_err(|problem| StorageError::Place { place: shown, problem })
    }
}

async fn list(connection: &mut PgConnection, table: Table, input: &str) -> sqlx::Result<Vec<Reading>> {
    if Layout::read(connection).await?.is_none() {
        return Ok(Vec::new());
    }
    let statement = format!(
        "SELECT {NAME_SQL}, sum(rows)::bigint, (extract(epoch FROM max(applied_at)) * 1000000)::bigint FROM zomma.batches \
         WHERE split_part({NAME_SQL}, '.', 2) = $1 AND \"table\" = $2 GROUP BY 1 ORDER BY 3, 1"
    );
    let found = query(AssertSqlSafe(statement)).bind(input).bind(table.name()).fetch_all(connection).await?;
    let reading = |row: &PgRow| {
        let put_rows: i64 = row.try_get(1)?;
        Ok(Reading { name: row.try_get(0)?, put_rows: put_rows.unsigned_abs(), last_us: row.try_get(2)? })
    };
    found.iter().map(reading).collect()
}

async fn standing(connection: &mut PgConnection, table: Table, name: &str) -> sqlx::Result<Option<u64>> {
    // One that `migrate` has not been to since the numbers are kept.
    if migrate::current(connection).await? < migrate::NEWEST {
        return Ok(None);
    }
    let marks = marks(connection, table, name).await?;
    match (marks.is_known, marks.span_ns) {
        (false, _) => Ok(None),
        (true, None) => Ok(Some(0)),
        (true, Some((from, to))) => {
            let statement = format!("SELECT count(*) FROM {} WHERE {}", full_name(table), of_marks(from, to));
            let row = query(AssertSqlSafe(statement)).bind(&marks.xacts).fetch_one(connection).await?;
            Ok(Some(row.try_get::<i64, _>(0)?.unsigned_abs()))
        }
    }
}

/// What is gone; the inner error says why nothing is.
async fn remove(connection: &mut PgConnection, table: Table, name: &str) -> sqlx::Result<Result<Removed, String>> {
    let mut transaction = connection.begin().await?;
    let marks = marks(&mut transaction, table, name).await?;
    if !marks.is_known {
        return Ok(Err(format!("which rows of {table} {name} put in {CANNOT_BE_TOLD}")));
    }
    let mut removed = Removed::default();
    if let Some((from, to)) = marks.span_ns {
        query("INSERT INTO zomma.changes (\"table\", from_ns, to_ns) VALUES ($1, $2, $3)")
            .bind(table.name())
            .bind(from)
            .bind(to)
            .execute(&mut *transaction)
            .await?;
        let statement = format!(
            "WITH gone AS (DELETE FROM {} WHERE {} RETURNING \"time\") SELECT count(*), min(\"time\"), max(\"time\") FROM gone",
            full_name(table),
            of_marks(from, to)
        );
        let row = query(AssertSqlSafe(statement)).bind(&marks.xacts).fetch_one(&mut *transaction).await?;
        removed.rows = row.try_get::<i64, _>(0)?.unsigned_abs();
        if removed.rows > marks.rows.unsigned_abs() {
            // Dropping the transaction takes it back.
            let (gone, put) = (removed.rows, marks.rows);
            return Ok(Err(format!("{gone} rows of {table} seem to be of {name}, which put in {put}: none was taken")));
        }
        if let (Some(first), Some(last)) = (row.try_get(1)?, row.try_get(2)?) {
            let of = Gone { table, name, times: (first, last), last_xact: marks.last_xact };
            removed.again = put_in_again(&mut transaction, &of).await?;
        }
    }
    delete_names(&mut transaction, table, name).await?;
    transaction.commit().await?;
    Ok(Ok(removed))
}

/// Rows that were taken away.
struct Gone<'a> {
    table: Table,
    name: &'a str,
    /// The first of their times and the last, in nanoseconds since the Unix epoch.
    times: (i64, i64),
    last_xact: i64,
}

/// A batch from before, with times among those that went.
struct Before {
    id: String,
    /// As its rows bear it; none where that cannot be told.
    xact: Option<String>,
    span_ns: Option<(i64, i64)>,
    rows: i64,
}

/// Lets the batches from before that lack rows go in again; the inputs' names. A batch whose rows cannot be told counts as one that lacks some: putting it
/// in again harms nothing. Not one that a later reading of the same part of the same input followed, which is the one that counts.
async fn put_in_again(connection: &mut PgConnection, gone: &Gone<'_>) -> sqlx::Result<Vec<String>> {
    let lacking: Vec<String> = {
        let before = before(connection, gone).await?;
        let standing = standing_of(connection, gone.table, &before).await?;
        let lacks = |batch: &Before| match &batch.xact {
            Some(xact) => standing.get(xact).copied().unwrap_or(0) < batch.rows,
            None => true,
        };
        before.into_iter().filter(lacks).map(|batch| batch.id).collect()
    };
    // Another name behind the input's own: the reading is told as ever, and its rows can be taken away.
    let statement =
        format!("UPDATE zomma.batches SET id = id || '{AGAIN}' || pg_current_xact_id()::text WHERE id = ANY ($1)");
    query(AssertSqlSafe(statement)).bind(&lacking).execute(connection).await?;
    let names: BTreeSet<&str> = lacking.iter().filter_map(|id| id.split('/').next()).collect();
    Ok(names.into_iter().map(ToOwned::to_owned).collect())
}

async fn before(connection: &mut PgConnection, gone: &Gone<'_>) -> sqlx::Result<Vec<Before>> {
    let part = |of: &str, number: u32| format!("split_part(split_part({of}.id, '/', 1), '.', {number})");
    let is_told = format!(
        "coalesce(b.home = {HOME_SQL} AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint - b.xact < {TOLD_APART}, false)"
    );
    let statement = format!(
        "SELECT b.id, CASE WHEN {is_told} THEN (b.xact % 4294967296)::text END, b.from_ns, b.to_ns, b.rows \
         FROM zomma.batches b WHERE b.\"table\" = $1 AND split_part(b.id, '/', 1) <> $2 AND b.rows > 0 \
         AND position('{AGAIN}' IN b.id) = 0 AND (b.from_ns IS NULL OR (b.from_ns <= $4 AND b.to_ns >= $3)) \
         AND (NOT {is_told} OR b.xact < $5) \
         AND NOT EXISTS (SELECT 1 FROM zomma.batches later WHERE later.\"table\" = $1 AND {0} <> '' AND {1} = {0} \
         AND {2} = {3} AND split_part(later.id, '/', 1) NOT IN ($2, split_part(b.id, '/', 1)) AND later.xact > b.xact)",
        part("b", 2),
        part("later", 2),
        part("later", 4),
        part("b", 4),
    );
    let (from, to) = gone.times;
    let found = query(AssertSqlSafe(statement))
        .bind(gone.table.name())
        .bind(gone.name)
        .bind(from)
        .bind(to)
        .bind(gone.last_xact)
        .fetch_all(connection)
        .await?;
    let batch = |row: &PgRow| {
        let span: (Option<i64>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
        Ok(Before { id: row.try_get(0)?, xact: row.try_get(1)?, span_ns: span.0.zip(span.1), rows: row.try_get(4)? })
    };
    found.iter().map(batch).collect()
}

/// The rows that stand of each batch whose number is known, in one look at the table.
async fn standing_of(
    connection: &mut PgConnection,
    table: Table,
    batches: &[Before],
) -> sqlx::Result<HashMap<String, i64>> {
    let known = || batches.iter().filter_map(|batch| Some((batch.xact.as_ref()?, batch.span_ns?)));
    let xacts: Vec<&String> = known().map(|(xact, _)| xact).collect();
    let spans = || known().map(|(_, span)| span);
    let (Some(from), Some(to)) = (spans().map(|span| span.0).min(), spans().map(|span| span.1).max()) else {
        return Ok(HashMap::new());
    };
    let statement =
        format!("SELECT xmin::text, count(*) FROM {} WHERE {} GROUP BY 1", full_name(table), of_marks(from, to));
    let found = query(AssertSqlSafe(statement)).bind(xacts).fetch_all(connection).await?;
    found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

async fn delete_names(connection: &mut PgConnection, table: Table, name: &str) -> sqlx::Result<()> {
    let statement = format!("DELETE FROM zomma.batches WHERE {NAME_SQL} = $1 AND \"table\" = $2");
    query(AssertSqlSafe(statement)).bind(name).bind(table.name()).execute(connection).await.map(drop)
}

async fn marks(connection: &mut PgConnection, table: Table, name: &str) -> sqlx::Result<Marks> {
    let statement = format!(
        "SELECT (xact % 4294967296)::text, from_ns, to_ns, rows, coalesce(home = {HOME_SQL} \
         AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint - xact < {TOLD_APART}, false), coalesce(xact, 0) \
         FROM zomma.batches WHERE {NAME_SQL} = $1 AND \"table\" = $2"
    );
    let found = query(AssertSqlSafe(statement)).bind(name).bind(table.name()).fetch_all(connection).await?;
    let mut marks = Marks { xacts: Vec::new(), last_xact: 0, span_ns: None, rows: 0, is_known: true };
    for row in found {
        let (from, to): (Option<i64>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        marks.is_known &= row.try_get::<bool, _>(4)?;
        marks.last_xact = marks.last_xact.max(row.try_get(5)?);
        marks.rows += row.try_get::<i64, _>(3)?;
        marks.xacts.extend(row.try_get::<Option<String>, _>(0)?);
        if let (Some(from), Some(to)) = (from, to) {
            let (least, most) = marks.span_ns.unwrap_or((from, to));
            marks.span_ns = Some((least.min(from), most.max(to)));
        }
    }
    Ok(marks)
}

/// Rows within times that bear one of the numbers of `$1`. The times stand in it, so that other days' partitions are left out.
fn of_marks(from: i64, to: i64) -> String {
    format!("\"time\" >= {from} AND \"time\" <= {to} AND xmin = ANY ($1::text[]::xid[])")
}

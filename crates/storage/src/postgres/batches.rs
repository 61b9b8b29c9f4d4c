//! What stands in a table under the names of batches: which readings of one input, and taking one of them away.
//!
//! A name is `<input>/<table>/<number>`, and an input's own name is `<words>.<digest of its bytes>.<digest of how it was read>` where the program chose
//! it (earlier versions left the last part out). PostgreSQL gives every row the number of the transaction that put it in (`xmin`), and that number
//! stands beside the batch's name: so a batch's rows are those of its number that nothing has replaced since. The number means nothing in a
//! database that was restored from a dump, which counts anew, nor once 2³¹ later ones have gone by; then what a batch put in cannot be told.

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

/// What the batches of a name put in, as far as it can be told.
struct Marks {
    xacts: Vec<String>,
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
    /// are made anew by the next [`aggregate`](super::aggregate()). Gives the number of rows that are gone.
    ///
    /// # Errors
    ///
    /// Where the database fails, or what the batches put in cannot be told ([`StorageError::Place`]); then nothing is gone.
    pub async fn remove(&mut self, table: Table, name: &str) -> Result<u64> {
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

/// The rows that are gone; the inner error says why none is.
async fn remove(connection: &mut PgConnection, table: Table, name: &str) -> sqlx::Result<Result<u64, String>> {
    let mut transaction = connection.begin().await?;
    let marks = marks(&mut transaction, table, name).await?;
    if !marks.is_known {
        return Ok(Err(format!("which rows of {table} {name} put in {CANNOT_BE_TOLD}")));
    }
    let mut gone = 0;
    if let Some((from, to)) = marks.span_ns {
        query("INSERT INTO zomma.changes (\"table\", from_ns, to_ns) VALUES ($1, $2, $3)")
            .bind(table.name())
            .bind(from)
            .bind(to)
            .execute(&mut *transaction)
            .await?;
        let statement = format!("DELETE FROM {} WHERE {}", full_name(table), of_marks(from, to));
        gone = query(AssertSqlSafe(statement)).bind(&marks.xacts).execute(&mut *transaction).await?.rows_affected();
    }
    if gone > marks.rows.unsigned_abs() {
        // Dropping the transaction takes it back.
        let put = marks.rows;
        return Ok(Err(format!("{gone} rows of {table} seem to be of {name}, which put in {put}: none was taken")));
    }
    delete_names(&mut transaction, table, name).await?;
    transaction.commit().await?;
    Ok(Ok(gone))
}

async fn delete_names(connection: &mut PgConnection, table: Table, name: &str) -> sqlx::Result<()> {
    let statement = format!("DELETE FROM zomma.batches WHERE {NAME_SQL} = $1 AND \"table\" = $2");
    query(AssertSqlSafe(statement)).bind(name).bind(table.name()).execute(connection).await.map(drop)
}

async fn marks(connection: &mut PgConnection, table: Table, name: &str) -> sqlx::Result<Marks> {
    let statement = format!(
        "SELECT (xact % 4294967296)::text, from_ns, to_ns, rows, coalesce(home = {HOME_SQL} \
         AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint - xact < {TOLD_APART}, false) \
         FROM zomma.batches WHERE {NAME_SQL} = $1 AND \"table\" = $2"
    );
    let found = query(AssertSqlSafe(statement)).bind(name).bind(table.name()).fetch_all(connection).await?;
    let mut marks = Marks { xacts: Vec::new(), span_ns: None, rows: 0, is_known: true };
    for row in found {
        let (from, to): (Option<i64>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
        marks.is_known &= row.try_get::<bool, _>(4)?;
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

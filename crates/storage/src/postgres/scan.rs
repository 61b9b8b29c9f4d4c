//! Reading rows: some columns, a range of time, some instruments, streamed.

use std::{
    fmt::Write as _,
    pin::Pin,
    task::{Context, Poll},
};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::{SinkExt, Stream, StreamExt, channel::mpsc};
use sqlx::PgConnection;
use tokio::task::JoinHandle;

use super::{
    connect::Database,
    decode::Decoder,
    layout::{full_name, listed, literal},
};
use crate::{
    error::{Result, StorageError},
    table::{INSTRUMENT, TIME, Table},
};

/// Rows of a batch, unless it is the last.
const BATCH_ROWS: usize = 8192;
/// Batches that are read before they are asked for.
const BATCHES_AHEAD: usize = 4;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of this table.
    pub table: Table,
    /// Columns by their places in [`Table::columns`], in the order wanted; `None` is all. None at all gives rows without columns, to be counted.
    pub columns: Option<Vec<usize>>,
    /// Rows at or after this time.
    pub from_ns: Option<i64>,
    /// Rows before this time.
    pub to_ns: Option<i64>,
    /// Rows of these instruments; none named is every one.
    pub instruments: Vec<String>,
    /// No more than so many rows; which ones is not said.
    pub limit: Option<u64>,
}

impl Request {
    /// Everything of a table.
    pub fn of(table: Table) -> Self {
        Self { table, columns: None, from_ns: None, to_ns: None, instruments: Vec::new(), limit: None }
    }

    fn places(&self) -> Result<Vec<usize>> {
        let count = self.table.columns().len();
        let places = self.columns.clone().unwrap_or_else(|| (0..count).collect());
        match places.iter().find(|place| **place >= count) {
            Some(place) => Err(StorageError::Columns {
                table: self.table,
                problem: format!("no column {place}; allowed: 0 to {}", count - 1),
            }),
            None => Ok(places),
        }
    }

    /// The question in SQL.
    pub(super) fn sql(&self) -> Result<String> {
        let places = self.places()?;
        let columns = listed(places.iter().map(|place| self.table.columns()[*place].name));
        let mut conditions = Vec::new();
        if let Some(from) = self.from_ns {
            conditions.push(format!("\"{TIME}\" >= {from}"));
        }
        if let Some(to) = self.to_ns {
            conditions.push(format!("\"{TIME}\" < {to}"));
        }
        if !self.instruments.is_empty() {
            // No row has a NUL in its text, and no statement may.
            let names = self.instruments.iter().filter(|name| !name.contains('\0'));
            let names: Vec<_> = names.map(|name| literal(name)).collect();
            conditions.push(format!("\"{INSTRUMENT}\" = ANY (ARRAY[{}]::text[])", names.join(", ")));
        }
        let mut sql = format!("SELECT {columns} FROM {}", full_name(self.table));
        if !conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", conditions.join(" AND "));
        }
        if let Some(limit) = self.limit {
            let _ = write!(sql, " LIMIT {limit}");
        }
        Ok(sql)
    }
}

/// Rows as they come. Dropping it ends the question, and its connection.
pub struct Scan {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    reader: JoinHandle<()>,
}

impl Scan {
    /// The columns of its batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// Where the database fails on the way.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

impl Stream for Scan {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.poll_next_unpin(context)
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Asks for rows. They come in no order, in batches of 8,192; a few are read ahead. What the database says against the question comes in place of
/// the first.
///
/// # Errors
///
/// Where the database cannot be reached, and where there is no such column.
///
/// # Panics
///
/// Outside of a runtime of tokio.
pub async fn scan(database: &Database, request: &Request) -> Result<Scan> {
    let statement = format!("COPY ({}) TO STDOUT (FORMAT binary)", request.sql()?);
    let decoder = Decoder::new(request.table, &request.places()?);
    let schema = decoder.schema().clone();
    // Its own connection: one that is left in the middle of an answer is of no use to anybody else.
    let connection = database.connection().await?;
    let (mut batches_in, batches) = mpsc::channel(BATCHES_AHEAD);
    let database = database.clone();
    let reader = tokio::spawn(async move {
        if let Err(error) = read(&database, connection, &statement, decoder, &mut batches_in).await {
            // Nobody may be there to hear it.
            let _ = batches_in.send(Err(error)).await;
        }
    });
    Ok(Scan { schema, batches, reader })
}

/// Reads the answer to its end, or until nobody wants it.
async fn read(
    database: &Database,
    mut connection: PgConnection,
    statement: &str,
    mut decoder: Decoder,
    to: &mut mpsc::Sender<Result<RecordBatch>>,
) -> Result<()> {
    let failed = |error| database.failed("reading rows", error);
    let broken = |problem: String| StorageError::Place {
        place: database.shown().to_owned(),
        problem: format!("reading rows: {problem}"),
    };
    let mut bytes = connection.copy_out_raw(statement).await.map_err(failed)?;
    while let Some(some) = bytes.next().await {
        decoder.push(&some.map_err(failed)?).map_err(broken)?;
        if decoder.rows() >= BATCH_ROWS && to.send(Ok(decoder.finish()?)).await.is_err() {
            return Ok(());
        }
    }
    if !decoder.is_ended() {
        return Err(broken("the answer ends in the middle".into()));
    }
    if decoder.rows() > 0 {
        // Nobody may want it.
        let _ = to.send(Ok(decoder.finish()?)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_question() {
        let all = Request::of(Table::Surfaces).sql().unwrap();
        assert_eq!(all, r#"SELECT "time", "instrument", "model", "surface" FROM zomma."surfaces""#);
        let some = Request {
            columns: Some(vec![6, 0]),
            from_ns: Some(-5),
            to_ns: Some(7),
            instruments: vec!["O'Neil\\".into(), "bad\0".into()],
            limit: Some(3),
            ..Request::of(Table::Ticks)
        };
        assert_eq!(
            some.sql().unwrap(),
            r#"SELECT "price", "time" FROM zomma."ticks" WHERE "time" >= -5 AND "time" < 7 AND "instrument" = ANY (ARRAY['O''Neil\']::text[]) LIMIT 3"#
        );
        let wrong = Request { columns: Some(vec![13]), ..Request::of(Table::Ticks) };
        assert!(wrong.sql().unwrap_err().to_string().contains("0 to 12"));
    }
}

//! What a question reads: the server's plan, and which days it leaves out.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::{AssertSqlSafe, query_scalar};

use super::{
    connect::Database,
    layout::partition_name,
    layout::{date_of, partition_days},
    scan::Request,
};
use crate::error::Result;
use jiff::civil::Date;

/// How a question is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The question.
    pub sql: String,
    /// The server's plan, as it prints it.
    pub text: String,
    /// Days that are read.
    pub days_read: Vec<Date>,
    /// Days that the table has.
    pub days: usize,
}

impl Plan {
    /// Days that are left out.
    pub fn days_pruned(&self) -> usize {
        self.days - self.days_read.len()
    }
}

/// Asks the server how it would answer, without doing it. A hypertable's chunks are in the text alone.
///
/// # Errors
///
/// Where the database fails, and where there is no such column.
pub async fn explain(database: &Database, request: &Request) -> Result<Plan> {
    let failed = |error| database.failed("explaining", error);
    let sql = request.sql()?;
    let mut connection = database.connection().await?;
    let lines: Vec<String> =
        query_scalar(AssertSqlSafe(format!("EXPLAIN {sql}"))).fetch_all(&mut connection).await.map_err(failed)?;
    let text = lines.join("\n");
    let days = partition_days(&mut connection, request.table).await.map_err(failed)?;
    let words: BTreeSet<_> = text.split_whitespace().map(|word| word.trim_matches('"')).collect();
    let is_read = |day: &i64| words.contains(partition_name(request.table, *day).as_str());
    let days_read = days.iter().copied().filter(is_read).map(date_of).collect();
    Ok(Plan { sql, text, days_read, days: days.len() })
}

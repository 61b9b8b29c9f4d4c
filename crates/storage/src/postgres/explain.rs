//! What a question reads: the server's plan, and which days it leaves out.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::{AssertSqlSafe, query_scalar};

use super::{
    connect::Database,
    layout::{Layout, date_of, day_relations},
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

/// Asks the server how it would answer, without doing it.
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
    let layout = Layout::read(&mut connection).await.map_err(failed)?.unwrap_or(Layout::Partitions);
    let days = day_relations(&mut connection, layout, request.table).await.map_err(failed)?;
    let words: BTreeSet<_> = text.split_whitespace().map(|word| word.trim_matches('"')).collect();
    let is_read = |(_, name): &&(i64, String)| words.contains(name.as_str());
    let days_read = days.iter().filter(is_read).map(|(day, _)| date_of(*day)).collect();
    Ok(Plan { sql, text, days_read, days: days.len() })
}

//! What may be asked: one query, or what is in the session. All else is refused by its name.

use datafusion::sql::{
    parser::{DFParserBuilder, Statement},
    sqlparser::{ast, dialect::GenericDialect},
};

use super::error::SqlError;

/// What is allowed, in words.
const ALLOWED: &str = "SELECT, WITH, VALUES, TABLE, EXPLAIN, SHOW, DESCRIBE";

/// Nesting that a query may have.
const NESTING_MAX: usize = 50;

/// One statement that only reads.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The query itself.
    pub(super) query: Statement,
    /// Whether it is to be explained instead of answered.
    pub(super) explain: Option<Explain>,
}

/// How a query is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    /// What would be read: it is planned and not run.
    Plan,
    /// What was read: it is run, and its rows are dropped.
    Run,
}

/// Reads the text of a query.
///
/// # Errors
/// Where it is no SQL, holds no statement or several, or one that does not only read.
pub(super) fn parse(sql: &str) -> Result<Asked, SqlError> {
    let parser = DFParserBuilder::new(sql).with_dialect(&GenericDialect {}).with_recursion_limit(NESTING_MAX).build();
    let parsed = parser.and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| SqlError::of(&error, sql))?;
    let Some(statement) = statements.pop_front() else {
        return Err(SqlError::query(format!("no statement; allowed: {ALLOWED}")));
    };
    if !statements.is_empty() {
        return Err(SqlError::query(format!("{} statements; one at a time is answered", statements.len() + 1)));
    }
    match statement {
        Statement::Explain(explain) => {
            let mode = if explain.options.analyze { Explain::Run } else { Explain::Plan };
            check(&explain.statement)?;
            Ok(Asked { query: *explain.statement, explain: Some(mode) })
        }
        statement => {
            check(&statement)?;
            Ok(Asked { query: statement, explain: None })
        }
    }
}

/// Refuses what does not only read.
fn check(statement: &Statement) -> Result<(), SqlError> {
    let reads = match statement {
        Statement::Statement(statement) => match statement.as_ref() {
            // DESCRIBE of a query tells its columns.
            ast::Statement::Explain { describe_alias, statement, .. } => {
                let is_describe = matches!(describe_alias, ast::DescribeAlias::Describe | ast::DescribeAlias::Desc);
                is_describe && matches!(statement.as_ref(), ast::Statement::Query(_))
            }
            other => matches!(
                other,
                ast::Statement::Query(_)
                    | ast::Statement::ShowTables { .. }
                    | ast::Statement::ShowColumns { .. }
                    | ast::Statement::ShowVariable { .. }
                    | ast::Statement::ShowFunctions { .. }
                    | ast::Statement::ExplainTable { .. }
            ),
        },
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Explain(_) | Statement::Reset(_) => false,
    };
    if reads { Ok(()) } else { Err(refused(&name(statement))) }
}

/// The refusal of a statement by its name.
pub(super) fn refused(name: &str) -> SqlError {
    SqlError::query(format!("{name} is refused, since this only reads; allowed: {ALLOWED}"))
}

/// Its first words, up to the first that names something.
fn name(statement: &Statement) -> String {
    let text = statement.to_string();
    let is_keyword = |word: &&str| word.chars().all(|c| c.is_ascii_uppercase());
    let words: Vec<_> = text.split_whitespace().take_while(is_keyword).take(3).collect();
    if words.is_empty() { "this statement".into() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_taken() {
        for sql in [
            "select 1",
            "SELECT 1;",
            "with a as (select 1) select * from a",
            "values (1), (2)",
            "show tables",
            "describe quotes",
            "describe select 1",
            "desc select bid from quotes",
        ] {
            assert_eq!(parse(sql).unwrap().explain, None, "{sql}");
        }
        assert_eq!(parse("explain select 1").unwrap().explain, Some(Explain::Plan));
        assert_eq!(parse("EXPLAIN ANALYZE select 1").unwrap().explain, Some(Explain::Run));
    }

    #[test]
    fn what_writes_is_refused_by_name() {
        for (sql, name) in [
            ("create table a (x int)", "CREATE TABLE"),
            ("create external table a stored as csv location '/tmp/a.csv'", "CREATE EXTERNAL TABLE"),
            ("create view a as select 1", "CREATE VIEW"),
            ("drop table quotes", "DROP TABLE"),
            ("insert into quotes values (1)", "INSERT INTO"),
            ("delete from quotes", "DELETE FROM"),
            ("update quotes set bid = 1", "UPDATE"),
            ("copy quotes to '/tmp/a.csv'", "COPY"),
            ("set datafusion.execution.batch_size = 1", "SET"),
            ("truncate table quotes", "TRUNCATE TABLE"),
            ("explain insert into quotes values (1)", "INSERT INTO"),
            ("describe insert into quotes values (1)", "DESCRIBE INSERT INTO"),
        ] {
            let error = parse(sql).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("SELECT"), "{sql}: {error}");
        }
        assert!(parse("select 1; select 2").unwrap_err().to_string().contains("2 statements"));
        assert!(parse(" ; -- nothing").unwrap_err().to_string().contains("no statement"));
    }
}

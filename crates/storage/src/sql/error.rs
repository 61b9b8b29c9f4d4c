//! What is wrong with a query, and where in its text.

use std::{error::Error, fmt};

use datafusion::{
    common::{Diagnostic, Span},
    error::DataFusionError,
};

use super::statement::refused;
use crate::error::StorageError;

/// Why a query was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// Whether the query is at fault, or what it was run on.
    pub is_query: bool,
    /// What is wrong.
    pub message: String,
    /// Line and column in the query's text, from 1, and how many characters there are at fault.
    pub position: Option<Position>,
    /// What may be done.
    pub help: Option<String>,
    /// The line at fault.
    line: Option<String>,
}

/// A place in a query's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
    /// Characters at fault, at least 1.
    pub length: usize,
}

impl SqlError {
    /// Of a query that cannot be answered.
    pub(super) fn query(message: impl Into<String>) -> Self {
        Self { is_query: true, message: message.into(), position: None, help: None, line: None }
    }

    /// Of a query that went wrong while it ran.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { is_query: false, ..Self::query(message) }
    }

    /// The same of a query that was planned: what goes wrong then is no fault of its text.
    pub(super) fn without_position(self) -> Self {
        Self { is_query: false, position: None, line: None, ..self }
    }

    /// The same of a file.
    pub(super) fn of_file(self, file: &str) -> Self {
        Self { message: format!("{file}: {}", self.message), ..self }
    }

    /// What DataFusion says of a query, without its own wrapping.
    pub(super) fn of(error: &DataFusionError, sql: &str) -> Self {
        let root = error.find_root();
        let diagnostic = error.diagnostic();
        let is_query = matches!(
            root,
            DataFusionError::SQL(..)
                | DataFusionError::Plan(_)
                | DataFusionError::SchemaError(..)
                | DataFusionError::NotImplemented(_)
                | DataFusionError::Configuration(_)
                | DataFusionError::Diagnostic(..)
        );
        let text = match root {
            DataFusionError::Diagnostic(_, inner) => inner.find_root().strip_backtrace(),
            DataFusionError::External(inner) => inner.to_string(),
            root => root.strip_backtrace(),
        };
        if let Some(name) = ["DDL", "DML", "Statement"]
            .iter()
            .find_map(|kind| text.split_once(&format!("{kind} not supported: ")).map(|(_, name)| name))
        {
            return refused(&name.to_uppercase());
        }
        if let DataFusionError::ResourcesExhausted(_) = root {
            let mut failed = Self::failed(format!("not enough memory: {}", plain(&text)));
            failed.help = Some("a greater --memory-limit, fewer columns, or a filter".into());
            return failed;
        }
        let plain = plain(&text);
        let (message, help) = match plain.split_once("Did you mean") {
            Some((message, meant)) => {
                let (meant, _) = meant.split_once('?').unwrap_or((meant, ""));
                (message.trim().trim_end_matches('.').to_owned(), Some(format!("did you mean{meant}?")))
            }
            None => (plain.trim().to_owned(), None),
        };
        let mut found = Self { is_query, help, ..Self::query(message) };
        let span = diagnostic.and_then(|diagnostic| diagnostic.span).map(Position::of_span);
        found.position = span.or_else(|| Position::of_text(&text));
        if found.help.is_none() {
            found.help = diagnostic.and_then(possible);
        }
        found.line = found.position.and_then(|position| sql.lines().nth(position.line - 1)).map(ToOwned::to_owned);
        if found.line.is_none() {
            found.position = None;
        }
        found
    }
}

/// What a diagnostic offers.
fn possible(diagnostic: &Diagnostic) -> Option<String> {
    let notes = diagnostic.notes.iter().map(|note| note.message.as_str());
    let offered: Vec<_> = notes.chain(diagnostic.helps.iter().map(|help| help.message.as_str())).collect();
    (!offered.is_empty()).then(|| offered.join("; "))
}

/// The words without the names of the layers that they came through.
fn plain(text: &str) -> String {
    const LAYERS: [&str; 11] = [
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "Execution error: ",
        "Arrow error: ",
        "Parser error: ",
        "External error: ",
        "Object Store error: ",
        "Parquet error: ",
        "Parquet argument error: ",
        "This feature is not implemented: ",
    ];
    let mut text = text;
    while let Some(inner) = LAYERS.iter().find_map(|layer| text.strip_prefix(layer)) {
        text = inner;
    }
    let unwrapped = text.strip_prefix("ParserError(\"").or_else(|| text.strip_prefix("TokenizerError(\""));
    unwrapped.and_then(|inner| inner.strip_suffix("\")")).unwrap_or(text).replace("\\\"", "\"")
}

impl Position {
    fn of_span(span: Span) -> Self {
        let one_line = span.end.line == span.start.line;
        let length = if one_line { span.end.column.saturating_sub(span.start.column) } else { 1 };
        Self {
            line: usize::try_from(span.start.line).unwrap_or(1).max(1),
            column: usize::try_from(span.start.column).unwrap_or(1).max(1),
            length: usize::try_from(length).unwrap_or(1).max(1),
        }
    }

    /// From the words ` at Line: 1, Column: 15` of the parser's.
    fn of_text(text: &str) -> Option<Self> {
        let (_, place) = text.rsplit_once("Line: ")?;
        let (line, rest) = place.split_once(", Column: ")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let (line, column) = (line.parse().ok()?, digits.parse().ok()?);
        (line >= 1 && column >= 1).then_some(Self { line, column, length: 1 })
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let (Some(position), Some(line)) = (self.position, &self.line) {
            let Position { line: number, column, length } = position;
            let number = number.to_string();
            // What stands before the fault keeps its width, tabs too.
            let before: String = line.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let length = length.min(line.chars().count().saturating_sub(column - 1)).max(1);
            write!(
                formatter,
                "\n  {number} | {line}\n  {} | {before}{}",
                " ".repeat(number.len()),
                "^".repeat(length)
            )?;
        }
        match &self.help {
            Some(help) => write!(formatter, "\n  {help}"),
            None => Ok(()),
        }
    }
}

impl Error for SqlError {}

impl From<StorageError> for SqlError {
    fn from(error: StorageError) -> Self {
        Self::failed(error.to_string())
    }
}

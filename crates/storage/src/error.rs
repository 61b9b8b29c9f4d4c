//! Why something could not be kept, found or read.

use thiserror::Error;

use crate::table::Table;

/// What goes wrong in storage. Every message names the place, the file, or the column and row that it is about.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// What was named is no place that tables can be in, or there is none.
    #[error("{place}: {problem}")]
    Place {
        /// As the user named it.
        place: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// The file system or the object store failed.
    #[error("{path}: {source}")]
    Store {
        /// Place and path within it.
        path: String,
        /// What it said.
        source: Box<object_store::Error>,
    },
    /// A file cannot be read, or does not hold what it must.
    #[error("{path}: {problem}")]
    File {
        /// Place and path within it.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Rows do not have the columns of their table.
    #[error("{table}: {problem}")]
    Columns {
        /// The table.
        table: Table,
        /// Which column, what it is, and what it must be.
        problem: String,
    },
    /// A value is none that the column may hold.
    #[error("{table}: row {row}: {column} = {value}; allowed: {allowed}")]
    Value {
        /// The table.
        table: Table,
        /// The row, from 1, of those that were given.
        row: usize,
        /// The column.
        column: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        allowed: String,
    },
    /// The rules of retention and aggregation cannot be used.
    #[error("{name}: {problem}")]
    Rules {
        /// The file of rules.
        name: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// Another process is at the same work, or died in it.
    #[error("{path}: {problem}")]
    Busy {
        /// Place and path within it.
        path: String,
        /// Since when, and what to do.
        problem: String,
    },
    /// A database failed.
    #[error("{what}: {source}")]
    Database {
        /// What was being done.
        what: String,
        /// What it said.
        source: Box<sqlx::Error>,
    },
    /// A server is away, not ready, or has no room: the same may work later.
    #[error("{place}: {problem}")]
    Unreachable {
        /// The server, without a password.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Rows that wait for a server have no more room: those that were given were not taken.
    #[error(
        "{directory}: {held_bytes} bytes wait here for the server, and {more_bytes} more would be over the {limit_bytes} that are allowed: \
         bring the server back or allow more; these rows were not taken"
    )]
    SpoolFull {
        /// Where they wait.
        directory: String,
        /// How much waits.
        held_bytes: u64,
        /// How much was given.
        more_bytes: u64,
        /// How much may wait.
        limit_bytes: u64,
    },
    /// A query failed.
    #[error(transparent)]
    Query(Box<datafusion::error::DataFusionError>),
    /// Columns could not be put together.
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
}

impl StorageError {
    /// Of a file that cannot be read or does not hold what it must.
    pub(crate) fn file(path: impl Into<String>, problem: impl ToString) -> Self {
        Self::File { path: path.into(), problem: problem.to_string() }
    }

    /// Whether a store failed in a way that may pass: not for what is not there or not allowed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Store { source, .. } if matches!(**source, object_store::Error::Generic { .. }))
    }

    /// Whether the object that was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Store { source, .. } if matches!(**source, object_store::Error::NotFound { .. }))
    }
}

impl From<datafusion::error::DataFusionError> for StorageError {
    fn from(source: datafusion::error::DataFusionError) -> Self {
        Self::Query(Box::new(source))
    }
}

/// What storage gives back.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

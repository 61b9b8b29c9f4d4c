//! What can go wrong with a study.

use std::sync::Arc;

use super::TrialState;

/// Why a study could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StudyError {
    /// The database said no.
    #[error("{place}: {source}")]
    Database {
        /// The address, without its password.
        place: String,
        /// What the database says.
        source: Arc<sqlx::Error>,
    },
    /// The address is none of a database that studies can lie in.
    #[error("{0:?}: allowed are sqlite://FILE and postgres://USER@HOST/DATABASE")]
    Address(String),
    /// The database holds studies of another schema.
    #[error("{place}: holds studies of schema {found}, this program reads and writes {expected}")]
    Schema {
        /// The address, without its password.
        place: String,
        /// The version there.
        found: i64,
        /// The version known here.
        expected: i64,
    },
    /// No study of this name.
    #[error("no study {name:?}; there are: {there}")]
    NoStudy {
        /// The name asked for.
        name: String,
        /// The names that there are.
        there: String,
    },
    /// A study of this name is there and looks the other way, or for several objectives.
    #[error("study {name:?} is there already and its directions are {found}: it cannot go on with {expected}")]
    Directions {
        /// The study.
        name: String,
        /// Its directions.
        found: String,
        /// The direction asked for.
        expected: &'static str,
    },
    /// The trial was finished by someone else, or is not there.
    #[error("trial {trial} cannot be told anything any more: it is {state}")]
    Finished {
        /// Its identity in the database.
        trial: i64,
        /// How it stands; `gone` where there is no such trial.
        state: &'static str,
    },
    /// A result that says nothing.
    #[error("trial {trial}: {state} needs a value that is a number, not {value:?}")]
    Value {
        /// Its identity in the database.
        trial: i64,
        /// The state that was to be told.
        state: TrialState,
        /// The value that came with it.
        value: Option<f64>,
    },
    /// What stands in the database is not as Optuna writes it.
    #[error("{place}: {what}")]
    Malformed {
        /// The address, without its password.
        place: String,
        /// What is wrong, and where.
        what: String,
    },
}

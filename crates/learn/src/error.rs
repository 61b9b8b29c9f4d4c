//! What can go wrong on the way from a config to a network.

use std::path::PathBuf;

/// Why a network could not be described, trained, saved or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// The config cannot be read: what is not known, or not of its type.
    #[error("{0}")]
    Unreadable(String),
    /// A value of the config, by its key, and what is allowed.
    #[error("{key}: {value} is not allowed: {allowed}")]
    BadValue {
        /// The key with its table, such as `network.width`.
        key: String,
        /// The value as it stands in the config.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A key of the config that must be there.
    #[error("{key} is missing: {wanted}")]
    Missing {
        /// The key with its table.
        key: String,
        /// What it says.
        wanted: String,
    },
    /// Labels that are no numbers.
    #[error("{bad} of {rows} labels are no numbers; the first is {first}")]
    BadLabels {
        /// How many.
        bad: usize,
        /// Among how many.
        rows: usize,
        /// The first one's inputs and what was said of it.
        first: String,
    },
    /// Rows of shards that cannot be learned, more of them than the config allows.
    #[error(
        "{bad} of {rows} rows cannot be learned, and data.bad_rows allows a share of {allowed}; the first is {first}"
    )]
    BadRows {
        /// How many.
        bad: u64,
        /// Among how many.
        rows: u64,
        /// The first one's file and row, its column and what is in it.
        first: String,
        /// The share that the config allows.
        allowed: f64,
    },
    /// A shard that cannot be used.
    #[error("{path}: {reason}")]
    Shard {
        /// The shard, or the place of all of them.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Storage failed, or a shard is not whole.
    #[error(transparent)]
    Storage(#[from] zomma_storage::StorageError),
    /// The place of a run's checkpoints beside its folder, or a file there.
    #[error("{place}: {reason}")]
    Place {
        /// The place or the file.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the run folder.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run folder is another process's.
    #[error("{path}: another process is training in this folder")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A rank of the group is gone, or the way to it: what the rest must stop for, with the state of the last whole step in hand.
    #[error("the group cannot go on: {reason}")]
    RankLost {
        /// Which rank, and what was seen of its end.
        reason: String,
    },
    /// The ranks of a group do not fit together.
    #[error("the ranks do not fit together: {reason}")]
    RanksDiffer {
        /// Which rank, and what differs.
        reason: String,
    },
    /// Training cannot go on: the reason, and what to try.
    #[error("stopped at step {step}: {diagnosis}")]
    Diverged {
        /// The step.
        step: u64,
        /// What was seen and what to try.
        diagnosis: String,
    },
}

impl LearnError {
    /// A value that is not allowed.
    pub fn bad(key: &str, value: impl std::fmt::Display, allowed: impl Into<String>) -> Self {
        Self::BadValue { key: key.into(), value: value.to_string(), allowed: allowed.into() }
    }

    /// A file that cannot be used.
    pub(crate) fn file(path: &std::path::Path, reason: impl std::fmt::Display) -> Self {
        Self::File { path: path.into(), reason: reason.to_string() }
    }
}

//! What a run tells: how it began, numbers at a step, files, how it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The beginning of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// Tells this run from every other, whatever its name.
    pub id: String,
    /// The run's name, for people.
    pub name: String,
    /// What it belongs to: other runs of the same name are compared with it.
    pub experiment: String,
    /// The config as it was understood.
    pub config: Value,
    /// Facts: commit, host, program.
    pub tags: BTreeMap<String, String>,
}

/// Numbers at a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// Steps done.
    pub step: u64,
    /// By name; every one of them finite.
    pub values: BTreeMap<String, f64>,
}

/// A file of the run's folder that is worth keeping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Artefact {
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// Its path in the run's folder, with `/` between the parts.
    pub path: String,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It goes on, or its process was killed before it could say how it ended.
    #[default]
    Running,
    /// As it was meant to.
    Finished,
    /// By an error, such as a learning rate that diverges.
    Failed,
    /// Somebody stopped it; it can go on.
    Stopped,
}

impl RunState {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// A line of the spool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began; what stood before in the spool is of another run that was given up.
    Started(Started),
    /// It goes on after `step` steps; what it told of later ones is told again.
    Resumed {
        /// When, in milliseconds since 1970 (UTC).
        at_ms: i64,
        /// Steps done.
        step: u64,
    },
    /// Numbers at a step.
    Metrics(Point),
    /// A file.
    Artefact(Artefact),
    /// It ended.
    Ended {
        /// When, in milliseconds since 1970 (UTC).
        at_ms: i64,
        /// How.
        state: RunState,
        /// What came of it.
        summary: BTreeMap<String, f64>,
    },
}

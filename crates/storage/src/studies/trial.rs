//! Trials: what was tried and what came of it.

use std::{collections::BTreeMap, fmt};

use super::Distribution;

/// A trial's identity in its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrialId(pub i64);

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smaller ones.
    Minimize,
    /// Greater ones.
    Maximize,
}

impl Direction {
    /// As the database has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimize => "MINIMIZE",
            Self::Maximize => "MAXIMIZE",
        }
    }

    /// Whether `value` is better than `other`.
    pub fn better(self, value: f64, other: f64) -> bool {
        match self {
            Self::Minimize => value < other,
            Self::Maximize => value > other,
        }
    }
}

/// How a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrialState {
    /// Someone works on it.
    Running,
    /// It has a value.
    Complete,
    /// It was stopped since others promise more.
    Pruned,
    /// It broke off.
    Fail,
    /// It waits for someone to work on it.
    Waiting,
}

impl TrialState {
    const ALL: [Self; 5] = [Self::Running, Self::Complete, Self::Pruned, Self::Fail, Self::Waiting];

    /// As the database has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Complete => "COMPLETE",
            Self::Pruned => "PRUNED",
            Self::Fail => "FAIL",
            Self::Waiting => "WAITING",
        }
    }

    /// Whether nothing more comes.
    pub fn finished(self) -> bool {
        matches!(self, Self::Complete | Self::Pruned | Self::Fail)
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for TrialState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A parameter of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name in the search space.
    pub name: String,
    /// Its value as it is kept: the number itself, or the index of a choice.
    pub kept: f64,
    /// What it might have been.
    pub distribution: Distribution,
}

/// One trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its identity in the database.
    pub id: TrialId,
    /// Its number in its study, from 0.
    pub number: i64,
    /// How it stands.
    pub state: TrialState,
    /// What it is, by name.
    pub parameters: Vec<Parameter>,
    /// What came of it.
    pub value: Option<f64>,
    /// What was reported on the way, by step; NaN and infinities are kept as such.
    pub reported: BTreeMap<i64, f64>,
    /// Begin, as the database has it: local date and time.
    pub begun: Option<String>,
    /// End, likewise.
    pub ended: Option<String>,
}

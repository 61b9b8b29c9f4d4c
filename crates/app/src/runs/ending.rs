//! How a run ended that keeps no spool, such as one of `zomma train pinn`: a file in its folder, so that one that was stopped is not taken for one
//! that was killed.

use std::{fs, path::Path};

use serde_json::{Value, json};
use zomma_learn::tracking::RunState;

const FILE: &str = "ending.json";

/// A run begins or goes on: it has not ended.
pub fn clear(folder: &Path) {
    // One that is not there, or cannot be removed, is in nobody's way: a later end writes over it.
    let _ = fs::remove_file(folder.join(FILE));
}

/// Keeps how a run ended. What cannot be written is not worth an error of its own: the run counts as killed then.
pub fn keep(folder: &Path, state: RunState) {
    let _ = fs::write(folder.join(FILE), format!("{}\n", json!({ "state": state.as_str() })));
}

/// How a run ended, where it said so.
pub(super) fn of(folder: &Path) -> Option<&'static str> {
    let ending: Value = serde_json::from_str(&fs::read_to_string(folder.join(FILE)).ok()?).ok()?;
    let state = ending["state"].as_str()?;
    [RunState::Stopped, RunState::Failed].map(RunState::as_str).into_iter().find(|name| *name == state)
}

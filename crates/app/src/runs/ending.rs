//! How a run of `zomma train pinn` ended before such runs kept a spool: a file in its folder, so that one that was stopped is not taken for one that
//! was killed.

use std::{fs, path::Path};

use serde_json::Value;
use zomma_learn::tracking::RunState;

const FILE: &str = "ending.json";

/// How a run ended, where it said so.
pub(super) fn of(folder: &Path) -> Option<&'static str> {
    let ending: Value = serde_json::from_str(&fs::read_to_string(folder.join(FILE)).ok()?).ok()?;
    let state = ending["state"].as_str()?;
    [RunState::Stopped, RunState::Failed].map(RunState::as_str).into_iter().find(|name| *name == state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_known_and_what_is_none_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(of(folder.path()), None);
        for (text, wanted) in [
            ("{ \"state\": \"stopped\" }", Some("stopped")),
            ("{ \"state\": \"failed\" }", Some("failed")),
            ("{ \"state\": \"finished\" }", None),
            ("{", None),
        ] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(of(folder.path()), wanted, "{text}");
        }
    }
}

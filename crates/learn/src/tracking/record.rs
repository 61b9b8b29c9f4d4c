//! A run as its spool tells it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Event, Point, RunState, Spool, Started, spool::read_from};
use crate::LearnError;

/// A run, read from its folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRecord {
    /// The folder.
    pub folder: PathBuf,
    /// How it began.
    pub started: Started,
    /// Numbers by rising steps; of a step that was done again, the last.
    pub points: Vec<Point>,
    /// Files, by their paths in the folder.
    pub artefacts: Vec<String>,
    /// How it stands.
    pub state: RunState,
    /// When it ended or told something last, in milliseconds since 1970 (UTC).
    pub last_ms: i64,
    /// What came of it.
    pub summary: BTreeMap<String, f64>,
    /// Lines of the spool that cannot be read.
    pub damaged: usize,
}

impl RunRecord {
    /// The last run of a folder; none where the folder has no spool, or an empty one.
    ///
    /// Errors: [`LearnError::File`] for a spool that cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, LearnError> {
        let lines = read_from(&Spool::path_in(folder), 0)?;
        let mut record = Self { folder: folder.into(), damaged: lines.damaged, ..Self::default() };
        lines.events.iter().for_each(|(_, event)| record.apply(event));
        Ok((!lines.events.is_empty()).then_some(record))
    }

    /// Lines of a folder's spool that cannot be read.
    ///
    /// Errors: [`LearnError::File`] for a spool that cannot be read at all.
    pub fn damaged_lines(folder: &Path) -> Result<usize, LearnError> {
        Ok(read_from(&Spool::path_in(folder), 0)?.damaged)
    }

    /// Goes on by an event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Started(started) => {
                let (folder, damaged) = (std::mem::take(&mut self.folder), self.damaged);
                *self = Self { folder, damaged, started: started.clone(), last_ms: started.at_ms, ..Self::default() };
            }
            Event::Resumed { at_ms, step } => {
                self.points.retain(|point| point.step <= *step);
                (self.state, self.last_ms) = (RunState::Running, *at_ms);
            }
            Event::Metrics(point) => {
                let at = self.points.partition_point(|other| other.step < point.step);
                match self.points.get_mut(at).filter(|other| other.step == point.step) {
                    Some(other) => *other = point.clone(),
                    None => self.points.insert(at, point.clone()),
                }
                self.last_ms = point.at_ms;
            }
            Event::Artefact(file) => {
                if !self.artefacts.contains(&file.path) {
                    self.artefacts.push(file.path.clone());
                }
                self.last_ms = file.at_ms;
            }
            Event::Ended { at_ms, state, summary } => {
                (self.state, self.last_ms) = (*state, *at_ms);
                self.summary = summary.clone();
            }
        }
    }

    /// The names of all numbers, in their order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.points.iter().flat_map(|point| point.values.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A number over the steps where it was told.
    pub fn series(&self, name: &str) -> Vec<(u64, f64)> {
        self.points.iter().filter_map(|point| Some((point.step, *point.values.get(name)?))).collect()
    }

    /// The config by its keys, tables joined by dots.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        flat(&self.started.config)
    }
}

/// A JSON object by its keys, objects within joined by dots; what is null is left out.
pub(super) fn flat(value: &serde_json::Value) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &serde_json::Value, out: &mut BTreeMap<String, String>) {
        use serde_json::Value;
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    walk(&key, value, out);
                }
            }
            Value::Null => {}
            Value::String(text) => {
                out.insert(prefix.to_owned(), text.clone());
            }
            value => {
                out.insert(prefix.to_owned(), value.to_string());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk("", value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_went_on_has_each_step_once_as_it_was_told_last() {
        let point = |step, loss| Event::Metrics(Point { at_ms: 1, step, values: [("loss".into(), loss)].into() });
        let mut record = RunRecord::default();
        let events = [point(1, 9.0), point(2, 8.0), point(3, 7.0), Event::Resumed { at_ms: 2, step: 1 }, point(2, 6.0)];
        events.iter().for_each(|event| record.apply(event));
        assert_eq!(record.series("loss"), [(1, 9.0), (2, 6.0)]);
        record.apply(&Event::Started(Started { id: "b".into(), ..Started::default() }));
        assert!(record.points.is_empty() && record.started.id == "b");
    }

    #[test]
    fn a_config_is_flat_by_its_keys() {
        let config = serde_json::json!({ "a": { "b": 1, "c": null, "d": { "e": "x" } }, "f": [1, 2] });
        let found: Vec<(String, String)> = flat(&config).into_iter().collect();
        let wanted = [("a.b", "1"), ("a.d.e", "x"), ("f", "[1,2]")];
        assert_eq!(found, wanted.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}

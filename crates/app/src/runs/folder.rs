//! Runs as they are found in folders.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use zomma_learn::{
    tracking::{RunRecord, RunState},
    training::RunFolder,
};

use super::{Measure, ending};

/// Folders within folders that are looked into.
const DEPTH: usize = 4;

/// A run of which there is a folder.
pub struct KnownRun {
    /// Its spool; that of a run from before there were spools is empty.
    pub record: RunRecord,
    /// The config by its keys.
    pub parameters: BTreeMap<String, String>,
    /// The numbers of the run's end, or of `report.json` where it told none.
    pub results: BTreeMap<String, f64>,
    /// What its errors are of.
    pub measure: Measure,
    /// `running`, `finished`, `failed`, `stopped`, or `killed`: by whoever could not ask.
    pub state: &'static str,
}

impl KnownRun {
    /// The run of a folder; none where there is none.
    ///
    /// # Errors
    ///
    /// A spool that cannot be read.
    pub fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let json =
            |name: &str| -> Option<Value> { serde_json::from_str(&fs::read_to_string(folder.join(name)).ok()?).ok() };
        let report = json("report.json");
        let (mut record, state) = match RunRecord::read(folder)? {
            Some(record) => {
                let state = match record.state {
                    RunState::Running if !RunFolder::is_held(folder) => "killed",
                    state => state.as_str(),
                };
                (record, state)
            }
            None => {
                let Some(config) = json("config.json").filter(|config| config["training"].is_object()) else {
                    return Ok(None);
                };
                let damaged = RunRecord::damaged_lines(folder)?;
                let mut record = RunRecord { folder: folder.into(), damaged, ..RunRecord::default() };
                record.started.config = config;
                let state = match report {
                    Some(_) => "finished",
                    None if RunFolder::is_held(folder) => "running",
                    None => ending::of(folder).unwrap_or("killed"),
                };
                (record, state)
            }
        };
        let measure = Measure::of(&record.started.config);
        measure.rename(&mut record);
        let mut results = record.summary.clone();
        if let Some(report) = report.filter(|_| results.is_empty()) {
            results = measure.results(&report);
        }
        Ok(Some(Self { parameters: record.parameters(), record, results, measure, state }))
    }

    /// What one calls it: its name, or its folder's.
    pub fn name(&self) -> String {
        match self.record.started.name.as_str() {
            "" => self.record.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            name => name.to_owned(),
        }
    }

    /// What the network says: of a table the column.
    pub fn quantity(&self) -> &str {
        let target = self.parameters.get("data.table.target").filter(|_| self.measure == Measure::Target);
        target.map_or(self.measure.quantity(), String::as_str)
    }

    /// The error on rows that nobody had looked at; none before the run's end.
    pub fn test_error(&self) -> Option<f64> {
        self.results.get(self.measure.name()).copied()
    }

    /// The least error on held-out rows that it met. It is no test error: the network was chosen by it.
    pub fn held_out_error(&self) -> Option<f64> {
        let (series, _) = self.measure.held_out()?;
        self.record.series(series).into_iter().map(|(_, value)| value).min_by(f64::total_cmp)
    }

    /// The error of the worst row, where it is told.
    pub fn worst_error(&self) -> Option<f64> {
        self.results.get(self.measure.worst_name()?).copied()
    }

    /// The error of delta, where it has one.
    pub fn delta_error(&self) -> Option<f64> {
        self.results.get(self.measure.delta_name()?).copied()
    }

    /// The order of runs: those of one measure together, by the test error, then those that have none by the held-out error.
    pub fn by_error(&self, other: &Self) -> Ordering {
        fn rank(run: &KnownRun) -> ((Measure, &str), bool, f64) {
            let error = run.test_error().or_else(|| run.held_out_error()).unwrap_or(f64::INFINITY);
            ((run.measure, run.quantity()), run.test_error().is_none(), error)
        }
        let ((measure, untested, error), (other_measure, other_untested, other_error)) = (rank(self), rank(other));
        let first = (measure, untested).cmp(&(other_measure, other_untested));
        first.then(error.total_cmp(&other_error)).then_with(|| self.record.folder.cmp(&other.record.folder))
    }

    /// Seconds of training.
    pub fn seconds(&self) -> Option<f64> {
        let told = || self.record.series("seconds").last().map(|(_, seconds)| *seconds);
        self.results.get("seconds").copied().or_else(told)
    }

    /// Steps done.
    pub fn steps(&self) -> Option<u64> {
        let told = || self.record.points.last().map(|point| point.step);
        self.results.get("steps").map(|steps| *steps as u64).or_else(told)
    }
}

/// The runs in a folder and in the folders within, the best first; those without an error last.
///
/// # Errors
///
/// A folder or a spool that cannot be read.
pub fn find(folder: &Path) -> anyhow::Result<Vec<KnownRun>> {
    let mut runs = Vec::new();
    walk(folder, DEPTH, &mut runs)?;
    runs.sort_by(KnownRun::by_error);
    Ok(runs)
}

fn walk(folder: &Path, depth: usize, runs: &mut Vec<KnownRun>) -> anyhow::Result<()> {
    use anyhow::Context;
    if let Some(run) = KnownRun::read(folder)? {
        runs.push(run);
    } else if depth > 0 {
        let entries = fs::read_dir(folder).with_context(|| format!("{}: cannot be read", folder.display()))?;
        let within: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        for folder in within {
            walk(&folder, depth - 1, runs)?;
        }
    }
    Ok(())
}

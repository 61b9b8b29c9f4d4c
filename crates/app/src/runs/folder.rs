//! Runs as they are found in folders.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use zomma_learn::{
    tracking::{RunRecord, RunState},
    training::RunFolder,
};

/// Folders within folders that are looked into.
const DEPTH: usize = 4;

/// A run of which there is a folder.
pub struct KnownRun {
    /// Its spool; that of a run from before there were spools is empty.
    pub record: RunRecord,
    /// The config by its keys.
    pub parameters: BTreeMap<String, String>,
    /// The numbers of `report.json`, or of the run's end where there is none.
    pub results: BTreeMap<String, f64>,
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
        let (record, state) = match RunRecord::read(folder)? {
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
                let mut record = RunRecord { folder: folder.into(), ..RunRecord::default() };
                record.started.config = config;
                let state = match report {
                    Some(_) => "finished",
                    None if RunFolder::is_held(folder) => "running",
                    None => "killed",
                };
                (record, state)
            }
        };
        let mut results = record.summary.clone();
        if results.is_empty()
            && let Some(Value::Object(report)) = &report
        {
            results.extend(report.iter().filter_map(|(key, value)| Some((key.clone(), value.as_f64()?))));
        }
        Ok(Some(Self { parameters: record.parameters(), record, results, state }))
    }

    /// What one calls it: its name, or its folder's.
    pub fn name(&self) -> String {
        match self.record.started.name.as_str() {
            "" => self.record.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            name => name.to_owned(),
        }
    }

    /// The least held-out price error that it met.
    pub fn best_held_out(&self) -> Option<f64> {
        self.record.series("held_out_price_rmse").into_iter().map(|(_, value)| value).min_by(f64::total_cmp)
    }

    /// What runs are ranked by: the price error on rows that nobody had looked at, or the least held-out one of a run that has no end.
    pub fn price_rmse(&self) -> Option<f64> {
        self.results.get("price_rmse").copied().or_else(|| self.best_held_out())
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
    let rank = |run: &KnownRun| run.price_rmse().unwrap_or(f64::INFINITY);
    runs.sort_by(|a, b| rank(a).total_cmp(&rank(b)).then_with(|| a.record.folder.cmp(&b.record.folder)));
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

//! What every run tells, whatever it trains: how it began, points, how it ended.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use zomma_learn::{
    config::TrackingConfig,
    tracking::{Artefact, Point, RunState, Started, Tracker},
};

use super::{facts, page::write_report, sinks::sinks};
use crate::long_run::tell;

/// How long the end of a run waits for servers.
const PATIENCE: Duration = Duration::from_secs(10);
/// Files of a run's folder that are told, where they are there.
const ARTEFACTS: [&str; 6] = ["config.json", "metrics.csv", "report.json", "report.svg", "network.bin", "report.html"];

/// A run that is told.
pub(super) struct Telling {
    tracker: Tracker,
    folder: PathBuf,
    /// Whether the last point could not be kept, which is said once.
    is_refused: bool,
}

impl Telling {
    /// Begins to tell of the run in a folder, which `command` trains with this config, read from `source`; from `step` on, where it goes on.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub(super) fn begin(
        folder: &Path,
        (config, tracking): (&impl Serialize, &TrackingConfig),
        (command, source): (&str, &Path),
        step: Option<u64>,
    ) -> anyhow::Result<Self> {
        let of_folder = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let started = Started {
            at_ms: facts::now_ms(),
            id: facts::run_id(),
            name: tracking.run_name.clone().or_else(of_folder).unwrap_or_else(|| "run".into()),
            experiment: tracking.experiment.clone(),
            config: serde_json::to_value(config)?,
            tags: facts::tags(command, source, rayon::current_num_threads()),
        };
        let warn: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(|message: &str| tell(format_args!("zomma: {message}")));
        let tracker = Tracker::begin(folder, started, step, sinks(folder, tracking)?, &warn)?;
        Ok(Self { tracker, folder: folder.into(), is_refused: false })
    }

    /// Numbers at a step.
    ///
    /// # Errors
    ///
    /// Where they cannot be kept, as on a full disk, and could be the time before.
    pub(super) fn point(&mut self, point: Point) -> Result<(), String> {
        match self.tracker.metrics(point) {
            Ok(()) => self.is_refused = false,
            Err(_) if self.is_refused => {}
            Err(error) => {
                self.is_refused = true;
                return Err(format!("{error}; the run goes on, and is told of again once there is room"));
            }
        }
        Ok(())
    }

    /// The run ended: writes `report.html` and the plots, tells what came of it, and gives the servers a moment. What of it cannot be
    /// written is said, and takes nothing from what came of the run.
    pub(super) fn end(self, state: RunState, summary: BTreeMap<String, f64>) {
        if let Err(error) = self.tell(state, summary) {
            tell(format_args!(
                "zomma: {error:#}; the pages of the run are not whole: zomma runs report writes them anew"
            ));
        }
    }

    fn tell(self, state: RunState, summary: BTreeMap<String, f64>) -> anyhow::Result<()> {
        let Self { mut tracker, folder, .. } = self;
        let ended = facts::now_ms();
        // Pages that cannot be written are said when the rest is told.
        let written = write_report(&folder, Some((state, ended, &summary)));
        let plots = written.iter().flatten().map(String::as_str);
        for path in ARTEFACTS.into_iter().chain(plots).filter(|path| folder.join(path).is_file()) {
            tracker.artefact(Artefact { at_ms: ended, path: path.into() })?;
        }
        for left in tracker.end(ended, state, summary, PATIENCE)? {
            let folder = folder.display();
            tell(format_args!("zomma: {}: {}; the rest is kept: zomma runs sync {folder}", left.sink, left.why));
        }
        written.map(|_| ())
    }
}

//! A run that trains, told to its sinks.

use std::{collections::BTreeMap, path::Path, path::PathBuf, sync::Arc, time::Duration};

use zomma_learn::{
    config::{PricingModel, TrainConfig},
    tracking::{Artefact, RunState, Started, Tracker, point},
    training::{Progress, Watch},
};

use super::{facts, page::write_report, sinks::sinks};
use crate::long_run::tell;

/// How long the end of a run waits for servers.
const PATIENCE: Duration = Duration::from_secs(10);
/// Files of a run's folder that are told, where they are there.
const ARTEFACTS: [&str; 5] = ["config.json", "metrics.csv", "report.json", "network.bin", "report.html"];

/// What is told of one run.
pub struct Session {
    tracker: Option<Tracker>,
    folder: PathBuf,
    every: u64,
    model: PricingModel,
    /// Whether the last step could not be kept, which is said once.
    is_refused: bool,
}

impl Session {
    /// Begins to tell of a run in its folder; from `step` on, where it goes on.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub fn begin(folder: &Path, config: &TrainConfig, source: &Path, step: Option<u64>) -> anyhow::Result<Self> {
        let tracking = &config.tracking;
        let of_folder = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let started = Started {
            at_ms: facts::now_ms(),
            id: facts::run_id(),
            name: tracking.run_name.clone().or_else(of_folder).unwrap_or_else(|| "run".into()),
            experiment: tracking.experiment.clone(),
            config: serde_json::to_value(config)?,
            tags: facts::tags(source, rayon::current_num_threads()),
        };
        let warn: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(|message: &str| tell(format_args!("zomma: {message}")));
        let tracker = Tracker::begin(folder, started, step, sinks(folder, tracking)?, &warn)?;
        Ok(Self {
            tracker: Some(tracker),
            folder: folder.into(),
            every: tracking.every,
            model: config.data.model,
            is_refused: false,
        })
    }

    /// Of a rank that is not its group's first, which tells of them all: nothing is told here.
    pub fn of_another_rank(folder: &Path, config: &TrainConfig) -> Self {
        Self { tracker: None, folder: folder.into(), every: 1, model: config.data.model, is_refused: false }
    }

    /// After a step: told where it is one of the config's, or one at which the held-out rows were looked at.
    ///
    /// # Errors
    ///
    /// Where it cannot be kept, as on a full disk, and could be at the step told before.
    pub fn stepped(&mut self, progress: &Progress) -> Result<(), String> {
        if !progress.step.is_multiple_of(self.every) && progress.evaluation.is_none() {
            return Ok(());
        }
        let Some(tracker) = &mut self.tracker else { return Ok(()) };
        match tracker.metrics(point(facts::now_ms(), progress, self.model)) {
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
    pub fn end(self, state: RunState, summary: BTreeMap<String, f64>) {
        if let Err(error) = self.tell(state, summary) {
            tell(format_args!(
                "zomma: {error:#}; the pages of the run are not whole: zomma runs report writes them anew"
            ));
        }
    }

    fn tell(mut self, state: RunState, summary: BTreeMap<String, f64>) -> anyhow::Result<()> {
        let Some(mut tracker) = self.tracker.take() else { return Ok(()) };
        let ended = facts::now_ms();
        // Pages that cannot be written are said when the rest is told.
        let written = write_report(&self.folder, Some((state, ended, &summary)));
        let plots = written.iter().flatten().map(String::as_str);
        for path in ARTEFACTS.into_iter().chain(plots).filter(|path| self.folder.join(path).is_file()) {
            tracker.artefact(Artefact { at_ms: ended, path: path.into() })?;
        }
        for left in tracker.end(ended, state, summary, PATIENCE)? {
            let folder = self.folder.display();
            tell(format_args!("zomma: {}: {}; the rest is kept: zomma runs sync {folder}", left.sink, left.why));
        }
        written.map(|_| ())
    }
}

/// A run that is watched by someone and told to its sinks.
pub struct Tracked<'a, W: Watch> {
    /// Who watches.
    pub watch: &'a mut W,
    /// What is told.
    pub session: &'a mut Session,
}

impl<W: Watch> Watch for Tracked<'_, W> {
    fn seconds(&self) -> f64 {
        self.watch.seconds()
    }

    fn should_stop(&self) -> bool {
        self.watch.should_stop()
    }

    fn stepped(&mut self, progress: &Progress) {
        self.watch.stepped(progress);
        if let Err(why) = self.session.stepped(progress) {
            self.watch.warn(&why);
        }
    }

    fn warn(&mut self, message: &str) {
        self.watch.warn(message);
    }
}

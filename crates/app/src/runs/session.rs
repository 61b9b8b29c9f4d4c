//! A run that trains, told to its sinks.

use std::{collections::BTreeMap, path::Path};

use zomma_learn::{
    config::{PricingModel, TrainConfig},
    tracking::{RunState, point},
    training::{Progress, Watch},
};

use super::{facts, telling::Telling};

/// What is told of one run.
pub struct Session {
    /// None of a rank that is not its group's first.
    telling: Option<Telling>,
    every: u64,
    model: PricingModel,
    /// The step told last.
    told: Option<u64>,
}

impl Session {
    /// Begins to tell of a run in its folder; from `step` on, where it goes on.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub fn begin(folder: &Path, config: &TrainConfig, source: &Path, step: Option<u64>) -> anyhow::Result<Self> {
        let telling = Telling::begin(folder, (config, &config.tracking), ("zomma train", source), step)?;
        // A sitting that takes no step may look at the step before it, whose loss it does not know.
        Ok(Self { telling: Some(telling), every: config.tracking.every, model: config.data.model, told: step })
    }

    /// Of a rank that is not its group's first, which tells of them all: nothing is told here.
    pub fn of_another_rank(config: &TrainConfig) -> Self {
        Self { telling: None, every: 1, model: config.data.model, told: None }
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
        let Some(telling) = &mut self.telling else { return Ok(()) };
        let mut point = point(facts::now_ms(), progress, self.model);
        if self.told.replace(progress.step) == Some(progress.step) {
            // No number of a step is told twice.
            point.values.retain(|name, _| name.starts_with("held_out"));
        }
        telling.point(point)
    }

    /// The run ended: writes `report.html` and the plots, tells what came of it, and gives the servers a moment. What of it cannot be
    /// written is said, and takes nothing from what came of the run.
    pub fn end(self, state: RunState, summary: BTreeMap<String, f64>) {
        if let Some(telling) = self.telling {
            telling.end(state, summary);
        }
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

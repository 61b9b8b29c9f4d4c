//! A run of `zomma train pinn`, told to its sinks.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use zomma_learn::{
    physics::{PinnConfig, PinnProgress, PinnWatch},
    tracking::{Point, RunState, solution_point},
};

use super::{Measure, facts, telling::Telling};

/// What is told of one run.
pub struct SolutionSession {
    telling: Telling,
    every: u64,
    /// The last step, until it is known whether the round ends with it: a step is told once.
    pending: Option<Point>,
}

impl SolutionSession {
    /// Begins to tell of a run in its folder; from `step` on, where it goes on.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub fn begin(folder: &Path, config: &PinnConfig, source: &Path, step: Option<u64>) -> anyhow::Result<Self> {
        let telling = Telling::begin(folder, (config, &config.tracking), ("zomma train pinn", source), step)?;
        Ok(Self { telling, every: config.tracking.every, pending: None })
    }

    /// After a step or a round: told where the step is one of the config's, or the round's last.
    ///
    /// # Errors
    ///
    /// Where it cannot be kept, as on a full disk, and could be at the step told before.
    fn stepped(&mut self, progress: &PinnProgress) -> Result<(), String> {
        let is_of_round = progress.outcome.is_some();
        if !is_of_round && !progress.done.is_multiple_of(self.every) {
            return self.flush();
        }
        let mut point = solution_point(facts::now_ms(), progress);
        match self.pending.take() {
            Some(before) if before.step != point.step => self.telling.point(before)?,
            Some(mut before) => {
                before.values.append(&mut point.values);
                point = before;
            }
            None => {}
        }
        if is_of_round {
            return self.telling.point(point);
        }
        self.pending = Some(point);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        self.pending.take().map_or(Ok(()), |point| self.telling.point(point))
    }

    /// The run ended, and `report` is what came of it where anything did: see [`super::Session::end`].
    pub fn end(mut self, state: RunState, report: Option<&Value>) {
        if let Err(why) = self.flush() {
            crate::long_run::tell(format_args!("zomma: {why}"));
        }
        let summary = report.map_or_else(BTreeMap::new, |report| Measure::Solution.results(report));
        self.telling.end(state, summary);
    }
}

/// A run that is watched by someone and told to its sinks.
pub struct TrackedSolution<'a, W: PinnWatch> {
    /// Who watches.
    pub watch: &'a mut W,
    /// What is told.
    pub session: &'a mut SolutionSession,
}

impl<W: PinnWatch> PinnWatch for TrackedSolution<'_, W> {
    fn seconds(&self) -> f64 {
        self.watch.seconds()
    }

    fn should_stop(&self) -> bool {
        self.watch.should_stop()
    }

    fn stepped(&mut self, progress: &PinnProgress) {
        self.watch.stepped(progress);
        if let Err(why) = self.session.stepped(progress) {
            self.watch.warn(&why);
        }
    }

    fn warn(&mut self, message: &str) {
        self.watch.warn(message);
    }
}

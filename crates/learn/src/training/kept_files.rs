//! What a run leaves in its folder on the way: rows of metrics, the best networks, checkpoints. A disk that is full ends no run: what it does
//! not take waits in memory, and what it took before stays.

use super::checkpoint::Checkpoint;
use super::metrics::Metrics;
use super::run::span;
use super::state::Kept;
use super::{Evaluation, Progress, State, TrainedNetwork, Trainer, Watch, evaluate};
use crate::LearnError;
use crate::profiling::Stage;

/// Rows on which gamma is looked at when training is done.
const GAMMA_ROWS: usize = 16_384;

/// What the folder has of the best networks, and what it has not.
#[derive(Debug, Default)]
pub(super) struct KeptFiles {
    /// Networks among the best that are not written yet.
    waiting: Vec<TrainedNetwork>,
    /// The steps of those that the checkpoint needs, in the order of the best.
    checkpointed: Vec<u64>,
    /// Whether it was told that something cannot be written.
    is_told: bool,
    /// Whether the last checkpoint that was wanted is there.
    is_checkpoint_newest: bool,
}

impl KeptFiles {
    /// After a checkpoint of this state.
    pub(super) fn of_checkpoint(state: &State) -> Self {
        let checkpointed = state.standing.best.iter().map(|kept| kept.step).collect();
        Self { checkpointed, is_checkpoint_newest: true, ..Self::default() }
    }
}

impl Trainer {
    /// Looks at the held-out rows, and keeps the network where it is among the best. The first rank looks and writes; then all take note of it.
    /// What is answered is whether all was written; what was not waits.
    ///
    /// Errors: of the engine's device and of the group.
    pub(super) fn look(&mut self, progress: &mut Progress) -> Result<Result<(), LearnError>, LearnError> {
        let profiler = self.profiler.clone();
        let _look = span(&profiler, Stage::Look);
        self.group.compare(&self.state.parameters)?;
        let step = self.state.standing.step;
        let mut price_rmse = 0.0;
        if let Some(metrics) = &mut self.metrics {
            let Self { engine, architecture, state, held_out, .. } = self;
            let found = evaluate(engine.as_mut(), architecture, (state.shown(), &state.statistics), held_out, 0)?;
            price_rmse = found.price_rmse;
            progress.evaluation = Some(found);
            metrics.add(progress);
        }
        let kept = Kept { step, price_rmse: self.group.agree((price_rmse, false))?.0 };
        let place = self.place(kept.price_rmse);
        let standing = &mut self.state.standing;
        let is_best = standing.best.first().is_none_or(|best| kept.price_rmse < best.price_rmse);
        standing.looks_without_better = if is_best { 0 } else { standing.looks_without_better + 1 };
        if let Some(place) = place {
            standing.best.insert(place, kept);
            standing.best.truncate(self.config.training.keep_best);
            if self.group.is_first() {
                let network = self.network(step, progress.evaluation.clone());
                self.kept.waiting.push(network);
            }
        }
        let written = self.write_waiting();
        if self.group.is_first() {
            let best = self.state.standing.best.iter().map(|kept| kept.step);
            self.folder.keep_only(best.chain(self.kept.checkpointed.iter().copied()));
        }
        Ok(written)
    }

    /// Writes the networks and the rows of the metrics that wait; what cannot be written goes on waiting.
    ///
    /// Errors: [`LearnError::File`].
    pub(super) fn write_waiting(&mut self) -> Result<(), LearnError> {
        let (best, waiting) = (&self.state.standing.best, &mut self.kept.waiting);
        waiting.retain(|network| best.iter().any(|kept| kept.step == network.step));
        while let Some(network) = waiting.last() {
            network.write(&self.folder.kept(network.step))?;
            waiting.pop();
        }
        self.metrics.as_mut().map_or(Ok(()), Metrics::flush)
    }

    /// Tells of a disk that takes nothing, once, and that it takes all again.
    pub(super) fn tell_of(&mut self, written: Result<(), LearnError>, watch: &mut dyn Watch) {
        match written {
            Err(error) if !self.kept.is_told => {
                self.kept.is_told = true;
                watch.warn(&format!(
                    "{error}; what was written before stays, the best networks wait in memory and are tried again at \
                     each look and checkpoint, and training goes on"
                ));
            }
            Ok(()) if self.kept.is_told && self.kept.is_checkpoint_newest => {
                self.kept.is_told = false;
                watch.warn("what could not be written is written now");
            }
            _ => {}
        }
    }

    /// Where a network of this error comes among the best, where it is one of them.
    fn place(&self, price_rmse: f64) -> Option<usize> {
        let place = self.state.standing.best.partition_point(|other| other.price_rmse <= price_rmse);
        (place < self.config.training.keep_best && !price_rmse.is_nan()).then_some(place)
    }

    fn network(&self, step: u64, evaluation: Option<Evaluation>) -> TrainedNetwork {
        TrainedNetwork {
            architecture: self.architecture.clone(),
            parameters: self.state.shown().to_vec(),
            statistics: self.state.statistics.clone(),
            step,
            evaluation,
            data: Some(self.config.data.clone()),
        }
    }

    /// Writes where the run stands; only then the networks go that are no longer among the best, since the checkpoint before it may need
    /// them. No checkpoint names a network that is not there.
    ///
    /// Errors: [`LearnError::File`]; the checkpoint before it and what it needs stay then.
    pub(super) fn checkpoint(&mut self) -> Result<(), LearnError> {
        let profiler = self.profiler.clone();
        let _checkpoint = span(&profiler, Stage::Checkpoint);
        if !self.group.is_first() {
            return Ok(());
        }
        self.kept.is_checkpoint_newest = false;
        self.write_waiting()?;
        Checkpoint::write(&self.folder.checkpoint(), &self.architecture, &self.config, &self.state)?;
        self.kept = KeptFiles { is_told: self.kept.is_told, ..KeptFiles::of_checkpoint(&self.state) };
        self.folder.keep_only(self.kept.checkpointed.iter().copied());
        if let Some(mirror) = &self.mirror {
            mirror.tell();
        }
        Ok(())
    }

    /// Has the folder copied as it is now, and waits for it, only for a moment once the user `asked` to stop. A rank that wrote nothing has nothing to
    /// copy.
    pub(super) fn copy_to_mirror(&self, asked: &dyn Fn() -> bool) -> Result<(), LearnError> {
        match &self.mirror {
            Some(mirror) if self.group.is_first() || self.folder.checkpoint().exists() => {
                mirror.tell();
                mirror.finish(&self.folder, asked)
            }
            _ => Ok(()),
        }
    }

    /// The best network, measured on rows that nobody has looked at before, and written.
    pub(super) fn finish(&mut self) -> Result<TrainedNetwork, LearnError> {
        let mut network = match self.state.standing.best.first() {
            Some(best) => TrainedNetwork::read(&self.folder.kept(best.step))?,
            None => self.network(self.state.standing.step, None),
        };
        let (rows, excluded_rows) = self.source.tested_rows()?;
        let weights = (&network.parameters[..], &network.statistics[..]);
        let gamma_rows = if self.config.data.model.is_implied_volatility() { 0 } else { GAMMA_ROWS };
        let found = evaluate(self.engine.as_mut(), &self.architecture, weights, &rows, gamma_rows)?;
        network.evaluation = Some(Evaluation { excluded_rows, ..found });
        network.write(&self.folder.network())?;
        Ok(network)
    }
}

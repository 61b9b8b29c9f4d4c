//! A run from its config to its network.

use std::sync::Arc;

use zomma_storage::Place;

use super::beginning::{Fresh, scales};
use super::checkpoint::Checkpoint;
use super::container::write_whole;
use super::kept_files::KeptFiles;
use super::metrics::Metrics;
use super::mirror::Mirror;
use super::rescue::rescue;
use super::{Engine, Evaluation, LossScale, MakeEngine, RunFolder, State, TrainedNetwork, learning_rate, revival};
use crate::LearnError;
use crate::config::{TrainConfig, TrainingConfig};
use crate::data::shards::Counts;
use crate::data::{Rows, Source};
use crate::network::{Architecture, Features, Loss, LossScales, OutputTransform, Precision, TableColumns};
use crate::parallel::{Group, Said};
use crate::profiling::{Profiler, Span, Stage};
use crate::table::{Assessment, Parts, assess};

/// What the loop asks of whoever started it, and tells him.
pub trait Watch {
    /// Seconds since some moment before training.
    fn seconds(&self) -> f64;
    /// Whether to write a checkpoint and leave.
    fn should_stop(&self) -> bool;
    /// After a step; with the held-out errors where they were looked at. Of a run that ends by the clock the last step is told again where its
    /// look is off the beat.
    fn stepped(&mut self, progress: &Progress);
    /// Something went wrong that training survives.
    fn warn(&mut self, message: &str);
}

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Share of the run that is done, 0 to 1.
    pub done: f64,
    /// Seconds of training, all sittings together.
    pub seconds: f64,
    /// Rows drawn, all sittings together.
    pub samples: u64,
    /// The step's learning rate.
    pub learning_rate: f64,
    /// The step's loss.
    pub loss: Loss,
    /// Norm of its gradient before it was shortened.
    pub gradient_norm: f64,
    /// Steps skipped so far.
    pub skipped: u64,
    /// The loss scale of 16-bit training and the steps skipped for it so far.
    pub loss_scale: Option<LossScale>,
    /// Errors on the held-out rows, where they were looked at after this step.
    pub evaluation: Option<Evaluation>,
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps or minutes are done.
    Finished,
    /// The held-out error no longer got better.
    StoppedEarly,
    /// It was asked to leave; the checkpoint is written.
    Interrupted,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub ending: Ending,
    /// The best network met, with its errors on rows that neither training nor the choice of the best has seen; none of an interrupted
    /// run, and none at other ranks than the first.
    pub network: Option<TrainedNetwork>,
    /// Where it ended.
    pub progress: Progress,
}

/// Where a run lies and who trains it.
pub struct Start {
    /// Its folder; of every rank but the first one [`RunFolder::of_another_rank`].
    pub folder: RunFolder,
    /// Whether to go on from the folder's checkpoint, or else to begin.
    pub resume: bool,
    /// The ranks that train together. The first begins or resumes, the others take its state, and it alone writes.
    pub group: Group,
    /// Where the config's shards lie, opened by whoever knows how it is reached.
    pub place: Option<Place>,
    /// Where `training.checkpoints` says that checkpoints go too, opened likewise.
    pub checkpoints: Option<Place>,
}

impl Start {
    /// A new run of one process, with labels made on the way.
    pub fn alone(folder: RunFolder) -> Self {
        Self { folder, resume: false, group: Group::alone(), place: None, checkpoints: None }
    }
}

/// A run that can be trained.
pub struct Trainer {
    pub(super) config: TrainConfig,
    pub(super) architecture: Architecture,
    pub(super) engine: Box<dyn Engine + Send>,
    pub(super) source: Source,
    pub(super) held_out: Rows,
    pub(super) scales: LossScales,
    pub(super) state: State,
    pub(super) folder: RunFolder,
    /// None where another rank keeps them.
    pub(super) metrics: Option<Metrics>,
    /// What the folder has, and what it could not take yet.
    pub(super) kept: KeptFiles,
    pub(super) group: Group,
    /// Where checkpoints go besides the folder.
    pub(super) mirror: Option<Mirror>,
    /// What there is to say: of where the run goes on from and how, and of a step.
    notes: Vec<String>,
    pub(super) profiler: Option<Arc<Profiler>>,
}

/// A stage that goes on, where anyone takes its time.
pub(super) fn span(profiler: &Option<Arc<Profiler>>, stage: Stage) -> Option<Span<'_>> {
    profiler.as_deref().map(|profiler| profiler.span(stage))
}

impl Trainer {
    /// Of a checked config. `make` makes what computes.
    ///
    /// Errors: [`LearnError::BadLabels`]; [`LearnError::File`] for a folder that holds a run and is not to be resumed, and for a
    /// checkpoint that is absent, damaged, or of another network or other data; those of [`Shards::open`](crate::data::shards::Shards::open);
    /// in a group, those of the first rank on every rank, and [`LearnError::RankLost`].
    pub fn new(config: TrainConfig, start: Start, make: &MakeEngine) -> Result<Self, LearnError> {
        let Start { folder, resume, mut group, place, checkpoints } = start;
        let mut source = Source::open(&config.data, config.training.seed, place)?;
        let mut fitted = source.fitted()?;
        let features = match (&config.data.table, source.shards()) {
            (Some(table), Some(shards)) => {
                let is_positive = config.network.output == OutputTransform::Positive;
                let rows = (&fitted.inputs[..], &fitted.prices[..]);
                let columns = TableColumns::fit(table, rows, shards.bounds(), is_positive)?;
                source.scale_target(columns.target.clone());
                fitted = source.fitted()?;
                Features::of_table(columns)
            }
            _ => Features::unscaled(config.data.model, config.network.features(&config.data)).fit(&fitted.inputs),
        };
        let architecture = Architecture::new(&config.network, features);
        let is_first = group.is_first();
        let mut notes = Vec::new();
        let own = is_first.then(|| {
            let fresh = Fresh { config: &config, architecture, shards: source.identity() };
            let brought = fresh.settle(&folder, checkpoints.as_ref(), resume)?;
            let (begun, changes) = fresh.begin(&folder, resume)?;
            notes.extend([brought, changes].into_iter().flatten());
            Ok(begun)
        });
        let Checkpoint { architecture, state, .. } = group.hand_on(own)?;
        if state.standing.shards.as_deref() != source.identity() {
            let place = config.data.shards.as_deref().unwrap_or_default();
            let reason = format!("rank {} finds other shards in {place} than rank 0", group.rank());
            return Err(LearnError::RanksDiffer { reason });
        }
        let trainer = Self {
            engine: make(&config, &architecture)?,
            held_out: if is_first { source.held_out_rows()? } else { Rows::default() },
            scales: scales(&config, &fitted),
            mirror: checkpoints.map(|place| Mirror::start(&folder, place)).transpose()?,
            notes,
            metrics: is_first
                .then(|| Metrics::open(&folder.metrics(), looked_until(&state, &config), config.data.model))
                .transpose()?,
            kept: KeptFiles::of_checkpoint(&state),
            config,
            architecture,
            source,
            state,
            folder,
            group,
            profiler: None,
        };
        if is_first {
            trainer.write_config()?;
        }
        Ok(trainer)
    }

    /// Keeps the config in the folder; not before all of it is known to do.
    fn write_config(&self) -> Result<(), LearnError> {
        let path = self.folder.config();
        let text = serde_json::to_string_pretty(&self.config).map_err(|error| LearnError::file(&path, error))?;
        write_whole(&path, text.as_bytes())
    }

    /// Has the time of its stages taken.
    pub fn profile(&mut self, profiler: Arc<Profiler>) {
        self.engine.profile(Some(Arc::clone(&profiler)));
        self.profiler = Some(profiler);
    }

    /// The network, in a line.
    pub fn describe(&self) -> String {
        let ranks = self.group.world_size();
        let ranks = if ranks > 1 { format!(", {ranks} ranks") } else { String::new() };
        format!("{}; engine {}{ranks}", self.architecture.describe(), self.engine.name())
    }

    /// The rows of the config's shards by what they are for, where it has shards.
    pub fn counts(&self) -> Option<Counts> {
        self.source.shards().map(|shards| shards.counts())
    }

    /// So many rows of the domain, of shards those held out again and again.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn examples(&self, count: usize) -> Result<Rows, LearnError> {
        if self.source.shards().is_none() {
            return self.source.first(count);
        }
        let inputs = self.config.data.inputs();
        let held_out = self.source.held_out_rows()?;
        let mut rows = held_out.clone();
        while rows.len() < count {
            rows.append(&held_out);
        }
        rows.resize(count, inputs);
        Ok(rows)
    }

    /// What a network of a table is given and says, with the scales.
    pub fn columns(&self) -> Option<&TableColumns> {
        self.architecture.features.table.as_ref()
    }

    /// What a network of a table is worth beside a mean and a line, on rows that nobody looked at before the end; none of a network of prices.
    ///
    /// Errors: of the engine's device.
    pub fn assess(&mut self, network: &TrainedNetwork) -> Result<Option<Assessment>, LearnError> {
        let Self { source, engine, architecture, held_out, .. } = self;
        let Some(columns) = &architecture.features.table else { return Ok(None) };
        let (fitted, tested) = (source.fitted()?, source.tested_rows()?.0);
        let parts = Parts { fitted: &fitted, held_out, tested: &tested };
        let weights = (&network.parameters[..], &network.statistics[..]);
        assess(columns, &parts, &mut |inputs, out| engine.prices(weights, inputs, out)).map(Some)
    }

    /// Where the run stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Trains to the end of the config, or until asked to leave.
    ///
    /// Errors: [`LearnError::Diverged`]; [`LearnError::File`] where the last checkpoint or the network cannot be written (what cannot before
    /// is told to `watch` once, what was written stays, and training goes on); those of the engine; [`LearnError::RankLost`], after which the
    /// folder has the state of the last whole step; [`LearnError::RanksDiffer`].
    pub fn train(&mut self, watch: &mut dyn Watch) -> Result<Outcome, LearnError> {
        let ended = self.run(watch);
        let Err(LearnError::RankLost { reason }) = ended else { return ended };
        let step = self.state.standing.step;
        let written = self.write_waiting();
        let rescued = written.and_then(|()| rescue(&self.folder, &self.architecture, &self.config, &self.state));
        let copied = rescued.and_then(|is_whole| {
            if is_whole { self.copy_to_mirror(&|| watch.should_stop()) } else { Ok(()) }.map(|()| is_whole)
        });
        let reason = match (copied, &self.config.training.checkpoints) {
            (Ok(false), Some(place)) => format!(
                "{reason}; the checkpoint is written: a group that has {} can go on from step {step}. The folder lacks some of the best \
                 networks, so that nothing was copied to {place}",
                self.folder.path().display()
            ),
            (Ok(_), _) => format!("{reason}; the checkpoint is written: the group can go on from step {step}"),
            (Err(error), _) => format!("{reason}; and the state after step {step} cannot be kept: {error}"),
        };
        Err(LearnError::RankLost { reason })
    }

    fn run(&mut self, watch: &mut dyn Watch) -> Result<Outcome, LearnError> {
        for note in self.notes.drain(..) {
            watch.warn(&note);
        }
        if let Some(note) = never_warm(&self.config.training).filter(|_| self.group.is_first()) {
            watch.warn(&note);
        }
        let (begun, before) = (watch.seconds(), self.state.standing.seconds);
        let count = self.architecture.layout().parameters();
        let training = self.config.training.clone();
        let inputs = self.config.data.inputs();
        let shard = self.group.shard(training.batch);
        let mut rows = Rows::zeros(shard.rows, inputs);
        let mut next = Rows::zeros(shard.rows, inputs);
        let (mut gradient, mut part) = (vec![0.0; count], vec![0.0; count]);
        if self.are_rows_here(0, 1, watch)? {
            self.source.draw(self.state.standing.drawn + shard.first as u64, &mut rows)?;
        }
        let mut progress = self.progress();
        let (mut waited_seconds, mut has_looked) = (0, false);
        let seen = |watch: &dyn Watch| (before + watch.seconds() - begun, watch.should_stop());
        // Clocks and signals differ: what counts in a group is what all have said with the last gradient.
        let mut agreed = self.group.agree(seen(watch))?;
        let ending = loop {
            if self.group.world_size() == 1 {
                agreed = seen(watch);
            }
            self.state.standing.seconds = agreed.0;
            progress.done = self.done();
            if progress.done >= 1.0 {
                break Ending::Finished;
            }
            if training.early_stopping.is_some_and(|looks| self.state.standing.looks_without_better >= looks) {
                break Ending::StoppedEarly;
            }
            if agreed.1 {
                self.checkpoint()?;
                self.group.wait()?;
                self.copy_to_mirror(&|| true)?;
                return Ok(Outcome { ending: Ending::Interrupted, network: None, progress });
            }
            // One that had ended and is given more steps.
            self.state.standing.finished = false;
            let profiler = self.profiler.clone();
            let _step = span(&profiler, Stage::Step);
            if !self.are_rows_here(training.batch, training.accumulate, watch)? {
                continue;
            }
            let (seconds, stop) = seen(watch);
            let said = Said { loss: Loss::default(), seconds, stop };
            let Said { loss, seconds, stop } = self.gather(&mut rows, &mut next, (&mut gradient, &mut part), said)?;
            agreed = (seconds, stop);
            let waited = self.source.shards().map_or(0, |shards| shards.waited_seconds());
            if waited > waited_seconds {
                watch.warn(&format!("waited {} s for rows of the shards", waited - waited_seconds));
                waited_seconds = waited;
            }
            progress.learning_rate = learning_rate(&training, self.state.standing.step, progress.done);
            progress.gradient_norm = self.step(loss, &mut gradient, progress.learning_rate)?;
            for note in self.notes.drain(..) {
                watch.warn(&note);
            }
            let high = self.state.standing.guard.high_for_long();
            self.judge(high)?;
            progress = Progress {
                loss,
                step: self.state.standing.step,
                samples: self.state.standing.drawn,
                seconds: self.state.standing.seconds,
                skipped: self.state.standing.guard.skipped,
                loss_scale: self.state.standing.loss_scale,
                evaluation: None,
                ..progress
            };
            // The last look is one of the step's, so that all who are told of steps are told of it.
            let is_last = training.steps == Some(progress.step);
            if is_last || progress.step.is_multiple_of(training.evaluate_every) {
                let written = self.look(&mut progress)?;
                self.tell_of(written, watch);
                has_looked = is_last;
            }
            if !is_last && progress.step.is_multiple_of(training.checkpoint_every) {
                let written = self.checkpoint();
                self.tell_of(written, watch);
            }
            if let Some((place, failure)) = self.mirror.as_ref().and_then(Mirror::take_failure) {
                watch.warn(&format!(
                    "{place} has not the newest checkpoint: {failure}; it is tried again, and training goes on"
                ));
            }
            let _watch = span(&profiler, Stage::Watch);
            watch.stepped(&progress);
        };
        if !self.state.standing.finished {
            let high = self.state.standing.guard.high();
            self.judge(high)?;
        }
        let is_beat = progress.step.is_multiple_of(training.evaluate_every) && !self.state.standing.best.is_empty();
        let is_looked = is_beat || has_looked;
        // A run that had ended before has looked.
        if !is_looked && !self.state.standing.finished {
            let written = self.look(&mut progress)?;
            self.tell_of(written, watch);
            watch.stepped(&progress);
        }
        if !self.state.standing.finished {
            self.judge_the_best()?;
        }
        self.state.standing.finished = true;
        self.checkpoint()?;
        self.group.wait()?;
        let network = if self.group.is_first() { Some(self.finish()?) } else { None };
        self.copy_to_mirror(&|| watch.should_stop())?;
        Ok(Outcome { ending, network, progress })
    }

    /// Waits for the rows of some batches, `ahead` rows from here, where they come from shards; false where the user asked to stop first. In a group all
    /// leave after the same step, and wait for whoever waits.
    fn are_rows_here(&self, ahead: usize, batches: usize, watch: &dyn Watch) -> Result<bool, LearnError> {
        let Some(shards) = self.source.shards().filter(|_| self.group.world_size() == 1) else { return Ok(true) };
        let _labels = span(&self.profiler, Stage::Labels);
        let from = self.state.standing.drawn + ahead as u64;
        shards.wait(from, batches * self.config.training.batch, &|| watch.should_stop())
    }

    fn progress(&self) -> Progress {
        let standing = &self.state.standing;
        let (skipped, done) = (standing.guard.skipped, self.done());
        Progress {
            step: standing.step,
            seconds: standing.seconds,
            samples: standing.drawn,
            skipped,
            loss_scale: standing.loss_scale,
            done,
            ..Progress::default()
        }
    }

    /// Share of the run that is done.
    fn done(&self) -> f64 {
        let standing = &self.state.standing;
        match (self.config.training.steps, self.config.training.minutes) {
            (Some(steps), _) => standing.step as f64 / steps as f64,
            (None, Some(minutes)) => standing.seconds / (60.0 * minutes),
            (None, None) => 1.0,
        }
    }

    /// The loss and the gradient of a step's batches, of all ranks' rows, and what is said with them; the next batch is labelled meanwhile. What
    /// a step moves besides the parameters is moved when all of it is there.
    fn gather(
        &mut self,
        rows: &mut Rows,
        next: &mut Rows,
        (gradient, part): (&mut [f32], &mut [f32]),
        mut said: Said,
    ) -> Result<Said, LearnError> {
        let Self { source, engine, state, scales, config, group, profiler, .. } = self;
        let (accumulate, batch_rows) = (config.training.accumulate, config.training.batch);
        let share = 1.0 / accumulate as f64;
        // In 16 bits it matters how great numbers are on the way: they are those of one rank with one batch of all the rows.
        let is_scaled = state.standing.loss_scale.is_some();
        let weight = group.weigh(is_scaled);
        scales.gradient = state.standing.loss_scale.map_or(1.0, |scale| scale.value() * share * weight);
        let first = group.shard(batch_rows).first as u64;
        let (rank, ranks) = (group.rank() as u64, group.world_size() as u64);
        let (mut drawn, mut statistics) = (state.standing.drawn, state.statistics.clone());
        for batch in 0..accumulate {
            drawn += batch_rows as u64;
            let labelled = rows.batch(config.data.learns_differentials());
            let place = if batch == 0 { &mut *gradient } else { &mut *part };
            let step = (state.standing.step * accumulate as u64 + batch as u64) * ranks + rank;
            let weights = (&state.parameters[..], &mut statistics[..]);
            // A gradient of one batch goes to the other ranks as it is finished, while the rest of it and the next labels are computed.
            let mut ready = |gradient: &[f32], from: usize| {
                if accumulate == 1 {
                    group.ready(gradient, from);
                }
            };
            let _gather = span(profiler, Stage::Gather);
            let (loss, drawn) = rayon::join(
                || {
                    let _gradient = span(profiler, Stage::Gradient);
                    engine.gradient_from_the_end(weights, &labelled, scales, step, (place, &mut ready))
                },
                || {
                    let _labels = span(profiler, Stage::Labels);
                    source.draw(drawn + first, next)
                },
            );
            drawn?;
            let loss = loss?;
            if batch > 0 {
                gradient.iter_mut().zip(&*part).for_each(|(sum, part)| *sum += part);
            }
            said.loss.price += share * loss.price;
            said.loss.differential += share * loss.differential;
            std::mem::swap(rows, next);
        }
        if accumulate > 1 && !is_scaled {
            gradient.iter_mut().for_each(|g| *g *= share as f32);
        }
        let _communication = if ranks > 1 { span(profiler, Stage::Communication) } else { None };
        group.sum_gradient(gradient, &mut said)?;
        group.mean(&mut statistics)?;
        (state.standing.drawn, state.statistics) = (drawn, statistics);
        Ok(said)
    }

    /// Takes a step, or skips it; the norm of the gradient before it was shortened.
    fn step(&mut self, loss: Loss, gradient: &mut [f32], learning_rate: f64) -> Result<f64, LearnError> {
        let optimiser = span(&self.profiler, Stage::Optimiser);
        let training = &self.config.training;
        let standing = &mut self.state.standing;
        if let Some(scale) = standing.loss_scale {
            // A power of two: nothing is rounded.
            let inverse = scale.value().recip() as f32;
            gradient.iter_mut().for_each(|g| *g *= inverse);
        }
        let norm = gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
        if loss.total().is_finite()
            && !norm.is_finite()
            && standing.loss_scale.as_mut().is_some_and(LossScale::overflowed)
        {
            standing.step += 1;
            return Ok(norm);
        }
        let precision = training.precision;
        let allowed = standing.guard.allows(loss.total(), norm, training.bad_steps);
        let step = standing.step;
        standing.step += 1;
        if !allowed.map_err(|diagnosis| LearnError::Diverged { step, diagnosis: in_precision(diagnosis, precision) })? {
            return Ok(norm);
        }
        if let Some(scale) = &mut standing.loss_scale {
            scale.succeeded(training.loss_scale_growth_steps);
        }
        if let Some(most) = training.clip_norm.filter(|most| norm > *most) {
            let scale = (most / norm) as f32;
            gradient.iter_mut().for_each(|g| *g *= scale);
        }
        if revival::is_lost(&self.architecture, precision, loss, norm) {
            let engine = self.engine.as_mut();
            let is_lost = revival::exercises_the_held(engine, &self.architecture, &self.state, &self.held_out)?;
            if self.group.agree((0.0, is_lost))?.1 {
                revival::lift(&self.architecture, &mut self.state.parameters);
                self.notes.extend(is_lost.then(|| revival::told(step + 1)));
            }
        }
        let state = &mut self.state;
        state.adam.step(&mut state.parameters, gradient, learning_rate, training.weight_decay);
        drop(optimiser);
        if let Some(kept) = training.ema {
            let _average = span(&self.profiler, Stage::Average);
            state.average(kept);
        }
        Ok(norm)
    }
}

/// What there is to say of a warm-up that the run does not come to the end of.
fn never_warm(training: &TrainingConfig) -> Option<String> {
    let (warm_up, steps) = (training.warm_up, training.steps.filter(|steps| *steps < training.warm_up)?);
    let share = (0..=100).map(|part| learning_rate(training, part * steps / 100, part as f64 / 100.0));
    let most = share.fold(0.0, f64::max);
    Some(format!(
        "training.warm_up is {warm_up} and the run has {steps} steps: the learning rate comes to {most:.1e} at most, and \
         training.learning_rate is {:.1e}",
        training.learning_rate
    ))
}

/// The last step of which the table of metrics can have a row that stays. A look at the very end, off the beat, is taken again by a run that did
/// not come to its last checkpoint.
fn looked_until(state: &State, config: &TrainConfig) -> u64 {
    let standing = &state.standing;
    let is_taken = standing.finished || standing.step.is_multiple_of(config.training.evaluate_every);
    if is_taken { standing.step } else { standing.step.saturating_sub(1) }
}

/// Why training ends, with what 16 bits may have to do with it.
pub(super) fn in_precision(diagnosis: String, precision: Precision) -> String {
    match precision {
        Precision::F32 => diagnosis,
        Precision::Bf16 | Precision::F16 => {
            format!("{diagnosis}; with training.precision = \"{}\": see whether \"f32\" trains", precision.as_str())
        }
    }
}

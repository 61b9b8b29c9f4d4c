//! A run from its config to its network.

use super::checkpoint::Checkpoint;
use super::container::write_whole;
use super::metrics::Metrics;
use super::state::Kept;
use super::{Engine, Evaluation, MakeEngine, RunFolder, State, TrainedNetwork, evaluate, learning_rate};
use crate::LearnError;
use crate::config::{PriceScale, TrainConfig};
use crate::data::{Rows, Source};
use crate::network::{Architecture, Features, Loss, LossScales, MOST_INPUTS};

/// Rows that scales are fitted to.
const FITTED_ROWS: usize = 8192;
/// Rows on which gamma is looked at when training is done.
const GAMMA_ROWS: usize = 16_384;

/// What the loop asks of whoever started it, and tells him.
pub trait Watch {
    /// Seconds since some moment before training.
    fn seconds(&self) -> f64;
    /// Whether to write a checkpoint and leave.
    fn should_stop(&self) -> bool;
    /// After a step; with the held-out errors where they were looked at.
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
    /// run.
    pub network: Option<TrainedNetwork>,
    /// Where it ended.
    pub progress: Progress,
}

/// A run that can be trained.
pub struct Trainer {
    config: TrainConfig,
    architecture: Architecture,
    engine: Box<dyn Engine + Send>,
    source: Source,
    held_out: Rows,
    scales: LossScales,
    state: State,
    folder: RunFolder,
    metrics: Metrics,
}

impl Trainer {
    /// Of a checked config in a folder: from the beginning, or from the folder's checkpoint where `resume`. `make` makes what computes.
    ///
    /// Errors: [`LearnError::BadLabels`]; [`LearnError::File`] for a folder that holds a run and is not to be resumed, and for a
    /// checkpoint that is absent, damaged, or of another network or other data.
    pub fn new(config: TrainConfig, folder: RunFolder, resume: bool, make: &MakeEngine) -> Result<Self, LearnError> {
        let path = folder.checkpoint();
        if !resume && path.exists() {
            return Err(LearnError::file(&path, "a run is here already: go on with --resume, or name another folder"));
        }
        let source = Source::new(&config.data, config.training.seed)?;
        let fitted = source.first(FITTED_ROWS)?;
        let kinds = config.network.features(&config.data);
        let features = Features::unscaled(config.data.model, kinds).fit(&fitted.inputs);
        let architecture = Architecture::new(&config.network, features);
        let state = if resume {
            let checkpoint = Checkpoint::read(&path)?;
            checkpoint.continues(&path, &architecture, &config)?;
            checkpoint.state
        } else {
            let training = &config.training;
            State::new(&architecture.layout(), architecture.activation.gain(), training.seed, training.ema.is_some())
        };
        let text = serde_json::to_string_pretty(&config).map_err(|error| LearnError::file(&folder.config(), error))?;
        write_whole(&folder.config(), text.as_bytes())?;
        Ok(Self {
            engine: make(&config, &architecture)?,
            held_out: Source::held_out(&config.data)?,
            scales: scales(&config, &fitted),
            metrics: Metrics::open(&folder.metrics(), state.standing.step)?,
            config,
            architecture,
            source,
            state,
            folder,
        })
    }

    /// The network, in a line.
    pub fn describe(&self) -> String {
        format!("{}; engine {}", self.architecture.describe(), self.engine.name())
    }

    /// Where the run stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Trains to the end of the config, or until asked to leave.
    ///
    /// Errors: [`LearnError::Diverged`]; [`LearnError::File`] where the last checkpoint or the network cannot be written (an earlier
    /// checkpoint that cannot is told to `watch`, and the one before it stays); those of the engine.
    pub fn train(&mut self, watch: &mut dyn Watch) -> Result<Outcome, LearnError> {
        let (begun, before) = (watch.seconds(), self.state.standing.seconds);
        let count = self.architecture.layout().parameters();
        let training = self.config.training.clone();
        let inputs = self.config.data.model.input_names().len();
        let mut rows = Rows::zeros(training.batch, inputs);
        let mut next = Rows::zeros(training.batch, inputs);
        let (mut gradient, mut part) = (vec![0.0; count], vec![0.0; count]);
        self.source.draw(self.state.standing.drawn, &mut rows)?;
        let mut progress = self.progress();
        let ending = loop {
            self.state.standing.seconds = before + watch.seconds() - begun;
            progress.done = self.done();
            if progress.done >= 1.0 {
                break Ending::Finished;
            }
            if training.early_stopping.is_some_and(|looks| self.state.standing.looks_without_better >= looks) {
                break Ending::StoppedEarly;
            }
            if watch.should_stop() {
                self.checkpoint()?;
                return Ok(Outcome { ending: Ending::Interrupted, network: None, progress });
            }
            let loss = self.gather(&mut rows, &mut next, &mut gradient, &mut part)?;
            progress.learning_rate = learning_rate(&training, self.state.standing.step, progress.done);
            progress.gradient_norm = self.step(loss, &mut gradient, progress.learning_rate)?;
            progress = Progress {
                loss,
                step: self.state.standing.step,
                samples: self.state.standing.drawn,
                seconds: self.state.standing.seconds,
                skipped: self.state.standing.guard.skipped,
                evaluation: None,
                ..progress
            };
            if progress.step.is_multiple_of(training.evaluate_every) {
                self.look(&mut progress)?;
            }
            if progress.step.is_multiple_of(training.checkpoint_every)
                && let Err(error) = self.checkpoint()
            {
                watch.warn(&format!("{error}; the checkpoint before it stays, and training goes on"));
            }
            watch.stepped(&progress);
        };
        if !progress.step.is_multiple_of(training.evaluate_every) || self.state.standing.best.is_empty() {
            self.look(&mut progress)?;
        }
        self.state.standing.finished = true;
        self.checkpoint()?;
        Ok(Outcome { ending, network: Some(self.finish()?), progress })
    }

    fn progress(&self) -> Progress {
        let standing = &self.state.standing;
        let (skipped, done) = (standing.guard.skipped, self.done());
        Progress {
            step: standing.step,
            seconds: standing.seconds,
            samples: standing.drawn,
            skipped,
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

    /// The loss and the gradient of a step's batches; the next batch is labelled meanwhile.
    fn gather(
        &mut self,
        rows: &mut Rows,
        next: &mut Rows,
        gradient: &mut [f32],
        part: &mut [f32],
    ) -> Result<Loss, LearnError> {
        let accumulate = self.config.training.accumulate;
        let share = 1.0 / accumulate as f64;
        let mut sum = Loss::default();
        for batch in 0..accumulate {
            self.state.standing.drawn += rows.len() as u64;
            let Self { source, engine, state, scales, config, .. } = self;
            let State { parameters, statistics, standing, .. } = state;
            let labelled = rows.batch(config.data.differentials);
            let place = if batch == 0 { &mut *gradient } else { &mut *part };
            let step = standing.step * accumulate as u64 + batch as u64;
            let (drawn, loss) = rayon::join(
                || source.draw(standing.drawn, next),
                || engine.gradient((parameters, statistics), &labelled, scales, step, place),
            );
            drawn?;
            let loss = loss?;
            if batch > 0 {
                gradient.iter_mut().zip(&*part).for_each(|(sum, part)| *sum += part);
            }
            sum.price += share * loss.price;
            sum.differential += share * loss.differential;
            std::mem::swap(rows, next);
        }
        if accumulate > 1 {
            gradient.iter_mut().for_each(|g| *g *= share as f32);
        }
        Ok(sum)
    }

    /// Takes a step, or skips it; the norm of the gradient before it was shortened.
    fn step(&mut self, loss: Loss, gradient: &mut [f32], learning_rate: f64) -> Result<f64, LearnError> {
        let training = &self.config.training;
        let norm = gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
        let standing = &mut self.state.standing;
        let allowed = standing.guard.allows(loss.total(), norm, training.bad_steps);
        let step = standing.step;
        standing.step += 1;
        if !allowed.map_err(|diagnosis| LearnError::Diverged { step, diagnosis })? {
            return Ok(norm);
        }
        if let Some(most) = training.clip_norm.filter(|most| norm > *most) {
            let scale = (most / norm) as f32;
            gradient.iter_mut().for_each(|g| *g *= scale);
        }
        let state = &mut self.state;
        state.adam.step(&mut state.parameters, gradient, learning_rate, training.weight_decay);
        if let Some(kept) = training.ema {
            state.average(kept);
        }
        Ok(norm)
    }

    /// Looks at the held-out rows, and keeps the network where it is among the best.
    fn look(&mut self, progress: &mut Progress) -> Result<(), LearnError> {
        let Self { engine, architecture, state, held_out, .. } = self;
        let found = evaluate(engine.as_mut(), architecture, (state.shown(), &state.statistics), held_out, 0)?;
        let kept = Kept { step: state.standing.step, price_rmse: found.price_rmse };
        progress.evaluation = Some(found);
        self.metrics.add(progress)?;
        let is_best = self.state.standing.best.first().is_none_or(|best| kept.price_rmse < best.price_rmse);
        self.state.standing.looks_without_better =
            if is_best { 0 } else { self.state.standing.looks_without_better + 1 };
        let best = &self.state.standing.best;
        let place = best.partition_point(|other| other.price_rmse <= kept.price_rmse);
        let most = self.config.training.keep_best;
        if place >= most || kept.price_rmse.is_nan() {
            return Ok(());
        }
        self.network(kept.step, progress.evaluation.clone()).write(&self.folder.kept(kept.step))?;
        self.state.standing.best.insert(place, kept);
        self.state.standing.best.truncate(most);
        Ok(())
    }

    fn network(&self, step: u64, evaluation: Option<Evaluation>) -> TrainedNetwork {
        TrainedNetwork {
            architecture: self.architecture.clone(),
            parameters: self.state.shown().to_vec(),
            statistics: self.state.statistics.clone(),
            step,
            evaluation,
        }
    }

    /// Writes where the run stands; only then the networks go that are no longer among the best, since the checkpoint before it may need
    /// them.
    fn checkpoint(&self) -> Result<(), LearnError> {
        Checkpoint::write(&self.folder.checkpoint(), &self.architecture, &self.config, &self.state)?;
        self.folder.keep_only(self.state.standing.best.iter().map(|kept| kept.step));
        Ok(())
    }

    /// The best network, measured on rows that nobody has looked at before, and written.
    fn finish(&mut self) -> Result<TrainedNetwork, LearnError> {
        let mut network = match self.state.standing.best.first() {
            Some(best) => TrainedNetwork::read(&self.folder.kept(best.step))?,
            None => self.network(self.state.standing.step, None),
        };
        let (rows, excluded_rows) = Source::tested(&self.config.data)?;
        let weights = (&network.parameters[..], &network.statistics[..]);
        let gamma_rows = if self.config.data.model.is_implied_volatility() { 0 } else { GAMMA_ROWS };
        let found = evaluate(self.engine.as_mut(), &self.architecture, weights, &rows, gamma_rows)?;
        network.evaluation = Some(Evaluation { excluded_rows, ..found });
        network.write(&self.folder.network())?;
        Ok(network)
    }
}

/// Weights of the errors: each derivative's in its own mean square over rows to learn from, all together the config's weight.
fn scales(config: &TrainConfig, fitted: &Rows) -> LossScales {
    let inputs = config.data.model.input_names().len();
    let mut squares = [0.0; MOST_INPUTS];
    for row in fitted.differentials.chunks_exact(inputs) {
        squares.iter_mut().zip(row).for_each(|(square, x)| *square += x * x / fitted.len() as f64);
    }
    let weight = config.training.differential_weight / inputs as f64;
    LossScales {
        by_total_volatility: config.training.price_scale == PriceScale::TotalVolatility,
        differentials: squares.map(|square| if square > 0.0 { weight / square } else { 0.0 }),
    }
}

//! Works on a study: asks for parameters, trains, reports, gives up what others leave behind, tells.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use jiff::civil::DateTime;
use zomma_storage::{
    Place, block_on,
    studies::{Asked, Direction, Finish, Parameter, Studies, StudyError, StudyId, Trial, TrialId, TrialState},
};

use super::{Objective, TuneConfig};
use crate::{
    LearnError,
    config::TrainConfig,
    training::{Ending, MakeEngine, Outcome, Progress, RunFolder, Start, Trainer, Watch},
};

/// What lies between asking for a trial and holding its folder, and between leaving that and telling, takes less.
const SETTLED: Duration = Duration::from_secs(2);

/// What a worker asks of whoever started it, and tells him.
pub trait Observer: Sync {
    /// The local date and time, as Optuna keeps it.
    fn now(&self) -> DateTime;
    /// Seconds since some moment before the search.
    fn seconds(&self) -> f64;
    /// Whether to give up the trial and leave.
    fn should_stop(&self) -> bool;
    /// A trial is over.
    fn ended(&self, number: i64, parameters: &[Parameter], state: TrialState, value: Option<f64>);
    /// Something went wrong that the search survives.
    fn warn(&self, message: &str);

    /// Who is told of a trial that begins in its folder, where anyone is.
    fn follow(&self, _number: i64, _folder: &Path, _config: &TrainConfig) -> Option<Box<dyn Follower>> {
        None
    }
}

/// One who is told of a trial.
pub trait Follower {
    /// After a step.
    fn stepped(&mut self, progress: &Progress);
    /// The trial is over.
    fn ended(self: Box<Self>, state: TrialState, value: Option<f64>);
}

/// Why a search cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// The study.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// Trials fail, one after the other.
    #[error(
        "{count} trials in a row failed (search.failures), the last, trial {number}: {why}; what search.space allows does not train"
    )]
    Failing {
        /// How many.
        count: usize,
        /// The last one's number.
        number: i64,
        /// Why it failed.
        why: String,
    },
    /// The next trial's folder holds a run that this study knows nothing of.
    #[error(
        "{folder}: holds a run that is no trial of this study, as of another search.name or of a study that is gone: name another folder for \
         this one"
    )]
    OtherStudy {
        /// The trial's folder.
        folder: String,
    },
    /// A trial that no parameters can mend, such as a folder that cannot be written.
    #[error(transparent)]
    Learn(#[from] LearnError),
}

/// A study that is worked on. Several processes may work on one.
pub struct Search<'a> {
    /// What is searched.
    pub config: &'a TuneConfig,
    /// Where the study lies.
    pub studies: &'a Studies,
    /// The study.
    pub study: StudyId,
    /// Where the config's shards lie, where it has shards.
    pub place: Option<Place>,
    /// Each trial trains in a folder of its own here.
    pub folder: &'a Path,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// What makes a trial's engine.
    pub make_engine: &'a MakeEngine,
    /// So that two workers of one process do not take the last trial both.
    pub asking: Mutex<()>,
    /// Trials of this process that failed since one did not; 0 before the first.
    pub failed_in_a_row: AtomicUsize,
}

impl Search<'_> {
    /// Works until the study has its trials, or until asked to leave.
    ///
    /// Errors: [`TuneError::Failing`] by the worker whose trial is one too many, after which the others leave too; those of the study, and of a
    /// trial that no parameters can mend.
    pub fn work(&self) -> Result<(), TuneError> {
        let most = self.config.search.failures;
        while !self.observer.should_stop() && self.failed_in_a_row.load(Ordering::Relaxed) < most {
            let Some((trial, number, parameters)) = self.ask()? else { break };
            let ended = self.try_out(trial, number, &parameters);
            let (state, value) = match &ended {
                Ok(ended) => *ended,
                Err(_) => (TrialState::Fail, None),
            };
            let finish = Finish { trial, state, value };
            match block_on(self.studies.tell(finish, self.observer.now())) {
                // Another process took it for dead: what it says stands.
                Err(StudyError::Finished { .. }) => {
                    self.observer.warn(&format!("trial {number} was given up by another process"))
                }
                told => told?,
            }
            self.observer.ended(number, &parameters, state, value);
            let why = match ended {
                Ok((TrialState::Fail, _)) if self.observer.should_stop() => break,
                Ok((TrialState::Fail, _)) => "no error that it met was a number".to_owned(),
                Ok(_) => {
                    // Not where another worker has given up: that holds for all of them.
                    let begin_anew = |failed: usize| (failed < most).then_some(0);
                    let _ = self.failed_in_a_row.fetch_update(Ordering::Relaxed, Ordering::Relaxed, begin_anew);
                    continue;
                }
                // These parameters do not train; others may.
                Err(TuneError::Learn(error @ (LearnError::Diverged { .. } | LearnError::BadLabels { .. }))) => {
                    self.observer.warn(&format!("trial {number} failed: {error}"));
                    error.to_string()
                }
                Err(error) => return Err(error),
            };
            let count = self.failed_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
            if count == most {
                return Err(TuneError::Failing { count, number, why });
            }
        }
        Ok(())
    }

    fn ask(&self) -> Result<Option<(TrialId, i64, Vec<Parameter>)>, TuneError> {
        let _one = self.asking.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let search = &self.config.search;
        while !self.observer.should_stop() {
            let trials = block_on(self.studies.trials(self.study))?;
            if trials.iter().filter(|trial| trial.state != TrialState::Fail).count() >= search.trials {
                return Ok(None);
            }
            let next = trials.len() as i64;
            self.refuse_another_study(next)?;
            let parameters = search.sampler.suggest(&search.space, Direction::Minimize, &trials, next, search.seed);
            // Another process may have asked meanwhile: the study counts for all, and what was chosen for a number serves no other.
            let asked = self.studies.ask_up_to(self.study, (next, &parameters), self.observer.now(), search.trials);
            match block_on(asked)? {
                Asked::Given(trial) => return Ok(Some((trial, next, parameters))),
                Asked::Taken => {}
                Asked::Full => return Ok(None),
            }
        }
        Ok(None)
    }

    fn trial_folder(&self, number: i64) -> PathBuf {
        self.folder.join(format!("trial-{number}"))
    }

    /// Before a trial is asked for that could not begin.
    fn refuse_another_study(&self, next: i64) -> Result<(), TuneError> {
        let folder = self.trial_folder(next);
        let is_there = ["checkpoint.bin", "network.bin"].iter().any(|file| folder.join(file).exists());
        // Another process may have asked for it meanwhile, and trains it.
        if is_there && block_on(self.studies.trials(self.study))?.len() as i64 == next {
            return Err(TuneError::OtherStudy { folder: folder.display().to_string() });
        }
        Ok(())
    }

    /// Fails the trials that count as running although no process holds their folders here: their processes were killed. Others take their place.
    /// Gives their numbers.
    ///
    /// Errors: those of the study.
    pub fn fail_orphans(&self) -> Result<Vec<i64>, TuneError> {
        let orphans = || -> Result<Vec<(TrialId, i64)>, StudyError> {
            let is_orphan = |trial: &Trial| {
                let folder = self.trial_folder(trial.number);
                trial.state == TrialState::Running && RunFolder::was_held(&folder) && !RunFolder::is_held(&folder)
            };
            let trials = block_on(self.studies.trials(self.study))?;
            Ok(trials.iter().filter(|trial| is_orphan(trial)).map(|trial| (trial.id, trial.number)).collect())
        };
        let seen = orphans()?;
        if seen.is_empty() {
            return Ok(Vec::new());
        }
        // One that has just begun or ended holds its folder, or has told, in a moment.
        thread::sleep(SETTLED);
        let mut failed = Vec::new();
        for (trial, number) in orphans()?.into_iter().filter(|orphan| seen.contains(orphan)) {
            match block_on(
                self.studies.tell(Finish { trial, state: TrialState::Fail, value: None }, self.observer.now()),
            ) {
                Ok(()) => failed.push(number),
                // It told after all, or another process was quicker.
                Err(StudyError::Finished { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(failed)
    }

    fn try_out(
        &self,
        trial: TrialId,
        number: i64,
        parameters: &[Parameter],
    ) -> Result<(TrialState, Option<f64>), TuneError> {
        let config = self.config.train_config(parameters)?;
        let path = self.trial_folder(number);
        let folder = RunFolder::open(&path)?;
        let start = Start { place: self.place.clone(), ..Start::alone(folder) };
        let mut trainer = Trainer::new(config.clone(), start, self.make_engine)?;
        let follower = self.observer.follow(number, &path, &config);
        let mut trying =
            Trying { search: self, trial, number, follower, looks: 0, best: None, pruned: false, failed: None };
        let outcome = trainer.train(&mut trying);
        let follower = trying.follower.take();
        let ended = self.ending(trying, outcome);
        if let Some(follower) = follower {
            let (state, value) = ended.as_ref().map_or((TrialState::Fail, None), |ended| *ended);
            follower.ended(state, value);
        }
        ended
    }

    /// How a trial ended, and its value.
    fn ending(
        &self,
        Trying { best, pruned, failed, .. }: Trying<'_>,
        outcome: Result<Outcome, LearnError>,
    ) -> Result<(TrialState, Option<f64>), TuneError> {
        if let Some(error) = failed {
            return Err(error.into());
        }
        let outcome = outcome?;
        Ok(match outcome.ending {
            Ending::Interrupted if pruned => (TrialState::Pruned, best),
            Ending::Interrupted => (TrialState::Fail, None),
            Ending::Finished | Ending::StoppedEarly => match best.or_else(|| self.value(&outcome.progress)) {
                Some(value) => (TrialState::Complete, Some(value)),
                None => (TrialState::Fail, None),
            },
        })
    }

    fn value(&self, progress: &Progress) -> Option<f64> {
        let found = progress.evaluation.as_ref()?;
        let value = match self.config.search.objective {
            Objective::PriceRmse => found.price_rmse,
            Objective::DeltaRmse => found.delta_rmse?,
        };
        (!value.is_nan()).then_some(value)
    }
}

/// A trial that runs.
struct Trying<'a> {
    search: &'a Search<'a>,
    trial: TrialId,
    number: i64,
    follower: Option<Box<dyn Follower>>,
    looks: i64,
    best: Option<f64>,
    pruned: bool,
    failed: Option<StudyError>,
}

impl Trying<'_> {
    fn report(&mut self, progress: &Progress) -> Result<(), StudyError> {
        let Search { studies, study, config, .. } = self.search;
        let value = self.search.value(progress);
        self.best = match (self.best, value) {
            (Some(best), Some(value)) => Some(best.min(value)),
            (best, value) => best.or(value),
        };
        self.looks += 1;
        block_on(studies.report(self.trial, self.looks, value.unwrap_or(f64::NAN)))?;
        if let Some(halving) = config.halving() {
            let trials: Vec<Trial> = block_on(studies.trials(*study))?;
            self.pruned = halving.stops(Direction::Minimize, &trials, self.number);
        }
        Ok(())
    }
}

impl Watch for Trying<'_> {
    fn seconds(&self) -> f64 {
        self.search.observer.seconds()
    }

    fn should_stop(&self) -> bool {
        self.pruned || self.failed.is_some() || self.search.observer.should_stop()
    }

    fn stepped(&mut self, progress: &Progress) {
        if let Some(follower) = &mut self.follower {
            follower.stepped(progress);
        }
        if progress.evaluation.is_some()
            && let Err(error) = self.report(progress)
        {
            self.failed = Some(error);
        }
    }

    fn warn(&mut self, message: &str) {
        self.search.observer.warn(&format!("trial {}: {message}", self.number));
    }
}

//! What the user sees of a search, and his wish to stop.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

use jiff::{Zoned, civil::DateTime};
use zomma_learn::{
    config::TrainConfig,
    search::{Follower, Observer},
    tracking::RunState,
    training::Progress,
};
use zomma_storage::studies::{Parameter, TrialState};

use super::report::shown;
use crate::{
    long_run::{StopWish, tell},
    runs::Session,
};

/// A line for each trial, and a hand on Ctrl-C.
pub struct Watcher {
    begun: Instant,
    stop: StopWish,
    /// Trials that are over and whose end is being told.
    telling: Telling,
}

type Telling = Arc<Mutex<Vec<JoinHandle<()>>>>;

impl Watcher {
    /// Hears Ctrl-C and a request to terminate from here on; a second one ends the program at once.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { begun: Instant::now(), stop: StopWish::hear()?, telling: Telling::default() })
    }

    /// Waits until the ends of all trials are told, or the servers' patience is over.
    pub fn told(&self) {
        let telling = std::mem::take(&mut *self.telling.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in telling {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    /// Whether someone asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.is_there()
    }
}

impl Observer for Watcher {
    fn now(&self) -> DateTime {
        Zoned::now().datetime()
    }

    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn should_stop(&self) -> bool {
        self.stopped()
    }

    fn ended(&self, number: i64, parameters: &[Parameter], state: TrialState, value: Option<f64>) {
        let value = value.map_or_else(|| "no value".to_owned(), |value| format!("{value:.3e}"));
        let state = state.name().to_lowercase();
        tell(format_args!("trial {number}, {:.0} s: {state}, {value}, {}", self.seconds(), shown(parameters)));
    }

    fn warn(&self, message: &str) {
        tell(format_args!("zomma: {message}"));
    }

    fn follow(&self, number: i64, folder: &Path, config: &TrainConfig) -> Option<Box<dyn Follower>> {
        match Session::begin(folder, config, folder, None) {
            Ok(session) => Some(Box::new(Following { number, session, telling: Arc::clone(&self.telling) })),
            Err(error) => {
                self.warn(&format!("trial {number}: {error}; nothing is told of it"));
                None
            }
        }
    }
}

/// A trial that is told.
struct Following {
    number: i64,
    session: Session,
    telling: Telling,
}

impl Follower for Following {
    fn stepped(&mut self, progress: &Progress) {
        if let Err(why) = self.session.stepped(progress) {
            tell(format_args!("zomma: trial {}: {why}", self.number));
        }
    }

    /// On a thread of its own: a server that is away does not hold up the next trial.
    fn ended(self: Box<Self>, state: TrialState, value: Option<f64>) {
        let Self { session, telling, .. } = *self;
        let state = match state {
            TrialState::Complete => RunState::Finished,
            TrialState::Pruned => RunState::Stopped,
            _ => RunState::Failed,
        };
        let summary: BTreeMap<String, f64> = value.map(|value| ("objective".to_owned(), value)).into_iter().collect();
        let thread = std::thread::spawn(move || session.end(state, summary));
        telling.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }
}

//! What the user sees of a search, and his wish to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use jiff::{Zoned, civil::DateTime};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use zomma_learn::search::Observer;
use zomma_storage::studies::{Parameter, TrialState};

use super::report::shown;

/// A line for each trial, and a hand on Ctrl-C.
pub struct Watcher {
    begun: Instant,
    stop: Arc<AtomicBool>,
}

impl Watcher {
    /// Hears Ctrl-C and a request to terminate from here on; a second one ends the program at once.
    pub fn new() -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self { begun: Instant::now(), stop })
    }

    /// Whether someone asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
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
        eprintln!("trial {number}, {:.0} s: {state}, {value}, {}", self.seconds(), shown(parameters));
    }

    fn warn(&self, message: &str) {
        eprintln!("zomma: {message}");
    }
}

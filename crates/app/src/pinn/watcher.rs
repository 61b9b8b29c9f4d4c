//! Watches a run for the user: a bar on a terminal, a line a round elsewhere, and the wish to stop.

use std::time::Instant;

use indicatif::ProgressBar;
use zomma_learn::physics::{PinnProgress, PinnWatch};

use crate::long_run::{StopWish, bar, tell};

/// The user's eyes on a run, and his hand on it.
pub struct Watcher {
    begun: Instant,
    stop: StopWish,
    bar: Option<ProgressBar>,
    held_out: String,
    /// Whether rounds are told.
    told: bool,
}

impl Watcher {
    /// Hears Ctrl-C and a request to terminate from here on; a second one ends the program at once.
    ///
    /// # Errors
    ///
    /// Where signals cannot be heard.
    pub fn new() -> std::io::Result<Self> {
        let stop = StopWish::hear()?;
        Ok(Self { begun: Instant::now(), stop, bar: bar(1000), held_out: String::new(), told: true })
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// No more lines: what comes now is told by whoever trains.
    pub fn silence(&mut self) {
        self.told = false;
    }

    /// Whether it was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_there()
    }
}

impl PinnWatch for Watcher {
    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn should_stop(&self) -> bool {
        self.is_stopped()
    }

    fn stepped(&mut self, progress: &PinnProgress) {
        let PinnProgress { round, rounds, phase, step, steps, loss, outcome, .. } = progress;
        if let Some(found) = outcome {
            self.held_out = format!(", held-out residual {:.2e} (greatest {:.2e})", found.held_out, found.held_out_max);
        }
        let line = format!("round {} of {rounds}, {}, loss {loss:.2e}{}", round + 1, phase.as_str(), self.held_out);
        match &self.bar {
            Some(bar) if self.told => {
                let within = *step as f64 / *steps as f64;
                bar.set_position((1000.0 * (*round as f64 + within) / *rounds as f64) as u64);
                bar.set_message(line);
            }
            None if self.told => {
                if let Some(found) = outcome {
                    tell(format_args!("{:.1} s, {line}", found.seconds));
                }
            }
            _ => {}
        }
    }

    fn warn(&mut self, message: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(format_args!("zomma: {message}"))),
            None => tell(format_args!("zomma: {message}")),
        }
    }
}

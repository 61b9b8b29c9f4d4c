//! Watches a run for the user: a bar on a terminal, lines elsewhere, and the wish to stop.

use std::time::Instant;

use indicatif::ProgressBar;
use zomma_learn::training::{Progress, Watch};

use crate::long_run::{StopWish, bar, tell};

/// Steps of the bar.
const PARTS: u64 = 1000;

/// The user's eyes on a run, and his hand on it.
pub struct Watcher {
    begun: Instant,
    stop: StopWish,
    /// What the first derivative is called.
    slope: &'static str,
    /// Whether the first rank alone speaks, and this is another.
    is_silent: bool,
    bar: Option<ProgressBar>,
    best: Option<f64>,
    /// Held-out error as the last look said it.
    held_out: String,
    first: Option<(f64, u64)>,
}

impl Watcher {
    /// One that is silent tells warnings only; `slope` is what the derivative by the moneyness is called.
    pub fn new(stop: StopWish, is_silent: bool, slope: &'static str) -> Self {
        let bar = if is_silent { None } else { bar(PARTS) };
        Self { begun: Instant::now(), stop, slope, is_silent, bar, best: None, held_out: String::new(), first: None }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Rows a second since the first step of this sitting; of all sittings where this one has no two steps.
    pub fn samples_per_second(&self, progress: &Progress) -> f64 {
        let of = |(seconds, samples): (f64, u64)| {
            let elapsed = progress.seconds - seconds;
            (elapsed > 0.0 && progress.samples > samples).then(|| (progress.samples - samples) as f64 / elapsed)
        };
        self.first.and_then(of).or_else(|| of((0.0, 0))).unwrap_or(0.0)
    }

    fn line(&self, progress: &Progress) -> String {
        let Progress { step, seconds, learning_rate, loss, skipped, loss_scale, .. } = progress;
        let rate = self.samples_per_second(progress) / 1e3;
        let skipped = if *skipped > 0 { format!(", {skipped} steps skipped") } else { String::new() };
        let scale = loss_scale.map_or_else(String::new, |scale| format!(", loss scale {}", scale.value()));
        format!(
            "step {step}, {seconds:.0} s, {rate:.0} thousand rows/s, rate {learning_rate:.1e}, loss {:.2e}{}{skipped}{scale}",
            loss.total(),
            self.held_out
        )
    }
}

impl Watch for Watcher {
    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn should_stop(&self) -> bool {
        self.stop.is_there()
    }

    fn stepped(&mut self, progress: &Progress) {
        self.first.get_or_insert((progress.seconds, progress.samples));
        if let Some(found) = &progress.evaluation {
            let best = self.best.map_or(found.price_rmse, |best| best.min(found.price_rmse));
            self.best = Some(best);
            let delta = found.delta_rmse.map_or(String::new(), |rmse| format!(", {} {rmse:.2e}", self.slope));
            self.held_out = format!(", held out {:.2e} (best {best:.2e}){delta}", found.price_rmse);
        }
        match &self.bar {
            Some(bar) if progress.step.is_multiple_of(10) || progress.evaluation.is_some() => {
                bar.set_position((progress.done * PARTS as f64) as u64);
                bar.set_message(self.line(progress));
            }
            None if progress.evaluation.is_some() && !self.is_silent => tell(self.line(progress)),
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

//! A progress bar for what takes over a second, on a terminal alone.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar appears on what takes longer than this.
const SILENT: Duration = Duration::from_secs(1);

/// A progress bar that waits a second before it shows, and shows on a terminal alone.
#[derive(Debug)]
pub struct LateBar {
    enabled: bool,
    total: Option<u64>,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl LateBar {
    /// Over so much work, where that is known; never shown where not `enabled`.
    pub fn new(enabled: bool, total: Option<u64>) -> Self {
        use std::io::IsTerminal;
        Self { enabled: enabled && std::io::stderr().is_terminal(), total, started: Instant::now(), bar: None }
    }

    /// So much is done.
    pub fn at(&mut self, done: u64) {
        if self.enabled && self.bar.is_none() && self.started.elapsed() > SILENT {
            let bar = self.total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {eta} left") {
                bar.set_style(style);
            }
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// All is done.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

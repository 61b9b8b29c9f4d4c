//! Ctrl-C: the first ends the run after the call in progress, and what was measured is still printed; the second ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user wants the run to end.
#[derive(Clone, Debug)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A wish that nobody has yet.
    pub fn never() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    /// A wish that Ctrl-C expresses from now on. Where signals cannot be heard, Ctrl-C ends the program at once, as without this.
    pub fn on_interrupt() -> Self {
        let stop = Self::never();
        let heard = stop.clone();
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return stop };
        std::thread::spawn(move || {
            runtime.block_on(async {
                if tokio::signal::ctrl_c().await.is_err() {
                    return;
                }
                heard.want();
                if tokio::signal::ctrl_c().await.is_ok() {
                    // What a shell shows for a program that a signal 2 ended.
                    std::process::exit(130);
                }
            });
        });
        stop
    }

    /// Expresses the wish.
    pub fn want(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was expressed.
    pub fn wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The user ended the run.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

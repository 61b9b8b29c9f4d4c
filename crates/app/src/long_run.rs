//! What commands that take long share: the user's wish to stop, and a bar on his terminal.

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

use crate::interrupt::not_ignored;

/// Whether the user or the system asked to stop.
#[derive(Clone, Debug)]
pub struct StopWish(Arc<AtomicBool>);

impl StopWish {
    /// Hears Ctrl-C, a request to terminate and the end of the terminal (unless `nohup` said to pass over it) from here on; a second Ctrl-C or
    /// request ends the program at once.
    ///
    /// # Errors
    ///
    /// Where signals cannot be heard.
    pub fn hear() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        // The end of a terminal is said twice, by the shell and by the kernel, and is one wish all the same.
        for signal in not_ignored(&[SIGHUP]) {
            flag::register(signal, Arc::clone(&stop))?;
        }
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal is remembered, the second finds it remembered.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self(stop))
    }

    /// Whether it was said.
    pub fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A bar of so many parts with a message, on a terminal alone.
pub fn bar(parts: u64) -> Option<ProgressBar> {
    io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::new(parts);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        bar
    })
}

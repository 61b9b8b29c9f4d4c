//! What commands that take long share: the user's wish to stop, and a bar on his terminal.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
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
    /// request ends the program at once; the end of the terminal is neither's first.
    ///
    /// # Errors
    ///
    /// Where signals cannot be heard.
    pub fn hear() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicBool::new(false));
        // The end of a terminal is said twice, by the shell and by the kernel, and is one wish all the same.
        for signal in not_ignored(&[SIGHUP]) {
            flag::register(signal, Arc::clone(&stop))?;
        }
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal is remembered, the second finds it remembered.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self(stop))
    }

    /// Whether it was said.
    pub fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// As long as the answer is held the wish ends the program, whatever it waits for: a bucket that is away, other ranks. Whoever has nothing to
    /// put away yet holds it. `words` are the last ones; none of a rank that is not its group's first.
    ///
    /// # Errors
    ///
    /// Where the system gives no thread.
    pub fn while_beginning(&self, words: Option<&'static str>) -> io::Result<Beginning> {
        let over = Arc::new(Mutex::new(false));
        let (stop, of_thread) = (self.clone(), Arc::clone(&over));
        thread::Builder::new().name("beginning".into()).spawn(move || {
            loop {
                let over = of_thread.lock().unwrap_or_else(PoisonError::into_inner);
                if *over {
                    return;
                }
                if stop.is_there() {
                    if let Some(words) = words {
                        tell(format_args!("zomma: {words}"));
                    }
                    // What a shell shows for a program that Ctrl-C ended. The beginning cannot end meanwhile.
                    std::process::exit(130);
                }
                drop(over);
                thread::sleep(LISTENING);
            }
        })?;
        Ok(Beginning(over))
    }
}

/// How often a beginning hears.
const LISTENING: Duration = Duration::from_millis(50);

/// The time before a command has anything to put away when it is asked to stop.
#[derive(Debug)]
pub struct Beginning(Arc<Mutex<bool>>);

impl Drop for Beginning {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

/// Says a line to the user. A reader that is gone, such as `head` or a terminal that was closed, ends no run of hours.
pub fn tell(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
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

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use signal_hook::low_level::raise;

    use super::*;

    /// Signals are of a process: the test calls itself in one of its own.
    #[test]
    fn a_request_after_the_end_of_the_terminal_ends_nothing_at_once_and_a_second_one_does() {
        const NAME: &str =
            "long_run::tests::a_request_after_the_end_of_the_terminal_ends_nothing_at_once_and_a_second_one_does";
        const SIGNALS: &str = "ZOMMA_TEST_RAISED_SIGNALS";
        if let Ok(signals) = std::env::var(SIGNALS) {
            let stop = StopWish::hear().unwrap();
            signals.split(' ').for_each(|signal| raise(signal.parse().unwrap()).unwrap());
            std::process::exit(if stop.is_there() { 7 } else { 8 });
        }
        let ends = |signals: &[i32]| {
            let words: Vec<String> = signals.iter().map(i32::to_string).collect();
            let mut itself = Command::new(std::env::current_exe().unwrap());
            itself.args([NAME, "--exact"]).env(SIGNALS, words.join(" "));
            itself.output().unwrap().status.code()
        };
        assert_eq!(ends(&[SIGHUP, SIGHUP, SIGTERM]), Some(7));
        assert_eq!(ends(&[SIGHUP, SIGINT]), Some(7));
        assert_eq!(ends(&[SIGHUP, SIGTERM, SIGTERM]), Some(128 + SIGTERM));
        assert_eq!(ends(&[SIGTERM, SIGINT]), Some(128 + SIGINT));
    }
}

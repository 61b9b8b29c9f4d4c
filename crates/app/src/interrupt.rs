//! What is half written is removed when the user or the system ends the program (SIGINT, SIGTERM, SIGHUP): in commands that ask for it by [`watch`], since
//! others have an end of their own for signals.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, Once, PoisonError},
    thread,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

/// Files that are not whole yet.
static HALF_WRITTEN: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Keeps this file among those that [`watch`] removes, until [`forget`] is called for it.
pub fn remove_if_ended(path: &Path) {
    HALF_WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_path_buf());
}

/// The file is whole, or gone.
pub fn forget(path: &Path) {
    HALF_WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| known != path);
}

/// From now on half-written files are removed when a signal ends the program. Where that cannot be had, what is left has the name of a temporary
/// file, and the next run removes it.
pub fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        if let Err(error) = start() {
            tracing::debug!(%error, "signals are not watched");
        }
    });
}

/// A thread, and no handler: what a handler may do is not enough to remove a file.
fn start() -> std::io::Result<()> {
    let mut signals = Signals::new(not_ignored(&[SIGINT, SIGTERM, SIGHUP]))?;
    thread::Builder::new().name("interrupt".into()).spawn(move || {
        for signal in signals.forever() {
            // Held until the end, so that no file is begun behind this.
            let half_written = HALF_WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
            for path in half_written.iter() {
                let _ = fs::remove_file(path);
            }
            // The shell is to see that the signal ended it.
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// Those of the signals that whoever started the program did not have it ignore (as a shell does for a job behind the prompt, and `nohup` with the
/// end of a terminal): the others stay ignored. All of them where the system does not say.
pub fn not_ignored(signals: &[i32]) -> Vec<i32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    signals.iter().copied().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect()
}

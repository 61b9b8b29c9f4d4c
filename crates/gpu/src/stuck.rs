//! Whether a call into a driver was given up because it did not come back.

use std::sync::atomic::{AtomicBool, Ordering};

static GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// Remembers that a thread of this process is still inside a driver's library.
pub(crate) fn give_up() {
    GIVEN_UP.store(true, Ordering::Release);
}

/// Whether a call into a driver's library was given up in this process.
///
/// The thread that made it may be in it for ever, with the library's locks, or the loader's. An exit that runs the libraries' handlers
/// may wait for those: a program that must end does without them.
pub fn is_driver_stuck() -> bool {
    GIVEN_UP.load(Ordering::Acquire)
}

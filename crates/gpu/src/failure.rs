//! What CubeCL's panics and errors mean: memory ran out, the device is gone, or something else is wrong.
//!
//! CubeCL 0.10 allocates on a thread of its own for each device. Where memory runs out that thread panics, the panic is caught there, and
//! the caller keeps a buffer that was never made: the next launch or copy of it says `couldn't find resource for that handle`. What the
//! panic said is known only to the process's panic hook, so [`log_panics`] keeps it for [`explain`].

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};

use cubecl::server::{IoError, LaunchError, ServerError};

use crate::error::GpuError;

/// What the last panic on a thread of CubeCL's said.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

thread_local! {
    /// Whether a panic on this thread is caught by [`guard`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Words of drivers and libraries for memory that has run out, in small letters.
const OUT_OF_MEMORY: &[&str] = &[
    "out of memory",
    "out_of_memory",
    "out_of_device_memory",
    "out_of_host_memory",
    "outofmemory",
    "can't allocate buffer",
    "not enough memory",
    "failed to allocate",
    "allocation failed",
    "failed to spawn thread",
];

/// Words for a device, or a context on it, that is gone: nothing on it works any more.
const LOST: &[&str] = &[
    "device lost",
    "device is lost",
    "device_lost",
    "illegal_address",
    "illegal address",
    "launch_failed",
    "launch_timeout",
    "ecc_uncorrectable",
    "device_unavailable",
    "device_not_available",
    "context_is_destroyed",
    "hardware_stack_error",
    "misaligned_address",
    "callerror",
    "failed to map buffer",
    "unable to receive buffer slice",
    "communication channel",
];

/// Sends panics that this crate catches (on CubeCL's device threads, and on threads that run a job) to the log, at level debug, instead of
/// to standard error; all others go to the hook that was there before. A program calls it once, at its start.
pub fn log_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            // CubeCL names its device threads DSU-… and DSD-….
            let of_device =
                std::thread::current().name().is_some_and(|name| name.starts_with("DSU-") || name.starts_with("DSD-"));
            if !of_device && !GUARDED.get() {
                return before(info);
            }
            let said = first_line(payload_words(info.payload()));
            tracing::debug!(panic = %said, "caught in the GPU runtime");
            if of_device {
                *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
            }
        }));
    });
}

/// Runs something of CubeCL's and makes a panic of it an error; the flag says whether it panicked.
pub(crate) fn guard<T>(
    device: &dyn std::fmt::Display,
    work: impl FnOnce() -> Result<T, GpuError>,
) -> (Result<T, GpuError>, bool) {
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    match result {
        Ok(result) => (result, false),
        Err(payload) => (Err(of_panic(device, payload_words(payload.as_ref()))), true),
    }
}

/// The error that a panic of CubeCL's stands for.
fn of_panic(device: &dyn std::fmt::Display, said: &str) -> GpuError {
    // A call whose answer never came: the device's thread panicked, and said more.
    let behind = said.contains("CallError").then(take_last_panic).flatten();
    let message = first_line(behind.as_deref().unwrap_or(said));
    of_words(device, message)
}

/// The error that CubeCL's own error stands for.
pub(crate) fn explain(device: &dyn std::fmt::Display, error: &ServerError) -> GpuError {
    if never_made(error) {
        // What the device's thread said decides: a fault of a kernel or of the runtime is none of memory. Where another job has taken
        // the words already, lack of memory is by far the likeliest reason.
        return match take_last_panic() {
            Some(said) => of_words(device, said),
            None => GpuError::OutOfMemory {
                device: device.to_string(),
                message: "a buffer that it was asked for was never made".into(),
            },
        };
    }
    of_words(device, words(error))
}

fn of_words(device: &dyn std::fmt::Display, message: String) -> GpuError {
    let (device, small) = (device.to_string(), message.to_lowercase());
    if OUT_OF_MEMORY.iter().any(|words| small.contains(words)) {
        GpuError::OutOfMemory { device, message }
    } else if LOST.iter().any(|words| small.contains(words)) {
        GpuError::DeviceLost { device, message }
    } else {
        GpuError::Failed { device, message }
    }
}

fn take_last_panic() -> Option<String> {
    LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whether the error is about a buffer that the device's thread never made.
fn never_made(error: &ServerError) -> bool {
    match error {
        ServerError::Io(error) | ServerError::Launch(LaunchError::IoError(error)) => match error {
            IoError::NotFound { .. } => true,
            IoError::Execution(inner) => never_made(inner),
            _ => false,
        },
        ServerError::ServerUnhealthy { errors, .. } => errors.iter().any(never_made),
        _ => false,
    }
}

/// An error's words on one line, without the backtraces that its own text carries.
fn words(error: &ServerError) -> String {
    match error {
        ServerError::Generic { reason, .. } => first_line(reason),
        ServerError::Io(error) | ServerError::Launch(LaunchError::IoError(error)) => match error {
            IoError::BufferTooBig { size, .. } => format!("out of memory: no buffer of {size} bytes"),
            IoError::Unknown { description, .. } => first_line(description),
            IoError::Execution(inner) => words(inner),
            other => first_line(&other.to_string()),
        },
        ServerError::Launch(LaunchError::OutOfMemory { reason, .. }) => {
            format!("out of memory: {}", first_line(reason))
        }
        ServerError::Launch(LaunchError::Unknown { reason, .. }) => first_line(reason),
        ServerError::Launch(error) => joined_lines(&error.to_string()),
        ServerError::ServerUnhealthy { errors, .. } => {
            errors.first().map_or_else(|| first_line(&error.to_string()), words)
        }
        ServerError::Profile(error) => first_line(&error.to_string()),
    }
}

/// What a panic was given to say.
fn payload_words(payload: &(dyn std::any::Any + Send)) -> &str {
    let said = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    said.unwrap_or("panicked without a message")
}

fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message").to_owned()
}

/// The lines before a backtrace, on one.
fn joined_lines(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Backtrace"));
    lines.filter(|line| !line.is_empty()).take(6).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the drivers and libraries below CubeCL say, word for word as far as a test may know it.
    #[test]
    fn the_words_of_drivers_are_told_apart() {
        let class = |said: &str| match of_words(&"cuda:0", said.into()) {
            GpuError::OutOfMemory { .. } => "memory",
            GpuError::DeviceLost { .. } => "lost",
            _ => "other",
        };
        for said in [
            "called `Result::unwrap()` on an `Err` value: can't allocate buffer of size: 1048576",
            "wgpu error: Out of Memory",
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "ERROR_OUT_OF_DEVICE_MEMORY",
            "VK_ERROR_OUT_OF_HOST_MEMORY",
            "Not enough memory left.",
        ] {
            assert_eq!(class(said), "memory", "{said}");
        }
        for said in [
            "DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"an illegal memory access was encountered\")",
            "wgpu error: Validation Error: Parent device is lost",
            "VK_ERROR_DEVICE_LOST",
            "CUDA_ERROR_ECC_UNCORRECTABLE",
            "called `Result::unwrap()` on an `Err` value: CallError",
            "Failed to map buffer: BufferAsyncError",
        ] {
            assert_eq!(class(said), "lost", "{said}");
        }
        for said in
            ["index out of bounds: the len is 3 but the index is 3", "A compilation error happened during launch"]
        {
            assert_eq!(class(said), "other", "{said}");
        }
    }

    #[test]
    fn a_caught_panic_says_one_line() {
        let (result, panicked) =
            guard(&"vulkan:0", || -> Result<(), GpuError> { panic!("out of memory\nand a page of backtrace") });
        assert!(panicked);
        assert_eq!(result.unwrap_err().to_string(), "vulkan:0: out of memory");
        let (result, panicked) = guard(&"vulkan:0", || Ok(1));
        assert!(!panicked && result == Ok(1));
    }
}

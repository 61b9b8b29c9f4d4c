//! What CubeCL's panics and errors mean: memory ran out, the device is gone, or something else is wrong.
//!
//! CubeCL 0.10 allocates on a thread of its own for each device. Where memory runs out that thread panics, the panic is caught there, and
//! the caller keeps a buffer that was never made: the next launch or copy of it says `couldn't find resource for that handle`. What the
//! panic said is known only to the process's panic hook, so [`log_panics`] keeps it, by device, for [`explain`].

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Instant;

use cubecl::server::{IoError, LaunchError, ServerError};

use crate::device::Device;
use crate::error::GpuError;

/// What panics on CubeCL's threads said, until the jobs that they broke ask.
static PANICS: Mutex<Panics> = Mutex::new(Panics(Vec::new()));

thread_local! {
    /// Since when a panic on this thread is caught by [`guard`]; that is when the job on it began.
    static GUARDED_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
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
            let thread = std::thread::current();
            let of_device = thread.name().and_then(device_of_thread);
            if of_device.is_none() && GUARDED_SINCE.get().is_none() {
                return before(info);
            }
            let said = first_line(payload_words(info.payload()));
            tracing::debug!(panic = %said, "caught in the GPU runtime");
            if let Some(device) = of_device {
                let panic = DevicePanic { device: device.to_owned(), said, at: Instant::now() };
                PANICS.lock().unwrap_or_else(PoisonError::into_inner).keep(panic);
            }
        }));
    });
}

/// The device that a thread of CubeCL's serves, as its name says: `0-1` of `DSU-0-1`, the thread that allocates and launches, and of
/// `DSD-0-1`, the one that copies back.
fn device_of_thread(name: &str) -> Option<&str> {
    name.strip_prefix("DSU-").or_else(|| name.strip_prefix("DSD-"))
}

/// What one panic on a device's thread said.
#[derive(Debug)]
struct DevicePanic {
    device: String,
    said: String,
    at: Instant,
}

/// The last panics on devices' threads, oldest first. Several jobs compute at once, and one that runs out of memory is often followed by
/// a second panic over what was never made, so that the last one alone would hide what matters.
#[derive(Debug)]
struct Panics(Vec<DevicePanic>);

impl Panics {
    /// The most that are kept.
    const MOST: usize = 32;
    fn keep(&mut self, panic: DevicePanic) {
        if self.0.len() >= Self::MOST {
            self.0.remove(0);
        }
        self.0.push(panic);
    }

    /// Takes one panic of this device's threads since the job began: the last that was about memory, else the last. Of any device where it
    /// is not known which. One from before the job is another's, which nobody asked for.
    fn take(&mut self, device: Option<&str>, since: Option<Instant>) -> Option<String> {
        let of_it = |panic: &DevicePanic| {
            device.is_none_or(|device| panic.device == device) && since.is_none_or(|since| panic.at >= since)
        };
        let memory = self.0.iter().rposition(|panic| of_it(panic) && is_of_memory(&panic.said));
        let place = memory.or_else(|| self.0.iter().rposition(of_it))?;
        Some(self.0.remove(place).said)
    }
}

/// Runs something of CubeCL's and makes a panic of it an error; the flag says whether it panicked.
pub(crate) fn guard<T>(device: &Device, work: impl FnOnce() -> Result<T, GpuError>) -> (Result<T, GpuError>, bool) {
    let outer = GUARDED_SINCE.get();
    GUARDED_SINCE.set(outer.or_else(|| Some(Instant::now())));
    let result = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => (result, false),
        Err(payload) => (Err(of_panic(device, payload_words(payload.as_ref()))), true),
    };
    GUARDED_SINCE.set(outer);
    result
}

/// The error that a panic of CubeCL's stands for.
fn of_panic(device: &Device, said: &str) -> GpuError {
    // A call whose answer never came: the device's thread panicked, and said more.
    let behind = said.contains("CallError").then(|| take_panic(device)).flatten();
    let message = first_line(behind.as_deref().unwrap_or(said));
    of_words(device, message)
}

/// The error that CubeCL's own error stands for.
pub(crate) fn explain(device: &Device, error: &ServerError) -> GpuError {
    if never_made(error) {
        // What the device's thread said decides: a fault of a kernel or of the runtime is none of memory. Where another job has taken
        // the words already, lack of memory is by far the likeliest reason.
        return match take_panic(device) {
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
    if is_of_memory(&message) {
        GpuError::OutOfMemory { device, message }
    } else if LOST.iter().any(|words| small.contains(words)) {
        GpuError::DeviceLost { device, message }
    } else {
        GpuError::Failed { device, message }
    }
}

/// Whether the words are about memory that has run out.
fn is_of_memory(said: &str) -> bool {
    let small = said.to_lowercase();
    OUT_OF_MEMORY.iter().any(|words| small.contains(words))
}

fn take_panic(device: &Device) -> Option<String> {
    PANICS.lock().unwrap_or_else(PoisonError::into_inner).take(device.runner().as_deref(), GUARDED_SINCE.get())
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
        let cpu = Device::cpu();
        let (result, panicked) =
            guard(&cpu, || -> Result<(), GpuError> { panic!("out of memory\nand a page of backtrace") });
        assert!(panicked);
        assert_eq!(result.unwrap_err().to_string(), format!("{cpu}: out of memory"));
        let (result, panicked) = guard(&cpu, || Ok(1));
        assert!(!panicked && result == Ok(1));
    }

    const MEMORY: &str = "can't allocate buffer of size: 8";
    const CONSEQUENCE: &str = "called `Result::unwrap()` on an `Err` value: couldn't find resource for that handle";

    fn panics(said: &[(&str, &str)], at: Instant) -> Panics {
        let mut panics = Panics(Vec::new());
        said.iter()
            .for_each(|&(device, said)| panics.keep(DevicePanic { device: device.into(), said: said.into(), at }));
        panics
    }

    #[test]
    fn a_second_panic_does_not_hide_that_memory_ran_out() {
        // Two jobs of one device run out, each panics again over what was never made, and another device breaks in between.
        let said =
            [("0-0", MEMORY), ("0-1", "illegal address"), ("0-0", CONSEQUENCE), ("0-0", MEMORY), ("0-0", CONSEQUENCE)];
        let mut panics = panics(&said, Instant::now());
        assert_eq!(panics.take(Some("0-0"), None).as_deref(), Some(MEMORY));
        assert_eq!(panics.take(Some("0-0"), None).as_deref(), Some(MEMORY), "the second job's own");
        assert_eq!(panics.take(Some("0-1"), None).as_deref(), Some("illegal address"));
        assert_eq!(panics.take(Some("0-1"), None), None, "another device's are not its");
        assert_eq!(panics.take(None, None).as_deref(), Some(CONSEQUENCE));
    }

    #[test]
    fn a_panic_from_before_the_job_is_not_its_own_and_the_list_is_short() {
        let before = Instant::now();
        let begun = before + std::time::Duration::from_millis(1);
        let mut panics = panics(&[("0-0", MEMORY)], before);
        panics.keep(DevicePanic { device: "0-0".into(), said: "device lost".into(), at: begun });
        assert_eq!(panics.take(Some("0-0"), Some(begun)).as_deref(), Some("device lost"));
        assert_eq!(panics.take(Some("0-0"), Some(begun)), None);
        let other = || DevicePanic { device: "0-1".into(), said: CONSEQUENCE.into(), at: begun };
        (0..Panics::MOST).for_each(|_| panics.keep(other()));
        assert_eq!((panics.0.len(), panics.take(Some("0-0"), None)), (Panics::MOST, None));
    }

    #[test]
    fn a_panic_on_a_thread_of_cubecl_is_found_by_the_thread_s_device() {
        log_panics();
        let on_thread = |name: &str, said: &'static str| {
            let panicking = std::thread::Builder::new().name(name.into()).spawn(move || -> () { panic!("{said}") });
            assert!(panicking.unwrap().join().is_err());
        };
        // Numbers that no device has, since other tests panic on real ones meanwhile.
        on_thread("DSU-77-3", MEMORY);
        on_thread("DSD-77-3", CONSEQUENCE);
        on_thread("DSU-77-4", "device lost");
        let take = |device| PANICS.lock().unwrap().take(Some(device), None);
        assert_eq!(take("77-4").as_deref(), Some("device lost"));
        assert_eq!(take("77-3").as_deref(), Some(MEMORY));
        assert_eq!(take("77-3").as_deref(), Some(CONSEQUENCE));
        assert_eq!(device_of_thread("main"), None);
    }
}

//! NVIDIA's management library, loaded at run time, asked from a thread of its own so that a call that hangs costs a time limit and
//! not the program.

pub(crate) mod door;

use std::ffi::OsStr;
use std::time::Duration;

use nvml_wrapper::error::NvmlError;

use door::{Closed, Door, Silence};

/// The library's name, as the loader finds it.
pub const LIBRARY: &str = "libnvidia-ml.so.1";

/// Why a question to NVML has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NvmlFault {
    /// The library cannot be loaded.
    #[error("NVML: {LIBRARY} not found")]
    NoLibrary,
    /// The library belongs to another version of the driver than the kernel module that is loaded.
    #[error(
        "NVML: {LIBRARY} and the loaded nvidia kernel module are of different versions: after a driver update reboot or reload \
         the nvidia modules; in a container use the libraries of the host's driver"
    )]
    VersionMismatch,
    /// The library is there and does not start: no kernel module, no device, no permission.
    #[error("NVML: {message}")]
    NotStarted {
        /// What is wrong, and what to do where that is known.
        message: String,
    },
    /// A call failed.
    #[error("NVML: {call}: {message}")]
    Failed {
        /// What was asked.
        call: &'static str,
        /// NVML's own words.
        message: String,
    },
    /// The GPU fell off the bus, or must be reset before it answers again.
    #[error("NVML: {call}: {message}")]
    Lost {
        /// What was asked.
        call: &'static str,
        /// NVML's own words.
        message: String,
    },
    /// A call did not come back in time, or one before it has not yet.
    #[error("NVML: {call}: no answer within {} ms", limit.as_millis())]
    TimedOut {
        /// The call that hangs: this one, or the earlier one.
        call: &'static str,
        /// The time limit.
        limit: Duration,
    },
}

/// NVML, started. Shared by reference among threads: questions queue.
///
/// A call that hangs makes its own question, and those after it, fail with [`NvmlFault::TimedOut`]: the first after the time limit,
/// the later ones at once, until the call comes back. Whoever does not want to wait for that may open another.
#[derive(Debug)]
pub struct Nvml {
    door: Door<nvml_wrapper::Nvml>,
    limit: Duration,
}

impl Nvml {
    /// Loads and starts the library that the loader finds; `limit` bounds every question, this first one too.
    ///
    /// # Errors
    ///
    /// [`NvmlFault::NoLibrary`], [`NvmlFault::VersionMismatch`], [`NvmlFault::NotStarted`], or [`NvmlFault::TimedOut`].
    pub fn open(limit: Duration) -> Result<Self, NvmlFault> {
        Self::open_library(OsStr::new(LIBRARY), limit)
    }

    /// As [`open`](Self::open), for the library of that name or path.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_library(library: &OsStr, limit: Duration) -> Result<Self, NvmlFault> {
        let path = library.to_owned();
        let start = move || nvml_wrapper::Nvml::builder().lib_path(&path).init().map_err(|error| not_started(&error));
        match Door::open("nvml", limit, start) {
            Ok(door) => Ok(Self { door, limit }),
            Err(Closed::Refused(fault)) => Err(fault),
            Err(Closed::Hangs) => Err(NvmlFault::TimedOut { call: "nvmlInit", limit }),
            Err(Closed::NoThread(error)) => {
                Err(NvmlFault::NotStarted { message: format!("no thread for it: {error}") })
            }
        }
    }

    /// Asks NVML; `call` names the question in errors. The question runs on NVML's own thread.
    ///
    /// # Errors
    ///
    /// [`NvmlFault::Failed`] or [`NvmlFault::Lost`] with NVML's words, or [`NvmlFault::TimedOut`] where this call, or an earlier one,
    /// hangs.
    pub fn ask<T: Send + 'static>(
        &self,
        call: &'static str,
        question: impl FnOnce(&nvml_wrapper::Nvml) -> Result<T, NvmlError> + Send + 'static,
    ) -> Result<T, NvmlFault> {
        match self.door.ask(call, question) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error @ (NvmlError::GpuLost | NvmlError::ResetRequired))) => {
                Err(NvmlFault::Lost { call, message: error.to_string() })
            }
            Ok(Err(error)) => Err(NvmlFault::Failed { call, message: error.to_string() }),
            Err(Silence::Hangs { call }) => Err(NvmlFault::TimedOut { call, limit: self.limit }),
            Err(Silence::Broken) => Err(NvmlFault::Failed { call, message: "the question broke off".into() }),
        }
    }

    /// The call that hangs now, if one does. Every question fails at once until it comes back.
    pub fn hanging(&self) -> Option<&'static str> {
        self.door.hanging()
    }
}

/// Why NVML did not start, in words that say what to do.
fn not_started(error: &NvmlError) -> NvmlFault {
    let message = match error {
        NvmlError::LibloadingError(cause) => {
            // A file that is there and cannot be loaded is another fault than none; only the loader's words tell them apart.
            let words = cause.to_string();
            if words.contains("ml.so") && words.contains("No such file") {
                return NvmlFault::NoLibrary;
            }
            format!("{LIBRARY} cannot be loaded: {words}")
        }
        NvmlError::LibRmVersionMismatch => return NvmlFault::VersionMismatch,
        NvmlError::DriverNotLoaded => {
            "the nvidia kernel module is not loaded, or sees no GPU: try `modprobe nvidia`; `dmesg` says why it fails"
                .into()
        }
        NvmlError::NoPermission => {
            "no permission to talk to the driver: /dev/nvidiactl must be readable and writable".into()
        }
        NvmlError::FailedToLoadSymbol(words) => format!("{LIBRARY} is too old for Zomma: {words}"),
        other => format!("does not start: {other}"),
    };
    NvmlFault::NotStarted { message }
}

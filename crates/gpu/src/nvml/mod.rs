//! NVIDIA's management library, loaded at run time, asked from a thread of its own so that a call that hangs costs a time limit and
//! not the program.

use std::ffi::OsStr;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use nvml_wrapper::error::NvmlError;

/// The library's name, as the loader finds it.
pub const LIBRARY: &str = "libnvidia-ml.so.1";

/// Why a question to NVML has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NvmlFault {
    /// The library cannot be loaded.
    #[error("NVML: {LIBRARY} not found")]
    NoLibrary,
    /// The library is there and does not start: no device, or not the kernel module's version.
    #[error("NVML: {message}")]
    NotStarted {
        /// NVML's own words.
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
    /// A call did not come back in time, or one before it has not yet.
    #[error("NVML: {call}: no answer within {} ms", limit.as_millis())]
    TimedOut {
        /// What was asked.
        call: &'static str,
        /// The time limit.
        limit: Duration,
    },
}

/// A question, with the way back for its answer inside.
type Question = Box<dyn FnOnce(&nvml_wrapper::Nvml) + Send>;

/// NVML, started.
#[derive(Debug)]
pub struct Nvml {
    questions: SyncSender<Question>,
    limit: Duration,
}

impl Nvml {
    /// Loads and starts the library; `limit` bounds every question, this first one too.
    ///
    /// # Errors
    ///
    /// [`NvmlFault::NoLibrary`], [`NvmlFault::NotStarted`], or [`NvmlFault::TimedOut`].
    pub fn open(limit: Duration) -> Result<Self, NvmlFault> {
        let (questions, asked) = sync_channel::<Question>(0);
        let (started, answer) = sync_channel(1);
        let serve = move || {
            let nvml = match nvml_wrapper::Nvml::builder().lib_path(OsStr::new(LIBRARY)).init() {
                Ok(nvml) => nvml,
                Err(error) => {
                    let fault = match error {
                        NvmlError::LibloadingError(_) => NvmlFault::NoLibrary,
                        other => NvmlFault::NotStarted { message: other.to_string() },
                    };
                    // Whoever asked has given up waiting.
                    let _ = started.send(Err(fault));
                    return;
                }
            };
            let _ = started.send(Ok(()));
            for question in asked {
                question(&nvml);
            }
        };
        let spawned = thread::Builder::new().name("nvml".into()).spawn(serve);
        spawned.map_err(|error| NvmlFault::NotStarted { message: error.to_string() })?;
        let timed_out = NvmlFault::TimedOut { call: "nvmlInit", limit };
        match answer.recv_timeout(limit) {
            Ok(Ok(())) => Ok(Self { questions, limit }),
            Ok(Err(fault)) => Err(fault),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(timed_out),
        }
    }

    /// Asks NVML; `call` names the question in errors.
    ///
    /// # Errors
    ///
    /// [`NvmlFault::Failed`] with NVML's words, or [`NvmlFault::TimedOut`] where this call, or an earlier one, hangs.
    pub fn ask<T: Send + 'static>(
        &self,
        call: &'static str,
        question: impl FnOnce(&nvml_wrapper::Nvml) -> Result<T, NvmlError> + Send + 'static,
    ) -> Result<T, NvmlFault> {
        let timed_out = || NvmlFault::TimedOut { call, limit: self.limit };
        let (answer, answered) = sync_channel(1);
        let question: Question = Box::new(move |nvml| {
            // The receiver is gone where the time limit was reached first.
            let _ = answer.send(question(nvml));
        });
        self.questions.try_send(question).map_err(|_| timed_out())?;
        match answered.recv_timeout(self.limit) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(NvmlFault::Failed { call, message: error.to_string() }),
            Err(_) => Err(timed_out()),
        }
    }
}

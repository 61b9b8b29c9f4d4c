//! What a run says: one line for people, one object for machines; and why it could not be.

use std::fmt;
use std::io;

use rustix::io::Errno;
use serde::Serialize;

use super::{Enforcement, FAILED_EXIT_CODE, Limit, NOT_EXECUTABLE_EXIT_CODE, NOT_FOUND_EXIT_CODE, amount};
use crate::config::size;

/// Stands for "not in its control groups": no exec fails with it, and only a number comes back from a forked process.
pub(super) const NOT_JOINED: Errno = Errno::NOTUNIQ;

/// Who saw that a limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The kernel, which ended a process of the run.
    Kernel,
    /// A sample.
    Watch,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Report {
    /// Before the command starts: what each limit is worth.
    Plan {
        /// By limit.
        limits: Vec<Enforcement>,
    },
    /// What was left of runs that died with their guards was ended and removed.
    Swept {
        /// How many runs.
        runs: usize,
    },
    /// There is no guard: were this process killed, the command would go on.
    Unguarded {
        /// Why.
        why: String,
    },
    /// Use is near a limit.
    Warning {
        /// Which.
        limit: Limit,
        /// On which GPU of the inventory.
        gpu: Option<usize>,
        /// In use.
        used_bytes: u64,
        /// Allowed.
        limit_bytes: u64,
    },
    /// Use is beyond a limit.
    Exceeded {
        /// Which.
        limit: Limit,
        /// On which GPU of the inventory.
        gpu: Option<usize>,
        /// In use; absent where the kernel refused what would have been beyond.
        used_bytes: Option<u64>,
        /// Allowed.
        limit_bytes: u64,
        /// Who saw it.
        by: By,
    },
    /// Use cannot be read.
    Unseen {
        /// Of which limit.
        limit: Limit,
        /// Why.
        why: String,
    },
    /// The run is told to end, and killed after the grace.
    Ending {
        /// How many processes were told.
        processes: usize,
        /// Time between SIGTERM and SIGKILL.
        grace_seconds: f64,
    },
    /// The command ended and left processes, which are ended now.
    Leftover {
        /// How many.
        processes: usize,
    },
    /// Something of the run could not be ended or removed.
    NotCleared {
        /// The name of its groups.
        run: String,
    },
    /// The end.
    Ended {
        /// The exit code.
        exit_code: u8,
        /// The first limit that was exceeded.
        exceeded: Option<Limit>,
        /// How long the command ran.
        seconds: f64,
        /// The greatest use of the processor's memory: the greatest that was sampled, or the control group's own, whichever is larger.
        peak_cpu_memory_bytes: Option<u64>,
        /// The greatest use seen of one GPU's memory.
        peak_gpu_memory_bytes: Option<u64>,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |gpu: &Option<usize>| gpu.map_or_else(String::new, |gpu| format!(" on GPU {gpu}"));
        match self {
            Self::Plan { limits } => {
                let lines: Vec<String> = limits.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Swept { runs } => write!(f, "removed what {} left behind", counted(*runs, "dead run", "dead runs")),
            Self::Unguarded { why } => write!(f, "no guard ({why}): if this process is killed, the command goes on"),
            Self::Warning { limit, gpu, used_bytes, limit_bytes } => {
                let percent = *used_bytes as f64 / *limit_bytes as f64 * 100.0;
                let (used, limit_text) = (size::rounded(*used_bytes), amount(*limit_bytes));
                write!(f, "{limit}{}: {used} in use, {percent:.0}% of {limit_text}", on(gpu))
            }
            Self::Exceeded { limit, gpu, used_bytes: Some(used), limit_bytes, .. } => {
                let (used, limit_text) = (size::rounded(*used), amount(*limit_bytes));
                write!(f, "{limit}{}: {used} in use, beyond the limit of {limit_text}", on(gpu))
            }
            Self::Exceeded { limit, gpu, limit_bytes, .. } => {
                let limit_text = amount(*limit_bytes);
                write!(f, "{limit}{}: the kernel ended a process that went beyond the limit of {limit_text}", on(gpu))
            }
            Self::Unseen { limit, why } => write!(f, "{limit}: use cannot be read: {why}"),
            Self::Ending { processes, grace_seconds } => {
                let processes = counted(*processes, "process", "processes");
                write!(f, "ending {processes}: SIGTERM now, SIGKILL after {grace_seconds} s")
            }
            Self::Leftover { processes } => {
                write!(f, "the command left {} behind: ending", counted(*processes, "process", "processes"))
            }
            Self::NotCleared { run } => write!(f, "not everything of {run} could be ended and removed"),
            Self::Ended { exit_code, exceeded: Some(limit), .. } => {
                write!(f, "{limit} was exceeded: exit code {exit_code}")
            }
            Self::Ended { exit_code, .. } => write!(f, "exit code {exit_code}"),
        }
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Limits must be hard that cannot be.
    #[error("--require-hard: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NotHard(Vec<Enforcement>),
    /// There is no such command.
    #[error("{0}: command not found")]
    NotFound(String),
    /// The command is there and is none.
    #[error("{program}: cannot be executed: {source}")]
    NotExecutable {
        /// The command.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The run could not be set up.
    #[error("{0}")]
    Failed(String),
}

impl RunError {
    /// The exit code that says so.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotHard(_) => 2,
            Self::NotFound(_) => NOT_FOUND_EXIT_CODE,
            Self::NotExecutable { .. } => NOT_EXECUTABLE_EXIT_CODE,
            Self::Failed(_) => FAILED_EXIT_CODE,
        }
    }

    pub(super) fn of_spawn(program: &str, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(code) if code == NOT_JOINED.raw_os_error() => {
                Self::Failed(format!("{program}: could not be put into its control groups"))
            }
            _ if error.kind() == io::ErrorKind::NotFound => Self::NotFound(program.into()),
            Some(code) => Self::NotExecutable { program: program.into(), source: io::Error::from_raw_os_error(code) },
            None => {
                Self::NotExecutable { program: program.into(), source: io::Error::new(error.kind(), error.to_string()) }
            }
        }
    }
}

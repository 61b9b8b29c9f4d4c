//! A command within limits of GPU memory, GPU compute and CPU memory: what can be enforced here, and the run itself.
//!
//! [`Facts::gather`] looks at the machine, [`plan`](plan::plan) decides without touching it which limit is hard, cooperative or only
//! observed, and [`run`](supervise::run) makes the cgroups, starts the command inside, watches, and ends what is left.

pub mod cgroup;
pub mod facts;
pub mod gpu_memory;
mod gpu_plan;
pub mod group;
pub mod guard;
pub mod plan;
pub mod process;
pub mod report;
pub mod supervise;
pub mod visible;
pub mod watch;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

pub use facts::Facts;
pub use plan::{Plan, plan};

use crate::config::size;
use crate::request::DeviceRequest;

/// Exit code of a run that was ended because a limit was exceeded; as `timeout` has it.
pub const EXCEEDED_EXIT_CODE: u8 = 124;
/// Exit code of a run that could not be set up.
pub const FAILED_EXIT_CODE: u8 = 125;
/// Exit code where the command is there and cannot be executed.
pub const NOT_EXECUTABLE_EXIT_CODE: u8 = 126;
/// Exit code where the command is not found.
pub const NOT_FOUND_EXIT_CODE: u8 = 127;

/// What a user asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Memory on each GPU, in bytes.
    pub gpu_memory_bytes: Option<u64>,
    /// Share of each GPU's multiprocessors, in (0, 1].
    pub gpu_compute_share: Option<f64>,
    /// Memory of the processor, in bytes.
    pub cpu_memory_bytes: Option<u64>,
    /// Which GPUs the limits hold on: all for `auto`.
    pub device: DeviceRequest,
    /// Share of a GPU's memory that Zomma may lend as things stand, in (0, 1]; no limit raises it.
    pub memory_fraction: f64,
    /// What happens beyond a limit.
    pub on_exceed: OnExceed,
    /// Share of a limit from which use is warned of, in (0, 1].
    pub warn_at: f64,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// What happens beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExceed {
    /// It is said, and the command goes on.
    Warn,
    /// The command and all that it started are ended.
    End,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Memory on each GPU.
    GpuMemory,
    /// Share of each GPU's multiprocessors.
    GpuCompute,
    /// Memory of the processor.
    CpuMemory,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GpuMemory => "GPU memory",
            Self::GpuCompute => "GPU compute",
            Self::CpuMemory => "CPU memory",
        })
    }
}

/// How much a limit is worth, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Nothing here can even see it.
    NotInForce,
    /// Use is measured from time to time; between two samples the command can go beyond.
    Observed,
    /// Software that keeps to it does; other software does not.
    Cooperative,
    /// The kernel refuses what goes beyond, and a command that cannot write its own control group cannot lift it.
    Hard,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInForce => "not in force",
            Self::Observed => "observed",
            Self::Cooperative => "cooperative",
            Self::Hard => "hard",
        })
    }
}

/// What one limit comes to on this machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Enforcement {
    /// Which limit.
    pub limit: Limit,
    /// How much, in words: `4GiB`, `50%`.
    pub amount: String,
    /// How much it is worth.
    pub strength: Strength,
    /// What does it: `cgroup v2 memory.max`, `NVML`.
    pub means: Vec<String>,
    /// Why it is no stronger; absent where it is hard.
    pub why_not_stronger: Option<String>,
    /// A lower limit that holds already, and what sets it: `64MiB by the control group /…`.
    pub lower_already: Option<String>,
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.limit, self.amount, self.strength)?;
        if !self.means.is_empty() {
            write!(f, ": {}", self.means.join(", "))?;
        }
        match &self.why_not_stronger {
            Some(why) if self.means.is_empty() => write!(f, ": {why}")?,
            Some(why) => write!(f, " ({why})")?,
            None => {}
        }
        match &self.lower_already {
            Some(lower) => write!(f, "; a lower limit holds already: {lower}"),
            None => Ok(()),
        }
    }
}

/// A size as a limit says it: exactly, and never without a unit.
fn amount(bytes: u64) -> String {
    let exact = size::exact(bytes);
    if exact.ends_with('B') { exact } else { format!("{exact} B") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_a_unit_and_reads_back() {
        for (bytes, text) in [(1, "1 B"), (1000, "1kB"), (64 << 20, "64MiB"), ((1 << 30) + 1, "1073741825 B")] {
            assert_eq!(amount(bytes), text);
            assert_eq!(size::parse(text), Ok(bytes));
        }
    }
}

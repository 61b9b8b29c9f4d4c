//! `zomma bench`: what the processor and a device do, task by task, in one run.
//!
//! Each section measures its tasks through a [`Bench`], which times, checks the memory first, and collects [`Line`]s. A task is run on
//! one core, on all cores and on the device, as far as each can do it, and what it computed is checked against an independent result.

mod books;
mod compare;
mod data;
mod kernels;
mod machine;
mod matmul;
mod memory;
mod network;
mod paths;
mod quotes;
mod stop;
mod table;
mod task;
mod timing;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use zomma_gpu::Device;

pub use compare::{Comparison, read as read_report};
pub use machine::{DeviceFacts, Machine, available_bytes};
pub use stop::{Interrupted, Stop};
pub use table::{render, render_comparison};
pub use task::Bench;
pub use timing::Effort;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Products of square matrices in f32 and f64.
    Matmul,
    /// Forward pass of a small dense network.
    Network,
    /// Quotes: parsed, sorted, grouped, rolled over.
    Data,
    /// Bandwidth of host and device memory, and of the copies between them.
    Memory,
    /// Black-Scholes price, Greeks, implied volatility, sums of books, paths.
    Kernels,
}

impl Section {
    /// As tables and JSON print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matmul => "matmul",
            Self::Network => "network",
            Self::Data => "data",
            Self::Memory => "memory",
            Self::Kernels => "kernels",
        }
    }

    /// Measures its tasks.
    pub fn run(self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        match self {
            Self::Matmul => matmul::run(bench),
            Self::Network => network::run(bench),
            Self::Data => data::run(bench),
            Self::Memory => memory::run(bench),
            Self::Kernels => kernels::run(bench),
        }
    }
}

/// How fast something was: times of one call, in seconds, and the rate at the median.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Work a second at the median, in the line's unit.
    pub rate: f64,
    /// The very first call, with compilation and cold caches.
    pub first_seconds: f64,
    /// Half of the calls took less.
    pub median_seconds: f64,
    /// A quarter of the calls took less.
    pub lower_quartile_seconds: f64,
    /// A quarter of the calls took more.
    pub upper_quartile_seconds: f64,
    /// The quickest call.
    pub min_seconds: f64,
    /// The slowest call.
    pub max_seconds: f64,
    /// Calls that were timed.
    pub runs: usize,
}

impl Speed {
    /// Interquartile range as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.upper_quartile_seconds - self.lower_quartile_seconds) / self.median_seconds
    }
}

/// One task at one size. A column that is absent was not measured; `notes` say why where it is not plain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Which section.
    pub section: Section,
    /// What was done.
    pub task: String,
    /// On how much.
    pub size: String,
    /// Of the rates.
    pub unit: String,
    /// On one core of the processor.
    pub one_core: Option<Speed>,
    /// On all of its cores.
    pub all_cores: Option<Speed>,
    /// On the device.
    pub device: Option<Speed>,
    /// Whether every result agreed with the independent one; absent where nothing was computed.
    pub agrees: Option<bool>,
    /// What a reader should know of the line.
    pub notes: Vec<String>,
}

impl Line {
    /// The device's rate over the rate of all cores.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.device.as_ref()?.rate / self.all_cores.as_ref()?.rate)
    }

    /// What makes it the same line in another run.
    pub fn key(&self) -> (Section, &str, &str) {
        (self.section, &self.task, &self.size)
    }
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the program.
    pub version: String,
    /// Commit that the program was built from, where the build was told.
    pub commit: Option<String>,
    /// `release`, or `dev` with checks that slow it down.
    pub build: String,
    /// When the run began.
    pub date: jiff::Timestamp,
    /// Whether sizes and times were the small ones of `--quick`.
    pub quick: bool,
    /// Where it ran.
    pub machine: Machine,
    /// The device that the third column is of.
    pub device: Option<DeviceFacts>,
    /// What was measured.
    pub lines: Vec<Line>,
}

/// Name and version of the JSON.
pub const SCHEMA: &str = "zomma-bench/1";

impl Report {
    /// A report of a run that begins now, with no lines yet.
    pub fn begin(date: jiff::Timestamp, quick: bool, device: Option<&Device>) -> Self {
        Self {
            schema: SCHEMA.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            commit: option_env!("ZOMMA_COMMIT").filter(|commit| !commit.is_empty()).map(str::to_owned),
            build: if cfg!(debug_assertions) { "dev" } else { "release" }.into(),
            date,
            quick,
            machine: Machine::here(),
            device: device.map(DeviceFacts::of),
            lines: Vec::new(),
        }
    }

    /// Lines whose results were wrong, or whose device failed.
    pub fn wrong(&self) -> usize {
        self.lines.iter().filter(|line| line.agrees == Some(false)).count()
    }
}

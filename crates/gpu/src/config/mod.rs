//! What an operator decides about the GPUs: one struct, its defaults, and the range of each value.
//!
//! Layers, each over the one before: defaults, a TOML file (table `[gpu]`), variables `ZOMMA_GPU_<KEY>`, flags. [`load`] reads them
//! and remembers where each value comes from; the environment is its argument.

mod fault;
mod file;
mod keys;
mod layers;
pub mod size;
#[cfg(test)]
mod tests;

pub use fault::{ConfigError, ConfigFault, Origin};
pub use keys::{Allowed, KEYS, Key, Value, read_share};
pub use layers::{FlagValue, Settings, load};

use serde::{Deserialize, Serialize};

use crate::request::DeviceRequest;

/// What the names of the variables begin with.
pub const VARIABLE_PREFIX: &str = "ZOMMA_GPU_";

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "ZOMMA_GPU_CONFIG";

/// How the GPUs are used. Key names are those of the file and, in capitals after `ZOMMA_GPU_`, of the environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GpuConfig {
    /// Where to compute: `auto`, `cpu`, `cuda[:n]`, `hip[:n]`, `vulkan[:n]`.
    pub device: DeviceRequest,
    /// Share of a device's memory that the broker may lend, in (0, 1].
    pub memory_fraction: f64,
    /// Whether memory is taken as it is needed; else the whole share is reserved at the start.
    pub allow_growth: bool,
    /// Whether work goes to the CPU where no device can take it.
    pub cpu_fallback: bool,
    /// Bytes that a pool takes from the device at a time; `"1GiB"` in a file.
    pub pool_size_bytes: u64,
    /// Whether usage, temperature and errors are sampled.
    pub enable_monitoring: bool,
    /// Whether a crossed threshold is logged and counted as an alert.
    pub enable_alerts: bool,
    /// Share of the lendable memory in use from which an alert is raised, in (0, 1].
    pub alert_threshold: f64,
    /// Seconds between two samples.
    pub sample_interval_seconds: f64,
    /// The longest that one question to a driver may take, in seconds.
    pub call_timeout_seconds: f64,
}

impl Default for GpuConfig {
    fn default() -> Self {
        Self {
            device: DeviceRequest::Auto,
            memory_fraction: 0.8,
            allow_growth: true,
            cpu_fallback: true,
            pool_size_bytes: 1 << 30,
            enable_monitoring: true,
            enable_alerts: true,
            alert_threshold: 0.9,
            sample_interval_seconds: 1.0,
            call_timeout_seconds: 2.0,
        }
    }
}

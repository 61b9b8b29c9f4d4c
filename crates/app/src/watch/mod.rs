//! What `zomma gpu serve` and `zomma gpu health` share: how the GPUs are watched, and how their health is shown.

pub mod health_table;
pub mod server;

use std::{path::PathBuf, time::Duration};

use clap::Args;
use zomma_gpu::{
    GpuConfig,
    telemetry::{MonitorSettings, SourceSettings},
};

/// Flags of both commands.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Where the kernel shows its devices; in a container, where the machine's is mounted.
    #[arg(long, value_name = "DIR", default_value = "/sys")]
    sysfs: PathBuf,
}

impl WatchArgs {
    /// How to watch, by the configuration in force.
    pub fn settings(&self, config: &GpuConfig) -> MonitorSettings {
        let settings = MonitorSettings::of_config(config);
        let sources = SourceSettings { sysfs_root: self.sysfs.clone(), ..settings.sources };
        MonitorSettings { sources, ..settings }
    }
}

/// A duration in seconds: positive, and short enough to be meant.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e7).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("allowed are seconds from 0 to 10000000".into()),
    }
}

/// A number of samples: at least one.
pub fn parse_samples(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(samples) if (1..=1_000_000).contains(&samples) => Ok(samples),
        _ => Err("allowed is a whole number from 1 to 1000000".into()),
    }
}

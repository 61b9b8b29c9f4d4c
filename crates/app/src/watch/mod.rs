//! What `zomma gpu serve` and `zomma gpu health` share: how the GPUs are watched, and how their health is shown.

pub mod connections;
pub mod health_table;
pub mod server;

use std::{path::PathBuf, time::Duration};

use clap::Args;
use zomma_gpu::telemetry::{MonitorSettings, SourceSettings};

use crate::{failure::BadArguments, gpu_config::GpuSettingsArgs};

/// Flags of both commands.
#[derive(Debug, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    gpu: GpuSettingsArgs,
    /// Where the kernel shows its devices; in a container, where the machine's is mounted.
    #[arg(long, value_name = "DIR", default_value = "/sys")]
    sysfs: PathBuf,
}

impl WatchArgs {
    /// How to watch, by the configuration in force. `purpose` is what is not done where that forbids to watch.
    pub fn settings(&self, purpose: &str) -> Result<MonitorSettings, BadArguments> {
        let in_force = self.gpu.load()?;
        if !in_force.config.enable_monitoring {
            let origin = in_force.origin("enable_monitoring");
            let words =
                format!("enable_monitoring is false ({origin}): there is nothing to {purpose}; allowed is true");
            return Err(BadArguments(words));
        }
        let settings = MonitorSettings::of_config(&in_force.config);
        let sources = SourceSettings { sysfs_root: self.sysfs.clone(), ..settings.sources };
        Ok(MonitorSettings { sources, ..settings })
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

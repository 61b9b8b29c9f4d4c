//! `zomma gpu health`: whether each GPU can be trusted.

use std::time::Instant;

use anyhow::bail;
use clap::Args;
use zomma_gpu::{
    health::{HealthReport, Hysteresis, State},
    telemetry::{Monitor, MonitorSettings},
};

use crate::{
    commands,
    watch::{WatchArgs, health_table},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
One look: one sample decides, where zomma gpu serve waits for several that agree. A driver tells of an XID once, when it comes: those
from before this look are at /health of zomma gpu serve, if it ran then, and in the kernel log (dmesg).

Exit code 0: no GPU has failed (a degraded one works, and is named with what to do; nor is it a failure to have none). 1: one has.

Example:
  $ zomma gpu health
  GPU  STATE    MODEL        PCI           TEMPERATURE  ECC  DRIVER
  0    healthy  NVIDIA H200  0000:19:00.0  34 of 89 °C  on   nvidia 570.86.15
  1    failed   NVIDIA H200  0000:3b:00.0  -            -    nvidia 570.86.15

  GPU 1: critical: NVML: GPU is lost
    see the kernel log (dmesg); load its driver, reset the GPU, or restart the machine
  zomma: GPU 1 has failed";

/// Arguments of `zomma gpu health`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct HealthArgs {
    /// Print the report as JSON, as /health of zomma gpu serve does.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    watch: WatchArgs,
}

/// Runs it.
pub fn run(args: &HealthArgs) -> anyhow::Result<()> {
    let mut settings = MonitorSettings { hysteresis: Hysteresis::NONE, ..args.watch.settings("look at")? };
    // What an alert would say stands in the table.
    settings.alerts.enabled = false;
    let mut monitor = Monitor::new(settings);
    let snapshot = monitor.sample();
    let report = HealthReport::of(&snapshot, monitor.started(), Instant::now());
    let text = match args.json {
        true => format!("{}\n", serde_json::to_string_pretty(&report)?),
        false => health_table::text(&report),
    };
    commands::print(&text)?;
    let failed: Vec<String> =
        report.gpus.iter().filter(|gpu| gpu.state == State::Failed).map(|gpu| gpu.identity.index.to_string()).collect();
    match failed.as_slice() {
        [] => Ok(()),
        [one] => bail!("GPU {one} has failed"),
        many => bail!("GPUs {} have failed", many.join(", ")),
    }
}

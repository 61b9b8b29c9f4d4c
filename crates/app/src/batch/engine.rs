//! What computes: a device with others and the CPU to fall back on, or the CPU alone.

use std::{env, ops::Range};

use anyhow::{Context, bail};
use zomma_gpu::{
    Device, DeviceKind, DeviceRequest, FaultPlan, GpuError, candidates,
    config::Settings,
    recovery::{Batch, Place, Runner, RunnerConfig},
};

use crate::{failure::BadArguments, gpu_config::named_device};

/// The variable that rehearses a failure of the first device: `oom@3`, `lost@2`, `oom>65536`.
const FAULT_VARIABLE: &str = "ZOMMA_FAULT";

/// What computes the rows of a table.
#[derive(Debug)]
pub struct Engine {
    runner: Runner,
}

impl Engine {
    /// Readies the device that the user named by flag, variable or file; `auto` may go on with any that it would ever take.
    pub fn choose(settings: &Settings) -> anyhow::Result<Self> {
        let named = || named_device(settings);
        let gpu = settings.config.clone();
        let devices = candidates(&gpu.device).map_err(|error| BadArguments(format!("{}: {error}", named())))?;
        let first = devices.first().map(Device::kind);
        if gpu.device == DeviceRequest::Auto && !gpu.cpu_fallback && first.is_none_or(|kind| kind == DeviceKind::Cpu) {
            let why = devices.first().and_then(Device::note).map_or(String::new(), |note| format!(" ({note})"));
            bail!("{}: no GPU to compute on{why}, and cpu_fallback is off", named());
        }
        // Whoever has a GPU that cannot be used wants to know; whoever has none need not be told at every run.
        if let Some(note) = devices.first().and_then(Device::note) {
            tracing::warn!("{note}");
        }
        let fault = rehearsed_fault()?;
        if fault.is_some() && first.is_none_or(|kind| kind == DeviceKind::Cpu) {
            tracing::warn!("{FAULT_VARIABLE}: nothing is rehearsed: the CPU computes, and faults are a device's");
        }
        let config = RunnerConfig { gpu, fault, ..RunnerConfig::default() };
        let runner = Runner::new(devices, config).with_context(named)?;
        Ok(Self { runner })
    }

    /// Whether the processor computes from the start.
    pub fn is_cpu(&self) -> bool {
        self.runner.is_on_cpu()
    }

    /// What runs work on the devices.
    pub fn runner(&self) -> &Runner {
        &self.runner
    }

    /// The device in use, in words.
    pub fn name(&self) -> String {
        self.runner.device_name()
    }

    /// What the user should know of how the devices did, a line each.
    pub fn notes(&self) -> Vec<String> {
        self.runner.notes()
    }

    /// Computes rows piece by piece; `op` may be asked for a piece again, elsewhere or in parts, after it failed.
    pub fn compute(
        &self,
        rows: usize,
        bytes_per_row: usize,
        op: impl FnMut(Place<'_>, Range<usize>) -> Result<(), GpuError>,
    ) -> anyhow::Result<()> {
        Ok(self.runner.with_oom_recovery(&Batch { rows, bytes_per_row: bytes_per_row as u64 }, op)?)
    }
}

/// The failure to rehearse, where one is asked for.
fn rehearsed_fault() -> Result<Option<FaultPlan>, BadArguments> {
    let Some(text) = env::var_os(FAULT_VARIABLE).filter(|text| !text.is_empty()) else { return Ok(None) };
    let plan = text.to_string_lossy().parse();
    plan.map(Some).map_err(|error| BadArguments(format!("{FAULT_VARIABLE}: {error}")))
}

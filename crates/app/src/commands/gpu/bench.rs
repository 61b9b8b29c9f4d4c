//! `zomma gpu bench`: measure what the resource manager costs.

use std::{fmt::Write, sync::Arc};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use zomma_gpu::{
    broker::{DeviceMemoryBench, LendingBench},
    choose,
};

use crate::{
    commands,
    failure::BadArguments,
    gpu_config::{GpuConfigArgs, named_device},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Example:
  $ zomma gpu bench memory
  $ zomma gpu bench memory --device vulkan --mebibytes 16 --json";

/// Arguments of `zomma gpu bench`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLE)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    what: What,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
enum What {
    /// Lending memory, copies to and from a device, and how large a buffer can be.
    Memory(MemoryArgs),
}

/// Arguments of `zomma gpu bench memory`.
#[derive(Debug, Args)]
#[command(after_help = "\
Lease latency and rate are of a broker without a device behind it: what the bookkeeping itself costs. Figures are medians of
11 runs; the first fill of a device, which compiles the kernel, stands apart. The largest buffer is found by trial,
which for a moment takes all memory that is free: not on a device that others compute on.

Example:
  $ zomma gpu bench memory --device vulkan
  $ zomma gpu bench memory --json")]
struct MemoryArgs {
    #[command(flatten)]
    gpu: GpuConfigArgs,
    /// Size of one copy in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    mebibytes: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct MemoryReport {
    lending: LendingBench,
    /// Absent where the device is the CPU.
    device: Option<DeviceMemoryBench>,
}

/// Runs it.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    match &args.what {
        What::Memory(args) => memory(args),
    }
}

fn memory(args: &MemoryArgs) -> anyhow::Result<()> {
    let settings = args.gpu.load()?;
    let name = named_device(&settings);
    let device = choose(&settings.config.device).map_err(|error| BadArguments(format!("{name}: {error}")))?;
    let compute = device.open_with_pools(settings.config.pool_size_bytes).context(name.clone())?;
    let lending = LendingBench::measure().context("the broker")?;
    let bytes = usize::from(args.mebibytes) << 20;
    let measure = |compute| DeviceMemoryBench::measure(&Arc::new(compute), &settings.config, bytes);
    let device = compute.map(measure).transpose().context(name)?;
    let report = MemoryReport { lending, device };
    if args.json {
        return commands::print(&format!("{}\n", serde_json::to_string(&report)?));
    }
    commands::print(&table(&report)?)
}

/// The figures for people.
fn table(report: &MemoryReport) -> Result<String, std::fmt::Error> {
    let MemoryReport { lending, device } = report;
    let mut text = String::from("Lending\n");
    writeln!(text, "  lease granted and given back   {:>10.0} ns", lending.grant_release_ns)?;
    writeln!(
        text,
        "  two threads together           {:>10.2} M leases/s",
        lending.two_threads_leases_per_second / 1e6
    )?;
    let wait = lending.contended_wait_ns;
    let microseconds = |ns: u64| ns as f64 / 1e3;
    writeln!(
        text,
        "  wait, four threads on two's    {:>10.1} µs median, {:.1} p90, {:.1} p99, {:.1} at most",
        microseconds(wait.p50),
        microseconds(wait.p90),
        microseconds(wait.p99),
        microseconds(wait.max)
    )?;
    let Some(device) = device else {
        text.push_str("No device: the CPU path needs no copies. Name one with --device.\n");
        return Ok(text);
    };
    writeln!(text, "{}, {:.0} MiB at a time", device.device, mebibytes(device.bytes as u64))?;
    writeln!(text, "  host to device                 {:>10.2} GB/s", device.upload_bytes_per_second / 1e9)?;
    writeln!(text, "  device to host                 {:>10.2} GB/s", device.download_bytes_per_second / 1e9)?;
    writeln!(
        text,
        "  filled by a kernel             {:>10.2} GB/s (first {:.0} ms: it is compiled)",
        device.fill_bytes_per_second / 1e9,
        device.first_fill_seconds * 1e3
    )?;
    writeln!(
        text,
        "  held by pools afterwards       {:>10.1} MiB, {:.1} given back by trimming",
        mebibytes(device.memory.reserved_bytes),
        mebibytes(device.trimmed_bytes)
    )?;
    match device.available_bytes {
        Some(bytes) => writeln!(text, "  free to be had                 {:>10.0} MiB", mebibytes(bytes))?,
        None => writeln!(text, "  free to be had                    unknown: no driver says it")?,
    }
    writeln!(
        text,
        "  largest buffer, by trial       {:>10.0} MiB, of {:.0} that the driver allows{}",
        mebibytes(device.largest_buffer_bytes),
        mebibytes(device.buffer_bytes_max),
        device.fragmentation_ratio.map_or(String::new(), |ratio| format!(": fragmentation {ratio:.3}"))
    )?;
    Ok(text)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

//! `zomma gpu list`: every GPU of this machine, and what can drive it.

mod text;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use zomma_gpu::inventory::{Gpu, Inventory, Sources};

use crate::commands::print;
use crate::failure::BadArguments;
use crate::gpu_config::GpuSettingsArgs;

/// Version of the JSON document: raised when a field changes its meaning or goes. New fields may come without.
const VERSION: u32 = 1;

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Example:
  $ zomma gpu list
  GPU  model                memory     arch    units  PCI           NUMA  ECC  links      back ends
    0  NVIDIA H200          140.4 GiB  9.0       132  0000:19:00.0     0  on   18 NVLink  cuda:0
    1  AMD Instinct MI300X  192.0 GiB  gfx942    304  0000:9f:00.0     1  on   -          vulkan:0
  hip: this build has no HIP back end; use vulkan:0 (GPU 1)

  $ zomma gpu list 0                       all that is known of GPU 0
  $ zomma gpu list --json | jq -r '.gpus[] | select(.vendor == \"nvidia\") | .uuid'";

/// Arguments of `zomma gpu list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ListArgs {
    /// Only this GPU, with all that is known of it: its number in the list, PCI address, or UUID.
    gpu: Option<String>,
    /// All that is known of each GPU.
    #[arg(long, short)]
    verbose: bool,
    /// One JSON document, as docs/gpu-manager.md describes it.
    #[arg(long)]
    json: bool,
    /// The longest that one question to NVML, amd-smi or Level Zero may take, in seconds; a list of CUDA or Vulkan may take five times
    /// that. Where absent, call_timeout_seconds of the configuration.
    #[arg(long, value_name = "SECONDS", value_parser = parse_timeout)]
    timeout: Option<Duration>,
    /// Root of sysfs.
    #[arg(long, value_name = "DIR", default_value = "/sys", hide = true)]
    sysfs: PathBuf,
    #[command(flatten)]
    gpu_settings: GpuSettingsArgs,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    #[serde(flatten)]
    inventory: &'a Inventory,
}

/// Runs it.
pub fn run(args: &ListArgs) -> anyhow::Result<()> {
    // Read where --timeout is given too: what is wrong with it should be said here as anywhere.
    let config = args.gpu_settings.load()?.config;
    let limit = args.timeout.unwrap_or(Duration::from_secs_f64(config.call_timeout_seconds));
    let sources = Sources { sysfs: args.sysfs.clone(), limit, ..Sources::default() };
    let mut inventory = Inventory::take(&sources);
    if let Some(wanted) = &args.gpu {
        let count = inventory.gpus.len();
        inventory.gpus.retain(|gpu| is_named(gpu, wanted));
        if inventory.gpus.is_empty() {
            return Err(BadArguments(no_such_gpu(wanted, count)).into());
        }
    }
    if args.json {
        let document = serde_json::to_string_pretty(&Document { version: VERSION, inventory: &inventory })?;
        return print(&format!("{document}\n"));
    }
    print(&text::of(&inventory, args.verbose || args.gpu.is_some(), &args.sysfs))
}

/// Whether a user means this GPU.
fn is_named(gpu: &Gpu, name: &str) -> bool {
    let number = name.parse() == Ok(gpu.index);
    let place = gpu.pci.is_some() && name.parse().ok() == gpu.pci;
    number || place || gpu.uuid.as_deref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(name))
}

fn no_such_gpu(wanted: &str, count: usize) -> String {
    let wanted = crate::failure::shown(wanted);
    match count {
        0 => format!("GPU {wanted}: no GPU found"),
        1 => format!("GPU {wanted}: allowed are 0, the only GPU, its PCI address, or its UUID"),
        count => format!("GPU {wanted}: allowed are 0 to {}, a PCI address such as 0000:3b:00.0, or a UUID", count - 1),
    }
}

/// A time limit that is of use.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("seconds from 0.01 to 600".into()),
    }
}

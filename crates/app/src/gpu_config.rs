//! The GPU configuration of a command: the flags that commands share, over variables, over a file.

use std::path::PathBuf;

use clap::Args;
use zomma_gpu::{
    DeviceRequest,
    config::{self, FlagValue, KEYS, Origin, Settings},
};

use crate::failure::BadArguments;

/// Flags of every command that computes on a GPU.
#[derive(Clone, Debug, Default, Args)]
pub struct GpuConfigArgs {
    /// Where to compute: auto, cpu, cuda, hip or vulkan; of several devices the n-th by cuda:n, hip:n or vulkan:n. Where absent,
    /// what ZOMMA_GPU_DEVICE or the configuration file says, else auto.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceRequest>,
    #[command(flatten)]
    pub settings: GpuSettingsArgs,
}

/// Flags of every command that reads the GPU configuration, where it computes or not.
#[derive(Clone, Debug, Default, Args)]
pub struct GpuSettingsArgs {
    /// Read the GPU configuration, the table `[gpu]`, from this file.
    #[arg(long, value_name = "FILE")]
    pub gpu_config: Option<PathBuf>,
    /// Set one key of the GPU configuration over file and variables, such as memory_fraction=0.5; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub gpu_set: Vec<(String, String)>,
}

impl GpuConfigArgs {
    /// The configuration in force; what is odd about it is said on standard error.
    pub fn load(&self) -> Result<Settings, BadArguments> {
        let device = self.device.map(|request| flag_value("--device", "device", &request.to_string()));
        self.settings.load_with(device)
    }
}

impl GpuSettingsArgs {
    /// The configuration in force; what is odd about it is said on standard error.
    pub fn load(&self) -> Result<Settings, BadArguments> {
        self.load_with(None)
    }

    /// As [`load`](Self::load), with a flag of the command's own that wins over the others.
    fn load_with(&self, own: Option<FlagValue>) -> Result<Settings, BadArguments> {
        let set = self.gpu_set.iter().map(|(key, value)| flag_value("--gpu-set", key, value));
        let flags: Vec<FlagValue> = set.chain(own).collect();
        let settings = config::load(self.gpu_config.as_deref(), std::env::vars_os(), &flags)
            // One fault a line, and the first line begins with the program's name.
            .map_err(|error| BadArguments(error.to_string().replace('\n', "\n  ")))?;
        for warning in &settings.warnings {
            eprintln!("zomma: {warning}");
        }
        Ok(settings)
    }
}

/// What named the device, as the user would type it: `--device cuda:1`, `ZOMMA_GPU_DEVICE=cuda:1`, `zomma.toml:2: device cuda:1`.
pub fn named_device(settings: &Settings) -> String {
    let device = settings.config.device;
    match settings.origin("device") {
        Origin::Variable { name } => format!("{name}={device}"),
        Origin::Default => format!("--device {device}"),
        Origin::Flag { name } if name == "--device" => format!("--device {device}"),
        Origin::Flag { name } => format!("{name} device={device}"),
        origin => format!("{origin}: device {device}"),
    }
}

fn flag_value(flag: &str, key: &str, value: &str) -> FlagValue {
    FlagValue { flag: flag.into(), key: key.into(), value: value.into() }
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    let names = || KEYS.map(|key| key.name).join(", ");
    let (key, value) = text.split_once('=').ok_or_else(|| format!("allowed is KEY=VALUE; the keys are {}", names()))?;
    Ok((key.trim().into(), value.trim().into()))
}

//! `zomma gpu config`: show the configuration in force, and where each value comes from.

use std::fmt::Write;

use clap::Args;
use zomma_gpu::config::{KEYS, Settings};

use crate::{commands, gpu_config::GpuConfigArgs};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Each layer wins over the one before it: defaults; a TOML file, table [gpu] (--gpu-config, else
ZOMMA_GPU_CONFIG, else zomma/zomma.toml in ~/.config or /etc/xdg); variables ZOMMA_GPU_<KEY>;
flags.

Example:
  $ ZOMMA_GPU_POOL_SIZE_BYTES=512MiB zomma gpu config --device cpu | grep -v default
  KEY                      VALUE   FROM                       ALLOWED
  device                   cpu     --device                   auto, cpu, cuda[:n], …
  pool_size_bytes          512MiB  ZOMMA_GPU_POOL_SIZE_BYTES  a size from 1MiB to 1TiB, …

  $ zomma gpu config --toml > zomma.toml && zomma gpu config --gpu-config zomma.toml";

/// Arguments of `zomma gpu config`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ConfigArgs {
    #[command(flatten)]
    gpu: GpuConfigArgs,
    /// One JSON object: file, values with layer and origin, warnings.
    #[arg(long, conflicts_with = "toml")]
    json: bool,
    /// A file that reads back to the same values, every key explained.
    #[arg(long)]
    toml: bool,
}

/// Runs it.
pub fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let settings = args.gpu.load()?;
    let text = match (args.json, args.toml) {
        (true, _) => format!("{}\n", serde_json::to_string_pretty(&settings)?),
        (_, true) => settings.config.to_toml(),
        _ => table(&settings)?,
    };
    commands::print(&text)
}

fn table(settings: &Settings) -> anyhow::Result<String> {
    let head = ["KEY", "VALUE", "FROM", "ALLOWED"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head)
        .chain(KEYS.iter().map(|key| {
            let value = key.get(&settings.config).to_string();
            [key.name.to_owned(), value, settings.origin(key.name).to_string(), key.allowed.to_string()]
        }))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [key, value, from, allowed] in &rows {
        writeln!(text, "{key:0$}  {value:1$}  {from:2$}  {allowed}", widths[0], widths[1], widths[2])?;
    }
    if let Some(file) = &settings.file {
        writeln!(text, "\nread: {}", file.display())?;
    }
    Ok(text)
}

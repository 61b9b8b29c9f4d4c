//! `zomma gpu run`: run a command within limits of memory and compute.

use clap::Args;

/// Arguments of `zomma gpu run`.
#[derive(Debug, Args)]
pub struct RunArgs {}

/// Runs it.
pub fn run(_args: &RunArgs) -> anyhow::Result<()> {
    anyhow::bail!("zomma gpu run is not there yet")
}

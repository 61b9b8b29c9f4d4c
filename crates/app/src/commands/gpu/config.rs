//! `zomma gpu config`: show the configuration in force, and where each value comes from.

use clap::Args;

/// Arguments of `zomma gpu config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {}

/// Runs it.
pub fn run(_args: &ConfigArgs) -> anyhow::Result<()> {
    anyhow::bail!("zomma gpu config is not there yet")
}

//! `zomma gpu health`: whether each GPU can be trusted.

use clap::Args;

/// Arguments of `zomma gpu health`.
#[derive(Debug, Args)]
pub struct HealthArgs {}

/// Runs it.
pub fn run(_args: &HealthArgs) -> anyhow::Result<()> {
    anyhow::bail!("zomma gpu health is not there yet")
}

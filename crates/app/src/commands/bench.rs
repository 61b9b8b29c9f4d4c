//! `zomma bench`: what this machine and its devices do, CPU against GPU in one run.

use clap::Args;

/// Arguments of `zomma bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {}

/// Runs it.
pub fn run(_args: &BenchArgs) -> anyhow::Result<()> {
    anyhow::bail!("zomma bench is not there yet")
}

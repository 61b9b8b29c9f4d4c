//! `zomma gpu bench`: measure what the resource manager costs.

use clap::Args;

/// Arguments of `zomma gpu bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {}

/// Runs it.
pub fn run(_args: &BenchArgs) -> anyhow::Result<()> {
    anyhow::bail!("zomma gpu bench is not there yet")
}

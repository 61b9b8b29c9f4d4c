//! `zomma gpu list`: every GPU of this machine, and what can drive it.

use clap::Args;

/// Arguments of `zomma gpu list`.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Runs it.
pub fn run(_args: &ListArgs) -> anyhow::Result<()> {
    anyhow::bail!("zomma gpu list is not there yet")
}

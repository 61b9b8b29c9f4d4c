//! `zomma analyze`.

use clap::Args;

/// Arguments of `zomma analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArgs {}

/// Runs it.
pub fn run(_args: &AnalyzeArgs) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}

//! `zomma gpu serve`: serve metrics and health over HTTP.

use clap::Args;

/// Arguments of `zomma gpu serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {}

/// Runs it.
pub fn run(_args: &ServeArgs) -> anyhow::Result<()> {
    anyhow::bail!("zomma gpu serve is not there yet")
}

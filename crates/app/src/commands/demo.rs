//! `zomma demo`: generated data to try things on.

use clap::{Args, Subcommand};

/// Arguments of `zomma demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What to generate.
    #[command(subcommand)]
    what: What,
}

/// What can be generated.
#[derive(Debug, Subcommand)]
enum What {}

/// Runs it.
pub fn run(args: &DemoArgs) -> anyhow::Result<()> {
    match args.what {}
}

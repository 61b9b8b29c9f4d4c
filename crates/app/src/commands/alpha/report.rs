//! `zomma alpha report`: what signals told of the price.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::batch::source;

/// Arguments of `zomma alpha report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The table that `zomma features` writes.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs it.
pub fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let table = source::open(&args.file).with_context(|| args.file.display().to_string())?;
    crate::commands::print(&(table.columns().join("\n") + "\n"))
}

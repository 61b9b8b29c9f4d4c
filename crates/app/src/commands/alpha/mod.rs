//! `zomma alpha`: signals, what they told of the price, and what can be earned without one.

mod report;

use clap::{Args, Subcommand};

/// Arguments of `zomma alpha`.
#[derive(Debug, Args)]
pub struct AlphaArgs {
    #[command(subcommand)]
    command: AlphaCommand,
}

#[derive(Debug, Subcommand)]
enum AlphaCommand {
    /// Information coefficients of signals by horizon, with bands, decay, turnover and figures net of cost.
    Report(Box<report::ReportArgs>),
}

/// Runs it.
pub fn run(args: &AlphaArgs) -> anyhow::Result<()> {
    match &args.command {
        AlphaCommand::Report(args) => report::run(args),
    }
}

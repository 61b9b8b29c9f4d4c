//! `zomma risk`: what a portfolio does when the market moves.

mod moves;
mod report;
mod scenarios;
mod table;

use clap::{Args, Subcommand};

/// Arguments of `zomma risk`.
#[derive(Debug, Args)]
pub struct RiskArgs {
    #[command(subcommand)]
    command: RiskCommand,
}

#[derive(Debug, Subcommand)]
enum RiskCommand {
    /// Value a portfolio in full over a grid of moves and under named stresses.
    Scenarios(Box<scenarios::ScenariosArgs>),
}

/// Runs it.
pub fn run(args: &RiskArgs) -> anyhow::Result<()> {
    match &args.command {
        RiskCommand::Scenarios(args) => scenarios::run(args),
    }
}

//! `zomma alpha`: signals, what they told of the price, and what can be earned without one.

mod report;
mod sentiment;
mod signals;

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
    /// What news say: a score for each headline, and what they come to by instrument.
    Sentiment(sentiment::SentimentArgs),
    /// The alpha signals of a price, row by row: momentum, mean reversion, regimes, a pair's spread.
    Signals(signals::SignalsArgs),
}

/// Runs it.
pub fn run(args: &AlphaArgs) -> anyhow::Result<()> {
    match &args.command {
        AlphaCommand::Report(args) => report::run(args),
        AlphaCommand::Sentiment(args) => sentiment::run(args),
        AlphaCommand::Signals(args) => signals::run(args),
    }
}

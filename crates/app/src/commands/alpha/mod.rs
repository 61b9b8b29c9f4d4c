//! `zomma alpha`: signals, what they told of the price, and what can be earned without one.

mod arbitrage;
mod options;
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
    /// What the quotes of an option chain give away: parity, boxes, verticals, butterflies, calendars, at executable prices.
    Arbitrage(Box<arbitrage::ArbitrageArgs>),
    /// Features of an option chain by day: skew, term structure, put-call ratios, gamma exposure.
    Options(Box<options::OptionsArgs>),
    /// What news say: a score for each headline, and what they come to by instrument.
    Sentiment(sentiment::SentimentArgs),
    /// The alpha signals of a price, row by row: momentum, mean reversion, regimes, a pair's spread.
    Signals(signals::SignalsArgs),
}

/// Runs it.
pub fn run(args: &AlphaArgs) -> anyhow::Result<()> {
    match &args.command {
        AlphaCommand::Report(args) => report::run(args),
        AlphaCommand::Arbitrage(args) => arbitrage::run(args),
        AlphaCommand::Options(args) => options::run(args),
        AlphaCommand::Sentiment(args) => sentiment::run(args),
        AlphaCommand::Signals(args) => signals::run(args),
    }
}

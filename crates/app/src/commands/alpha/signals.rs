//! `zomma alpha signals`: the alpha signals of a price, row by row.

use std::path::{Path, PathBuf};

use clap::Args;
use zomma_strategy::alpha::momentum::{Crossover, TimeSeriesMomentum};

use crate::{
    alpha::{SignalsJob, run_signals},
    commands,
    failure::BadArguments,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Reads a table with time_ns and a price at a steady pace (`zomma features --every`), and writes time, price and, by row and without looking ahead:
  momentum        return over --lookback rows, the last --skip left out, in standard deviations of --volatility-window rows
  crossover       ln of the --fast over the --slow moving average
  ou_z_score      score of ln price in the Ornstein-Uhlenbeck process of the last --window rows; above 0 points down
  regime_2 ...    filtered probability of the second calmest state and on, of a hidden Markov model of --states over returns of --return-rows rows
  spread_z_score  with --pair: the price against that column, by the hedge ratio of the training rows
Models of regimes and of the pair are fitted to the first --train-fraction of the rows, and give values behind them alone. Nothing reaches over a
silence. What does not fit (a state that is none, a pair that is one column) leaves its column empty and is told.

Example:
  $ zomma features day.itch50.gz --date 2012-06-21 --instrument AMZN --features mid --every 1s -o mid.parquet
  $ zomma alpha signals mid.parquet -o signals.parquet && zomma alpha report signals.parquet";

/// Arguments of `zomma alpha signals`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct SignalsArgs {
    /// The table: Parquet, Arrow IPC or CSV; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The instrument, where the table has rows of several (a column symbol or instrument).
    #[arg(long, value_name = "SYMBOL")]
    instrument: Option<String>,
    /// The column of the price.
    #[arg(long, value_name = "COLUMN", default_value = "mid")]
    price: String,
    /// The column of another price that it is held against.
    #[arg(long, value_name = "COLUMN")]
    pair: Option<String>,
    /// Rows that momentum looks back.
    #[arg(long, value_name = "ROWS", default_value_t = 60)]
    lookback: usize,
    /// Rows that it leaves out.
    #[arg(long, value_name = "ROWS", default_value_t = 1)]
    skip: usize,
    /// Rows that its volatility is of.
    #[arg(long, value_name = "ROWS", default_value_t = 300)]
    volatility_window: usize,
    /// Rows of the fast average.
    #[arg(long, value_name = "ROWS", default_value_t = 30)]
    fast: usize,
    /// Rows of the slow average.
    #[arg(long, value_name = "ROWS", default_value_t = 120)]
    slow: usize,
    /// Rows of the window of mean reversion.
    #[arg(long, value_name = "ROWS", default_value_t = 600)]
    window: usize,
    /// Rows that a return of the regimes is over.
    #[arg(long, value_name = "ROWS", default_value_t = 10)]
    return_rows: usize,
    /// States of the regimes: 2, 3 or 4.
    #[arg(long, value_name = "N", default_value_t = 2)]
    states: usize,
    /// Share of the rows that models are fitted to.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    train_fraction: f64,
    /// Where the rows go: .parquet or .csv, or - for CSV on standard output.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// Runs it.
pub fn run(args: &SignalsArgs) -> anyhow::Result<()> {
    let share = args.train_fraction;
    let checks = [
        ("--lookback", args.lookback >= 1, "1 row or more"),
        ("--volatility-window", args.volatility_window >= 2, "2 rows or more"),
        ("--fast", args.fast >= 1 && args.fast < args.slow, "1 row or more, and fewer than --slow"),
        ("--window", args.window >= 11, "11 rows or more"),
        ("--return-rows", args.return_rows >= 1, "1 row or more"),
        ("--states", (2..=4).contains(&args.states), "2, 3 or 4"),
        ("--train-fraction", share > 0.0 && share < 1.0, "a share between 0 and 1"),
    ];
    if let Some((option, _, allowed)) = checks.into_iter().find(|(_, fits, _)| !fits) {
        return Err(BadArguments(format!("{option}: allowed: {allowed}")).into());
    }
    let outcome = run_signals(&SignalsJob {
        path: &args.file,
        instrument: args.instrument.as_deref(),
        price: &args.price,
        output: &args.output,
        momentum: TimeSeriesMomentum {
            lookback: args.lookback,
            skip: args.skip,
            volatility_window: args.volatility_window,
        },
        crossover: Crossover { fast: args.fast, slow: args.slow },
        window: args.window,
        return_rows: args.return_rows,
        states: args.states,
        train_fraction: share,
        pair: args.pair.as_deref(),
    })?;
    if args.output == Path::new("-") {
        eprint!("{}", outcome.in_words());
        Ok(())
    } else {
        commands::print(&outcome.in_words())
    }
}

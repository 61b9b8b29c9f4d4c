//! `zomma analyze`: an option chain in, a desk's answers out.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use zomma_market::bars::{self, DailyBars};
use zomma_strategy::analysis::WheelFilters;

use super::chain_args::{ChainArgs, parse_finite};
use crate::{
    analyze::{self, Job},
    commands,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Reads CSV, Parquet and CBOE delayed-quotes JSON by their columns (CBOE end-of-day, SPY 2021, LEAN, our own names; --map covers
the rest), a directory of such files, or a tar of them (plain, .gz, .xz, .zst). A file of one date writes to DIR; of many dates,
a directory or a tar, each date writes to DIR/<date>/ (a second underlying to DIR/<underlying>/<date>/), and
DIR/summary.json is over all.

Files written: quotes.parquet, surface.json, candidates.csv, summary.json, report.html. Without --out only the summary is printed.

Example:
  $ zomma demo chain -o chain.csv --history history.csv
  $ zomma analyze chain.csv --history history.csv --delta 0.15..0.30 --dte 20..45 --out report
  $ xdg-open report/report.html

  $ zomma analyze spx_2019.tar.xz --out days --rejects rejects.csv
  $ zomma analyze aapl.csv --dividends dividends.csv      where dividends.csv has underlying,ex_date,amount
  $ zomma analyze vendor.csv --map strike=K --map expiry=Expiration --map option_type=CP --rate 0.05";

/// Arguments of `zomma analyze`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct AnalyzeArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Directory for the outputs; made where it is absent. Without it only the summary is printed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Daily bars (CSV) that a real-world density is made of; without them Kelly and score have the status no_history.
    #[arg(long, value_name = "OHLC.csv")]
    history: Option<PathBuf>,
    /// Wheel: least and greatest |delta|.
    #[arg(long, value_name = "LO..HI", default_value = "0.10..0.40", value_parser = parse_delta_range)]
    delta: [f64; 2],
    /// Wheel: least and greatest calendar days to expiry.
    #[arg(long, value_name = "LO..HI", default_value = "7..60", value_parser = parse_days_range)]
    dte: [i64; 2],
    /// Wheel: least open interest.
    #[arg(long, value_name = "N", value_parser = parse_not_negative)]
    min_open_interest: Option<f64>,
    /// Wheel: greatest (ask - bid)/mid.
    #[arg(long, value_name = "X", value_parser = parse_not_negative)]
    max_spread: Option<f64>,
    /// List every rejected row in this CSV file.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &AnalyzeArgs) -> anyhow::Result<()> {
    commands::use_threads(args.threads)?;
    let [chain, dividends] = args.chain.inputs();
    commands::refuse_two_of_standard_input(&[chain, ("--history", args.history.as_deref()), dividends])?;
    let history = args.history.as_deref().map(read_history).transpose()?;
    let config = args.chain.config(WheelFilters {
        delta: args.delta,
        days_to_expiry: args.dte,
        min_open_interest: args.min_open_interest,
        max_spread: args.max_spread,
    })?;
    let dividends = config.dividends.clone();
    let job = Job {
        chain: &args.chain.chain,
        out: args.out.as_deref(),
        rejects: args.rejects.as_deref(),
        read: args.chain.read_options(),
        config,
        history: history.as_ref(),
        progress: std::io::stderr().is_terminal(),
    };
    let outcome = analyze::run(&job)?;
    args.chain.warn_of_dividends("zomma analyze", dividends.as_deref());
    commands::print(&if args.json { outcome.json() } else { outcome.text() })?;
    outcome.into_result()
}

fn read_history(path: &Path) -> anyhow::Result<DailyBars> {
    let bars = bars::read(path).with_context(|| format!("--history {}", path.display()))?;
    if bars.date.is_empty() {
        bail!("--history {}: has no bars", path.display());
    }
    Ok(bars)
}

fn parse_not_negative(text: &str) -> Result<f64, String> {
    parse_finite(text).ok().filter(|value| *value >= 0.0).ok_or_else(|| "a finite number at or above zero".into())
}

fn parse_range<T: std::str::FromStr + PartialOrd + Copy>(text: &str, least: T, most: T) -> Option<[T; 2]> {
    let (low, high) = text.split_once("..")?;
    let range = [low.trim().parse().ok()?, high.trim().parse().ok()?];
    (range[0] >= least && range[0] <= range[1] && range[1] <= most).then_some(range)
}

fn parse_delta_range(text: &str) -> Result<[f64; 2], String> {
    parse_range(text, 0.0, 1.0).ok_or_else(|| "a range within 0..1, such as 0.15..0.30".into())
}

fn parse_days_range(text: &str) -> Result<[i64; 2], String> {
    parse_range(text, 0, 36_500).ok_or_else(|| "a range of whole days, such as 20..45".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_two_ends_in_order_within_bounds() {
        assert_eq!(parse_delta_range("0.15..0.3"), Ok([0.15, 0.3]));
        assert_eq!(parse_days_range("7..7"), Ok([7, 7]));
        for bad in ["0.3..0.15", "-0.1..0.2", "0.1", "0.1..1.5", "nan..0.2", "a..b"] {
            assert!(parse_delta_range(bad).is_err(), "{bad}");
        }
    }
}

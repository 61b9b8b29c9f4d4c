//! `zomma alpha arbitrage`: what an option chain's own quotes give away.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use jiff::civil::Date;
use zomma_market::bars::{self, DailyBars};
use zomma_strategy::alpha::arbitrage::{Costs, HedgeRule, ScanConfig, scan_chain};

use crate::{
    arbitrage::{self, DayFindings},
    chain_days,
    commands::{
        self,
        chain_args::{ChainArgs, parse_finite},
        surface::model_args::no_wheel,
    },
    failure::{self, BadArguments},
    feed,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
CHAIN is what `zomma analyze` reads. Options are bought at the ask and sold at the bid; a finding brings `edge` now and can cost nothing later,
whatever the underlying does, which is computed from its legs. Kinds: vertical, vertical_width, butterfly, box, calendar, and with a stock to
hedge with conversion, reversal, lower_bound, upper_bound. American rows get the American inequalities (no short box).

Standing: executable (every leg has a size), size_unknown (the file has none), below_fees, and zero_size, stale, crossed where such a quote takes part.
Without --rate or --rate-curve each expiry is held against the rate that put-call parity gives; `box lends` and `borrows` say what the chain's
own boxes do, without any rate. `edge` and `net` are currency a share for one unit; `legs` are those of a lot, the least whole contracts.

docs/alpha-options.md says what is looked for and what the findings of real chains turned out to be.

Example:
  $ zomma demo chain -o chain.csv
  $ zomma alpha arbitrage chain.csv --fee 0.65 -o findings.csv
  $ zomma alpha arbitrage aapl.csv --underlying AAPL --rate 0.002 --stock-bid 645.50 --stock-ask 645.60 --fee 0.65 --stock-fee 0.005";

/// Arguments of `zomma alpha arbitrage`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ArbitrageArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Difference of the rates at which money is borrowed and lent: 0.005 is half a percent.
    #[arg(long, value_name = "R", default_value = "0", value_parser = parse_spread)]
    rate_spread: f64,
    /// Fee for each option contract, in currency.
    #[arg(long, value_name = "X", default_value = "0", value_parser = parse_not_negative)]
    fee: f64,
    /// Fee for each share of the underlying, in currency.
    #[arg(long, value_name = "X", default_value = "0", value_parser = parse_not_negative)]
    stock_fee: f64,
    /// Shares in a contract.
    #[arg(long, value_name = "N", default_value = "100", value_parser = parse_above_zero)]
    multiplier: f64,
    /// Where the stock can be sold; of chains of one date.
    #[arg(long, value_name = "X", requires = "stock_ask", conflicts_with = "stock_spread", value_parser = parse_above_zero)]
    stock_bid: Option<f64>,
    /// Where the stock can be bought.
    #[arg(long, value_name = "X", requires = "stock_bid", value_parser = parse_above_zero)]
    stock_ask: Option<f64>,
    /// Take the stock around its last price with this spread, a part of the price: 0.0002 is two basis points. An assumption, not a quote.
    #[arg(long, value_name = "S", value_parser = parse_spread)]
    stock_spread: Option<f64>,
    /// Daily bars (CSV) whose close is the last price where the chain has none; with --stock-spread.
    #[arg(long, value_name = "OHLC.csv", requires = "stock_spread")]
    history: Option<PathBuf>,
    /// Findings printed; all of them go to -o and to --json.
    #[arg(long, value_name = "N", default_value = "20")]
    limit: usize,
    /// Write every finding to this CSV file.
    #[arg(short, long, value_name = "OUT.csv")]
    output: Option<PathBuf>,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
}

/// Runs it.
pub fn run(args: &ArbitrageArgs) -> anyhow::Result<()> {
    commands::use_threads(args.threads)?;
    if let (Some(bid), Some(ask)) = (args.stock_bid, args.stock_ask)
        && bid > ask
    {
        bail!(BadArguments(format!("--stock-bid {bid}: above --stock-ask {ask}")));
    }
    let history = args.history.as_deref().map(read_history).transpose()?;
    let path = &args.chain.chain;
    let file = match &args.output {
        Some(output) => {
            feed::is_apart(output, &[path])?;
            Some(arbitrage::create(output)?)
        }
        None => None,
    };
    let analysis = args.chain.config(no_wheel())?;
    let costs = Costs { fee_per_contract: args.fee, fee_per_share: args.stock_fee, multiplier: args.multiplier };
    let days = chain_days::of_chains(path, &args.chain.read_options(), true, |day| {
        let hedge = args.hedge(history.as_ref(), day.chain.quote_date);
        let config = ScanConfig { analysis: analysis.clone(), costs, rate_spread: args.rate_spread, hedge };
        let scan = scan_chain(day.chain, day.previous, &config)?;
        Ok(DayFindings::of(day.chain, &scan, &costs))
    })?;
    args.chain.warn_of_dividends("zomma alpha arbitrage", analysis.dividends.as_deref());
    for (source, error) in &days.failed {
        eprintln!("zomma alpha arbitrage: {}", failure::of_source(source, error));
    }
    if days.done.is_empty() {
        return Err(nothing(path, days.failed));
    }
    let dates: Vec<&str> = days.done.iter().map(|day| day.quote_date.as_str()).collect();
    if args.stock_bid.is_some() && dates.iter().any(|date| *date != dates[0]) {
        bail!(BadArguments(format!(
            "--stock-bid: one price for {} dates; use --stock-spread with --history, or chains of one date",
            dates.len()
        )));
    }
    if let Some(file) = file {
        arbitrage::write(file, &days.done)?;
    }
    if args.json {
        let failed: Vec<_> = days
            .failed
            .iter()
            .map(|(source, error)| serde_json::json!({ "source": source, "error": failure::words(error) }))
            .collect();
        let value = serde_json::json!({ "days": days.done, "failed": failed });
        return commands::print(&(serde_json::to_string_pretty(&value)? + "\n"));
    }
    commands::print(&arbitrage::text(&days.done, args.limit))
}

impl ArbitrageArgs {
    fn hedge(&self, history: Option<&DailyBars>, date: Date) -> HedgeRule {
        match (self.stock_bid, self.stock_ask, self.stock_spread) {
            (Some(bid), Some(ask), _) => HedgeRule::Stock { bid, ask },
            (_, _, Some(spread)) => {
                let at = history.and_then(|bars| bars.date.binary_search(&date).ok());
                let last = at.and_then(|at| history.and_then(|bars| bars.close.get(at).copied()));
                HedgeRule::AroundLast { spread, last }
            }
            _ => HedgeRule::None,
        }
    }
}

/// The first failure where there is one, else that there is no chain.
pub(super) fn nothing(path: &Path, failed: Vec<(String, anyhow::Error)>) -> anyhow::Error {
    let count = failed.len();
    match failed.into_iter().next() {
        Some((_, error)) if count == 1 => error,
        Some((_, error)) if failure::is_bad_argument(&error) => error,
        Some(_) => anyhow::anyhow!("{}: none of {count} files or dates could be used", path.display()),
        None => anyhow::anyhow!("{}: holds no chain", path.display()),
    }
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

/// A number above zero.
pub(super) fn parse_above_zero(text: &str) -> Result<f64, String> {
    parse_finite(text).ok().filter(|value| *value > 0.0).ok_or_else(|| "a finite number above zero".into())
}

fn parse_spread(text: &str) -> Result<f64, String> {
    parse_finite(text)
        .ok()
        .filter(|value| (0.0..1.0).contains(value))
        .ok_or_else(|| "a decimal from 0 to below 1, such as 0.005 for half a percent".into())
}

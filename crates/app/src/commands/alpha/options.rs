//! `zomma alpha options`: features of an option chain, a row a day.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use zomma_strategy::{
    alpha::options::{DealerPosition, OptionFeaturesConfig, option_features},
    analysis::analyze,
};

use super::arbitrage::{nothing, parse_above_zero};
use crate::{
    chain_days,
    commands::{
        self,
        chain_args::{ChainArgs, parse_finite},
        surface::model_args::no_wheel,
    },
    failure, feed,
    option_features::{self, DayFeatures, Table},
    output_file::AtomicFile,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
CHAIN is what `zomma analyze` reads; volatilities and Greeks are those of its surface. A value that the day's quotes do not give is empty.

  atm_30d, atm_90d    volatility at K = F, between the expiries around the tenor in total variance; term_slope is their difference
  rr25, bf25          25-delta call less put, and their mean less at the money (forward delta)
  skew_90_110, slope  sigma(0.9 F) - sigma(1.1 F), and d sigma / d ln K at the money
  gamma_exposure      currency that dealers' hedges trade for 1 % of the underlying; call_ and put_ are its parts
  zero_gamma          the price at which that changes its sign, volatilities of strikes staying as they are
  vanna_, charm_      the same for one point of volatility, and for a calendar day
  max_pain            strike of least payout of the nearest expiry with open interest

Who holds the open contracts is in no chain: --dealers says what is assumed, and is printed with the figures.

Example:
  $ zomma demo chain -o chain.csv
  $ zomma alpha options chain.csv --strikes gamma.csv
  $ zomma alpha options spx_2019.tar.xz -o features.csv --expiries term.csv";

/// Arguments of `zomma alpha options`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct OptionsArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Shares in a contract.
    #[arg(long, value_name = "N", default_value = "100", value_parser = parse_above_zero)]
    multiplier: f64,
    /// Who is assumed to hold the open contracts: long-calls-short-puts, short-all or long-all.
    #[arg(long, value_name = "WHO", default_value = "long-calls-short-puts", value_parser = parse_dealers)]
    dealers: DealerPosition,
    /// The two tenors, in calendar days.
    #[arg(long, value_name = "DAYS,DAYS", default_value = "30,90", value_parser = parse_tenors)]
    tenors: [f64; 2],
    /// Write a row a day to this CSV file.
    #[arg(short, long, value_name = "OUT.csv")]
    output: Option<PathBuf>,
    /// Write exposures by strike to this CSV file.
    #[arg(long, value_name = "OUT.csv")]
    strikes: Option<PathBuf>,
    /// Write skew and max pain by expiry to this CSV file.
    #[arg(long, value_name = "OUT.csv")]
    expiries: Option<PathBuf>,
    /// Print all features as JSON.
    #[arg(long)]
    json: bool,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
}

/// Runs it.
pub fn run(args: &OptionsArgs) -> anyhow::Result<()> {
    commands::use_threads(args.threads)?;
    let path = &args.chain.chain;
    let mut files: Vec<(AtomicFile, Table)> = Vec::new();
    let wanted = [
        ("-o", &args.output, Table::Days),
        ("--strikes", &args.strikes, Table::Strikes),
        ("--expiries", &args.expiries, Table::Expiries),
    ];
    for (flag, output, table) in wanted {
        let Some(output) = output else { continue };
        feed::is_apart(output, &[path])?;
        let file =
            AtomicFile::create(output).with_context(|| format!("{flag} {}: cannot write there", output.display()))?;
        files.push((file, table));
    }
    let config = OptionFeaturesConfig { multiplier: args.multiplier, dealers: args.dealers, tenor_days: args.tenors };
    let analysis = args.chain.config(no_wheel())?;
    let days = chain_days::of_chains(path, &args.chain.read_options(), true, |day| {
        let analysed = analyze(day.chain, day.previous, None, &analysis)?;
        let features = option_features(day.chain, &analysed, &config);
        Ok(DayFeatures::of(day.chain, &analysed, &features, &config))
    })?;
    args.chain.warn_of_dividends("zomma alpha options", analysis.dividends.as_deref());
    for (source, error) in &days.failed {
        eprintln!("zomma alpha options: {}", failure::of_source(source, error));
    }
    if days.done.is_empty() {
        return Err(nothing(path, days.failed));
    }
    for (file, table) in files {
        option_features::write(file, table, &days.done)?;
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
    commands::print(&option_features::text(&days.done))
}

fn parse_dealers(text: &str) -> Result<DealerPosition, String> {
    DealerPosition::ALL
        .into_iter()
        .find(|dealers| dealers.as_str() == text)
        .ok_or_else(|| format!("allowed: {}", DealerPosition::ALL.map(DealerPosition::as_str).join(", ")))
}

fn parse_tenors(text: &str) -> Result<[f64; 2], String> {
    let parse = |part: &str| parse_finite(part.trim()).ok().filter(|days| *days > 0.0 && *days <= 36_500.0);
    text.split_once(',')
        .and_then(|(first, second)| Some([parse(first)?, parse(second)?]))
        .filter(|[first, second]| first < second)
        .ok_or_else(|| "two numbers of days, the shorter first, such as 30,90".into())
}

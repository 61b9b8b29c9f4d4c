//! `zomma iv`: a table of option prices in, their implied volatilities out.

use std::path::PathBuf;

use clap::Args;
use zomma_pricing::valuation::Settings;

use crate::batch::{self, BatchArgs, ByNetwork, DividendArgs, Verb};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Columns in: option_type (call|put), strike, expiry_years or expiry, risk_free_rate, price, and spot (with
dividend_yield, 0 where absent) for Black-Scholes-Merton or forward for Black-76; model (bsm|black76) overrides,
and exercise_style (european|american|bermudan) is the row's own. Cash dividends: dividends (time_years:amount;time_years:amount)
or --dividends FILE. Barriers, digitals and Bermudan options: the columns of zomma price; a price that more than one volatility
gives, as that of a digital may, is several_volatilities.
Columns out: the input's, then implied_volatility, status. A price that no volatility gives, or that does not
determine one, has an empty cell and a status: below_intrinsic, above_maximum, undetermined. By a network also bad_strike,
bad_expiry, bad_price for what it did not learn.

Example:
  $ cat prices.csv
  option_type,forward,strike,expiry_years,risk_free_rate,price
  put,100,95,0.5,0.02,3.5
  $ zomma iv prices.csv -o vols.csv
  $ zomma train --example implied_volatility > vols.toml && zomma train vols.toml -o runs/vols
  $ zomma iv prices.csv -o vols.csv --network runs/vols/network.bin";

/// Arguments of `zomma iv`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct IvArgs {
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    dividends: DividendArgs,
    /// Take the volatilities from a network that `zomma train` taught implied volatilities; rows outside of what it learned get
    /// the status of the field at fault.
    #[arg(long, value_name = "NETWORK", conflicts_with_all = ["model", "exercise", "dividends"])]
    network: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &IvArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.network {
        return batch::run_by_network(&args.batch, ByNetwork::of_volatilities(path)?);
    }
    batch::run(Verb::ImpliedVolatility, &args.batch, Settings::default(), &args.dividends)
}

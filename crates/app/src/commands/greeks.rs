//! `zomma greeks`: a table of options in, price and 18 Greeks out.

use clap::Args;

use crate::batch::{self, BatchArgs, DividendArgs, MethodArgs, Units, Verb};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Columns in: as `zomma price`.
Columns out: the input's, then price, delta, gamma, vega, theta, rho, phi, vanna, charm, vomma, veta, vera, speed,
zomma, color, ultima, dual_delta, dual_gamma, lambda, status.

Raw units: vega per 1.00 of volatility, rho and phi per 1.00 of rate, theta, charm, color and veta per year of calendar
time. Under Black-76 delta and its kin are by the forward, rho = -T V, and phi is empty.
--units trader: vega, rho, phi, vanna, zomma per point; vomma, vera per point squared; ultima per point cubed;
theta, charm, color per day; veta per point and day.

Example:
  $ zomma greeks options.csv --units trader -o greeks.csv";

/// Arguments of `zomma greeks`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct GreeksArgs {
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    dividends: DividendArgs,
    #[command(flatten)]
    method: MethodArgs,
    /// Units of the Greeks.
    #[arg(long, value_enum, default_value_t = Units::Raw)]
    units: Units,
}

/// Runs it.
pub fn run(args: &GreeksArgs) -> anyhow::Result<()> {
    batch::run(Verb::Greeks(args.units), &args.batch, args.method.settings(), &args.dividends)
}

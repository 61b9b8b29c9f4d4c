//! `zomma price`: a table of options in, their prices out.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use zomma_pricing::valuation::Order;

use crate::batch::{self, BatchArgs, ByNetwork, DividendArgs, MethodArgs, Units, Verb};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Columns in: option_type (call|put), strike, expiry_years or expiry, risk_free_rate, spot (with dividend_yield, 0 where
absent) or forward, and what the row's model reads: volatility (bsm, black76, bachelier, displaced, merton, kou,
variance_gamma), displacement, v0 kappa theta_v sigma_v rho_v (heston, bates), jump_intensity jump_mean jump_std (bates,
merton), jump_intensity jump_up_probability jump_up_rate jump_down_rate (kou), vg_theta vg_nu (variance_gamma). A row may
name its model and exercise_style (european|american); else --model and --exercise do, else it is European, bsm on a
spot and black76 on a forward. docs/valuation.md says which method values what.
A row may pay cash dividends before expiry (dividends, time_years:amount;time_years:amount, or --dividends FILE); be
exercised at exercise_times (0.25;0.5; exercise_style bermudan); have a barrier_type (down_and_out|down_and_in|up_and_out|
up_and_in|double_out|double_in) with barrier (and barrier_upper), rebate, observation_dates (how many, equally spaced; always
where empty); and a payoff (vanilla|cash_or_nothing with cash_amount|asset_or_nothing|geometric_asian|arithmetic_asian|
fixed_lookback|floating_lookback with extreme). Then a column error_estimate says how exact grid and simulation are.
Columns out: the input's, then price, the Greeks that --greeks asks for, status.

Example:
  $ cat options.csv
  option_type,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility
  call,100,105,0.25,0.03,0.01,0.2
  $ zomma price options.csv
  option_type,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility,price,status
  call,100,105,0.25,0.03,0.01,0.2,2.217680903055785,ok

  $ cat exotics.csv
  option_type,payoff,barrier_type,barrier,dividends,spot,strike,expiry_years,risk_free_rate,volatility
  call,,down_and_out,90,,100,100,0.5,0.03,0.2
  put,cash_or_nothing,,,,100,100,0.5,0.03,0.2
  call,,,,0.25:1.5,100,100,0.5,0.03,0.2
  $ zomma price exotics.csv --greeks first
  $ zomma price options.csv --dividends dividends.csv --valuation-time 2025-01-02 --exercise american

  $ zomma price options.parquet -o priced.parquet --exercise american --greeks second --threads 8
  $ zomma price options.parquet -o priced.parquet --network runs/heston/network.bin
  $ zomma price options.csv --network runs/pinn/network.bin";

/// Arguments of `zomma price`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct PriceArgs {
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    dividends: DividendArgs,
    #[command(flatten)]
    method: MethodArgs,
    /// Greeks beside the price: none, first (delta, vega, theta, rho, phi, dual_delta, lambda), second (and gamma, vanna,
    /// charm, vomma, veta, vera, dual_gamma), all (and speed, zomma, color, ultima).
    #[arg(long, value_enum, default_value_t = GreekOrder::None, hide_possible_values = true, value_name = "ORDER")]
    greeks: GreekOrder,
    /// Units of the Greeks.
    #[arg(long, value_enum, default_value_t = Units::Raw)]
    units: Units,
    /// Price by a network that `zomma train`, `zomma train pinn` or `zomma quantize` wrote, which says the rows' model; rows
    /// outside of what it learned get the status of the field at fault.
    #[arg(
        long,
        value_name = "NETWORK",
        conflicts_with_all = [
            "greeks", "units", "model", "exercise", "method", "accuracy", "paths", "steps_per_year", "seed", "sampling",
            "dividends", "limits",
        ]
    )]
    network: Option<PathBuf>,
}

/// Up to which order Greeks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GreekOrder {
    None,
    First,
    Second,
    All,
}

impl From<GreekOrder> for Order {
    fn from(order: GreekOrder) -> Self {
        match order {
            GreekOrder::None => Self::None,
            GreekOrder::First => Self::First,
            GreekOrder::Second => Self::Second,
            GreekOrder::All => Self::All,
        }
    }
}

/// Runs it.
pub fn run(args: &PriceArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.network {
        return batch::run_by_network(&args.batch, ByNetwork::of_prices(path)?);
    }
    batch::run(Verb::Price(args.greeks.into(), args.units), &args.batch, args.method.settings(), &args.dividends)
}

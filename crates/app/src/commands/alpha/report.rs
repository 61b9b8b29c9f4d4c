//! `zomma alpha report`: what signals told of the price.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use zomma_strategy::alpha::{
    combine::{Method, OnlineGradient, Split},
    evaluation::Cost,
};

use crate::{
    alpha::{self, CombineBy, Combining, Job},
    commands,
    failure::BadArguments,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Reads what `zomma features` or `zomma alpha signals` writes: a column time_ns, a price, signals. For each signal and horizon: the information
coefficient (correlation of the signal with ln p(t + horizon) - ln p(t)), by value and by rank, each with its 95 % band; the hit rate, the
turnover, and what a position of clamp(score, -1, 1), set once a horizon, earned before and after --cost; and how fast the coefficient wears off.
A signal is a column, or the difference of two (microprice:10:5:100-mid). Rows without a value are counted and not filled; a horizon over a
silence of more than an hour has no return. The price is taken between the quotes: a cost below half the spread is none that can be had.

--combine joins the signals at each horizon, walk-forward: weights of rows whose return was known, judged behind the first --train-fraction.

Example:
  $ zomma features day.itch50.gz --date 2012-06-21 --instrument AMZN --features mid,imbalance:5,ofi:10s --every 1s -o amzn.parquet
  $ zomma alpha report amzn.parquet --horizons 1s,10s,1m --cost 2bp --combine ridge";

/// Arguments of `zomma alpha report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ReportArgs {
    /// The table: Parquet, Arrow IPC or CSV; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The instrument, where the table has rows of several (a column symbol or instrument).
    #[arg(long, value_name = "SYMBOL")]
    instrument: Option<String>,
    /// The column of the price.
    #[arg(long, value_name = "COLUMN", default_value = "mid")]
    price: String,
    /// The signals, with commas between them; all other columns where absent.
    #[arg(long, value_name = "LIST")]
    signals: Option<String>,
    /// The horizons, with commas between them.
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = commands::features::parse_pace, default_value = "1s,10s,1m")]
    horizons: Vec<u64>,
    /// What trading one position costs: such as 0.5bp of the price, or 50ticks in the price's own unit.
    #[arg(long, value_name = "COST", value_parser = parse_cost, default_value = "0bp")]
    cost: Cost,
    /// Join the signals by these weights.
    #[arg(long, value_name = "HOW")]
    combine: Option<Combine>,
    /// Share of the rows that is for training alone.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, requires = "combine")]
    train_fraction: f64,
    /// How often the weights are fitted anew behind it.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "combine")]
    folds: usize,
    /// Penalty of the ridge on weights of standardised signals.
    #[arg(long, value_name = "PENALTY", default_value_t = 0.1, requires = "combine")]
    ridge_penalty: f64,
    /// How fast online weights learn.
    #[arg(long, value_name = "RATE", default_value_t = OnlineGradient::default().learning_rate, requires = "combine")]
    learning_rate: f64,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// How signals are joined.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Combine {
    /// Ridge regression.
    Ridge,
    /// Each signal's own forecast by the inverse variance of its errors.
    InverseVariance,
    /// Exponentiated gradient, row by row.
    Online,
}

/// Runs it.
pub fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let mut horizons_ns: Vec<i64> = args.horizons.iter().filter_map(|ns| i64::try_from(*ns).ok()).collect();
    horizons_ns.sort_unstable();
    horizons_ns.dedup();
    if horizons_ns.is_empty() || horizons_ns.len() > 32 {
        return Err(BadArguments(format!("--horizons: {} of them; allowed: 1 to 32", horizons_ns.len())).into());
    }
    let share = args.train_fraction;
    let checks = [
        ("--train-fraction", share, share > 0.0 && share < 1.0, "between 0 and 1"),
        ("--ridge-penalty", args.ridge_penalty, args.ridge_penalty > 0.0 && args.ridge_penalty.is_finite(), "above 0"),
        ("--learning-rate", args.learning_rate, args.learning_rate > 0.0 && args.learning_rate.is_finite(), "above 0"),
        ("--folds", args.folds as f64, (1..=1_000).contains(&args.folds), "1 to 1000"),
    ];
    if let Some((option, value, _, allowed)) = checks.into_iter().find(|(_, _, fits, _)| !fits) {
        return Err(BadArguments(format!("{option} {value}; allowed: a number {allowed}")).into());
    }
    let by = args.combine.map(|how| match how {
        Combine::Ridge => CombineBy::Folds(Method::Ridge(args.ridge_penalty)),
        Combine::InverseVariance => CombineBy::Folds(Method::InverseVariance),
        Combine::Online => CombineBy::Online(OnlineGradient { learning_rate: args.learning_rate }),
    });
    let split = Split { train_fraction: share, folds: args.folds };
    let outcome = alpha::run(&Job {
        path: &args.file,
        instrument: args.instrument.as_deref(),
        price: &args.price,
        signals: args.signals.as_deref(),
        horizons_ns: &horizons_ns,
        cost: args.cost,
        combining: by.map(|by| Combining { by, split }),
    })?;
    if args.json {
        commands::print(&(serde_json::to_string(&alpha::json(&outcome))? + "\n"))
    } else {
        commands::print(&alpha::in_words(&outcome, &args.price, args.cost))
    }
}

fn parse_cost(text: &str) -> Result<Cost, String> {
    const ALLOWED: &str = "a number of 0 or more with its unit: such as 0.5bp, or 50ticks";
    let number = |digits: &str| digits.trim().parse::<f64>().ok().filter(|cost| *cost >= 0.0 && cost.is_finite());
    let basis_points = text.strip_suffix("bp").and_then(number).map(Cost::BasisPoints);
    let ticks = || text.strip_suffix("ticks").or_else(|| text.strip_suffix("tick")).and_then(number).map(Cost::Price);
    basis_points.or_else(ticks).ok_or_else(|| ALLOWED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_has_its_unit() {
        assert_eq!(parse_cost("0.5bp"), Ok(Cost::BasisPoints(0.5)));
        assert_eq!((parse_cost("1tick"), parse_cost("50 ticks")), (Ok(Cost::Price(1.0)), Ok(Cost::Price(50.0))));
        for bad in ["1", "-1bp", "bp", "nanbp", "infticks"] {
            assert!(parse_cost(bad).is_err(), "{bad}");
        }
    }
}

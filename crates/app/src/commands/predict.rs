//! `zomma predict`: what a network of a table says of another table's rows.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use zomma_learn::{table::TablePredictor, training::TrainedNetwork};

use crate::{
    failure::{not_over_itself, refused},
    predict,
    sql::Format,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
The network is one that `zomma train` made of a table (model = \"table\"): it says what its target would be. Every row of the table comes back in
its order, with the columns prediction, status and status_input: ok; outside_training where an input (status_input names it) is below the least or
above the greatest that was learned, so that the prediction is nobody's; missing_input or bad_input where it is empty or cannot be scaled, and
warming_up before the windows of derived columns are full: there is no prediction then. What the config derived (Greeks, indicators, parts of the
time) is derived here by the same code: the table has the columns that it is made of, and its rows in the order of time.

Example:
  $ zomma train --example table > amzn.toml
  $ zomma train amzn.toml -o runs/amzn
  $ zomma predict tomorrow.parquet --network runs/amzn/network.bin -o predicted.parquet";

/// Arguments of `zomma predict`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct PredictArgs {
    /// The table: .parquet, .csv, .tsv, .arrow or .json.
    #[arg(value_name = "TABLE")]
    table: PathBuf,
    /// The network, of `zomma train`.
    #[arg(long, value_name = "NETWORK")]
    network: PathBuf,
    /// Where the rows go: .parquet, .csv, .json or .arrow; CSV on standard output where absent.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Tell what came of it as JSON on standard error.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &PredictArgs) -> anyhow::Result<()> {
    let output = args.output.as_deref().filter(|path| *path != Path::new("-"));
    if let Some(output) = output {
        not_over_itself(&args.table, output)?;
    }
    let network = TrainedNetwork::read(&args.network).context("--network")?;
    let predictor = TablePredictor::new(network).map_err(|error| refused(&args.network, error))?;
    let format = output.is_none().then_some(Format::Csv);
    let done = predict::run(&predictor, &args.table, output, format)?;
    if args.json {
        eprintln!("{}", serde_json::to_string(&done)?);
        return Ok(());
    }
    let mut left = vec![format!("{} rows", done.rows)];
    for (count, what) in [
        (done.outside_training, "outside of what was learned"),
        (done.missing_input, "without a prediction: an input is missing"),
        (done.bad_input, "without a prediction: an input cannot be scaled"),
        (done.warming_up, "without a prediction: a window is not full yet"),
    ] {
        if count > 0 {
            left.push(format!("{count} {what}"));
        }
    }
    if output.is_some() || left.len() > 1 {
        eprintln!("zomma predict: {}", left.join("; "));
    }
    Ok(())
}

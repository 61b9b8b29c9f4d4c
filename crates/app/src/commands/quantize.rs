//! `zomma quantize`: a trained network's hidden layers in 8-bit integers, refused where it loses too much.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use zomma_learn::{
    quantisation::{Calibration, QuantisationOptions, quantise},
    training::TrainedNetwork,
};

use crate::{
    commands,
    failure::{BadArguments, not_over_itself},
    quantize::{Report, json, measure, table},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Rounds the weights of the hidden layers but the first to 8-bit integers with a scale for each unit, and the activations that they are
given to integers of two bytes (or one); the first hidden layer and the last stay f32. Ranges are calibrated on rows of the network's own
training domain. Errors are measured on rows that it never saw, and nothing is written where the quantised network's is more than
--max-error-ratio times the f32 network's. docs/inference.md says what is faster.

Example:
  $ zomma quantize runs/heston/network.bin -o heston-int8.bin
  $ zomma price options.parquet -o priced.parquet --network heston-int8.bin";

/// Arguments of `zomma quantize`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct QuantizeArgs {
    /// The network, as `zomma train` wrote it.
    #[arg(value_name = "NETWORK")]
    network: PathBuf,
    /// Where to.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// How the range of a layer's activations is chosen: min_max (all that was met), percentile, mse (least mean square error).
    #[arg(long, value_enum, default_value_t = CalibrationName::MinMax, hide_possible_values = true, value_name = "HOW")]
    calibration: CalibrationName,
    /// Under --calibration percentile, and refused under others: the range is from (100 - P) to P; 99.9 where absent.
    #[arg(long, value_name = "P", value_parser = parse_percentile)]
    percentile: Option<f64>,
    /// Bits of activations: 16 are two bytes with a dot product each, 8 are one.
    #[arg(long, value_name = "BITS", default_value_t = 16, value_parser = parse_bits)]
    activation_bits: u32,
    /// Round each weight to the nearest integer, instead of so that the layer's sums move least.
    #[arg(long)]
    nearest: bool,
    /// Most error that is allowed, as a multiple of the f32 network's.
    #[arg(long, value_name = "RATIO", default_value_t = 1.5, value_parser = parse_ratio)]
    max_error_ratio: f64,
    /// Threads that compute; all cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
}

/// How ranges are chosen, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum CalibrationName {
    MinMax,
    Percentile,
    Mse,
}

impl CalibrationName {
    /// As the user types it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MinMax => "min_max",
            Self::Percentile => "percentile",
            Self::Mse => "mse",
        }
    }
}

fn parse_percentile(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p: &f64| *p > 50.0 && *p <= 100.0).ok_or_else(|| "a number above 50, up to 100".into())
}

fn parse_bits(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|bits| matches!(bits, 8 | 16)).ok_or_else(|| "allowed: 8, 16".into())
}

fn parse_ratio(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|ratio: &f64| *ratio > 0.0 && ratio.is_finite()).ok_or_else(|| "a number above 0".into())
}

/// Runs it.
pub fn run(args: &QuantizeArgs) -> anyhow::Result<()> {
    let shown = args.network.display();
    if let Some(percentile) = args.percentile.filter(|_| args.calibration != CalibrationName::Percentile) {
        let given = args.calibration.as_str();
        bail!(BadArguments(format!(
            "--percentile {percentile} is of --calibration percentile alone, and that is {given} here"
        )));
    }
    commands::use_threads(args.threads)?;
    let network = TrainedNetwork::read(&args.network)?;
    not_over_itself(&args.network, &args.output)?;
    let options = QuantisationOptions {
        calibration: match args.calibration {
            CalibrationName::MinMax => Calibration::MinMax,
            CalibrationName::Percentile => Calibration::Percentile(args.percentile.unwrap_or(99.9)),
            CalibrationName::Mse => Calibration::Mse,
        },
        activation_bits: args.activation_bits,
        compensation: !args.nearest,
    };
    let quantised = quantise(&network, &options).map_err(|error| anyhow::anyhow!("{shown}: {error}"))?;
    // NaN is no ratio that is allowed.
    let is_allowed = quantised.errors.ratio() <= args.max_error_ratio;
    if is_allowed {
        quantised.write(&args.output)?;
    }
    let report = Report {
        network: &network,
        quantised: &quantised,
        calibration: args.calibration.as_str(),
        output: is_allowed.then_some(args.output.as_path()),
        speed: measure(&network, &quantised)?,
    };
    let for_programs = serde_json::to_string_pretty(&json(&report))? + "\n";
    commands::print(if args.json { for_programs } else { table(&report) }.as_str())?;
    if !is_allowed {
        bail!(
            "{}: nothing is written: the error is {:.3} times that of {shown}, and {} is allowed (--max-error-ratio)",
            args.output.display(),
            quantised.errors.ratio(),
            args.max_error_ratio
        );
    }
    Ok(())
}

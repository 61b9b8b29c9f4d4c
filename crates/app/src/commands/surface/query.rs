//! `zomma surface query`: what a surface says at points.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use zomma_gpu::{DeviceKind, DeviceRequest};
use zomma_pricing::surface::fitted::{Place, SavedSurface};

use crate::{
    batch::{self, BatchArgs, Format, Precision},
    commands,
    failure::BadArguments,
    gpu_config::GpuConfigArgs,
    surface,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
POINTS has the columns expiry_years (or expiry, with --valuation-time), and strike or log_moneyness = ln(strike/forward); where
a row has both, log_moneyness holds. A strike is taken against the row's forward, else the surface's own forward to
that expiry. Columns out: the input's, then implied_volatility, total_variance, density (of ln(S/F) at log_moneyness),
local_volatility, of kriging standard_error (of the volatility, given the quotes), and status.

Example:
  $ zomma surface query surfaces/ZMX-2025-06-13.json --strike 6000,6400 --expiry-years 0.1,0.25
  $ zomma surface query surface.json points.csv -o answers.csv";

/// Arguments of `zomma surface query`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct QueryArgs {
    /// The surface: a file of `zomma surface fit` or of `zomma analyze`.
    #[arg(value_name = "SURFACE.json")]
    surface: PathBuf,
    /// Strikes, with commas between them; each is asked at each expiry.
    #[arg(
        long,
        value_name = "K,...",
        value_delimiter = ',',
        allow_hyphen_values = true,
        conflicts_with = "log_moneyness"
    )]
    strike: Vec<f64>,
    /// Log-moneynesses, with commas between them.
    #[arg(long, value_name = "K,...", value_delimiter = ',', allow_hyphen_values = true)]
    log_moneyness: Vec<f64>,
    /// Years to expiry, with commas between them.
    #[arg(long, value_name = "T,...", value_delimiter = ',', allow_hyphen_values = true)]
    expiry_years: Vec<f64>,
    /// Points: CSV, Parquet or Arrow IPC, told by ending or content; `-` reads standard input.
    #[arg(value_name = "POINTS")]
    points: Option<PathBuf>,
    /// Where to: .csv, .parquet or .arrow; `-` is standard output.
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    /// Format of the output, where its ending does not say it.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Instant of valuation, needed for a column `expiry`: 2019-04-25T15:45 (New York), or with an offset or Z.
    #[arg(long, value_name = "TIME", value_parser = batch::parse_instant)]
    valuation_time: Option<jiff::Timestamp>,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Report counts as one line of JSON: on standard output, or on standard error where the table goes there.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &QueryArgs) -> anyhow::Result<()> {
    commands::refuse_two_of_standard_input(&[
        ("the surface", Some(args.surface.as_path())),
        ("POINTS", args.points.as_deref()),
    ])?;
    let saved = surface::read(&args.surface)?;
    let has_grid = !args.expiry_years.is_empty() || !args.strike.is_empty() || !args.log_moneyness.is_empty();
    let Some(points) = &args.points else { return grid(args, &saved) };
    if has_grid {
        bail!(BadArguments("POINTS and --strike, --log-moneyness or --expiry-years exclude each other".into()));
    }
    let batch = BatchArgs {
        input: points.clone(),
        output: args.output.clone(),
        format: args.format,
        valuation_time: args.valuation_time,
        model: None,
        exercise: None,
        precision: Precision::F64,
        threads: args.threads,
        // A surface is asked on the processor.
        gpu: GpuConfigArgs {
            device: Some(DeviceRequest::Device { kind: DeviceKind::Cpu, index: 0 }),
            ..GpuConfigArgs::default()
        },
        json: args.json,
    };
    batch::run_query(&batch, saved)
}

/// The crossing of strikes and expiries that the flags name, as CSV on standard output.
fn grid(args: &QueryArgs, saved: &SavedSurface) -> anyhow::Result<()> {
    let of_strikes = args.log_moneyness.is_empty();
    let places = if of_strikes { &args.strike } else { &args.log_moneyness };
    if places.is_empty() || args.expiry_years.is_empty() {
        bail!(BadArguments("POINTS is needed, or --expiry-years with --strike or --log-moneyness".into()));
    }
    let columns = batch::query_columns(saved);
    let name = if of_strikes { "strike" } else { "log_moneyness" };
    let mut text = format!("{name},expiry_years,{},status\n", columns.join(","));
    let mut usable = 0;
    for &expiry_years in &args.expiry_years {
        for &place in places {
            let (strike, log_moneyness) = if of_strikes { (Some(place), None) } else { (None, Some(place)) };
            let (values, status) =
                batch::ask_surface(saved, &Place { strike, log_moneyness, forward: None, expiry_years });
            let cell = |value: &f64| if value.is_finite() { value.to_string() } else { String::new() };
            let cells: Vec<String> = [place, expiry_years].iter().chain(&values[..columns.len()]).map(cell).collect();
            text += &format!("{},{status}\n", cells.join(","));
            usable += usize::from(values[0].is_finite());
        }
    }
    commands::print(&text)?;
    // A point without a volatility is an answer too, but not the only one.
    if usable == 0 {
        bail!("{}: no point has a volatility; see the column status", args.surface.display());
    }
    Ok(())
}

//! `zomma surface fit`: quotes in, a surface out.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use rayon::prelude::*;
use zomma_pricing::surface::{
    SliceQuotes, Svi,
    batch::{SliceColumns, launch},
    fitted::{SavedSurface, SurfaceModel},
};

use super::model_args::{ModelArgs, no_wheel, parse_model};
use crate::{
    batch::Engine,
    chain_days::Days,
    commands::{self, chain_args::ChainArgs},
    failure,
    gpu_config::GpuConfigArgs,
    surface::{self, FitOptions, Quotes},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
CHAIN is what `zomma analyze` reads (a file, a directory or a tar of option chains), or one table of volatilities: strike or
log_moneyness, expiry_years, forward, implied_volatility, and where it has them bid_volatility, ask_volatility,
open_interest. Of many days -o names a directory, and each day becomes <underlying>-<date>.json there,
a second snapshot of a date <underlying>-<date>-<HHMM>.json.
docs/surfaces.md says what each model is, what it costs and where it fails.

A device (--device) serves the model svi alone: the slices of all days are fitted at once there, each by itself, and the processor's fits of
the slices start from that. The joint fit without arbitrage is the processor's, on all cores, as is every other model.

Example:
  $ zomma demo chain -o chain.csv
  $ zomma surface fit chain.csv -o surfaces
  $ zomma surface query surfaces/ZMX-2025-06-13.json --strike 6000,6400 --expiry-years 0.25
  $ zomma surface fit spx_2019.tar.xz --model svi -o surfaces
  $ zomma surface fit aapl.csv --dividends dividends.csv -o aapl.json      where dividends.csv has underlying,ex_date,amount";

/// Arguments of `zomma surface fit`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct FitArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Model of the surface.
    #[arg(long, default_value = "svi", value_parser = parse_model)]
    model: SurfaceModel,
    #[command(flatten)]
    options: ModelArgs,
    /// Where to: a file, or a directory where CHAIN holds many days; - is standard output, the report then goes to standard error. Without it only
    /// the report is printed.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    #[command(flatten)]
    gpu: GpuConfigArgs,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Print the surface as JSON in place of the report (of many days, a line each).
    #[arg(long)]
    json: bool,
}

/// One day, fitted.
struct Day {
    quotes: Quotes,
    surface: SavedSurface,
    /// Whether its file is there already.
    is_written: bool,
}

/// Runs it.
pub fn run(args: &FitArgs) -> anyhow::Result<()> {
    commands::use_threads(args.threads)?;
    if let Some(output) = &args.output {
        commands::keep_input(&args.chain.chain, output)?;
    }
    let is_to_stdout = args.output.as_deref() == Some(Path::new("-"));
    let output = args.output.as_deref().filter(|_| !is_to_stdout);
    let options = args.options.options(args.model, &args.chain)?;
    let config = args.chain.config(no_wheel())?;
    let engine = Engine::choose(&args.gpu.load()?)?;
    let read = args.chain.read_options();
    let days = if engine.is_cpu() || args.model != SurfaceModel::Svi {
        surface::read_days(&args.chain.chain, &read, &config, true, |quotes| {
            let surface = surface::fit(&quotes, &options)?;
            // A day of a tar is there as soon as it is fitted, and not only when all are.
            let folder = output.filter(|_| quotes.one_of_many);
            folder.map(|folder| write_day(folder, &quotes, &surface)).transpose()?;
            Ok(Day { is_written: folder.is_some(), quotes, surface })
        })?
    } else {
        let read = surface::read_days(&args.chain.chain, &read, &config, true, Ok)?;
        on_device(&engine, read, &options)?
    };
    for note in engine.notes() {
        eprintln!("zomma surface fit: {note}");
    }
    args.chain.warn_of_dividends("zomma surface fit", config.dividends.as_deref());
    for (source, error) in &days.failed {
        eprintln!("zomma surface fit: {}", failure::of_source(source, error));
    }
    if let Some(output) = output {
        write(output, &days.done, days.many)?;
    }
    let (mut json, mut text) = (String::new(), String::new());
    for day in &days.done {
        if args.json || is_to_stdout {
            let line = if days.many {
                serde_json::to_string(&day.surface)
            } else {
                serde_json::to_string_pretty(&day.surface)
            };
            json += &(line? + "\n");
        }
        if days.many {
            text += &surface::fit_line(&day.quotes.title(), &day.surface);
        } else {
            text += &surface::fit_text(&day.quotes.title(), &day.surface, &day.quotes.notes);
        }
    }
    if days.is_short() {
        text += &format!("\n{} days fitted; how many more there are could not be read\n", days.done.len());
    } else if days.many {
        text += &format!("\n{} of {} days fitted\n", days.done.len(), days.done.len() + days.failed.len());
    }
    match (args.json, is_to_stdout) {
        (true, _) => commands::print(&json)?,
        (false, true) => {
            eprint!("{text}");
            commands::print(&json)?;
        }
        (false, false) => commands::print(&text)?,
    }
    if days.done.is_empty() {
        bail!("{}: no day could be fitted", args.chain.chain.display());
    }
    days.whole(&args.chain.chain)
}

/// Fits every day from slices that the device fitted, those of all days at once.
fn on_device(engine: &Engine, read: Days<Quotes>, options: &FitOptions) -> anyhow::Result<Days<Day>> {
    let slices: Vec<SliceQuotes> = read.done.iter().flat_map(|quotes| quotes.quoted.slices.iter().cloned()).collect();
    let alone = launch::fit_slices(engine.runner(), &SliceColumns::from_slices(&slices))?;
    let mut first = 0;
    let starts: Vec<Vec<Option<Svi>>> = read
        .done
        .iter()
        .map(|quotes| {
            let of_day = first..first + quotes.quoted.slices.len();
            first = of_day.end;
            of_day.map(|i| alone.svi(i)).collect()
        })
        .collect();
    let fit = |(quotes, starts): (Quotes, Vec<Option<Svi>>)| {
        let surface = surface::fit_svi_from(&quotes, options, &starts);
        (quotes, surface)
    };
    let mut days = Days { done: Vec::new(), failed: read.failed, many: read.many };
    let fitted: Vec<_> = read.done.into_par_iter().zip(starts).map(fit).collect();
    for (quotes, surface) in fitted {
        match surface {
            Ok(surface) => days.done.push(Day { quotes, surface, is_written: false }),
            Err(error) => days.failed.push((quotes.source, error)),
        }
    }
    Ok(days)
}

/// Writes one surface to a file, or each of many to a file of its own.
fn write(output: &Path, days: &[Day], many: bool) -> anyhow::Result<()> {
    if !many {
        return days.iter().try_for_each(|day| surface::write(output, &day.surface));
    }
    let mut left = days.iter().filter(|day| !day.is_written);
    left.try_for_each(|day| write_day(output, &day.quotes, &day.surface))
}

/// Writes the surface of one day of many to a file of its own.
fn write_day(folder: &Path, quotes: &Quotes, surface: &SavedSurface) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("-o {}: cannot make the directory", folder.display()))?;
    surface::write(&folder.join(surface::file_name(quotes)), surface)
}

//! `zomma surface plot`: a surface drawn.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Args;
use zomma_market::chain::ReadOptions;
use zomma_pricing::surface::{SliceQuotes, fitted::quotes_hash};
use zomma_strategy::analysis::AnalysisConfig;

use super::model_args::no_wheel;
use crate::{batch, commands, failure::BadArguments, output_file, surface};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
The ending of OUT says what is drawn: .svg four panels (smiles, at the money, densities, local volatilities), .html the same
and the surface itself, to turn and to read, in one file that loads nothing. At most 12 expiries are drawn.

Example:
  $ zomma surface fit spx_20190425.csv -o surface.json
  $ zomma surface plot surface.json --quotes spx_20190425.csv -o surface.html";

/// Arguments of `zomma surface plot`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct PlotArgs {
    /// The surface: a file of `zomma surface fit` or of `zomma analyze`.
    #[arg(value_name = "SURFACE.json")]
    surface: PathBuf,
    /// Quotes to draw beside the smiles: a chain of one day, or a table of volatilities.
    #[arg(long, value_name = "CHAIN")]
    quotes: Option<PathBuf>,
    /// Cash dividends of the quotes' underlying, where the surface was fitted with them.
    #[arg(long, value_name = "FILE", requires = "quotes")]
    dividends: Option<PathBuf>,
    /// Where to: .svg or .html.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// Runs it.
pub fn run(args: &PlotArgs) -> anyhow::Result<()> {
    let is_page = match args.output.extension().and_then(|ending| ending.to_str()) {
        Some("html") => true,
        Some("svg") => false,
        _ => bail!(BadArguments(format!("-o {}: allowed endings: .svg, .html", args.output.display()))),
    };
    let dividends = args.dividends.as_deref();
    commands::refuse_two_of_standard_input(&[
        ("the surface", Some(args.surface.as_path())),
        ("--quotes", args.quotes.as_deref()),
        ("--dividends", dividends),
    ])?;
    let saved = surface::read(&args.surface)?;
    let quotes = args.quotes.as_deref().map(|path| read_quotes(path, dividends)).transpose()?.unwrap_or_default();
    if !quotes.is_empty() && quotes_hash(&quotes) != saved.quotes_hash {
        eprintln!("zomma surface plot: --quotes are not those that {} was fitted to", args.surface.display());
    }
    let title = title(&args.surface, saved.underlying.as_deref(), saved.quote_time.as_deref());
    let bytes = if is_page {
        surface::html(&title, &saved, &quotes)?
    } else {
        surface::svg(&title, &saved, &quotes)?.into_bytes()
    };
    output_file::write(&args.output, &bytes).with_context(|| format!("cannot write {}", args.output.display()))
}

fn title(path: &Path, underlying: Option<&str>, quote_time: Option<&str>) -> String {
    let words: Vec<&str> = [underlying, quote_time].into_iter().flatten().collect();
    if words.is_empty() { path.display().to_string() } else { words.join(", ") }
}

/// The quotes of the one day behind a path.
fn read_quotes(path: &Path, dividends: Option<&Path>) -> anyhow::Result<Vec<SliceQuotes>> {
    let config = AnalysisConfig {
        exercise_style: None,
        quote_time: None,
        rate_curve: Vec::new(),
        dividend_yield: None,
        dividends: dividends.map(batch::dividends_of_chains).transpose()?.map(Arc::new),
        wheel: no_wheel(),
    };
    let mut days = surface::read_days(path, &ReadOptions::default(), &config, false, Ok)?;
    match (days.done.len(), days.failed.pop()) {
        (1, None) => Ok(days.done.remove(0).quoted.slices),
        (0, Some((source, error))) => Err(error.context(source)),
        (days, _) => bail!(BadArguments(format!("--quotes {}: holds {days} days; one is drawn", path.display()))),
    }
}

//! `zomma surface fit`: quotes in, a surface out.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use zomma_pricing::surface::fitted::{SavedSurface, SurfaceModel};

use super::model_args::{ModelArgs, no_wheel, parse_model};
use crate::{
    commands::{self, chain_args::ChainArgs},
    failure,
    surface::{self, Quotes},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
CHAIN is what `zomma analyze` reads (a file, a directory or a tar of option chains), or one table of volatilities: strike or
log_moneyness, expiry_years, forward, implied_volatility, and where it has them bid_volatility, ask_volatility,
open_interest. Of many days -o names a directory, and each day becomes <underlying>-<date>.json there.
docs/surfaces.md says what each model is, what it costs and where it fails.

Example:
  $ zomma demo chain -o chain.csv
  $ zomma surface fit chain.csv -o surface.json
  $ zomma surface query surface.json --strike 100 --expiry-years 0.25
  $ zomma surface fit spx_2019.tar.xz --model svi -o surfaces";

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
    /// Where to: a file, or a directory where CHAIN holds many days. Without it only the report is printed.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
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
}

/// Runs it.
pub fn run(args: &FitArgs) -> anyhow::Result<()> {
    commands::use_threads(args.threads)?;
    let options = args.options.options(args.model)?;
    let config = args.chain.config(no_wheel())?;
    let days = surface::read_days(&args.chain.chain, &args.chain.read_options(), &config, true, |quotes| {
        let surface = surface::fit(&quotes, &options)?;
        Ok(Day { quotes, surface })
    })?;
    for (source, error) in &days.failed {
        eprintln!("zomma surface fit: {}", failure::of_source(source, error));
    }
    if let Some(output) = &args.output {
        write(output, &days.done, days.many)?;
    }
    let mut text = String::new();
    for day in &days.done {
        if args.json {
            let line = if days.many {
                serde_json::to_string(&day.surface)
            } else {
                serde_json::to_string_pretty(&day.surface)
            };
            text += &(line? + "\n");
        } else if days.many {
            text += &surface::fit_line(&day.quotes.title(), &day.surface);
        } else {
            text += &surface::fit_text(&day.quotes.title(), &day.surface, &day.quotes.notes);
        }
    }
    if days.many && !args.json {
        text += &format!("\n{} of {} days fitted\n", days.done.len(), days.done.len() + days.failed.len());
    }
    commands::print(&text)?;
    if days.done.is_empty() {
        bail!("{}: no day could be fitted", args.chain.chain.display());
    }
    Ok(())
}

/// Writes one surface to a file, or each of many to a file of its own.
fn write(output: &Path, days: &[Day], many: bool) -> anyhow::Result<()> {
    if !many {
        return days.iter().try_for_each(|day| surface::write(output, &day.surface));
    }
    std::fs::create_dir_all(output).with_context(|| format!("-o {}: cannot make the directory", output.display()))?;
    for day in days {
        surface::write(&output.join(surface::file_name(&day.quotes)), &day.surface)?;
    }
    Ok(())
}

//! `zomma surface history`: many days, each with the day before as its prior, and the paths of the parameters.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use zomma_pricing::surface::fitted::{FittedSurface, SurfaceModel};

use super::model_args::{ModelArgs, no_wheel, parse_model};
use crate::{
    commands::{self, chain_args::ChainArgs},
    failure, output_file,
    surface::{self, FitOptions, FittedDay, drift_text, fit_line, history_html, parameters_csv, shapes_csv},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Days are fitted in the order of their dates. Each starts from the day before of the same underlying, or from --prior, and is pulled
towards it with the weight 1, andreasen_huge 0.1 (--tikhonov gives another, 0 none): many quotes hardly feel that, few leave what they
do not tell as it was. The splines of total variance, smoothing_spline, rbf and kriging are not pulled. OUT gets
<underlying>-<date>.json of each day, shapes.csv (volatility, skew and curvature at the money at constant maturities),
parameters.csv (the model's own, with standard errors) and history.html, which draws them. A second snapshot of a date has its time
behind the date, as -HHMM, in the files too.

Example:
  $ zomma surface history spx_2019.tar.xz --model essvi --tikhonov 0.1 -o history";

/// Arguments of `zomma surface history`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct HistoryArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Model of the surfaces.
    #[arg(long, default_value = "svi", value_parser = parse_model)]
    model: SurfaceModel,
    #[command(flatten)]
    options: ModelArgs,
    /// Directory for the outputs; made where it is absent. Without it only the table is printed.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
}

/// Runs it.
pub fn run(args: &HistoryArgs) -> anyhow::Result<()> {
    commands::use_threads(args.threads)?;
    let options = args.options.options(args.model, &args.chain)?;
    let config = args.chain.config(no_wheel())?;
    if let Some(output) = &args.output {
        std::fs::create_dir_all(output)
            .with_context(|| format!("-o {}: cannot make the directory", output.display()))?;
    }
    let path = &args.chain.chain;
    // Reading and inverting days is done side by side; fits wait for the day before.
    let mut read = surface::read_days(path, &args.chain.read_options(), &config, true, Ok)?;
    // Snapshots of a date come one after the other, in the order of their times.
    read.done.sort_by(|a, b| {
        (&a.quoted.underlying, &a.quoted.quote_time).cmp(&(&b.quoted.underlying, &b.quoted.quote_time))
    });
    args.chain.warn_of_dividends("zomma surface history", config.dividends.as_deref());
    for (source, error) in &read.failed {
        eprintln!("zomma surface history: {}", failure::of_source(source, error));
    }
    let mut before: HashMap<String, FittedSurface> = HashMap::new();
    let (mut days, mut text, mut unfitted) = (Vec::new(), String::new(), read.failed.len());
    for quotes in &read.done {
        let underlying = quotes.quoted.underlying.clone().unwrap_or_default();
        let prior = before.get(&underlying).cloned().or_else(|| options.prior.clone());
        let mut of_day = FitOptions { prior, ..options.clone() };
        // Without a day before, λ would pull to the model's typical parameters.
        if args.options.tikhonov().is_none() && of_day.prior.is_some() {
            of_day.settings.calibration.tikhonov = args.model.usual_pull();
        }
        let fitted = match surface::fit(quotes, &of_day) {
            Ok(fitted) => fitted,
            Err(error) => {
                unfitted += 1;
                eprintln!("zomma surface history: {}", failure::words(&error));
                continue;
            }
        };
        text += &fit_line(&quotes.title(), &fitted);
        if let Some(output) = &args.output {
            surface::write(&output.join(surface::file_name(quotes)), &fitted)?;
        }
        before.insert(underlying.clone(), fitted.surface.clone());
        let date = quotes.label.clone().unwrap_or_else(|| quotes.source.clone());
        days.push(FittedDay { underlying, date, surface: fitted });
    }
    if days.is_empty() {
        bail!("{}: no day could be fitted", path.display());
    }
    let count = if read.is_short() {
        format!("{} days fitted; how many more there are could not be read", days.len())
    } else {
        format!("{} of {} days fitted", days.len(), days.len() + unfitted)
    };
    text += &format!("\n{count}\n\n{}", drift_text(&days));
    if let Some(output) = &args.output {
        write(output, &title(path, args.model), &days)?;
    }
    commands::print(&text)?;
    read.whole(path)
}

fn title(path: &Path, model: SurfaceModel) -> String {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    format!("{name}: {}", model.as_str())
}

fn write(output: &Path, title: &str, days: &[FittedDay]) -> anyhow::Result<()> {
    let files = [
        ("shapes.csv", shapes_csv(days).into_bytes()),
        ("parameters.csv", parameters_csv(days).into_bytes()),
        ("history.html", history_html(title, days)?),
    ];
    for (name, bytes) in files {
        let path = output.join(name);
        output_file::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

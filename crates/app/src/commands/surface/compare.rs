//! `zomma surface compare`: models side by side on the same quotes.

use std::{
    fmt::Write,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::bail;
use clap::Args;
use zomma_pricing::surface::fitted::SurfaceModel;

use super::model_args::{ModelArgs, no_wheel, parse_model};
use crate::{
    batch::LateBar,
    commands::{self, chain_args::ChainArgs},
    failure,
    surface::{self, Outcome, compare, error, pooled, share},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Each model is fitted to all quotes (error, share inside bid-ask, violations, time), and once more without every third strike of
each slice, on which it is then measured (held out). Maxima are the local ones of the density within the quoted strikes, the
median over the slices. Of many days: sums over them, and the median time of a fit. Days are fitted side by side; --threads 1
gives times that are of one core.

Example:
  $ zomma surface compare chain.csv --models svi,ssvi,sabr";

/// Arguments of `zomma surface compare`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct CompareArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Models, with commas between them; all where absent.
    #[arg(long, value_name = "MODEL,...", value_delimiter = ',', value_parser = parse_model)]
    models: Vec<SurfaceModel>,
    #[command(flatten)]
    options: ModelArgs,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Print the comparison as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &CompareArgs) -> anyhow::Result<()> {
    commands::use_threads(args.threads)?;
    let mut models = if args.models.is_empty() { SurfaceModel::ALL.to_vec() } else { args.models.clone() };
    let mut seen = Vec::new();
    models.retain(|model| {
        !seen.contains(model) && {
            seen.push(*model);
            true
        }
    });
    let options = args.options.options_of_each(&models, &args.chain)?;
    let config = args.chain.config(no_wheel())?;
    let fitted = AtomicU64::new(0);
    let bar = Mutex::new(LateBar::new(true, None));
    let one_more = || {
        let count = fitted.fetch_add(1, Ordering::Relaxed) + 1;
        // A poisoned bar has drawn its last.
        if let Ok(mut bar) = bar.lock() {
            bar.at(count);
        }
    };
    let days = surface::read_days(&args.chain.chain, &args.chain.read_options(), &config, false, |quotes| {
        Ok((quotes.title(), compare(&quotes, &models, &options, one_more)))
    })?;
    if let Ok(bar) = bar.lock() {
        bar.end();
    }
    args.chain.warn_of_dividends("zomma surface compare", config.dividends.as_deref());
    for (source, error) in &days.failed {
        eprintln!("zomma surface compare: {}", failure::of_source(source, error));
    }
    let Some((first, _)) = days.done.first() else { bail!("{}: no day could be read", args.chain.chain.display()) };
    let outcomes: Vec<Outcome> = models
        .iter()
        .enumerate()
        .map(|(i, &model)| pooled(model, &days.done.iter().map(|(_, day)| day[i].clone()).collect::<Vec<_>>()))
        .collect();
    if args.json {
        let value = serde_json::json!({ "days": days.done.len(), "models": outcomes });
        commands::print(&(serde_json::to_string_pretty(&value)? + "\n"))?;
    } else {
        let title = if days.done.len() == 1 { first.clone() } else { format!("{} days from {first}", days.done.len()) };
        commands::print(&table(&title, &outcomes))?;
    }
    if outcomes.iter().all(|outcome| outcome.failed.is_some()) {
        bail!("{}: no model could be fitted", args.chain.chain.display());
    }
    days.whole(&args.chain.chain)
}

fn table(title: &str, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let quotes = outcomes.iter().map(|outcome| outcome.quality.quotes).max().unwrap_or(0);
    // Writing to a string does not fail.
    let _ = writeln!(text, "{title}: {quotes} quotes\n");
    let _ = writeln!(
        text,
        "  {:<22}{:>9}{:>9}{:>13}{:>13}{:>12}{:>8}{:>8}{:>11}",
        "model", "inside", "error", "held out in", "held out err", "violations", "maxima", "notes", "ms"
    );
    for outcome in outcomes {
        let name = outcome.model.as_str();
        let _ = match &outcome.failed {
            Some(why) => writeln!(text, "  {name:<22}  no fit: {why}"),
            None => writeln!(
                text,
                "  {name:<22}{:>9}{:>9}{:>13}{:>13}{:>12}{:>8}{:>8}{:>11.2}",
                share(&outcome.quality),
                error(&outcome.quality),
                share(&outcome.held_out),
                error(&outcome.held_out),
                outcome.violations,
                outcome.density_maxima,
                outcome.notes,
                outcome.fit_ms
            ),
        };
    }
    text
}

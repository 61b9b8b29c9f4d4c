//! `zomma train`: a network from its config.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use zomma_learn::{
    LearnError,
    config::{EXAMPLE as BLACK_SCHOLES, HESTON_EXAMPLE, IMPLIED_VOLATILITY_EXAMPLE, TrainConfig},
    training::{RunFolder, Trainer},
};

use crate::{
    commands,
    failure::{BadArguments, ExitWith},
    output_file,
    train::{Report, Watcher, json, measure, table},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Trains a network that prices options from one config (TOML or JSON): features, layers, domain, schedule. Labels are made on the way by the
same formulae that `zomma price` uses. The run's folder gets the network, checkpoints, and metrics.csv; Ctrl-C writes a checkpoint and
leaves, and --resume goes on from there bit for bit. It ends with the errors on rows that the network never saw, and with what an option
costs by the network and by the formula.

Example:
  $ zomma train --example > black_scholes.toml
  $ zomma train black_scholes.toml -o runs/black_scholes
  $ zomma train black_scholes.toml -o runs/black_scholes --resume
  $ zomma train --example heston > heston.toml
  $ zomma train --example implied_volatility > implied_volatility.toml";

/// A config that `--example` prints.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ExampleConfig {
    /// Prices under Black–Scholes.
    BlackScholes,
    /// Prices under Heston.
    Heston,
    /// The volatility that a price implies.
    ImpliedVolatility,
}

/// Arguments of `zomma train`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct TrainArgs {
    /// The config, TOML or JSON.
    #[arg(value_name = "CONFIG", required_unless_present = "example")]
    config: Option<PathBuf>,
    /// Print a commented config and leave.
    #[arg(long, value_name = "NETWORK", num_args = 0..=1, default_missing_value = "black_scholes")]
    example: Option<ExampleConfig>,
    /// Go on from the folder's checkpoint.
    #[arg(long)]
    resume: bool,
    /// The run's folder; runs/ and the config's name where absent.
    #[arg(short, long, value_name = "RUN_DIR")]
    output: Option<PathBuf>,
    /// Threads that compute; all cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    if let Some(example) = args.example {
        return commands::print(match example {
            ExampleConfig::BlackScholes => BLACK_SCHOLES,
            ExampleConfig::Heston => HESTON_EXAMPLE,
            ExampleConfig::ImpliedVolatility => IMPLIED_VOLATILITY_EXAMPLE,
        });
    }
    let Some(path) = &args.config else { bail!(BadArguments("CONFIG is needed, or --example".into())) };
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("{shown}: cannot be read"))?;
    let config = TrainConfig::parse(&text).map_err(|error| BadArguments(format!("{shown}: {error}")))?;
    commands::use_threads(args.threads)?;
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => PathBuf::from("runs").join(path.file_stem().unwrap_or_default()),
    };
    let held = RunFolder::open(&folder)?;
    let mut watcher = Watcher::new().context("signals")?;
    let mut trainer =
        Trainer::new(config.clone(), held, args.resume, &zomma_engines::engine).map_err(|error| match error {
            LearnError::BadValue { .. } | LearnError::Missing { .. } => {
                anyhow::Error::new(BadArguments(format!("{shown}: {error}")))
            }
            error => error.into(),
        })?;
    eprintln!("{}: {}", folder.display(), trainer.describe());
    let outcome = trainer.train(&mut watcher);
    watcher.end();
    let outcome = outcome?;
    let Some(network) = &outcome.network else {
        let step = outcome.progress.step;
        let message = format!("stopped after step {step}; the checkpoint is written: go on with --resume");
        // What a shell shows for a program that Ctrl-C ended.
        bail!(ExitWith { code: 130, message: Some(message) });
    };
    let report = Report {
        model: config.data.model,
        folder: &folder,
        ending: outcome.ending,
        network,
        progress: &outcome.progress,
        samples_per_second: watcher.samples_per_second(&outcome.progress),
        speed: measure(&config, network)?,
    };
    let for_programs = serde_json::to_string_pretty(&json(&report))? + "\n";
    let report_path = folder.join("report.json");
    output_file::write(&report_path, for_programs.as_bytes())
        .with_context(|| format!("{}: cannot be written", report_path.display()))?;
    commands::print(if args.json { for_programs } else { table(&report) }.as_str())
}

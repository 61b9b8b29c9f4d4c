//! `zomma tune`: a search of hyperparameters.

use std::{
    path::{Path, PathBuf},
    thread,
};

use anyhow::bail;
use clap::{Args, Subcommand};
use zomma_learn::search::{TUNE_EXAMPLE, TuneConfig};
use zomma_storage::{
    block_on,
    studies::{Direction, Studies, check_address},
};

use crate::{
    bench::available_bytes,
    commands, config_file,
    failure::{BadArguments, ExitWith, not_a_file},
    train::memory,
    tune::{self, Found, Job},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Trains networks of one config with other values for some of its keys, and finds which are good: by the tree-structured Parzen estimator,
by chance, or evenly; those that others leave behind are given up early. The study lies in SQLite or PostgreSQL in Optuna's own schema:
Optuna and its dashboard open it. Several processes, on several machines with PostgreSQL, can work on one study; one that was killed
loses the trial it was at. Every trial trains in a folder of its own.

Example:
  $ zomma tune --example > search.toml
  $ zomma tune search.toml -o runs/search
  $ zomma tune search.toml -o runs/search --study postgres://me@host/studies
  $ zomma tune report runs/search
  $ optuna-dashboard sqlite:///runs/search/study.db";

/// Arguments of `zomma tune`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE, args_conflicts_with_subcommands = true)]
pub struct TuneArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The config, TOML or JSON: a training config with a table `search`.
    #[arg(value_name = "CONFIG", required_unless_present = "example")]
    config: Option<PathBuf>,
    /// Print a commented config and leave.
    #[arg(long)]
    example: bool,
    /// The search's folder; runs/ and the config's name where absent.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Where the study lies, sqlite://FILE or postgres://USER@HOST/DATABASE; study.db in the folder where absent.
    #[arg(long, value_name = "ADDRESS")]
    study: Option<String>,
    /// Threads that compute, all workers together; all cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Print the study as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What a study found.
    Report(ReportArgs),
}

/// Arguments of `zomma tune report`.
#[derive(Debug, Args)]
struct ReportArgs {
    /// The search's folder, or the study's address.
    #[arg(value_name = "DIR|ADDRESS")]
    place: String,
    /// The study's name, where there are several.
    #[arg(long)]
    name: Option<String>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &TuneArgs) -> anyhow::Result<()> {
    if let Some(Verb::Report(args)) = &args.verb {
        return report(args);
    }
    if args.example {
        return commands::print(TUNE_EXAMPLE);
    }
    let Some(path) = &args.config else { bail!(BadArguments("CONFIG is needed, or --example".into())) };
    let shown = path.display();
    let text = config_file::read(path)?;
    let config = TuneConfig::parse(&text).map_err(|error| BadArguments(format!("{shown}: {error}")))?;
    if let Some(largest) = config.largest() {
        let share = available_bytes().map(|bytes| bytes / config.search.workers as u64);
        memory::check(&largest, share).map_err(|BadArguments(why)| {
            let workers = match config.search.workers {
                1 => String::new(),
                workers => format!(" by each of search.workers {workers}"),
            };
            BadArguments(format!("{shown}: search.space: its largest trial: {why}{workers}"))
        })?;
    }
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => PathBuf::from("runs").join(path.file_stem().unwrap_or_default()),
    };
    not_a_file(&folder)?;
    if let Some(study) = &args.study {
        check_address(study).map_err(|error| BadArguments(format!("--study {error}")))?;
    }
    let threads = args.threads.or_else(|| thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let summary = tune::run(&Job { config: &config, address: args.study.as_deref(), folder: &folder, threads })?;
    if summary.stopped {
        let message = "stopped; what is told stands: the same command goes on".to_owned();
        bail!(ExitWith { code: 130, message: Some(message) });
    }
    let found = Found {
        place: &folder.display().to_string(),
        name: &config.search.name,
        direction: Direction::Minimize,
        trials: &summary.trials,
        folder: Some(&folder),
    };
    print(&found, args.json)
}

fn report(args: &ReportArgs) -> anyhow::Result<()> {
    let (address, folder) = match args.place.contains("://") {
        true => {
            check_address(&args.place).map_err(|error| BadArguments(error.to_string()))?;
            // The folder of a search that keeps its study in it.
            let file = args.place.strip_prefix("sqlite://").map(|file| file.split('?').next().unwrap_or(file));
            (args.place.clone(), file.and_then(|file| Path::new(file).parent()))
        }
        false => {
            let folder = Path::new(&args.place);
            if !folder.join("study.db").is_file() {
                bail!("{}: no study here: allowed are a search's folder, sqlite://FILE, postgres://…", args.place);
            }
            (tune::in_folder(folder), Some(folder))
        }
    };
    let studies = block_on(Studies::open(&address, 1))?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => match &block_on(studies.names())?[..] {
            [name] => name.clone(),
            [] => bail!("{}: no study in it", args.place),
            names => bail!(BadArguments(format!("{}: --name is needed, one of {}", args.place, names.join(", ")))),
        },
    };
    let (study, direction) = block_on(studies.study(&name))?;
    let trials = block_on(studies.trials(study))?;
    print(&Found { place: &args.place, name: &name, direction, trials: &trials, folder }, args.json)
}

fn print(found: &Found<'_>, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return commands::print(&(serde_json::to_string_pretty(&tune::json(found))? + "\n"));
    }
    commands::print(&tune::table(found))
}

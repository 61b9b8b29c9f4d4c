//! `zomma train`: a network from its config; `zomma train pinn` one that solves an equation.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use zomma_gpu::group::preflight::Transport;
use zomma_learn::{
    LearnError,
    config::{
        AMERICAN_EXAMPLE, EXAMPLE as BLACK_SCHOLES, HESTON_EXAMPLE, IMPLIED_VOLATILITY_EXAMPLE, MONTE_CARLO_EXAMPLE,
        TABLE_EXAMPLE, TrainConfig,
    },
    data::shards::Counts,
    parallel::Group,
    tracking::RunState,
    training::{Ending, RunFolder, Start, Trainer, holds_run},
};

use crate::{
    bench::available_bytes,
    commands::{self, pinn},
    config_file,
    failure::{BadArguments, ExitWith, not_a_file, refused},
    long_run::{StopWish, tell},
    output_file,
    runs::{Session, Tracked},
    store,
    train::{Report, Watcher, json, measure, memory, profile, ranks, summary, table},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Trains a network that prices options from one config (TOML or JSON): features, layers, domain, schedule. Labels are made on the way by the
same formulae that `zomma price` uses, or of simulated paths. The run's folder gets the network, checkpoints, and metrics.csv; Ctrl-C writes a checkpoint and
leaves, and --resume goes on from there bit for bit. It ends with the errors on rows that the network never saw, and with what an option
costs by the network and by the formula.

Ranks that `zomma gpu launch` starts train one network together, each on its part of every batch. When one dies the others write the
checkpoint and leave, and with --restarts the group goes on from it.

Example:
  $ zomma train --example > black_scholes.toml
  $ zomma train black_scholes.toml -o runs/black_scholes
  $ zomma train black_scholes.toml -o runs/black_scholes --resume
  $ zomma train --example heston > heston.toml
  $ zomma train --example implied_volatility > implied_volatility.toml
  $ zomma train --example table > table.toml
  $ zomma train --example american > american.toml
  $ zomma train --example monte_carlo > monte_carlo.toml
  $ zomma gpu launch -n 2 --devices none --restarts 10 -- zomma train black_scholes.toml -o runs/black_scholes
  $ zomma train black_scholes.toml -o runs/profiled --profile --mlflow http://127.0.0.1:5000
  $ zomma train pinn --help";

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
    /// A column of a table of one's own.
    Table,
    /// American options under Black–Scholes.
    American,
    /// Prices under Heston, learned from simulated paths.
    MonteCarlo,
}

/// Arguments of `zomma train`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct TrainArgs {
    /// Another kind of network.
    #[command(subcommand)]
    kind: Option<TrainKind>,
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
    /// Tell an MLflow server too, as `mlflow` of the config's table `tracking` does.
    #[arg(long, value_name = "ADDRESS")]
    mlflow: Option<String>,
    /// Seconds that ranks of a group wait for one another before they give up on one that is silent.
    #[arg(long, value_name = "N", default_value_t = 60.0, value_parser = parse_rank_seconds, allow_negative_numbers = true)]
    rank_seconds: f64,
    /// What sums the gradients of a group's ranks.
    #[arg(long, value_enum, value_name = "BY", default_value = "tcp")]
    collective: CollectiveName,
    /// Take the time of every stage and layer: profile.txt names the bottleneck, trace.json opens in Perfetto.
    #[arg(long)]
    profile: bool,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
}

/// What sums gradients.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum CollectiveName {
    /// Sockets between the ranks' processors.
    Tcp,
    /// NCCL between their GPUs, each rank its own.
    Nccl,
}

/// Kinds of networks with a config of their own.
#[derive(Debug, Subcommand)]
enum TrainKind {
    /// A network that solves a pricing equation, without any price to learn from.
    Pinn(pinn::PinnArgs),
}

/// Runs it.
pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    if let Some(TrainKind::Pinn(args)) = &args.kind {
        return pinn::run(args);
    }
    if let Some(example) = args.example {
        return commands::print(match example {
            ExampleConfig::BlackScholes => BLACK_SCHOLES,
            ExampleConfig::Heston => HESTON_EXAMPLE,
            ExampleConfig::ImpliedVolatility => IMPLIED_VOLATILITY_EXAMPLE,
            ExampleConfig::Table => TABLE_EXAMPLE,
            ExampleConfig::American => AMERICAN_EXAMPLE,
            ExampleConfig::MonteCarlo => MONTE_CARLO_EXAMPLE,
        });
    }
    let Some(path) = &args.config else { bail!(BadArguments("CONFIG is needed, or --example".into())) };
    let shown = path.display();
    let text = config_file::read(path)?;
    let mut config = TrainConfig::parse(&text).map_err(|error| BadArguments(format!("{shown}: {error}")))?;
    if args.mlflow.is_some() {
        config.tracking.mlflow.clone_from(&args.mlflow);
        config.tracking.check().map_err(|error| BadArguments(format!("--mlflow: {error}")))?;
    }
    memory::check(&config, available_bytes()).map_err(|BadArguments(why)| BadArguments(format!("{shown}: {why}")))?;
    commands::use_threads(args.threads)?;
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => PathBuf::from("runs").join(path.file_stem().unwrap_or_default()),
    };
    not_a_file(&folder)?;
    let refused = |error: LearnError| refused(path, error);
    let transport = match args.collective {
        CollectiveName::Tcp => Transport::Tcp,
        CollectiveName::Nccl => Transport::Nccl,
    };
    let group = match ranks::meet(Duration::from_secs_f64(args.rank_seconds), transport)? {
        Some(ring) => Group::meet(Box::new(ring), &config).map_err(refused)?,
        None => Group::alone(),
    };
    let is_first = group.is_first();
    let stop = StopWish::hear().context("signals")?;
    let words = "stopped before the first step; what was kept of the run is as it was: start it again";
    let beginning = stop.while_beginning(is_first.then_some(words)).context("signals")?;
    let held = if is_first { RunFolder::open(&folder)? } else { RunFolder::of_another_rank(&folder) };
    let checkpoints = config.training.checkpoints.as_deref().map(store::create).transpose()?;
    let is_there = || match &checkpoints {
        _ if held.checkpoint().exists() => Ok(true),
        Some(place) if is_first => holds_run(place),
        _ => Ok(false),
    };
    let resume = args.resume || (ranks::started_anew() && is_there()?);
    let (_, slope) = config.data.model.said();
    let mut watcher = Watcher::new(stop, !is_first, slope);
    let place = config.data.shards.as_deref().map(store::open).transpose()?;
    let start = Start { folder: held, resume, group, place, checkpoints };
    let mut trainer = Trainer::new(config.clone(), start, &zomma_engines::engine).map_err(refused)?;
    let step = trainer.state().standing.step;
    // From here on a stop has a checkpoint to write.
    drop(beginning);
    let mut session = if is_first {
        if let Some(Counts { shards, rows, learned, held_out, tested, bad, warming }) = trainer.counts() {
            let left_out = match bad {
                0 => String::new(),
                bad => format!("; {bad} of {rows} rows cannot be learned and are left out"),
            };
            let warming = match warming {
                0 => String::new(),
                warming => format!("; {warming} are early in their file, before a window is full"),
            };
            tell(format_args!(
                "{shards} shards: {learned} rows to learn from, {held_out} held out, {tested} for the last word{left_out}{warming}"
            ));
        }
        let from = if step > 0 { format!("; goes on after step {step}") } else { String::new() };
        tell(format_args!("{}: {}{from}", folder.display(), trainer.describe()));
        Session::begin(&folder, &config, path, resume.then_some(step))?
    } else {
        Session::of_another_rank(&config)
    };
    let profiler = (args.profile && is_first).then(|| profile::begin(&mut trainer));
    let outcome = trainer.train(&mut Tracked { watch: &mut watcher, session: &mut session });
    watcher.end();
    if let (Some(profiler), Ok(_)) = (&profiler, &outcome) {
        match profile::end(&mut trainer, profiler, &folder) {
            Ok(said) => tell(format_args!("{said}")),
            // What was trained is worth more than how long it took.
            Err(error) => tell(format_args!("zomma: {error:#}")),
        }
    }
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            session.end(RunState::Failed, BTreeMap::new());
            return Err(error.into());
        }
    };
    if outcome.ending == Ending::Interrupted {
        session.end(RunState::Stopped, BTreeMap::new());
        let step = outcome.progress.step;
        let message = format!("stopped after step {step}; the checkpoint is written: go on with --resume");
        // What a shell shows for a program that Ctrl-C ended.
        bail!(ExitWith { code: 130, message: is_first.then_some(message) });
    }
    // The first rank tells what came of it.
    let Some(network) = &outcome.network else { return Ok(()) };
    let speed = measure(&config, &trainer, network).unwrap_or_else(|error| {
        // What was trained is worth more than how fast it is.
        tell(format_args!("zomma: what an option costs is not known: {error:#}"));
        None
    });
    let assessment = match trainer.assess(network) {
        Ok(assessment) => assessment,
        Err(error) => {
            session.end(RunState::Failed, BTreeMap::new());
            return Err(error.into());
        }
    };
    let report = Report {
        model: config.data.model,
        folder: &folder,
        ending: outcome.ending,
        network,
        progress: &outcome.progress,
        samples_per_second: watcher.samples_per_second(&outcome.progress),
        speed,
        assessment,
    };
    let written = write(&report);
    // Whatever becomes of the report, the run's end is told.
    session.end(if written.is_ok() { RunState::Finished } else { RunState::Failed }, summary(&report));
    let for_programs = written?;
    commands::print(if args.json { for_programs } else { table(&report) }.as_str())
}

/// Writes report.json; its text.
fn write(report: &Report<'_>) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(&json(report))? + "\n";
    let path = report.folder.join("report.json");
    output_file::write(&path, text.as_bytes()).with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(text)
}

/// Seconds within which ranks must hear of one another.
fn parse_rank_seconds(text: &str) -> Result<f64, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "seconds from 0.1 to 86400".into())
}

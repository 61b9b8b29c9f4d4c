//! `zomma train pinn`: a network that solves a pricing equation, from its config.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;
use zomma_learn::{
    physics::{EXAMPLE as EXAMPLE_CONFIG, PinnConfig, PinnTrainer, validate},
    tracking::RunState,
    training::RunFolder,
};

use crate::{
    commands, config_file,
    failure::{BadArguments, ExitWith, not_a_file, refused},
    long_run, output_file,
    pinn::{Report, Watcher, json, measure, study, svg, table},
    runs::{SolutionSession, TrackedSolution},
    train::ranks,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Trains a network to solve the Black-Scholes equation, one with a local volatility, or Heston's, from the equation alone: no price is learned
from. It ends with a table of errors against closed form, series or finite differences, against Monte Carlo with its error bars, under
stress, with an error estimate made of the residual and its measured coverage, with plots, and with the time that the same accuracy takes by
finite differences and by the series. Ctrl-C leaves; --resume goes on from the last round.

Example:
  $ zomma train pinn --example > pinn.toml
  $ zomma train pinn pinn.toml -o runs/pinn
  $ zomma train pinn pinn.toml -o runs/pinn --resume
  $ zomma train pinn pinn.toml -o runs/told --mlflow http://127.0.0.1:5000";

/// Arguments of `zomma train pinn`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct PinnArgs {
    /// The config, TOML or JSON.
    #[arg(value_name = "CONFIG", required_unless_present = "example")]
    config: Option<PathBuf>,
    /// Print a commented config and leave.
    #[arg(long)]
    example: bool,
    /// Go on from the folder's checkpoint.
    #[arg(long)]
    resume: bool,
    /// The run's folder; runs/ and the config's name where absent.
    #[arg(short, long, value_name = "RUN_DIR")]
    output: Option<PathBuf>,
    /// Train smaller and larger networks, on fewer and more points, for fewer and more steps as well: a convergence study. Takes several
    /// times as long.
    #[arg(long)]
    study: bool,
    /// Tell an MLflow server too, as `mlflow` of the config's table `tracking` does.
    #[arg(long, value_name = "ADDRESS")]
    mlflow: Option<String>,
    /// Threads that compute; all cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &PinnArgs) -> anyhow::Result<()> {
    if args.example {
        return commands::print(EXAMPLE_CONFIG);
    }
    ranks::refuse("a physics-informed network")?;
    let Some(path) = &args.config else { bail!(BadArguments("CONFIG is needed, or --example".into())) };
    let shown = path.display();
    let text = config_file::read(path)?;
    let mut config = PinnConfig::parse(&text).map_err(|error| BadArguments(format!("{shown}: {error}")))?;
    if args.mlflow.is_some() {
        config.tracking.mlflow.clone_from(&args.mlflow);
        config.tracking.check().map_err(|error| BadArguments(format!("--mlflow: {error}")))?;
    }
    commands::use_threads(args.threads)?;
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => PathBuf::from("runs").join(path.file_stem().unwrap_or_default()),
    };
    not_a_file(&folder)?;
    let held = RunFolder::open(&folder)?;
    let mut watcher = Watcher::new().context("signals")?;
    let trainer = PinnTrainer::new(config.clone(), Some(held), args.resume);
    let mut trainer = trainer.map_err(|error| refused(path, error))?;
    long_run::tell(format_args!("{}: {}", folder.display(), trainer.describe()));
    let done = args.resume.then(|| trainer.standing().steps());
    let mut session = SolutionSession::begin(&folder, &config, path, done)?;
    let outcome = trainer.train(&mut TrackedSolution { watch: &mut watcher, session: &mut session });
    watcher.end();
    // What is known of a network that is trained while its study goes on.
    let mut trained = None;
    let report = outcome.map_err(anyhow::Error::from).and_then(|outcome| {
        let stopped = |message: &str| ExitWith { code: 130, message: Some(message.into()) };
        let Some(solution) = &outcome.solution else {
            bail!(stopped("stopped; what is done until the last round is kept: go on with --resume"));
        };
        let validation = validate(solution);
        let speed = measure(solution, &validation);
        let report = |study| Report {
            folder: &folder,
            ending: outcome.ending,
            solution,
            validation: &validation,
            speed: speed.clone(),
            study,
        };
        if !args.study {
            return write(&report(Vec::new()));
        }
        trained = Some(json(&report(Vec::new())));
        let Some(study) = study(&config, &mut watcher)? else {
            bail!(stopped("stopped in the study; the network is trained: --resume --study does the study alone"));
        };
        trained = None;
        write(&report(study))
    });
    // Whatever became of it, the run's end is told.
    let (state, figures) = ending(&report, trained.as_ref());
    session.end(state, figures);
    let (report, shown) = report?;
    let for_programs = || Ok::<_, anyhow::Error>(serde_json::to_string_pretty(&report)? + "\n");
    commands::print(&if args.json { for_programs()? } else { shown })
}

/// How a run ended and what is known of it. One whose study alone was stopped or failed has its network, `trained`, and is finished.
fn ending<'a>(
    report: &'a anyhow::Result<(Value, String)>,
    trained: Option<&'a Value>,
) -> (RunState, Option<&'a Value>) {
    match (report, trained) {
        (Ok((report, _)), _) => (RunState::Finished, Some(report)),
        (Err(_), Some(trained)) => (RunState::Finished, Some(trained)),
        (Err(error), None) if error.is::<ExitWith>() => (RunState::Stopped, None),
        (Err(_), None) => (RunState::Failed, None),
    }
}

/// Writes report.json and report.svg; the one for programs, and the table.
fn write(report: &Report<'_>) -> anyhow::Result<(Value, String)> {
    let for_programs = json(report);
    let text = serde_json::to_string_pretty(&for_programs)? + "\n";
    for (name, bytes) in [("report.json", text.as_bytes()), ("report.svg", svg(report)?.as_bytes())] {
        let path = report.folder.join(name);
        output_file::write(&path, bytes).with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    Ok((for_programs, table(report)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_is_trained_is_finished_though_its_study_was_stopped() {
        let [whole, trained] = [serde_json::json!({"study": [1]}), serde_json::json!({"study": []})];
        let stopped = || Err(ExitWith { code: 130, message: None }.into());
        assert_eq!(ending(&stopped(), Some(&trained)), (RunState::Finished, Some(&trained)));
        assert_eq!(ending(&stopped(), None), (RunState::Stopped, None));
        assert_eq!(ending(&Err(anyhow::anyhow!("a full disk")), None), (RunState::Failed, None));
        assert_eq!(ending(&Ok((whole.clone(), String::new())), None), (RunState::Finished, Some(&whole)));
    }
}

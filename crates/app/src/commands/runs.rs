//! `zomma runs`: what runs there are, which is the best, and what its servers do not know yet.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use zomma_learn::tracking::{RunRecord, Told};

use crate::{
    commands,
    failure::{BadArguments, ExitWith},
    output_file,
    runs::{Comparison, KnownRun, comparison_page, find, sync, write_report},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Every run of `zomma train` keeps in its folder what it was (config, commit, machine), what it told at its steps, and how it ended. These
commands read such folders: a list with the best run first, runs beside each other, the page of a run anew, and what a server that was
away is still to be told.

Example:
  $ zomma runs list runs
  $ zomma runs compare runs/wide runs/deep --html compare.html
  $ zomma runs sync runs/wide --mlflow http://127.0.0.1:5000
  $ zomma runs report runs/wide";

/// Arguments of `zomma runs`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct RunsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The runs in a folder and below, the best first.
    List {
        /// The folder.
        #[arg(value_name = "DIR", default_value = "runs")]
        folder: PathBuf,
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs beside each other: in what their configs differ, their errors, their time.
    Compare {
        /// Folders of runs, or of folders with runs.
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<PathBuf>,
        /// Write a page with the table and the curves over each other.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Print the table as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell the run's servers and files what they do not know yet.
    Sync {
        /// The run's folder.
        #[arg(value_name = "RUN")]
        run: PathBuf,
        /// An MLflow server, where it is another than the run's.
        #[arg(long, value_name = "ADDRESS")]
        mlflow: Option<String>,
        /// Print what was told as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write report.html and the plots of a run anew.
    Report {
        /// The run's folder.
        #[arg(value_name = "RUN")]
        run: PathBuf,
    },
}

/// Runs it.
pub fn run(args: &RunsArgs) -> anyhow::Result<()> {
    match &args.verb {
        Verb::List { folder, json } => {
            let runs = find(folder)?;
            if runs.is_empty() {
                bail!("{}: no runs here: allowed is a folder with runs of zomma train", folder.display());
            }
            warn_of_damage(&runs);
            let comparison = Comparison::new(&runs);
            show(&comparison, &comparison.list(), *json)
        }
        Verb::Compare { runs: folders, html, json } => {
            let mut runs: Vec<KnownRun> = Vec::new();
            for folder in folders {
                let found = find(folder)?;
                if found.is_empty() {
                    bail!("{}: no run here", folder.display());
                }
                runs.extend(found.into_iter().filter(|run| !known(&runs, run)).collect::<Vec<_>>());
            }
            if runs.len() < 2 {
                bail!(BadArguments("compare: two runs or more are needed".into()));
            }
            runs.sort_by(KnownRun::by_error);
            warn_of_damage(&runs);
            let comparison = Comparison::new(&runs);
            if let Some(html) = html {
                let page = comparison_page(&comparison)?;
                output_file::write(html, &page).with_context(|| format!("{}: cannot be written", html.display()))?;
            }
            show(&comparison, &comparison.table(), *json)
        }
        Verb::Sync { run, mlflow, json } => {
            let told = sync(run, mlflow.as_deref())?;
            warn_of_lines(run, RunRecord::damaged_lines(run)?);
            let why: Vec<String> =
                told.iter().filter_map(|one| Some(format!("{}: {}", one.sink, one.told.as_ref().err()?))).collect();
            // They begin with the sink's name.
            told.iter().flat_map(|one| &one.notes).for_each(|note| eprintln!("zomma runs sync: {note}"));
            if *json {
                let sinks: Vec<_> = told
                    .iter()
                    .map(|Told { sink, told, notes }| {
                        json!({ "sink": sink, "told": told.as_ref().ok(), "error": told.as_ref().err(), "notes": notes })
                    })
                    .collect();
                commands::print(&(serde_json::to_string_pretty(&sinks)? + "\n"))?;
            } else {
                let line = |Told { sink, told, .. }: &Told| {
                    told.as_ref().map(|count| format!("{sink}: {count} events told\n")).unwrap_or_default()
                };
                commands::print(&told.iter().map(line).collect::<String>())?;
            }
            if !why.is_empty() {
                let message = format!("{}: not told: {}", run.display(), why.join("; "));
                bail!(ExitWith { code: 1, message: Some(message) });
            }
            Ok(())
        }
        Verb::Report { run } => {
            write_report(run, None)?;
            warn_of_lines(run, RunRecord::damaged_lines(run)?);
            commands::print(&format!("{}\n", run.join("report.html").display()))
        }
    }
}

/// Says which spools are damaged, and by how many lines.
fn warn_of_damage(runs: &[KnownRun]) {
    for run in runs {
        warn_of_lines(&run.record.folder, run.record.damaged);
    }
}

fn warn_of_lines(folder: &Path, damaged: usize) {
    if damaged > 0 {
        let lines = if damaged == 1 { "line is" } else { "lines are" };
        let log = folder.join("tracking/events.log");
        eprintln!("zomma runs: {}: {damaged} {lines} damaged and left out", log.display());
    }
}

fn known(runs: &[KnownRun], run: &KnownRun) -> bool {
    runs.iter().any(|other| other.record.folder == run.record.folder)
}

fn show(comparison: &Comparison<'_>, text: &str, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return commands::print(&(serde_json::to_string_pretty(&comparison.json())? + "\n"));
    }
    commands::print(text)
}

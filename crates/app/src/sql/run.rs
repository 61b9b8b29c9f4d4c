//! One query from its text to its last row.

use std::{io::IsTerminal, path::Path, time::Instant};

use anyhow::Context;
use zomma_storage::{
    block_on,
    sql::{Answer, Explain, Outcome, Session, Settings, SqlError},
};

use super::{
    listing,
    output::{Format, Output},
};
use crate::{
    batch::LateBar,
    commands,
    failure::{BadArguments, ExitWith},
};

/// What is asked, and where the answer goes.
pub struct Job<'a> {
    /// What the session is opened with.
    pub settings: Settings,
    /// The query; none to list the tables.
    pub query: Option<&'a str>,
    /// Whether the query is run and explained instead of answered.
    pub explain: bool,
    /// Where the rows go; standard output where absent.
    pub output: Option<&'a Path>,
    /// How they are written; by the output's ending where absent, and on standard output as a table on a terminal, else as CSV.
    pub format: Option<Format>,
}

/// Runs it. Ctrl-C or a termination drops what was not finished, the output among it.
pub fn run(job: Job<'_>) -> anyhow::Result<()> {
    block_on(async {
        tokio::select! {
            done = answer(job) => done,
            code = ended() => Err(ExitWith { code, message: Some("interrupted; nothing was written".into()) }.into()),
        }
    })
}

/// Waits for Ctrl-C or a termination; the exit code that a shell shows for it.
async fn ended() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => 130,
            Err(_) => std::future::pending().await,
        },
        _ = terminate.recv() => 143,
    }
}

async fn answer(job: Job<'_>) -> anyhow::Result<()> {
    let started = Instant::now();
    let session = Session::open(job.settings).await.map_err(told)?;
    let format = job.format;
    let Some(query) = job.query else {
        let is_json = format == Some(Format::Json);
        return commands::print(&if is_json { listing::tables_json(&session)? } else { listing::tables(&session) });
    };
    match session.ask(query, job.explain.then_some(Explain::Run)).await.map_err(told)? {
        Outcome::Explained(explained) if format == Some(Format::Json) => {
            commands::print(&(serde_json::to_string_pretty(&explained)? + "\n"))
        }
        Outcome::Explained(explained) => commands::print(&explained.to_string()),
        Outcome::Rows(answer) => {
            let output = Output::create(job.output, format, answer.columns())?;
            let rows = write(answer, output, job.output.is_some()).await?;
            if job.output.is_some() || std::io::stdout().is_terminal() {
                let seconds = started.elapsed().as_secs_f64();
                let noun = if rows == 1 { "row" } else { "rows" };
                eprintln!("{rows} {noun} in {seconds:.3} s");
            }
            Ok(())
        }
    }
}

/// Writes all rows; how many.
async fn write(mut answer: Answer, mut output: Output, to_file: bool) -> anyhow::Result<u64> {
    let mut bar = LateBar::new(to_file, None);
    let mut rows = 0;
    while let Some(batch) = answer.next().await.map_err(told)? {
        rows += batch.num_rows() as u64;
        output.write(&batch)?;
        bar.at(rows);
    }
    bar.end();
    output.finish().context("the end of the output")?;
    Ok(rows)
}

/// A query that is at fault is a bad argument.
fn told(error: SqlError) -> anyhow::Error {
    if error.is_query { BadArguments(error.to_string()).into() } else { anyhow::Error::new(error) }
}

//! `zomma analyze`: chains stream in by date, each is analysed and written on a thread of the pool, what became of them is summed up.

mod candidates;
mod day;
mod outcome;
mod place;
mod quotes;
mod rejects;
mod summary;
mod surface;
mod terminal;

pub use candidates::float;
pub use outcome::Outcome;
pub use place::{file_name, snapshot_suffix};
pub use summary::{CandidateRow, Summary, rate};

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc::channel,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use zomma_market::{bars::DailyBars, chain::ReadOptions};
use zomma_strategy::analysis::AnalysisConfig;

use self::{
    day::{Day, DayRows},
    outcome::DayOutcome,
    place::Places,
};
use crate::chain_reader::{ChainReader, Read};

/// What is asked for.
pub struct Job<'a> {
    /// File, directory or tar of chains.
    pub chain: &'a Path,
    /// Directory for the outputs.
    pub out: Option<&'a Path>,
    /// File for the rejected rows.
    pub rejects: Option<&'a Path>,
    /// What the reader is told.
    pub read: ReadOptions,
    /// What the analysis is told.
    pub config: AnalysisConfig,
    /// Daily bars.
    pub history: Option<&'a DailyBars>,
    /// Whether a progress bar may be drawn.
    pub progress: bool,
}

/// A progress line appears on what takes longer than this.
const SILENT: Duration = Duration::from_secs(1);

/// Runs the job. What cannot be written is found before anything is read.
pub fn run(job: &Job<'_>) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let places = job.out.map(Places::prepare).transpose()?;
    let rejects = job.rejects.map(rejects::create).transpose()?;
    let mut reader = ChainReader::open(job.chain, &job.read)?;
    // With the second chain it is known whether outputs stand in DIR itself or in a folder a date; of a directory or tar, always the
    // latter.
    let first = reader.next();
    let second = if first.is_some() { reader.next() } else { None };
    let many = second.is_some() || reader.one_of_many;
    let mut days = analyse_all(job, first.into_iter().chain(second).chain(reader), places, many)?;
    days.sort_by_key(|day| day.index);
    let mut outcome = Outcome {
        many,
        source: job.chain.display().to_string(),
        out: job.out.map(Path::to_path_buf),
        days,
        elapsed: started.elapsed(),
    };
    if let Some(error) = outcome.take_bad_argument() {
        return Err(error);
    }
    if let Some(file) = rejects {
        rejects::write(file, &outcome.days)?;
    }
    outcome.write_overall()?;
    Ok(outcome)
}

/// Analyses the chains as they come, a few at a time.
fn analyse_all(
    job: &Job<'_>,
    chains: impl Iterator<Item = Read>,
    mut places: Option<Places>,
    many: bool,
) -> anyhow::Result<Vec<DayOutcome>> {
    let in_flight_max = rayon::current_num_threads() + 1;
    let (done, finished) = channel::<DayOutcome>();
    let mut days = Vec::new();
    let mut progress = Progress::new(job.progress && many);
    rayon::in_place_scope(|workers| {
        let mut in_flight = 0;
        for (index, read) in chains.enumerate() {
            while in_flight >= in_flight_max {
                // One of the senders is alive, so the channel is open.
                days.extend(finished.recv().ok());
                in_flight -= 1;
                progress.at(days.len());
            }
            match read {
                Read::Failed { source, error, is_no_chain } => {
                    let (directory, rows, result) = (None, DayRows::default(), Err(error));
                    days.push(DayOutcome { index, source, directory, is_no_chain, rows, result });
                }
                Read::Chain { chain, previous, read_ms } => {
                    let place = places.as_mut().map(|places| places.of(&chain, many));
                    let (done, rejects) = (done.clone(), job.rejects.is_some());
                    in_flight += 1;
                    workers.spawn(move |_| {
                        let source = chain.source.clone();
                        let directory = place.as_ref().map(|place| place.name.clone());
                        let day = Day { chain: &chain, previous: previous.as_deref(), read_ms, place, rejects };
                        let mut rows = DayRows::default();
                        let result = guarded(|| day.run(job.history, &job.config, &mut rows));
                        // The receiver outlives the scope.
                        let _ = done.send(DayOutcome { index, source, directory, is_no_chain: false, rows, result });
                    });
                }
            }
        }
        for _ in 0..in_flight {
            days.extend(finished.recv().ok());
            progress.at(days.len());
        }
    });
    progress.end();
    Ok(days)
}

/// Turns a panic, which is a fault of ours, into the failure of one date: the others go on.
fn guarded(work: impl FnOnce() -> anyhow::Result<Summary>) -> anyhow::Result<Summary> {
    // A date owns what it changes, so nothing half-changed outlives it.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(anyhow::anyhow!("stopped by a fault in zomma (its message stands above)")))
}

/// A line with the number of dates done, after a second, on a terminal.
struct Progress {
    enabled: bool,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(enabled: bool) -> Self {
        Self { enabled, started: Instant::now(), bar: None }
    }

    fn at(&mut self, days: usize) {
        if self.enabled && self.bar.is_none() && self.started.elapsed() > SILENT {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} dates analysed, {elapsed}") {
                bar.set_style(style);
            }
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(days as u64);
            bar.tick();
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Counts by reason, over several dates.
pub(crate) type Counts = BTreeMap<&'static str, usize>;

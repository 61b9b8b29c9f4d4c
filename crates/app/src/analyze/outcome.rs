//! What became of all dates of a run.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, anyhow, bail};
use serde::Serialize;

use super::{
    Counts,
    day::DayRows,
    summary::{Summary, Timings},
    terminal,
};
use crate::{failure, output_file};

/// One date, or one file that gave none.
pub struct DayOutcome {
    /// Place in the order of reading.
    pub index: usize,
    /// File.
    pub source: String,
    /// Folder of its outputs, below the run's.
    pub directory: Option<String>,
    /// Whether the file is something else than a chain.
    pub is_no_chain: bool,
    /// What became of its rows.
    pub rows: DayRows,
    /// What came of it.
    pub result: anyhow::Result<Summary>,
}

/// Reasons told where no date worked; all of them are in `summary.json`.
const REASONS_MAX: usize = 20;

/// All dates of a run.
pub struct Outcome {
    /// Whether there were several.
    pub many: bool,
    /// What was read.
    pub source: String,
    /// Folder of the outputs.
    pub out: Option<PathBuf>,
    /// The dates, in order of reading.
    pub days: Vec<DayOutcome>,
    /// Wall time.
    pub elapsed: Duration,
}

/// `summary.json` over all dates.
#[derive(Serialize)]
struct Overall<'a> {
    source: &'a str,
    days_analyzed: usize,
    days_failed: usize,
    files_skipped: usize,
    rows_read: usize,
    rows_kept: usize,
    rejected: Counts,
    inside_bid_ask_share: Option<f64>,
    arbitrage_violations: usize,
    days: Vec<DayLine<'a>>,
    timings_ms: Timings,
}

/// One date of the overall summary.
#[derive(Serialize)]
#[serde(untagged)]
enum DayLine<'a> {
    Done(Box<DoneLine<'a>>),
    Failed { source: &'a str, skipped: bool, rows_read: usize, rejected: &'a Counts, error: String },
}

#[derive(Serialize)]
struct DoneLine<'a> {
    quote_date: &'a str,
    underlying: &'a str,
    source: &'a str,
    directory: Option<&'a str>,
    spot: f64,
    expiries: usize,
    rows_read: usize,
    rows_kept: usize,
    model: &'static str,
    inside_bid_ask_share: Option<f64>,
    rmse_vol_points: f64,
    arbitrage_violations: usize,
    candidates: usize,
}

impl Outcome {
    /// The dates that gave an analysis.
    pub fn summaries(&self) -> impl Iterator<Item = &Summary> {
        self.days.iter().filter_map(|day| day.result.as_ref().ok())
    }

    /// The table for the terminal.
    pub fn text(&self) -> String {
        terminal::text(self)
    }

    /// The summary as JSON: the date's own where there is one, else that over all.
    pub fn json(&self) -> String {
        let text = match self.summaries().next() {
            Some(summary) if !self.many => serde_json::to_string_pretty(summary),
            _ => serde_json::to_string_pretty(&self.overall()),
        };
        // Strings and numbers have no way to fail.
        text.map(|text| text + "\n").unwrap_or_default()
    }

    /// Writes the summary over all dates where there are several.
    pub fn write_overall(&self) -> anyhow::Result<()> {
        let Some(out) = self.out.as_ref().filter(|_| self.many) else { return Ok(()) };
        let path = out.join("summary.json");
        let mut page = serde_json::to_vec_pretty(&self.overall())?;
        page.push(b'\n');
        output_file::write(&path, &page).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The wrong argument that kept every date from being analysed, where it was one.
    pub fn take_bad_argument(&mut self) -> Option<anyhow::Error> {
        if self.summaries().next().is_some() {
            return None;
        }
        let is_bad = |day: &DayOutcome| day.result.as_ref().err().is_some_and(failure::is_bad_argument);
        let at = self.days.iter().position(is_bad)?;
        self.days.swap_remove(at).result.err()
    }

    /// An error where no date worked, with the reasons.
    pub fn into_result(self) -> anyhow::Result<()> {
        if self.summaries().next().is_some() {
            return Ok(());
        }
        let mut errors: Vec<anyhow::Error> = self.days.into_iter().filter_map(|day| day.result.err()).collect();
        if errors.len() <= 1 {
            return Err(errors.pop().unwrap_or_else(|| anyhow!("{}: holds no chain", self.source)));
        }
        let mut lines: Vec<String> = errors.iter().take(REASONS_MAX).map(failure::words).collect();
        if errors.len() > REASONS_MAX {
            lines.push(format!("and {} more", errors.len() - REASONS_MAX));
        }
        bail!("{}: none of {} files or dates could be analysed:\n  {}", self.source, errors.len(), lines.join("\n  "))
    }

    fn overall(&self) -> Overall<'_> {
        let mut rejected = Counts::new();
        let (mut inside, mut judged) = (0.0, 0);
        let mut stages: Vec<(&'static str, f64)> = Vec::new();
        let rows_read: usize = self.days.iter().map(|day| day.rows.read).sum();
        for (reason, count) in self.days.iter().flat_map(|day| &day.rows.rejected) {
            *rejected.entry(*reason).or_insert(0) += count;
        }
        for summary in self.summaries() {
            inside += summary.inside_bid_ask_share.unwrap_or(0.0) * summary.quotes_judged as f64;
            judged += summary.quotes_judged;
            for &(stage, ms) in &summary.timings_ms.0 {
                match stages.iter_mut().find(|(name, _)| *name == stage) {
                    Some((_, sum)) => *sum += ms,
                    None => stages.push((stage, ms)),
                }
            }
        }
        Overall {
            source: &self.source,
            days_analyzed: self.summaries().count(),
            days_failed: self.days.iter().filter(|day| day.result.is_err() && !day.is_no_chain).count(),
            files_skipped: self.days.iter().filter(|day| day.is_no_chain).count(),
            rows_read,
            rows_kept: rows_read.saturating_sub(rejected.values().sum()),
            rejected,
            inside_bid_ask_share: (judged > 0).then(|| inside / judged as f64),
            arbitrage_violations: self.summaries().map(|summary| summary.arbitrage_violations).sum(),
            days: self.days.iter().map(line).collect(),
            timings_ms: Timings(stages),
        }
    }
}

fn line(day: &DayOutcome) -> DayLine<'_> {
    match &day.result {
        Err(error) => DayLine::Failed {
            source: &day.source,
            skipped: day.is_no_chain,
            rows_read: day.rows.read,
            rejected: &day.rows.rejected,
            error: failure::words(error),
        },
        Ok(summary) => DayLine::Done(Box::new(DoneLine {
            quote_date: &summary.quote_date,
            underlying: &summary.underlying,
            source: &day.source,
            directory: day.directory.as_deref(),
            spot: summary.spot,
            expiries: summary.expiries.len(),
            rows_read: summary.rows_read,
            rows_kept: summary.rows_kept,
            model: summary.model,
            inside_bid_ask_share: summary.inside_bid_ask_share,
            rmse_vol_points: summary.rmse_vol_points,
            arbitrage_violations: summary.arbitrage_violations,
            candidates: summary.candidates,
        })),
    }
}

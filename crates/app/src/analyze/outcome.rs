//! What became of all dates of a run.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, anyhow};
use serde::Serialize;

use super::{
    Counts,
    day::DayResult,
    summary::{Summary, Timings},
    terminal,
};
use crate::output_file;

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
    /// What came of it.
    pub result: anyhow::Result<DayResult>,
}

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
    Failed { source: &'a str, skipped: bool, error: String },
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
        self.days.iter().filter_map(|day| day.result.as_ref().ok()).map(|result| &result.summary)
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

    /// An error where no date worked.
    pub fn into_result(self) -> anyhow::Result<()> {
        if self.summaries().next().is_some() {
            return Ok(());
        }
        let failed = self.days.len();
        let first = self.days.into_iter().find_map(|day| day.result.err());
        match first {
            None => Err(anyhow!("{}: holds no chain", self.source)),
            Some(error) if failed == 1 => Err(error),
            Some(error) => Err(error.context(format!("none of {failed} files or dates could be analysed; the first"))),
        }
    }

    fn overall(&self) -> Overall<'_> {
        let mut rejected = Counts::new();
        let (mut inside, mut judged) = (0.0, 0);
        let mut stages: Vec<(&'static str, f64)> = Vec::new();
        for summary in self.summaries() {
            for (reason, count) in &summary.rejected.0 {
                *rejected.entry(reason).or_insert(0) += count;
            }
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
            rows_read: self.summaries().map(|summary| summary.rows_read).sum(),
            rows_kept: self.summaries().map(|summary| summary.rows_kept).sum(),
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
        Err(error) => DayLine::Failed { source: &day.source, skipped: day.is_no_chain, error: format!("{error:#}") },
        Ok(DayResult { summary, .. }) => DayLine::Done(Box::new(DoneLine {
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

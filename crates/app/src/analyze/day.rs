//! One date: analysed, and its files written.

use std::{fs, time::Instant};

use anyhow::Context;
use zomma_base::Status;
use zomma_market::{bars::DailyBars, chain::Chain};
use zomma_strategy::analysis::{self, Analysis, AnalysisConfig, AnalysisError};

use super::{Counts, candidates, place::Place, quotes, rejects, summary::Summary, surface};
use crate::{failure::BadArguments, output_file, report};

/// A chain to analyse, and where to write.
pub struct Day<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// The date before, where there is one.
    pub previous: Option<&'a Chain>,
    /// Milliseconds that reading took.
    pub read_ms: f64,
    /// Folder for the outputs.
    pub place: Option<Place>,
    /// Whether rejected rows are listed.
    pub rejects: bool,
}

/// The rows of a date, whether it gave an analysis or not.
#[derive(Debug, Default)]
pub struct DayRows {
    /// Rows read.
    pub read: usize,
    /// Rejected ones, by reason.
    pub rejected: Counts,
    /// Rejected ones as lines of CSV without a header, where they are listed.
    pub rejects: Vec<u8>,
}

impl Day<'_> {
    /// Analyses the chain and writes its files. `rows` says what became of the rows also where that fails.
    pub fn run(
        self,
        history: Option<&DailyBars>,
        config: &AnalysisConfig,
        rows: &mut DayRows,
    ) -> anyhow::Result<Summary> {
        let analysis = analysis::analyze(self.chain, self.previous, history, config);
        match &analysis {
            Ok(analysis) => *rows = self.count(&analysis.quotes.status),
            Err(AnalysisError::NoUsableRow { status, .. }) => *rows = self.count(status),
            Err(_) => {}
        }
        let analysis = analysis.map_err(refused)?;
        let mut summary = Summary::of(self.chain, &analysis);
        summary.timings_ms.0.push(("read", self.read_ms));
        summary.timings_ms.0.extend(&analysis.timings.stages);
        if let Some(place) = &self.place {
            self.write(&analysis, &mut summary, place)?;
        }
        Ok(summary)
    }

    fn count(&self, status: &[Status]) -> DayRows {
        let mut rejected = Counts::new();
        for status in status.iter().filter(|status| !status.is_ok()) {
            *rejected.entry(status.as_str()).or_insert(0) += 1;
        }
        let rejects = if self.rejects { rejects::lines(self.chain, status) } else { Vec::new() };
        DayRows { read: status.len(), rejected, rejects }
    }

    /// Makes all files at once, then the two that say how long that took.
    fn write(&self, analysis: &Analysis, summary: &mut Summary, place: &Place) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", place.path.display());
        fs::create_dir_all(&place.path).with_context(cannot)?;
        let put = |name: &str, bytes: &[u8]| {
            output_file::write(&place.path.join(name), bytes)
                .with_context(|| format!("cannot write {}", place.path.join(name).display()))
        };
        let started = Instant::now();
        let (written, data) = rayon::join(
            || -> anyhow::Result<()> {
                put("quotes.parquet", &quotes::encode(self.chain, analysis)?)?;
                put("surface.json", &surface::encode(analysis)?)?;
                put("candidates.csv", &candidates::encode(self.chain, analysis)?)
            },
            || report::prepare(&report::data(self.chain, analysis)),
        );
        written?;
        let data = data?;
        summary.timings_ms.0.push(("outputs", started.elapsed().as_secs_f64() * 1e3));
        let started = Instant::now();
        put("report.html", &report::page(summary, &data)?)?;
        summary.timings_ms.0.push(("report", started.elapsed().as_secs_f64() * 1e3));
        let mut page = serde_json::to_vec_pretty(summary)?;
        page.push(b'\n');
        put("summary.json", &page)
    }
}

/// A filter whose column is absent is a wrong argument; anything else is failed work.
fn refused(error: AnalysisError) -> anyhow::Error {
    match error {
        AnalysisError::FilterWithoutColumn { .. } => BadArguments(error.to_string()).into(),
        other => other.into(),
    }
}

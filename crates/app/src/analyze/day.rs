//! One date: analysed, and its files written.

use std::{fs, time::Instant};

use anyhow::Context;
use zomma_market::{bars::DailyBars, chain::Chain};
use zomma_strategy::analysis::{self, Analysis, AnalysisConfig, AnalysisError};

use super::{candidates, place::Place, quotes, rejects, summary::Summary, surface};
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

/// What a date gives back once its files are written.
pub struct DayResult {
    /// The summary.
    pub summary: Summary,
    /// Rejected rows, as lines of CSV without a header.
    pub rejects: Vec<u8>,
}

impl Day<'_> {
    /// Analyses the chain and writes its files.
    pub fn run(self, history: Option<&DailyBars>, config: &AnalysisConfig) -> anyhow::Result<DayResult> {
        let analysis = analysis::analyze(self.chain, self.previous, history, config).map_err(refused)?;
        let mut summary = Summary::of(self.chain, &analysis);
        summary.timings_ms.0.push(("read", self.read_ms));
        summary.timings_ms.0.extend(&analysis.timings.stages);
        if let Some(place) = &self.place {
            self.write(&analysis, &mut summary, place)?;
        }
        let rejects = if self.rejects { rejects::lines(self.chain, &analysis) } else { Vec::new() };
        Ok(DayResult { summary, rejects })
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

//! `zomma features`: features of a recorded feed, a row after each book or at a steady pace.

mod output;
mod rows;

use std::path::Path;

use anyhow::{Context, bail};
use jiff::civil::Date;
use zomma_market::{features::FeatureSet, format::Format};

use crate::{
    batch::LateBar,
    failure::BadArguments,
    feed::{names, open, play, session_of, shown},
};
use output::Output;
use rows::FeatureRows;

/// What is asked for.
pub struct Job<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its format, where the user named it.
    pub format: Option<Format>,
    /// The session's day, where the user named it.
    pub date: Option<Date>,
    /// The instrument; none for the only one.
    pub instrument: Option<&'a str>,
    /// The features by name.
    pub features: &'a str,
    /// Levels of the book that they see.
    pub levels: usize,
    /// Time from row to row in nanoseconds; none for a row after each book.
    pub every_ns: Option<u64>,
    /// Where the rows go.
    pub output: &'a Path,
    /// Whether a progress bar may show.
    pub progress: bool,
}

/// What came of it.
pub struct Outcome {
    /// Rows written.
    pub rows: u64,
    /// Events of the instrument.
    pub events: u64,
    /// The instrument.
    pub instrument: String,
    /// For each feature: its name, its unit, and in how many rows it has a value.
    pub columns: Vec<(String, &'static str, u64)>,
    /// Seconds that decoding, book, features and rows took.
    pub busy_seconds: f64,
    /// Where the stream could not be read on.
    pub broken: Option<String>,
}

/// Writes the features of a feed.
///
/// # Errors
///
/// Where a feature is not known, the file cannot be read or is of no known format, the instrument is not in it, or the output cannot be written.
pub fn run(job: &Job<'_>) -> anyhow::Result<Outcome> {
    let set = FeatureSet::parse(job.features).map_err(|error| BadArguments(format!("--features: {error}")))?;
    let columns: Vec<(String, &'static str)> =
        set.names().map(str::to_owned).zip(set.infos().map(|info| info.unit)).collect();
    let mut opened = open(job.path, job.format)?;
    let name = shown(job.path);
    let output = Output::create(job.output, columns.iter().map(|(name, _)| name.as_str()))?;
    let session = session_of(&opened, job.date, job.instrument);
    let mut rows = FeatureRows::new(set, job.instrument, job.levels, job.every_ns, output);
    let mut bar = LateBar::new(job.progress, opened.length);
    let bytes = std::mem::replace(&mut opened.bytes, Box::new(std::io::empty()));
    let played = play(opened.format, bytes, &session, &mut rows, &mut bar);
    let instruments = &played.instruments;
    match job.instrument {
        Some(symbol) if instruments.find(symbol).is_none() => {
            let known = names(instruments);
            return Err(BadArguments(format!("--instrument {symbol}: not in the feed, which has {known}")).into());
        }
        None if instruments.len() > 1 => {
            return Err(BadArguments(format!("--instrument is needed: the feed has {}", names(instruments))).into());
        }
        _ => {}
    }
    let instrument = rows.instrument().and_then(|id| instruments.latest(id)).map(|it| it.symbol.clone());
    let events = rows.events();
    let finished = rows.finish()?;
    if finished.rows == 0 {
        let why = played.broken.unwrap_or_else(|| format!("{events} events of it"));
        bail!("{name}: not one row for {}: {why}", instrument.as_deref().unwrap_or("an instrument"));
    }
    let columns =
        columns.into_iter().zip(finished.present).map(|((name, unit), present)| (name, unit, present)).collect();
    Ok(Outcome {
        rows: finished.rows,
        events,
        instrument: instrument.unwrap_or_default(),
        columns,
        busy_seconds: played.busy.as_secs_f64(),
        broken: played.broken,
    })
}

//! `zomma features`: features of a recorded feed, a row after each book or at a steady pace.

mod grid;
mod lobster;
mod output;
mod pace;
mod rows;

use std::{io::Read, path::Path, time::Instant};

use anyhow::{Context, bail};
use jiff::civil::Date;
use zomma_market::{
    device::{FeatureGrid, Plan},
    features::{FeatureSet, Times, Units},
    feed::Counts,
    format::Format,
    recording::Session,
};

pub use output::Output;

use crate::{
    batch::{Engine, LateBar},
    failure::BadArguments,
    feed::{Feed, Opened, Orderbook, is_apart, names, open, play, schema_of, session_of, shown},
};
use grid::GridRows;
use pace::Pace;
use rows::{FeatureRows, Wanted};

/// What is asked for.
pub struct Job<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its format, where the user named it.
    pub format: Option<Format>,
    /// The schema of MDP 3.0, where the user named one.
    pub schema: Option<&'a Path>,
    /// The session's day, where the user named it.
    pub date: Option<Date>,
    /// The instrument; none for the only one.
    pub instrument: Option<&'a str>,
    /// The features by name.
    pub features: &'a str,
    /// Levels of the book that they see; as many as they look at where absent.
    pub levels: Option<usize>,
    /// Time from row to row in nanoseconds; none for a row after each book.
    pub every_ns: Option<u64>,
    /// Which times rows are stamped with, and windows run on.
    pub times: Times,
    /// Where the rows go.
    pub output: &'a Path,
    /// What keeps the books and finds the features, where a device was asked for.
    pub engine: Option<&'a Engine>,
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
    /// What one tick and one lot are worth, in billionths of the currency and of a unit.
    pub tick_and_lot_nanos: Option<(i64, i64)>,
    /// What the decoder counted.
    pub counts: Counts,
    /// Events that could not be applied to the book, by reason.
    pub faults: Vec<(&'static str, u64)>,
    /// Events whose time was so far ahead that it counts as that of the event before.
    pub unbelieved_times: u64,
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
    let set = parsed(job.features, Units::FINEST)?;
    let columns: Vec<(String, &'static str)> =
        set.names().map(str::to_owned).zip(set.infos().map(|info| info.unit)).collect();
    let levels = levels_of(job, &set)?;
    let on_device = job.engine.map(|engine| planned(job, engine)).transpose()?;
    is_apart(job.output, &[job.path])?;
    let mut opened = open(job.path, job.format)?;
    let name = shown(job.path);
    let session = session_of(&opened, job.date, job.instrument);
    let schema = schema_of(opened.format, job.schema)?;
    let from_midnight = matches!(opened.format, Format::Itch50 | Format::Itch50Capture | Format::Lobster);
    if from_midnight && session.midnight_ns == 0 {
        let format = opened.format;
        eprintln!("zomma features: {name}: times of {format} count from midnight, of 1970-01-01 without --date");
    }
    if job.times == Times::Receive && !opened.format.has_receive_times() {
        let problem = format!("--times receive: {} does not tell when its messages were received", opened.format);
        return Err(BadArguments(problem).into());
    }
    if let Some(on_device) = on_device {
        return of_device(job, opened, &session, schema, on_device);
    }
    if opened.format == Format::Lobster {
        let set = parsed(job.features, Units::default())?;
        return of_lobster(job, opened, &session, set, &columns);
    }
    let output = Output::create(job.output, columns.iter().map(|(name, _)| name.as_str()))?;
    let Job { features, instrument, every_ns, times, .. } = *job;
    let mut rows = FeatureRows::new(&Wanted { features, symbol: instrument, levels, every_ns, times }, output);
    let mut bar = LateBar::new(job.progress, opened.length);
    let bytes = std::mem::replace(&mut opened.bytes, Box::new(std::io::empty()));
    let feed = Feed { format: opened.format, session: &session, schema };
    let played = play(feed, bytes, &mut rows, &mut bar);
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
    let definition = rows.instrument().and_then(|id| instruments.latest(id));
    let instrument = definition.map(|it| it.symbol.clone());
    let (events, faults, unbelieved_times) = (rows.events(), rows.faults(), rows.unbelieved_times());
    let finished = rows.finish()?;
    if finished.rows == 0 {
        let why = played.broken.unwrap_or_else(|| format!("{events} events of it, and none left a book or a quote"));
        bail!("{name}: not one row for {}: {why}", instrument.as_deref().unwrap_or("an instrument"));
    }
    let columns =
        columns.into_iter().zip(finished.present).map(|((name, unit), present)| (name, unit, present)).collect();
    Ok(Outcome {
        rows: finished.rows,
        events,
        instrument: instrument.unwrap_or_default(),
        columns,
        tick_and_lot_nanos: definition.map(|it| (it.tick_nanos, it.lot_nanos)),
        counts: played.counts,
        faults: faults.iter().map(|(fault, count)| (fault.name(), count)).collect(),
        unbelieved_times,
        busy_seconds: played.busy.as_secs_f64(),
        broken: played.broken,
    })
}

/// What a run on a device needs beside the job.
struct OnDevice<'a> {
    engine: &'a Engine,
    plan: Plan,
    every_ns: u64,
}

fn planned<'a>(job: &Job<'_>, engine: &'a Engine) -> anyhow::Result<OnDevice<'a>> {
    let Some(every_ns) = job.every_ns else {
        return Err(BadArguments("--device: needs --every, the pace of the rows that it finds".into()).into());
    };
    let plan = Plan::parse(job.features, every_ns);
    let plan = plan.map_err(|error| BadArguments(format!("--device, --features: {error}")))?;
    Ok(OnDevice { engine, plan, every_ns })
}

/// The features of one instrument, or of all of the feed, from books on a device.
fn of_device(
    job: &Job<'_>,
    mut opened: Opened,
    session: &Session,
    schema: Option<std::sync::Arc<zomma_market::sbe::Schema>>,
    on_device: OnDevice<'_>,
) -> anyhow::Result<Outcome> {
    let OnDevice { engine, plan, every_ns } = on_device;
    let name = shown(job.path);
    if opened.format == Format::Lobster {
        let problem =
            "--device: LOBSTER tells whole books, which have no form for a device; allowed: feeds of orders or levels";
        return Err(BadArguments(problem.into()).into());
    }
    if let Some(levels) = job.levels.filter(|levels| *levels != plan.levels()) {
        let problem =
            format!("--levels {levels}: a device keeps as many levels as the features look at, {}", plan.levels());
        return Err(BadArguments(problem).into());
    }
    let columns: Vec<String> = plan.names().map(str::to_owned).collect();
    let of_output = columns.iter().map(String::as_str);
    let output = match job.instrument {
        Some(_) => Output::create(job.output, of_output)?,
        None => Output::of_several(job.output, of_output)?,
    };
    let units = parsed(job.features, Units::default())?;
    let units: Vec<&'static str> = units.infos().map(|info| info.unit).collect();
    let grid = FeatureGrid::new(engine.runner(), plan, every_ns, job.times);
    let mut rows = GridRows::new(grid, job.instrument, every_ns, job.times, output);
    let mut bar = LateBar::new(job.progress, opened.length);
    let bytes = std::mem::replace(&mut opened.bytes, Box::new(std::io::empty()));
    let played = play(Feed { format: opened.format, session, schema }, bytes, &mut rows, &mut bar);
    let instruments = &played.instruments;
    if let Some(symbol) = job.instrument
        && instruments.find(symbol).is_none()
    {
        let known = names(instruments);
        return Err(BadArguments(format!("--instrument {symbol}: not in the feed, which has {known}")).into());
    }
    let (events, faults, unbelieved_times) = (rows.events(), rows.faults(), rows.unbelieved_times());
    let finished = rows.finish()?;
    if finished.rows == 0 {
        let why = played.broken.unwrap_or_else(|| format!("{events} events, and none left a book or a quote"));
        bail!("{name}: not one row: {why}");
    }
    let definition = job.instrument.and_then(|symbol| instruments.latest(instruments.find(symbol)?));
    let columns = columns.into_iter().zip(units).zip(finished.present);
    Ok(Outcome {
        rows: finished.rows,
        events,
        instrument: job.instrument.map_or_else(|| names(instruments), str::to_owned),
        columns: columns.map(|((name, unit), present)| (name, unit, present)).collect(),
        tick_and_lot_nanos: definition.map(|it| (it.tick_nanos, it.lot_nanos)),
        counts: played.counts,
        faults: faults.iter().map(|(fault, count)| (fault.name(), count)).collect(),
        unbelieved_times,
        busy_seconds: played.busy.as_secs_f64(),
        broken: played.broken,
    })
}

fn parsed(features: &str, units: Units) -> anyhow::Result<FeatureSet> {
    FeatureSet::parse_in(features, units).map_err(|error| BadArguments(format!("--features: {error}")).into())
}

/// The levels that the features see: those that they look at, or as many as were asked for, where that is enough.
fn levels_of(job: &Job<'_>, set: &FeatureSet) -> anyhow::Result<usize> {
    let needed = set.levels();
    match job.levels {
        Some(levels) if levels < needed => {
            Err(BadArguments(format!("--levels {levels}: the features look at {needed}; allowed: {needed} or more"))
                .into())
        }
        levels => Ok(levels.unwrap_or(needed)),
    }
}

/// A LOBSTER day: its messages do not make the market's book, its orderbook file tells it.
fn of_lobster(
    job: &Job<'_>,
    mut opened: Opened,
    session: &Session,
    set: FeatureSet,
    columns: &[(String, &'static str)],
) -> anyhow::Result<Outcome> {
    let name = shown(job.path);
    if let (Some(symbol), Some(named)) = (job.instrument, &opened.lobster)
        && !named.symbol.is_empty()
        && symbol != named.symbol
    {
        return Err(BadArguments(format!("--instrument {symbol}: not in the feed, which has {}", named.symbol)).into());
    }
    let Some(orderbook) = opened.orderbook.as_ref().map(Orderbook::bytes).transpose()? else {
        bail!(
            "{name}: LOBSTER's messages alone do not make the market's book; needed: its orderbook file too, in one zip or with _message_ and _orderbook_ in their names"
        );
    };
    let mut messages = Vec::new();
    opened.bytes.read_to_end(&mut messages).with_context(|| name.clone())?;
    let mut output = Output::create(job.output, columns.iter().map(|(name, _)| name.as_str()))?;
    let begun = Instant::now();
    let files = (&messages[..], &orderbook[..]);
    let played = lobster::play(files, session.midnight_ns, set, Pace::new(job.every_ns), &mut output);
    let broken = played.as_ref().err().map(|error| format!("{error:#}"));
    let finished = output.finish()?;
    let events = played.unwrap_or(finished.rows);
    if finished.rows == 0 {
        bail!("{name}: not one row: {}", broken.unwrap_or_else(|| "no messages".to_owned()));
    }
    let columns = columns.iter().cloned().zip(finished.present);
    Ok(Outcome {
        rows: finished.rows,
        events,
        instrument: session.symbol.clone(),
        columns: columns.map(|((name, unit), present)| (name, unit, present)).collect(),
        tick_and_lot_nanos: Some((100_000, 1_000_000_000)),
        counts: Counts { messages: events, ..Counts::default() },
        faults: Vec::new(),
        unbelieved_times: 0,
        busy_seconds: begun.elapsed().as_secs_f64(),
        broken,
    })
}

//! Replays a recorded feed: its bytes through the decoder into books, in one pass.

use std::{path::Path, time::Duration};

use anyhow::bail;
use jiff::civil::Date;
use zomma_market::{
    book::{Books, Limits},
    feed::Counts,
    format::Format,
    instruments::Instruments,
};

use super::{
    counts,
    moment::Moment,
    replay::{Moments, Replay},
    rows::Rows,
    verdict::{Verdict, verdict},
};
use crate::{
    batch::LateBar,
    failure::BadArguments,
    feed::{Feed, Note, Played, is_apart, names, open, play, schema_of, session_of, shown, utc_midnight_ns},
};

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
    /// The instrument that is looked at.
    pub instrument: Option<&'a str>,
    /// How many levels.
    pub levels: usize,
    /// The file of message counts, and the file that the levels after each go to.
    pub rows: Option<(&'a Path, &'a Path)>,
    /// Moments at which the top is wanted.
    pub moments: &'a [Moment],
    /// Whether the books are held against what else the feed says.
    pub is_checked: bool,
    /// Whether large books lie on huge pages, where the system has them.
    pub on_huge_pages: bool,
    /// Whether large books fetch memory ahead of what will be applied.
    pub fetches_ahead: bool,
    /// Whether a progress bar may show.
    pub progress: bool,
}

/// What came of it.
pub struct Outcome {
    /// The file.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// The books, and what was picked out on the way.
    pub replay: Replay,
    /// The instruments.
    pub instruments: Instruments,
    /// What the decoder counted.
    pub counts: Counts,
    /// Time that decoding and the books took, without reading.
    pub busy: Duration,
    /// Rows that were written.
    pub rows_written: Option<usize>,
    /// What the check came to.
    pub verdict: Option<Verdict>,
    /// Where the stream could not be read on.
    pub broken: Option<String>,
}

/// Replays a feed.
///
/// # Errors
///
/// Where the file cannot be read, is of no known format, or has none of what was asked for. A stream that breaks off is told in the outcome, with
/// what came before it.
pub fn run(job: &Job<'_>) -> anyhow::Result<Outcome> {
    if let Some((at, output)) = job.rows {
        is_apart(output, &[job.path, at])?;
    }
    let counts = job.rows.map(|(at, _)| counts::read(at)).transpose()?;
    let mut opened = open(job.path, job.format)?;
    if job.rows.is_some() && opened.format == Format::Lobster {
        let problem =
            "--at: LOBSTER's messages alone do not make the market's book; its rows are in its orderbook file";
        return Err(BadArguments(problem.into()).into());
    }
    let name = shown(job.path);
    let session = session_of(&opened, job.date, job.instrument);
    let schema = schema_of(opened.format, job.schema)?;
    let rows = match (job.rows, counts) {
        (Some((_, output)), Some(counts)) => Some(Rows::create(output, counts, job.instrument, job.levels)?),
        _ => None,
    };
    let counts_from_midnight = matches!(opened.format, Format::Itch50 | Format::Itch50Capture | Format::Lobster);
    let has_instant = job.moments.iter().any(|moment| matches!(moment, Moment::Instant(_)));
    if counts_from_midnight && has_instant && session.midnight_ns == 0 {
        let problem =
            format!("--time: an instant needs --date, since the times of {} count from midnight", opened.format);
        return Err(BadArguments(problem).into());
    }
    let day_ns = if counts_from_midnight { Some(session.midnight_ns) } else { job.date.map(utc_midnight_ns) };
    let moments = Moments::new(job.moments, day_ns);
    let books = Books::with_room(Limits::default(), 0, job.on_huge_pages).fetching_ahead(job.fetches_ahead);
    let mut replay = Replay::new(books, rows, moments, job.is_checked);
    let mut bar = LateBar::new(job.progress, opened.length);
    let bytes = std::mem::replace(&mut opened.bytes, Box::new(std::io::empty()));
    let feed = Feed { format: opened.format, session: &session, schema };
    let played = play(feed, bytes, &mut replay, &mut bar);
    let Played { instruments, counts, busy, broken } = played;
    if replay.events == 0 {
        let why = broken.unwrap_or_else(|| {
            let counted = format!(
                "{} messages, {} of them passed over, {} malformed and {} of unknown type",
                counts.messages, counts.passed_over, counts.malformed, counts.unknown
            );
            replay.notes.iter().fold(counted, |told, note| format!("{told}; {note}"))
        });
        bail!("{name}: not one event of {} in it: {why}", opened.format);
    }
    if let Some(symbol) = job.instrument.filter(|symbol| instruments.find(symbol).is_none()) {
        return Err(
            BadArguments(format!("--instrument {symbol}: not in the feed, which has {}", names(&instruments))).into()
        );
    }
    let unseen: u64 = replay.notes.iter().map(Note::unseen).sum();
    let lost = counts.missing + counts.malformed + unseen + u64::from(broken.is_some());
    replay.moments.end(&replay.books);
    let rows = replay.rows.take();
    let rows_written = rows.map(|rows| rows.finish(replay.messages, &instruments)).transpose()?;
    let verdict = match replay.checks.take() {
        Some(checks) => Some(verdict(checks, &replay, &opened, lost, job.path)?),
        None => None,
    };
    Ok(Outcome { name, format: opened.format, replay, instruments, counts, busy, rows_written, verdict, broken })
}

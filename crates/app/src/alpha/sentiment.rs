//! Sentiment of a news file: a row for each headline, or a column of a table of signals.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::{Context, bail};
use zomma_strategy::alpha::sentiment::{DecayedSentiment, Lexicon, SentimentModel, as_of};

use super::{
    news::{self, News},
    table::{Table, of_file},
};
use crate::{
    batch::append_line,
    failure::{BadArguments, StdoutFailed},
    features::Output,
    feed::is_apart,
    output_file,
};

/// The column that is added to a table.
const COLUMN: &str = "sentiment";

/// What is asked for.
pub struct SentimentJob<'a> {
    /// The news.
    pub news: &'a Path,
    /// Another word list.
    pub lexicon: Option<&'a Path>,
    /// When half of what a headline says is gone, nanoseconds.
    pub half_life_ns: i64,
    /// The table that the sentiment of one instrument is added to.
    pub joined: Option<Joined<'a>>,
    /// Where the rows go.
    pub output: &'a Path,
}

/// A table and whose sentiment is added to it.
pub struct Joined<'a> {
    /// The table.
    pub table: &'a Path,
    /// The instrument.
    pub instrument: &'a str,
}

/// Scores news and writes what they say; in words what came of it.
///
/// # Errors
///
/// Where news, word list or table cannot be read, times step back, the instrument has no news, or the output cannot be written.
pub fn run(job: &SentimentJob<'_>) -> anyhow::Result<String> {
    let mut inputs = vec![job.news];
    inputs.extend(job.lexicon);
    inputs.extend(job.joined.as_ref().map(|joined| joined.table));
    is_apart(job.output, &inputs)?;
    let model = match job.lexicon {
        None => Lexicon::default(),
        Some(path) => {
            let name = || format!("--lexicon {}", path.display());
            let text = fs::read_to_string(path).with_context(name)?;
            Lexicon::parse(&text).with_context(name)?
        }
    };
    let news = news::read(job.news)?;
    let mut said = match &job.joined {
        None => by_headline(&news, &model, job)?,
        Some(joined) => into_table(&news, &model, joined, job)?,
    };
    for fault in &news.faults {
        said.push_str(&format!("  {fault}\n"));
    }
    let named = news.faults.len();
    if news.unread > named {
        said.push_str(&format!("  {} more rows that could not be read\n", news.unread - named));
    }
    Ok(said)
}

/// A row for each headline: its score, the words counted, and what its instrument's headlines say with it.
fn by_headline(news: &News, model: &dyn SentimentModel, job: &SentimentJob<'_>) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    let header = ["time_ns", "instrument", "score", "positive", "negative", "uncertain", "litigious", COLUMN];
    append_line(header.into_iter(), &mut lines);
    let mut states: HashMap<&str, DecayedSentiment> = HashMap::new();
    let mut scored = 0;
    for headline in &news.headlines {
        let said = model.score(&headline.text);
        let state = match states.entry(&headline.instrument) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(DecayedSentiment::new(job.half_life_ns)?),
        };
        if let Some(score) = said.score {
            scored += 1;
            state.add(headline.time_ns, score)?;
        }
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let cells = [
            headline.time_ns.to_string(),
            headline.instrument.clone(),
            number(said.score),
            said.positive.to_string(),
            said.negative.to_string(),
            said.uncertain.to_string(),
            said.litigious.to_string(),
            number(state.as_of(headline.time_ns)),
        ];
        append_line(cells.iter().map(String::as_str), &mut lines);
    }
    let csv = job.output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    if job.output == Path::new("-") {
        let mut out = io::stdout().lock();
        out.write_all(&lines).and_then(|()| out.flush()).map_err(StdoutFailed)?;
    } else if csv {
        output_file::write(job.output, &lines).with_context(|| format!("-o {}", job.output.display()))?;
    } else {
        let output = job.output.display();
        return Err(BadArguments(format!(
            "-o {output}: allowed: a name that ends in .csv, or - (with --join .parquet as well)"
        ))
        .into());
    }
    let headlines = news.headlines.len();
    Ok(format!(
        "{}: {headlines} headlines of {} instruments, {scored} with a score by the {}, {} rows that could not be read\n",
        job.news.display(),
        states.len(),
        model.name(),
        news.unread
    ))
}

/// The table with one column more: what the instrument's headlines say as of each row.
fn into_table(
    news: &News,
    model: &dyn SentimentModel,
    joined: &Joined<'_>,
    job: &SentimentJob<'_>,
) -> anyhow::Result<String> {
    let table = Table::open_for(joined.table, joined.instrument)?;
    if table.column(COLUMN).is_some() {
        bail!("{}: has a column {COLUMN} already", table.name);
    }
    let of_instrument: Vec<_> = news.headlines.iter().filter(|it| it.instrument == joined.instrument).collect();
    if of_instrument.is_empty() {
        let mut known: Vec<&str> = news.headlines.iter().map(|it| it.instrument.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        known.truncate(12);
        return Err(BadArguments(format!(
            "--instrument {}: no headline of it in {}, which has {}",
            joined.instrument,
            job.news.display(),
            known.join(", ")
        ))
        .into());
    }
    let scores: Vec<(i64, f64)> =
        of_instrument.iter().filter_map(|it| Some((it.time_ns, model.score(&it.text).score?))).collect();
    let times_ns = &table.read.times_ns;
    let sentiment = of_file(as_of(&scores, times_ns, job.half_life_ns), &table)?;
    let names = table.read.names.iter().map(String::as_str).chain([COLUMN]);
    let mut output = Output::create(job.output, names)?;
    let mut cells = Vec::with_capacity(table.read.columns.len() + 1);
    for (row, time_ns) in times_ns.iter().enumerate() {
        cells.clear();
        cells.extend(table.read.columns.iter().map(|column| column[row]));
        cells.push(sentiment[row]);
        output.row_at(*time_ns, &cells)?;
    }
    let finished = output.finish()?;
    Ok(format!(
        "{}: {} headlines of {}, {} with a score by the {}; {} of {} rows of {} have a sentiment\n",
        job.news.display(),
        of_instrument.len(),
        joined.instrument,
        scores.len(),
        model.name(),
        finished.present.last().copied().unwrap_or_default(),
        finished.rows,
        table.name
    ))
}

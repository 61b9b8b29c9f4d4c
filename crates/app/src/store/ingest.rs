//! Files into tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use jiff::civil::{Date, Time};
use serde::Serialize;
use zomma_market::{
    chain::{self, ChainError, MAX_MEMBER_BYTES, Member, ReadOptions},
    feed::Counts,
    format::Format,
    recording::Session,
};
use zomma_storage::{
    convert,
    digest::Digest,
    parquet::{Earlier, WriterSettings, Written},
    table::Table,
};
use zomma_strategy::analysis::quote_instant;

use super::{
    analysed, clock, digest,
    digest::InputName,
    own_columns, readings,
    readings::OtherReading,
    row_schema,
    row_schema::RowSchema,
    row_writer::{Root, RowWriter, Sent},
    ticks::TickWriter,
};
use crate::{
    batch::LateBar,
    failure::BadArguments,
    feed::{self, Feed, play, schema_of, session_of, shown},
    stdin, surface,
};

/// What is asked for.
pub struct Job<'a> {
    /// The files.
    pub files: &'a [PathBuf],
    /// The table.
    pub table: Table,
    /// A feed's format, where the user named it.
    pub format: Option<Format>,
    /// The session's day of a feed whose times count from midnight.
    pub date: Option<Date>,
    /// The instrument of a LOBSTER file.
    pub instrument: Option<&'a str>,
    /// How chains are read.
    pub chains: ReadOptions,
    /// New York time of a chain's quotes.
    pub quote_time: Option<Time>,
    /// What the columns of files of rows are, where the user said it.
    pub schema: Option<&'a RowSchema>,
    /// The venue's schema of a feed that has one.
    pub feed_schema: Option<&'a Path>,
    /// The writer's name, where the user named it.
    pub writer: Option<&'a str>,
    /// Whether what other readings of the same input put into the table goes.
    pub replace: bool,
    /// Whether a progress bar may show.
    pub progress: bool,
}

/// What came of a file.
#[derive(Debug, Default, Serialize)]
pub struct FileReport {
    /// The file.
    pub file: String,
    /// What it was read as.
    pub read_as: String,
    /// Whose files its rows are in.
    pub writer: String,
    /// What was written.
    pub written: Written,
    /// What a server had already, and what waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
    /// What other readings of the same input have there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_readings: Vec<OtherReading>,
    /// Rows that are more than a day from the row before and the row after, and in the days that they tell: a clock that jumped.
    pub lone_times: u64,
    /// The first of them, in nanoseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_lone_ns: Option<i64>,
    /// What made no row, by reason.
    pub left_out: BTreeMap<String, u64>,
    /// Where it could not be read on: the rows before are written.
    pub broken: Option<String>,
}

/// Ingests files, one after the other.
///
/// # Errors
///
/// With the reports of the files before it, where one cannot be read at all or written.
pub fn run(root: &Root, job: &Job<'_>, reports: &mut Vec<FileReport>) -> anyhow::Result<()> {
    if job.writer.is_none() && job.files.iter().any(|file| file == Path::new("-")) {
        let why = "what comes from standard input has no digest before it ends";
        return Err(BadArguments(format!("--writer NAME is needed for -: {why}")).into());
    }
    for path in job.files {
        let is_own = is_of_rows(job, path)?;
        refuse_unused(job, path, is_own)?;
        match job.table {
            _ if is_own => reports.push(of_own_columns(root, job, path)?),
            Table::Ticks => reports.push(of_feed(root, job, path)?),
            Table::Quotes => of_chains(root, job, path, reports)?,
            Table::Surfaces => reports.push(of_surface(root, job, path)?),
            Table::Greeks if path.is_file() && analysed::is_one(path) => reports.push(of_analysis(root, job, path)?),
            Table::Bars | Table::Greeks => {
                own_columns::can_be_rows(path)?;
                let names: Vec<_> = job.table.columns().iter().map(|column| column.name).collect();
                let other = if job.table == Table::Greeks { "; or quotes.parquet of zomma analyze" } else { "" };
                bail!(
                    "{}: no file with columns of {}: needed are time and instrument of {}{other}",
                    shown(path),
                    job.table,
                    names.join(", ")
                );
            }
        }
    }
    Ok(())
}

/// What is asked for and would change nothing of how this file is read is refused: who asked would think that it did.
fn refuse_unused(job: &Job<'_>, path: &Path, is_own: bool) -> anyhow::Result<()> {
    let (is_feed, is_chain) = (job.table == Table::Ticks && !is_own, job.table == Table::Quotes && !is_own);
    let options = [
        ("--format", job.format.is_some(), is_feed, "feeds"),
        ("--date", job.date.is_some(), is_feed, "feeds"),
        ("--schema FILE.xml", job.feed_schema.is_some(), is_feed, "feeds"),
        ("--instrument", job.instrument.is_some(), is_feed, "feeds"),
        ("--map", !job.chains.column_map.is_empty(), is_chain, "option chains"),
        ("--underlying", job.chains.underlying.is_some(), is_chain, "option chains"),
        ("--quote-time", job.quote_time.is_some(), is_chain, "option chains"),
    ];
    let Some((option, _, _, of)) = options.into_iter().find(|(_, is_given, is_used, _)| *is_given && !is_used) else {
        return Ok(());
    };
    let read_as = if is_own { "is read as rows with columns of" } else { "goes into" };
    bail!(BadArguments(format!(
        "{option}: of {of} alone; {} {read_as} {} (its columns are told by --schema)",
        shown(path),
        job.table
    )))
}

/// Whether a file is read as rows of the table, not as a feed, a chain or a surface.
fn is_of_rows(job: &Job<'_>, path: &Path) -> anyhow::Result<bool> {
    if job.schema.is_some() {
        return Ok(true);
    }
    if path == Path::new("-") {
        let has_no_other = matches!(job.table, Table::Bars | Table::Greeks);
        return Ok(job.format.is_none() && (has_no_other || own_columns::are_on_stdin()?));
    }
    Ok(path.is_file() && job.format.is_none() && own_columns::are_in(path)?)
}

/// A template of `--schema` for a table and a file's columns.
///
/// # Errors
///
/// Where the file cannot be read.
pub fn schema_template(path: &Path, table: Table) -> anyhow::Result<String> {
    let names = own_columns::names(path).with_context(|| shown(path))?;
    Ok(row_schema::template(table, &shown(path), &names))
}

/// Rows on their way, and the name that they go under.
struct Way<'a> {
    root: &'a Root,
    job: &'a Job<'a>,
    name: InputName,
}

/// A writer under the name that the user gave, which counts on; else under one that stands for the input and its reading, which replaces what it wrote
/// before.
fn writer<'a>(
    root: &'a Root,
    job: &'a Job<'a>,
    digest: impl FnOnce() -> anyhow::Result<InputName>,
) -> anyhow::Result<(RowWriter, Way<'a>)> {
    let (name, earlier) = match job.writer {
        Some(name) => (InputName::given(name), Earlier::Keep),
        None => (digest()?, Earlier::Replace),
    };
    let writer = RowWriter::new(root, WriterSettings::new(&name.writer, earlier, clock()))?;
    readings::before(root, job.table, &name)?;
    Ok((writer, Way { root, job, name }))
}

impl Way<'_> {
    /// Writes what is left, and tells what stands there of the same input. Nothing is taken away for an input that has no row or could not be read to
    /// its end.
    fn finish(
        self,
        writer: RowWriter,
        (file, read_as): (String, String),
        is_whole: bool,
    ) -> anyhow::Result<FileReport> {
        let (written, sent) = writer.finish()?;
        let replace = self.job.replace && is_whole && written.rows > 0;
        let other_readings = readings::after(self.root, self.job.table, &self.name, replace)?;
        let writer = self.name.writer;
        Ok(FileReport { file, read_as, writer, written, sent, other_readings, ..FileReport::default() })
    }
}

fn of_own_columns(root: &Root, job: &Job<'_>, path: &Path) -> anyhow::Result<FileReport> {
    let told = format!("rows\n{}", job.schema.map(RowSchema::told).unwrap_or_default());
    let (mut writer, way) = writer(root, job, || digest::of_file(path, &told))?;
    own_columns::read(path, job.table, job.schema, |rows| Ok(writer.append(job.table, rows)?))?;
    way.finish(writer, (shown(path), format!("rows of {}", job.table)), true)
}

fn of_feed(root: &Root, job: &Job<'_>, path: &Path) -> anyhow::Result<FileReport> {
    let mut opened = feed::open(path, job.format)?;
    let session = session_of(&opened, job.date, job.instrument);
    if is_from_midnight(opened.format) && session.midnight_ns == 0 {
        let format = opened.format;
        bail!(BadArguments(format!("{}: times of {format} count from midnight: --date is needed", shown(path))));
    }
    let (writer, way) = writer(root, job, || digest::of_file(path, &feed_told(&opened, &session, job)?))?;
    let mut rows = TickWriter::new(writer);
    let mut bar = LateBar::new(job.progress, opened.length);
    let bytes = std::mem::replace(&mut opened.bytes, Box::new(std::io::empty()));
    let feed = Feed { format: opened.format, session: &session, schema: schema_of(opened.format, job.feed_schema)? };
    let played = play(feed, bytes, &mut rows, &mut bar);
    let (writer, refused, lone) = rows.finish(&played.instruments)?;
    let mut report = way.finish(writer, (shown(path), opened.format.to_string()), played.broken.is_none())?;
    if report.written.rows == 0 {
        let why = played.broken.unwrap_or_else(|| "no event in it".to_owned());
        bail!("{}: not one row: {why}", shown(path));
    }
    (report.left_out, report.broken) = (left_out(&played.counts, refused), played.broken);
    (report.lone_times, report.first_lone_ns) = (lone.rows, lone.first_ns);
    Ok(report)
}

/// What says which rows are made of a feed, beside its bytes.
fn feed_told(opened: &feed::Opened, session: &Session, job: &Job<'_>) -> anyhow::Result<String> {
    let format = opened.format;
    let mut told = format!("feed {format}");
    if is_from_midnight(format) {
        told += &format!("\nmidnight {}", session.midnight_ns);
    }
    if format == Format::Lobster {
        told += &format!("\nsymbol {:?}", session.symbol);
    }
    if let Some(schema) = job.feed_schema {
        let bytes = std::fs::read(schema).with_context(|| format!("--schema {}", schema.display()))?;
        let mut digest = Digest::new();
        digest.add(&bytes);
        told += &format!("\nschema {digest}");
    }
    Ok(told)
}

/// Whether a feed's times count from midnight.
fn is_from_midnight(format: Format) -> bool {
    matches!(format, Format::Itch50 | Format::Itch50Capture | Format::Lobster)
}

fn left_out(counts: &Counts, refused: u64) -> BTreeMap<String, u64> {
    let told = [
        ("messages of unknown type", counts.unknown),
        ("malformed messages", counts.malformed),
        ("messages or more that are missing", counts.missing),
        ("events without a name or a time that can be kept", refused),
    ];
    told.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| (what.to_owned(), count)).collect()
}

type Members = Box<dyn Iterator<Item = Result<Member, ChainError>>>;

/// The files behind a path; standard input as text where its first line came in pieces.
fn members(path: &Path) -> anyhow::Result<Members> {
    if path != Path::new("-") || !stdin::is_taken() {
        return Ok(Box::new(chain::members(path)?));
    }
    let (name, mut bytes) = ("stdin".to_owned(), Vec::new());
    stdin::reader().take(MAX_MEMBER_BYTES + 1).read_to_end(&mut bytes).context("standard input")?;
    if bytes.len() as u64 > MAX_MEMBER_BYTES {
        return Err(ChainError::TooLarge { path: name }.into());
    }
    Ok(Box::new(std::iter::once(Ok(Member { name, bytes, one_of_many: false }))))
}

fn of_chains(root: &Root, job: &Job<'_>, path: &Path, reports: &mut Vec<FileReport>) -> anyhow::Result<()> {
    let (mut found, mut passed_over) = (false, None);
    for member in members(path)? {
        let member = member?;
        match chain::parse(&member, &job.chains) {
            Ok(chains) => {
                found = true;
                reports.push(of_member(root, job, &member, &chains)?);
            }
            // Of many files those that are no chain are passed over, as `zomma analyze` does.
            Err(error) if member.one_of_many && error.is_no_chain() => passed_over = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match passed_over {
        Some(error) if !found => Err(error.into()),
        _ => Ok(()),
    }
}

fn of_member(root: &Root, job: &Job<'_>, member: &Member, chains: &[chain::Chain]) -> anyhow::Result<FileReport> {
    let (mut writer, way) = writer(root, job, || Ok(name_of_member(job, member, chains)))?;
    let mut left_out: BTreeMap<String, u64> = BTreeMap::new();
    for chain in chains {
        let rows = convert::quotes(chain, quote_instant(chain, job.quote_time))?;
        for (status, count) in rows.left_out {
            *left_out.entry(format!("rows: {status}")).or_default() += count as u64;
        }
        writer.append(Table::Quotes, &rows.rows).with_context(|| chain.source.clone())?;
    }
    let report = way.finish(writer, (member.name.clone(), format!("{} chains", chains.len())), true)?;
    Ok(FileReport { left_out, ..report })
}

/// What decides a chain's rows beside its bytes: the ticker among it, where the file's name or `--underlying` says it. Where the rows say theirs,
/// `--underlying` takes a part of the file.
fn name_of_member(job: &Job<'_>, member: &Member, chains: &[chain::Chain]) -> InputName {
    let ReadOptions { column_map, underlying } = &job.chains;
    let rows_say =
        |chain: &chain::Chain| ["underlying", "symbol"].iter().any(|name| chain.quotes.present.contains(name));
    let is_told = chains.iter().any(rows_say);
    let found: BTreeSet<&str> = chains.iter().map(|chain| chain.underlying.as_str()).collect();
    let tickers = if is_told && underlying.is_none() { BTreeSet::new() } else { found };
    let told = format!("chains\n{column_map:?}\n{tickers:?}\n{:?}", job.quote_time);
    let name = digest::of_bytes(&member.name, &member.bytes, &told);
    if is_told && underlying.is_some() { name.of_part(&format!("{tickers:?}")) } else { name }
}

fn of_analysis(root: &Root, job: &Job<'_>, path: &Path) -> anyhow::Result<FileReport> {
    let told = format!("analysis\n{}", analysed::told(path));
    let (mut writer, way) = writer(root, job, || digest::of_file(path, &told))?;
    let left_out = analysed::read(path, |rows| Ok(writer.append(Table::Greeks, rows)?))?;
    let report = way.finish(writer, (shown(path), "options of an analysis".to_owned()), true)?;
    Ok(FileReport { left_out, ..report })
}

fn of_surface(root: &Root, job: &Job<'_>, path: &Path) -> anyhow::Result<FileReport> {
    let saved = surface::read(path)?;
    let rows = convert::surface(&saved).with_context(|| shown(path))?;
    let (mut writer, way) = writer(root, job, || digest::of_file(path, "surface"))?;
    writer.append(Table::Surfaces, &rows).with_context(|| shown(path))?;
    way.finish(writer, (shown(path), "a surface".to_owned()), true)
}

//! Files that have a table's own columns, or columns that `--schema` makes into them: CSV, Parquet, Arrow IPC (file and stream).

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, bail};
use arrow_array::{
    ArrayRef, RecordBatch, TimestampNanosecondArray,
    builder::{Float64Builder, Int64Builder, StringBuilder},
};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, SchemaRef};
use csv::StringRecord;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use zomma_storage::table::{INSTRUMENT, Kind, TIME, Table};

use super::{
    row_schema::{Origin, RowSchema, Source},
    row_types::{made, repeated},
};
use crate::{
    batch::{not_text, parse_instant},
    failure::shown,
    store::nanoseconds,
};

/// Rows that are read at once.
const BATCH_ROWS: usize = 1 << 16;
/// What a Parquet file begins with.
const PARQUET: &[u8] = b"PAR1";
/// What an Arrow IPC file begins with.
const ARROW_FILE: &[u8] = b"ARROW1";
/// What an Arrow IPC stream begins with.
const ARROW_STREAM: &[u8] = &[0xff; 4];

/// A file, opened.
enum Opened {
    Typed { schema: SchemaRef, batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>> },
    Text(csv::Reader<Box<dyn Read>>),
}

fn open(path: &Path) -> anyhow::Result<Opened> {
    if path != Path::new("-") {
        let mut file = File::open(path)?;
        let mut head = [0; 8];
        let length = file.read(&mut head)?;
        return match &head[..length] {
            head if head.starts_with(PARQUET) => parquet(File::open(path)?),
            head if head.starts_with(ARROW_FILE) => {
                let reader = FileReader::try_new_buffered(File::open(path)?, None)
                    .context("not an Arrow file that can be read; is it whole?")?;
                Ok(Opened::Typed { schema: reader.schema(), batches: Box::new(reader) })
            }
            head if head.starts_with(ARROW_STREAM) => stream(io::BufReader::new(File::open(path)?)),
            _ => Ok(text(Box::new(File::open(path)?))),
        };
    }
    let head = crate::stdin::first_line().context("standard input")?;
    let mut input = crate::stdin::reader();
    match head.as_slice() {
        head if head.starts_with(ARROW_STREAM) => stream(input),
        head if head.starts_with(ARROW_FILE) || head.starts_with(PARQUET) => {
            // Their end tells what is in them.
            let mut bytes = Vec::new();
            input.read_to_end(&mut bytes)?;
            if bytes.starts_with(PARQUET) {
                return parquet(bytes::Bytes::from(bytes));
            }
            let reader = FileReader::try_new(Cursor::new(bytes), None)
                .context("not an Arrow file that can be read; is it whole?")?;
            Ok(Opened::Typed { schema: reader.schema(), batches: Box::new(reader) })
        }
        _ => Ok(text(input)),
    }
}

fn parquet(input: impl parquet::file::reader::ChunkReader + 'static) -> anyhow::Result<Opened> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(input)?.with_batch_size(BATCH_ROWS);
    Ok(Opened::Typed { schema: Arc::clone(builder.schema()), batches: Box::new(builder.build()?) })
}

fn stream(input: impl Read + 'static) -> anyhow::Result<Opened> {
    let reader = StreamReader::try_new(input, None).context("not an Arrow stream that can be read")?;
    Ok(Opened::Typed { schema: reader.schema(), batches: Box::new(reader) })
}

fn text(input: Box<dyn Read>) -> Opened {
    Opened::Text(lines(input))
}

fn lines(input: Box<dyn Read>) -> csv::Reader<Box<dyn Read>> {
    csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(input)
}

/// Whether standard input is Arrow IPC or Parquet, or CSV with a table's own columns in its first line, which is waited for. Nothing of it is lost to who
/// reads [`crate::stdin::reader`].
pub fn are_on_stdin() -> anyhow::Result<bool> {
    let head = crate::stdin::first_line().context("standard input")?;
    if [ARROW_FILE, ARROW_STREAM, PARQUET].iter().any(|begins| head.starts_with(begins)) {
        return Ok(true);
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(has_own(&names_of_text(&mut lines(Box::new(Cursor::new(line.to_vec()))))))
}

/// The names in the first line; what is no text has none.
fn names_of_text(reader: &mut csv::Reader<Box<dyn Read>>) -> Vec<String> {
    reader.headers().map(|header| header.iter().map(ToOwned::to_owned).collect()).unwrap_or_default()
}

/// Whether there is a column of time and one of instrument.
fn has_own(names: &[String]) -> bool {
    [TIME, INSTRUMENT].iter().all(|name| names.iter().any(|found| found == name))
}

/// The columns of a file, each with its type in words.
pub fn names(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    match open(path)? {
        Opened::Typed { schema, .. } => {
            let fields = schema.fields().iter();
            Ok(fields.map(|field| (field.name().clone(), field.data_type().to_string())).collect())
        }
        Opened::Text(mut reader) => {
            let header = reader.headers()?;
            Ok(header.iter().map(|name| (name.to_owned(), "CSV".to_owned())).collect())
        }
    }
}

/// Whether a file has a table's own columns: it has one of time and one of instrument.
pub fn are_in(path: &Path) -> anyhow::Result<bool> {
    let found: Vec<String> = match open(path).with_context(|| path.display().to_string())? {
        Opened::Typed { schema, .. } => schema.fields().iter().map(|field| field.name().clone()).collect(),
        Opened::Text(mut reader) => names_of_text(&mut reader),
    };
    Ok(has_own(&found))
}

/// That a file is there and is text, where it is none of the binary kinds: what can be said of it before its columns are.
pub fn can_be_rows(path: &Path) -> anyhow::Result<()> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        return Ok(());
    }
    if std::fs::metadata(path).with_context(|| name.clone())?.is_dir() {
        bail!("{name}: is a directory; needed: a file of rows (CSV, Parquet or Arrow IPC)");
    }
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head)).with_context(|| name.clone())?;
    if head.trim_ascii().is_empty() {
        bail!("{name}: the file is empty; needed: a header line and rows");
    }
    if [PARQUET, ARROW_FILE, ARROW_STREAM].iter().any(|begins| head.starts_with(begins)) {
        return Ok(());
    }
    let first_line = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
    match not_text(&head, first_line) {
        Some(problem) => bail!("{name}: is not text ({problem}); needed: CSV in UTF-8, Parquet or Arrow IPC"),
        None => Ok(()),
    }
}

/// Gives the rows of a file, whose columns are the table's or become them as a schema says; one without a row is none.
pub fn read(
    path: &Path,
    table: Table,
    schema: Option<&RowSchema>,
    mut take: impl FnMut(&RecordBatch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let mut rows = 0;
    let mut take = |batch: &RecordBatch| {
        rows += batch.num_rows();
        take(batch)
    };
    let read = match open(path).with_context(|| name.clone())? {
        Opened::Typed { schema: found, batches } => {
            let names = found.fields().iter().map(|field| field.name().as_str());
            sources(table, schema, names).and_then(|sources| of_batches(batches, table, &sources, &mut take))
        }
        Opened::Text(reader) => of_text(reader, table, schema, &mut take),
    };
    read.with_context(|| name.clone())?;
    if rows == 0 {
        bail!("{name}: not one row: there are columns, and nothing in them");
    }
    Ok(())
}

/// The columns of the table that are taken, each with where it comes from.
fn sources<'a>(
    table: Table,
    schema: Option<&RowSchema>,
    found: impl Iterator<Item = &'a str>,
) -> anyhow::Result<Vec<Source>> {
    if let Some(RowSchema(sources)) = schema {
        return Ok(sources.clone());
    }
    let mut sources: Vec<Source> = Vec::new();
    for name in found {
        let Some(column) = table.columns().iter().find(|column| column.name == name) else {
            let names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
            bail!("{table} has no column {:?}; allowed: {}", shown(name), names.join(", "));
        };
        if sources.iter().any(|other| other.column.name == column.name) {
            bail!("column {} is there twice", column.name);
        }
        sources.push(Source::same(column));
    }
    Ok(sources)
}

fn of_batches(
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    table: Table,
    sources: &[Source],
    take: &mut impl FnMut(&RecordBatch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut rows_before = 0;
    for rows in batches {
        let rows = rows.context("cannot be read to its end; is it whole?")?;
        // A batch of Arrow's may be as long as the file.
        for begin in (0..rows.num_rows()).step_by(BATCH_ROWS) {
            let part = rows.slice(begin, BATCH_ROWS.min(rows.num_rows() - begin));
            take(&made(&part, table, sources, rows_before)?)?;
            rows_before += part.num_rows();
        }
    }
    Ok(())
}

fn of_text(
    mut reader: csv::Reader<Box<dyn Read>>,
    table: Table,
    schema: Option<&RowSchema>,
    take: &mut impl FnMut(&RecordBatch) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let header = reader.headers()?.clone();
    let sources = sources(table, schema, header.iter())?;
    let mut cells = Cells::new(&sources, &header, table)?;
    let mut record = StringRecord::new();
    let mut row = 0;
    while reader.read_record(&mut record)? {
        row += 1;
        cells.push(&record, row)?;
        if row % BATCH_ROWS == 0 {
            take(&cells.batch()?)?;
        }
    }
    let rest = cells.batch()?;
    if rest.num_rows() > 0 { take(&rest) } else { Ok(()) }
}

enum Builder {
    Times(Vec<Option<i64>>, i64),
    Integers(Int64Builder),
    Floats(Float64Builder, f64),
    Texts(StringBuilder),
}

/// Rows of CSV as columns.
struct Cells<'a> {
    sources: &'a [Source],
    /// Of each source that is a column of the file: which one, and its values.
    columns: Vec<Option<(usize, Builder)>>,
    rows: usize,
}

impl<'a> Cells<'a> {
    fn new(sources: &'a [Source], header: &StringRecord, table: Table) -> anyhow::Result<Self> {
        let mut columns = Vec::with_capacity(sources.len());
        for source in sources {
            let Origin::Column { name, unit_ns, scale } = &source.from else {
                columns.push(None);
                continue;
            };
            let Some(at) = header.iter().position(|found| found == name) else {
                let names: Vec<_> = header.iter().map(shown).collect();
                let (name, ours) = (shown(name), source.column.name);
                bail!("has no column {name:?} ({table}.{ours}); it has [{}]", names.join(", "));
            };
            let builder = match source.column.kind {
                Kind::Time => Builder::Times(Vec::new(), *unit_ns),
                Kind::Integer => Builder::Integers(Int64Builder::new()),
                Kind::Float => Builder::Floats(Float64Builder::new(), *scale),
                Kind::Text => Builder::Texts(StringBuilder::new()),
            };
            columns.push(Some((at, builder)));
        }
        Ok(Self { sources, columns, rows: 0 })
    }

    fn push(&mut self, record: &StringRecord, row: usize) -> anyhow::Result<()> {
        self.rows += 1;
        for (column, source) in self.columns.iter_mut().zip(self.sources) {
            let (Some((at, builder)), Origin::Column { name, .. }) = (column, &source.from) else { continue };
            let text = record.get(*at).unwrap_or_default().trim();
            let given = (!text.is_empty()).then_some(text);
            let wrong =
                |allowed: &str| anyhow::anyhow!("row {row}: {} = {:?}; allowed: {allowed}", shown(name), shown(text));
            match builder {
                Builder::Texts(texts) => texts.append_option(given),
                Builder::Integers(numbers) => {
                    let number =
                        given.map(|text| text.parse::<i64>().map_err(|_| wrong("a whole number"))).transpose()?;
                    numbers.append_option(number);
                }
                Builder::Floats(numbers, scale) => {
                    let number = given.map(|text| text.parse::<f64>().map_err(|_| wrong("a number"))).transpose()?;
                    numbers.append_option(number.map(|number| number * *scale));
                }
                Builder::Times(times, unit_ns) => {
                    let allowed = "nanoseconds since the Unix epoch, or a date-time such as 2026-01-02T15:30:00Z";
                    let time = given.map(|text| time_ns(text, *unit_ns).ok_or_else(|| wrong(allowed))).transpose()?;
                    if time.is_some_and(|time| is_of_another_unit(time, *unit_ns)) {
                        return Err(wrong(NOT_NANOSECONDS));
                    }
                    times.push(time);
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self) -> anyhow::Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        let finished = self.columns.iter_mut().zip(self.sources).map(|(column, source)| -> ArrayRef {
            match column {
                None => repeated(&source.from, source.column.kind, rows),
                Some((_, Builder::Times(times, _))) => {
                    Arc::new(TimestampNanosecondArray::from(std::mem::take(times)).with_timezone("UTC"))
                }
                Some((_, Builder::Integers(numbers))) => Arc::new(numbers.finish()),
                Some((_, Builder::Floats(numbers, _))) => Arc::new(numbers.finish()),
                Some((_, Builder::Texts(texts))) => Arc::new(texts.finish()),
            }
        });
        let named = self.sources.iter().map(|source| source.column.name).zip(finished);
        Ok(RecordBatch::try_from_iter_with_nullable(named.map(|(name, values)| (name, values, true)))?)
    }
}

/// What is allowed where a whole number is most likely of another unit.
pub const NOT_NANOSECONDS: &str = "nanoseconds since the Unix epoch from 1973 on (a smaller number is most likely of s, ms or us, as --schema can say)";

/// Whether a whole number that is read as nanoseconds is most likely of another unit: seconds, milliseconds or microseconds of any day up to 5138 are
/// nanoseconds before March 1973.
pub fn is_of_another_unit(time_ns: i64, unit_ns: i64) -> bool {
    const MARCH_1973_NS: i64 = 100_000_000_000_000_000;
    unit_ns == 1 && (1..MARCH_1973_NS).contains(&time_ns)
}

/// A time of text: a whole number of a unit, or a date-time.
pub fn time_ns(text: &str, unit_ns: i64) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(number) => number.checked_mul(unit_ns),
        Err(_) => parse_instant(text).ok().map(nanoseconds),
    }
}

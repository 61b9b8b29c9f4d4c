//! Where the table comes from: CSV, Parquet or Arrow IPC, from a file or standard input, chunk by chunk.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
};

use anyhow::{Context, bail};
use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, SchemaRef};
use parquet::{arrow::arrow_reader::ParquetRecordBatchReaderBuilder, file::reader::ChunkReader};

use super::csv_cells::{split_record, whole_records};

/// Bytes of CSV a chunk: some ten thousand rows, which fit the second-level cache once parsed.
const CSV_CHUNK_BYTES: usize = 1 << 20;
/// Rows of a Parquet or Arrow chunk.
const BATCH_ROWS: usize = 16_384;
/// A CSV record longer than this is taken for a quote that was never closed.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// A table to read.
pub struct Source {
    columns: Vec<String>,
    reader: Reader,
    /// Bytes (CSV) or rows (Parquet) read, and how many there are, where known.
    pub progress: (u64, Option<u64>),
}

enum Reader {
    Csv { input: Box<dyn Read + Send>, pending: Vec<u8>, ended: bool },
    Arrow { schema: SchemaRef, batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send> },
}

/// A part of the table.
pub enum Chunk {
    /// Whole records.
    Csv(Vec<u8>),
    /// Rows of a Parquet or Arrow file.
    Arrow(RecordBatch),
}

/// Opens a table; `-` is standard input. The format is told by content: Parquet and Arrow files begin with their magic.
pub fn open(path: &Path) -> anyhow::Result<Source> {
    let name = path.display();
    if path == Path::new("-") {
        let mut input = io::stdin();
        let head = read_head(&mut input).context("standard input")?;
        return open_stream(head, input).context("standard input");
    }
    let mut file = File::open(path).with_context(|| format!("{name}"))?;
    let metadata = file.metadata().with_context(|| format!("{name}"))?;
    if metadata.is_dir() {
        bail!("{name}: is a directory; a table is needed (CSV, Parquet or Arrow IPC)");
    }
    let head = read_head(&mut file).with_context(|| format!("{name}"))?;
    let source = if head.starts_with(b"PAR1") || ends_with(path, "parquet") {
        parquet(File::open(path)?)
    } else if head.starts_with(b"ARROW1") {
        arrow_file(File::open(path)?)
    } else {
        open_stream(head, file).map(|mut source| {
            source.progress.1 = metadata.is_file().then_some(metadata.len());
            source
        })
    };
    source.with_context(|| format!("{name}"))
}

fn ends_with(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// The first bytes, enough to tell the format.
fn read_head(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(8);
    input.by_ref().take(8).read_to_end(&mut head)?;
    Ok(head)
}

/// Opens what cannot be sought in. Parquet and Arrow files are read into memory first, Arrow streams are not.
fn open_stream(head: Vec<u8>, rest: impl Read + Send + 'static) -> anyhow::Result<Source> {
    let mut input = Cursor::new(head.clone()).chain(rest);
    if head.starts_with(b"PAR1") || head.starts_with(b"ARROW1") {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        return if head.starts_with(b"PAR1") {
            parquet(bytes::Bytes::from(bytes))
        } else {
            arrow_file(Cursor::new(bytes))
        };
    }
    if head.starts_with(&[0xff; 4]) {
        let reader = StreamReader::try_new(input, None).context("not an Arrow stream that can be read")?;
        return Ok(arrow(reader.schema(), reader, None));
    }
    csv(Box::new(input))
}

fn parquet(input: impl ChunkReader + 'static) -> anyhow::Result<Source> {
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(input).context("not a Parquet file that can be read; is it whole?")?;
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
    let schema = builder.schema().clone();
    Ok(arrow(schema, builder.with_batch_size(BATCH_ROWS).build()?, rows))
}

fn arrow_file(input: impl Read + io::Seek + Send + 'static) -> anyhow::Result<Source> {
    let reader = FileReader::try_new(input, None).context("not an Arrow file that can be read; is it whole?")?;
    Ok(arrow(reader.schema(), reader, None))
}

fn arrow(
    schema: SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + 'static,
    rows: Option<u64>,
) -> Source {
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    Source { columns, reader: Reader::Arrow { schema, batches: Box::new(batches) }, progress: (0, rows) }
}

fn csv(mut input: Box<dyn Read + Send>) -> anyhow::Result<Source> {
    let mut pending = Vec::new();
    let (header_bytes, ended) = loop {
        let ended = !read_more(&mut input, &mut pending)?;
        match first_record(&pending) {
            Some(end) => break (end, ended),
            None if ended => break (pending.len(), true),
            None if pending.len() > RECORD_BYTES_MAX => bail!("the header does not end within 64 MiB: not a CSV file"),
            None => {}
        }
    };
    let header = pending[..header_bytes].strip_prefix(b"\xef\xbb\xbf").unwrap_or(&pending[..header_bytes]);
    if header.trim_ascii().is_empty() {
        bail!("is empty: a header with column names is needed");
    }
    if let Some(problem) = not_text(&pending, header_bytes) {
        bail!("is not text ({problem}): CSV in UTF-8, Parquet or Arrow IPC is needed");
    }
    let columns = split_record(header);
    pending.drain(..header_bytes);
    Ok(Source { columns, reader: Reader::Csv { input, pending, ended }, progress: (0, None) })
}

/// Why bytes are no text, where they are not: zero bytes, or control characters in a first line that is no UTF-8 either.
pub fn not_text(bytes: &[u8], first_line: usize) -> Option<String> {
    /// So many bytes are looked at.
    const SAMPLE_BYTES: usize = 4096;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Some("UTF-16; save it as UTF-8".to_owned());
    }
    let first_is_utf8 = std::str::from_utf8(bytes.get(..first_line).unwrap_or(bytes)).is_ok();
    let is_control = |byte: u8| (byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n')) || byte == 0x7f;
    let sample = bytes.iter().take(SAMPLE_BYTES.max(first_line)).enumerate();
    let found = sample
        .into_iter()
        .find(|(at, byte)| **byte == 0 || (!first_is_utf8 && *at < first_line && is_control(**byte)))?;
    Some(format!("byte 0x{:02x} at offset {}", found.1, found.0))
}

/// End of the first record, where it is whole: a line feed in quotes does not end it.
fn first_record(bytes: &[u8]) -> Option<usize> {
    let line_ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    line_ends.into_iter().find(|&end| whole_records(&bytes[..end]) == Some(end))
}

/// Reads up to a chunk more; false at the end.
fn read_more(input: &mut impl Read, pending: &mut Vec<u8>) -> io::Result<bool> {
    let read = input.by_ref().take(CSV_CHUNK_BYTES as u64).read_to_end(pending)?;
    Ok(read == CSV_CHUNK_BYTES)
}

impl Source {
    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Types of the columns, where the file has them.
    pub fn schema(&self) -> Option<&SchemaRef> {
        match &self.reader {
            Reader::Arrow { schema, .. } => Some(schema),
            Reader::Csv { .. } => None,
        }
    }

    /// The next part, or None at the end.
    pub fn next_chunk(&mut self) -> anyhow::Result<Option<Chunk>> {
        match &mut self.reader {
            Reader::Arrow { batches, .. } => {
                let batch = batches.next().transpose().context("cannot be read to its end; is it whole?")?;
                self.progress.0 += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
                Ok(batch.map(Chunk::Arrow))
            }
            Reader::Csv { input, pending, ended } => {
                let chunk = next_records(input, pending, ended)?;
                self.progress.0 += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
                Ok(chunk.map(Chunk::Csv))
            }
        }
    }
}

fn next_records(input: &mut impl Read, pending: &mut Vec<u8>, ended: &mut bool) -> anyhow::Result<Option<Vec<u8>>> {
    loop {
        if !*ended && pending.len() < CSV_CHUNK_BYTES {
            *ended = !read_more(input, pending)?;
        }
        if *ended {
            return Ok((!pending.is_empty()).then(|| std::mem::take(pending)));
        }
        if let Some(end) = whole_records(pending) {
            let rest = pending.split_off(end);
            return Ok(Some(std::mem::replace(pending, rest)));
        }
        if pending.len() > RECORD_BYTES_MAX {
            bail!("a record does not end within 64 MiB; is a quote not closed?");
        }
        *ended = !read_more(input, pending)?;
    }
}

//! Where the table goes: CSV, Parquet or Arrow IPC, to a file that appears when it is whole, or to standard output.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use arrow_schema::SchemaRef;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use zomma_pricing::valuation::Results;

use super::{
    args::{Format, Plan, Precision},
    arrow_cells::{self, ArrowCells, append_escaped},
    csv_cells::CsvCells,
    fields::Layout,
    source::Source,
};
use crate::{failure::StdoutFailed, output_file::AtomicFile};

/// A table being written.
pub struct Sink {
    writer: Writer,
    name: String,
    stdout_closed: Arc<AtomicBool>,
}

enum Writer {
    Csv(Destination),
    Parquet(Box<ArrowWriter<Destination>>),
    Arrow(Box<FileWriter<Destination>>),
}

/// The bytes' way out.
enum Destination {
    Stdout(io::Stdout, Arc<AtomicBool>),
    File(AtomicFile),
    /// A pipe or device, which cannot be renamed to.
    Special(BufWriter<File>),
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (result, closed) = match self {
            Self::Stdout(out, closed) => (out.write(bytes), closed),
            Self::File(file) => return file.write(bytes),
            Self::Special(file) => return file.write(bytes),
        };
        note_closed(result, closed)
    }

    fn flush(&mut self) -> io::Result<()> {
        let (result, closed) = match self {
            Self::Stdout(out, closed) => (out.flush(), closed),
            Self::File(file) => return file.flush(),
            Self::Special(file) => return file.flush(),
        };
        note_closed(result, closed)
    }
}

/// Remembers that the reader went away, which the writers of formats would report as some error of theirs.
fn note_closed<T>(result: io::Result<T>, closed: &AtomicBool) -> io::Result<T> {
    if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        closed.store(true, Ordering::Relaxed);
    }
    result
}

impl Destination {
    fn create(path: &Path, stdout_closed: &Arc<AtomicBool>) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(io::stdout(), Arc::clone(stdout_closed)));
        }
        let special = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        Ok(if special {
            Self::Special(BufWriter::new(File::create(path)?))
        } else {
            Self::File(AtomicFile::create(path)?)
        })
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match self {
            Self::File(file) => file.commit(),
            Self::Stdout(..) | Self::Special(_) => Ok(()),
        }
    }
}

/// A chunk as it goes out.
pub enum Encoded {
    /// Lines of CSV.
    Csv(Vec<u8>),
    /// Rows of Parquet or Arrow.
    Batch(RecordBatch),
}

/// Opens the output before any work is done, so that what cannot be written is found now.
pub fn create(path: &Path, format: Format, source: &Source, layout: &Layout, plan: &Plan) -> anyhow::Result<Sink> {
    let stdout_closed = Arc::new(AtomicBool::new(false));
    let name = if path == Path::new("-") { "standard output".to_string() } else { path.display().to_string() };
    let destination = Destination::create(path, &stdout_closed).with_context(|| format!("cannot write {name}"))?;
    let schema = arrow_cells::output_schema(source.schema().map(AsRef::as_ref), layout, plan);
    let writer = open_writer(destination, format, &schema).with_context(|| format!("cannot write {name}"));
    let mut sink = Sink { writer: writer?, name, stdout_closed };
    sink.write_header(layout)?;
    Ok(sink)
}

fn open_writer(destination: Destination, format: Format, schema: &SchemaRef) -> anyhow::Result<Writer> {
    Ok(match format {
        Format::Csv => Writer::Csv(destination),
        Format::Parquet => {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
                .set_max_row_group_row_count(Some(1 << 17))
                .build();
            Writer::Parquet(Box::new(ArrowWriter::try_new(destination, Arc::clone(schema), Some(properties))?))
        }
        Format::Arrow => Writer::Arrow(Box::new(FileWriter::try_new(destination, schema)?)),
    })
}

impl Sink {
    /// The schema of what is written.
    pub fn write(&mut self, encoded: Encoded) -> anyhow::Result<()> {
        let written = match (&mut self.writer, encoded) {
            (Writer::Csv(out), Encoded::Csv(bytes)) => out.write_all(&bytes).map_err(anyhow::Error::from),
            (Writer::Parquet(out), Encoded::Batch(batch)) => out.write(&batch).map_err(anyhow::Error::from),
            (Writer::Arrow(out), Encoded::Batch(batch)) => out.write(&batch).map_err(anyhow::Error::from),
            (Writer::Csv(_), Encoded::Batch(_)) | (Writer::Parquet(_) | Writer::Arrow(_), Encoded::Csv(_)) => {
                unreachable!("a chunk is encoded for the format of its sink")
            }
        };
        self.explain(written)
    }

    /// Ends the table and puts it in its place.
    pub fn finish(self) -> anyhow::Result<()> {
        let Self { writer, name, stdout_closed } = self;
        let finished = match writer {
            Writer::Csv(out) => out.finish().map_err(anyhow::Error::from),
            Writer::Parquet(out) => out.into_inner().map_err(anyhow::Error::from).and_then(|out| Ok(out.finish()?)),
            Writer::Arrow(mut out) => {
                let ended = out.finish().map_err(anyhow::Error::from);
                ended.and_then(|()| Ok(out.into_inner()?.finish()?))
            }
        };
        explain(finished, &name, &stdout_closed)
    }

    fn write_header(&mut self, layout: &Layout) -> anyhow::Result<()> {
        if !matches!(self.writer, Writer::Csv(_)) {
            return Ok(());
        }
        let copied =
            layout.names.iter().zip(&layout.copied).filter(|(_, copied)| **copied).map(|(name, _)| name.as_str());
        let mut line = Vec::new();
        for (i, name) in copied.chain(layout.results.iter().copied()).chain(["status"]).enumerate() {
            if i > 0 {
                line.push(b',');
            }
            append_escaped(name, &mut line);
        }
        line.push(b'\n');
        self.write(Encoded::Csv(line))
    }

    fn explain(&self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        explain(result, &self.name, &self.stdout_closed)
    }
}

fn explain(result: anyhow::Result<()>, name: &str, stdout_closed: &AtomicBool) -> anyhow::Result<()> {
    if stdout_closed.load(Ordering::Relaxed) {
        return Err(StdoutFailed(io::Error::from(io::ErrorKind::BrokenPipe)).into());
    }
    result.with_context(|| format!("cannot write {name}"))
}

/// Encodes a CSV chunk with its results.
pub fn encode_csv_cells(cells: &CsvCells, results: &Results, layout: &Layout, plan: &Plan) -> anyhow::Result<Encoded> {
    if plan.format != Format::Csv {
        let schema = arrow_cells::output_schema(None, layout, plan);
        let copied = arrow_cells::copied_of_csv(cells, layout);
        return Ok(Encoded::Batch(arrow_cells::batch(&schema, copied, results, plan)?));
    }
    let all_copied = layout.replaced.is_empty();
    Ok(encode_lines(results, layout, plan, |row, out| cells.copy_row(row, &layout.copied, all_copied, out)))
}

/// Encodes a Parquet or Arrow chunk with its results.
pub fn encode_arrow_cells(
    cells: &ArrowCells,
    schema: &arrow_schema::Schema,
    results: &Results,
    layout: &Layout,
    plan: &Plan,
) -> anyhow::Result<Encoded> {
    if plan.format != Format::Csv {
        let schema = arrow_cells::output_schema(Some(schema), layout, plan);
        let copied = arrow_cells::copied_of_arrow(cells, layout);
        return Ok(Encoded::Batch(arrow_cells::batch(&schema, copied, results, plan)?));
    }
    let formatters = cells.formatters(&layout.copied)?;
    Ok(encode_lines(results, layout, plan, |row, out| cells.copy_row(row, &formatters, out)))
}

fn encode_lines(results: &Results, layout: &Layout, plan: &Plan, copy_row: impl Fn(usize, &mut Vec<u8>)) -> Encoded {
    let rows = results.status.len();
    let mut out = Vec::with_capacity(rows * (96 + 20 * results.columns.len()));
    let mut buffer = zmij::Buffer::new();
    let any_copied = layout.copied.contains(&true);
    for row in 0..rows {
        copy_row(row, &mut out);
        if any_copied {
            out.push(b',');
        }
        for column in &results.columns {
            let value = column[row];
            if value.is_finite() {
                out.extend_from_slice(match plan.precision {
                    Precision::F64 => buffer.format_finite(value).as_bytes(),
                    Precision::F32 => buffer.format_finite(value as f32).as_bytes(),
                });
            }
            out.push(b',');
        }
        out.extend_from_slice(results.status[row].as_str().as_bytes());
        out.push(b'\n');
    }
    Encoded::Csv(out)
}

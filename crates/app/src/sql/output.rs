//! Where the rows of a query go: CSV, JSON, Parquet or Arrow to a file that appears when it is whole, or text to standard output.

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    path::Path,
    sync::Arc,
};

use anyhow::Context;
use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use arrow_json::{WriterBuilder, writer::LineDelimited};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use clap::ValueEnum;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::text_table::TextTable;
use crate::{
    batch::{append_line, append_rows},
    failure::{BadArguments, StdoutFailed},
    output_file::AtomicFile,
};

/// How rows are written to standard output, or to a file whose ending does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns under each other, for people.
    Table,
    /// Comma-separated values.
    Csv,
    /// An object a row, a line each.
    Json,
}

/// Rows on their way out.
pub struct Output {
    writer: Writer,
    shown: String,
    columns: SchemaRef,
}

enum Writer {
    Table(TextTable),
    Csv(Text),
    Json(Text),
    Parquet(Box<ArrowWriter<AtomicFile>>),
    Arrow(Box<FileWriter<AtomicFile>>),
}

/// Where text goes.
enum Text {
    Stdout(BufWriter<io::Stdout>),
    File(AtomicFile),
}

impl Text {
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Stdout(out) => Ok(out.write_all(bytes).map_err(StdoutFailed)?),
            Self::File(file) => Ok(file.write_all(bytes)?),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Stdout(mut out) => Ok(out.flush().map_err(StdoutFailed)?),
            Self::File(file) => Ok(file.commit()?),
        }
    }
}

impl Output {
    /// Opens the output, so that what cannot be written is found before the first row.
    pub fn create(path: Option<&Path>, format: Option<Format>, columns: &SchemaRef) -> anyhow::Result<Self> {
        let path = path.filter(|path| *path != Path::new("-"));
        let Some(path) = path else {
            let text = || Text::Stdout(BufWriter::new(io::stdout()));
            let default = if io::stdout().is_terminal() { Format::Table } else { Format::Csv };
            let writer = match format.unwrap_or(default) {
                Format::Table => Writer::Table(TextTable::new(columns)),
                Format::Csv => Writer::Csv(text()),
                Format::Json => Writer::Json(text()),
            };
            return Self::begin(writer, "standard output".into(), Arc::clone(columns));
        };
        let shown = format!("-o {}", path.display());
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let file = || AtomicFile::create(path).with_context(|| shown.clone());
        let writer = match (ending.as_deref(), format) {
            (Some("csv" | "txt"), None | Some(Format::Csv)) | (None, Some(Format::Csv)) => {
                Writer::Csv(Text::File(file()?))
            }
            (Some("json" | "jsonl" | "ndjson"), None | Some(Format::Json)) | (None, Some(Format::Json)) => {
                Writer::Json(Text::File(file()?))
            }
            (Some("parquet" | "pq"), None) => {
                let level = Compression::ZSTD(ZstdLevel::try_new(1)?);
                let properties = WriterProperties::builder().set_compression(level).build();
                let writer = ArrowWriter::try_new(file()?, plain(columns), Some(properties));
                Writer::Parquet(Box::new(writer.with_context(|| shown.clone())?))
            }
            (Some("arrow" | "ipc" | "feather"), None) => {
                Writer::Arrow(Box::new(FileWriter::try_new(file()?, &plain(columns)).with_context(|| shown.clone())?))
            }
            (ending, None) => {
                let ending = ending.map_or_else(|| "no ending".to_owned(), |ending| format!(".{ending}"));
                return Err(BadArguments(format!(
                    "{shown}: {ending} tells no format; allowed: .csv, .json, .parquet, .arrow"
                ))
                .into());
            }
            (_, Some(_)) => {
                return Err(BadArguments(format!(
                    "{shown}: --format is for standard output, and for a file whose name has no ending (csv, json)"
                ))
                .into());
            }
        };
        Self::begin(writer, shown, Arc::clone(columns))
    }

    fn begin(writer: Writer, shown: String, columns: SchemaRef) -> anyhow::Result<Self> {
        let mut output = Self { writer, shown, columns };
        if let Writer::Csv(text) = &mut output.writer {
            let mut line = Vec::new();
            append_line(output.columns.fields().iter().map(|field| field.name().as_str()), &mut line);
            text.write(&line).with_context(|| output.shown.clone())?;
        }
        Ok(output)
    }

    /// Writes rows.
    pub fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        let written = match &mut self.writer {
            Writer::Table(table) => table.add(batch),
            Writer::Csv(text) => {
                let mut lines = Vec::new();
                append_rows(batch, &mut lines).and_then(|()| text.write(&lines))
            }
            Writer::Json(text) => json_lines(batch).and_then(|lines| text.write(&lines)),
            Writer::Parquet(writer) => {
                plain_rows(batch).and_then(|batch| writer.write(&batch).map_err(anyhow::Error::from))
            }
            Writer::Arrow(writer) => {
                plain_rows(batch).and_then(|batch| writer.write(&batch).map_err(anyhow::Error::from))
            }
        };
        written.with_context(|| self.shown.clone())
    }

    /// Writes what is left, and puts a file in its place.
    pub fn finish(self) -> anyhow::Result<()> {
        let Self { writer, shown, .. } = self;
        let finished = match writer {
            Writer::Table(table) => crate::commands::print(&table.render()),
            Writer::Csv(text) | Writer::Json(text) => text.finish(),
            Writer::Parquet(writer) => {
                writer.into_inner().map_err(anyhow::Error::from).and_then(|file| Ok(file.commit()?))
            }
            Writer::Arrow(mut writer) => writer
                .finish()
                .and_then(|()| writer.into_inner())
                .map_err(anyhow::Error::from)
                .and_then(|file| Ok(file.commit()?)),
        };
        finished.with_context(|| shown)
    }
}

fn json_lines(batch: &RecordBatch) -> anyhow::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

/// The columns with text as other programs know it: views are a newer layout that not all of them read.
fn plain(columns: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8View => field.as_ref().clone().with_data_type(DataType::Utf8),
        DataType::BinaryView => field.as_ref().clone().with_data_type(DataType::Binary),
        _ => field.as_ref().clone(),
    };
    Arc::new(Schema::new(columns.fields().iter().map(field).collect::<Vec<_>>()))
}

fn plain_rows(batch: &RecordBatch) -> anyhow::Result<RecordBatch> {
    let columns = plain(&batch.schema());
    let arrays = batch.columns().iter().zip(columns.fields());
    let arrays = arrays.map(|(array, field)| arrow_cast::cast(array, field.data_type())).collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(columns, arrays)?)
}

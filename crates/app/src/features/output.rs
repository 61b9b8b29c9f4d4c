//! Where rows of features go: Parquet or CSV by the file's ending, or CSV to standard output.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
    sync::Arc,
};

use anyhow::Context;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{
    failure::{BadArguments, StdoutFailed},
    output_file::AtomicFile,
};

/// Rows that are written at once.
const BATCH_ROWS: usize = 1 << 16;
/// The first column.
const TIME: &str = "time_ns";
/// The second, where rows are of several instruments.
const SYMBOL: &str = "symbol";

/// Rows on their way out.
pub struct Output {
    writer: Writer,
    shown: String,
    schema: SchemaRef,
    times_ns: Vec<i64>,
    /// Whose each row is, where they are of several instruments.
    symbols: Option<Vec<String>>,
    values: Vec<Vec<Option<f64>>>,
    rows: u64,
    present: Vec<u64>,
}

enum Writer {
    Csv(AtomicFile),
    Stdout(BufWriter<io::Stdout>),
    Parquet(Box<ArrowWriter<AtomicFile>>),
}

/// What was written.
pub struct Finished {
    /// Rows.
    pub rows: u64,
    /// Of each column, the rows that have a value.
    pub present: Vec<u64>,
}

impl Output {
    /// Opens the output, so that what cannot be written is found now, with a column for each name.
    pub fn create<'a>(path: &Path, names: impl Iterator<Item = &'a str>) -> anyhow::Result<Self> {
        Self::create_with(path, false, names)
    }

    /// The same, with a column for the instrument of each row.
    pub fn of_several<'a>(path: &Path, names: impl Iterator<Item = &'a str>) -> anyhow::Result<Self> {
        Self::create_with(path, true, names)
    }

    fn create_with<'a>(path: &Path, has_symbols: bool, names: impl Iterator<Item = &'a str>) -> anyhow::Result<Self> {
        let shown = format!("-o {}", path.display());
        let time = Field::new(TIME, DataType::Int64, false);
        let symbol = has_symbols.then(|| Field::new(SYMBOL, DataType::Utf8, false));
        let of_features: Vec<Field> = names.map(|name| Field::new(name, DataType::Float64, true)).collect();
        let columns = of_features.len();
        let fields: Vec<Field> = std::iter::once(time).chain(symbol).chain(of_features).collect();
        let schema = Arc::new(Schema::new(fields));
        let file = || AtomicFile::create(path).with_context(|| shown.clone());
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let writer = match ending.as_deref() {
            _ if path == Path::new("-") => Writer::Stdout(BufWriter::new(io::stdout())),
            Some("csv") => Writer::Csv(file()?),
            Some("parquet") => {
                let properties =
                    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?)).build();
                Writer::Parquet(Box::new(ArrowWriter::try_new(file()?, Arc::clone(&schema), Some(properties))?))
            }
            _ => {
                return Err(
                    BadArguments(format!("{shown}: allowed: a name that ends in .parquet or .csv, or -")).into()
                );
            }
        };
        let mut output = Self {
            writer,
            shown,
            schema,
            times_ns: Vec::new(),
            symbols: has_symbols.then(Vec::new),
            values: vec![Vec::new(); columns],
            rows: 0,
            present: vec![0; columns],
        };
        output.header()?;
        Ok(output)
    }

    fn header(&mut self) -> anyhow::Result<()> {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let line = names.join(",") + "\n";
        self.text(line.as_bytes())
    }

    /// Writes text where the rows are text.
    fn text(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match &mut self.writer {
            Writer::Csv(file) => file.write_all(bytes).with_context(|| self.shown.clone()),
            Writer::Stdout(out) => Ok(out.write_all(bytes).map_err(StdoutFailed)?),
            Writer::Parquet(_) => Ok(()),
        }
    }

    /// Adds a row. A time past the year 2262, which Parquet's integer does not hold, counts as that.
    pub fn row(&mut self, time_ns: u64, values: &[Option<f64>]) -> anyhow::Result<()> {
        self.row_at(i64::try_from(time_ns).unwrap_or(i64::MAX), values)
    }

    /// Adds a row of a time that may be before 1970.
    pub fn row_at(&mut self, time_ns: i64, values: &[Option<f64>]) -> anyhow::Result<()> {
        self.rows += 1;
        self.times_ns.push(time_ns);
        for ((column, present), value) in self.values.iter_mut().zip(&mut self.present).zip(values) {
            *present += u64::from(value.is_some());
            column.push(*value);
        }
        if self.times_ns.len() < BATCH_ROWS { Ok(()) } else { self.flush() }
    }

    /// Adds a row of one of several instruments.
    pub fn row_of(&mut self, time_ns: u64, symbol: &str, values: &[Option<f64>]) -> anyhow::Result<()> {
        if let Some(symbols) = &mut self.symbols {
            symbols.push(symbol.to_owned());
        }
        self.row(time_ns, values)
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let symbols = self.symbols.as_mut().map(std::mem::take);
        let times_ns = std::mem::take(&mut self.times_ns);
        let values: Vec<Vec<Option<f64>>> = self.values.iter_mut().map(std::mem::take).collect();
        if let Writer::Parquet(writer) = &mut self.writer {
            let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(times_ns))];
            columns.extend(symbols.map(|symbols| Arc::new(StringArray::from(symbols)) as ArrayRef));
            columns.extend(values.into_iter().map(|column| Arc::new(Float64Array::from(column)) as ArrayRef));
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
            return writer.write(&batch).with_context(|| self.shown.clone());
        }
        let mut text = Vec::new();
        for (row, time_ns) in times_ns.iter().enumerate() {
            // Writing to memory does not fail.
            let _ = write!(text, "{time_ns}");
            if let Some(symbols) = &symbols {
                text.push(b',');
                text.extend(quoted(&symbols[row]).as_bytes());
            }
            for column in &values {
                text.push(b',');
                if let Some(value) = column[row] {
                    let _ = write!(text, "{value}");
                }
            }
            text.push(b'\n');
        }
        self.text(&text)
    }

    /// Writes what is left, and puts the file in its place where it has a row.
    pub fn finish(mut self) -> anyhow::Result<Finished> {
        self.flush()?;
        let Self { writer, shown, rows, present, .. } = self;
        let finished = match writer {
            _ if rows == 0 => Ok(()),
            Writer::Csv(file) => file.commit(),
            Writer::Stdout(mut out) => {
                return out.flush().map_err(StdoutFailed).map(|()| Finished { rows, present }).map_err(Into::into);
            }
            Writer::Parquet(writer) => writer.into_inner().with_context(|| shown.clone())?.commit(),
        };
        finished.with_context(|| shown)?;
        Ok(Finished { rows, present })
    }
}

/// A cell of CSV: in quotes where its text would be read as more than one.
fn quoted(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

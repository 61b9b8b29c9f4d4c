//! Files that have a table's own columns: CSV and Parquet.

use std::{fs::File, path::Path, sync::Arc};

use anyhow::{Context, bail};
use arrow_array::{
    ArrayRef, RecordBatch, TimestampNanosecondArray,
    builder::{Float64Builder, Int64Builder, StringBuilder},
};
use arrow_cast::cast;
use csv::StringRecord;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use zomma_storage::table::{Column, INSTRUMENT, Kind, TIME, Table};

use crate::{batch::parse_instant, failure::shown, store::nanoseconds};

/// Rows that are read at once.
const BATCH_ROWS: usize = 1 << 16;

/// Whether a file has a table's own columns: it has one of time and one of instrument.
pub fn are_in(path: &Path) -> anyhow::Result<bool> {
    let shown = || path.display().to_string();
    let bytes = File::open(path).and_then(|file| {
        let mut head = [0; 4];
        let length = std::io::Read::read(&mut &file, &mut head)?;
        Ok(head[..length].to_vec())
    });
    let names: Vec<String> = match bytes.with_context(shown)?.as_slice() {
        b"PAR1" => {
            let file = File::open(path).with_context(shown)?;
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).with_context(shown)?;
            builder.schema().fields().iter().map(|field| field.name().clone()).collect()
        }
        _ => {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).with_context(shown)?;
            // What is no text has no such columns.
            reader
                .headers()
                .map(|header| header.iter().map(|name| name.trim().to_owned()).collect())
                .unwrap_or_default()
        }
    };
    Ok([TIME, INSTRUMENT].iter().all(|name| names.iter().any(|found| found == name)))
}

/// Gives the rows of a file.
pub fn read(path: &Path, table: Table, mut take: impl FnMut(&RecordBatch) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let mut magic = [0; 4];
    let length = std::io::Read::read(&mut File::open(path).with_context(|| name.clone())?, &mut magic);
    if length.with_context(|| name.clone())? == 4 && &magic == b"PAR1" {
        let file = File::open(path).with_context(|| name.clone())?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).with_context(|| name.clone())?;
        for rows in reader.with_batch_size(BATCH_ROWS).build().with_context(|| name.clone())? {
            let rows = rows.with_context(|| format!("{name}: cannot be read to its end; is it whole?"))?;
            take(&typed(&rows, table).with_context(|| name.clone())?).with_context(|| name.clone())?;
        }
        return Ok(());
    }
    let mut reader = csv::Reader::from_path(path).with_context(|| name.clone())?;
    let header = reader.headers().with_context(|| name.clone())?.clone();
    let columns = columns(table, &header).with_context(|| name.clone())?;
    let mut cells = Cells::new(&columns);
    let mut record = StringRecord::new();
    let mut row = 0;
    while reader.read_record(&mut record).with_context(|| name.clone())? {
        row += 1;
        cells.push(&columns, &record, row).with_context(|| name.clone())?;
        if row % BATCH_ROWS == 0 {
            take(&cells.batch(&columns)?).with_context(|| name.clone())?;
        }
    }
    let rest = cells.batch(&columns)?;
    if rest.num_rows() > 0 { take(&rest).with_context(|| name) } else { Ok(()) }
}

/// Columns with the table's types, where theirs can be made into these without loss: times of other units, texts of other kinds, smaller numbers.
fn typed(rows: &RecordBatch, table: Table) -> anyhow::Result<RecordBatch> {
    let schema = rows.schema();
    let mut columns: Vec<(String, ArrayRef)> = Vec::with_capacity(rows.num_columns());
    for (field, values) in schema.fields().iter().zip(rows.columns()) {
        let known = table.columns().iter().find(|column| column.name == field.name());
        let values = match known.map(|column| column.kind.data_type()) {
            Some(wanted) if wanted != *values.data_type() => {
                let made = cast(values, &wanted).ok().filter(|made| made.null_count() == values.null_count());
                made.with_context(|| {
                    format!("column {} is {}; allowed: what {wanted} can hold", field.name(), values.data_type())
                })?
            }
            _ => Arc::clone(values),
        };
        columns.push((field.name().clone(), values));
    }
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// The table's columns in the order of a header.
fn columns(table: Table, header: &StringRecord) -> anyhow::Result<Vec<&'static Column>> {
    let mut found: Vec<&'static Column> = Vec::with_capacity(header.len());
    for name in header {
        let column = table.columns().iter().find(|column| column.name == name.trim());
        let Some(column) = column else {
            let names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
            bail!("{table} has no column {:?}; allowed: {}", shown(name), names.join(", "));
        };
        if found.iter().any(|other| other.name == column.name) {
            bail!("column {} is there twice", column.name);
        }
        found.push(column);
    }
    Ok(found)
}

enum Builder {
    Times(Vec<Option<i64>>),
    Integers(Int64Builder),
    Floats(Float64Builder),
    Texts(StringBuilder),
}

/// Rows of CSV as columns.
struct Cells(Vec<Builder>);

impl Cells {
    fn new(columns: &[&Column]) -> Self {
        let builder = |column: &&Column| match column.kind {
            Kind::Time => Builder::Times(Vec::new()),
            Kind::Integer => Builder::Integers(Int64Builder::new()),
            Kind::Float => Builder::Floats(Float64Builder::new()),
            Kind::Text => Builder::Texts(StringBuilder::new()),
        };
        Self(columns.iter().map(builder).collect())
    }

    fn push(&mut self, columns: &[&Column], record: &StringRecord, row: usize) -> anyhow::Result<()> {
        for ((builder, column), text) in self.0.iter_mut().zip(columns).zip(record) {
            let text = text.trim();
            let given = (!text.is_empty()).then_some(text);
            let wrong =
                |allowed: &str| anyhow::anyhow!("row {row}: {} = {:?}; allowed: {allowed}", column.name, shown(text));
            match builder {
                Builder::Texts(texts) => texts.append_option(given),
                Builder::Integers(numbers) => {
                    let number =
                        given.map(|text| text.parse::<i64>().map_err(|_| wrong("a whole number"))).transpose()?;
                    numbers.append_option(number);
                }
                Builder::Floats(numbers) => {
                    let number = given.map(|text| text.parse::<f64>().map_err(|_| wrong("a number"))).transpose()?;
                    numbers.append_option(number);
                }
                Builder::Times(times) => {
                    let allowed = "nanoseconds since the Unix epoch, or a date-time such as 2026-01-02T15:30:00Z";
                    times.push(given.map(|text| time_ns(text).ok_or_else(|| wrong(allowed))).transpose()?);
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, columns: &[&Column]) -> anyhow::Result<RecordBatch> {
        let finished = self.0.iter_mut().map(|builder| -> ArrayRef {
            match builder {
                Builder::Times(times) => {
                    Arc::new(TimestampNanosecondArray::from(std::mem::take(times)).with_timezone("UTC"))
                }
                Builder::Integers(numbers) => Arc::new(numbers.finish()),
                Builder::Floats(numbers) => Arc::new(numbers.finish()),
                Builder::Texts(texts) => Arc::new(texts.finish()),
            }
        });
        let named = columns.iter().map(|column| column.name).zip(finished);
        Ok(RecordBatch::try_from_iter_with_nullable(named.map(|(name, values)| (name, values, true)))?)
    }
}

fn time_ns(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| parse_instant(text).ok().map(nanoseconds))
}

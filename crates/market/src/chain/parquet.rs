//! Chains from Parquet: columns by the same names, of any numeric, text or date type.

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, TimeUnit};
use bytes::Bytes;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::build::{Builder, FileFacts, Row};
use super::cell::Cell;
use super::columns::{COUNT, Column};
use super::contained::contained;
use super::recognise::{self, SAMPLE_ROWS, Table};
use super::{Chain, ChainError, MAX_ROWS, Member, ReadOptions};

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

pub(super) fn parse(member: &Member, options: &ReadOptions) -> Result<Vec<Chain>, ChainError> {
    contained(|| decode(member, options))
        .unwrap_or_else(|reason| Err(ChainError::Corrupt { path: member.name.clone(), format: "Parquet", reason }))
}

fn decode(member: &Member, options: &ReadOptions) -> Result<Vec<Chain>, ChainError> {
    let path = member.name.as_str();
    let damaged = |reason: String| ChainError::Corrupt { path: path.to_owned(), format: "Parquet", reason };
    let content = Bytes::copy_from_slice(&member.bytes);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(content.clone(), reading())
        .map_err(|e| damaged(e.to_string()))?;
    let rows = builder.metadata().file_metadata().num_rows();
    if usize::try_from(rows).map_err(|_| damaged(format!("{rows} rows")))? > MAX_ROWS {
        return Err(ChainError::TooManyRows { path: path.to_owned() });
    }
    check_extents(builder.metadata(), member.bytes.len()).map_err(damaged)?;
    let header: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let head =
        builder.with_batch_size(SAMPLE_ROWS).with_limit(SAMPLE_ROWS).build().map_err(|e| damaged(e.to_string()))?;
    let mut sample = Vec::new();
    for batch in head {
        sample.extend(texts(&batch.map_err(|e| damaged(e.to_string()))?));
    }
    let found = recognise::recognise(&Table { path, header: &header, sample: &sample }, options)?;

    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(content, reading())
        .map_err(|e| damaged(e.to_string()))?;
    // Only the columns of a chain are decoded; the mask keeps their order.
    let wanted = |at: usize| found.index.contains(&Some(at));
    let kept: Vec<usize> = (0..header.len()).filter(|at| wanted(*at)).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), kept.iter().copied());
    let reader =
        builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|e| damaged(e.to_string()))?;
    let facts = FileFacts {
        path: path.to_owned(),
        layout: found.layout,
        present: found.present(),
        quote_time: found.quote_time,
    };
    let mut chains = Builder::new(facts, options)?;
    for batch in reader {
        let batch = batch.map_err(|e| damaged(e.to_string()))?;
        let columns = typed_columns(&batch, &found.index, &kept).map_err(|e| damaged(e.to_string()))?;
        for row in 0..batch.num_rows() {
            chains.push(&ParquetRow { columns: &columns, row })?;
        }
    }
    chains.finish(recognise::listed(&header))
}

/// Types come from Parquet itself: the Arrow schema that writers add is another thing that may be damaged, and its reader
/// panics on that.
fn reading() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// The reader takes the footer's word for where columns lie, and panics on a place outside the file.
fn check_extents(metadata: &ParquetMetaData, file_bytes: usize) -> Result<(), String> {
    for column in metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let end = start.checked_add(column.compressed_size());
        let is_inside = start >= 0
            && column.data_page_offset() >= 0
            && column.compressed_size() >= 0
            && column.num_values() >= 0
            && end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end <= file_bytes as u64));
        if !is_inside {
            return Err(format!("column {} lies outside the file", column.column_path()));
        }
    }
    Ok(())
}

struct ParquetRow<'a> {
    columns: &'a [Option<Typed>; COUNT],
    row: usize,
}

/// A column of a batch in one of the types that a cell has.
enum Typed {
    Number(ArrayRef),
    Text(ArrayRef),
    Date(ArrayRef),
    Local(ArrayRef),
    Instant(ArrayRef),
}

impl Row for ParquetRow<'_> {
    fn cell(&self, column: Column) -> Cell<'_> {
        let Some(typed) = &self.columns[column as usize] else { return Cell::Absent };
        let (Typed::Number(array)
        | Typed::Text(array)
        | Typed::Date(array)
        | Typed::Local(array)
        | Typed::Instant(array)) = typed;
        if array.is_null(self.row) {
            return Cell::Absent;
        }
        let micros = || array.as_primitive::<TimestampMicrosecondType>().value(self.row);
        match typed {
            Typed::Number(_) => Cell::Number(array.as_primitive::<Float64Type>().value(self.row)),
            Typed::Text(_) => Cell::Text(array.as_string::<i32>().value(self.row).as_bytes()),
            Typed::Date(_) => {
                let days = array.as_primitive::<Date32Type>().value(self.row);
                let epoch = Date::constant(1970, 1, 1);
                // Days beyond the calendar are no date.
                days_after(epoch, days).map_or(Cell::Text(b"date out of range"), Cell::Date)
            }
            Typed::Local(_) => Timestamp::from_microsecond(micros())
                .map_or(Cell::Text(b"time out of range"), |t| Cell::Local(jiff::tz::Offset::UTC.to_datetime(t))),
            Typed::Instant(_) => {
                Timestamp::from_microsecond(micros()).map_or(Cell::Text(b"time out of range"), Cell::Instant)
            }
        }
    }
}

fn days_after(epoch: Date, days: i32) -> Option<Date> {
    // jiff's spans hold some 7.3 million days; more is no date anyway.
    if days.unsigned_abs() > 4_000_000 {
        return None;
    }
    epoch.checked_add(days.days()).ok()
}

fn typed_columns(
    batch: &RecordBatch,
    index: &[Option<usize>; COUNT],
    kept: &[usize],
) -> Result<[Option<Typed>; COUNT], ArrowError> {
    let mut columns = [const { None }; COUNT];
    for (slot, at) in columns.iter_mut().zip(index) {
        let Some(at) = at.and_then(|at| kept.iter().position(|kept| *kept == at)) else { continue };
        *slot = Some(typed(batch.column(at))?);
    }
    Ok(columns)
}

fn typed(array: &ArrayRef) -> Result<Typed, ArrowError> {
    let micros = |zone| DataType::Timestamp(TimeUnit::Microsecond, zone);
    Ok(match array.data_type() {
        DataType::Date32 | DataType::Date64 => Typed::Date(cast(array, &DataType::Date32)?),
        DataType::Timestamp(_, None) => Typed::Local(cast(array, &micros(None))?),
        DataType::Timestamp(_, Some(zone)) => Typed::Instant(cast(array, &micros(Some(zone.clone())))?),
        kind if kind.is_numeric() => Typed::Number(cast(array, &DataType::Float64)?),
        _ => Typed::Text(cast(array, &DataType::Utf8)?),
    })
}

/// Rows of a batch as text, for recognition alone: what has no text form is empty.
fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let columns: Vec<Option<ArrayRef>> =
        batch.columns().iter().map(|array| cast(array, &DataType::Utf8).ok()).collect();
    let cell = |column: &Option<ArrayRef>, row: usize| match column {
        Some(array) if !array.is_null(row) => array.as_string::<i32>().value(row).trim().to_owned(),
        _ => String::new(),
    };
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| cell(column, row)).collect()).collect()
}

//! One shard in memory, and its columns as numbers.

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray,
    cast::AsArray,
    types::{
        Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
        UInt64Type,
    },
};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};

use crate::{
    digest::Digest,
    error::{Result, StorageError},
};

/// Whose rows a shard has, in its metadata.
pub(super) const CONTENT_KEY: &str = "zomma.shards";
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 1 << 16;

/// A shard's bytes and what its footer says.
#[derive(Debug, Clone)]
pub struct Shard {
    path: String,
    bytes: Bytes,
    metadata: ArrowReaderMetadata,
    checksum: String,
}

impl Shard {
    /// Reads a footer. `path` is for messages; `checksum` is what the bytes' must be.
    pub(super) fn open(path: &str, bytes: Bytes, checksum: Option<&str>) -> Result<Self> {
        let mut digest = Digest::new();
        digest.add(&bytes);
        let found = digest.to_string();
        if let Some(wanted) = checksum.filter(|wanted| *wanted != found) {
            let problem = format!("has the checksum {found} where the manifest says {wanted}: it is damaged");
            return Err(StorageError::file(path, problem));
        }
        let metadata = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new())
            .map_err(|error| StorageError::file(path, format!("cannot be read; is it whole? {error}")))?;
        Ok(Self { path: path.to_owned(), bytes, metadata, checksum: found })
    }

    /// Its path, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// XXH64 of its bytes, 16 hexadecimal digits.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// Its bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whose rows it has, where we wrote it.
    pub fn content(&self) -> Option<&str> {
        content_in(&self.metadata)
    }

    /// The names of its columns, in order.
    pub fn columns(&self) -> Vec<&str> {
        self.metadata.schema().fields().iter().map(|field| field.name().as_str()).collect()
    }

    /// Whether it has a column.
    pub fn has(&self, column: &str) -> bool {
        self.metadata.schema().field_with_name(column).is_ok()
    }

    /// Rows of each of its row groups: what can be decoded apart from the rest.
    pub fn groups(&self) -> Vec<usize> {
        // A footer with a negative number of rows has none.
        let rows = |group: &parquet::file::metadata::RowGroupMetaData| usize::try_from(group.num_rows()).unwrap_or(0);
        self.metadata.metadata().row_groups().iter().map(rows).collect()
    }

    /// The numbers of a column in one row group; an empty cell is NaN.
    ///
    /// # Errors
    ///
    /// Where there is no such column, it has no numbers, or it cannot be decoded.
    pub fn numbers(&self, group: usize, column: &str) -> Result<Vec<f64>> {
        self.cells(group, column, "numbers", add)
    }

    /// A column of whole numbers in one row group, to the last digit; None for an empty cell and one beyond `i64`, and instead of the column where
    /// its type counts with fractions.
    ///
    /// # Errors
    ///
    /// Where there is no such column, or it cannot be decoded.
    pub fn whole_numbers(&self, group: usize, column: &str) -> Result<Option<Vec<Option<i64>>>> {
        let is_whole = |kind: &DataType| kind.is_integer();
        if self.metadata.schema().field_with_name(column).is_ok_and(|field| !is_whole(field.data_type())) {
            return Ok(None);
        }
        self.cells(group, column, "whole numbers", add_whole).map(Some)
    }

    /// The text of a column in one row group, numbers as they are printed; an empty cell is empty text.
    ///
    /// # Errors
    ///
    /// Where there is no such column, it has neither text nor numbers, or it cannot be decoded.
    pub fn texts(&self, group: usize, column: &str) -> Result<Vec<String>> {
        self.cells(group, column, "text or numbers", add_texts)
    }

    /// The cells of a column in one row group, as `add` takes them; `allowed` is what it can take.
    fn cells<T>(
        &self,
        group: usize,
        column: &str,
        allowed: &str,
        add: impl Fn(&ArrayRef, &mut Vec<T>) -> bool,
    ) -> Result<Vec<T>> {
        let wrong = |problem: String| StorageError::file(&self.path, problem);
        let Ok(field) = self.metadata.schema().field_with_name(column) else {
            return Err(wrong(format!("has no column {column}; it has {}", self.columns().join(", "))));
        };
        let broken =
            |error: &dyn ToString| wrong(format!("column {column} cannot be read; is it whole? {}", error.to_string()));
        let mask = ProjectionMask::columns(self.metadata.metadata().file_metadata().schema_descr(), [column]);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), self.metadata.clone())
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| broken(&error))?;
        let rows = self.groups().get(group).copied().unwrap_or(0);
        let mut cells = Vec::with_capacity(rows.min(1 << 24));
        for batch in reader {
            let batch = batch.map_err(|error| broken(&error))?;
            let kind = field.data_type();
            if !batch.columns().first().is_some_and(|read| add(read, &mut cells)) {
                return Err(wrong(format!("column {column} is of type {kind}; allowed: {allowed}")));
            }
        }
        if cells.len() != rows {
            return Err(wrong(format!("column {column} has {} of {rows} rows; is it whole?", cells.len())));
        }
        Ok(cells)
    }
}

/// Whose rows a file has, where we wrote it.
pub(super) fn content_in(metadata: &ArrowReaderMetadata) -> Option<&str> {
    let entries = metadata.metadata().file_metadata().key_value_metadata()?;
    entries.iter().find(|entry| entry.key == CONTENT_KEY)?.value.as_deref()
}

/// Adds the cells of a column as text; whether they are text or numbers.
fn add_texts(cells: &ArrayRef, texts: &mut Vec<String>) -> bool {
    fn owned<'a>(cells: impl Iterator<Item = Option<&'a str>>, texts: &mut Vec<String>) -> bool {
        texts.extend(cells.map(|text| text.unwrap_or_default().to_owned()));
        true
    }
    match cells.data_type() {
        DataType::Utf8 => owned(cells.as_string::<i32>().iter(), texts),
        DataType::LargeUtf8 => owned(cells.as_string::<i64>().iter(), texts),
        DataType::Utf8View => owned(cells.as_string_view().iter(), texts),
        _ => {
            let mut numbers = Vec::with_capacity(cells.len());
            let are_numbers = add(cells, &mut numbers);
            texts.extend(numbers.iter().map(|x| if x.is_nan() { String::new() } else { x.to_string() }));
            are_numbers
        }
    }
}

/// Adds the cells of a column; whether they are whole numbers.
fn add_whole(cells: &ArrayRef, numbers: &mut Vec<Option<i64>>) -> bool {
    fn all<T: ArrowPrimitiveType>(cells: &ArrayRef, numbers: &mut Vec<Option<i64>>) -> bool
    where
        T::Native: TryInto<i64>,
    {
        let Some(cells) = cells.as_any().downcast_ref::<PrimitiveArray<T>>() else { return false };
        numbers.extend(cells.iter().map(|x| x.and_then(|x| x.try_into().ok())));
        true
    }
    match cells.data_type() {
        DataType::Int64 => all::<Int64Type>(cells, numbers),
        DataType::Int32 => all::<Int32Type>(cells, numbers),
        DataType::Int16 => all::<Int16Type>(cells, numbers),
        DataType::Int8 => all::<Int8Type>(cells, numbers),
        DataType::UInt64 => all::<UInt64Type>(cells, numbers),
        DataType::UInt32 => all::<UInt32Type>(cells, numbers),
        DataType::UInt16 => all::<UInt16Type>(cells, numbers),
        DataType::UInt8 => all::<UInt8Type>(cells, numbers),
        _ => false,
    }
}

/// Adds the cells of a column; whether they are numbers.
fn add(cells: &ArrayRef, numbers: &mut Vec<f64>) -> bool {
    match cells.data_type() {
        DataType::Float64 => add_cells::<Float64Type>(cells, numbers, |x| x),
        DataType::Float32 => add_cells::<Float32Type>(cells, numbers, f64::from),
        DataType::Int64 => add_cells::<Int64Type>(cells, numbers, |x| x as f64),
        DataType::Int32 => add_cells::<Int32Type>(cells, numbers, f64::from),
        DataType::Int16 => add_cells::<Int16Type>(cells, numbers, f64::from),
        DataType::Int8 => add_cells::<Int8Type>(cells, numbers, f64::from),
        DataType::UInt64 => add_cells::<UInt64Type>(cells, numbers, |x| x as f64),
        DataType::UInt32 => add_cells::<UInt32Type>(cells, numbers, f64::from),
        DataType::UInt16 => add_cells::<UInt16Type>(cells, numbers, f64::from),
        DataType::UInt8 => add_cells::<UInt8Type>(cells, numbers, f64::from),
        _ => false,
    }
}

fn add_cells<T: ArrowPrimitiveType>(cells: &ArrayRef, numbers: &mut Vec<f64>, as_f64: fn(T::Native) -> f64) -> bool {
    let Some(cells) = cells.as_any().downcast_ref::<PrimitiveArray<T>>() else { return false };
    if cells.null_count() == 0 {
        numbers.extend(cells.values().iter().map(|x| as_f64(*x)));
    } else {
        numbers.extend(cells.iter().map(|x| x.map_or(f64::NAN, as_f64)));
    }
    true
}

//! Rows as `COPY … (FORMAT binary)` takes them ("COPY", section "Binary Format", of PostgreSQL's manual): a header, then of every row the number of
//! its fields and of every field its length, -1 for null, and its bytes, big-endian; then -1. Nothing needs escaping.

use arrow_array::{
    Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
    cast::AsArray,
    types::{Float64Type, Int64Type, TimestampNanosecondType},
};

use crate::{
    error::{Result, StorageError},
    parquet::conform,
    table::{Kind, Table},
};

/// Signature, flags, length of the header's extension.
pub(super) const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of a row's number of fields.
const END: [u8; 2] = (-1_i16).to_be_bytes();

/// A column, typed once for all of its rows.
enum Cells {
    Time(TimestampNanosecondArray),
    Integer(Int64Array),
    Float(Float64Array),
    Text(StringArray),
}

/// Rows that are those of their table ([`conform`]), and that the server can hold.
pub(super) struct Rows {
    table: Table,
    columns: Vec<Cells>,
    len: usize,
}

impl Rows {
    /// Checks a batch: as for the other back end, and that no text has the character NUL in it.
    pub(super) fn new(table: Table, batch: &RecordBatch) -> Result<Self> {
        let batch = conform(table, batch, 0)?;
        let mut columns = Vec::with_capacity(table.columns().len());
        for (column, array) in table.columns().iter().zip(batch.columns()) {
            let cells = match column.kind {
                Kind::Time => Cells::Time(array.as_primitive::<TimestampNanosecondType>().clone()),
                Kind::Integer => Cells::Integer(array.as_primitive::<Int64Type>().clone()),
                Kind::Float => Cells::Float(array.as_primitive::<Float64Type>().clone()),
                Kind::Text => Cells::Text(array.as_string::<i32>().clone()),
            };
            if let Cells::Text(texts) = &cells
                && texts.value_data().contains(&0)
                && let Some(row) = (0..texts.len()).find(|row| texts.is_valid(*row) && texts.value(*row).contains('\0'))
            {
                return Err(StorageError::Value {
                    table,
                    row: row + 1,
                    column: column.name,
                    value: format!("{:?}", texts.value(row)),
                    allowed: "text without the character NUL".into(),
                });
            }
            columns.push(cells);
        }
        Ok(Self { table, columns, len: batch.num_rows() })
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The time of every row, in nanoseconds.
    pub(super) fn times(&self) -> &[i64] {
        match self.columns.first() {
            // Every table's first column is its time.
            Some(Cells::Time(times)) => times.values(),
            _ => &[],
        }
    }

    /// Appends these rows to `to`, whole, with header and end. Where `numbered`, every row has its number as one field more.
    pub(super) fn encode(&self, rows: impl IntoIterator<Item = usize>, numbered: bool, to: &mut Vec<u8>) {
        to.extend_from_slice(&HEADER);
        let fields = self.columns.len() as i16 + i16::from(numbered);
        for row in rows {
            to.extend_from_slice(&fields.to_be_bytes());
            for cells in &self.columns {
                match cells {
                    Cells::Time(times) => fixed(to, times.is_valid(row), times.value(row).to_be_bytes()),
                    Cells::Integer(integers) => fixed(to, integers.is_valid(row), integers.value(row).to_be_bytes()),
                    Cells::Float(floats) => fixed(to, floats.is_valid(row), floats.value(row).to_be_bytes()),
                    Cells::Text(texts) if texts.is_valid(row) => {
                        let text = texts.value(row).as_bytes();
                        to.extend_from_slice(&(text.len() as i32).to_be_bytes());
                        to.extend_from_slice(text);
                    }
                    Cells::Text(_) => fixed(to, false, []),
                }
            }
            if numbered {
                fixed(to, true, (row as i64).to_be_bytes());
            }
        }
        to.extend_from_slice(&END);
    }

    /// The table.
    pub(super) fn table(&self) -> Table {
        self.table
    }
}

/// A field of a fixed length, or null.
#[inline]
fn fixed<const N: usize>(to: &mut Vec<u8>, is_valid: bool, bytes: [u8; N]) {
    if is_valid {
        to.extend_from_slice(&(N as i32).to_be_bytes());
        to.extend_from_slice(&bytes);
    } else {
        to.extend_from_slice(&(-1_i32).to_be_bytes());
    }
}

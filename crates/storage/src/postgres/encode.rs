//! Rows as `COPY … (FORMAT binary)` takes them ("COPY", section "Binary Format", of PostgreSQL's manual): a header, then of every row the number of
//! its fields and of every field its length, -1 for null, and its bytes, big-endian; then -1. Nothing needs escaping.

use arrow_array::{
    Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, cast::AsArray,
    types::{Float64Type, Int64Type, TimestampNanosecondType},
};

use crate::{
    error::{Result, StorageError},
    table::{Kind, Table},
};

/// Signature, flags, length of the header's extension.
pub(super) const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of a row's number of fields.
const END: [u8; 2] = (-1_i16).to_be_bytes();

/// A column, typed once for all of its rows.
enum Cells<'a> {
    Time(&'a TimestampNanosecondArray),
    Integer(&'a Int64Array),
    Float(&'a Float64Array),
    Text(&'a StringArray),
}

/// Rows that were checked against their table: every column is there, has its type, is null only where it may be, and holds what the server can.
pub(super) struct Rows<'a> {
    table: Table,
    columns: Vec<Cells<'a>>,
    len: usize,
}

impl<'a> Rows<'a> {
    /// Checks a batch. Columns may be in any order; others than the table's are refused.
    pub(super) fn new(table: Table, batch: &'a RecordBatch) -> Result<Self> {
        let wrong = |problem: String| StorageError::Columns { table, problem };
        if let Some(field) = batch.schema().fields().iter().find(|field| table.columns().iter().all(|column| column.name != field.name())) {
            let names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
            return Err(wrong(format!("no column {:?}; allowed: {}", field.name(), names.join(", "))));
        }
        let mut columns = Vec::with_capacity(table.columns().len());
        for column in table.columns() {
            let Some(array) = batch.column_by_name(column.name) else {
                return Err(wrong(format!("column {} is missing", column.name)));
            };
            let (found, expected) = (array.data_type(), column.kind.data_type());
            if *found != expected {
                return Err(wrong(format!("column {} is {found}; allowed: {expected}", column.name)));
            }
            if !column.nullable && array.null_count() > 0 {
                let row = (0..array.len()).find(|row| array.is_null(*row)).unwrap_or_default();
                return Err(refused(table, row, column.name, "null", "a value in every row"));
            }
            let cells = match column.kind {
                Kind::Time => Cells::Time(array.as_primitive::<TimestampNanosecondType>()),
                Kind::Integer => Cells::Integer(array.as_primitive::<Int64Type>()),
                Kind::Float => Cells::Float(array.as_primitive::<Float64Type>()),
                Kind::Text => Cells::Text(array.as_string::<i32>()),
            };
            if let Cells::Text(texts) = cells
                && texts.value_data().contains(&0)
                && let Some(row) = (0..texts.len()).find(|row| texts.is_valid(*row) && texts.value(*row).contains('\0'))
            {
                let value = format!("{:?}", texts.value(row));
                return Err(refused(table, row, column.name, &value, "text without the character NUL"));
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

fn refused(table: Table, row: usize, column: &'static str, value: &str, allowed: &str) -> StorageError {
    StorageError::Value { table, row: row + 1, column, value: value.to_owned(), allowed: allowed.to_owned() }
}

//! Rows as `COPY … TO STDOUT (FORMAT binary)` gives them, in pieces of any size, back into columns.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, RecordBatch, RecordBatchOptions,
    builder::{Float64Builder, Int64Builder, StringBuilder, TimestampNanosecondBuilder},
};
use arrow_schema::{Schema, SchemaRef};

use super::encode::HEADER;
use crate::table::{Kind, Table};

enum Builder {
    Time(TimestampNanosecondBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
}

/// Takes bytes in and gives rows out.
pub(super) struct Decoder {
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
    left: Vec<u8>,
    is_begun: bool,
    is_ended: bool,
}

impl Decoder {
    /// For some columns of a table, by their places in [`Table::columns`].
    pub(super) fn new(table: Table, columns: &[usize]) -> Self {
        let kinds = columns.iter().map(|place| table.columns()[*place].kind);
        let builders = kinds
            .map(|kind| match kind {
                Kind::Time => Builder::Time(TimestampNanosecondBuilder::new().with_data_type(kind.data_type())),
                Kind::Integer => Builder::Integer(Int64Builder::new()),
                Kind::Float => Builder::Float(Float64Builder::new()),
                Kind::Text => Builder::Text(StringBuilder::new()),
            })
            .collect();
        let whole = table.schema();
        let fields: Vec<_> = columns.iter().map(|place| whole.field(*place).clone()).collect();
        let schema = Arc::new(Schema::new(fields));
        Self { schema, builders, rows: 0, left: Vec::new(), is_begun: false, is_ended: false }
    }

    /// The columns that come out.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows that are whole and have not been taken.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the end was there.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Takes the next bytes; what they are not is the error.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.left.is_empty() {
            let used = self.take(bytes)?;
            self.left.extend_from_slice(&bytes[used..]);
        } else {
            let mut all = std::mem::take(&mut self.left);
            all.extend_from_slice(bytes);
            let used = self.take(&all)?;
            all.drain(..used);
            self.left = all;
        }
        Ok(())
    }

    /// The rows so far.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let columns: Vec<ArrayRef> = self
            .builders
            .iter_mut()
            .map(|builder| -> ArrayRef {
                match builder {
                    Builder::Time(builder) => Arc::new(builder.finish()),
                    Builder::Integer(builder) => Arc::new(builder.finish()),
                    Builder::Float(builder) => Arc::new(builder.finish()),
                    Builder::Text(builder) => Arc::new(builder.finish()),
                }
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }

    /// Takes whole rows; how many bytes they were.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let mut at = 0;
        if !self.is_begun {
            if bytes.len() < HEADER.len() {
                return Ok(0);
            }
            if bytes[..HEADER.len()] != HEADER {
                return Err("the answer is no binary COPY".into());
            }
            self.is_begun = true;
            at = HEADER.len();
        }
        while !self.is_ended {
            match self.row_length(&bytes[at..])? {
                Some(length) => {
                    self.row(&bytes[at..at + length])?;
                    at += length;
                }
                None => break,
            }
        }
        Ok(at)
    }

    /// The length of the row that these bytes begin with, where all of it is there. Sees the end.
    fn row_length(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        let Some(count) = bytes.first_chunk().map(|count| i16::from_be_bytes(*count)) else { return Ok(None) };
        if count == -1 {
            self.is_ended = true;
            return Ok(None);
        }
        if usize::try_from(count) != Ok(self.builders.len()) {
            return Err(format!("a row of {count} fields where {} were asked for", self.builders.len()));
        }
        let mut at = 2;
        for _ in 0..count {
            let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { return Ok(None) };
            let length = i32::from_be_bytes(*length);
            if length < -1 {
                return Err(format!("a field of {length} bytes"));
            }
            at += 4 + usize::try_from(length).unwrap_or(0);
        }
        Ok((at <= bytes.len()).then_some(at))
    }

    /// A row that is whole.
    fn row(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut at = 2;
        for builder in &mut self.builders {
            let length = bytes[at..].first_chunk().map_or(-1, |length| i32::from_be_bytes(*length));
            at += 4;
            let field = usize::try_from(length).ok().map(|length| &bytes[at..at + length]);
            at += field.map_or(0, <[u8]>::len);
            let whole =
                |field: &[u8]| <[u8; 8]>::try_from(field).map_err(|_| format!("a number of {} bytes", field.len()));
            match builder {
                Builder::Time(builder) => builder.append_option(field.map(whole).transpose()?.map(i64::from_be_bytes)),
                Builder::Integer(builder) => {
                    builder.append_option(field.map(whole).transpose()?.map(i64::from_be_bytes))
                }
                Builder::Float(builder) => builder.append_option(field.map(whole).transpose()?.map(f64::from_be_bytes)),
                Builder::Text(builder) => {
                    let text = field.map(std::str::from_utf8).transpose().map_err(|error| error.to_string())?;
                    builder.append_option(text);
                }
            }
        }
        self.rows += 1;
        Ok(())
    }
}

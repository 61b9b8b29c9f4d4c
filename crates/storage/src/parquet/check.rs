//! Whether rows are those of a table: columns by name and type, values that may be there.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray, cast::AsArray, new_null_array,
    types::TimestampNanosecondType,
};
use arrow_schema::SchemaRef;

use crate::{
    error::{Result, StorageError},
    table::{Column, INSTRUMENT, Kind, TIME, Table},
};

/// The longest name of an instrument, in bytes.
const INSTRUMENT_BYTES_MAX: usize = 255;

/// Rows with the columns of a table in its order. They are found by name; one that a row may go without may be missing.
///
/// # Errors
///
/// [`StorageError::Columns`] where a column is missing, unknown or of another type; [`StorageError::Value`] where a value is absent that must be
/// there, no finite number, a time before 1970, or no name of an instrument. Rows are counted on from `rows_before`.
pub fn conform(table: Table, rows: &RecordBatch, rows_before: usize) -> Result<RecordBatch> {
    let schema = table.schema();
    let given = rows.schema();
    let wrong = |problem| Err(StorageError::Columns { table, problem });
    if let Some(unknown) = given.fields().iter().find(|field| schema.index_of(field.name()).is_err()) {
        let names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
        return wrong(format!("has no column {:?}; allowed: {}", unknown.name(), names.join(", ")));
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (column, field) in table.columns().iter().zip(schema.fields()) {
        match rows.column_by_name(column.name) {
            Some(values) if values.data_type() == field.data_type() => {
                checked(table, column, values, rows_before)?;
                columns.push(Arc::clone(values));
            }
            Some(values) => {
                return wrong(format!(
                    "column {} is {}; allowed: {}",
                    column.name,
                    values.data_type(),
                    field.data_type()
                ));
            }
            None if column.nullable => columns.push(new_null_array(field.data_type(), rows.num_rows())),
            None => return wrong(format!("column {} is missing", column.name)),
        }
    }
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn checked(table: Table, column: &Column, values: &ArrayRef, rows_before: usize) -> Result<()> {
    let wrong = |row: usize, value: String, allowed: &str| {
        Err(StorageError::Value {
            table,
            row: rows_before + row + 1,
            column: column.name,
            value,
            allowed: allowed.to_owned(),
        })
    };
    if !column.nullable && values.null_count() > 0 {
        let row = (0..values.len()).find(|row| values.is_null(*row)).unwrap_or_default();
        return wrong(row, "nothing".to_owned(), "a value");
    }
    match column.kind {
        Kind::Float => {
            let values: &Float64Array = values.as_primitive();
            // The whole column at once first, which the compiler vectorises.
            if values.values().iter().any(|value| !value.is_finite()) {
                let odd = (0..values.len()).find(|row| values.is_valid(*row) && !values.value(*row).is_finite());
                if let Some(row) = odd {
                    return wrong(row, values.value(row).to_string(), "a finite number, or nothing");
                }
            }
        }
        Kind::Time if column.name == TIME => {
            let values: &TimestampNanosecondArray = values.as_primitive();
            if let Some(row) = values.values().iter().position(|time| *time < 0) {
                return wrong(row, format!("{} ns", values.value(row)), "a time from 1970 to 2262");
            }
        }
        Kind::Text if column.name == INSTRUMENT => {
            let values: &StringArray = values.as_string();
            let lengths = values.offsets().windows(2).map(|pair| (pair[1] - pair[0]) as usize);
            if let Some((row, length)) =
                lengths.enumerate().find(|(_, length)| !(1..=INSTRUMENT_BYTES_MAX).contains(length))
            {
                return wrong(row, format!("{length} bytes"), "a name of 1 to 255 bytes");
            }
        }
        _ => {}
    }
    Ok(())
}

/// The times of rows of a table.
pub(crate) fn times(rows: &RecordBatch) -> &TimestampNanosecondArray {
    rows.column(0).as_primitive::<TimestampNanosecondType>()
}

/// The instruments of rows of a table.
pub(crate) fn instruments(rows: &RecordBatch) -> &StringArray {
    rows.column(1).as_string()
}

/// Whether a file's columns are the table's.
pub(crate) fn is_schema(table: Table, found: &SchemaRef) -> std::result::Result<(), String> {
    let schema = table.schema();
    let tell = |schema: &SchemaRef| -> Vec<String> {
        let fields = schema.fields().iter();
        fields
            .map(|field| {
                format!("{} {}{}", field.name(), field.data_type(), if field.is_nullable() { "?" } else { "" })
            })
            .collect()
    };
    let (wanted, found) = (tell(&schema), tell(found));
    match wanted == found {
        true => Ok(()),
        false => Err(format!("its columns are [{}]; those of {table} are [{}]", found.join(", "), wanted.join(", "))),
    }
}

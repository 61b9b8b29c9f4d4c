//! Typed columns of a file (Parquet, Arrow) made into those of a table, without loss: other types are refused by name.

use std::sync::Arc;

use anyhow::bail;
use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, cast::AsArray,
    new_null_array, types::Float64Type,
};
use arrow_cast::cast;
use arrow_schema::DataType;
use zomma_storage::table::{Kind, Table};

use super::{
    own_columns::{NOT_NANOSECONDS, is_of_another_unit, time_ns},
    row_schema::{Origin, Source},
};
use crate::failure::shown;

/// Rows of a table out of a file's; rows are counted on from `rows_before`.
pub fn made(rows: &RecordBatch, table: Table, sources: &[Source], rows_before: usize) -> anyhow::Result<RecordBatch> {
    let mut columns: Vec<(&str, ArrayRef)> = Vec::with_capacity(sources.len());
    for source in sources {
        let values = match &source.from {
            Origin::Column { name, unit_ns, scale } => {
                let Some(values) = rows.column_by_name(name) else {
                    let schema = rows.schema();
                    let names: Vec<_> = schema.fields().iter().map(|field| shown(field.name())).collect();
                    bail!(
                        "has no column {:?} ({table}.{}); it has [{}]",
                        shown(name),
                        source.column.name,
                        names.join(", ")
                    );
                };
                let wanted = Wanted { table, source, name, rows_before };
                wanted.scaled(wanted.of_kind(values, *unit_ns)?, *scale)
            }
            constant => repeated(constant, source.column.kind, rows.num_rows()),
        };
        columns.push((source.column.name, values));
    }
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true)))?)
}

/// A value in every row.
pub fn repeated(from: &Origin, kind: Kind, rows: usize) -> ArrayRef {
    match from {
        Origin::Integer(ns) if kind == Kind::Time => {
            Arc::new(TimestampNanosecondArray::from(vec![*ns; rows]).with_timezone("UTC"))
        }
        Origin::Integer(number) => Arc::new(Int64Array::from(vec![*number; rows])),
        Origin::Float(number) => Arc::new(Float64Array::from(vec![*number; rows])),
        Origin::Text(text) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows))),
        Origin::Column { .. } => new_null_array(&kind.data_type(), rows),
    }
}

/// The types that a column of a kind may come as, in words.
fn allowed(kind: Kind) -> &'static str {
    match kind {
        Kind::Time => {
            "Timestamp, Date32, Date64, whole numbers of nanoseconds (of s, ms, us with --schema), text of date-times"
        }
        Kind::Integer => "Int8 to Int64, UInt8 to UInt64",
        Kind::Float => "Float16 to Float64, whole numbers, Decimal",
        Kind::Text => "Utf8, LargeUtf8, Utf8View, Dictionary of text",
    }
}

/// A column of a file that becomes one of a table.
struct Wanted<'a> {
    table: Table,
    source: &'a Source,
    name: &'a str,
    rows_before: usize,
}

impl Wanted<'_> {
    fn wrong_type(&self, found: &DataType) -> anyhow::Error {
        let column = self.source.column;
        anyhow::anyhow!(
            "column {} is {found}; allowed for {}.{}: {}",
            shown(self.name),
            self.table,
            column.name,
            allowed(column.kind)
        )
    }

    fn of_kind(&self, values: &ArrayRef, unit_ns: i64) -> anyhow::Result<ArrayRef> {
        let (kind, found) = (self.source.column.kind, values.data_type());
        let target = kind.data_type();
        if *found == DataType::Null {
            return Ok(new_null_array(&target, values.len()));
        }
        let is_float = matches!(found, DataType::Float16 | DataType::Float32 | DataType::Float64);
        match kind {
            Kind::Time if matches!(found, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) => {
                self.cast(values, &target, "a time from 1677 to 2262")
            }
            Kind::Time if found.is_integer() => {
                let numbers = self.cast(values, &DataType::Int64, "a whole number of 64 bits")?;
                self.times(numbers.as_primitive(), unit_ns)
            }
            Kind::Time if is_text(found) => self.instants(cast(values, &DataType::Utf8)?.as_string()),
            Kind::Integer if found.is_integer() => self.cast(values, &target, "a whole number below 2^63"),
            Kind::Float if is_float || found.is_integer() || is_decimal(found) => {
                self.cast(values, &target, "a number")
            }
            Kind::Text if is_text(found) => self.cast(values, &target, "text"),
            _ => Err(self.wrong_type(found)),
        }
    }

    /// The values in another type; one that it cannot hold is named by its row.
    fn cast(&self, values: &ArrayRef, target: &DataType, allowed: &str) -> anyhow::Result<ArrayRef> {
        if values.data_type() == target {
            return Ok(Arc::clone(values));
        }
        let made = cast(values, target)?;
        match (0..made.len()).find(|row| made.is_null(*row) && values.is_valid(*row)) {
            // A dictionary may hold an absent value itself.
            Some(row) if !matches!(values.data_type(), DataType::Dictionary(..)) => {
                bail!(
                    "row {}: column {} = a value beyond {target}; allowed: {allowed}",
                    self.row(row),
                    shown(self.name)
                )
            }
            _ => Ok(made),
        }
    }

    fn times(&self, numbers: &Int64Array, unit_ns: i64) -> anyhow::Result<ArrayRef> {
        let mut times = Vec::with_capacity(numbers.len());
        for (row, number) in numbers.iter().enumerate() {
            let time = number.map(|number| {
                number.checked_mul(unit_ns).ok_or_else(|| {
                    let (row, name) = (self.row(row), shown(self.name));
                    anyhow::anyhow!("row {row}: column {name} = {number}; allowed: a time before the year 2262")
                })
            });
            let time = time.transpose()?;
            if let Some(time) = time.filter(|time| is_of_another_unit(*time, unit_ns)) {
                let (row, name) = (self.row(row), shown(self.name));
                bail!("row {row}: column {name} = {time}; allowed: {NOT_NANOSECONDS}");
            }
            times.push(time);
        }
        Ok(Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")))
    }

    fn instants(&self, texts: &StringArray) -> anyhow::Result<ArrayRef> {
        let mut times = Vec::with_capacity(texts.len());
        for (row, text) in texts.iter().enumerate() {
            let time = text.map(|text| {
                time_ns(text.trim(), 1).ok_or_else(|| {
                    let (row, name, text) = (self.row(row), shown(self.name), shown(text));
                    anyhow::anyhow!(
                        "row {row}: column {name} = {text:?}; allowed: a date-time such as 2026-01-02T15:30:00Z"
                    )
                })
            });
            times.push(time.transpose()?);
        }
        Ok(Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")))
    }

    fn scaled(&self, values: ArrayRef, scale: f64) -> ArrayRef {
        match values.as_primitive_opt::<Float64Type>() {
            Some(numbers) if scale != 1.0 => Arc::new(numbers.unary::<_, Float64Type>(|number| number * scale)),
            _ => values,
        }
    }

    fn row(&self, row: usize) -> usize {
        self.rows_before + row + 1
    }
}

fn is_text(found: &DataType) -> bool {
    match found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_decimal(found: &DataType) -> bool {
    matches!(
        found,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..)
    )
}

#[cfg(test)]
mod tests {
    use arrow_array::{BooleanArray, Float64Array, TimestampMillisecondArray, UInt64Array, types::Int64Type};

    use super::*;

    fn source(name: &'static str, from: Origin) -> Source {
        let column = Table::Ticks.columns().iter().find(|column| column.name == name).unwrap();
        Source { column, from }
    }

    fn of(name: &'static str, values: ArrayRef, unit_ns: i64) -> anyhow::Result<ArrayRef> {
        let rows = RecordBatch::try_from_iter([("theirs", values)]).unwrap();
        let from = Origin::Column { name: "theirs".into(), unit_ns, scale: 1.0 };
        Ok(Arc::clone(made(&rows, Table::Ticks, &[source(name, from)], 7)?.column(0)))
    }

    #[test]
    fn what_can_be_held_is_made_without_loss() {
        let times = |values: ArrayRef, unit_ns| -> i64 {
            of("time", values, unit_ns).unwrap().as_primitive::<arrow_array::types::TimestampNanosecondType>().value(0)
        };
        assert_eq!(times(Arc::new(Int64Array::from(vec![5])), 1_000), 5_000);
        assert_eq!(times(Arc::new(TimestampMillisecondArray::from(vec![5])), 1), 5_000_000);
        assert_eq!(times(Arc::new(StringArray::from(vec!["1970-01-01T00:00:01Z"])), 1), 1_000_000_000);
        let sizes = of("size", Arc::new(Int64Array::from(vec![5])), 1).unwrap();
        assert_eq!(sizes.as_primitive::<Float64Type>().value(0), 5.0);
        let flags = of("flags", Arc::new(UInt64Array::from(vec![5])), 1).unwrap();
        assert_eq!(flags.as_primitive::<Int64Type>().value(0), 5);
    }

    #[test]
    fn wrong_types_are_named_with_column_and_what_is_allowed() {
        for (name, values, words) in [
            (
                "price",
                Arc::new(BooleanArray::from(vec![true])) as ArrayRef,
                "column theirs is Boolean; allowed for ticks.price",
            ),
            ("flags", Arc::new(Float64Array::from(vec![1.5])), "is Float64; allowed for ticks.flags: Int8 to Int64"),
            ("price", Arc::new(StringArray::from(vec!["1"])), "is Utf8; allowed for ticks.price: Float16"),
            ("kind", Arc::new(Int64Array::from(vec![1])), "is Int64; allowed for ticks.kind: Utf8"),
            ("flags", Arc::new(UInt64Array::from(vec![1, u64::MAX])), "row 9: column theirs"),
            ("time", Arc::new(StringArray::from(vec!["soon"])), "row 8: column theirs = \"soon\""),
        ] {
            let error = of(name, values, 1).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let beyond = of("time", Arc::new(Int64Array::from(vec![i64::MAX])), 1_000).unwrap_err().to_string();
        assert!(beyond.contains("before the year 2262"), "{beyond}");
    }
}

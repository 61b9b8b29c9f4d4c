//! A record batch as cells, and a chunk with its results as a record batch.

use std::sync::Arc;

use anyhow::{Context, bail};
use arrow_array::{
    Array, ArrayRef, Float32Array, Float64Array, RecordBatch, StringArray,
    cast::AsArray,
    types::{Float32Type, Float64Type},
};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Schema, SchemaRef};
use zomma_pricing::valuation::Results;

use super::{
    args::{Plan, Precision},
    csv_cells::CsvCells,
    fields::{Field, Layout},
    request::{Cells, Numbers},
};

/// A record batch of a Parquet or Arrow file, with the columns that the verb reads as numbers or text.
#[derive(Debug)]
pub struct ArrowCells {
    batch: RecordBatch,
    /// The columns, as they can be shown and read.
    shown: Vec<ArrayRef>,
    /// For each column that a field reads: its cells as f64 or as text.
    read: Vec<Option<ArrayRef>>,
}

impl ArrowCells {
    /// Converts what the fields read; a column that cannot be converted is an error that names it.
    pub fn new(batch: RecordBatch, layout: &Layout) -> anyhow::Result<Self> {
        let mut read = vec![None; batch.num_columns()];
        let shown: Vec<ArrayRef> = batch.columns().iter().map(in_utc).collect();
        for field in Field::all() {
            if let Some(column) = layout.column(field) {
                let to = if field.is_number() { DataType::Float64 } else { DataType::Utf8 };
                let from = &shown[column];
                let no_cast = || {
                    format!(
                        "column {} is of type {}, which is not {}",
                        field.as_str(),
                        from.data_type(),
                        field.allowed()
                    )
                };
                // Arrow would make true a 1.
                if field.is_number() && *from.data_type() == DataType::Boolean {
                    bail!(no_cast());
                }
                let cast = arrow_cast::cast(from, &to).with_context(no_cast)?;
                read[column] = Some(cast);
            }
        }
        Ok(Self { batch, shown, read })
    }

    /// Appends the copied cells of a row as CSV.
    pub fn copy_row(&self, row: usize, formatters: &[(usize, CellFormatter<'_>)], out: &mut Vec<u8>) {
        for (i, (_, formatter)) in formatters.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            formatter.append(row, out);
        }
    }

    /// Formatters of the copied columns.
    pub fn formatters(&self, copied: &[bool]) -> anyhow::Result<Vec<(usize, CellFormatter<'_>)>> {
        (0..self.batch.num_columns())
            .filter(|&column| copied[column])
            .map(|column| Ok((column, CellFormatter::new(self.shown[column].as_ref())?)))
            .collect()
    }
}

/// Instants in the offset of UTC: Arrow has no names of time zones at hand, and shows no instant in one.
fn in_utc(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            let utc = DataType::Timestamp(*unit, Some("+00:00".into()));
            arrow_cast::cast(array, &utc).unwrap_or_else(|_| Arc::clone(array))
        }
        _ => Arc::clone(array),
    }
}

/// A column as numbers, NaN where it has none.
pub fn numbers(column: &ArrayRef, name: &str) -> anyhow::Result<Vec<f64>> {
    let cast = arrow_cast::cast(column, &DataType::Float64)
        .with_context(|| format!("column {name} is of type {}, which is no number", column.data_type()))?;
    Ok(cast.as_primitive::<Float64Type>().iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

/// Prints the cells of one column as CSV: floats in their shortest form, the rest as Arrow displays them.
pub enum CellFormatter<'a> {
    F64(&'a Float64Array),
    F32(&'a Float32Array),
    Other(&'a dyn Array, Box<ArrayFormatter<'a>>),
}

impl<'a> CellFormatter<'a> {
    fn new(array: &'a dyn Array) -> anyhow::Result<Self> {
        static OPTIONS: FormatOptions<'static> = FormatOptions::new();
        Ok(match array.data_type() {
            DataType::Float64 => Self::F64(array.as_primitive::<Float64Type>()),
            DataType::Float32 => Self::F32(array.as_primitive::<Float32Type>()),
            _ => Self::Other(array, Box::new(ArrayFormatter::try_new(array, &OPTIONS)?)),
        })
    }

    /// The cell as text, without CSV's quotes.
    fn text(&self, row: usize) -> String {
        match self {
            Self::F64(array) => zmij::Buffer::new().format(array.value(row)).to_owned(),
            Self::F32(array) => zmij::Buffer::new().format(array.value(row)).to_owned(),
            Self::Other(_, formatter) => formatter.value(row).to_string(),
        }
    }

    fn append(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::F64(array) if array.is_valid(row) => {
                out.extend_from_slice(zmij::Buffer::new().format(array.value(row)).as_bytes());
            }
            Self::F32(array) if array.is_valid(row) => {
                out.extend_from_slice(zmij::Buffer::new().format(array.value(row)).as_bytes());
            }
            Self::Other(array, formatter) if array.is_valid(row) => {
                append_escaped(&formatter.value(row).to_string(), out);
            }
            Self::F64(_) | Self::F32(_) | Self::Other(..) => {}
        }
    }
}

/// Appends the rows of a batch as CSV.
pub fn append_rows(batch: &RecordBatch, out: &mut Vec<u8>) -> anyhow::Result<()> {
    let shown: Vec<ArrayRef> = batch.columns().iter().map(in_utc).collect();
    let formatters =
        shown.iter().map(|array| CellFormatter::new(array.as_ref())).collect::<anyhow::Result<Vec<_>>>()?;
    for row in 0..batch.num_rows() {
        for (column, formatter) in formatters.iter().enumerate() {
            if column > 0 {
                out.push(b',');
            }
            formatter.append(row, out);
        }
        out.push(b'\n');
    }
    Ok(())
}

/// The rows of a batch as text by cell; none where a cell is null.
pub fn cells(batch: &RecordBatch) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let shown: Vec<ArrayRef> = batch.columns().iter().map(in_utc).collect();
    let formatters =
        shown.iter().map(|array| CellFormatter::new(array.as_ref())).collect::<anyhow::Result<Vec<_>>>()?;
    let cell = |row: usize, (formatter, array): (&CellFormatter<'_>, &ArrayRef)| {
        array.is_valid(row).then(|| formatter.text(row))
    };
    Ok((0..batch.num_rows())
        .map(|row| formatters.iter().zip(&shown).map(|column| cell(row, column)).collect())
        .collect())
}

/// Appends a cell, in quotes where CSV needs them.
pub fn append_escaped(text: &str, out: &mut Vec<u8>) {
    if text.contains([',', '"', '\n', '\r']) {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Appends a line of cells.
pub fn append_line<'a>(cells: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    for (i, cell) in cells.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        append_escaped(cell, out);
    }
    out.push(b'\n');
}

impl Cells for ArrowCells {
    fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn numbers(&self, column: usize) -> Numbers {
        let Some(array) = self.read[column].as_ref().and_then(|array| array.as_primitive_opt::<Float64Type>()) else {
            return Numbers::all_absent(self.rows());
        };
        Numbers {
            value: array.iter().map(|value| value.unwrap_or(f64::NAN)).collect(),
            absent: (0..array.len()).map(|row| array.is_null(row)).collect(),
        }
    }

    fn texts(&self, column: usize, see: &mut dyn FnMut(usize, Option<&str>)) {
        match self.read[column].as_ref().and_then(|array| array.as_string_opt::<i32>()) {
            Some(array) => array
                .iter()
                .enumerate()
                .for_each(|(row, text)| see(row, text.map(str::trim).filter(|text| !text.is_empty()))),
            None => (0..self.rows()).for_each(|row| see(row, None)),
        }
    }

    fn show(&self, row: usize, column: usize) -> String {
        let mut out = Vec::new();
        if let Ok(formatter) = CellFormatter::new(self.shown[column].as_ref()) {
            formatter.append(row, &mut out);
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// The copied columns of an Arrow chunk.
pub fn copied_of_arrow(cells: &ArrowCells, layout: &Layout) -> Vec<ArrayRef> {
    (0..cells.batch.num_columns())
        .filter(|&column| layout.copied[column])
        .map(|column| Arc::clone(cells.batch.column(column)))
        .collect()
}

/// The copied columns of a CSV chunk: the fields that are numbers as f64, the rest as text.
pub fn copied_of_csv(cells: &CsvCells, layout: &Layout) -> Vec<ArrayRef> {
    (0..layout.names.len())
        .filter(|&column| layout.copied[column])
        .map(|column| -> ArrayRef {
            if layout.is_number(column) {
                let numbers = cells.numbers(column);
                let valid = numbers.value.iter().map(|&value| Some(value).filter(|value| !value.is_nan()));
                Arc::new(valid.collect::<Float64Array>())
            } else {
                Arc::new(StringArray::from(cells.text_column(column)))
            }
        })
        .collect()
}

/// Joins copied columns and results under the output's schema.
pub fn batch(
    schema: &SchemaRef,
    mut columns: Vec<ArrayRef>,
    results: &Results,
    plan: &Plan,
) -> anyhow::Result<RecordBatch> {
    for column in &results.columns {
        let cells = column.iter().map(|&value| Some(value).filter(|value| value.is_finite()));
        columns.push(match plan.precision {
            Precision::F64 => Arc::new(cells.collect::<Float64Array>()),
            Precision::F32 => Arc::new(cells.map(|cell| cell.map(|value| value as f32)).collect::<Float32Array>()),
        });
    }
    let status = results.status.iter().map(|status| Some(status.as_str()));
    columns.push(Arc::new(status.collect::<StringArray>()));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// The schema of the output.
pub fn output_schema(input: Option<&Schema>, layout: &Layout, plan: &Plan) -> SchemaRef {
    use arrow_schema::Field as Column;
    let copied = (0..layout.names.len()).filter(|&column| layout.copied[column]).map(|column| match input {
        Some(schema) => schema.field(column).clone(),
        None if layout.is_number(column) => Column::new(&layout.names[column], DataType::Float64, true),
        None => Column::new(&layout.names[column], DataType::Utf8, true),
    });
    let float = match plan.precision {
        Precision::F64 => DataType::Float64,
        Precision::F32 => DataType::Float32,
    };
    let results = layout.results.iter().map(|name| Column::new(*name, float.clone(), true));
    let status = std::iter::once(Column::new("status", DataType::Utf8, false));
    Arc::new(Schema::new(copied.chain(results).chain(status).collect::<Vec<_>>()))
}

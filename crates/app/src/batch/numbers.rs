//! Some columns of a table, read whole as numbers.

use anyhow::bail;

use super::{
    book::found,
    csv_cells::CsvCells,
    request::Cells,
    source::{Chunk, Source},
};
use crate::failure::shown;

/// Columns of numbers of one length.
#[derive(Debug, Default)]
pub struct NumberColumns {
    /// By the names that were asked for; none where the table has no such column. NaN where a cell is empty or no number.
    pub columns: Vec<Option<Vec<f64>>>,
    /// Rows.
    pub rows: usize,
    /// Cells that are neither empty nor a number, in words: the first few.
    pub faults: Vec<String>,
}

/// Faults that are told one by one.
const FAULTS_MAX: usize = 5;

/// Reads the columns `names` of a table to its end.
///
/// Errors: a name that stands twice in the header, and a table that cannot be read.
pub fn read(mut source: Source, names: &[&str]) -> anyhow::Result<NumberColumns> {
    let header = source.columns().to_vec();
    let mut at = Vec::with_capacity(names.len());
    for name in names {
        let mut places = header.iter().enumerate().filter(|(_, column)| column == name).map(|(place, _)| place);
        at.push(places.next());
        if let Some(second) = places.next() {
            bail!("column {name} stands twice in the header (the second is column {})", second + 1);
        }
    }
    let mut read =
        NumberColumns { columns: at.iter().map(|place| place.map(|_| Vec::new())).collect(), ..Default::default() };
    while let Some(chunk) = source.next_chunk()? {
        let rows = match chunk {
            Chunk::Csv(bytes) => {
                let cells = CsvCells::split(bytes, header.len());
                for ((column, place), name) in read.columns.iter_mut().zip(&at).zip(names) {
                    let (Some(column), Some(place)) = (column, place) else { continue };
                    for (row, text) in cells.text_column(*place).into_iter().enumerate() {
                        let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
                        let number = text.map(str::parse::<f64>);
                        if let (Some(Err(_)), true) = (&number, read.faults.len() < FAULTS_MAX) {
                            let (row, text) = (read.rows + row + 1, shown(text.unwrap_or_default()));
                            read.faults.push(format!("row {row}, {name} = \"{text}\"; allowed: a number"));
                        }
                        column.push(number.and_then(Result::ok).unwrap_or(f64::NAN));
                    }
                }
                cells.rows()
            }
            Chunk::Arrow(batch) => {
                for ((column, place), name) in read.columns.iter_mut().zip(&at).zip(names) {
                    let (Some(column), Some(place)) = (column, place) else { continue };
                    column.extend(super::arrow_cells::numbers(batch.column(*place), name)?);
                }
                batch.num_rows()
            }
        };
        read.rows += rows;
    }
    if read.rows == 0 {
        bail!("has a header and no rows; found [{}]", found(&header));
    }
    Ok(read)
}

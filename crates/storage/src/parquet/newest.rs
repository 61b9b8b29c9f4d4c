//! Of the rows of one file that have one key, the one that came last stays: a file has each key once.

use std::collections::HashMap;

use arrow_array::{BooleanArray, RecordBatch, UInt32Array};
use arrow_row::{RowConverter, SortField};
use arrow_select::{filter::filter_record_batch, take::take_record_batch};

use super::check::{instruments, times};
use crate::{
    error::Result,
    table::{INSTRUMENT, TIME, Table},
};

/// The columns of a table's key beside instrument and time, by their place in it.
pub(crate) fn further_key_columns(table: Table) -> Vec<usize> {
    let of_key = |name: &str| table.key().contains(&name) && ![INSTRUMENT, TIME].contains(&name);
    let columns = table.columns().iter().enumerate();
    columns.filter(|(_, column)| of_key(column.name)).map(|(index, _)| index).collect()
}

/// Rows in the order of a file without those that a later one with their key replaces.
///
/// # Errors
///
/// Where Arrow cannot compare or gather the rows.
pub(crate) fn newest(table: Table, rows: RecordBatch) -> Result<RecordBatch> {
    let runs = runs(&rows);
    if runs.is_empty() {
        return Ok(rows);
    }
    let mut stays = vec![true; rows.num_rows()];
    let further = further_key_columns(table);
    if further.is_empty() {
        runs.iter().for_each(|(begin, end)| stays[*begin..end - 1].fill(false));
    } else {
        // Only rows that share instrument and time are compared by the rest of the key.
        let shared: Vec<u32> = runs.iter().flat_map(|(begin, end)| *begin as u32..*end as u32).collect();
        let schema = rows.schema();
        let fields = further.iter().map(|index| SortField::new(schema.field(*index).data_type().clone()));
        let shared = take_record_batch(&rows.project(&further)?, &UInt32Array::from(shared))?;
        let keys = RowConverter::new(fields.collect())?.convert_columns(shared.columns())?;
        let mut first = 0;
        let mut last: HashMap<&[u8], usize> = HashMap::new();
        for (begin, end) in &runs {
            last.clear();
            for row in *begin..*end {
                if let Some(earlier) = last.insert(keys.row(first + row - begin).data(), row) {
                    stays[earlier] = false;
                }
            }
            first += end - begin;
        }
    }
    if stays.iter().all(|stays| *stays) {
        return Ok(rows);
    }
    Ok(filter_record_batch(&rows, &BooleanArray::from(stays))?)
}

/// Where rows of one instrument and time stand, of two and more: the first, and the one behind the last.
fn runs(rows: &RecordBatch) -> Vec<(usize, usize)> {
    let (names, times) = (instruments(rows), times(rows).values());
    let mut found: Vec<(usize, usize)> = Vec::new();
    for row in 1..times.len() {
        if times[row] == times[row - 1] && names.value(row) == names.value(row - 1) {
            match found.last_mut() {
                Some((_, end)) if *end == row => *end = row + 1,
                _ => found.push((row - 1, row + 1)),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, Int64Array, StringArray, cast::AsArray, types::Float64Type};

    use super::*;
    use crate::parquet::samples;

    #[test]
    fn the_last_row_of_each_key_stays() {
        let quotes = samples::rows(
            Table::Quotes,
            vec![
                ("time", samples::times(vec![1, 1, 1, 2, 1])),
                ("instrument", Arc::new(StringArray::from(vec!["A", "A", "A", "A", "B"]))),
                ("bid", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0, 5.0]))),
            ],
        );
        let kept = newest(Table::Quotes, quotes).unwrap();
        assert_eq!(kept.column_by_name("bid").unwrap().as_primitive::<Float64Type>().values(), &[3.0, 4.0, 5.0]);
        // A bar's length is of its key; an absent value is one.
        let bars = samples::rows(
            Table::Bars,
            vec![
                ("time", samples::times(vec![1, 1, 1])),
                ("instrument", Arc::new(StringArray::from(vec!["A", "A", "A"]))),
                ("interval_ns", Arc::new(Int64Array::from(vec![60, 3_600, 60]))),
                ("open", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
                ("high", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
                ("low", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
                ("close", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
                ("trades", Arc::new(Int64Array::from(vec![1, 1, 1]))),
            ],
        );
        let kept = newest(Table::Bars, bars).unwrap();
        assert_eq!(kept.column_by_name("open").unwrap().as_primitive::<Float64Type>().values(), &[2.0, 3.0]);
    }
}

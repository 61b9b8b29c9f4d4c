//! Whether every file is what it must be: readable, of its table and day, sorted, with statistics that are true.

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Float64Type, Int64Type, TimestampNanosecondType},
};
use jiff::civil::Date;
use parquet::file::{metadata::RowGroupMetaData, statistics::Statistics};
use serde::Serialize;

use crate::{
    error::{Result, StorageError},
    parquet::{
        DataFile, Filter,
        check::{conform, instruments, times},
        file::OpenFile,
        files,
        layout::date_at,
    },
    place::Place,
    table::{Kind, Table},
};

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, with its place.
    pub path: String,
    /// What is wrong.
    pub problem: String,
}

/// What looking at every file came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Rows of those that can be read.
    pub rows: u64,
    /// Everything that is wrong, a file's first fault.
    pub faults: Vec<Fault>,
}

/// Reads every file of some tables, and says what is wrong.
///
/// # Errors
///
/// Where the store fails.
pub async fn verify(place: &Place, tables: &[Table]) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    for table in tables {
        for file in files(place, *table, None).await? {
            report.files += 1;
            report.bytes += file.meta.size;
            match of_file(place, &file).await {
                Ok(rows) => report.rows += rows,
                Err(StorageError::File { path, problem }) => report.faults.push(Fault { path, problem }),
                Err(
                    error @ (StorageError::Value { .. } | StorageError::Columns { .. } | StorageError::Busy { .. }),
                ) => {
                    let (path, problem) = (place.path_shown(&file.meta.location), error.to_string());
                    report.faults.push(Fault { path, problem });
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(report)
}

async fn of_file(place: &Place, file: &DataFile) -> Result<u64> {
    let wrong = |problem: String| StorageError::file(place.path_shown(&file.meta.location), problem);
    let mut open = OpenFile::open(place, file, &Filter::default()).await?;
    let groups: Vec<RowGroupMetaData> = open.metadata.row_groups().to_vec();
    let mut group_ends = groups.iter().scan(0, |end, group| {
        *end += group.num_rows() as u64;
        Some(*end)
    });
    let (mut group, mut group_end) = (0, group_ends.next().unwrap_or(0));
    let mut bounds = Bounds::new(file.table);
    let mut last: Option<(String, i64)> = None;
    let mut rows_seen: u64 = 0;
    while let Some(rows) = open.next().await? {
        conform(file.table, &rows, rows_seen as usize)?;
        sorted_and_of_day(&rows, file.date, rows_seen, &mut last).map_err(wrong)?;
        let mut at = 0;
        while at < rows.num_rows() {
            let length = (rows.num_rows() - at).min((group_end - rows_seen) as usize);
            bounds.add(&rows.slice(at, length));
            at += length;
            rows_seen += length as u64;
            if rows_seen == group_end {
                bounds
                    .held_against(&groups[group])
                    .map_err(|problem| wrong(format!("row group {}: {problem}", group + 1)))?;
                bounds = Bounds::new(file.table);
                group += 1;
                group_end = group_ends.next().unwrap_or(u64::MAX);
            }
        }
    }
    let told = open.metadata.file_metadata().num_rows();
    if u64::try_from(told).ok() != Some(rows_seen) {
        return Err(wrong(format!("says that it has {told} rows, and has {rows_seen}")));
    }
    Ok(rows_seen)
}

fn sorted_and_of_day(
    rows: &RecordBatch,
    date: Date,
    rows_before: u64,
    last: &mut Option<(String, i64)>,
) -> std::result::Result<(), String> {
    let (names, times) = (instruments(rows), times(rows));
    let place = |row: usize| (names.value(row), times.value(row));
    let at = |row: usize| rows_before + row as u64 + 1;
    for row in 0..rows.num_rows() {
        let found = date_at(times.value(row));
        if found != date {
            return Err(format!("row {}: time is of {found}, not of {date}", at(row)));
        }
        let before = match (row, &*last) {
            (0, Some((name, time))) => Some((name.as_str(), *time)),
            (0, None) => None,
            _ => Some(place(row - 1)),
        };
        if before.is_some_and(|before| before > place(row)) {
            return Err(format!("row {}: comes before the row above it by instrument and time: not sorted", at(row)));
        }
    }
    if let Some(row) = rows.num_rows().checked_sub(1) {
        let (name, time) = place(row);
        *last = Some((name.to_owned(), time));
    }
    Ok(())
}

/// What a column's statistics must hold.
#[derive(Debug, Clone, PartialEq)]
enum Range {
    Integer(Option<(i64, i64)>),
    Float(Option<(f64, f64)>),
    Text(Option<(String, String)>),
}

/// The true bounds and counts of absent values of a row group.
struct Bounds {
    table: Table,
    columns: Vec<(Range, u64)>,
}

impl Bounds {
    fn new(table: Table) -> Self {
        let empty = |kind: Kind| match kind {
            Kind::Time | Kind::Integer => Range::Integer(None),
            Kind::Float => Range::Float(None),
            Kind::Text => Range::Text(None),
        };
        Self { table, columns: table.columns().iter().map(|column| (empty(column.kind), 0)).collect() }
    }

    fn add(&mut self, rows: &RecordBatch) {
        for ((range, absent), values) in self.columns.iter_mut().zip(rows.columns()) {
            *absent += values.null_count() as u64;
            match range {
                Range::Integer(range) => {
                    let as_integers = || -> Box<dyn Iterator<Item = i64> + '_> {
                        match values.as_primitive_opt::<Int64Type>() {
                            Some(values) => Box::new(values.iter().flatten()),
                            None => Box::new(values.as_primitive::<TimestampNanosecondType>().iter().flatten()),
                        }
                    };
                    for value in as_integers() {
                        let (least, most) = range.get_or_insert((value, value));
                        (*least, *most) = ((*least).min(value), (*most).max(value));
                    }
                }
                Range::Float(range) => {
                    for value in values.as_primitive::<Float64Type>().iter().flatten() {
                        let (least, most) = range.get_or_insert((value, value));
                        (*least, *most) = (least.min(value), most.max(value));
                    }
                }
                Range::Text(range) => {
                    for value in values.as_string::<i32>().iter().flatten() {
                        match range {
                            None => *range = Some((value.to_owned(), value.to_owned())),
                            Some((least, _)) if value < least.as_str() => value.clone_into(least),
                            Some((_, most)) if value > most.as_str() => value.clone_into(most),
                            Some(_) => {}
                        }
                    }
                }
            }
        }
    }

    /// That statistics, where there are some, leave out no value: bounds of texts may be cut, so that they are wider.
    fn held_against(&self, group: &RowGroupMetaData) -> std::result::Result<(), String> {
        for (index, (column, (range, absent))) in self.table.columns().iter().zip(&self.columns).enumerate() {
            let Some(told) = group.column(index).statistics() else { continue };
            let is_true = match (range, told) {
                (Range::Integer(Some((least, most))), Statistics::Int64(told)) => {
                    told.min_opt().is_none_or(|told| told == least) && told.max_opt().is_none_or(|told| told == most)
                }
                (Range::Float(Some((least, most))), Statistics::Double(told)) => {
                    told.min_opt().is_none_or(|told| told == least) && told.max_opt().is_none_or(|told| told == most)
                }
                (Range::Text(Some((least, most))), Statistics::ByteArray(told)) => {
                    told.min_opt().is_none_or(|told| told.data() <= least.as_bytes())
                        && told.max_opt().is_none_or(|told| told.data() >= most.as_bytes())
                }
                _ => true,
            };
            let counts = told.null_count_opt().is_none_or(|told| told == *absent);
            if !is_true || !counts {
                return Err(format!("the statistics of column {} are not those of its values", column.name));
            }
        }
        Ok(())
    }
}

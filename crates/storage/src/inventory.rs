//! What is in a place: tables, their days, files, rows.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::{
    error::{Result, StorageError},
    parquet::{
        Filter,
        file::{OpenFile, time_range},
        files,
    },
    place::Place,
    table::Table,
    verify::Fault,
};

/// A day of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayOfTable {
    /// The table.
    pub table: Table,
    /// The UTC day.
    pub date: Date,
    /// Files.
    pub files: usize,
    /// Rows of those that can be read.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// The least time, in nanoseconds since the Unix epoch, where the files say it.
    pub first_ns: Option<i64>,
    /// The greatest time.
    pub last_ns: Option<i64>,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Inventory {
    /// Days, by table and date.
    pub days: Vec<DayOfTable>,
    /// Files that cannot be read.
    pub damaged: Vec<Fault>,
}

/// Lists tables by what their files' footers say.
///
/// # Errors
///
/// Where the store fails.
pub async fn inventory(place: &Place, tables: &[Table]) -> Result<Inventory> {
    let mut found = Inventory::default();
    for table in tables {
        let mut days: BTreeMap<Date, DayOfTable> = BTreeMap::new();
        for file in files(place, *table, None).await? {
            let empty = DayOfTable {
                table: *table,
                date: file.date,
                files: 0,
                rows: 0,
                bytes: 0,
                first_ns: None,
                last_ns: None,
            };
            let day = days.entry(file.date).or_insert(empty);
            day.files += 1;
            day.bytes += file.meta.size;
            match OpenFile::open(place, &file, &Filter::default()).await {
                Ok(open) => {
                    day.rows += u64::try_from(open.metadata.file_metadata().num_rows()).unwrap_or_default();
                    if let Some((least, most)) = time_range(&open.metadata) {
                        day.first_ns = Some(day.first_ns.map_or(least, |first| first.min(least)));
                        day.last_ns = Some(day.last_ns.map_or(most, |last| last.max(most)));
                    }
                }
                Err(StorageError::File { path, problem } | StorageError::Busy { path, problem }) => {
                    found.damaged.push(Fault { path, problem });
                }
                Err(error) => return Err(error),
            }
        }
        found.days.extend(days.into_values());
    }
    Ok(found)
}

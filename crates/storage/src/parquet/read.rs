//! Rows of a table by time and instrument, reading no more than needs to be.

use arrow_array::RecordBatch;
use serde::Serialize;

use super::{
    file::{Filter, OpenFile},
    layout::{DAY_NS, DataFile, begin_ns},
    listing::files,
};
use crate::{
    error::{Result, StorageError},
    place::Place,
    table::Table,
};

/// So often is read again where files were replaced meanwhile.
const TRIES: usize = 5;

/// What reading took and what it left out.
#[derive(Debug, Default, Serialize)]
pub struct Scanned {
    /// Files of the table.
    pub files: usize,
    /// Files whose rows were read: the others are of other days, or have no such row by their statistics.
    pub files_read: usize,
    /// Row groups of the files of these days.
    pub row_groups: usize,
    /// Row groups that were read.
    pub row_groups_read: usize,
    /// Rows given.
    pub rows: u64,
    /// Files that could not be read; those of the others were given all the same.
    #[serde(skip)]
    pub damaged: Vec<StorageError>,
}

/// Gives the rows of a table that are wanted, file by file; within a file in order of instrument and time.
///
/// # Errors
///
/// Where the store fails, or `take` does. Files that cannot be read are in the answer, and rows that came before the damage were given.
pub async fn scan(
    place: &Place,
    table: Table,
    filter: &Filter,
    mut take: impl FnMut(&DataFile, RecordBatch) -> Result<()>,
) -> Result<Scanned> {
    let listed = files(place, table, None).await?;
    let mut scanned = Scanned { files: listed.len(), ..Scanned::default() };
    let is_of_days = |file: &DataFile| {
        let begin = begin_ns(file.date);
        filter.wants_times(begin, begin.saturating_add(DAY_NS - 1))
    };
    for file in listed.into_iter().filter(is_of_days) {
        match of_file(place, &file, filter, &mut scanned, &mut take).await {
            Err(error @ StorageError::File { .. }) => scanned.damaged.push(error),
            other => other?,
        }
    }
    Ok(scanned)
}

async fn of_file(
    place: &Place,
    file: &DataFile,
    filter: &Filter,
    scanned: &mut Scanned,
    take: &mut impl FnMut(&DataFile, RecordBatch) -> Result<()>,
) -> Result<()> {
    let mut open = OpenFile::open(place, file, filter).await?;
    scanned.row_groups += open.metadata.num_row_groups();
    scanned.row_groups_read += open.groups_read;
    scanned.files_read += usize::from(open.groups_read > 0);
    while let Some(rows) = open.next().await? {
        if rows.num_rows() > 0 {
            scanned.rows += rows.num_rows() as u64;
            take(file, rows)?;
        }
    }
    Ok(())
}

/// The rows of a table that are wanted, in memory.
///
/// # Errors
///
/// As [`scan`]; files that are replaced while they are read are listed and read again.
pub async fn read(place: &Place, table: Table, filter: &Filter) -> Result<(Vec<RecordBatch>, Scanned)> {
    let mut attempt = 0;
    loop {
        let mut batches = Vec::new();
        let scanned = scan(place, table, filter, |_, rows| {
            batches.push(rows);
            Ok(())
        });
        match scanned.await {
            Err(StorageError::Busy { .. }) if attempt < TRIES => attempt += 1,
            Err(error) => return Err(error),
            Ok(scanned) => return Ok((batches, scanned)),
        }
    }
}

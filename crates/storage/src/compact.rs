//! Small files of a closed partition become one, and of rows with one key the last stays.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::{
    downsample::RULE_WRITER,
    error::{Result, StorageError},
    parquet::{
        Attempt, DataFile, files,
        layout::{DAY_NS, REPLACER, begin_ns},
        rewrite::{All, rewrite},
        take_up,
    },
    place::{Place, UNFINISHED},
    table::Table,
};

/// What is compacted, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactSettings {
    /// The tables.
    pub tables: Vec<Table>,
    /// Now, and whether another process's work is taken over.
    pub attempt: Attempt,
    /// How long after the end of its day a partition is closed.
    pub closed_after_ns: i64,
    /// Whether it is only told what would be done.
    pub dry_run: bool,
}

/// A partition that was compacted, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// The table.
    pub table: Table,
    /// The day.
    pub date: Date,
    /// Files before.
    pub files_before: usize,
    /// Their bytes.
    pub bytes_before: u64,
    /// Files after; 0 where it is only told what would be done.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows after.
    pub rows: u64,
    /// Rows that were dropped, since a later one has their key.
    pub duplicates: u64,
}

/// A partition that was left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftAlone {
    /// The table.
    pub table: Table,
    /// The day.
    pub date: Date,
    /// Why.
    pub reason: String,
}

/// What compaction came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CompactReport {
    /// Partitions that are new.
    pub compacted: Vec<Compacted>,
    /// Partitions that were not, though they have files to be put together.
    pub left_alone: Vec<LeftAlone>,
    /// Work of dead processes that was ended or taken back.
    pub taken_up: usize,
    /// Files that a dead process had not finished, removed.
    pub unfinished_removed: usize,
}

impl CompactReport {
    /// Whether a partition could not be compacted for a fault, not for its age.
    pub fn has_failed(&self) -> bool {
        self.left_alone.iter().any(|left| left.reason != STILL_OPEN)
    }
}

/// Why a partition is not compacted yet.
const STILL_OPEN: &str = "its day may still get rows";

/// Compacts every closed partition that has several files. Files that [`crate::downsample`] makes stay: each is one already, and is replaced whole.
///
/// # Errors
///
/// Where the store cannot be listed. What is wrong with one partition is in the report, and the others are compacted.
pub async fn compact(place: &Place, settings: &CompactSettings) -> Result<CompactReport> {
    let mut report = CompactReport::default();
    for table in &settings.tables {
        clean_up(place, *table, settings, &mut report).await?;
        let mut by_date: BTreeMap<Date, Vec<DataFile>> = BTreeMap::new();
        for file in files(place, *table, None).await?.into_iter().filter(is_compacted) {
            by_date.entry(file.date).or_default().push(file);
        }
        for (date, files) in by_date.into_iter().filter(|(_, files)| needs_it(files)) {
            let end = begin_ns(date).saturating_add(DAY_NS);
            if end.saturating_add(settings.closed_after_ns) > settings.attempt.now_ns {
                report.left_alone.push(LeftAlone { table: *table, date, reason: STILL_OPEN.to_owned() });
                continue;
            }
            match partition(place, (*table, date), &files, settings).await {
                Ok(compacted) => report.compacted.push(compacted),
                Err(error @ (StorageError::File { .. } | StorageError::Busy { .. })) => {
                    report.left_alone.push(LeftAlone { table: *table, date, reason: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(report)
}

/// Whether compaction takes a file: not what a rule of aggregation made.
fn is_compacted(file: &DataFile) -> bool {
    !file.writer.starts_with(RULE_WRITER)
}

/// Whether files are more than one, and not the parts of one compaction.
fn needs_it(files: &[DataFile]) -> bool {
    let first = &files[0].writer;
    files.len() > 1 && !(first.starts_with(REPLACER) && files.iter().all(|file| file.writer == *first))
}

async fn partition(
    place: &Place,
    (table, date): (Table, Date),
    files: &[DataFile],
    settings: &CompactSettings,
) -> Result<Compacted> {
    let mut compacted = Compacted {
        table,
        date,
        files_before: files.len(),
        bytes_before: files.iter().map(|file| file.meta.size).sum(),
        files: 0,
        bytes: 0,
        rows: 0,
        duplicates: 0,
    };
    if !settings.dry_run {
        let written = rewrite(place, (table, date), "compact", settings.attempt, &mut All, is_compacted).await?;
        compacted.files = written.files;
        compacted.bytes = written.bytes;
        compacted.rows = written.rows;
        compacted.duplicates = written.rows_read - written.rows;
    }
    Ok(compacted)
}

/// Ends what dead processes have begun, and removes what they had not finished.
async fn clean_up(place: &Place, table: Table, settings: &CompactSettings, report: &mut CompactReport) -> Result<()> {
    if settings.dry_run {
        return Ok(());
    }
    for meta in place.list(&crate::parquet::layout::folder(table)).await? {
        let Some(name) = meta.location.filename() else { continue };
        if name == crate::parquet::layout::REPLACE {
            let Some(date) = crate::parquet::layout::date_of_path(&meta.location) else { continue };
            match take_up(place, table, date, settings.attempt).await {
                Ok(was_there) => report.taken_up += usize::from(was_there),
                // Told when the partition's turn comes.
                Err(StorageError::Busy { .. }) => {}
                Err(error) => return Err(error),
            }
        } else if name.starts_with('.') && name.ends_with(UNFINISHED) {
            let age_ns = meta.last_modified.timestamp_nanos_opt().map(|at| settings.attempt.now_ns.saturating_sub(at));
            if age_ns.is_some_and(|age| age > DAY_NS) {
                place.delete(&meta.location).await?;
                report.unfinished_removed += 1;
            }
        }
    }
    Ok(())
}

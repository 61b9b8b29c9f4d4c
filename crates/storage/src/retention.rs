//! Partitions that are older than they are kept go, whole.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::{
    compact::LeftAlone,
    downsample::state::{DroppedDays, State},
    error::Result,
    parquet::{
        DataFile, files,
        layout::{DAY_NS, begin_ns, replace_path},
    },
    place::Place,
    rules::Rules,
    table::Table,
};

/// A partition that got a file this recently is being written.
const WRITTEN_WITHIN_NS: i64 = 600_000_000_000;

/// A partition that was dropped, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The table.
    pub table: Table,
    /// The day.
    pub date: Date,
    /// Its files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What retention came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RetentionReport {
    /// Partitions that are gone, or would be.
    pub dropped: Vec<Dropped>,
    /// Partitions that are old enough and stay for now.
    pub left_alone: Vec<LeftAlone>,
}

/// Whether the whole of a day is older than it is kept.
pub(crate) fn is_expired(date: Date, kept_ns: i64, now_ns: i64) -> bool {
    begin_ns(date).saturating_add(DAY_NS).saturating_add(kept_ns) <= now_ns
}

/// Drops the partitions that are older than the rules keep them; where `dry_run`, tells them.
///
/// A partition stays where it is being written or replaced, and where a rule of aggregation has not seen all of its rows yet: aggregate first.
///
/// # Errors
///
/// Where the store fails; what was dropped before stays dropped, and the next run goes on.
pub async fn retain(place: &Place, rules: &Rules, now_ns: i64, dry_run: bool) -> Result<RetentionReport> {
    let mut report = RetentionReport::default();
    for (table, kept_ns) in &rules.retention_ns {
        let mut by_date: BTreeMap<Date, Vec<DataFile>> = BTreeMap::new();
        for file in files(place, *table, None).await? {
            by_date.entry(file.date).or_default().push(file);
        }
        by_date.retain(|date, _| is_expired(*date, *kept_ns, now_ns));
        let mut dropped = DroppedDays::read(place, *table).await?;
        for (date, files) in by_date {
            if let Some(reason) = stays(place, rules, (*table, date), &files, now_ns).await? {
                report.left_alone.push(LeftAlone { table: *table, date, reason });
                continue;
            }
            let bytes = files.iter().map(|file| file.meta.size).sum();
            if !dry_run {
                // First: rows that are gone without a word would be missed in bars made of what comes later, by rules that are added as well.
                dropped.add(place, *table, date).await?;
                for file in &files {
                    place.delete(&file.meta.location).await?;
                }
            }
            report.dropped.push(Dropped { table: *table, date, files: files.len(), bytes });
        }
    }
    Ok(report)
}

/// Why a partition stays although it is old enough.
async fn stays(
    place: &Place,
    rules: &Rules,
    (table, date): (Table, Date),
    files: &[DataFile],
    now_ns: i64,
) -> Result<Option<String>> {
    let is_new = |file: &DataFile| {
        let written_ns = file.meta.last_modified.timestamp_nanos_opt();
        written_ns.is_some_and(|written| now_ns.saturating_sub(written) < WRITTEN_WITHIN_NS)
    };
    if files.iter().any(is_new) {
        return Ok(Some(
            "is being written: it got a file after now, as the run was told it, or within the 10 minutes before"
                .to_owned(),
        ));
    }
    let replaced = place.list(&crate::parquet::partition(table, date)).await?;
    if replaced.iter().any(|meta| meta.location == replace_path(table, date)) {
        return Ok(Some("its files are being replaced; compaction ends that".to_owned()));
    }
    for rule in rules.aggregates.iter().filter(|rule| rule.from == table) {
        let state = State::read(place, rule).await?;
        if !state.has_seen(date, &rule.sources(files)) {
            return Ok(Some(format!("rule {} has not seen all of its rows; downsample first", rule.name())));
        }
    }
    Ok(None)
}

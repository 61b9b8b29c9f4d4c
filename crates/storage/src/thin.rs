//! Old quotes thinned: of each instrument and interval the last row stays.

use std::collections::BTreeMap;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::{concat::concat_batches, filter::filter_record_batch};
use jiff::civil::Date;
use serde::Serialize;

use crate::{
    compact::LeftAlone,
    error::{Result, StorageError},
    parquet::{
        Attempt, DataFile,
        check::{instruments, times},
        files,
        layout::{DAY_NS, REPLACER, begin_ns},
        rewrite::{Keep, rewrite},
    },
    place::Place,
    rules::{Rules, Thin, duration_text},
    table::Table,
};

/// A partition that was thinned, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thinned {
    /// The table.
    pub table: Table,
    /// The day.
    pub date: Date,
    /// Rows before; 0 where it is only told what would be done.
    pub rows_before: u64,
    /// Rows after.
    pub rows: u64,
}

/// What thinning came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ThinReport {
    /// Partitions that have fewer rows now.
    pub thinned: Vec<Thinned>,
    /// Partitions that could not be thinned.
    pub left_alone: Vec<LeftAlone>,
}

/// Thins every partition that is old enough, by each rule. Running it twice gives the same: what is thin already stays as it is.
///
/// # Errors
///
/// Where the store cannot be listed. What is wrong with one partition is in the report.
pub async fn thin(place: &Place, rules: &Rules, attempt: Attempt, dry_run: bool) -> Result<ThinReport> {
    let mut report = ThinReport::default();
    for rule in &rules.thin {
        let work = format!("thin{}", duration_text(rule.interval_ns));
        let mut by_date: BTreeMap<Date, Vec<DataFile>> = BTreeMap::new();
        for file in files(place, rule.table, None).await? {
            by_date.entry(file.date).or_default().push(file);
        }
        for (date, files) in by_date {
            let is_old = begin_ns(date).saturating_add(DAY_NS).saturating_add(rule.after_ns) <= attempt.now_ns;
            let is_thin = files.iter().all(|file| file.writer.starts_with(&format!("{REPLACER}{work}-")));
            if !is_old || is_thin {
                continue;
            }
            if dry_run {
                report.thinned.push(Thinned { table: rule.table, date, rows_before: 0, rows: 0 });
                continue;
            }
            let mut keep = LastOfInterval::new(rule);
            match rewrite(place, (rule.table, date), &work, attempt, &mut keep, |_| true).await {
                Ok(written) => {
                    let (rows_before, rows) = (written.rows_read, written.rows);
                    report.thinned.push(Thinned { table: rule.table, date, rows_before, rows });
                }
                Err(error @ (StorageError::File { .. } | StorageError::Busy { .. })) => {
                    report.left_alone.push(LeftAlone { table: rule.table, date, reason: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(report)
}

/// The last row of each instrument and interval.
struct LastOfInterval {
    interval_ns: i64,
    /// The last row so far: the next one says whether it stays.
    held: Option<RecordBatch>,
}

impl LastOfInterval {
    fn new(rule: &Thin) -> Self {
        Self { interval_ns: rule.interval_ns, held: None }
    }
}

impl Keep for LastOfInterval {
    fn take(&mut self, rows: RecordBatch) -> Result<RecordBatch> {
        let rows = match self.held.take() {
            Some(held) => concat_batches(&rows.schema(), [&held, &rows])?,
            None => rows,
        };
        let (names, times) = (instruments(&rows), times(&rows));
        let of = |row: usize| (names.value(row), times.value(row).div_euclid(self.interval_ns));
        let last = rows.num_rows().saturating_sub(1);
        let stays: BooleanArray = (0..last).map(|row| Some(of(row) != of(row + 1))).collect();
        let kept = filter_record_batch(&rows.slice(0, last), &stays)?;
        self.held = (rows.num_rows() > 0).then(|| rows.slice(last, 1));
        Ok(kept)
    }

    fn finish(&mut self) -> Option<RecordBatch> {
        self.held.take()
    }
}

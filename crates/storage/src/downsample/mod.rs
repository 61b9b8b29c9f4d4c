//! Bars made of ticks, and of shorter bars, as rows come in.
//!
//! An interval is aggregated once it is over (its end, and the rule's lag, have passed). A run looks at the days whose files have changed since the
//! last one, and in them only at the intervals that new rows are in or that are over since; late rows so change the bars that they belong to. Rows
//! with one key count once, as compaction would leave them, so that bars do not depend on whether it has run. Running it twice gives the same.
//!
//! A rule's bars of a day are one file, `rule-<name>-000000.parquet`, which is replaced in one step. What comes of a day whose rows retention has dropped is
//! not aggregated, by rules that are added later neither: it would make wrong bars. It counts as seen, so that retention can drop it too. A day past its retention that was not dropped has all
//! its rows, since retention waits for that, and gets its bars late.

mod emptied;
mod fold;
pub(crate) mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::{concat::concat_batches, filter::filter_record_batch};
use jiff::civil::Date;
use serde::Serialize;

use crate::{
    error::{Result, StorageError},
    parquet::{
        DataFile, Filter,
        check::times,
        encode::{About, Encoder},
        file::{OpenFile, time_range},
        files,
        layout::{DAY_NS, RULE_WRITER, begin_ns, file_path},
        merge::Merged,
        sort::sorted,
    },
    place::{Place, Put},
    retention::is_expired,
    rules::{Aggregate, Rules, duration_text},
    table::Table,
};
pub use emptied::forget_emptied;
use fold::Fold;
use state::{Day, DroppedDays, State, seen};

/// What a rule did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RuleReport {
    /// Its name.
    pub rule: String,
    /// Days that have changed, with the bars that each has now.
    pub days: BTreeMap<Date, u64>,
    /// Rows that were read for them, each key once.
    pub rows_read: u64,
    /// Trades that have no price: executions of orders that the feed had not told of.
    pub unpriced: u64,
    /// Days past their retention with files that it has not seen: they are not aggregated.
    pub too_late: Vec<Date>,
    /// Days that could not be aggregated, and why; the others were.
    pub failed: BTreeMap<Date, String>,
}

impl Aggregate {
    /// Who writes what the rule makes.
    fn writer(&self) -> String {
        format!("{RULE_WRITER}{}", self.name())
    }

    /// The files that the rule reads, of those of its source: of bars none that other rules make of other lengths.
    pub(crate) fn sources<'a>(&self, files: &'a [DataFile]) -> Vec<&'a DataFile> {
        let made = self.from_interval_ns.map(|interval| format!("-{}-{}", Table::Bars, duration_text(interval)));
        let is_source = |file: &&DataFile| match file.writer.strip_prefix(RULE_WRITER) {
            Some(name) => made.as_ref().is_some_and(|made| name.ends_with(made.as_str())),
            None => true,
        };
        files.iter().filter(is_source).collect()
    }
}

/// Runs every rule of aggregation, in order.
///
/// # Errors
///
/// Where the store fails. A day whose files cannot be read is in the report, and the others are aggregated.
pub async fn downsample(place: &Place, rules: &Rules, now_ns: i64) -> Result<Vec<RuleReport>> {
    run_all(place, rules, now_ns, false).await
}

/// What [`downsample`] would do: everything is read and folded, and nothing is written. A rule that reads the bars of another sees those that are
/// there, not those that the other would make first.
///
/// # Errors
///
/// As [`downsample`].
pub async fn downsample_dry_run(place: &Place, rules: &Rules, now_ns: i64) -> Result<Vec<RuleReport>> {
    run_all(place, rules, now_ns, true).await
}

async fn run_all(place: &Place, rules: &Rules, now_ns: i64, dry_run: bool) -> Result<Vec<RuleReport>> {
    let mut reports = Vec::with_capacity(rules.aggregates.len());
    for rule in &rules.aggregates {
        let kept_ns = rules.retention_ns.get(&rule.from).copied();
        reports.push(run(place, rule, kept_ns, (now_ns, dry_run)).await?);
    }
    Ok(reports)
}

async fn run(
    place: &Place,
    rule: &Aggregate,
    kept_ns: Option<i64>,
    (now_ns, dry_run): (i64, bool),
) -> Result<RuleReport> {
    let mut report = RuleReport { rule: rule.name(), ..RuleReport::default() };
    let mut state = State::read(place, rule).await?;
    let watermark_ns = now_ns.saturating_sub(rule.lag_ns).div_euclid(rule.interval_ns) * rule.interval_ns;
    let dropped = DroppedDays::read(place, rule.from).await?;
    let listed = files(place, rule.from, None).await?;
    let dates: BTreeSet<Date> = listed.iter().map(|file| file.date).collect();
    for date in &dates {
        let of_day: Vec<DataFile> = listed.iter().filter(|file| file.date == *date).cloned().collect();
        let sources = rule.sources(&of_day);
        let day = Day { watermark_ns: watermark_ns.min(begin_ns(*date).saturating_add(DAY_NS)), files: seen(&sources) };
        if state.days.get(date).is_some_and(|known| known.files == day.files && known.watermark_ns >= day.watermark_ns)
        {
            continue;
        }
        let is_expired = kept_ns.is_some_and(|kept| is_expired(*date, kept, now_ns));
        let is_dropped = dropped.contains(*date) || state.dropped.contains(date);
        if is_dropped || is_expired && has_bars_of_what_it_forgot(place, rule, *date, &state).await? {
            report.too_late.push(*date);
            if !dry_run {
                // Seen, so that retention can drop it.
                state.days.insert(*date, Day { watermark_ns: begin_ns(*date).saturating_add(DAY_NS), ..day });
                state.write(place, rule).await?;
            }
            continue;
        }
        let made = of_date(place, rule, (*date, &sources), state.days.get(date), &day, &mut report).await;
        let made = match made {
            Ok(Some(bars)) => put(place, rule, *date, bars, dry_run).await.map(|count| {
                report.days.insert(*date, count);
            }),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match made {
            Ok(()) if dry_run => {}
            Ok(()) => {
                state.days.insert(*date, day);
                state.write(place, rule).await?;
            }
            Err(error @ (StorageError::File { .. } | StorageError::Busy { .. })) => {
                report.failed.insert(*date, error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    // Of days that are gone nothing needs to be remembered.
    let known = state.days.len();
    state.days.retain(|date, _| dates.contains(date));
    if state.days.len() < known && !dry_run {
        state.write(place, rule).await?;
    }
    Ok(report)
}

/// Whether the rule has made bars of a day of which it remembers nothing: of rows that were there and are dropped.
async fn has_bars_of_what_it_forgot(place: &Place, rule: &Aggregate, date: Date, state: &State) -> Result<bool> {
    if state.days.contains_key(&date) {
        return Ok(false);
    }
    let of_target = files(place, rule.to, Some(date)).await?;
    Ok(of_target.iter().any(|file| file.writer == rule.writer()))
}

/// The bars of a day, and when the last of the files that they are of was written.
struct Bars {
    rows: Vec<RecordBatch>,
    written_ns: i64,
}

/// The bars that a day should have; none where they are what they should be.
async fn of_date(
    place: &Place,
    rule: &Aggregate,
    (date, sources): (Date, &[&DataFile]),
    known: Option<&Day>,
    day: &Day,
    report: &mut RuleReport,
) -> Result<Option<Bars>> {
    let begin = begin_ns(date);
    let Some((from, to)) = stale(place, rule, (date, sources), known, day).await? else { return Ok(None) };
    let mut fold = Fold::new(rule.interval_ns, rule.from_interval_ns);
    let mut bars = Vec::new();
    let sources: Vec<DataFile> = sources.iter().map(|file| (*file).clone()).collect();
    let filter = Filter { from_ns: Some(from), to_ns: Some(to), ..Filter::default() };
    let mut merged = Merged::open(place, rule.from, &sources, &filter).await?;
    let written_ns = merged.written_ns();
    while let Some(rows) = merged.next().await? {
        report.rows_read += rows.num_rows() as u64;
        bars.extend(fold.take(&rows)?);
    }
    bars.extend(fold.finish()?);
    report.unpriced += fold.unpriced;
    let of_target = files(place, rule.to, Some(date)).await?;
    let earlier = of_target.iter().find(|file| file.writer == rule.writer());
    let earlier = earlier.filter(|_| from > begin || to < begin.saturating_add(DAY_NS));
    if let Some(earlier) = earlier {
        // The bars that stay as they are.
        let mut open = OpenFile::open(place, earlier, &Filter::default()).await?;
        while let Some(rows) = open.next().await? {
            let stays: BooleanArray =
                times(&rows).values().iter().map(|time| Some(!(from..to).contains(time))).collect();
            bars.push(filter_record_batch(&rows, &stays)?);
        }
    }
    Ok(Some(Bars { rows: bars, written_ns }))
}

/// From when to when the bars of a day are not what they should be, in whole intervals; none where they all are.
async fn stale(
    place: &Place,
    rule: &Aggregate,
    (date, sources): (Date, &[&DataFile]),
    known: Option<&Day>,
    day: &Day,
) -> Result<Option<(i64, i64)>> {
    let begin = begin_ns(date);
    let over = day.watermark_ns;
    let is_changed = |(name, what): (&String, &(u64, i64))| day.files.get(name) != Some(what);
    let Some(known) = known.filter(|known| !known.files.iter().any(is_changed)) else {
        return Ok((begin < over).then_some((begin, over)));
    };
    // What has become over since the last time, and where the new files' rows are.
    let mut range = (known.watermark_ns.max(begin), over);
    if range.0 >= range.1 {
        range = (i64::MAX, i64::MIN);
    }
    for file in sources.iter().filter(|file| !known.files.contains_key(file.name())) {
        let open = OpenFile::open(place, file, &Filter::default()).await?;
        if let Some((least, most)) = time_range(&open.metadata) {
            let interval = |time: i64| time.div_euclid(rule.interval_ns) * rule.interval_ns;
            range = (range.0.min(interval(least)), range.1.max(interval(most).saturating_add(rule.interval_ns)));
        }
    }
    let range = (range.0.max(begin), range.1.min(over));
    Ok((range.0 < range.1).then_some(range))
}

/// Puts a day's bars into their file, unless it is only told; how many they are. Without one there is no file.
async fn put(place: &Place, rule: &Aggregate, date: Date, bars: Bars, dry_run: bool) -> Result<u64> {
    let Bars { rows: bars, written_ns } = bars;
    if dry_run {
        return Ok(bars.iter().map(|rows| rows.num_rows() as u64).sum());
    }
    let path = file_path(rule.to, date, &rule.writer(), 0);
    let (rows, instruments) = sorted(&concat_batches(&rule.to.schema(), &bars)?)?;
    if rows.num_rows() == 0 {
        place.delete(&path).await?;
        return Ok(0);
    }
    let mut encoder = Encoder::new(&About { table: rule.to, written_ns, replaces: Vec::new() }, instruments)?;
    encoder.write(&rows)?;
    place.put(&path, encoder.finish()?, Put::Replace).await?;
    Ok(rows.num_rows() as u64)
}

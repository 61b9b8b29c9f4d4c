//! Where files of a day may have rows of one key: the times in which they must be read together, so that of each key only the newest row is seen.

use std::collections::BTreeSet;

use jiff::civil::Date;
use parquet::file::{metadata::ParquetMetaData, statistics::Statistics};

use crate::{
    parquet::{
        DataFile,
        file::{has_unique_keys, instrument_range, time_range},
        layout::{DAY_NS, REPLACER, RULE_WRITER, begin_ns},
        newest::further_key_columns,
    },
    table::{Kind, Table},
};

/// A day has at most so many intervals: beyond, near ones are taken as one.
const INTERVALS_MAX: usize = 64;

/// Times in nanoseconds since the Unix epoch, both ends among them.
pub(super) type Interval = (i64, i64);

/// What the keys of a file's rows are within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    /// Times.
    times: Interval,
    /// Instruments; none where any may be there.
    instruments: Option<(Vec<u8>, Vec<u8>)>,
    /// Whole numbers of the key that every row has, by column; none where any may be there.
    numbers: Vec<Option<(i64, i64)>>,
    /// Whether the file has each key once.
    is_unique: bool,
}

impl Keys {
    /// By a file's footer.
    pub(super) fn of(file: &DataFile, metadata: &ParquetMetaData) -> Self {
        let begin = begin_ns(file.date);
        let columns = file.table.columns();
        let is_number = |index: &usize| matches!(columns[*index].kind, Kind::Integer) && !columns[*index].nullable;
        let numbers = further_key_columns(file.table).into_iter().filter(is_number);
        Self {
            times: time_range(metadata).unwrap_or((begin, begin.saturating_add(DAY_NS - 1))),
            instruments: instrument_range(metadata),
            numbers: numbers.map(|index| number_range(metadata, index)).collect(),
            is_unique: has_unique_keys(metadata),
        }
    }

    /// The times in which both may have rows of one key.
    fn shared(&self, other: &Self) -> Option<Interval> {
        let times = (self.times.0.max(other.times.0), self.times.1.min(other.times.1));
        let meets = |one: &Option<(i64, i64)>, other: &Option<(i64, i64)>| match (one, other) {
            (Some(one), Some(other)) => one.0 <= other.1 && other.0 <= one.1,
            _ => true,
        };
        let instruments = match (&self.instruments, &other.instruments) {
            (Some(one), Some(other)) => one.0 <= other.1 && other.0 <= one.1,
            _ => true,
        };
        let numbers = self.numbers.iter().zip(&other.numbers).all(|(one, other)| meets(one, other));
        (times.0 <= times.1 && instruments && numbers).then_some(times)
    }
}

/// The least and the greatest value of a column of whole numbers.
fn number_range(metadata: &ParquetMetaData, column: usize) -> Option<(i64, i64)> {
    let groups = metadata.row_groups().iter().map(|group| match group.column(column).statistics() {
        Some(Statistics::Int64(found)) => Some((*found.min_opt()?, *found.max_opt()?)),
        _ => None,
    });
    groups.reduce(|one, other| Some((one?.0.min(other?.0), one?.1.max(other?.1)))).flatten()
}

/// Whether the names of a day's files already say that no two rows have one key: a file that was made of sorted and merged rows, or the parts of one.
pub(super) fn is_plain(files: &[DataFile]) -> bool {
    let first = &files[0].writer;
    let is_made = first.starts_with(REPLACER) || (first.starts_with(RULE_WRITER) && files.len() == 1);
    is_made && files.iter().all(|file| file.writer == *first)
}

/// A day some of whose files share keys, perhaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contested {
    /// Its day.
    pub date: Date,
    /// The files that do.
    pub files: Vec<DataFile>,
    /// The times of each file's rows.
    times: Vec<Interval>,
    /// The times in which they do, ascending and apart.
    pub intervals: Vec<Interval>,
}

impl Contested {
    /// The files that have rows in an interval.
    pub(super) fn files_of(&self, interval: Interval) -> Vec<DataFile> {
        let meets = |times: &Interval| times.0 <= interval.1 && interval.0 <= times.1;
        let files = self.files.iter().zip(&self.times).filter(|(_, times)| meets(times));
        files.map(|(file, _)| file.clone()).collect()
    }

    /// The files that have rows outside of all intervals, perhaps.
    pub(super) fn files_outside(&self) -> Vec<DataFile> {
        let inside =
            |times: &Interval| self.intervals.iter().any(|interval| interval.0 <= times.0 && times.1 <= interval.1);
        let files = self.files.iter().zip(&self.times).filter(|(_, times)| !inside(times));
        files.map(|(file, _)| file.clone()).collect()
    }
}

/// Parts a day's files: those that share no key with any other, and the rest.
pub(super) fn part(files: Vec<(DataFile, Keys)>) -> (Vec<DataFile>, Option<Contested>) {
    let mut shared: BTreeSet<usize> = BTreeSet::new();
    let mut intervals = Vec::new();
    for (at, (file, keys)) in files.iter().enumerate() {
        if !keys.is_unique {
            shared.insert(at);
            intervals.push(keys.times);
        }
        for (other_at, (other, other_keys)) in files.iter().enumerate().skip(at + 1) {
            // The parts of one file that was made of merged rows.
            let are_parts = file.writer.starts_with(REPLACER) && file.writer == other.writer;
            if !are_parts && let Some(times) = keys.shared(other_keys) {
                shared.insert(at);
                shared.insert(other_at);
                intervals.push(times);
            }
        }
    }
    let mut plain = Vec::new();
    let (mut contested, mut times) = (Vec::new(), Vec::new());
    for (at, (file, keys)) in files.into_iter().enumerate() {
        if shared.contains(&at) {
            contested.push(file);
            times.push(keys.times);
        } else {
            plain.push(file);
        }
    }
    let contested = contested.first().map(|file| file.date).map(|date| Contested {
        date,
        files: contested,
        times,
        intervals: joined(intervals),
    });
    (plain, contested)
}

/// Intervals in order, of which none meet; not more than there may be.
fn joined(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut apart: Vec<Interval> = Vec::new();
    for (first, last) in intervals {
        match apart.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => apart.push((first, last)),
        }
    }
    while apart.len() > INTERVALS_MAX {
        let gaps = apart.windows(2).map(|pair| pair[1].0 - pair[0].1).enumerate();
        let Some((at, _)) = gaps.min_by_key(|(_, gap)| *gap) else { break };
        let (_, last) = apart.remove(at + 1);
        apart[at].1 = last;
    }
    apart
}

/// The intervals of several days together: what `is_contested` looks a time up in.
pub(super) fn all_intervals(days: &[Contested]) -> Vec<Interval> {
    let mut all: Vec<Interval> = days.iter().flat_map(|day| day.intervals.iter().copied()).collect();
    all.sort_unstable();
    all
}

/// Whether a time is in one of the intervals, which are in order and apart.
pub(super) fn is_within(intervals: &[Interval], time_ns: i64) -> bool {
    let after = intervals.partition_point(|interval| interval.0 <= time_ns);
    after > 0 && time_ns <= intervals[after - 1].1
}

/// The columns of a table's key, and those that are asked for, in order.
pub(super) fn columns_with_key(table: Table, asked: &[usize]) -> Vec<usize> {
    let mut columns = further_key_columns(table);
    columns.extend([0, 1]);
    columns.extend(asked.iter().copied().filter(|index| *index < table.columns().len()));
    columns.sort_unstable();
    columns.dedup();
    columns
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectMeta, path::Path};

    use super::*;

    fn file(writer: &str, times: Interval, names: (&str, &str), numbers: Interval) -> (DataFile, Keys) {
        let date = jiff::civil::date(2026, 1, 2);
        let meta = ObjectMeta {
            location: Path::from(format!("ticks/date={date}/{writer}-000000.parquet")),
            last_modified: Default::default(),
            size: 1,
            e_tag: None,
            version: None,
        };
        let file = DataFile { table: Table::Ticks, date, writer: writer.into(), sequence: 0, meta };
        let instruments = Some((names.0.as_bytes().to_vec(), names.1.as_bytes().to_vec()));
        (file, Keys { times, instruments, numbers: vec![Some(numbers)], is_unique: true })
    }

    fn names(files: &[DataFile]) -> Vec<&str> {
        files.iter().map(|file| file.writer.as_str()).collect()
    }

    #[test]
    fn files_that_can_share_no_key_are_plain() {
        let (plain, contested) = part(vec![
            file("a", (0, 10), ("A", "M"), (0, 99)),
            file("b", (11, 20), ("A", "M"), (0, 99)),
            file("c", (0, 20), ("N", "Z"), (0, 99)),
            file("d", (0, 20), ("A", "M"), (100, 199)),
            file("replace-x", (30, 40), ("A", "M"), (0, 99)),
            file("replace-x", (30, 40), ("M", "Z"), (0, 99)),
        ]);
        assert_eq!((names(&plain), contested), (vec!["a", "b", "c", "d", "replace-x", "replace-x"], None));
    }

    #[test]
    fn those_that_may_are_read_together_at_these_times_alone() {
        let (plain, contested) = part(vec![
            file("a", (0, 10), ("A", "M"), (0, 99)),
            file("b", (10, 20), ("A", "M"), (0, 99)),
            file("c", (15, 16), ("M", "Z"), (0, 99)),
            file("d", (21, 30), ("A", "M"), (0, 99)),
        ]);
        let contested = contested.unwrap();
        assert_eq!((names(&plain), names(&contested.files)), (vec!["d"], vec!["a", "b", "c"]));
        assert_eq!(contested.intervals, [(10, 10), (15, 16)]);
        assert_eq!(names(&contested.files_of((15, 16))), ["b", "c"]);
        assert_eq!(names(&contested.files_outside()), ["a", "b"]);
        let mut twice = file("old", (0, 10), ("A", "M"), (0, 99));
        twice.1.is_unique = false;
        assert_eq!(part(vec![twice]).1.unwrap().intervals, [(0, 10)]);
    }

    #[test]
    fn intervals_that_are_too_many_grow_together_and_lose_none() {
        let many: Vec<Interval> = (0..1_000).map(|index| (index * index, index * index + 1)).collect();
        let joined = joined(many.clone());
        assert_eq!(joined.len(), INTERVALS_MAX);
        assert!(many.iter().all(|(first, last)| is_within(&joined, *first) && is_within(&joined, *last)));
        assert!(!is_within(&joined, -1) && !is_within(&joined, 999_000));
    }
}

//! Names of folders and files.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use object_store::{ObjectMeta, path::Path};

use crate::table::Table;

/// What the names of files begin with that a rule of aggregation makes, and no others.
pub(crate) const RULE_WRITER: &str = "rule-";
/// Nanoseconds of a day of UTC.
pub const DAY_NS: i64 = 86_400_000_000_000;
/// The file that says which files of a partition are being replaced by which.
pub(crate) const REPLACE: &str = "_replace.json";
/// What the names of writers that replace files begin with, and no others.
pub(crate) const REPLACER: &str = "replace-";
/// What data files end with.
const ENDING: &str = ".parquet";

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// The table.
    pub table: Table,
    /// The UTC day of all its rows.
    pub date: Date,
    /// Who wrote it.
    pub writer: String,
    /// Which of its writer's files it is, in this partition.
    pub sequence: u64,
    /// Where it is, its size, and when it came there.
    pub meta: ObjectMeta,
}

impl DataFile {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.meta.location.filename().unwrap_or_default()
    }

    /// What an object is by its path; none where it is no data file of the table.
    pub(crate) fn of(table: Table, meta: ObjectMeta) -> Option<Self> {
        let mut parts: Vec<_> = meta.location.parts().collect();
        let name = parts.pop()?;
        let date = date_of(parts.pop()?.as_ref())?;
        if parts.len() != 1 || parts[0].as_ref() != table.name() {
            return None;
        }
        let stem = name.as_ref().strip_suffix(ENDING)?;
        let (writer, sequence) = stem.rsplit_once('-')?;
        let (writer, sequence) = (writer.to_owned(), sequence.parse().ok()?);
        (!stem.starts_with(['.', '_'])).then_some(Self { table, date, writer, sequence, meta })
    }
}

/// The date of the partition that an object is in.
pub(crate) fn date_of_path(path: &Path) -> Option<Date> {
    date_of(path.parts().rev().nth(1)?.as_ref())
}

/// The date that a partition's folder names.
fn date_of(folder: &str) -> Option<Date> {
    folder.strip_prefix("date=")?.parse().ok()
}

/// The folder of a table.
pub(crate) fn folder(table: Table) -> Path {
    Path::from(table.name())
}

/// The folder of a partition.
pub fn partition(table: Table, date: Date) -> Path {
    folder(table).join(format!("date={date}"))
}

/// Where a file of a writer is.
pub(crate) fn file_path(table: Table, date: Date, writer: &str, sequence: u64) -> Path {
    partition(table, date).join(format!("{writer}-{sequence:06}{ENDING}"))
}

/// The UTC day of a time in nanoseconds since the Unix epoch.
pub(crate) fn date_at(time_ns: i64) -> Date {
    // Every i64 of nanoseconds is within jiff's years.
    let time = Timestamp::from_nanosecond(i128::from(time_ns)).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(time).date()
}

/// When a UTC day begins, in nanoseconds since the Unix epoch; the greatest or least that there is where it is beyond.
pub(crate) fn begin_ns(date: Date) -> i64 {
    let begin = TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
    let ns = begin.map_or(if date.year() < 1970 { i128::MIN } else { i128::MAX }, |begin| begin.as_nanosecond());
    ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// Where the list of a partition's files that are being replaced is.
pub(crate) fn replace_path(table: Table, date: Date) -> Path {
    partition(table, date).join(REPLACE)
}

/// Whether a name may be a writer's: what stands in file names, and is no other kind of name.
pub(crate) fn is_writer_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=100).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with(['.', '_', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_of_its_utc_day_whatever_its_sign() {
        let day = jiff::civil::date(1970, 1, 2);
        assert_eq!((date_at(DAY_NS), date_at(2 * DAY_NS - 1), begin_ns(day)), (day, day, DAY_NS));
        assert_eq!(date_at(-1), jiff::civil::date(1969, 12, 31));
        assert_eq!(date_at(i64::MAX), jiff::civil::date(2262, 4, 11));
        assert_eq!(
            (begin_ns(jiff::civil::date(9999, 1, 1)), begin_ns(jiff::civil::date(1, 1, 1))),
            (i64::MAX, i64::MIN)
        );
    }

    #[test]
    fn a_path_reads_back_and_what_is_no_data_is_none() {
        let meta = |location: &str| ObjectMeta {
            location: Path::from(location),
            last_modified: Default::default(),
            size: 1,
            e_tag: None,
            version: None,
        };
        let date = jiff::civil::date(2026, 3, 4);
        let path = file_path(Table::Bars, date, "desk-1.a", 7);
        assert_eq!(path.as_ref(), "bars/date=2026-03-04/desk-1.a-000007.parquet");
        let file = DataFile::of(Table::Bars, meta(path.as_ref())).unwrap();
        assert_eq!((file.date, file.writer.as_str(), file.sequence), (date, "desk-1.a", 7));
        assert_eq!((file.name(), date_of_path(&path)), ("desk-1.a-000007.parquet", Some(date)));
        for other in [
            "bars/date=2026-03-04/.a-1.parquet.77-1.tmp",
            "bars/date=2026-03-04/_a-1.parquet",
            "bars/date=2026-03-04/a.parquet",
            "bars/date=2026-13-04/a-1.parquet",
            "ticks/date=2026-03-04/a-1.parquet",
            "bars/a-1.parquet",
            "bars/date=2026-03-04/deeper/a-1.parquet",
        ] {
            assert_eq!(DataFile::of(Table::Bars, meta(other)), None, "{other}");
        }
        assert!(is_writer_name("a-1") && !is_writer_name("-a") && !is_writer_name("a/b") && !is_writer_name(""));
    }
}

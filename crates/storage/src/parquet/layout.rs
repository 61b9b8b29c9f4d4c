//! Names of folders and files, and which of them are the table.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use object_store::{ObjectMeta, path::Path};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, StorageError},
    place::Place,
    table::Table,
};

/// Nanoseconds of a day of UTC.
pub const DAY_NS: i64 = 86_400_000_000_000;
/// The file that says which files of a partition are being replaced by which.
pub(crate) const REPLACE: &str = "_replace.json";
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

    fn of(table: Table, meta: ObjectMeta) -> Option<Self> {
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

/// Files of a partition that are being replaced: the new ones count once all of them are there, and the old ones until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replace {
    /// When it was begun, in nanoseconds since the Unix epoch.
    pub begun_ns: i64,
    /// Names of the files that go.
    pub old: BTreeSet<String>,
    /// Names of the files that come.
    pub new: BTreeSet<String>,
}

impl Replace {
    /// The names that do not count, given those that are there.
    pub fn hidden<'a>(&'a self, present: &BTreeSet<&str>) -> &'a BTreeSet<String> {
        let is_done = self.new.iter().all(|name| present.contains(name.as_str()));
        if is_done { &self.old } else { &self.new }
    }

    /// The list of a partition, where there is one.
    pub async fn read(place: &Place, path: &Path) -> Result<Option<Self>> {
        let bytes = match place.get(path).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| StorageError::file(place.path_shown(path), error))
    }
}

/// The files that are the table, in order of date and name; of one date where it is named.
///
/// # Errors
///
/// Where the store fails, or a list of replaced files cannot be read.
pub async fn files(place: &Place, table: Table, date: Option<Date>) -> Result<Vec<DataFile>> {
    let below = date.map_or_else(|| folder(table), |date| partition(table, date));
    let listed = place.list(&below).await?;
    let mut hidden: BTreeMap<Date, Replace> = BTreeMap::new();
    let mut found = Vec::with_capacity(listed.len());
    for meta in listed {
        if meta.location.filename() == Some(REPLACE) {
            let date = meta.location.parts().rev().nth(1).and_then(|folder| date_of(folder.as_ref()));
            if let (Some(date), Some(replace)) = (date, Replace::read(place, &meta.location).await?) {
                hidden.insert(date, replace);
            }
        } else {
            found.extend(DataFile::of(table, meta));
        }
    }
    for (date, replace) in hidden {
        let present: BTreeSet<&str> = found.iter().filter(|file| file.date == date).map(DataFile::name).collect();
        let names = replace.hidden(&present).clone();
        found.retain(|file| file.date != date || !names.contains(file.name()));
    }
    Ok(found)
}

/// The dates of a table that have files.
///
/// # Errors
///
/// As [`files`].
pub async fn dates(place: &Place, table: Table) -> Result<BTreeSet<Date>> {
    Ok(files(place, table, None).await?.into_iter().map(|file| file.date).collect())
}

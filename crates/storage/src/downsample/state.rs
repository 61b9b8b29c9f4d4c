//! How far a rule has come: which files of which days it has seen, and until when.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use object_store::path::Path;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::{Result, StorageError},
    parquet::{
        DataFile,
        layout::{DAY_NS, begin_ns},
    },
    place::{Place, Put},
    rules::Aggregate,
    table::Table,
};

/// Where what is remembered is.
const STATE: &str = "_state";
/// What its files end with.
const ENDING: &str = ".json";
/// What helps where a rule's state cannot be read.
const STATE_LOST: &str = "take it away, and everything is aggregated again";

/// What a rule remembers from run to run. Where it is lost, everything is aggregated again from what is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// By day.
    pub days: BTreeMap<Date, Day>,
    /// As [`DroppedDays`], as earlier versions kept it with each rule that there was then.
    #[serde(default)]
    pub dropped: BTreeSet<Date>,
}

/// The days of a table whose rows retention has dropped: what comes later of one is not the day, for the rules that there are and for those that
/// are added. Each is an object of its own, so that two that drop days at once do not forget each other's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DroppedDays {
    days: BTreeSet<Date>,
}

/// The list that earlier versions kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DroppedList {
    days: BTreeSet<Date>,
}

/// What is known of a day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Day {
    /// Intervals that end by then have been aggregated, in nanoseconds since the Unix epoch.
    pub watermark_ns: i64,
    /// Files that were seen, each with its size and when it came.
    pub files: BTreeMap<String, (u64, i64)>,
}

impl State {
    /// Where a rule's state is.
    fn path(rule: &Aggregate) -> Path {
        Path::from(STATE).join(format!("{}{ENDING}", rule.name()))
    }

    /// The state of a rule; an empty one where there is none yet.
    pub async fn read(place: &Place, rule: &Aggregate) -> Result<Self> {
        read(place, &Self::path(rule), STATE_LOST).await
    }

    /// Keeps it.
    pub async fn write(&self, place: &Place, rule: &Aggregate) -> Result<()> {
        write(place, &Self::path(rule), self).await
    }

    /// Whether all rows of a day's files have been aggregated.
    pub fn has_seen(&self, date: Date, files: &[&DataFile]) -> bool {
        let is_over = |day: &Day| day.watermark_ns >= begin_ns(date).saturating_add(DAY_NS);
        files.is_empty() || self.days.get(&date).is_some_and(|day| is_over(day) && day.files == seen(files))
    }
}

impl DroppedDays {
    fn path(table: Table, date: Date) -> Path {
        Path::from(STATE).join("dropped").join(table.name()).join(format!("{date}{ENDING}"))
    }

    /// Those of a table: also those that earlier versions kept, in one list or with each rule that there was then.
    pub async fn read(place: &Place, table: Table) -> Result<Self> {
        let (list, rules) = (format!("dropped-{table}{ENDING}"), format!("{table}-"));
        let mut days = BTreeSet::new();
        for meta in place.list(&Path::from(STATE)).await? {
            let parts: Vec<_> = meta.location.parts().collect();
            let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
            match parts[..] {
                [_, "dropped", of, day] if of == table.name() => {
                    days.extend(day.strip_suffix(ENDING).and_then(|day| day.parse::<Date>().ok()));
                }
                [_, name] if name == list => {
                    let what_to_do = "take it away, and rows that come late of a dropped day make bars";
                    days.extend(read::<DroppedList>(place, &meta.location, what_to_do).await?.days);
                }
                [_, name] if name.starts_with(&rules) && name.ends_with(ENDING) => {
                    days.extend(read::<State>(place, &meta.location, STATE_LOST).await?.dropped);
                }
                _ => {}
            }
        }
        Ok(Self { days })
    }

    /// Whether a day is one.
    pub fn contains(&self, date: Date) -> bool {
        self.days.contains(&date)
    }

    /// Takes a day in, and keeps it.
    pub async fn add(&mut self, place: &Place, table: Table, date: Date) -> Result<()> {
        match self.days.insert(date) {
            // Another that has put it there meanwhile said the same.
            true => place.put(&Self::path(table, date), "{}".into(), Put::New).await.map(drop),
            false => Ok(()),
        }
    }
}

/// What a file of the state says; nothing where there is none yet.
async fn read<T: DeserializeOwned + Default>(place: &Place, path: &Path, what_to_do: &str) -> Result<T> {
    let bytes = match place.get(path).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(T::default()),
        Err(error) => return Err(error),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| StorageError::file(place.path_shown(path), format!("{error}; {what_to_do}")))
}

async fn write(place: &Place, path: &Path, state: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(state).map_err(|error| StorageError::file(place.path_shown(path), error))?;
    place.put(path, bytes.into(), Put::Replace).await.map(|_| ())
}

/// Files as a state remembers them.
pub(crate) fn seen(files: &[&DataFile]) -> BTreeMap<String, (u64, i64)> {
    let entry = |file: &&DataFile| {
        let came_ns = file.meta.last_modified.timestamp_nanos_opt().unwrap_or_default();
        (file.name().to_owned(), (file.meta.size, came_ns))
    };
    files.iter().map(entry).collect()
}

//! How far a rule has come: which files of which days it has seen, and until when.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, StorageError},
    parquet::{
        DataFile,
        layout::{DAY_NS, begin_ns},
    },
    place::{Place, Put},
    rules::Aggregate,
};

/// What a rule remembers from run to run. Where it is lost, everything is aggregated again from what is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// By day.
    pub days: BTreeMap<Date, Day>,
    /// Days whose rows were dropped after the rule had seen them all: what comes later of one is not the day.
    #[serde(default)]
    pub dropped: BTreeSet<Date>,
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
        Path::from("_state").join(format!("{}.json", rule.name()))
    }

    /// The state of a rule; an empty one where there is none yet.
    pub async fn read(place: &Place, rule: &Aggregate) -> Result<Self> {
        let path = Self::path(rule);
        let bytes = match place.get(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let again = "take it away, and everything is aggregated again";
        serde_json::from_slice(&bytes)
            .map_err(|error| StorageError::file(place.path_shown(&path), format!("{error}; {again}")))
    }

    /// Keeps it.
    pub async fn write(&self, place: &Place, rule: &Aggregate) -> Result<()> {
        let path = Self::path(rule);
        let bytes = serde_json::to_vec(self).map_err(|error| StorageError::file(place.path_shown(&path), error))?;
        place.put(&path, bytes.into(), Put::Replace).await.map(|_| ())
    }

    /// Whether all rows of a day's files have been aggregated.
    pub fn has_seen(&self, date: Date, files: &[&DataFile]) -> bool {
        let is_over = |day: &Day| day.watermark_ns >= begin_ns(date).saturating_add(DAY_NS);
        files.is_empty() || self.days.get(&date).is_some_and(|day| is_over(day) && day.files == seen(files))
    }
}

/// Files as a state remembers them.
pub(crate) fn seen(files: &[&DataFile]) -> BTreeMap<String, (u64, i64)> {
    let entry = |file: &&DataFile| {
        let came_ns = file.meta.last_modified.timestamp_nanos_opt().unwrap_or_default();
        (file.name().to_owned(), (file.meta.size, came_ns))
    };
    files.iter().map(entry).collect()
}

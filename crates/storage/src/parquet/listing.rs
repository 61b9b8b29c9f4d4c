//! Which files are the table, also while some are being replaced and although no store lists all names at one moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::civil::Date;
use object_store::{ObjectMeta, path::Path};
use serde::{Deserialize, Serialize};

use super::layout::{DataFile, REPLACE, REPLACER, date_of_path, folder, partition, replace_path};
use crate::{
    error::{Result, StorageError},
    place::Place,
    table::Table,
};

/// So often is listed again while the names do not stand still.
const TRIES: u32 = 30;

/// Files of a partition that are being replaced. The new files do not count until the list says that they are all there; from then on the old ones
/// do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replace {
    /// When it was begun, in nanoseconds since the Unix epoch.
    pub begun_ns: i64,
    /// Who writes the new files.
    pub writer: String,
    /// Names of the files that go.
    pub old: BTreeSet<String>,
    /// Whether the new files are all there.
    pub done: bool,
}

impl Replace {
    /// Whether a file does not count.
    pub fn hides(&self, file: &DataFile) -> bool {
        if self.done { self.old.contains(file.name()) } else { file.writer == self.writer }
    }

    /// The list at a path, where there is one.
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
/// Where the store fails, a list of replaced files cannot be read, or files come and go faster than they can be listed.
pub async fn files(place: &Place, table: Table, date: Option<Date>) -> Result<Vec<DataFile>> {
    let below = date.map_or_else(|| folder(table), |date| partition(table, date));
    let mut first = place.list(&below).await?;
    let mut before = lists(place, table, &first).await?;
    for attempt in 0..TRIES {
        let second = place.list(&below).await?;
        let after = lists(place, table, &second).await?;
        if before == after
            && let Some(found) = settled(table, &first, &after, &second)
        {
            return Ok(found);
        }
        (first, before) = (second, after);
        tokio::time::sleep(Duration::from_millis(u64::from(attempt) * 5)).await;
    }
    Err(StorageError::Busy {
        path: place.path_shown(&below),
        problem: "files come and go faster than they can be listed; try again".to_owned(),
    })
}

/// The dates of a table that have files.
///
/// # Errors
///
/// As [`files`].
pub async fn dates(place: &Place, table: Table) -> Result<BTreeSet<Date>> {
    Ok(files(place, table, None).await?.into_iter().map(|file| file.date).collect())
}

/// The lists of replaced files of the partitions that are named here. One that is gone when it is read is left out.
async fn lists(place: &Place, table: Table, listed: &[ObjectMeta]) -> Result<BTreeMap<Date, Replace>> {
    let mut lists = BTreeMap::new();
    for date in replaced_perhaps(table, listed) {
        if let Some(replace) = Replace::read(place, &replace_path(table, date)).await? {
            lists.insert(date, replace);
        }
    }
    Ok(lists)
}

/// The partitions that have a list of replaced files, or that may have one although it is not among these names: those with files of a replacement
/// beside others.
fn replaced_perhaps(table: Table, listed: &[ObjectMeta]) -> BTreeSet<Date> {
    let mut found = BTreeSet::new();
    let mut writers: BTreeMap<Date, BTreeSet<String>> = BTreeMap::new();
    for meta in listed {
        if meta.location.filename() == Some(REPLACE) {
            found.extend(date_of_path(&meta.location));
        } else if let Some(file) = DataFile::of(table, meta.clone()) {
            writers.entry(file.date).or_default().insert(file.writer);
        }
    }
    let is_mixed =
        |writers: &BTreeSet<String>| writers.len() > 1 && writers.iter().any(|name| name.starts_with(REPLACER));
    found.extend(writers.iter().filter(|(_, writers)| is_mixed(writers)).map(|(date, _)| *date));
    found
}

/// The table by two lists of names, one after the other, with the lists of replaced files, which were the same after the first and after the second.
/// None where they do not say for certain what the table was at one moment.
///
/// Why it is certain, as a replacement goes "list, new files, list says done, old files go, list goes":
/// - A partition with a list that did not change while the names were listed for the second time: until it says done all old files are there, and
///   then all new ones are.
/// - A partition without: had a replacement begun or ended meanwhile, the second list would lack a file that the first has, or have a new one that
///   the first has not; where old and new files were listed together the list was asked for by its name between the two. (Two replacements that
///   both begin and end while names are listed twice could hide from this; each takes as long as rewriting a day.)
fn settled(
    table: Table,
    first: &[ObjectMeta],
    lists: &BTreeMap<Date, Replace>,
    second: &[ObjectMeta],
) -> Option<Vec<DataFile>> {
    let names = |list: &[ObjectMeta]| -> BTreeSet<Path> {
        let unlisted = |path: &&Path| date_of_path(path).is_none_or(|date| !lists.contains_key(&date));
        list.iter().map(|meta| &meta.location).filter(unlisted).cloned().collect()
    };
    let (in_first, in_second) = (names(first), names(second));
    let is_data = |path: &Path| path.filename().is_some_and(|name| !name.starts_with('.'));
    let is_of_replacement =
        |path: &Path| path.filename().is_some_and(|name| name == REPLACE || name.starts_with(REPLACER));
    let gone = in_first.difference(&in_second).any(is_data);
    let come = in_second.difference(&in_first).any(is_of_replacement);
    if gone || come || in_first.iter().any(|path| path.filename() == Some(REPLACE)) {
        return None;
    }
    let mut found: Vec<_> = second.iter().filter_map(|meta| DataFile::of(table, meta.clone())).collect();
    found.retain(|file| match lists.get(&file.date) {
        Some(list) => !list.hides(file),
        None => in_first.contains(&file.meta.location),
    });
    found.sort_by(|one, other| one.meta.location.cmp(&other.meta.location));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet::layout::file_path;
    use proptest::prelude::*;

    const DATE: Date = jiff::civil::date(2026, 1, 2);

    /// A partition whose rows are numbers; a file has some of them.
    #[derive(Clone, Default)]
    struct World {
        files: BTreeMap<Path, BTreeSet<u32>>,
        list: Option<Replace>,
    }

    fn path(writer: &str, sequence: u64) -> Path {
        file_path(Table::Ticks, DATE, writer, sequence)
    }

    /// Every step of a replacement that dies and is taken back, and of one that does its work.
    fn history() -> Vec<World> {
        let mut world = World::default();
        let mut steps = Vec::new();
        for sequence in 0..3 {
            world.files.insert(path("desk", sequence), [sequence as u32 * 2, sequence as u32 * 2 + 1].into());
        }
        steps.push(world.clone());
        for (writer, dies) in [("replace-a", true), ("replace-b", false)] {
            let old: BTreeSet<Path> = world.files.keys().cloned().collect();
            let names = old.iter().map(|path| path.filename().unwrap().to_owned()).collect();
            world.list = Some(Replace { begun_ns: 0, writer: writer.into(), old: names, done: false });
            steps.push(world.clone());
            for sequence in 0..2 {
                world.files.insert(path(writer, sequence), (sequence as u32 * 3..sequence as u32 * 3 + 3).collect());
                steps.push(world.clone());
                if dies {
                    world.files.remove(&path(writer, sequence));
                    steps.push(world.clone());
                    break;
                }
            }
            if !dies {
                world.list.as_mut().unwrap().done = true;
                steps.push(world.clone());
                for path in &old {
                    world.files.remove(path);
                    steps.push(world.clone());
                }
            }
            world.list = None;
            steps.push(world.clone());
        }
        steps
    }

    /// A listing that asks for each name, in some order, at its own moment.
    fn listed(history: &[World], order: &[Path], moments: &[usize]) -> Vec<ObjectMeta> {
        let is_there = |path: &Path, world: &World| match path.filename() {
            Some(REPLACE) => world.list.is_some(),
            _ => world.files.contains_key(path),
        };
        let asked = order.iter().zip(moments).filter(|(path, moment)| is_there(path, &history[**moment]));
        asked
            .map(|(path, _)| ObjectMeta {
                location: path.clone(),
                last_modified: Default::default(),
                size: 1,
                e_tag: None,
                version: None,
            })
            .collect()
    }

    fn names() -> Vec<Path> {
        let mut names: BTreeSet<Path> = history().into_iter().flat_map(|world| world.files.into_keys()).collect();
        names.insert(replace_path(Table::Ticks, DATE));
        names.into_iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// However listing and replacing interleave, what is settled on is every row once.
        #[test]
        fn whoever_lists_sees_every_row_once(
            order in Just(names()).prop_shuffle(),
            again in Just(names()).prop_shuffle(),
            mut moments in proptest::collection::vec(0..history().len(), 2 * names().len() + 2),
        ) {
            let history = history();
            moments.sort_unstable();
            let count = order.len();
            let first = listed(&history, &order, &moments[..count]);
            let second = listed(&history, &again, &moments[count + 1..2 * count + 1]);
            let list = |names: &[ObjectMeta], moment: usize| -> BTreeMap<Date, Replace> {
                let is_asked = replaced_perhaps(Table::Ticks, names).contains(&DATE);
                let list = history[moment].list.clone().filter(|_| is_asked);
                list.map(|list| (DATE, list)).into_iter().collect()
            };
            let lists = list(&first, moments[count]);
            if lists == list(&second, moments[2 * count + 1])
                && let Some(found) = settled(Table::Ticks, &first, &lists, &second)
            {
                let mut rows: Vec<u32> = found.iter().flat_map(|file| rows_of(&history, file)).collect();
                rows.sort_unstable();
                let names: Vec<_> = found.iter().map(DataFile::name).collect();
                prop_assert_eq!(rows, (0..6).collect::<Vec<_>>(), "{:?}", names);
            }
        }
    }

    fn rows_of(history: &[World], file: &DataFile) -> BTreeSet<u32> {
        history.iter().find_map(|world| world.files.get(&file.meta.location)).unwrap().clone()
    }

    #[test]
    fn what_stands_still_is_settled_at_every_step() {
        for (step, world) in history().iter().enumerate() {
            let still = vec![0; names().len()];
            let list = listed(std::slice::from_ref(world), &names(), &still);
            let lists = world.list.clone().map(|list| (DATE, list)).into_iter().collect();
            let found = settled(Table::Ticks, &list, &lists, &list).unwrap();
            let rows: usize = found.iter().map(|file| world.files[&file.meta.location].len()).sum();
            assert_eq!(rows, 6, "step {step}");
        }
    }
}

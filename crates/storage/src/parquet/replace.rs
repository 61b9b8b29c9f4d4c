//! Files of a partition that are replaced by others, so that whoever reads sees the old ones or the new ones, also after a kill at any moment.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::{Timestamp, civil::Date};

use super::{
    layout::{DataFile, REPLACER, file_path, partition, replace_path},
    listing::Replace,
};
use crate::{
    error::{Result, StorageError},
    place::{Place, Put},
    table::Table,
};

/// After this long a replacement that has not ended is taken for dead.
const DEAD_AFTER_NS: i64 = 3_600_000_000_000;

/// When a replacement is made, and what happens to one that another process has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Now, in nanoseconds since the Unix epoch.
    pub now_ns: i64,
    /// Whether what another process has begun is taken for dead at once, not only after an hour.
    pub take_over: bool,
}

/// So often is tried to begin while others end.
const TRIES: usize = 5;

/// A replacement that has been begun: no other one of the partition can be.
pub(crate) struct Replacing {
    place: Place,
    table: Table,
    date: Date,
    list: Replace,
    files: u64,
}

impl Replacing {
    /// Begins one. `work` says in the new files' names what they are of.
    pub async fn begin(place: &Place, table: Table, date: Date, work: &str, attempt: Attempt) -> Result<Self> {
        let path = replace_path(table, date);
        for _ in 0..TRIES {
            let writer = unused(place, table, date, &format!("{REPLACER}{work}-{:x}", attempt.now_ns)).await?;
            let list = Replace { begun_ns: attempt.now_ns, writer, old: BTreeSet::new(), done: false };
            if !place.put(&path, bytes_of(&list), Put::New).await? {
                take_up(place, table, date, attempt).await?;
                continue;
            }
            // Another process may have come and gone between looking for the name and this.
            if unused(place, table, date, &list.writer).await? == list.writer {
                return Ok(Self { place: place.clone(), table, date, list, files: 0 });
            }
            place.delete(&path).await?;
        }
        Err(StorageError::Busy {
            path: place.path_shown(&path),
            problem: "other processes are at it; try again".to_owned(),
        })
    }

    /// Adds a new file.
    pub async fn add(&mut self, bytes: Bytes) -> Result<()> {
        let path = file_path(self.table, self.date, &self.list.writer, self.files);
        self.place.put(&path, bytes, Put::Replace).await?;
        self.files += 1;
        Ok(())
    }

    /// Puts the new files in the place of these, in one step, and takes these away.
    pub async fn commit(mut self, old: &[DataFile]) -> Result<()> {
        self.say_done(old).await?;
        take_away(&self.place, self.table, self.date, &self.list).await
    }

    /// The one step.
    async fn say_done(&mut self, old: &[DataFile]) -> Result<()> {
        self.list.old = old.iter().map(|file| file.name().to_owned()).collect();
        self.list.done = true;
        self.place.put(&replace_path(self.table, self.date), bytes_of(&self.list), Put::Replace).await.map(|_| ())
    }

    /// Takes the new files away: nothing is replaced.
    pub async fn give_up(self) -> Result<()> {
        take_away(&self.place, self.table, self.date, &self.list).await
    }
}

/// A writer's name that begins so and that no file of the partition has: such files would be taken for its own.
async fn unused(place: &Place, table: Table, date: Date, begins: &str) -> Result<String> {
    let listed = place.list(&partition(table, date)).await?;
    let writers: BTreeSet<String> =
        listed.into_iter().filter_map(|meta| DataFile::of(table, meta)).map(|file| file.writer).collect();
    let mut name = begins.to_owned();
    while writers.contains(&name) {
        name.push('x');
    }
    Ok(name)
}

fn bytes_of(list: &Replace) -> Bytes {
    // A list of names and numbers always can be written.
    serde_json::to_vec(list).unwrap_or_default().into()
}

/// Takes up a replacement that another process has left: ends it where its new files were all there, else takes them away. Whether there was one.
///
/// # Errors
///
/// [`StorageError::Busy`] where it may still be at work.
pub(crate) async fn take_up(place: &Place, table: Table, date: Date, attempt: Attempt) -> Result<bool> {
    let path = replace_path(table, date);
    let Some(list) = Replace::read(place, &path).await? else { return Ok(false) };
    let age_ns = attempt.now_ns.saturating_sub(list.begun_ns);
    if !attempt.take_over && age_ns < DEAD_AFTER_NS {
        let since = Timestamp::from_nanosecond(i128::from(list.begun_ns)).unwrap_or(Timestamp::UNIX_EPOCH);
        let problem =
            format!("another process has been at this partition since {since:.0}; where it is dead, take over");
        return Err(StorageError::Busy { path: place.path_shown(&path), problem });
    }
    take_away(place, table, date, &list).await?;
    Ok(true)
}

/// Takes away the files that do not count, then the list.
async fn take_away(place: &Place, table: Table, date: Date, list: &Replace) -> Result<()> {
    for meta in place.list(&partition(table, date)).await? {
        let location = meta.location.clone();
        if DataFile::of(table, meta).is_some_and(|file| list.hides(&file)) {
            place.delete(&location).await?;
        }
    }
    place.delete(&replace_path(table, date)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        block_on,
        parquet::{Earlier, Filter, Writer, WriterSettings, files, read, samples},
        place::S3Settings,
    };

    const DATE: Date = jiff::civil::date(2026, 1, 2);

    fn place_of(folder: &tempfile::TempDir) -> Place {
        Place::open(folder.path().to_str().unwrap(), &S3Settings::default()).unwrap()
    }

    async fn filled(place: &Place) {
        for writer in ["one", "two"] {
            let mut writer = Writer::new(place, WriterSettings::new(writer, Earlier::Keep, samples::clock())).unwrap();
            writer.append(Table::Quotes, &samples::quotes(DATE, 10)).await.unwrap();
            writer.finish().await.unwrap();
        }
    }

    /// Rows that a reader sees.
    async fn rows(place: &Place) -> u64 {
        read(place, Table::Quotes, &Filter::default()).await.unwrap().1.rows
    }

    #[test]
    fn killed_at_any_step_nothing_is_lost_and_nothing_is_there_twice() {
        for killed_at in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            block_on(async {
                let place = place_of(&folder);
                filled(&place).await;
                let old = files(&place, Table::Quotes, None).await.unwrap();
                let attempt = Attempt { now_ns: 1_000, take_over: false };
                let mut replacing = Replacing::begin(&place, Table::Quotes, DATE, "test", attempt).await.unwrap();
                assert_eq!(rows(&place).await, 20);
                if killed_at > 0 {
                    // The new file has the rows of the first of the old ones: 10 where 20 were, so that it shows which count.
                    replacing.add(place.get(&old[0].meta.location).await.unwrap()).await.unwrap();
                    assert_eq!(rows(&place).await, 20);
                }
                if killed_at > 1 {
                    replacing.say_done(&old).await.unwrap();
                    assert_eq!(rows(&place).await, 10);
                }
                if killed_at > 2 {
                    place.delete(&old[0].meta.location).await.unwrap();
                    assert_eq!(rows(&place).await, 10);
                }
                drop(replacing);
                let busy = take_up(&place, Table::Quotes, DATE, Attempt { now_ns: 2_000, take_over: false }).await;
                assert!(matches!(busy, Err(StorageError::Busy { .. })), "{busy:?}");
                let later = Attempt { now_ns: 1_000 + DEAD_AFTER_NS, take_over: false };
                assert!(take_up(&place, Table::Quotes, DATE, later).await.unwrap());
                assert_eq!(rows(&place).await, if killed_at > 1 { 10 } else { 20 }, "killed at {killed_at}");
                assert_eq!(
                    place.list(&partition(Table::Quotes, DATE)).await.unwrap().len(),
                    if killed_at > 1 { 1 } else { 2 }
                );
                assert!(!take_up(&place, Table::Quotes, DATE, later).await.unwrap());
            });
        }
    }

    #[test]
    fn of_two_at_once_the_second_is_told() {
        let folder = tempfile::tempdir().unwrap();
        block_on(async {
            let place = place_of(&folder);
            filled(&place).await;
            let attempt = Attempt { now_ns: 1_000, take_over: false };
            let first = Replacing::begin(&place, Table::Quotes, DATE, "a", attempt).await.unwrap();
            let second = Replacing::begin(&place, Table::Quotes, DATE, "b", attempt).await;
            let error = second.err().unwrap().to_string();
            assert!(error.contains("1970-01-01T00:00:00Z") && error.contains("take over"), "{error}");
            first.give_up().await.unwrap();
            assert_eq!(rows(&place).await, 20);
        });
    }
}

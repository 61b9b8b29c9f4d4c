//! What stands in a table under the names of writers: which readings of one input, and taking one of them away.
//!
//! A writer's name is `<words>.<digest of the input's bytes>.<digest of how it was read>` where the program chose it (earlier versions left the last part
//! out). Once compaction has put a day's files together its rows cannot be told apart any more.

use std::collections::BTreeMap;

use super::{
    file::{Filter, OpenFile},
    layout::{DataFile, REPLACER, replace_path},
    listing::files,
};
use crate::{
    error::{Result, StorageError},
    place::Place,
    table::Table,
};

/// One reading of an input, as it stands in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The writer of its files.
    pub name: String,
    /// Its files.
    pub files: Vec<DataFile>,
    /// Rows in those that can be read.
    pub rows: u64,
}

/// The readings of an input in a table, by name: every writer whose name has this digest of bytes, as far as its files were not compacted. Opens the
/// files of all but the one that is named `own`.
///
/// # Errors
///
/// Where the store fails.
pub async fn readings(place: &Place, table: Table, input: &str, own: &str) -> Result<Vec<Reading>> {
    let mut found: BTreeMap<String, Reading> = BTreeMap::new();
    for file in files(place, table, None).await? {
        if input_of(&file.writer) != Some(input) || file.writer == own {
            continue;
        }
        let name = file.writer.clone();
        let reading = found.entry(name.clone()).or_insert(Reading { name, files: Vec::new(), rows: 0 });
        match OpenFile::open(place, &file, &Filter::default()).await {
            Ok(open) => reading.rows += u64::try_from(open.metadata.file_metadata().num_rows()).unwrap_or_default(),
            // A damaged file counts no rows, and may be taken away as well.
            Err(StorageError::File { .. }) => {}
            Err(error) => return Err(error),
        }
        reading.files.push(file);
    }
    Ok(found.into_values().collect())
}

/// The compacted files that have rows of a reading of an input among theirs that `is_other` says of: they cannot be taken away alone. Opens every compacted
/// file of the table.
///
/// # Errors
///
/// Where the store fails.
pub async fn compacted(
    place: &Place,
    table: Table,
    input: &str,
    is_other: impl Fn(&str) -> bool,
) -> Result<Vec<DataFile>> {
    let is_other = |name: &String| {
        let writer = name.rsplit_once('-').map_or(name.as_str(), |(writer, _)| writer);
        input_of(writer) == Some(input) && is_other(writer)
    };
    let mut found = Vec::new();
    for file in files(place, table, None).await?.into_iter().filter(|file| file.writer.starts_with(REPLACER)) {
        match OpenFile::open(place, &file, &Filter::default()).await {
            Ok(open) if open.about.replaces.iter().any(is_other) => found.push(file),
            Ok(_) | Err(StorageError::File { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Takes a reading's files away.
///
/// # Errors
///
/// Where the files of one of its days are being replaced ([`StorageError::Busy`]: nothing is gone then), or the store fails: what is gone is gone, and the
/// same again goes on.
pub async fn remove(place: &Place, reading: &Reading) -> Result<()> {
    for file in &reading.files {
        let list = replace_path(file.table, file.date);
        match place.get(&list).await {
            Ok(_) => {
                let problem = "files of the day are being replaced: try again when compaction is over";
                return Err(StorageError::Busy { path: place.path_shown(&list), problem: problem.to_owned() });
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    for file in &reading.files {
        place.delete(&file.meta.location).await?;
    }
    Ok(())
}

/// The digest of the bytes in a writer's name.
fn input_of(writer: &str) -> Option<&str> {
    writer.split('.').nth(1)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::{
        compact::{CompactSettings, compact},
        parquet::{
            Attempt, Earlier, Writer, WriterSettings,
            layout::{DAY_NS, begin_ns, partition},
            samples::{clock, quotes},
        },
        place::{Put, S3Settings},
    };

    const INPUT: &str = "0123456789abcdef";
    const FIRST: &str = "day.0123456789abcdef.1111111111111111";
    const SECOND: &str = "day.0123456789abcdef.2222222222222222";
    const UNTOLD: &str = "day.0123456789abcdef";

    async fn write(place: &Place, name: &str, days: &[(i8, usize)]) {
        let mut writer = Writer::new(place, WriterSettings::new(name, Earlier::Replace, clock())).unwrap();
        for (day, count) in days {
            writer.append(Table::Quotes, &quotes(date(2026, 1, *day), *count)).await.unwrap();
        }
        writer.finish().await.unwrap();
    }

    async fn found(place: &Place, own: &str) -> Vec<(String, usize, u64)> {
        let found = readings(place, Table::Quotes, INPUT, own).await.unwrap();
        found.into_iter().map(|reading| (reading.name, reading.files.len(), reading.rows)).collect()
    }

    #[tokio::test]
    async fn a_reading_goes_alone_not_while_its_day_is_replaced_and_is_told_once_it_was_compacted() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::open(folder.path().to_str().unwrap(), &S3Settings::default()).unwrap();
        write(&place, FIRST, &[(1, 3), (2, 4)]).await;
        write(&place, SECOND, &[(2, 5)]).await;
        write(&place, UNTOLD, &[(2, 6)]).await;
        write(&place, "night.fedcba9876543210.1111111111111111", &[(2, 7)]).await;
        assert_eq!(found(&place, SECOND).await, [(UNTOLD.to_owned(), 1, 6), (FIRST.to_owned(), 2, 7)]);
        let first = readings(&place, Table::Quotes, INPUT, SECOND).await.unwrap().remove(1);
        let list = replace_path(Table::Quotes, date(2026, 1, 2));
        let work = br#"{"begun_ns":1,"writer":"replace-compact-1","old":[],"done":false}"#;
        place.put(&list, work.to_vec().into(), Put::New).await.unwrap();
        assert!(matches!(remove(&place, &first).await, Err(StorageError::Busy { .. })));
        assert_eq!(found(&place, SECOND).await.len(), 2);
        place.delete(&list).await.unwrap();
        remove(&place, &first).await.unwrap();
        assert_eq!(found(&place, SECOND).await, [(UNTOLD.to_owned(), 1, 6)]);
        assert_eq!(compacted(&place, Table::Quotes, INPUT, |name| name != SECOND).await.unwrap(), []);
        let settings = CompactSettings {
            tables: vec![Table::Quotes],
            attempt: Attempt { now_ns: begin_ns(date(2026, 1, 9)), take_over: false },
            closed_after_ns: DAY_NS,
            dry_run: false,
        };
        assert_eq!(compact(&place, &settings).await.unwrap().compacted.len(), 1);
        assert_eq!(found(&place, SECOND).await, []);
        let mixed = compacted(&place, Table::Quotes, INPUT, |name| name != SECOND).await.unwrap();
        assert_eq!(mixed.len(), 1);
        assert!(mixed[0].meta.location.prefix_matches(&partition(Table::Quotes, date(2026, 1, 2))));
        // Of the one reading that there is: nothing of another.
        assert_eq!(
            compacted(&place, Table::Quotes, "fedcba9876543210", |name| name
                != "night.fedcba9876543210.1111111111111111")
            .await
            .unwrap(),
            []
        );
    }
}

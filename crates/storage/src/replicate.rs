//! A second copy of the tables in another place, each file verified by reading it back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::civil::Date;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde::Serialize;

use crate::{
    error::{Result, StorageError},
    parquet::{DataFile, Filter, encode::REPLACES_KEY, file::OpenFile, files, layout::REPLACER},
    place::{Place, Put},
    table::Table,
};

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicateSettings {
    /// The tables.
    pub tables: Vec<Table>,
    /// Whether files that the source does not have go from the copy. Files that were replaced by ones which are copied go in any case.
    pub delete: bool,
    /// Whether files that look the same are compared byte by byte.
    pub full: bool,
    /// Whether it is only told what would be done.
    pub dry_run: bool,
}

/// What copying came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReplicateReport {
    /// Files that were there already.
    pub same: usize,
    /// Files that were copied, or would be, by path.
    pub copied: Vec<String>,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files that were removed from the copy, or would be: replaced by others, or gone from the source where that is asked for.
    pub deleted: Vec<String>,
    /// Files of the copy that the source does not have, and that stay.
    pub extra: Vec<String>,
    /// Files of the source that are damaged and were not copied, each with why.
    pub damaged: BTreeMap<String, String>,
}

/// Brings the copy of some tables up to date: what is missing, has another size, or is newer at the source and not the same goes over, and is read back
/// and compared.
///
/// Files are copied before others are removed, so that a reader of the copy never misses a row.
///
/// # Errors
///
/// Where a store fails, or what was written does not read back the same. What was copied before is whole and stays; the next run goes on.
pub async fn replicate(from: &Place, to: &Place, settings: &ReplicateSettings) -> Result<ReplicateReport> {
    let mut report = ReplicateReport::default();
    for table in &settings.tables {
        let (source, target) = (files(from, *table, None).await?, files(to, *table, None).await?);
        let there: BTreeMap<_, &DataFile> = target.iter().map(|file| (&file.meta.location, file)).collect();
        let mut replaced: BTreeSet<(Date, String)> = BTreeSet::new();
        for file in &source {
            let at_target = there.get(&file.meta.location).copied();
            let missing = match at_target {
                Some(at_target) => differing(from, to, file, at_target, settings.full).await?,
                None => Some(get(from, file).await?),
            };
            let Some(bytes) = missing else {
                report.same += 1;
                continue;
            };
            match names_replaced(file, &bytes) {
                Ok(names) => replaced.extend(names.into_iter().map(|name| (file.date, name))),
                Err(problem) => {
                    report.damaged.insert(from.path_shown(&file.meta.location), problem);
                    continue;
                }
            }
            report.copied.push(file.meta.location.to_string());
            report.copied_bytes += bytes.len() as u64;
            if !settings.dry_run {
                copy(to, file, bytes).await?;
            }
        }
        // A copy that was cut short is taken up here: what its files replaced may not have gone yet.
        for file in
            source.iter().filter(|file| file.writer.starts_with(REPLACER) && there.contains_key(&file.meta.location))
        {
            if target.iter().any(|other| other.date == file.date && other.writer != file.writer) {
                let open = OpenFile::open(from, file, &Filter::default()).await?;
                replaced.extend(open.about.replaces.into_iter().map(|name| (file.date, name)));
            }
        }
        let in_source: BTreeSet<_> = source.iter().map(|file| &file.meta.location).collect();
        for file in target.iter().filter(|file| !in_source.contains(&file.meta.location)) {
            let path = file.meta.location.to_string();
            if settings.delete || replaced.contains(&(file.date, file.name().to_owned())) {
                report.deleted.push(path);
                if !settings.dry_run {
                    to.delete(&file.meta.location).await?;
                }
            } else {
                report.extra.push(path);
            }
        }
    }
    Ok(report)
}

async fn get(place: &Place, file: &DataFile) -> Result<Bytes> {
    match place.get(&file.meta.location).await {
        Err(error) if error.is_not_found() => Err(StorageError::Busy {
            path: place.path_shown(&file.meta.location),
            problem: "has been replaced or dropped since it was listed; try again".to_owned(),
        }),
        other => other,
    }
}

/// The bytes of a file that the copy has not the same.
async fn differing(
    from: &Place,
    to: &Place,
    file: &DataFile,
    at_target: &DataFile,
    full: bool,
) -> Result<Option<Bytes>> {
    let looks_same = file.meta.size == at_target.meta.size;
    if looks_same && !full && file.meta.last_modified <= at_target.meta.last_modified {
        return Ok(None);
    }
    let bytes = get(from, file).await?;
    let is_same = looks_same && to.get(&at_target.meta.location).await? == bytes;
    Ok((!is_same).then_some(bytes))
}

async fn copy(to: &Place, file: &DataFile, bytes: Bytes) -> Result<()> {
    let path = &file.meta.location;
    to.put(path, bytes.clone(), Put::Replace).await?;
    let back = to.get(path).await?;
    if back == bytes {
        return Ok(());
    }
    // What is wrong must not be taken for the file.
    to.delete(path).await?;
    let at = back.iter().zip(&bytes).position(|(one, other)| one != other).unwrap_or(back.len().min(bytes.len()));
    let problem = format!(
        "reads back otherwise than it was written, from byte {at} on ({} bytes of {}); removed",
        back.len(),
        bytes.len()
    );
    Err(StorageError::file(to.path_shown(path), problem))
}

/// The names of files whose rows a file has, where it can be read at all.
fn names_replaced(file: &DataFile, bytes: &Bytes) -> std::result::Result<Vec<String>, String> {
    let cannot = |error: &dyn ToString| format!("cannot be read; is it whole? {}", error.to_string());
    let reader = SerializedFileReader::new(bytes.clone()).map_err(|error| cannot(&error))?;
    if !file.writer.starts_with(REPLACER) {
        return Ok(Vec::new());
    }
    let entries = reader.metadata().file_metadata().key_value_metadata();
    let names =
        entries.into_iter().flatten().find(|entry| entry.key == REPLACES_KEY).and_then(|entry| entry.value.as_deref());
    names.map_or(Ok(Vec::new()), |names| serde_json::from_str(names).map_err(|error| cannot(&error)))
}

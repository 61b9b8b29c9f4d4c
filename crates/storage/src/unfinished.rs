//! What writers that were killed left in a folder: files that are not whole, under hidden names that no reader takes.
//!
//! A name is `.<file>.<process>-<number>.tmp`. Its writer holds a lock on it for as long as it lives, on whatever machine; one of a version that did not is
//! known by its process here. [`compact`](crate::compact::compact) takes what is older than a day away, whoever wrote it.

use std::{fs, path};

use crate::{
    error::{Result, StorageError},
    parquet::layout::folder,
    place::{Place, UNFINISHED},
    table::Table,
};

/// Takes away the unfinished files of a table whose writers are gone; their paths. Leaves alone what is written now. A bucket has none: an upload that was not
/// completed is no object.
///
/// # Errors
///
/// Where the folder cannot be listed or such a file not be taken away.
pub async fn sweep(place: &Place, table: Table) -> Result<Vec<String>> {
    let Some(root) = place.folder() else { return Ok(Vec::new()) };
    let mut gone = Vec::new();
    for meta in place.list(&folder(table)).await? {
        let Some(process) = meta.location.filename().and_then(process_of) else { continue };
        let file = meta.location.parts().fold(root.to_owned(), |file, part| file.join(part.as_ref()));
        if !is_running(process) && is_unlocked(&file) {
            let path = place.path_shown(&meta.location);
            match fs::remove_file(&file) {
                Ok(()) => gone.push(path),
                // Another that sweeps was faster.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(StorageError::file(path, error)),
            }
        }
    }
    Ok(gone)
}

/// The process in an unfinished file's name.
fn process_of(name: &str) -> Option<u32> {
    let (_, writer) = name.strip_prefix('.')?.strip_suffix(UNFINISHED)?.rsplit_once('.')?;
    let (process, number) = writer.split_once('-')?;
    number.parse::<u64>().ok()?;
    process.parse().ok()
}

/// Whether there is such a process; not where the system does not tell: then the lock alone does.
fn is_running(process: u32) -> bool {
    path::Path::new("/proc").join(process.to_string()).exists()
}

/// Whether nobody holds a file's lock. Where that cannot be told somebody may.
fn is_unlocked(file: &path::Path) -> bool {
    fs::File::open(file).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{block_on, place::S3Settings};

    #[test]
    fn what_a_killed_writer_left_goes_and_what_is_written_stays() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::open(root.path().to_str().unwrap(), &S3Settings::default()).unwrap();
        let day = root.path().join("quotes/date=2026-01-02");
        fs::create_dir_all(&day).unwrap();
        let gone = {
            let mut child = std::process::Command::new("true").spawn().unwrap();
            child.wait().unwrap();
            child.id()
        };
        let here = std::process::id();
        let names = [
            format!(".a-000000.parquet.{gone}-0.tmp"),
            // Written on another machine.
            format!(".b-000000.parquet.{gone}-1.tmp"),
            // By a version that took no lock.
            format!(".c-000000.parquet.{here}-0.tmp"),
            // Nothing of ours.
            ".d.tmp".to_owned(),
            format!("e-000000.parquet.{gone}-0.tmp"),
        ];
        for name in &names {
            fs::write(day.join(name), "half").unwrap();
        }
        let held = fs::File::open(day.join(&names[1])).unwrap();
        held.lock().unwrap();
        let swept = block_on(sweep(&place, Table::Quotes)).unwrap();
        assert!(swept.len() == 1 && swept[0].ends_with(&names[0]), "{swept:?}");
        let left: Vec<bool> = names.iter().map(|name| day.join(name).exists()).collect();
        assert_eq!(left, [false, true, true, true, true]);
        drop(held);
        assert_eq!(block_on(sweep(&place, Table::Ticks)).unwrap(), Vec::<String>::new());
        assert_eq!(block_on(sweep(&place, Table::Quotes)).unwrap().len(), 1);
    }
}

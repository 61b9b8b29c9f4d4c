//! Rows that wait for a server, in files: whole, in order, checked, and no more of them than there is room for.
//!
//! A file is `<number, 16 digits>.rows`: a line of JSON (table, name of the batch, rows, bytes and CRC-32 of what follows), then an Arrow IPC stream.
//! It is written under another name, flushed to the disk, renamed, and the folder flushed: what [`Spool::push`] took survives the end of the
//! process and of the machine. One process at a time has a spool; the operating system frees its lock however the process ends.

use std::{
    collections::VecDeque,
    fs::{self, File, TryLockError},
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use arrow_array::RecordBatch;
use arrow_ipc::{reader::StreamReader, writer::StreamWriter};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, StorageError},
    table::Table,
};

const ENDING: &str = ".rows";
const UNFINISHED: &str = ".tmp";
const LOCK: &str = "lock";

/// A folder of batches that wait.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    limit_bytes: u64,
    held_bytes: u64,
    /// Number and length of each file, in order.
    waiting: VecDeque<(u64, u64)>,
    next: u64,
    /// Held as long as this is.
    _lock: File,
}

/// A batch that waited.
#[derive(Debug, Clone)]
pub struct Spooled {
    /// Its place in the order.
    pub number: u64,
    /// Where it goes.
    pub table: Table,
    /// Its name.
    pub id: String,
    /// Its rows.
    pub batch: RecordBatch,
}

#[derive(Serialize, Deserialize)]
struct Head {
    table: String,
    id: String,
    rows: usize,
    bytes: usize,
    crc32: u32,
}

impl Spool {
    /// Opens a folder, which is made where it is missing, and finds what waits in it. What a process left unfinished was never taken, and goes.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be used, or another process has it ([`StorageError::Busy`]).
    pub fn open(directory: impl Into<PathBuf>, limit_bytes: u64) -> Result<Self> {
        let directory = directory.into();
        let failed = |error: io::Error| StorageError::file(directory.display().to_string(), error);
        fs::create_dir_all(&directory).map_err(failed)?;
        let lock = File::create(directory.join(LOCK)).map_err(failed)?;
        if !is_locked(&lock).map_err(failed)? {
            return Err(StorageError::Busy {
                path: directory.display().to_string(),
                problem: "another process has this spool: end it, or name another folder".into(),
            });
        }
        let mut waiting = Vec::new();
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(UNFINISHED) {
                fs::remove_file(entry.path()).map_err(failed)?;
            } else if let Some(number) = name.strip_suffix(ENDING).and_then(|digits| digits.parse().ok()) {
                waiting.push((number, entry.metadata().map_err(failed)?.len()));
            }
        }
        waiting.sort_unstable();
        let held_bytes = waiting.iter().map(|(_, bytes)| bytes).sum();
        let next = waiting.last().map_or(0, |(number, _)| number + 1);
        Ok(Self { directory, limit_bytes, held_bytes, waiting: waiting.into(), next, _lock: lock })
    }

    /// How many batches wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes that wait.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Takes a batch; when this returns it is on the disk.
    ///
    /// # Errors
    ///
    /// [`StorageError::SpoolFull`] where there is no room for it, and where the file system fails (a full disk): then it was not taken.
    pub fn push(&mut self, table: Table, batch: &RecordBatch, id: &str) -> Result<()> {
        let mut body = Vec::new();
        let mut writer = StreamWriter::try_new(&mut body, &batch.schema())?;
        writer.write(batch)?;
        writer.finish()?;
        drop(writer);
        let head = Head {
            table: table.name().into(),
            id: id.into(),
            rows: batch.num_rows(),
            bytes: body.len(),
            crc32: crc32(&body),
        };
        let mut bytes = serde_json::to_vec(&head).map_err(|error| self.wrong(self.next, error.to_string()))?;
        bytes.push(b'\n');
        bytes.append(&mut body);
        let more_bytes = bytes.len() as u64;
        if self.held_bytes + more_bytes > self.limit_bytes {
            return Err(StorageError::SpoolFull {
                directory: self.directory.display().to_string(),
                held_bytes: self.held_bytes,
                more_bytes,
                limit_bytes: self.limit_bytes,
            });
        }
        let path = self.path(self.next);
        let unfinished = path.with_extension(&UNFINISHED[1..]);
        if let Err(error) = self.write(&unfinished, &path, &bytes) {
            // What is half there was not taken, and must not take room; when even that fails it goes when the spool is opened.
            let _ = fs::remove_file(&unfinished);
            let _ = fs::remove_file(&path);
            return Err(self.wrong(self.next, format!("{error}; these rows were not taken")));
        }
        self.waiting.push_back((self.next, more_bytes));
        self.held_bytes += more_bytes;
        self.next += 1;
        Ok(())
    }

    fn write(&self, unfinished: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(unfinished, path)?;
        File::open(&self.directory)?.sync_all()
    }

    /// The batch that has waited longest; it stays.
    ///
    /// # Errors
    ///
    /// Where its file cannot be read or is not what was written: nothing behind it is given before it, so that nothing is lost unseen.
    pub fn front(&self) -> Result<Option<Spooled>> {
        let Some((number, _)) = self.waiting.front().copied() else { return Ok(None) };
        self.read(number).map(Some)
    }

    fn read(&self, number: u64) -> Result<Spooled> {
        let bytes = fs::read(self.path(number)).map_err(|error| self.wrong(number, error.to_string()))?;
        let damaged = |what: &str| {
            self.wrong(
                number,
                format!("damaged ({what}): its rows cannot be sent; move the file away to go on without them"),
            )
        };
        let mut line = Vec::new();
        let mut rest = bytes.as_slice();
        rest.read_until(b'\n', &mut line).map_err(|error| self.wrong(number, error.to_string()))?;
        let head: Head = serde_json::from_slice(&line).map_err(|_| damaged("its first line"))?;
        if rest.len() != head.bytes {
            return Err(damaged("its length"));
        }
        if crc32(rest) != head.crc32 {
            return Err(damaged("its checksum"));
        }
        let table: Table = head.table.parse().map_err(|problem: String| damaged(&problem))?;
        let batch = StreamReader::try_new(rest, None)?.next().ok_or_else(|| damaged("no rows in it"))??;
        if batch.num_rows() != head.rows {
            return Err(damaged("its number of rows"));
        }
        Ok(Spooled { number, table, id: head.id, batch })
    }

    /// Forgets the batch that has waited longest, when it has come to where it goes.
    ///
    /// # Errors
    ///
    /// Where its file cannot be removed. It is sent again then, under its name, and not put in twice.
    pub fn pop(&mut self) -> Result<()> {
        let Some((number, bytes)) = self.waiting.front().copied() else { return Ok(()) };
        fs::remove_file(self.path(number)).map_err(|error| self.wrong(number, error.to_string()))?;
        self.waiting.pop_front();
        self.held_bytes -= bytes;
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:016}{ENDING}"))
    }

    fn wrong(&self, number: u64, problem: String) -> StorageError {
        StorageError::file(self.path(number).display().to_string(), problem)
    }
}

/// Whether we have the lock. A process that was started by the one that had it holds it too until it runs its own program: that is soon over.
fn is_locked(lock: &File) -> io::Result<bool> {
    for _ in 0..50 {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// CRC-32 as in gzip and Ethernet (polynomial 0x04C11DB7, reflected).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut value = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[byte] = value;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, byte| TABLE[(crc as u8 ^ byte) as usize] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::tests::ticks;

    #[test]
    fn the_checksum_is_the_published_one() {
        // The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn what_waits_comes_back_in_order_after_the_spool_was_closed() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
        for number in 0..3 {
            spool.push(Table::Ticks, &ticks(number * 10, 10), &format!("batch {number}")).unwrap();
        }
        let held = spool.held_bytes();
        drop(spool);
        fs::write(folder.path().join("0000000000000009.tmp"), "half").unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
        assert!(!folder.path().join("0000000000000009.tmp").exists());
        assert_eq!((spool.len(), spool.held_bytes()), (3, held));
        for number in 0..3 {
            let spooled = spool.front().unwrap().unwrap();
            assert_eq!((spooled.table, spooled.id.as_str()), (Table::Ticks, format!("batch {number}").as_str()));
            assert_eq!(spooled.batch, ticks(number * 10, 10));
            spool.pop().unwrap();
        }
        assert!(spool.is_empty() && spool.front().unwrap().is_none() && spool.held_bytes() == 0);
    }

    #[test]
    fn a_full_spool_says_so_and_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 4_000).unwrap();
        spool.push(Table::Ticks, &ticks(0, 10), "a").unwrap();
        let error = spool.push(Table::Ticks, &ticks(10, 10_000), "b").unwrap_err();
        assert!(matches!(error, StorageError::SpoolFull { limit_bytes: 4_000, .. }), "{error}");
        assert!(error.to_string().contains("not taken"), "{error}");
        assert_eq!(spool.len(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the batch and the lock");
    }

    #[test]
    fn a_damaged_file_is_told_and_nothing_overtakes_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
        spool.push(Table::Ticks, &ticks(0, 10), "a").unwrap();
        spool.push(Table::Ticks, &ticks(10, 10), "b").unwrap();
        let path = folder.path().join("0000000000000000.rows");
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        fs::write(&path, &bad).unwrap();
        let error = spool.front().unwrap_err().to_string();
        assert!(error.contains("0000000000000000.rows") && error.contains("checksum"), "{error}");
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(spool.front().unwrap_err().to_string().contains("length"));
        fs::write(&path, good).unwrap();
        assert_eq!(spool.front().unwrap().unwrap().id, "a");
    }

    #[test]
    fn two_do_not_have_one_spool() {
        let folder = tempfile::tempdir().unwrap();
        let first = Spool::open(folder.path(), 1).unwrap();
        assert!(matches!(Spool::open(folder.path(), 1), Err(StorageError::Busy { .. })));
        drop(first);
        Spool::open(folder.path(), 1).unwrap();
    }
}

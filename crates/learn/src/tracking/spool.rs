//! The spool: an append-only file of checked lines, `CHECKSUM JSON`, one an event.
//!
//! A line is written by one call, so that a process that is killed leaves whole lines and at most one that is cut off, which the next
//! process takes away. A line whose checksum (FNV-1a of its JSON, 16 hexadecimal digits) does not fit is left out and counted.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{Event, FOLDER};
use crate::{LearnError, training::fnv};

/// The file within a run's folder.
const NAME: &str = "events.log";

/// A spool that is written to.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    file: File,
    length: u64,
}

/// What was read of a spool.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Events, each with the place behind its line.
    pub events: Vec<(u64, Event)>,
    /// Lines that are damaged.
    pub damaged: usize,
    /// The place behind the last whole line.
    pub end: u64,
}

impl Spool {
    /// Where the spool of a run's folder is.
    pub fn path_in(run: &Path) -> PathBuf {
        run.join(FOLDER).join(NAME)
    }

    /// Opens the spool of a run's folder, or begins it. A last line that was cut off is taken away.
    ///
    /// Errors: [`LearnError::File`].
    pub fn open(run: &Path) -> Result<Self, LearnError> {
        let path = Self::path_in(run);
        let folder = run.join(FOLDER);
        fs::create_dir_all(&folder).map_err(|error| LearnError::file(&folder, format!("cannot be made: {error}")))?;
        let failed = |error| LearnError::file(&path, error);
        let length = read_from(&path, 0)?.end;
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        file.set_len(length).map_err(failed)?;
        Ok(Self { path, file, length })
    }

    /// Appends an event; the place behind it. After an error (a full disk) the spool is as before.
    ///
    /// Errors: [`LearnError::File`].
    pub fn append(&mut self, event: &Event) -> Result<u64, LearnError> {
        let failed = |error: &dyn std::fmt::Display| LearnError::file(&self.path, error);
        let json = serde_json::to_string(event).map_err(|error| failed(&error))?;
        let line = format!("{:016x} {json}\n", fnv(json.as_bytes()));
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // What of the line is there would hide the next one.
            let _ = self.file.set_len(self.length);
            return Err(LearnError::file(&self.path, error));
        }
        self.length += line.len() as u64;
        Ok(self.length)
    }

    /// Has what was appended on the disk.
    ///
    /// Errors: [`LearnError::File`].
    pub fn sync(&self) -> Result<(), LearnError> {
        self.file.sync_data().map_err(|error| LearnError::file(&self.path, error))
    }

    /// Bytes of whole lines.
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// The whole lines behind `offset`; none where there is no spool.
pub(super) fn read_from(path: &Path, offset: u64) -> Result<Lines, LearnError> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => {
            let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_to_end(&mut bytes));
            read.map_err(|error| LearnError::file(path, format!("cannot be read: {error}")))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(LearnError::file(path, format!("cannot be read: {error}"))),
    }
    let mut found = Lines { end: offset, ..Lines::default() };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(line_bytes) = line.strip_suffix(b"\n") else { break };
        found.end += line.len() as u64;
        match decode(line_bytes) {
            Some(event) => found.events.push((found.end, event)),
            None => found.damaged += 1,
        }
    }
    Ok(found)
}

/// The checksum that stands before the line which ends at `place`; none where no line ends there.
pub(super) fn checksum_before(path: &Path, place: u64) -> Result<Option<String>, LearnError> {
    let failed = |error: std::io::Error| LearnError::file(path, format!("cannot be read: {error}"));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Lines are short but for the first, which has the config.
    let mut reach = 4096;
    loop {
        let from = place.saturating_sub(reach);
        let mut bytes = vec![0; (place - from) as usize];
        match file.seek(SeekFrom::Start(from)).and_then(|_| file.read_exact(&mut bytes)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let Some(line) = bytes.strip_suffix(b"\n") else { return Ok(None) };
        match line.iter().rposition(|byte| *byte == b'\n') {
            None if from > 0 => reach *= 8,
            before => {
                let line = &line[before.map_or(0, |at| at + 1)..];
                return Ok(line.get(..16).map(|sum| String::from_utf8_lossy(sum).into_owned()));
            }
        }
    }
}

fn decode(line: &[u8]) -> Option<Event> {
    let (sum, json) = line.split_at_checked(16)?;
    let json = json.strip_prefix(b" ")?;
    let sum = u64::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    (fnv(json) == sum).then(|| serde_json::from_slice(json).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracking::{Point, RunState};

    fn events() -> Vec<Event> {
        let point =
            |step| Event::Metrics(Point { at_ms: 5, step, values: [("loss".into(), 0.1 * step as f64)].into() });
        vec![point(1), point(2), Event::Ended { at_ms: 9, state: RunState::Finished, summary: Default::default() }]
    }

    fn written(run: &Path) -> Vec<u8> {
        let mut spool = Spool::open(run).unwrap();
        for event in events() {
            spool.append(&event).unwrap();
        }
        fs::read(Spool::path_in(run)).unwrap()
    }

    #[test]
    fn a_spool_cut_anywhere_keeps_its_whole_lines_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let whole = written(folder.path());
        let path = Spool::path_in(folder.path());
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count();
            let mut spool = Spool::open(folder.path()).unwrap();
            spool.append(&events()[2]).unwrap();
            let found = read_from(&path, 0).unwrap();
            assert_eq!((found.events.len(), found.damaged), (lines + 1, 0), "{length}");
            assert_eq!(found.end, spool.length());
            assert!(found.events.iter().take(lines).map(|(_, event)| event).eq(&events()[..lines]));
        }
    }

    #[test]
    fn a_damaged_line_is_counted_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let whole = written(folder.path());
        let path = Spool::path_in(folder.path());
        let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for at in 0..second - 1 {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x01;
            fs::write(&path, &damaged).unwrap();
            let found = read_from(&path, 0).unwrap();
            assert_eq!((found.events.len(), found.damaged), (2, 1), "{at}");
        }
        let found = read_from(&path, second as u64).unwrap();
        assert_eq!(found.events.len(), 2);
    }
}

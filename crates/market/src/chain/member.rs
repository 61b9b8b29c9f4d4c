//! The files behind a path: itself, those of a directory, those of a tar; decompressed.
//!
//! What a file is, its first bytes say, not its name: gzip, xz, zstd, tar. A tar is read as a stream on a thread of its own,
//! one file ahead of its reader, so that memory holds two files at most and decompression runs beside the work.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::ChainError;
use crate::container::{ContainerError, Source, is_compressed, is_tar, unwrapped};

/// Greatest size of one file, decompressed.
pub const MAX_MEMBER_BYTES: u64 = 2 << 30;

/// One file of chains, in memory: a file itself, or a member of a directory or tar.
#[derive(Clone, Debug)]
pub struct Member {
    /// Path, with the member's name behind `!` in a tar.
    pub name: String,
    /// Content, decompressed.
    pub bytes: Vec<u8>,
    /// Whether it is one of many (a directory, a tar): then one that is no chain ([`ChainError::is_no_chain`]) may be
    /// skipped with its reason, as long as another is one.
    pub one_of_many: bool,
}

type Members = Box<dyn Iterator<Item = Result<Member, ChainError>> + Send>;

/// The files behind a path, one after the other: a file, the files of a directory in order of name (hidden ones and folders
/// left out), or those of a tar (plain, .gz, .xz, .zst), as a stream. A directory may hold tars. `-` is standard input.
pub fn members(path: &Path) -> Result<Members, ChainError> {
    if path == Path::new("-") {
        return members_of("stdin".to_owned(), Box::new(io::stdin()), 0, false);
    }
    let shown = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|source| unreadable(&shown, source))?;
    if !metadata.is_dir() {
        return open(path.to_owned(), false);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|source| unreadable(&shown, source))? {
        let entry = entry.map_err(|source| unreadable(&shown, source))?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // A link that leads nowhere, or round in a circle, stays in: opening it says why.
        let is_folder = std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir());
        if !is_hidden && !is_folder {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        return Err(ChainError::NoMembers { path: shown });
    }
    files.sort();
    Ok(Box::new(files.into_iter().flat_map(|file| match open(file, true) {
        Ok(members) => members,
        Err(error) => Box::new(std::iter::once(Err(error))),
    })))
}

fn open(path: PathBuf, one_of_many: bool) -> Result<Members, ChainError> {
    let name = path.display().to_string();
    let file = File::open(&path).map_err(|source| unreadable(&name, source))?;
    // Said before memory is asked for; what has no length (a pipe) is cut off while it is read.
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if length > MAX_MEMBER_BYTES {
        return Err(ChainError::TooLarge { path: name });
    }
    members_of(name, Box::new(BufReader::with_capacity(1 << 16, file)), length, one_of_many)
}

fn members_of(name: String, source: Source, length: u64, one_of_many: bool) -> Result<Members, ChainError> {
    let (head, source) = inside(&name, source)?;
    if is_tar(&head) {
        return Ok(Box::new(TarMembers::start(name, source)));
    }
    let bytes = read_all(&name, source, length)?;
    Ok(Box::new(std::iter::once(Ok(Member { name, bytes, one_of_many }))))
}

/// The first bytes of what is inside the layers of compression, beside the whole.
fn inside(name: &str, source: Source) -> Result<(Vec<u8>, Source), ChainError> {
    unwrapped(source).map_err(|error| {
        let ContainerError { format, reason } = error;
        ChainError::Corrupt { path: name.to_owned(), format, reason }
    })
}

fn read_all(name: &str, source: impl Read, length: u64) -> Result<Vec<u8>, ChainError> {
    // A header's word for the size is taken for 64 MiB and no more.
    let mut bytes = Vec::with_capacity(length.min(64 << 20) as usize + 1);
    let limited = &mut source.take(MAX_MEMBER_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(|error| damaged(name, "file", &error))?;
    if bytes.len() as u64 > MAX_MEMBER_BYTES {
        return Err(ChainError::TooLarge { path: name.to_owned() });
    }
    Ok(bytes)
}

/// A tar on its own thread.
struct TarMembers {
    name: String,
    received: mpsc::Receiver<Result<Member, ChainError>>,
    thread: Option<JoinHandle<()>>,
}

impl TarMembers {
    fn start(name: String, source: Source) -> Self {
        let (sender, received) = mpsc::sync_channel(1);
        let archive_name = name.clone();
        // A reader that goes away closes the channel; the thread ends at its next file.
        let thread = std::thread::spawn(move || {
            if let Err(error) = send_entries(&archive_name, source, &sender) {
                let _ = sender.send(Err(error));
            }
        });
        Self { name, received, thread: Some(thread) }
    }
}

impl Iterator for TarMembers {
    type Item = Result<Member, ChainError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Ok(member) = self.received.recv() {
            return Some(member);
        }
        // The channel is closed: at the end, or because the thread died, which must not look like the end.
        let is_dead = self.thread.take().is_some_and(|thread| thread.join().is_err());
        is_dead.then(|| {
            let reason = "the reader of the archive stopped".to_owned();
            Err(ChainError::Corrupt { path: self.name.clone(), format: "tar", reason })
        })
    }
}

fn send_entries(
    archive_name: &str,
    source: Source,
    sender: &mpsc::SyncSender<Result<Member, ChainError>>,
) -> Result<(), ChainError> {
    let mut archive = tar::Archive::new(source);
    let mut count = 0;
    for entry in archive.entries().map_err(|error| damaged(archive_name, "tar", &error))? {
        let mut entry = entry.map_err(|error| damaged(archive_name, "tar", &error))?;
        let inner = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let file_name = inner.rsplit('/').next().unwrap_or_default();
        if !entry.header().entry_type().is_file() || file_name.starts_with('.') {
            continue;
        }
        count += 1;
        let name = format!("{archive_name}!{inner}");
        let size = entry.size();
        let outcome = if size > MAX_MEMBER_BYTES {
            Err(ChainError::TooLarge { path: name })
        } else {
            let mut packed = read_all(&name, &mut entry, size)?;
            if packed.len() as u64 != size {
                let reason = format!("{} of {size} bytes", packed.len());
                return Err(ChainError::Corrupt { path: name, format: "tar", reason });
            }
            if is_compressed(&packed) {
                let (_, source) = inside(&name, Box::new(Cursor::new(packed)))?;
                packed = read_all(&name, source, 0)?;
            }
            Ok(Member { name, bytes: packed, one_of_many: true })
        };
        if sender.send(outcome).is_err() {
            return Ok(());
        }
    }
    if count == 0 {
        return Err(ChainError::NoMembers { path: archive_name.to_owned() });
    }
    Ok(())
}

fn unreadable(path: &str, source: io::Error) -> ChainError {
    ChainError::Unreadable { path: path.to_owned(), source }
}

fn damaged(path: &str, format: &'static str, error: &io::Error) -> ChainError {
    ChainError::Corrupt { path: path.to_owned(), format, reason: error.to_string() }
}

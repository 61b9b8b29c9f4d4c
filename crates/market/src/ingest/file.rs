//! A file's bytes where they lie: mapped into memory, so that a decoder reads them without a copy.

use std::{fs::File, io, io::Read as _, ops::Deref, path::Path};

use memmap2::{Advice, Mmap};

/// The bytes of a file.
///
/// A file is mapped where the system can (regular files that are not empty), and read otherwise (pipes, some file systems). One that is mapped must
/// not be cut short while it is read: the system ends the process then (SIGBUS). Recordings are finished files; what is still written is read
/// with [`FileBytes::read`].
#[derive(Debug)]
pub enum FileBytes {
    /// Pages of the system's cache.
    Mapped(Mmap),
    /// A copy.
    Read(Vec<u8>),
}

impl FileBytes {
    /// Maps a file, or reads it where it cannot be mapped.
    ///
    /// # Errors
    ///
    /// Where it can neither be mapped nor read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        match map(&file) {
            Ok(Some(mapped)) => Ok(Self::Mapped(mapped)),
            Ok(None) | Err(_) => read(&mut file),
        }
    }

    /// Reads a file into memory.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        read(&mut File::open(path)?)
    }
}

/// `None` where there is nothing to map.
fn map(file: &File) -> io::Result<Option<Mmap>> {
    let about = file.metadata()?;
    if !about.is_file() || about.len() == 0 {
        return Ok(None);
    }
    // SAFETY: the map is private and only read, and the file stays open at least until it stands. What is left is that another process changes the
    // file meanwhile: the bytes are then whatever they are, which decoders bear, as they take any bytes; that it must not be cut short is said above.
    let mapped = unsafe { Mmap::map(file)? };
    // Only advice: without it pages come later, not other ones.
    let _ = mapped.advise(Advice::Sequential);
    Ok(Some(mapped))
}

fn read(file: &mut File) -> io::Result<FileBytes> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(FileBytes::Read(bytes))
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_mapped_and_has_the_bytes_that_reading_gives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed");
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &bytes).unwrap();
        let (mapped, read) = (FileBytes::open(&path).unwrap(), FileBytes::read(&path).unwrap());
        assert!(matches!((&mapped, &read), (FileBytes::Mapped(_), FileBytes::Read(_))));
        assert!(*mapped == *bytes && *read == *bytes);
    }

    #[test]
    fn what_cannot_be_mapped_is_read_and_what_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        std::fs::write(&empty, b"").unwrap();
        assert!(matches!(FileBytes::open(&empty).unwrap(), FileBytes::Read(bytes) if bytes.is_empty()));
        #[cfg(target_os = "linux")]
        assert!(
            matches!(FileBytes::open(Path::new("/proc/self/stat")).unwrap(), FileBytes::Read(bytes) if !bytes.is_empty())
        );
        assert_eq!(FileBytes::open(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(FileBytes::open(folder.path()).is_err());
    }
}

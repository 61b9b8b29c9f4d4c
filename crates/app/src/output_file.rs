//! Files that are there whole or not at all: written beside their place under another name, then renamed. What cannot be renamed to (a pipe, a
//! device) is written as it is. A file that takes another's place keeps its permissions; other names of the old one (hard links) keep the old one.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::interrupt;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 18;

/// A file that appears at its path on [`AtomicFile::commit`] and leaves nothing there when dropped before, or when a signal
/// ends a program that watches for it ([`interrupt::watch`]).
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<File>,
    /// What is renamed, and to what; none for a pipe or a device.
    rename: Option<(PathBuf, PathBuf)>,
}

impl AtomicFile {
    /// Opens the temporary file, so that an unwritable folder is found now. A link to a file stays a link.
    pub fn create(target: &Path) -> io::Result<Self> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        if fs::metadata(target).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let file = BufWriter::with_capacity(BUFFER_BYTES, File::create(target)?);
            return Ok(Self { file, rename: None });
        }
        // A link that leads nowhere is replaced.
        let target = &fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
        let name = target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
        if target.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
        }
        remove_left_over(target, &name.to_string_lossy());
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let temporary =
            target.with_file_name(format!(".{}.{}-{serial}.tmp", name.to_string_lossy(), std::process::id()));
        interrupt::remove_if_ended(&temporary);
        let file = File::create(&temporary).inspect_err(|_| interrupt::forget(&temporary))?;
        if let Ok(old) = fs::metadata(target) {
            // Where they cannot be set (another's file in a folder of ours) the new file has its own.
            let _ = file.set_permissions(old.permissions());
        }
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { file, rename: Some((temporary, target.clone())) })
    }

    /// Flushes, and renames the file to its place.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.flush()?;
        if let Some((temporary, target)) = &self.rename {
            fs::rename(temporary, target)?;
            interrupt::forget(temporary);
            self.rename = None;
        }
        Ok(())
    }
}

/// Removes the temporary files of this name whose process is gone. Where processes cannot be looked up, none is removed.
fn remove_left_over(target: &Path, name: &str) {
    if !Path::new("/proc/self").exists() {
        return;
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_left_over = process_of(&entry.file_name().to_string_lossy(), name)
            .is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists());
        if is_left_over {
            // A file that stays is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The process that wrote a temporary file of this name.
fn process_of(temporary: &str, name: &str) -> Option<u32> {
    let numbers = temporary.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".tmp")?;
    let (process, serial) = numbers.split_once('-')?;
    serial.parse::<u64>().ok()?;
    process.parse().ok()
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some((temporary, _)) = &self.rename {
            // Nothing more can be done where even this fails; the name says that the file is a temporary one.
            let _ = fs::remove_file(temporary);
            interrupt::forget(temporary);
        }
    }
}

/// Writes one whole file.
pub fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes)?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_dropped_before_commit_leaves_the_old_one_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        write(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half of the n").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_dead_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        // A number that no file of this process has, so that none is written under these names.
        let name = |process: u32, name: &str| folder.path().join(format!(".{name}.{process}-{}.tmp", u64::MAX));
        // Above the greatest process number that Linux gives.
        let [dead, other] = ["out.csv", "other.csv"].map(|file| name(u32::MAX, file));
        let alive = name(std::process::id(), "out.csv");
        for path in [&dead, &other, &alive] {
            fs::write(path, b"half").unwrap();
        }
        write(&folder.path().join("out.csv"), b"whole").unwrap();
        assert_eq!([&dead, &other, &alive].map(|path| path.exists()), [false, true, true]);
    }

    #[test]
    #[cfg(unix)]
    fn permissions_outlive_the_file_that_had_them() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        write(&path, b"first").unwrap();
        for wanted in [0o600, 0o664, 0o444] {
            fs::set_permissions(&path, fs::Permissions::from_mode(wanted)).unwrap();
            write(&path, b"next").unwrap();
            assert_eq!((mode(), fs::read(&path).unwrap()), (wanted, b"next".to_vec()));
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        // A device that a test may write to without harm, were it replaced: the terminal's other end of a pipe.
        let (reader, writer) = io::pipe().unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&writer);
        write(Path::new(&format!("/proc/self/fd/{descriptor}")), b"through").unwrap();
        drop(writer);
        assert_eq!(io::read_to_string(reader).unwrap(), "through");
    }

    #[test]
    fn a_directory_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(AtomicFile::create(folder.path()).is_err());
        assert_eq!(
            fs::read_dir(folder.path().parent().unwrap())
                .unwrap()
                .filter(|e| { e.as_ref().unwrap().file_name().to_string_lossy().contains(".tmp-zomma") })
                .count(),
            0
        );
    }
}

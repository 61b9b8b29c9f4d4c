//! A run's folder, held by one process at a time.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::LearnError;

/// The file that is locked.
const LOCK: &str = "run.lock";
/// How often a folder that is held is tried again, and how far apart: whoever asks [`RunFolder::is_held`] holds it for an instant.
const TRIES: u32 = 30;
const APART: Duration = Duration::from_millis(10);

/// The folder, locked until dropped where it is this process's.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    lock: Option<File>,
    /// What was made for it, the innermost first.
    made: Vec<PathBuf>,
}

impl RunFolder {
    /// Makes the folder where it is not there, and locks it. One that was made and has nothing in it when it is dropped, as of a config that
    /// is refused, goes again.
    ///
    /// Errors: [`LearnError::Locked`] where another process holds it for longer than it takes to ask for it; [`LearnError::File`].
    pub fn open(path: &Path) -> Result<Self, LearnError> {
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let made = path.ancestors().take_while(is_missing).map(PathBuf::from).collect();
        fs::create_dir_all(path).map_err(|error| LearnError::file(path, format!("cannot be made: {error}")))?;
        let lock_path = path.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|error| LearnError::file(&lock_path, error))?;
        for tries_left in (0..TRIES).rev() {
            match lock.try_lock() {
                // Another process may have taken it away, having made it for nothing.
                Ok(()) if !lock_path.exists() => return Self::open(path),
                Ok(()) => return Ok(Self { path: path.into(), lock: Some(lock), made }),
                Err(TryLockError::WouldBlock) if tries_left > 0 => thread::sleep(APART),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => {
                    return Err(LearnError::file(&lock_path, format!("cannot be locked: {error}")));
                }
            }
        }
        Err(LearnError::Locked { path: path.into() })
    }

    /// Whether a process holds the folder now.
    pub fn is_held(path: &Path) -> bool {
        let lock = File::open(path.join(LOCK));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Whether a process holds the folder or has held it.
    pub fn was_held(path: &Path) -> bool {
        path.join(LOCK).exists()
    }

    /// The folder of a run whose first rank is another process, which holds it.
    pub fn of_another_rank(path: &Path) -> Self {
        Self { path: path.into(), lock: None, made: Vec::new() }
    }

    /// Whether it is this process's.
    pub(super) fn is_ours(&self) -> bool {
        self.lock.is_some()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the checkpoint is.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.bin")
    }

    /// Where the network is when training is done.
    pub fn network(&self) -> PathBuf {
        self.path.join("network.bin")
    }

    /// Where a kept network is.
    pub fn kept(&self, step: u64) -> PathBuf {
        self.path.join(format!("best-{step}.bin"))
    }

    /// Removes the kept networks of other steps. One that cannot be removed is in nobody's way.
    pub(super) fn keep_only(&self, steps: impl Iterator<Item = u64>) {
        let kept: Vec<PathBuf> = steps.map(|step| self.kept(step)).collect();
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let step = name.strip_prefix("best-").and_then(|rest| rest.strip_suffix(".bin"));
            if step.is_some_and(|step| step.parse::<u64>().is_ok()) && !kept.contains(&path) {
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// Where the metrics are.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.csv")
    }

    /// Where the config is.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if self.lock.is_none() || self.made.is_empty() {
            return;
        }
        let mut within = fs::read_dir(&self.path).into_iter().flatten();
        let is_unused = within.all(|entry| entry.is_ok_and(|entry| entry.file_name() == LOCK));
        // What cannot be removed is in nobody's way.
        if is_unused && fs::remove_file(self.path.join(LOCK)).is_ok() {
            let _ = self.made.iter().try_for_each(fs::remove_dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_made_for_nothing_goes_again_and_one_with_a_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/a");
        drop(RunFolder::open(&path).unwrap());
        assert!(!folder.path().join("runs").exists() && folder.path().exists());
        let held = RunFolder::open(&path).unwrap();
        fs::write(held.config(), "{}").unwrap();
        drop(held);
        assert!(path.join("config.json").exists());
        // One that was there is nobody's to take away, empty or not.
        fs::remove_file(path.join("config.json")).unwrap();
        drop(RunFolder::open(&path).unwrap());
        assert!(path.exists());
    }

    #[test]
    fn a_folder_that_is_asked_about_can_be_opened_and_one_that_is_held_cannot() {
        let folder = tempfile::tempdir().unwrap();
        drop(RunFolder::open(folder.path()).unwrap());
        // As another process holds it that asks whether it is held.
        let asked = File::open(folder.path().join(LOCK)).unwrap();
        asked.lock_shared().unwrap();
        let asking = thread::spawn(move || {
            thread::sleep(4 * APART);
            drop(asked);
        });
        let held = RunFolder::open(folder.path()).unwrap();
        asking.join().unwrap();
        assert!(RunFolder::is_held(folder.path()));
        assert!(matches!(RunFolder::open(folder.path()), Err(LearnError::Locked { .. })));
        drop(held);
        assert!(!RunFolder::is_held(folder.path()));
    }
}

//! A second place for what a run needs to go on: a bucket, or a folder that outlives the machine. A thread of its own copies, so that no step
//! waits for a network; where the place is away it tries again until the run ends, and no longer than a moment after the user asked to stop.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use zomma_storage::{Place, block_on};

use super::{Checkpoint, RunFolder, container::write_whole};
use crate::LearnError;

/// How long after a failure the next try begins, unless there is something newer.
const APART: Duration = Duration::from_secs(5);

/// How long a user who asked to stop waits for the copy at most: this, and a second for each so many bytes that the folder has to copy.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(100) } else { Duration::from_secs(10) };
const BYTES_A_SECOND: u64 = 1 << 20;
/// How often the wish to stop is heard meanwhile.
const LISTENING: Duration = Duration::from_millis(50);

const CHECKPOINT: &str = "checkpoint.bin";
const NETWORK: &str = "network.bin";
const METRICS: &str = "metrics.csv";
const CONFIG: &str = "config.json";

/// Copies a run's folder whenever it is told to.
#[derive(Debug)]
pub(super) struct Mirror {
    shared: Arc<Shared>,
    place: Place,
    copier: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    standing: Mutex<Standing>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Standing {
    /// How often it was told that there is something new, and up to which of them all is copied or was tried.
    told: u64,
    copied: u64,
    tried: u64,
    /// Why the last try failed, until somebody asks.
    failure: Option<String>,
    closing: bool,
    /// Whether a try is left to itself: its place does not answer, and the user wants to go.
    left: bool,
}

impl Shared {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mirror {
    /// Of the folder `folder` in `place`.
    ///
    /// Errors: [`LearnError::File`] where the system gives no thread.
    pub(super) fn start(folder: &RunFolder, place: Place) -> Result<Self, LearnError> {
        let shared = Arc::new(Shared::default());
        let (path, to, of_copier) = (folder.path().to_owned(), place.clone(), Arc::clone(&shared));
        let copier =
            std::thread::Builder::new().name("checkpoints".into()).spawn(move || serve(&of_copier, &path, &to));
        let copier = copier.map_err(|error| LearnError::file(folder.path(), format!("no thread: {error}")))?;
        Ok(Self { shared, place, copier: Some(copier) })
    }

    /// There is something new in the folder.
    pub(super) fn tell(&self) {
        self.shared.standing().told += 1;
        self.shared.changed.notify_all();
    }

    /// The place, and why the last try to copy into it failed; said once.
    pub(super) fn take_failure(&self) -> Option<(&str, String)> {
        let failure = self.shared.standing().failure.take()?;
        Some((self.place.shown(), failure))
    }

    /// Waits until all that was told is copied, or the try that began after it failed. From when the user `asked` to stop on it waits for ten seconds
    /// and what the files take: a place that is away is tried for minutes.
    ///
    /// Errors: [`LearnError::Place`].
    pub(super) fn finish(&self, folder: &RunFolder, asked: &dyn Fn() -> bool) -> Result<(), LearnError> {
        let mut until = None;
        let mut standing = self.shared.standing();
        let told = standing.told;
        // A try that failed before counts for nothing: the place may be back.
        standing.tried = standing.copied;
        self.shared.changed.notify_all();
        while standing.copied < told && standing.tried < told {
            if asked() {
                let patience = patience(folder.path());
                let until = *until.get_or_insert_with(|| Instant::now() + patience);
                if Instant::now() >= until {
                    standing.left = true;
                    let before = standing.failure.take().map_or(String::new(), |why| format!(" ({why})"));
                    let reason = format!(
                        "has not taken the newest checkpoint within {patience:?} of the wish to stop{before}; the folder has it"
                    );
                    return Err(LearnError::Place { place: self.place.shown().to_owned(), reason });
                }
            }
            standing = self.shared.changed.wait_timeout(standing, LISTENING).unwrap_or_else(PoisonError::into_inner).0;
        }
        if standing.copied >= told {
            return Ok(());
        }
        let reason = standing.failure.take().unwrap_or_default();
        Err(LearnError::Place { place: self.place.shown().to_owned(), reason })
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let mut standing = self.shared.standing();
        standing.closing = true;
        let left = standing.left;
        drop(standing);
        self.shared.changed.notify_all();
        // A try that is left to itself only reads the folder, and a place has files whole or not at all.
        if left {
            return;
        }
        if let Some(copier) = self.copier.take() {
            let _ = copier.join();
        }
    }
}

/// What a copy of a folder may take: see [`PATIENCE`].
fn patience(folder: &Path) -> Duration {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes: u64 = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
    PATIENCE + Duration::from_secs(bytes / BYTES_A_SECOND)
}

fn serve(shared: &Shared, folder: &Path, place: &Place) {
    let mut written = HashSet::new();
    let mut standing = shared.standing();
    loop {
        if standing.closing {
            return;
        }
        if standing.tried == standing.told {
            let waiting = standing.copied < standing.told;
            standing = if waiting {
                let (mut standing, timeout) =
                    shared.changed.wait_timeout(standing, APART).unwrap_or_else(PoisonError::into_inner);
                if timeout.timed_out() {
                    standing.tried = standing.copied;
                }
                standing
            } else {
                shared.changed.wait(standing).unwrap_or_else(PoisonError::into_inner)
            };
            continue;
        }
        let told = standing.told;
        drop(standing);
        let copied = copy(folder, place, &mut written);
        standing = shared.standing();
        standing.tried = told;
        match copied {
            Ok(()) => (standing.copied, standing.failure) = (told, None),
            Err(error) => standing.failure = Some(error.to_string()),
        }
        shared.changed.notify_all();
    }
}

/// Copies what a run needs to go on. The networks go before the checkpoint that needs them, and those that none needs go away after it. `written`
/// are the networks that this process has copied before: others of the same name may be of a sitting that went another way.
///
/// Errors: those of the store; [`LearnError::File`] for a checkpoint that cannot be read.
fn copy(folder: &Path, place: &Place, written: &mut HashSet<String>) -> Result<(), LearnError> {
    let path = folder.join(CHECKPOINT);
    let bytes = fs::read(&path).map_err(|error| LearnError::file(&path, format!("cannot be read: {error}")))?;
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|reason| LearnError::file(&path, reason))?;
    let needed = kept(&checkpoint);
    for name in &needed {
        // One that is gone from the folder belongs to a checkpoint that a newer one has replaced meanwhile.
        if !written.contains(name)
            && let Ok(bytes) = fs::read(folder.join(name))
        {
            block_on(place.write_file(name, bytes))?;
            written.insert(name.clone());
        }
    }
    block_on(place.write_file(CHECKPOINT, bytes))?;
    for name in [CONFIG, METRICS, NETWORK] {
        if let Ok(bytes) = fs::read(folder.join(name)) {
            block_on(place.write_file(name, bytes))?;
        }
    }
    for name in block_on(place.file_names())?.iter().filter(|name| is_kept_network(name) && !needed.contains(name)) {
        block_on(place.delete_file(name))?;
    }
    Ok(())
}

/// The names of the networks that a checkpoint needs.
fn kept(checkpoint: &Checkpoint) -> Vec<String> {
    checkpoint.state.standing.best.iter().map(|kept| format!("best-{}.bin", kept.step)).collect()
}

fn is_kept_network(name: &str) -> bool {
    let step = name.strip_prefix("best-").and_then(|rest| rest.strip_suffix(".bin"));
    step.is_some_and(|step| step.parse::<u64>().is_ok())
}

/// Whether a place holds a run.
///
/// Errors: those of the store.
pub fn holds_run(place: &Place) -> Result<bool, LearnError> {
    let names = block_on(place.file_names())?;
    Ok(names.iter().any(|name| name == CHECKPOINT || name == NETWORK))
}

/// Refuses a new run in a place that holds one.
pub(super) fn refuse_run(place: &Place) -> Result<(), LearnError> {
    if holds_run(place)? {
        let reason = "a run is here already: go on with --resume, or name another place".into();
        return Err(LearnError::Place { place: place.shown().to_owned(), reason });
    }
    Ok(())
}

/// Brings what a run needs into its folder where the place stands farther than the folder, or the folder's checkpoint is absent or damaged; what
/// there is to say of it. `fits` says whether a checkpoint is of the run that is to go on.
///
/// Errors: those of `fits`; where the folder has no checkpoint of its own, those of the store, and [`LearnError::Place`] for what is damaged or
/// missing there.
pub(super) fn bring(
    folder: &RunFolder,
    place: &Place,
    fits: impl Fn(&Checkpoint, &Path) -> Result<(), LearnError>,
) -> Result<Option<String>, LearnError> {
    let own = Checkpoint::read(&folder.checkpoint()).ok();
    let there = match look(place) {
        Ok(Some(there)) => there,
        Ok(None) => return Ok(None),
        Err(error) if own.is_some() => return Ok(Some(format!("{error}; going on from the folder's own checkpoint"))),
        Err(error) => return Err(error),
    };
    let stands_at = |checkpoint: &Checkpoint| (checkpoint.state.standing.step, checkpoint.state.standing.finished);
    if own.is_some_and(|own| stands_at(&own) >= stands_at(&there.0)) {
        return Ok(None);
    }
    let (checkpoint, bytes) = there;
    let shown = place.file_shown(CHECKPOINT);
    fits(&checkpoint, Path::new(&shown))?;
    for name in kept(&checkpoint) {
        let found = block_on(place.read_file(&name))?;
        let missing = || "is missing, and the checkpoint beside it needs it".to_owned();
        let bytes = found.ok_or_else(|| LearnError::Place { place: place.file_shown(&name), reason: missing() })?;
        write_whole(&folder.path().join(&name), &bytes)?;
    }
    if let Some(metrics) = block_on(place.read_file(METRICS))? {
        write_whole(&folder.metrics(), &metrics)?;
    }
    write_whole(&folder.checkpoint(), &bytes)?;
    Ok(Some(format!("{shown} stands farther than {}: taken from there", folder.path().display())))
}

/// The checkpoint of a place, and its bytes; none where it has none.
fn look(place: &Place) -> Result<Option<(Checkpoint, Vec<u8>)>, LearnError> {
    let Some(bytes) = block_on(place.read_file(CHECKPOINT))? else { return Ok(None) };
    match Checkpoint::from_bytes(&bytes) {
        Ok(checkpoint) => Ok(Some((checkpoint, bytes))),
        Err(reason) => Err(LearnError::Place { place: place.file_shown(CHECKPOINT), reason }),
    }
}

//! Where tables are: a folder, or a bucket of S3 (or of what speaks its protocol) with a prefix.
//!
//! A file of a place appears whole or not at all. In a folder it is written under another name, flushed to the disk and renamed; in S3 a put, or a
//! multipart upload's completion, is one step.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{
    BackoffConfig, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig, WriteMultipart,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    local::LocalFileSystem,
    path::Path,
    prefix::PrefixStore,
};

use crate::error::{Result, StorageError};

/// What a place in S3 begins with.
const S3: &str = "s3://";
/// What is longer goes up in parts of this size.
const PART_BYTES: usize = 16 << 20;
/// What the names of files that are not whole yet end with.
pub(crate) const UNFINISHED: &str = ".tmp";

/// How S3 is reached. From the environment of the program, which hands it down.
#[derive(Clone, Default)]
pub struct S3Settings {
    keys: Vec<(AmazonS3ConfigKey, String)>,
    /// For how long a request is tried again where the store is away or busy; 2 minutes unless set.
    pub retry_for: Option<Duration>,
}

impl S3Settings {
    /// From variables: every `AWS_…` that AWS's own tools know (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`,
    /// `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`, …), and before them `ZOMMA_S3_ENDPOINT`, `ZOMMA_S3_REGION`, `ZOMMA_S3_ACCESS_KEY_ID`,
    /// `ZOMMA_S3_SECRET_ACCESS_KEY`, `ZOMMA_S3_ALLOW_HTTP` and `ZOMMA_S3_PATH_STYLE` (`true` unless `false`: the bucket stands in the path, not in
    /// the host's name).
    ///
    /// # Errors
    ///
    /// Where a `ZOMMA_S3_…` is none of these, or says neither `true` nor `false` where it must.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let (mut keys, mut ours) = (Vec::new(), Vec::new());
        for (name, value) in variables {
            if let Some(own) = name.strip_prefix("ZOMMA_S3_") {
                ours.push(own_key(&name, own, value)?);
            } else if name.starts_with("AWS_")
                && let Ok(key) = name.to_ascii_lowercase().parse()
            {
                keys.push((key, value));
            }
        }
        // The later ones win.
        keys.extend(ours);
        Ok(Self { keys, retry_for: None })
    }
}

fn own_key(name: &str, own: &str, value: String) -> Result<(AmazonS3ConfigKey, String)> {
    let wrong = |problem: String| StorageError::Place { place: name.to_owned(), problem };
    let truth = |value: &str| match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(wrong(format!("{value:?}; allowed: true, false"))),
    };
    Ok(match own {
        "ENDPOINT" => (AmazonS3ConfigKey::Endpoint, value),
        "REGION" => (AmazonS3ConfigKey::Region, value),
        "ACCESS_KEY_ID" => (AmazonS3ConfigKey::AccessKeyId, value),
        "SECRET_ACCESS_KEY" => (AmazonS3ConfigKey::SecretAccessKey, value),
        "ALLOW_HTTP" => {
            (AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp), truth(&value)?.to_string())
        }
        "PATH_STYLE" => (AmazonS3ConfigKey::VirtualHostedStyleRequest, (!truth(&value)?).to_string()),
        _ => {
            let allowed = "ENDPOINT, REGION, ACCESS_KEY_ID, SECRET_ACCESS_KEY, ALLOW_HTTP, PATH_STYLE";
            return Err(wrong(format!("not a setting that I know; allowed behind ZOMMA_S3_: {allowed}")));
        }
    })
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No value: some are secret.
        let names: Vec<_> = self.keys.iter().map(|(key, _)| key.as_ref()).collect();
        formatter.debug_struct("S3Settings").field("keys", &names).field("retry_for", &self.retry_for).finish()
    }
}

/// Whether a file may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It may not.
    New,
    /// It is replaced, at once.
    Replace,
}

/// Where tables are. Paths within it are relative to its root.
#[derive(Clone, Debug)]
pub struct Place {
    shown: String,
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
}

impl Place {
    /// A place that is there: a folder's path, or `s3://bucket/prefix`.
    ///
    /// # Errors
    ///
    /// Where there is no such folder, or the bucket's name or its settings make no sense. S3 is not asked yet.
    pub fn open(place: &str, settings: &S3Settings) -> Result<Self> {
        match place.strip_prefix(S3) {
            Some(rest) => s3(place, rest, settings),
            None => local(place),
        }
    }

    /// A place that is there from now on: a folder that is missing is made.
    ///
    /// # Errors
    ///
    /// As [`Place::open`], and where the folder cannot be made.
    pub fn create(place: &str, settings: &S3Settings) -> Result<Self> {
        if !place.starts_with(S3) && !place.is_empty() {
            fs::create_dir_all(place).map_err(|error| wrong(place, error.to_string()))?;
        }
        Self::open(place, settings)
    }

    /// A place in any object store.
    pub fn of_store(shown: &str, store: Arc<dyn ObjectStore>) -> Self {
        Self { shown: shown.to_owned(), store, folder: None }
    }

    /// As the user named it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Its folder, where it is one.
    pub(crate) fn folder(&self) -> Option<&std::path::Path> {
        self.folder.as_deref()
    }

    /// Whether it is reached over a network: what fails there may work later.
    pub fn is_remote(&self) -> bool {
        self.folder.is_none()
    }

    /// The store; its paths are those of this place.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// A path of this place in messages.
    pub fn path_shown(&self, path: &Path) -> String {
        format!("{}/{path}", self.shown.trim_end_matches('/'))
    }

    /// Every object below a path, in order of path.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn list(&self, below: &Path) -> Result<Vec<ObjectMeta>> {
        let listed: Result<Vec<_>, _> = self.store.list(Some(below)).try_collect().await;
        let mut found = match listed {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(self.failed(below, error)),
        };
        found.sort_by(|one, other| one.location.cmp(&other.location));
        Ok(found)
    }

    /// The bytes of an object.
    ///
    /// # Errors
    ///
    /// Where it is not there or the store fails.
    pub async fn get(&self, path: &Path) -> Result<Bytes> {
        let read = async { self.store.get(path).await?.bytes().await };
        read.await.map_err(|error| self.failed(path, error))
    }

    /// Puts an object into its place, whole or not at all; whether it did: not where it must be new and is not.
    ///
    /// # Errors
    ///
    /// Where the store fails; then nothing is there that was not before.
    pub async fn put(&self, path: &Path, bytes: Bytes, put: Put) -> Result<bool> {
        if let Some(folder) = &self.folder {
            let target = path.parts().fold(folder.clone(), |target, part| target.join(part.as_ref()));
            return put_file(&target, &bytes, put).map_err(|error| {
                let source = object_store::Error::Generic { store: "the file system", source: error.into() };
                self.failed(path, source)
            });
        }
        match self.put_object(path, bytes, put).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) if put == Put::New => Ok(false),
            Err(error) => Err(self.failed(path, error)),
        }
    }

    async fn put_object(&self, path: &Path, bytes: Bytes, put: Put) -> object_store::Result<()> {
        if bytes.len() <= PART_BYTES {
            let mode = if put == Put::New { PutMode::Create } else { PutMode::Overwrite };
            return self.store.put_opts(path, PutPayload::from(bytes), mode.into()).await.map(|_| ());
        }
        if put == Put::New {
            // Completing an upload in parts has no condition: the name is looked for before it.
            match self.store.head(path).await {
                Ok(_) => {
                    let source = "an object of this name is there".into();
                    return Err(object_store::Error::AlreadyExists { path: path.to_string(), source });
                }
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut upload = WriteMultipart::new_with_chunk_size(self.store.put_multipart(path).await?, PART_BYTES);
        upload.put(bytes);
        // Aborts the upload where a part fails.
        upload.finish().await.map(|_| ())
    }

    /// Takes an object away; one that is not there is as good.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn delete(&self, path: &Path) -> Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(path, error)),
        }
    }

    /// What the store said of a path.
    pub(crate) fn failed(&self, path: &Path, error: object_store::Error) -> StorageError {
        StorageError::Store { path: self.path_shown(path), source: Box::new(error) }
    }
}

fn wrong(place: &str, problem: impl Into<String>) -> StorageError {
    StorageError::Place { place: place.to_owned(), problem: problem.into() }
}

fn local(place: &str) -> Result<Place> {
    if place.is_empty() {
        return Err(wrong("\"\"", "allowed: a folder, or s3://bucket/prefix"));
    }
    if place.contains("://") {
        return Err(wrong(place, "not a kind of place that I know; allowed: a folder, or s3://bucket/prefix"));
    }
    let folder = fs::canonicalize(place).map_err(|error| wrong(place, error.to_string()))?;
    if !folder.is_dir() {
        return Err(wrong(place, "is no folder; allowed: a folder, or s3://bucket/prefix"));
    }
    let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| wrong(place, error.to_string()))?;
    // A partition whose last file goes leaves no empty folder.
    let store = Arc::new(store.with_automatic_cleanup(true));
    Ok(Place { shown: place.to_owned(), store, folder: Some(folder) })
}

fn s3(place: &str, rest: &str, settings: &S3Settings) -> Result<Place> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(wrong(place, "names no bucket; allowed: s3://bucket/prefix"));
    }
    let keys = settings.keys.iter();
    let builder = keys.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(*key, value));
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() },
        max_retries: usize::MAX,
        retry_timeout: settings.retry_for.unwrap_or(Duration::from_secs(120)),
    };
    let store = builder.with_bucket_name(bucket).with_retry(retry).build();
    let store = store.map_err(|error| wrong(place, error.to_string()))?;
    let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| wrong(place, error.to_string()))?;
    Ok(Place { shown: place.to_owned(), store: Arc::new(PrefixStore::new(store, prefix)), folder: None })
}

/// Writes a file beside its place, flushes it to the disk, and gives it its name; whether it did.
fn put_file(target: &std::path::Path, bytes: &[u8], put: Put) -> io::Result<bool> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let folder = target.parent().unwrap_or(std::path::Path::new("."));
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!(".{name}.{}-{serial}{UNFINISHED}", std::process::id()));
    // The folder goes with its last file: another process may take that away between these two.
    let create = || fs::create_dir_all(folder).and_then(|()| File::create(&unfinished));
    let write = || {
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let mut file =
            (0..3).fold(create(), |file, _| if file.as_ref().is_err_and(is_gone) { create() } else { file })?;
        // Held until it has its name: it says that the writer lives. A file system that has no locks is no reason not to write.
        let _ = file.try_lock();
        file.write_all(bytes)?;
        file.sync_all()?;
        match put {
            Put::Replace => fs::rename(&unfinished, target)?,
            Put::New => fs::hard_link(&unfinished, target).and_then(|()| fs::remove_file(&unfinished))?,
        }
        // The name is as durable as the content.
        File::open(folder)?.sync_all()
    };
    let written = write();
    if written.is_err() {
        // Nothing more can be done where even this fails; the name says that the file is not whole.
        let _ = fs::remove_file(&unfinished);
    }
    match written {
        Ok(()) => Ok(true),
        Err(error) if put == Put::New && error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;

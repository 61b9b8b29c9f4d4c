//! The shards of a place: which there are, and their bytes.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, path::Path};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::{MANIFEST, Manifest, Shard, shard::content_in};
use crate::{
    error::{Result, StorageError},
    parquet::object::ObjectReader,
    place::Place,
};

/// A shard is in memory whole while it is read.
const BYTES_MAX: u64 = 1 << 30;
/// How often a shard is asked for where the store breaks off; each time for as long as the place's settings say.
const TRIES: u32 = 5;
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Requests at a time.
const REQUESTS: usize = 8;

/// One shard of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFile {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes as they are listed.
    pub bytes: u64,
    /// Its checksum, where a manifest says it.
    pub checksum: Option<String>,
}

/// Shards that are all there, as far as a listing tells.
#[derive(Debug, Clone)]
pub struct ShardSet {
    place: Place,
    files: Vec<ShardFile>,
    manifest: Option<Manifest>,
}

impl ShardSet {
    /// Lists a place, and holds the listing against the manifest.
    ///
    /// # Errors
    ///
    /// Where the store fails or there is no such bucket; no shard is there; a shard of the manifest is missing, of another length, or not in it; or the
    /// shards are ours and their manifest is missing, since their writer was stopped.
    pub async fn open(place: Place) -> Result<Self> {
        let mut listed = list(&place).await?;
        listed.retain(|file| is_shard(file.location.as_ref()));
        listed.sort_by(|one, other| one.location.cmp(&other.location));
        let Some(manifest) = Manifest::read(&place).await? else { return Self::without_manifest(place, listed).await };
        let wrong = |name: &str, problem: String| StorageError::file(place.path_shown(&Path::from(name)), problem);
        for entry in &manifest.shards {
            let Some(file) = listed.iter().find(|file| file.location.as_ref() == entry.file) else {
                return Err(wrong(&entry.file, format!("is missing: {MANIFEST} names it")));
            };
            if file.size != entry.bytes {
                let problem = format!(
                    "has {} bytes where {MANIFEST} says {}: it was cut off or written by another",
                    file.size, entry.bytes
                );
                return Err(wrong(&entry.file, problem));
            }
        }
        let is_known = |file: &&ObjectMeta| !manifest.shards.iter().any(|entry| entry.file == file.location.as_ref());
        if let Some(other) = listed.iter().find(is_known) {
            return Err(wrong(other.location.as_ref(), format!("is not in {MANIFEST}: take it away, or the manifest")));
        }
        if manifest.shards.is_empty() {
            return Err(wrong(MANIFEST, "names no shard: nothing to read".into()));
        }
        let files = manifest
            .shards
            .iter()
            .map(|entry| ShardFile {
                name: entry.file.clone(),
                rows: entry.rows,
                bytes: entry.bytes,
                checksum: Some(entry.checksum.clone()),
            })
            .collect();
        Ok(Self { place, files, manifest: Some(manifest) })
    }

    /// Of files that no manifest names: their footers say how many rows they have.
    async fn without_manifest(place: Place, listed: Vec<ObjectMeta>) -> Result<Self> {
        if listed.is_empty() {
            return Err(StorageError::file(place.shown(), "holds no Parquet files (*.parquet): nothing to read"));
        }
        let files = stream::iter(listed).map(|file| about(&place, file)).buffered(REQUESTS);
        let files: Vec<ShardFile> = files.try_collect().await?;
        Ok(Self { place, files, manifest: None })
    }

    /// The shards, in the order of their rows.
    pub fn files(&self) -> &[ShardFile] {
        &self.files
    }

    /// The manifest, where there is one.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Where the shards are, as the user named it.
    pub fn shown(&self) -> &str {
        self.place.shown()
    }

    /// A shard's path in messages.
    pub fn path_shown(&self, file: &ShardFile) -> String {
        self.place.path_shown(&Path::from(file.name.as_str()))
    }

    /// A shard, its bytes held against the manifest. A store that is away is asked again and again: five times for as long as the place's settings
    /// let a request be tried.
    ///
    /// # Errors
    ///
    /// Where the store fails, or the shard is not whole or not the one of the manifest.
    pub async fn fetch(&self, file: &ShardFile) -> Result<Shard> {
        let bytes = self.get(file).await?;
        let shard = Shard::open(&self.path_shown(file), bytes, file.checksum.as_deref())?;
        let rows: u64 = shard.groups().iter().map(|rows| *rows as u64).sum();
        if rows != file.rows {
            let problem = format!("has {rows} rows where {} were said to be in it", file.rows);
            return Err(StorageError::file(shard.path(), problem));
        }
        Ok(shard)
    }

    /// As [`Self::fetch`], of several shards, in order; some requests run at a time.
    ///
    /// # Errors
    ///
    /// As [`Self::fetch`].
    pub async fn fetch_all(&self, files: &[ShardFile]) -> Result<Vec<Shard>> {
        stream::iter(files).map(|file| self.fetch(file)).buffered(REQUESTS).try_collect().await
    }

    async fn get(&self, file: &ShardFile) -> Result<bytes::Bytes> {
        let shown = || self.path_shown(file);
        if file.bytes > BYTES_MAX {
            let problem = format!("has {} bytes; a shard is read whole and has at most {BYTES_MAX}", file.bytes);
            return Err(StorageError::file(shown(), problem));
        }
        let path = Path::from(file.name.as_str());
        let mut tries = 1;
        loop {
            match self.place.get(&path).await {
                Ok(bytes) if bytes.len() as u64 == file.bytes => return Ok(bytes),
                Ok(bytes) => {
                    let problem = format!("has {} bytes; it was listed with {}", bytes.len(), file.bytes);
                    return Err(StorageError::file(shown(), problem));
                }
                Err(error) if tries < TRIES && self.place.is_remote() && error.is_passing() => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is in a place, first level only.
pub(super) async fn list(place: &Place) -> Result<Vec<ObjectMeta>> {
    match place.store().list(None).try_collect::<Vec<_>>().await {
        Ok(found) => Ok(found),
        // A bucket that is there and empty answers with an empty list.
        Err(object_store::Error::NotFound { .. }) => {
            Err(StorageError::file(place.shown(), "there is no such bucket or folder"))
        }
        // A listing has no path that could be missing, so that this is no `NotFound`.
        Err(error) if error.to_string().contains("NoSuchBucket") => {
            Err(StorageError::file(place.shown(), "there is no such bucket"))
        }
        Err(error) => Err(place.failed(&Path::default(), error)),
    }
}

/// What a file's footer says.
async fn about(place: &Place, file: ObjectMeta) -> Result<ShardFile> {
    let shown = place.path_shown(&file.location);
    let mut reader = ObjectReader { store: Arc::clone(place.store()), path: file.location.clone(), size: file.size };
    let metadata = ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()).await;
    let metadata =
        metadata.map_err(|error| StorageError::file(&shown, format!("cannot be read; is it whole? {error}")))?;
    if content_in(&metadata).is_some() {
        let problem = format!(
            "{MANIFEST} is missing, and {} is a shard of ours: whoever wrote it was stopped before the last",
            file.location
        );
        return Err(StorageError::file(place.shown(), problem));
    }
    let rows = metadata.metadata().file_metadata().num_rows();
    let rows = u64::try_from(rows).map_err(|_| StorageError::file(shown, format!("says it has {rows} rows")))?;
    Ok(ShardFile { name: file.location.to_string(), rows, bytes: file.size, checksum: None })
}

/// Whether a file is data.
pub(super) fn is_shard(name: &str) -> bool {
    !name.contains('/') && name.ends_with(".parquet") && !name.starts_with(['.', '_'])
}

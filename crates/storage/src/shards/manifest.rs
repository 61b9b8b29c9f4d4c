//! The manifest: which shards there are, and how each is told from a damaged one.

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, StorageError},
    place::{Place, Put},
};

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// What a manifest says it is.
const FORMAT: &str = "zomma.shards";
/// The version of its layout.
const VERSION: u32 = 1;

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// The file's name.
    pub file: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// XXH64 of its bytes, 16 hexadecimal digits.
    pub checksum: String,
}

/// What a finished set of shards is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    version: u32,
    /// Whose rows they are: equal for equal rows, whatever their number.
    pub content: String,
    /// Rows of every shard but the last.
    pub shard_rows: u64,
    /// Rows of all together.
    pub rows: u64,
    /// The columns, in order.
    pub columns: Vec<String>,
    /// The shards, in order.
    pub shards: Vec<ShardEntry>,
}

impl Manifest {
    /// Of shards that are all there.
    pub fn new(content: &str, shard_rows: u64, columns: &[String], shards: Vec<ShardEntry>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            content: content.to_owned(),
            shard_rows,
            rows: shards.iter().map(|shard| shard.rows).sum(),
            columns: columns.to_vec(),
            shards,
        }
    }

    /// Reads a place's manifest; none where there is none.
    ///
    /// # Errors
    ///
    /// Where the store fails or the file is no manifest.
    pub async fn read(place: &Place) -> Result<Option<Self>> {
        let path = Path::from(MANIFEST);
        let bytes = match place.get(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let wrong = |problem: String| StorageError::file(place.path_shown(&path), problem);
        let found: Self = serde_json::from_slice(&bytes).map_err(|error| {
            wrong(format!("is no manifest of shards: {error}; without it zomma labels --resume makes it again"))
        })?;
        if found.format != FORMAT || found.version != VERSION {
            let Self { format, version, .. } = &found;
            let said = format!("is of format {format:?} {version}: this program reads {FORMAT:?} {VERSION}");
            return Err(wrong(said));
        }
        let sum = found.shards.iter().fold(0u64, |sum, shard| sum.saturating_add(shard.rows));
        if sum != found.rows {
            return Err(wrong(format!("says {} rows, and its shards have {sum}", found.rows)));
        }
        Ok(Some(found))
    }

    /// Whether what lies in a manifest's place is the beginning of one, as a copy that broke off leaves it.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn is_cut_off(place: &Place) -> Result<bool> {
        let bytes = match place.get(&Path::from(MANIFEST)).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error),
        };
        let head = format!("{{\n  \"format\": {FORMAT:?},");
        let is_ours = bytes.starts_with(head.as_bytes()) || head.as_bytes().starts_with(&bytes);
        Ok(is_ours && serde_json::from_slice::<Self>(&bytes).is_err_and(|error| error.is_eof()))
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn write(&self, place: &Place) -> Result<()> {
        let path = Path::from(MANIFEST);
        let text =
            serde_json::to_string_pretty(self).map_err(|error| StorageError::file(place.path_shown(&path), error))?;
        place.put(&path, Bytes::from(text + "\n"), Put::Replace).await.map(|_| ())
    }
}

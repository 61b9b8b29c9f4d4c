//! Rows into shards.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use object_store::path::Path;
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::{metadata::KeyValue, properties::WriterProperties},
};

use super::{
    Manifest, Shard, ShardEntry,
    set::{is_shard, list},
    shard::CONTENT_KEY,
};
use crate::{
    digest::Digest,
    error::{Result, StorageError},
    place::{Place, Put, UNFINISHED},
};

/// Rows of a row group: what is decoded apart from the rest.
const GROUP_ROWS: usize = 1 << 16;

/// Writes shards of columns of numbers into a place.
#[derive(Debug, Clone)]
pub struct ShardWriter {
    place: Place,
    content: String,
    columns: Vec<String>,
    shard_rows: u64,
}

/// The name of a shard by its place in the order.
pub fn shard_name(index: usize) -> String {
    format!("rows-{index:06}.parquet")
}

impl ShardWriter {
    /// Into a place. `content` names whose rows they are: equal for equal rows, whatever their number; `shard_rows` is how many rows every shard but
    /// the last has.
    pub fn new(place: &Place, content: &str, columns: Vec<String>, shard_rows: u64) -> Self {
        Self { place: place.clone(), content: content.to_owned(), columns, shard_rows }
    }

    /// Writes one shard, its columns in order and of one length, whole or not at all.
    ///
    /// # Errors
    ///
    /// Where the columns are not as many as were named, or the store fails.
    pub async fn write(&self, index: usize, columns: Vec<Vec<f64>>) -> Result<ShardEntry> {
        let name = shard_name(index);
        let path = Path::from(name.as_str());
        let rows = columns.first().map_or(0, Vec::len) as u64;
        let bytes =
            self.encode(columns).map_err(|problem| StorageError::file(self.place.path_shown(&path), problem))?;
        let mut digest = Digest::new();
        digest.add(&bytes);
        let entry = ShardEntry { file: name, rows, bytes: bytes.len() as u64, checksum: digest.to_string() };
        self.place.put(&path, bytes, Put::Replace).await?;
        Ok(entry)
    }

    fn encode(&self, columns: Vec<Vec<f64>>) -> std::result::Result<Bytes, String> {
        let fields: Vec<Field> =
            self.columns.iter().map(|name| Field::new(name.as_str(), DataType::Float64, false)).collect();
        let schema = Arc::new(Schema::new(fields));
        let arrays = columns.into_iter().map(|numbers| Arc::new(Float64Array::from(numbers)) as ArrayRef).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|error| error.to_string())?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("zomma ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::UNCOMPRESSED)
            // Hardly a number comes twice.
            .set_dictionary_enabled(false)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_key_value_metadata(Some(vec![KeyValue::new(CONTENT_KEY.to_owned(), self.content.clone())]))
            .build();
        let write = || {
            let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
            writer.write(&batch)?;
            writer.into_inner()
        };
        write().map(Bytes::from).map_err(|error: parquet::errors::ParquetError| error.to_string())
    }

    /// A shard that an earlier run has written, as it would be written again; none where it is not there, not whole, or of another length.
    ///
    /// # Errors
    ///
    /// Where the store fails, or a shard of other rows is there under this name.
    pub async fn written(&self, index: usize, rows: u64) -> Result<Option<ShardEntry>> {
        let name = shard_name(index);
        let path = Path::from(name.as_str());
        let bytes = match self.place.get(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let shown = self.place.path_shown(&path);
        // One that cannot be read is written again.
        let Ok(shard) = Shard::open(&shown, bytes, None) else { return Ok(None) };
        if shard.content() != Some(&self.content) || shard.columns() != self.columns {
            return Err(StorageError::file(shown, "has rows of another config: name another place, or take it away"));
        }
        let found: u64 = shard.groups().iter().map(|rows| *rows as u64).sum();
        let entry = ShardEntry { file: name, rows, bytes: shard.bytes() as u64, checksum: shard.checksum().to_owned() };
        Ok((found == rows).then_some(entry))
    }

    /// Whether shards are there already, of whomever.
    ///
    /// # Errors
    ///
    /// Where the store fails, or there is no such bucket.
    pub async fn has_shards(&self) -> Result<bool> {
        Ok(list(&self.place).await?.iter().any(|file| is_shard(file.location.as_ref())))
    }

    /// Takes away what a writer that was killed left of files that never became whole. Not while another one writes here.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn sweep(&self) -> Result<()> {
        for file in list(&self.place).await? {
            let name = file.location.as_ref();
            if name.starts_with(".rows-") && name.ends_with(UNFINISHED) {
                self.place.delete(&file.location).await?;
            }
        }
        Ok(())
    }

    /// Writes the manifest: the set is whole from then on.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn finish(&self, shards: Vec<ShardEntry>) -> Result<Manifest> {
        let manifest = Manifest::new(&self.content, self.shard_rows, &self.columns, shards);
        manifest.write(&self.place).await?;
        Ok(manifest)
    }
}

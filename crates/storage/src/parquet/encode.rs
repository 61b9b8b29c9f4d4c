//! One file's bytes from its rows.

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::{KeyValue, SortingColumn},
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};

use crate::{
    error::{Result, StorageError},
    table::{INSTRUMENT, Kind, Table},
};

/// Rows of a row group: what a reader takes or leaves out.
pub(crate) const ROW_GROUP_ROWS: usize = 1 << 17;
/// The table, in a file's metadata.
pub(crate) const TABLE_KEY: &str = "zomma.table";
/// When the file was begun, in nanoseconds since the Unix epoch.
pub(crate) const WRITTEN_KEY: &str = "zomma.written_ns";
/// Names of the files whose rows the file has, as a JSON list.
pub(crate) const REPLACES_KEY: &str = "zomma.replaces";
/// Whether the file has each key once, in its metadata: [`KEYS_UNIQUE`] where it has.
pub(crate) const KEYS_KEY: &str = "zomma.keys";
/// The word for it.
pub(crate) const KEYS_UNIQUE: &str = "unique";
/// Fastest level: the others cost more time than they save room.
const ZSTD_LEVEL: i32 = 1;

/// What a file's metadata says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    /// The table.
    pub table: Table,
    /// When it was begun, in nanoseconds since the Unix epoch.
    pub written_ns: i64,
    /// Names of the files whose rows it has.
    pub replaces: Vec<String>,
}

/// A file that is being made in memory, of rows that have each key once.
pub(crate) struct Encoder {
    writer: ArrowWriter<Vec<u8>>,
    table: Table,
    rows: usize,
}

impl Encoder {
    /// An empty file; `instruments` is about how many a row group will have.
    pub fn new(about: &About, instruments: usize) -> Result<Self> {
        let table = about.table;
        let properties = properties(about, instruments).map_err(|error| failed(table, error))?;
        let writer = ArrowWriter::try_new(Vec::new(), table.schema(), Some(properties));
        Ok(Self { writer: writer.map_err(|error| failed(table, error))?, table, rows: 0 })
    }

    /// Adds rows, which are in the order of a file and come after those that it has.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows();
        self.writer.write(rows).map_err(|error| failed(self.table, error))
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes the file has so far.
    pub fn bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// The whole file.
    pub fn finish(self) -> Result<Bytes> {
        let table = self.table;
        self.writer.into_inner().map(Bytes::from).map_err(|error| failed(table, error))
    }
}

fn failed(table: Table, error: ParquetError) -> StorageError {
    StorageError::file(format!("a file of {table}"), error)
}

fn properties(about: &About, instruments: usize) -> Result<WriterProperties, ParquetError> {
    let entry = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let mut metadata = vec![
        entry(TABLE_KEY, about.table.name().to_owned()),
        entry(WRITTEN_KEY, about.written_ns.to_string()),
        entry(KEYS_KEY, KEYS_UNIQUE.to_owned()),
    ];
    if !about.replaces.is_empty() {
        let names = serde_json::to_string(&about.replaces).map_err(|error| ParquetError::External(error.into()))?;
        metadata.push(entry(REPLACES_KEY, names));
    }
    let ascending = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
    let instrument = ColumnPath::from(INSTRUMENT);
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("zomma ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_key_value_metadata(Some(metadata))
        .set_sorting_columns(Some(vec![ascending(1), ascending(0)]))
        .set_column_bloom_filter_enabled(instrument.clone(), true)
        .set_column_bloom_filter_max_ndv(instrument, instruments.max(1) as u64);
    for column in about.table.columns() {
        // Times and numbers of messages and orders ascend or are near each other; hardly one comes twice.
        let is_counted =
            matches!(column.kind, Kind::Time) || matches!(column.name, "sequence" | "order_id" | "new_order_id");
        if is_counted {
            let path = ColumnPath::from(column.name);
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    Ok(builder.build())
}

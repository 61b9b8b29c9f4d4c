//! One file, opened: what its metadata says, and the rows of it that are asked for.

use std::{collections::BTreeSet, sync::Arc};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use futures::StreamExt;
use object_store::ObjectStoreExt;
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::{ArrowPredicateFn, RowFilter},
        async_reader::ParquetRecordBatchStream,
    },
    file::{
        metadata::{ParquetMetaData, RowGroupMetaData},
        statistics::Statistics,
    },
};

use super::{
    check::{instruments, is_schema, times},
    encode::{About, KEYS_KEY, KEYS_UNIQUE, REPLACES_KEY, TABLE_KEY, WRITTEN_KEY},
    layout::DataFile,
    object::ObjectReader,
};
use crate::{
    error::{Result, StorageError},
    place::Place,
    table::Table,
};

/// Rows that are read at once.
const BATCH_ROWS: usize = 1 << 14;
/// For more instruments than this Bloom filters are not asked.
const BLOOM_INSTRUMENTS_MAX: usize = 64;

/// Which rows are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// From this time on, in nanoseconds since the Unix epoch.
    pub from_ns: Option<i64>,
    /// Before this time.
    pub to_ns: Option<i64>,
    /// Of these instruments; of all where empty.
    pub instruments: BTreeSet<String>,
}

impl Filter {
    /// Whether every row is wanted.
    fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a time between these two, both included, may be wanted.
    pub(crate) fn wants_times(&self, least: i64, most: i64) -> bool {
        self.from_ns.is_none_or(|from| most >= from) && self.to_ns.is_none_or(|to| least < to)
    }

    /// Whether an instrument between these two, both included, may be wanted.
    fn wants_names(&self, least: &[u8], most: &[u8]) -> bool {
        let wanted = |name: &String| (least..=most).contains(&name.as_bytes());
        self.instruments.is_empty() || self.instruments.iter().any(wanted)
    }

    fn of(&self, rows: RecordBatch) -> Result<RecordBatch> {
        if self.is_all() {
            return Ok(rows);
        }
        let (times, names) = (times(&rows), instruments(&rows));
        let wanted = (0..rows.num_rows()).map(|row| {
            let time = times.value(row);
            self.wants_times(time, time) && (self.instruments.is_empty() || self.instruments.contains(names.value(row)))
        });
        let mask: BooleanArray = wanted.collect::<Vec<bool>>().into();
        if mask.true_count() == rows.num_rows() {
            return Ok(rows);
        }
        Ok(filter_record_batch(&rows, &mask)?)
    }
}

/// A file's rows, one batch after the other.
pub(crate) struct OpenFile {
    path: String,
    /// What the file says of itself.
    pub about: About,
    /// Its metadata.
    pub metadata: Arc<ParquetMetaData>,
    /// Row groups that are read.
    pub groups_read: usize,
    /// Bytes of the columns that are read in them.
    pub bytes_read: u64,
    filter: Filter,
    stream: ParquetRecordBatchStream<ObjectReader>,
}

impl OpenFile {
    /// Opens a file for the rows that are wanted: row groups that have none by their statistics or Bloom filters are left out.
    pub async fn open(place: &Place, file: &DataFile, filter: &Filter) -> Result<Self> {
        Self::open_columns(place, file, filter, None).await
    }

    /// The same with some of the columns, by their place in the table: time and instrument, the first two, are among them. All where none are named.
    pub async fn open_columns(
        place: &Place,
        file: &DataFile,
        filter: &Filter,
        columns: Option<&[usize]>,
    ) -> Result<Self> {
        let path = place.path_shown(&file.meta.location);
        match Self::try_open(place, file, (filter, columns), &path).await {
            Ok(open) => Ok(open),
            Err(error) => match place.store().head(&file.meta.location).await {
                Err(object_store::Error::NotFound { .. }) => {
                    let problem = "has been replaced or dropped since it was listed; try again".to_owned();
                    Err(StorageError::Busy { path, problem })
                }
                Err(error) => Err(place.failed(&file.meta.location, error)),
                Ok(_) => Err(error),
            },
        }
    }

    async fn try_open(
        place: &Place,
        file: &DataFile,
        (filter, columns): (&Filter, Option<&[usize]>),
        path: &str,
    ) -> Result<Self> {
        let broken = |error: &dyn ToString| {
            StorageError::file(path, format!("cannot be read; is it whole? {}", error.to_string()))
        };
        let reader =
            ObjectReader { store: Arc::clone(place.store()), path: file.meta.location.clone(), size: file.meta.size };
        let mut builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| broken(&error))?;
        is_schema(file.table, builder.schema()).map_err(|problem| StorageError::file(path, problem))?;
        let metadata = Arc::clone(builder.metadata());
        let about = about(file.table, &metadata).map_err(|problem| StorageError::file(path, problem))?;
        let mut groups = Vec::new();
        for (index, group) in metadata.row_groups().iter().enumerate() {
            if !may_have(group, filter) {
                continue;
            }
            if (1..=BLOOM_INSTRUMENTS_MAX).contains(&filter.instruments.len()) {
                let bloom =
                    builder.get_row_group_column_bloom_filter(index, 1).await.map_err(|error| broken(&error))?;
                let may_be = |bloom: &parquet::bloom_filter::Sbbf| {
                    filter.instruments.iter().any(|name| bloom.check(&name.as_str()))
                };
                if bloom.as_ref().is_some_and(|bloom| !may_be(bloom)) {
                    continue;
                }
            }
            groups.push(index);
        }
        let groups_read = groups.len();
        let is_read = |index: usize| columns.is_none_or(|columns| columns.contains(&index));
        let bytes_of = |group: &usize| -> u64 {
            let chunks = metadata.row_group(*group).columns().iter().enumerate();
            chunks
                .filter(|(index, _)| is_read(*index))
                .map(|(_, chunk)| u64::try_from(chunk.compressed_size()).unwrap_or_default())
                .sum()
        };
        let bytes_read = groups.iter().map(bytes_of).sum();
        if let Some(columns) = columns {
            let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(mask);
        }
        if filter.from_ns.is_some() || filter.to_ns.is_some() {
            // Where few rows are wanted, most values of the other columns are not decoded.
            let (wanted, mask) = (filter.clone(), ProjectionMask::roots(builder.parquet_schema(), [0]));
            let predicate = ArrowPredicateFn::new(mask, move |rows: RecordBatch| {
                let times = times(&rows).values().iter();
                Ok(times.map(|time| Some(wanted.wants_times(*time, *time))).collect())
            });
            builder = builder.with_row_filter(RowFilter::new(vec![Box::new(predicate)]));
        }
        let stream =
            builder.with_batch_size(BATCH_ROWS).with_row_groups(groups).build().map_err(|error| broken(&error))?;
        Ok(Self { path: path.to_owned(), about, metadata, groups_read, bytes_read, filter: filter.clone(), stream })
    }

    /// Where it is, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The next rows that are wanted; there may be none among those that were read.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self.stream.next().await.transpose() {
            Ok(Some(rows)) => self.filter.of(rows).map(Some),
            Ok(None) => Ok(None),
            Err(error) => {
                Err(StorageError::file(&self.path, format!("cannot be read to its end; is it whole? {error}")))
            }
        }
    }
}

/// What a file's metadata says of it. A file of another program says nothing: it counts as the first that was written.
fn about(table: Table, metadata: &ParquetMetaData) -> std::result::Result<About, String> {
    let entries = metadata.file_metadata().key_value_metadata();
    let value = |key: &str| entries?.iter().find(|entry| entry.key == key)?.value.as_deref();
    if let Some(other) = value(TABLE_KEY).filter(|name| *name != table.name()) {
        return Err(format!("is a file of {other:?}, not of {table}"));
    }
    let written_ns = match value(WRITTEN_KEY) {
        Some(text) => text.parse().map_err(|_| format!("{WRITTEN_KEY} = {text:?}; allowed: a whole number"))?,
        None => i64::MIN,
    };
    let replaces = value(REPLACES_KEY).map_or(Ok(Vec::new()), serde_json::from_str);
    let replaces = replaces.map_err(|error| format!("{REPLACES_KEY}: {error}"))?;
    Ok(About { table, written_ns, replaces })
}

fn may_have(group: &RowGroupMetaData, filter: &Filter) -> bool {
    let may_be_time = match group.column(0).statistics() {
        Some(Statistics::Int64(found)) => match (found.min_opt(), found.max_opt()) {
            (Some(least), Some(most)) => filter.wants_times(*least, *most),
            _ => true,
        },
        _ => true,
    };
    let may_be_name = || match group.column(1).statistics() {
        // Bounds that were cut are below the least, or above the greatest.
        Some(Statistics::ByteArray(found)) => match (found.min_opt(), found.max_opt()) {
            (Some(least), Some(most)) => filter.wants_names(least.data(), most.data()),
            _ => true,
        },
        _ => true,
    };
    may_be_time && may_be_name()
}

/// Whether a file has each key once: one that says so, and one of another program, which says nothing of itself.
pub(crate) fn has_unique_keys(metadata: &ParquetMetaData) -> bool {
    let entries = metadata.file_metadata().key_value_metadata();
    let value = |key: &str| entries?.iter().find(|entry| entry.key == key)?.value.as_deref();
    value(KEYS_KEY) == Some(KEYS_UNIQUE) || value(WRITTEN_KEY).is_none()
}

/// The least and the greatest instrument of a file by its statistics, where it has them and a row: bounds that may be wider than the names.
pub(crate) fn instrument_range(metadata: &ParquetMetaData) -> Option<(Vec<u8>, Vec<u8>)> {
    let groups = metadata.row_groups().iter().map(|group| match group.column(1).statistics() {
        Some(Statistics::ByteArray(found)) => {
            Some((found.min_opt()?.data().to_vec(), found.max_opt()?.data().to_vec()))
        }
        _ => None,
    });
    let join = |one: Option<(Vec<u8>, Vec<u8>)>, other: Option<(Vec<u8>, Vec<u8>)>| {
        let (one, other) = (one?, other?);
        Some((one.0.min(other.0), one.1.max(other.1)))
    };
    groups.reduce(join).flatten()
}

/// The least and the greatest time of a file by its statistics, where it has them and a row.
pub(crate) fn time_range(metadata: &ParquetMetaData) -> Option<(i64, i64)> {
    let groups = metadata.row_groups().iter().map(|group| match group.column(0).statistics() {
        Some(Statistics::Int64(found)) => Some((*found.min_opt()?, *found.max_opt()?)),
        _ => None,
    });
    groups.reduce(|one, other| Some((one?.0.min(other?.0), one?.1.max(other?.1)))).flatten()
}

//! Rows into files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::{concat::concat_batches, take::take_record_batch};
use jiff::civil::Date;
use serde::Serialize;

use super::{
    check::{conform, times},
    encode::{About, Encoder},
    layout::{DAY_NS, DataFile, REPLACER, RULE_WRITER, date_at, file_path, is_writer_name},
    listing::files,
    newest::newest,
    sort::sorted,
};
use crate::{
    error::{Result, StorageError},
    place::{Place, Put},
    table::Table,
};

/// What tells the time, in nanoseconds since the Unix epoch: handed down by the program.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a writer does with files that are there under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// They stay, and it counts on. Two writers of one name do not overwrite each other's files.
    Keep,
    /// They are its own from an earlier run with the same rows, finished or not, and it writes them again: for a name that stands for what is
    /// written. What it does not write again goes when it finishes.
    Replace,
}

/// How a writer writes.
#[derive(Clone)]
pub struct WriterSettings {
    /// Its name, which its files' names begin with.
    pub writer: String,
    /// What it does with files that are there under its name.
    pub earlier: Earlier,
    /// The greatest number of rows of a file.
    pub file_rows: usize,
    /// So many bytes of rows may wait in memory; the partition that has most is written then.
    pub memory_bytes: usize,
    /// What tells when a file was begun.
    pub clock: Clock,
}

impl WriterSettings {
    /// A writer of a name, with a million rows a file and 512 MiB of memory.
    pub fn new(writer: &str, earlier: Earlier, clock: Clock) -> Self {
        Self { writer: writer.to_owned(), earlier, file_rows: 1 << 20, memory_bytes: 512 << 20, clock }
    }
}

impl fmt::Debug for WriterSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writer, earlier, file_rows, memory_bytes, .. } = self;
        formatter
            .debug_struct("WriterSettings")
            .field("writer", writer)
            .field("earlier", earlier)
            .field("file_rows", file_rows)
            .field("memory_bytes", memory_bytes)
            .finish_non_exhaustive()
    }
}

/// What a writer has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Written {
    /// Rows in files.
    pub rows: u64,
    /// Rows that were left out, since a later one of the same file has their key.
    pub replaced: u64,
    /// Files.
    pub files: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Files of an earlier run that are no longer.
    pub files_removed: u64,
}

/// Rows of a partition that wait to be written.
#[derive(Default)]
struct Waiting {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// Writes rows of tables into a place.
///
/// Rows wait in memory, by partition, until there are enough for a file or they take too much memory; a file is there once it is written, also before
/// [`Writer::finish`]. Where a file cannot be written its rows are kept, and the next [`Writer::append`] or `finish` tries again; dropping a writer
/// loses the rows that wait.
pub struct Writer {
    place: Place,
    settings: WriterSettings,
    waiting: BTreeMap<(Table, Date), Waiting>,
    waiting_bytes: usize,
    appended: BTreeMap<Table, usize>,
    next_sequence: BTreeMap<(Table, Date), u64>,
    written: Written,
}

impl Writer {
    /// A writer into a place.
    ///
    /// # Errors
    ///
    /// Where its name cannot be one.
    pub fn new(place: &Place, settings: WriterSettings) -> Result<Self> {
        let name = &settings.writer;
        let is_taken = [REPLACER, RULE_WRITER].iter().any(|begins| name.starts_with(begins));
        if !is_writer_name(name) || is_taken {
            let allowed = "1 to 100 of A-Z, a-z, 0-9, dot, dash and underscore, of which a letter or digit first";
            let problem = format!("writer {name:?}; allowed: {allowed}, and not {REPLACER} or {RULE_WRITER} first");
            return Err(StorageError::Place { place: place.shown().to_owned(), problem });
        }
        Ok(Self {
            place: place.clone(),
            settings,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            appended: BTreeMap::new(),
            next_sequence: BTreeMap::new(),
            written: Written::default(),
        })
    }

    /// Takes rows of a table; none of them where one may not be kept.
    ///
    /// # Errors
    ///
    /// Where a column or a value is not the table's, with its row counted over all that were appended to the table; where a file cannot be written.
    pub async fn append(&mut self, table: Table, rows: &RecordBatch) -> Result<()> {
        let appended = self.appended.entry(table).or_default();
        let rows = conform(table, rows, *appended)?;
        *appended += rows.num_rows();
        for (date, rows) in by_date(&rows)? {
            let waiting = self.waiting.entry((table, date)).or_default();
            let bytes = bytes_of(&rows);
            waiting.rows += rows.num_rows();
            waiting.bytes += bytes;
            waiting.batches.push(rows);
            self.waiting_bytes += bytes;
        }
        self.roll().await
    }

    /// Writes what is due.
    async fn roll(&mut self) -> Result<()> {
        let full = |waiting: &Waiting| waiting.rows >= self.settings.file_rows;
        let due: Vec<_> = self.waiting.iter().filter(|(_, waiting)| full(waiting)).map(|(key, _)| *key).collect();
        for key in due {
            self.flush(key, false).await?;
        }
        while self.waiting_bytes > self.settings.memory_bytes {
            let most = self.waiting.iter().max_by_key(|(_, waiting)| waiting.bytes).map(|(key, _)| *key);
            let Some(key) = most else { break };
            self.flush(key, true).await?;
        }
        Ok(())
    }

    /// Writes the rows of a partition: whole files, and where `all` the rest too.
    async fn flush(&mut self, key: (Table, Date), all: bool) -> Result<()> {
        let Some(waiting) = self.waiting.remove(&key) else { return Ok(()) };
        self.waiting_bytes -= waiting.bytes;
        let written = self.write_files(key, &waiting, all).await;
        // What was not written waits on.
        let (rest, result) = match written {
            Ok(rest) => (rest, Ok(())),
            Err((rest, error)) => (rest, Err(error)),
        };
        if rest.rows > 0 {
            self.waiting_bytes += rest.bytes;
            self.waiting.insert(key, rest);
        }
        result
    }

    async fn write_files(
        &mut self,
        key: (Table, Date),
        waiting: &Waiting,
        all: bool,
    ) -> std::result::Result<Waiting, (Waiting, StorageError)> {
        let kept = |rows: RecordBatch| Waiting { rows: rows.num_rows(), bytes: bytes_of(&rows), batches: vec![rows] };
        let mut rest = match concat_batches(&key.0.schema(), &waiting.batches) {
            Ok(rows) => rows,
            Err(error) => {
                let Waiting { batches, rows, bytes } = waiting;
                return Err((Waiting { batches: batches.clone(), rows: *rows, bytes: *bytes }, error.into()));
            }
        };
        while rest.num_rows() >= self.settings.file_rows || (all && rest.num_rows() > 0) {
            let length = rest.num_rows().min(self.settings.file_rows);
            if let Err(error) = self.write_file(key, &rest.slice(0, length)).await {
                return Err((kept(rest), error));
            }
            rest = rest.slice(length, rest.num_rows() - length);
        }
        if rest.num_rows() == 0 {
            return Ok(Waiting::default());
        }
        // A copy: the slice would keep all rows that were written in memory.
        let indices = UInt32Array::from_iter_values(0..rest.num_rows() as u32);
        match take_record_batch(&rest, &indices) {
            Ok(copy) => Ok(kept(copy)),
            Err(error) => Err((kept(rest), error.into())),
        }
    }

    async fn write_file(&mut self, (table, date): (Table, Date), rows: &RecordBatch) -> Result<()> {
        let (rows, instruments) = sorted(rows)?;
        let given = rows.num_rows();
        let rows = newest(table, rows)?;
        let about = About { table, written_ns: (self.settings.clock)(), replaces: Vec::new() };
        let mut encoder = Encoder::new(&about, instruments)?;
        encoder.write(&rows)?;
        let bytes = encoder.finish()?;
        let put = if self.settings.earlier == Earlier::Keep { Put::New } else { Put::Replace };
        loop {
            let sequence = self.sequence(table, date).await?;
            let path = file_path(table, date, &self.settings.writer, sequence);
            let is_there = self.place.put(&path, bytes.clone(), put).await?;
            self.next_sequence.insert((table, date), sequence + 1);
            if is_there {
                break;
            }
        }
        self.written.rows += rows.num_rows() as u64;
        self.written.replaced += (given - rows.num_rows()) as u64;
        self.written.files += 1;
        self.written.bytes += bytes.len() as u64;
        Ok(())
    }

    /// The number of the next file of a partition.
    async fn sequence(&self, table: Table, date: Date) -> Result<u64> {
        if let Some(next) = self.next_sequence.get(&(table, date)) {
            return Ok(*next);
        }
        if self.settings.earlier == Earlier::Replace {
            return Ok(0);
        }
        let listed = self.place.list(&super::layout::partition(table, date)).await?;
        let own = listed.into_iter().filter_map(|meta| DataFile::of(table, meta));
        let own = own.filter(|file| file.writer == self.settings.writer);
        Ok(own.map(|file| file.sequence + 1).max().unwrap_or(0))
    }

    /// Rows that were appended to a table.
    pub fn appended(&self, table: Table) -> usize {
        self.appended.get(&table).copied().unwrap_or_default()
    }

    /// Writes everything that waits.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written; then rows still wait, and it may be called again.
    pub async fn flush_all(&mut self) -> Result<()> {
        while let Some(key) = self.waiting.keys().next().copied() {
            self.flush(key, true).await?;
        }
        Ok(())
    }

    /// Writes everything that waits, and takes away what an earlier run of a replacing writer left beyond it.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written or taken away.
    pub async fn finish(mut self) -> Result<Written> {
        self.flush_all().await?;
        if self.settings.earlier == Earlier::Replace {
            let tables: BTreeSet<Table> = self.appended.keys().copied().collect();
            for table in tables {
                for file in files(&self.place, table, None).await? {
                    let written = self.next_sequence.get(&(table, file.date)).copied().unwrap_or(0);
                    if file.writer == self.settings.writer && file.sequence >= written {
                        self.place.delete(&file.meta.location).await?;
                        self.written.files_removed += 1;
                    }
                }
            }
        }
        Ok(self.written)
    }
}

/// About how much memory rows take.
fn bytes_of(rows: &RecordBatch) -> usize {
    let columns = rows.columns().iter();
    columns
        .map(|column| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()))
        .sum()
}

/// Rows by the UTC day of their time.
fn by_date(rows: &RecordBatch) -> Result<Vec<(Date, RecordBatch)>> {
    let times = times(rows).values();
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else { return Ok(Vec::new()) };
    let day = |time: i64| time.div_euclid(DAY_NS);
    if day(*first) == day(*last) {
        return Ok(vec![(date_at(*first), rows.clone())]);
    }
    let mut by_day: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for (row, time) in times.iter().enumerate() {
        by_day.entry(day(*time)).or_default().push(row as u32);
    }
    let mut parts = Vec::with_capacity(by_day.len());
    for (day, indices) in by_day {
        parts.push((date_at(day.saturating_mul(DAY_NS)), take_record_batch(rows, &UInt32Array::from(indices))?));
    }
    Ok(parts)
}

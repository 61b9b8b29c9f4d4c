//! Files of a partition as one: in order of instrument and time, and of rows with the same key only the one that was written last.

use std::{cmp::Ordering, collections::BinaryHeap, collections::HashMap, sync::Arc};

use arrow_array::{RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_select::interleave::interleave_record_batch;

use super::{
    check::{instruments, times},
    file::{Filter, OpenFile},
    layout::DataFile,
    newest::further_key_columns,
};
use crate::{
    error::{Result, StorageError},
    place::Place,
    table::Table,
};

/// Rows that are given at once.
const BATCH_ROWS: usize = 1 << 14;

/// Rows of several files, one batch after the other.
pub(crate) struct Merged {
    /// From the file that was written first to the last.
    sources: Vec<Source>,
    /// The next row of each file that has one.
    heap: BinaryHeap<Next>,
    /// The columns of the key beside instrument and time, by their place among those that are read.
    key_columns: Vec<usize>,
    converter: RowConverter,
    /// Rows read so far, with those that were dropped.
    pub rows_read: u64,
}

struct Source {
    file: OpenFile,
    current: Option<Arc<Batch>>,
    row: usize,
}

impl Source {
    /// That rows come in order, after those before them: a file of another program may not, and merging it would lose rows' order and keys.
    fn is_sorted(&self, rows: &RecordBatch) -> Result<()> {
        let (names, times) = (instruments(rows), times(rows));
        let place = |row: usize| (names.value(row), times.value(row));
        let before = self.current.as_ref().and_then(|batch| {
            let last = batch.rows.num_rows().checked_sub(1)?;
            Some((batch.names().value(last), batch.times().value(last)))
        });
        let follows = rows.num_rows() == 0 || before.is_none_or(|before| before <= place(0));
        if follows && (1..rows.num_rows()).all(|row| place(row - 1) <= place(row)) {
            return Ok(());
        }
        Err(StorageError::file(self.file.path(), "its rows are not sorted by instrument and time; ingest it again"))
    }
}

/// Rows of a file in memory.
struct Batch {
    rows: RecordBatch,
    keys: Option<Rows>,
}

impl Batch {
    fn names(&self) -> &StringArray {
        instruments(&self.rows)
    }

    fn times(&self) -> &TimestampNanosecondArray {
        times(&self.rows)
    }
}

/// The row that a file gives next.
struct Next {
    batch: Arc<Batch>,
    row: usize,
    source: usize,
}

impl Next {
    fn place(&self) -> (&str, i64) {
        (self.batch.names().value(self.row), self.batch.times().value(self.row))
    }
}

impl Ord for Next {
    /// The heap gives the greatest first: the least is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.place().cmp(&self.place()).then_with(|| other.source.cmp(&self.source))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Next {}

impl Merged {
    /// Opens files of one partition for the rows that are wanted.
    pub async fn open(place: &Place, table: Table, files: &[DataFile], filter: &Filter) -> Result<Self> {
        let all: Vec<usize> = (0..table.columns().len()).collect();
        Self::open_columns(place, table, files, filter, &all).await
    }

    /// The same with some of the columns, in order and with those of the key among them.
    pub async fn open_columns(
        place: &Place,
        table: Table,
        files: &[DataFile],
        filter: &Filter,
        columns: &[usize],
    ) -> Result<Self> {
        let mut sources = Vec::with_capacity(files.len());
        for file in files {
            let open = OpenFile::open_columns(place, file, filter, Some(columns)).await?;
            sources.push((open.about.written_ns, file.name().to_owned(), open));
        }
        sources.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        let sources = sources.into_iter().map(|(_, _, file)| Source { file, current: None, row: 0 }).collect();
        let schema = table.schema().project(columns)?;
        let further = further_key_columns(table);
        let is_further = |index: &usize| further.contains(&columns[*index]);
        let key_columns: Vec<usize> = (0..columns.len()).filter(is_further).collect();
        let fields = key_columns.iter().map(|index| SortField::new(schema.field(*index).data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        let mut merged = Self { sources, heap: BinaryHeap::new(), key_columns, converter, rows_read: 0 };
        for source in 0..merged.sources.len() {
            merged.push(source).await?;
        }
        Ok(merged)
    }

    /// When the last of the files was written, and the names of files whose rows they have.
    pub fn written_ns(&self) -> i64 {
        self.sources.iter().map(|source| source.file.about.written_ns).max().unwrap_or(i64::MIN)
    }

    /// Row groups of the files, those that are read, and the bytes of their columns that are.
    pub fn groups(&self) -> (usize, usize, u64) {
        let groups = self.sources.iter().map(|source| &source.file);
        groups.fold((0, 0, 0), |(all, read, bytes), file| {
            (all + file.metadata.num_row_groups(), read + file.groups_read, bytes + file.bytes_read)
        })
    }

    /// The names of the files that these files have replaced before.
    pub fn replaces(&self) -> impl Iterator<Item = &String> {
        self.sources.iter().flat_map(|source| &source.file.about.replaces)
    }

    /// Puts the next row of a file on the heap.
    async fn push(&mut self, source: usize) -> Result<()> {
        let from = &mut self.sources[source];
        while from.current.as_ref().is_none_or(|batch| from.row >= batch.rows.num_rows()) {
            let Some(rows) = from.file.next().await? else {
                from.current = None;
                return Ok(());
            };
            from.is_sorted(&rows)?;
            let keys = match self.key_columns.is_empty() {
                true => None,
                false => {
                    let columns: Vec<_> =
                        self.key_columns.iter().map(|index| Arc::clone(rows.column(*index))).collect();
                    Some(self.converter.convert_columns(&columns)?)
                }
            };
            from.current = Some(Arc::new(Batch { rows, keys }));
            from.row = 0;
        }
        if let Some(batch) = &from.current {
            self.heap.push(Next { batch: Arc::clone(batch), row: from.row, source });
            from.row += 1;
            self.rows_read += 1;
        }
        Ok(())
    }

    /// The next rows, none at the end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let mut chosen = Chosen::default();
        let mut group: Vec<Next> = Vec::new();
        while let Some(next) = self.heap.pop() {
            let source = next.source;
            group.push(next);
            self.push(source).await?;
            let goes_on = self.heap.peek().is_some_and(|next| next.place() == group[0].place());
            if !goes_on {
                last_of_each(&mut group);
                group.drain(..).for_each(|next| chosen.add(next));
                if chosen.rows.len() >= BATCH_ROWS {
                    break;
                }
            }
        }
        if chosen.rows.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&RecordBatch> = chosen.batches.iter().map(|batch| &batch.rows).collect();
        Ok(Some(interleave_record_batch(&batches, &chosen.rows)?))
    }
}

/// Leaves of rows with one instrument and time the last of each key, in their order.
fn last_of_each(group: &mut Vec<Next>) {
    if group.len() < 2 {
        return;
    }
    let mut last: HashMap<&[u8], usize> = HashMap::with_capacity(group.len());
    for (index, next) in group.iter().enumerate() {
        let key = next.batch.keys.as_ref().map_or(&[][..], |keys| keys.row(next.row).data());
        last.insert(key, index);
    }
    if last.len() == group.len() {
        return;
    }
    let mut stays = vec![false; group.len()];
    last.into_values().for_each(|index| stays[index] = true);
    let mut stays = stays.into_iter();
    group.retain(|_| stays.next().unwrap_or(true));
}

/// Rows that are given next, by batch and place in it.
#[derive(Default)]
struct Chosen {
    batches: Vec<Arc<Batch>>,
    /// Where each batch stands among them, by its address: it lives as long as they do.
    of: HashMap<usize, usize>,
    rows: Vec<(usize, usize)>,
    last: Option<(usize, usize)>,
}

impl Chosen {
    fn add(&mut self, next: Next) {
        let address = Arc::as_ptr(&next.batch).addr();
        let index = match self.last {
            Some((last, index)) if last == address => index,
            _ => *self.of.entry(address).or_insert_with(|| {
                self.batches.push(next.batch);
                self.batches.len() - 1
            }),
        };
        self.last = Some((address, index));
        self.rows.push((index, next.row));
    }
}

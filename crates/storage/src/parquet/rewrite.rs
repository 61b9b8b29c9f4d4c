//! The files of a partition written anew as one, perhaps with fewer rows.

use arrow_array::RecordBatch;
use jiff::civil::Date;

use super::{
    encode::{About, Encoder},
    file::Filter,
    layout::DataFile,
    merge::Merged,
    replace::{Attempt, Replacing},
};
use crate::{error::Result, place::Place, table::Table};

/// A file that reaches this size ends, and the next one begins.
const FILE_BYTES: usize = 1 << 30;
/// About how many instruments a row group has: how large its Bloom filter is.
const INSTRUMENTS: usize = 1_000;

/// What writing anew came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rewritten {
    /// Rows that were read.
    pub rows_read: u64,
    /// Rows that were written.
    pub rows: u64,
    /// Files that were written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Which rows stay. Rows come in order of instrument and time.
pub(crate) trait Keep: Send {
    /// Takes the next rows, and gives those that stay so far.
    fn take(&mut self, rows: RecordBatch) -> Result<RecordBatch>;

    /// The rows that stay at the end.
    fn finish(&mut self) -> Option<RecordBatch>;
}

/// All of them.
pub(crate) struct All;

impl Keep for All {
    fn take(&mut self, rows: RecordBatch) -> Result<RecordBatch> {
        Ok(rows)
    }

    fn finish(&mut self) -> Option<RecordBatch> {
        None
    }
}

/// Replaces files of a partition by one with their rows that stay, of each key the last. `work` stands in its name.
pub(crate) async fn rewrite(
    place: &Place,
    (table, date): (Table, Date),
    work: &str,
    attempt: Attempt,
    keep: &mut impl Keep,
    choose: impl Fn(&DataFile) -> bool,
) -> Result<Rewritten> {
    let mut replacing = Replacing::begin(place, table, date, work, attempt).await?;
    // Listed now that no other process replaces them.
    let old = super::files(place, table, Some(date)).await;
    let written = match old {
        Ok(old) => {
            let old: Vec<_> = old.into_iter().filter(|file| choose(file)).collect();
            written(place, table, &old, keep, &mut replacing).await.map(|rewritten| (old, rewritten))
        }
        Err(error) => Err(error),
    };
    match written {
        Ok((old, rewritten)) => {
            replacing.commit(&old).await?;
            Ok(rewritten)
        }
        Err(error) => {
            // The first error says more than one of cleaning up, which the next attempt does again.
            let _ = replacing.give_up().await;
            Err(error)
        }
    }
}

async fn written(
    place: &Place,
    table: Table,
    old: &[DataFile],
    keep: &mut impl Keep,
    replacing: &mut Replacing,
) -> Result<Rewritten> {
    let mut merged = Merged::open(place, table, old, &Filter::default()).await?;
    let mut replaces: Vec<String> = merged.replaces().cloned().collect();
    replaces.extend(old.iter().map(|file| file.name().to_owned()));
    replaces.sort();
    replaces.dedup();
    let about = About { table, written_ns: merged.written_ns(), replaces };
    let mut rewritten = Rewritten::default();
    let mut encoder: Option<Encoder> = None;
    loop {
        let (rows, is_last) = match merged.next().await? {
            Some(rows) => (Some(keep.take(rows)?), false),
            None => (keep.finish(), true),
        };
        if let Some(rows) = rows.filter(|rows| rows.num_rows() > 0) {
            let to = match &mut encoder {
                Some(encoder) => encoder,
                None => encoder.insert(Encoder::new(&about, INSTRUMENTS)?),
            };
            to.write(&rows)?;
        }
        let is_full = encoder.as_ref().is_some_and(|encoder| encoder.bytes() >= FILE_BYTES);
        if (is_full || is_last)
            && let Some(encoder) = encoder.take()
        {
            rewritten.rows += encoder.rows() as u64;
            let bytes = encoder.finish()?;
            rewritten.files += 1;
            rewritten.bytes += bytes.len() as u64;
            replacing.add(bytes).await?;
        }
        if is_last {
            rewritten.rows_read = merged.rows_read;
            return Ok(rewritten);
        }
    }
}

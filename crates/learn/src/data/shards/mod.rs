//! Rows from shards: tables of labelled rows in a folder or a bucket, read shard by shard, checked before they are learned.
//!
//! Columns  the model's inputs by name; `price`, the undiscounted call over the strike; `price_by_<input>`, its derivatives; and
//!          `price_by_moneyness_twice`, its gamma. See docs/training-data.md
//!          Of a table: the columns that its config names
//! Parts    a row is held out, kept for the last word, or learned: by a hash of its shard and its row, by named shards, or by time
//! Order    see `order`: a function of the seed and the position alone, so that a run that is resumed goes on where it was

mod columns;
mod inspection;
mod order;
mod prefetch;
mod rule;
#[cfg(test)]
mod tests;
mod write;

use std::sync::{Arc, Mutex, PoisonError};

use zomma_storage::{Place, block_on, shards::ShardSet};

pub use columns::{GAMMA, PRICE, differential_name};
pub use inspection::Counts;
pub use write::{LabelJob, Progress, Written, check, content, write_labels};

use self::{
    columns::ShardColumns,
    inspection::Inspection,
    order::Order,
    prefetch::Reader,
    rule::{Cuts, Rule},
};
use super::Rows;
use crate::LearnError;
use crate::config::DataConfig;

/// Rows of a shuffle buffer where the config does not say.
pub const SHUFFLE_ROWS: usize = 1 << 18;

/// Rows that are passed over rather than looked for anew.
const MOST_PASSED: u64 = 1 << 18;

/// What a reader of shards needs to know.
#[derive(Debug)]
struct Plan {
    set: ShardSet,
    columns: ShardColumns,
    rule: Rule,
    order: Order,
    /// Checksums as they were when the rows were looked at.
    checksums: Vec<String>,
    /// Decodes beside the threads that compute, so that a batch that is waited for is never waited for by its maker.
    pool: rayon::ThreadPool,
}

/// Rows to learn from that lie in shards.
#[derive(Debug)]
pub struct Shards {
    plan: Arc<Plan>,
    reader: Mutex<Option<Reader>>,
    held_out: Rows,
    tested: Rows,
    fitted: Rows,
    bounds: Vec<[f64; 2]>,
    counts: Counts,
    identity: String,
}

impl Shards {
    /// Looks at every row once: shards that are whole and have the columns, rows that are numbers within the config's ranges, and which are
    /// held out. `order_seed` shuffles.
    ///
    /// Errors: [`LearnError::Storage`] for a shard that is missing, damaged or of other columns; [`LearnError::BadRows`];
    /// [`LearnError::BadValue`] where the shards have too few rows for `held_out`, or no shard of a name.
    pub fn open(config: &DataConfig, order_seed: u64, place: Place) -> Result<Self, LearnError> {
        let set = block_on(ShardSet::open(place))?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(rayon::current_num_threads())
            .thread_name(|index| format!("shards-{index}"))
            .build()
            .map_err(|error| LearnError::Unreadable(format!("no threads to read shards: {error}")))?;
        let columns = ShardColumns::of(config, &block_on(set.fetch(&set.files()[0]))?)?;
        let mut rule = Rule::new(config, &set)?;
        if let Some(cuts) = cuts(config, &set, &columns)? {
            rule = rule.by_time(cuts);
        }
        let found = Inspection::of(&set, &columns, &rule, &pool)?;
        let allowed = config.bad_rows.unwrap_or(0.0);
        if let Some(first) = &found.first_bad
            && found.counts.bad as f64 > allowed * found.counts.rows as f64
        {
            let first = first.clone();
            return Err(LearnError::BadRows { bad: found.counts.bad, rows: found.counts.rows, first, allowed });
        }
        rule.check(&found)?;
        let Inspection { held_out, tested, fitted, bounds, counts, checksums, learned, identity, .. } = found;
        let block = config.shuffle_rows.unwrap_or(SHUFFLE_ROWS) as u64;
        let order = Order::new(learned, block, order_seed);
        let plan = Arc::new(Plan { set, columns, rule, order, checksums, pool });
        Ok(Self { plan, reader: Mutex::new(None), held_out, tested, fitted, bounds, counts, identity })
    }

    /// Fills `rows` with those after the first `drawn`. Rows that follow those of the call before are there already, and one rank of several
    /// passes over those of the others; rows further off are looked for.
    ///
    /// Errors: [`LearnError::Storage`] where a shard can no longer be read, or is no longer the same.
    pub fn draw(&self, drawn: u64, rows: &mut Rows) -> Result<(), LearnError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut going, ahead) = self.going(reader.take(), drawn);
        going.skip(ahead)?;
        going.fill(rows)?;
        *reader = Some(going);
        Ok(())
    }

    /// Waits until so many rows after the first `drawn` can be drawn; false where it was `asked` to stop before.
    ///
    /// Errors: as [`Self::draw`].
    pub fn wait(&self, drawn: u64, rows: usize, asked: &dyn Fn() -> bool) -> Result<bool, LearnError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut going, ahead) = self.going(reader.take(), drawn);
        let are_here = going.wait(ahead + rows as u64, asked)?;
        *reader = Some(going);
        Ok(are_here)
    }

    /// A reader that gives the rows after the first `drawn` once it has passed over so many: the one that goes already, where it is not far.
    fn going(&self, reader: Option<Reader>, drawn: u64) -> (Reader, u64) {
        let ahead = |going: &Reader| drawn.checked_sub(going.position()).filter(|ahead| *ahead <= MOST_PASSED);
        match reader.map(|going| (ahead(&going), going)) {
            Some((Some(ahead), going)) => (going, ahead),
            _ => (Reader::start(&self.plan, drawn), 0),
        }
    }

    /// Rows that are never learned and choose the network that is kept.
    pub fn held_out(&self) -> &Rows {
        &self.held_out
    }

    /// Rows that nobody looks at before the end.
    pub fn tested(&self) -> &Rows {
        &self.tested
    }

    /// Rows to learn from, from every shard: what scales are fitted to.
    pub fn fitted(&self) -> &Rows {
        &self.fitted
    }

    /// Least and greatest of each input among the rows to learn from.
    pub fn bounds(&self) -> &[[f64; 2]] {
        &self.bounds
    }

    /// How many rows of each kind there are.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Equal for equal shards in the same order, wherever they lie.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Seconds for which whoever drew had to wait for rows, ten at a time.
    pub fn waited_seconds(&self) -> u64 {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.as_ref().map_or(0, Reader::waited_seconds)
    }
}

/// Where the parts begin in time, where a config tells them apart by it: reads that column of every shard.
///
/// Errors: [`LearnError::Storage`]; [`LearnError::BadValue`] where too few rows have a time.
fn cuts(config: &DataConfig, set: &ShardSet, columns: &ShardColumns) -> Result<Option<Cuts>, LearnError> {
    let Some((table, split_by)) = config.table.as_ref().and_then(|table| Some((table, table.split_by.as_ref()?)))
    else {
        return Ok(None);
    };
    let mut times = Vec::new();
    for file in set.files() {
        let shard = block_on(set.fetch(file))?;
        for group in 0..shard.groups().len() {
            times.extend(columns.times(&shard, group)?.into_iter().flatten());
        }
    }
    let rows = times.len();
    let cuts = Cuts::new(times, config.held_out, table.gap).ok_or_else(|| {
        let allowed = format!("two parts of {} rows that have a time {split_by}, of {rows} rows", config.held_out);
        LearnError::bad("data.held_out", config.held_out, allowed)
    })?;
    Ok(Some(cuts))
}

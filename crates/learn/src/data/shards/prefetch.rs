//! A thread that has the next rows ready: while one block is learned from, the next is fetched, decoded, permuted, and waits.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use rayon::prelude::*;
use zomma_storage::{block_on, shards::Shard};

use super::Plan;
use super::inspection::places;
use super::order::Piece;
use super::rule::Part;
use crate::LearnError;
use crate::data::Rows;

/// Blocks that wait beside the one in hand and the one in the making.
const READY: usize = 1;
/// Waiting is counted in these.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the wish to stop is heard meanwhile.
const LISTENING: Duration = Duration::from_millis(50);

/// Gives the rows one after the other.
#[derive(Debug)]
pub(super) struct Reader {
    position: u64,
    ready: Receiver<Result<Rows, LearnError>>,
    block: Rows,
    /// Blocks that came while the rows of the next ones were waited for.
    here: VecDeque<Rows>,
    taken: usize,
    inputs: usize,
    waited: Duration,
}

impl Reader {
    /// From a position on. The thread ends when this is dropped.
    pub(super) fn start(plan: &Arc<Plan>, position: u64) -> Self {
        let (sender, ready) = sync_channel(READY);
        let (plan, inputs) = (Arc::clone(plan), plan.columns.inputs());
        let taken = plan.order.at(position).2 as usize;
        let block = plan.columns.rows(0);
        let spawned = thread::Builder::new().name("prefetch".into()).spawn({
            let sender = sender.clone();
            move || make(&plan, position, &sender)
        });
        if let Err(error) = spawned {
            // There is room for one.
            let _ = sender.send(Err(LearnError::Unreadable(format!("no thread to read shards: {error}"))));
        }
        Self { position, ready, block, here: VecDeque::new(), taken, inputs, waited: Duration::ZERO }
    }

    /// The position of the row that comes next.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Seconds waited for blocks, ten at a time.
    pub(super) fn waited_seconds(&self) -> u64 {
        self.waited.as_secs() / PATIENCE.as_secs() * PATIENCE.as_secs()
    }

    /// Fills rows with the next ones.
    pub(super) fn fill(&mut self, rows: &mut Rows) -> Result<(), LearnError> {
        let mut filled = 0;
        while filled < rows.len() {
            let taken = self.take(rows.len() - filled)?;
            let count = taken.len();
            rows.copy(filled, &self.block, taken, self.inputs);
            filled += count;
        }
        Ok(())
    }

    /// Waits until the next rows are here; false where it was `asked` to stop before.
    pub(super) fn wait(&mut self, rows: u64, asked: &dyn Fn() -> bool) -> Result<bool, LearnError> {
        loop {
            let all = self.block.len() + self.here.iter().map(Rows::len).sum::<usize>();
            if all.saturating_sub(self.taken) as u64 >= rows {
                return Ok(true);
            }
            if asked() {
                return Ok(false);
            }
            if let Some(block) = self.receive(LISTENING)? {
                self.here.push_back(block);
            }
        }
    }

    /// Passes over so many rows.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<(), LearnError> {
        while count > 0 {
            let most = usize::try_from(count).unwrap_or(usize::MAX);
            count -= self.take(most)?.len() as u64;
        }
        Ok(())
    }

    /// The next rows of the block, one at least and so many at most.
    fn take(&mut self, most: usize) -> Result<Range<usize>, LearnError> {
        while self.taken >= self.block.len() {
            // The first block is entered in its middle where a run is resumed there.
            let skipped = if self.block.is_empty() { self.taken } else { 0 };
            (self.block, self.taken) = (self.next()?, skipped);
        }
        let taken = self.taken..self.block.len().min(self.taken + most.min(self.block.len()));
        self.taken = taken.end;
        self.position += taken.len() as u64;
        Ok(taken)
    }

    fn next(&mut self) -> Result<Rows, LearnError> {
        if let Some(block) = self.here.pop_front() {
            return Ok(block);
        }
        loop {
            if let Some(block) = self.receive(PATIENCE)? {
                return Ok(block);
            }
        }
    }

    /// The next block of the thread, where it is there in time.
    fn receive(&mut self, patience: Duration) -> Result<Option<Rows>, LearnError> {
        match self.ready.recv_timeout(patience) {
            Ok(block) => block.map(Some),
            Err(RecvTimeoutError::Timeout) => {
                self.waited += patience;
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(LearnError::Unreadable("the thread that reads shards ended before its time".into()))
            }
        }
    }
}

/// Makes blocks until nobody wants them, or one cannot be made.
fn make(plan: &Plan, position: u64, ready: &SyncSender<Result<Rows, LearnError>>) {
    let (mut epoch, mut block, _) = plan.order.at(position);
    let mut known: HashMap<usize, Rows> = HashMap::new();
    loop {
        let made = plan.block(epoch, block, &mut known);
        let is_last = made.is_err();
        if ready.send(made).is_err() || is_last {
            return;
        }
        (epoch, block) = plan.order.after(epoch, block);
    }
}

impl Plan {
    /// A block's rows in their order. Of the shards that the block before had read, those that it shares stay in memory.
    fn block(&self, epoch: u64, block: u64, known: &mut HashMap<usize, Rows>) -> Result<Rows, LearnError> {
        let pieces = self.order.pieces(epoch, block);
        known.retain(|shard, _| pieces.iter().any(|piece| piece.shard == *shard));
        let wanted: Vec<usize> =
            pieces.iter().map(|piece| piece.shard).filter(|shard| !known.contains_key(shard)).collect();
        let files: Vec<_> = wanted.iter().map(|shard| self.set.files()[*shard].clone()).collect();
        let shards = block_on(self.set.fetch_all(&files))?;
        for (shard, index) in shards.iter().zip(&wanted) {
            if shard.checksum() != self.checksums[*index] {
                let reason = "has other bytes than when training began: it was written again meanwhile".into();
                return Err(LearnError::Shard { path: shard.path().to_owned(), reason });
            }
        }
        known.extend(self.learned(&shards, &wanted)?);
        Ok(self.pool.install(|| self.permuted(epoch, block, &pieces, known)))
    }

    /// The rows to learn from of some shards.
    fn learned(&self, shards: &[Shard], indices: &[usize]) -> Result<Vec<(usize, Rows)>, LearnError> {
        let derive = || shards.par_iter().map(|shard| self.columns.derive(shard)).collect::<Result<Vec<_>, _>>();
        let made = self.pool.install(derive)?;
        let decode = |(shard, group, begin): (usize, usize, u64)| {
            let decoded = self.columns.decode(&shards[shard], (group, begin), made[shard].as_ref())?;
            let mut rows = self.columns.rows(0);
            for row in 0..shards[shard].groups()[group] {
                let time = decoded.times.as_ref().map(|times| times[row]);
                let part = self.rule.part_at(indices[shard], begin + row as u64, time);
                if matches!(part, Part::Learned | Part::Fitted) && self.columns.is_sound(&decoded, row) {
                    self.columns.push(&decoded, row, &mut rows);
                }
            }
            Ok::<_, LearnError>((shard, rows))
        };
        let groups = self.pool.install(|| places(shards).into_par_iter().map(decode).collect::<Result<Vec<_>, _>>());
        let mut all: Vec<(usize, Rows)> = indices.iter().map(|index| (*index, self.columns.rows(0))).collect();
        groups?.iter().for_each(|(shard, rows): &(usize, Rows)| all[*shard].1.append(rows));
        Ok(all)
    }

    fn permuted(&self, epoch: u64, block: u64, pieces: &[Piece], known: &HashMap<usize, Rows>) -> Rows {
        const AT_ONCE: usize = 4096;
        let places: Vec<(&Rows, usize)> = pieces
            .iter()
            .filter_map(|piece| Some((known.get(&piece.shard)?, piece.rows.clone())))
            .flat_map(|(rows, range)| range.map(move |row| (rows, row as usize)))
            .collect();
        let order = self.order.permutation(epoch, block, places.len());
        let parts: Vec<Rows> = order
            .par_chunks(AT_ONCE)
            .map(|order| {
                let mut rows = self.columns.rows(order.len());
                for (i, from) in order.iter().enumerate() {
                    let (shard, row) = places[*from];
                    rows.copy(i, shard, row..row + 1, self.columns.inputs());
                }
                rows
            })
            .collect();
        let mut rows = self.columns.rows(0);
        parts.iter().for_each(|part| rows.append(part));
        rows
    }
}

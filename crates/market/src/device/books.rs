//! Books on whichever device the runner is on, made anew where one fails.

use std::ops::Range;

use cubecl::server::Handle;
use zomma_gpu::{
    Compute, Device, GpuError,
    recovery::{Batch, Place, Runner},
};

use super::{
    arrays::{BookArrays, OVERFLOW_BIT, Sums, TOLD_BIT, on_cpu},
    batch::{CHANGE, UpdateBatch},
    launch::Resident,
    plan::Plan,
};

/// The least changes since the checkpoint before another is made.
const LEAST_CHANGES: usize = 1 << 16;

/// What the features of a batch came to: of each instrument the bits of its features, its flows, and what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    instruments: usize,
    features: usize,
    flow_levels: usize,
    resting: usize,
    /// [output][instrument]
    words: Vec<u64>,
}

impl Matrix {
    /// How many instruments it has.
    pub fn instruments(&self) -> usize {
        self.instruments
    }

    /// The value of a feature of the book (by its place among those of the plan); `None` where the book has none.
    pub fn value(&self, feature: usize, instrument: usize) -> Option<f64> {
        let has = feature < self.features && self.is_told(instrument) && self.present(instrument)? >> feature & 1 == 1;
        has.then(|| f64::from_bits(self.words[feature * self.instruments + instrument]))
    }

    /// The order-flow imbalance of the batch at a level, from 0, in lots; 0 where there is no such instrument.
    pub fn flow(&self, level: usize, instrument: usize) -> i64 {
        if level >= self.flow_levels || instrument >= self.instruments {
            return 0;
        }
        self.words[(self.features + level) * self.instruments + instrument] as i64
    }

    /// What rested at the levels of both sides over the books of the batch, in lots; by its place among the plan's.
    pub(super) fn resting(&self, place: usize, instrument: usize) -> f64 {
        let row = self.features + self.flow_levels + place;
        f64::from_bits(self.words[row * self.instruments + instrument])
    }

    /// How many books of an instrument the batch has, where the plan counts them.
    pub(super) fn books(&self, instrument: usize) -> u64 {
        let row = self.features + self.flow_levels + self.resting;
        if self.resting > 0 { self.words[row * self.instruments + instrument] } else { 0 }
    }

    /// Whether the instrument's book has been whole once.
    pub fn is_told(&self, instrument: usize) -> bool {
        self.present(instrument).is_some_and(|present| present >> TOLD_BIT & 1 == 1)
    }

    /// The first instrument whose flow did not fit in 64 bits.
    pub fn overflown(&self) -> Option<usize> {
        (0..self.instruments).find(|it| self.present(*it).is_some_and(|present| present >> OVERFLOW_BIT & 1 == 1))
    }

    fn present(&self, instrument: usize) -> Option<u64> {
        let of_batch = self.flow_levels + self.resting + usize::from(self.resting > 0);
        let row = (self.features + of_batch) * self.instruments;
        (instrument < self.instruments).then(|| self.words.get(row + instrument).copied()).flatten()
    }

    fn put(&mut self, range: &Range<usize>, words: &[u64]) {
        let n = range.len();
        for (row, words) in words.chunks_exact(n.max(1)).enumerate() {
            let at = row * self.instruments + range.start;
            self.words[at..at + n].copy_from_slice(words);
        }
    }
}

/// Where the books of some instruments are.
struct Shard {
    range: Range<usize>,
    seat: Seat,
    /// So many batches have been applied.
    applied: u64,
}

enum Seat {
    Cpu { arrays: BookArrays, out: Option<Vec<u64>> },
    Device { device: Device, resident: Box<Resident>, out: Option<Handle> },
}

/// The books of many instruments, kept on the runner's device.
pub struct DeviceBooks<'a> {
    runner: &'a Runner,
    plan: Plan,
    /// The books before the first batch of the journal.
    checkpoint: BookArrays,
    /// Batches since the checkpoint.
    journal: Vec<UpdateBatch>,
    /// How many batches went before the journal.
    before_journal: u64,
    shards: Vec<Shard>,
    rebuilds: u64,
}

impl<'a> DeviceBooks<'a> {
    /// Empty books.
    pub fn new(runner: &'a Runner, plan: Plan) -> Self {
        let checkpoint = BookArrays::of_plan(0, &plan);
        Self { runner, plan, checkpoint, journal: Vec::new(), before_journal: 0, shards: Vec::new(), rebuilds: 0 }
    }

    /// How many instruments there is room for.
    pub fn instruments(&self) -> usize {
        self.checkpoint.instruments
    }

    /// How often books were made anew on a device or the CPU from the checkpoint and the batches since, beside the first time and growth.
    pub fn rebuilds(&self) -> u64 {
        self.rebuilds
    }

    /// Gives a batch to the device and returns while it works; [`collect`](Self::collect) waits for what comes of it, and must be called before the
    /// next batch is given.
    ///
    /// # Errors
    ///
    /// [`GpuError`] where a device fails and nothing is left to turn to.
    pub fn submit(&mut self, batch: UpdateBatch) -> Result<(), GpuError> {
        if batch.instruments() > self.instruments() {
            self.grow(batch.instruments());
        }
        self.journal.push(batch);
        self.each(|books, place, range| books.advance(place, range).map(|_| ()))
    }

    /// Waits for the batch that was given last.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn collect(&mut self) -> Result<Matrix, GpuError> {
        let (instruments, outputs) = (self.instruments(), self.plan.outputs());
        let (features, flow_levels) = (self.plan.features(), self.plan.flow_levels);
        let (resting, words) = (self.plan.resting_levels.len(), vec![0; outputs * instruments]);
        let mut matrix = Matrix { instruments, features, flow_levels, resting, words };
        self.each(|books, place, range| {
            let words = books.fetch(place, range)?;
            matrix.put(range, &words);
            Ok(())
        })?;
        let changes: usize = self.journal.iter().map(UpdateBatch::changes).sum();
        if changes > LEAST_CHANGES.max(4 * instruments) {
            self.take_checkpoint()?;
        }
        Ok(matrix)
    }

    /// Fetches the books as they are after the batch that was collected last.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn download(&mut self) -> Result<BookArrays, GpuError> {
        self.take_checkpoint()?;
        Ok(self.checkpoint.clone())
    }

    fn each(
        &mut self,
        mut work: impl FnMut(&mut Self, Place<'_>, &Range<usize>) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        let changes = self.journal.last().map_or(0, UpdateBatch::changes);
        let rows = self.instruments();
        let of_changes = (changes * CHANGE * size_of::<u64>()).div_ceil(rows.max(1));
        let of_books = BookArrays::bytes_per_instrument(&self.plan) + (self.plan.outputs() + 1) * size_of::<u64>();
        let batch = Batch { rows, bytes_per_row: (of_books + of_changes) as u64 };
        self.runner.with_oom_recovery(&batch, |place, range| {
            let done = work(self, place, &range);
            if done.is_err() {
                // What a failed device held is unknown.
                self.shards.clear();
            }
            done
        })
    }

    /// Applies the last batch to the books of a range, unless that has been done; where they lie among the shards.
    fn advance(&mut self, place: Place<'_>, range: &Range<usize>) -> Result<usize, GpuError> {
        let wanted = self.before_journal + self.journal.len() as u64;
        let is_it = |shard: &Shard| shard.range == *range && shard.seat.is_at(place);
        let found = self.shards.iter().position(|shard| is_it(shard) && shard.applied + 1 >= wanted);
        let at = match found {
            Some(at) => at,
            None => {
                let seat = self.made_anew(place, range)?;
                self.shards.retain(|shard| shard.range.end <= range.start || shard.range.start >= range.end);
                self.shards.push(Shard { range: range.clone(), seat, applied: wanted.saturating_sub(1) });
                self.shards.len() - 1
            }
        };
        let Self { shards, journal, plan, .. } = self;
        let shard = &mut shards[at];
        if shard.applied < wanted
            && let Some(batch) = journal.last()
        {
            match (&mut shard.seat, place) {
                (Seat::Device { resident, out, .. }, Place::Device(compute)) => {
                    *out = None;
                    *out = Some(resident.update(compute, batch, range, plan)?);
                }
                (Seat::Cpu { arrays, out }, _) => *out = Some(on_cpu(arrays, batch, range.start, plan)),
                // `is_at` has told them apart.
                (Seat::Device { .. }, Place::Cpu) => {}
            }
            shard.applied = wanted;
        }
        Ok(at)
    }

    /// The books of a range before the last batch, at a place.
    fn made_anew(&mut self, place: Place<'_>, range: &Range<usize>) -> Result<Seat, GpuError> {
        self.rebuilds += u64::from(self.journal.len() > 1 || self.before_journal > 0);
        let before = self.journal.len().saturating_sub(1);
        let arrays = self.replayed(range, before);
        Ok(match place {
            Place::Cpu => Seat::Cpu { arrays, out: None },
            Place::Device(compute) => {
                let resident = Box::new(Resident::upload(compute, &arrays, &self.plan)?);
                Seat::Device { device: compute.device().clone(), resident, out: None }
            }
        })
    }

    /// The checkpoint's books of a range after so many batches of the journal.
    fn replayed(&self, range: &Range<usize>, batches: usize) -> BookArrays {
        let mut arrays = self.checkpoint.part(range);
        let mut unsummed = Sums::default();
        self.journal[..batches].iter().for_each(|batch| arrays.apply(batch, range.start, &mut unsummed));
        arrays
    }

    fn fetch(&mut self, place: Place<'_>, range: &Range<usize>) -> Result<Vec<u64>, GpuError> {
        for _ in 0..2 {
            let at = self.advance(place, range)?;
            let words = match (&mut self.shards[at].seat, place) {
                (Seat::Device { out, .. }, Place::Device(compute)) => match out.take() {
                    Some(out) => Some(Resident::fetch(compute, out)?),
                    None => None,
                },
                (Seat::Cpu { out, .. }, _) => out.take(),
                (Seat::Device { .. }, Place::Cpu) => None,
            };
            if let Some(words) = words {
                return Ok(words);
            }
            // It has been fetched before: what followed on another device failed. The books are brought to where it can be found again.
            self.shards.remove(at);
        }
        let device = self.runner.device_name();
        Err(GpuError::Failed { device, message: "the features of a batch were not found twice".into() })
    }

    /// Makes the books as they are now the checkpoint: fetched where they are, or replayed where that fails.
    fn take_checkpoint(&mut self) -> Result<(), GpuError> {
        let mut now = BookArrays::of_plan(self.instruments(), &self.plan);
        let applied = self.before_journal + self.journal.len() as u64;
        self.each(|books, place, range| {
            let found = books
                .shards
                .iter()
                .find(|shard| shard.range == *range && shard.seat.is_at(place) && shard.applied == applied);
            let part = match (found.map(|shard| &shard.seat), place) {
                (Some(Seat::Cpu { arrays, .. }), _) => arrays.clone(),
                (Some(Seat::Device { resident, .. }), Place::Device(compute)) => resident.download(compute)?,
                _ => books.replayed(range, books.journal.len()),
            };
            now.copy_from(&part, 0, range.start, range.len());
            Ok(())
        })?;
        self.checkpoint = now;
        self.before_journal = applied;
        self.journal.clear();
        Ok(())
    }

    /// Makes room for more instruments; the device's books are made anew with it.
    fn grow(&mut self, instruments: usize) {
        let whole = 0..self.instruments();
        let now = self.replayed(&whole, self.journal.len());
        self.before_journal += self.journal.len() as u64;
        self.journal.clear();
        let mut grown = BookArrays::of_plan(instruments.next_power_of_two().max(64), &self.plan);
        grown.copy_from(&now, 0, 0, whole.len());
        self.checkpoint = grown;
        self.shards.clear();
    }
}

impl Seat {
    fn is_at(&self, place: Place<'_>) -> bool {
        match (self, place) {
            (Self::Cpu { .. }, Place::Cpu) => true,
            (Self::Device { device, .. }, Place::Device(compute)) => is_same(compute, device),
            _ => false,
        }
    }
}

fn is_same(compute: &Compute, device: &Device) -> bool {
    !compute.is_lost() && compute.device() == device
}

impl std::fmt::Debug for DeviceBooks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceBooks")
            .field("instruments", &self.instruments())
            .field("plan", &self.plan)
            .field("rebuilds", &self.rebuilds)
            .finish_non_exhaustive()
    }
}

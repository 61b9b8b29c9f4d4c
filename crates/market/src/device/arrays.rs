//! The best levels of many books as a structure of arrays, and how a batch changes them: what the kernel does, on the CPU.

use std::ops::Range;

use super::{
    batch::{ASKS, CHANGE, END, NO_FLOW, PUT, SAME_BIT, SET, TRADE, UpdateBatch},
    plan::Plan,
    trades,
};
use crate::event::Side;
use crate::features::{
    Level,
    ofi::{ask_flow, bid_flow},
};

/// In [`BookArrays::flags`]: the book has been whole once.
pub(super) const TOLD: u32 = 1;

/// The best levels of a side, best first, of some instruments. Neighbours in memory are the same level of neighbouring instruments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookArrays {
    pub(super) instruments: usize,
    pub(super) levels: usize,
    /// Prices in ticks, [side][level][instrument], bids first.
    pub(super) prices: Vec<i64>,
    /// Sizes in lots, the same.
    pub(super) sizes: Vec<u64>,
    /// How many levels there are, [side][instrument], then flags, [instrument].
    pub(super) heads: Vec<u32>,
    /// What features keep beside the levels, [row][instrument].
    pub(super) state: Vec<u64>,
}

impl BookArrays {
    /// Empty books.
    pub fn new(instruments: usize, levels: usize) -> Self {
        let cells = 2 * levels * instruments;
        let heads = vec![0; 3 * instruments];
        Self { instruments, levels, prices: vec![0; cells], sizes: vec![0; cells], heads, state: Vec::new() }
    }

    /// Empty books, with what the features of a plan keep.
    pub(super) fn of_plan(instruments: usize, plan: &Plan) -> Self {
        Self { state: vec![0; plan.state_rows * instruments], ..Self::new(instruments, plan.levels()) }
    }

    /// Bytes of one instrument.
    pub(super) fn bytes_per_instrument(plan: &Plan) -> usize {
        let levels = 2 * plan.levels() * (size_of::<i64>() + size_of::<u64>());
        levels + 3 * size_of::<u32>() + plan.state_rows * size_of::<u64>()
    }

    /// How many numbers of state an instrument has.
    fn state_rows(&self) -> usize {
        self.state.len() / self.instruments.max(1)
    }

    /// The instruments of a range, or as many as there are, the others empty.
    pub(super) fn part(&self, range: &Range<usize>) -> Self {
        let mut part = Self::new(range.len(), self.levels);
        part.state = vec![0; self.state_rows() * range.len()];
        part.copy_from(self, range.start, 0, range.len().min(self.instruments.saturating_sub(range.start)));
        part
    }

    /// Takes over `count` instruments of others with as many levels.
    pub(super) fn copy_from(&mut self, other: &Self, from: usize, to: usize, count: usize) {
        let copied = |row: usize, width: usize, at: usize| row * width + at..row * width + at + count;
        for row in 0..2 * self.levels {
            let (here, there) = (copied(row, self.instruments, to), copied(row, other.instruments, from));
            self.prices[here.clone()].copy_from_slice(&other.prices[there.clone()]);
            self.sizes[here].copy_from_slice(&other.sizes[there]);
        }
        for row in 0..3 {
            let (here, there) = (copied(row, self.instruments, to), copied(row, other.instruments, from));
            self.heads[here].copy_from_slice(&other.heads[there]);
        }
        for row in 0..self.state_rows() {
            let (here, there) = (copied(row, self.instruments, to), copied(row, other.instruments, from));
            self.state[here].copy_from_slice(&other.state[there]);
        }
    }

    /// How many levels an instrument's side has here.
    pub fn depth(&self, side: Side, instrument: usize) -> usize {
        self.heads[side as usize * self.instruments + instrument] as usize
    }

    /// A level, from 0, of those that there are.
    pub fn level(&self, side: Side, level: usize, instrument: usize) -> Level {
        let place = self.place(side, level, instrument);
        Level { price_ticks: self.prices[place], size: self.sizes[place] }
    }

    pub(super) fn flags(&self, instrument: usize) -> u32 {
        self.heads[2 * self.instruments + instrument]
    }

    fn place(&self, side: Side, level: usize, instrument: usize) -> usize {
        (side as usize * self.levels + level) * self.instruments + instrument
    }

    /// Applies the changes of the instruments `first..` that these are, and adds them up.
    pub(super) fn apply(&mut self, batch: &UpdateBatch, first: usize, sums: &mut Sums) {
        let n = self.instruments;
        let starts = batch.starts_of(&(first..first + n));
        let words = batch.words_of(&starts);
        let flow_levels = sums.flow.len() / n.max(1);
        let mut before = [vec![Level::default(); flow_levels], vec![Level::default(); flow_levels]];
        for instrument in 0..n {
            let range = starts[instrument] - starts[0]..starts[instrument + 1] - starts[0];
            if range.is_empty() {
                continue;
            }
            self.top(instrument, &mut before);
            for change in words[range.start as usize * CHANGE..range.end as usize * CHANGE].chunks_exact(CHANGE) {
                let (what, price_ticks, size) = (change[0], change[1] as i64, change[2]);
                if what & TRADE != 0 {
                    trades::take(self, instrument, change);
                } else if what & PUT != 0 {
                    self.state[price_ticks as usize * n + instrument] = size;
                } else if what & SET != 0 {
                    let side = if what & ASKS == 0 { Side::Bid } else { Side::Ask };
                    self.set(side, instrument, price_ticks, size);
                }
                if what & END == 0 {
                    continue;
                }
                self.heads[2 * n + instrument] |= TOLD;
                self.rest(instrument, 1 + (what >> SAME_BIT), sums);
                let mut now = before.clone();
                self.top(instrument, &mut now);
                if what & NO_FLOW == 0 {
                    for level in 0..flow_levels {
                        let of_event =
                            bid_flow(before[0][level], now[0][level]) - ask_flow(before[1][level], now[1][level]);
                        let sum = &mut sums.flow[level * n + instrument];
                        let (added, overflow) = sum.overflowing_add(of_event);
                        *sum = added;
                        sums.has_overflown[instrument] |= overflow;
                    }
                }
                before = now;
            }
        }
    }

    /// Adds up what rests in so many books that are the same.
    fn rest(&self, instrument: usize, books: u64, sums: &mut Sums) {
        let n = self.instruments;
        for (place, levels) in sums.resting_levels.iter().enumerate() {
            let of_side = |side: Side| {
                let depth = self.depth(side, instrument).min(*levels);
                (0..depth).fold(0_u64, |sum, level| sum.saturating_add(self.level(side, level, instrument).size)) as f64
            };
            sums.resting[place * n + instrument] += (of_side(Side::Bid) + of_side(Side::Ask)) * books as f64;
        }
        if !sums.resting_levels.is_empty() {
            sums.books[instrument] += books;
        }
    }

    /// The best levels of an instrument; those that there are not count as of size 0 at the worst of prices.
    fn top(&self, instrument: usize, out: &mut [Vec<Level>; 2]) {
        for (side, worst) in [(Side::Bid, i64::MIN), (Side::Ask, i64::MAX)] {
            let depth = self.depth(side, instrument);
            for (level, out) in out[side as usize].iter_mut().enumerate() {
                let none = Level { price_ticks: worst, size: 0 };
                *out = if level < depth { self.level(side, level, instrument) } else { none };
            }
        }
    }

    /// Sets, adds or takes away a level; the last one is dropped where one too many is added.
    fn set(&mut self, side: Side, instrument: usize, price_ticks: i64, size: u64) {
        let n = self.instruments;
        let depth = self.depth(side, instrument);
        let better = |there: i64| if side == Side::Bid { there > price_ticks } else { there < price_ticks };
        let base = self.place(side, 0, instrument);
        let mut at = 0;
        while at < depth && better(self.prices[base + at * n]) {
            at += 1;
        }
        let is_there = at < depth && self.prices[base + at * n] == price_ticks;
        let mut depth_after = depth;
        if is_there && size == 0 {
            for level in at + 1..depth {
                self.prices[base + (level - 1) * n] = self.prices[base + level * n];
                self.sizes[base + (level - 1) * n] = self.sizes[base + level * n];
            }
            depth_after -= 1;
        } else if is_there {
            self.sizes[base + at * n] = size;
        } else if size > 0 && at < self.levels {
            depth_after = (depth + 1).min(self.levels);
            for level in (at + 1..depth_after).rev() {
                self.prices[base + level * n] = self.prices[base + (level - 1) * n];
                self.sizes[base + level * n] = self.sizes[base + (level - 1) * n];
            }
            self.prices[base + at * n] = price_ticks;
            self.sizes[base + at * n] = size;
        }
        self.heads[side as usize * n + instrument] = depth_after as u32;
    }
}

/// What a batch adds up to, [level or number][instrument].
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Order flow.
    flow: Vec<i64>,
    resting_levels: Vec<usize>,
    /// What rested at so many levels of both sides, over the books.
    resting: Vec<f64>,
    books: Vec<u64>,
    has_overflown: Vec<bool>,
}

impl Sums {
    /// Nothing yet, of so many instruments.
    fn of_plan(instruments: usize, plan: &Plan) -> Self {
        Self {
            flow: vec![0; plan.flow_levels * instruments],
            resting_levels: plan.resting_levels.clone(),
            resting: vec![0.0; plan.resting_levels.len() * instruments],
            books: vec![0; if plan.resting_levels.is_empty() { 0 } else { instruments }],
            has_overflown: vec![false; instruments],
        }
    }
}

/// What a batch and the books after it come to, as a device gives it: [feature][instrument] bits of f64, then [level][instrument] flows, then what
/// rested as [number][instrument] bits of f64 and [instrument] in how many books, then [instrument] a bit for each feature that has a value and those
/// of [`TOLD_BIT`] and [`OVERFLOW_BIT`].
pub(super) fn on_cpu(arrays: &mut BookArrays, batch: &UpdateBatch, first: usize, plan: &Plan) -> Vec<u64> {
    let n = arrays.instruments;
    let mut sums = Sums::of_plan(n, plan);
    arrays.apply(batch, first, &mut sums);
    let mut out = super::columns::features(arrays, plan);
    let of_batch = plan.features() * n..(plan.outputs() - 1) * n;
    let found = sums.flow.iter().map(|flow| *flow as u64).chain(sums.resting.iter().map(|lots| lots.to_bits()));
    out[of_batch].iter_mut().zip(found.chain(sums.books)).for_each(|(out, found)| *out = found);
    for (instrument, present) in out[(plan.outputs() - 1) * n..].iter_mut().enumerate() {
        *present |= u64::from(arrays.flags(instrument) & TOLD) << TOLD_BIT;
        *present |= u64::from(sums.has_overflown[instrument]) << OVERFLOW_BIT;
    }
    out
}

/// The bit that says that the book has been whole once.
pub(super) const TOLD_BIT: u32 = 62;
/// The bit that says that a flow did not fit in 64 bits.
pub(super) const OVERFLOW_BIT: u32 = 63;

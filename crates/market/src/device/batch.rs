//! Changes of levels, gathered as they come and grouped by instrument for the device.

use std::ops::Range;

use crate::{event::Side, features::Trade};

/// Numbers of 64 bits that one change takes: what it is, its price, its size.
pub(super) const CHANGE: usize = 3;

/// The change is of asks.
pub(super) const ASKS: u64 = 1;
/// A level holds this much from now on; 0 takes it away.
pub(super) const SET: u64 = 2;
/// The book is whole after this change: its flow is that since the last time it was.
pub(super) const END: u64 = 4;
/// With [`END`]: what led to this book is not known, and no flow.
pub(super) const NO_FLOW: u64 = 8;
/// A number of the instrument's state, at the row that stands in place of the price, is that in place of the size.
pub(super) const PUT: u64 = 16;
/// A trade at a price, of a size.
pub(super) const TRADE: u64 = 32;
/// With [`TRADE`]: the side of the resting order is told, by [`ASKS`].
pub(super) const SIDED: u64 = 64;
/// With [`TRADE`]: the mid before it is not known.
pub(super) const NO_MID: u64 = 128;
/// With [`END`], counted from this bit on: so many more books followed that are the same.
pub(super) const SAME_BIT: u32 = 32;

/// No change of an instrument yet.
const NONE: u32 = u32::MAX;

/// What happened to the books between two moments, by instrument and in order within each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateBatch {
    /// Where the changes of each instrument begin, and where the last one's end.
    starts: Vec<u64>,
    /// [`CHANGE`] numbers a change.
    words: Vec<u64>,
}

impl UpdateBatch {
    /// How many instruments it tells of; those beyond have no change.
    pub fn instruments(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// How many changes there are.
    pub fn changes(&self) -> usize {
        self.words.len() / CHANGE
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Where the changes of some instruments begin, with the end of the last: one more than instruments.
    pub(super) fn starts_of(&self, instruments: &Range<usize>) -> Vec<u64> {
        let end = self.starts.last().copied().unwrap_or(0);
        (instruments.start..=instruments.end).map(|at| self.starts.get(at).copied().unwrap_or(end)).collect()
    }

    /// The changes from one start to another.
    pub(super) fn words_of(&self, starts: &[u64]) -> &[u64] {
        let at = |place: Option<&u64>| place.map_or(0, |start| *start as usize * CHANGE);
        &self.words[at(starts.first())..at(starts.last())]
    }
}

/// One change, with its instrument.
#[derive(Debug, Clone, Copy)]
struct Told {
    instrument: u32,
    what: u64,
    price_ticks: i64,
    size: u64,
}

/// Changes as they come. What has no end of its message yet waits for the next batch.
#[derive(Debug, Clone, Default)]
pub struct Gather {
    told: Vec<Told>,
    /// Of each instrument, the place of its last change, and of the last that ends a message.
    last: Vec<[u32; 2]>,
}

impl Gather {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no change has been told since the last batch.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// A level of an instrument holds so many lots from now on; 0 takes it away.
    pub fn set(&mut self, instrument: u32, side: Side, price_ticks: i64, size: u64) {
        let what = SET | if side == Side::Ask { ASKS } else { 0 };
        self.push(Told { instrument, what, price_ticks, size });
    }

    /// The instrument's book is whole; where `has_flow` is false, what led to it is not known.
    pub fn end(&mut self, instrument: u32, has_flow: bool) {
        let last = self.last.get(instrument as usize).copied().unwrap_or([NONE; 2]);
        // An end of nothing, or after an end, is a change of its own.
        if last[0] == NONE || last[0] == last[1] {
            self.push(Told { instrument, what: 0, price_ticks: 0, size: 0 });
        }
        let last = &mut self.last[instrument as usize];
        last[1] = last[0];
        self.told[last[0] as usize].what |= if has_flow { END } else { END | NO_FLOW };
    }

    /// The instrument's book is the same as the one before, and is one more.
    pub fn same(&mut self, instrument: u32) {
        let last = self.last.get(instrument as usize).copied().unwrap_or([NONE; 2]);
        let is_end = last[0] != NONE && last[0] == last[1] && self.told[last[0] as usize].what & END != 0;
        match is_end {
            true => self.told[last[0] as usize].what += 1 << SAME_BIT,
            false => self.end(instrument, true),
        }
    }

    /// A trade took place, before what is told next of the instrument.
    pub fn trade(&mut self, instrument: u32, trade: &Trade, has_mid: bool) {
        let side = match trade.resting_side {
            Some(Side::Ask) => SIDED | ASKS,
            Some(Side::Bid) => SIDED,
            None => 0,
        };
        let what = TRADE | side | if has_mid { 0 } else { NO_MID };
        self.push_whole(Told { instrument, what, price_ticks: trade.price_ticks, size: trade.size });
    }

    /// A number of the instrument's state is this from now on.
    pub fn put(&mut self, instrument: u32, row: usize, number: u64) {
        self.push_whole(Told { instrument, what: PUT, price_ticks: row as i64, size: number });
    }

    /// Takes what needs no end of a message; behind what waits for one, it waits as well.
    fn push_whole(&mut self, told: Told) {
        let instrument = told.instrument as usize;
        let nothing_waits = self.last.get(instrument).is_none_or(|last| last[0] == last[1]);
        self.push(told);
        if nothing_waits {
            self.last[instrument][1] = self.last[instrument][0];
        }
    }

    fn push(&mut self, told: Told) {
        let instrument = told.instrument as usize;
        if self.last.len() <= instrument {
            self.last.resize(instrument + 1, [NONE; 2]);
        }
        self.last[instrument][0] = self.told.len() as u32;
        self.told.push(told);
    }

    /// What was told and has ended, by instrument.
    pub fn cut(&mut self) -> UpdateBatch {
        let has_ended = |place: usize, told: &Told, last: &[[u32; 2]]| {
            let end = last[told.instrument as usize][1];
            end != NONE && place as u32 <= end
        };
        let mut starts = vec![0_u64; self.last.len() + 1];
        for (place, told) in self.told.iter().enumerate() {
            starts[told.instrument as usize + 1] += u64::from(has_ended(place, told, &self.last));
        }
        for instrument in 1..starts.len() {
            starts[instrument] += starts[instrument - 1];
        }
        let mut next = starts.clone();
        let mut words = vec![0; starts.last().copied().unwrap_or(0) as usize * CHANGE];
        let mut waiting = Vec::new();
        for (place, told) in self.told.iter().enumerate() {
            if !has_ended(place, told, &self.last) {
                waiting.push(*told);
                continue;
            }
            let at = &mut next[told.instrument as usize];
            let word = *at as usize * CHANGE;
            words[word..word + CHANGE].copy_from_slice(&[told.what, told.price_ticks as u64, told.size]);
            *at += 1;
        }
        self.told.clear();
        self.last.fill([NONE; 2]);
        waiting.into_iter().for_each(|told| self.push(told));
        if words.is_empty() { UpdateBatch::default() } else { UpdateBatch { starts, words } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_grouped_by_instrument_and_an_open_message_waits() {
        let mut gather = Gather::new();
        gather.set(2, Side::Bid, 100, 5);
        gather.set(0, Side::Ask, -7, 9);
        gather.end(0, true);
        gather.set(2, Side::Ask, 101, 6);
        gather.end(2, false);
        gather.set(2, Side::Bid, 99, 1);
        gather.end(0, true);
        let batch = gather.cut();
        assert_eq!((batch.instruments(), batch.changes()), (3, 4));
        assert_eq!(batch.starts_of(&(0..5)), [0, 2, 2, 4, 4, 4]);
        let starts = batch.starts_of(&(1..3));
        assert_eq!(batch.words_of(&starts), [SET, 100, 5, SET | ASKS | END | NO_FLOW, 101, 6]);
        assert_eq!(batch.words_of(&[0, 2]), [SET | ASKS | END, -7_i64 as u64, 9, END, 0, 0]);
        // The bid of 99 comes with the end of its message.
        assert!(gather.cut().is_empty());
        gather.end(2, true);
        let batch = gather.cut();
        assert_eq!(batch.words_of(&batch.starts_of(&(2..3))), [SET | END, 99, 1]);
        assert!(gather.is_empty() && gather.cut().is_empty());
    }

    #[test]
    fn books_that_are_the_same_are_counted_and_trades_do_not_wait() {
        let mut gather = Gather::new();
        let trade = |resting_side| Trade { time_ns: 0, price_ticks: 7, size: 3, resting_side };
        gather.trade(1, &trade(None), false);
        gather.same(1);
        gather.same(1);
        gather.trade(1, &trade(Some(Side::Ask)), true);
        gather.same(1);
        gather.put(0, 4, 9);
        // What is behind an open message waits with it.
        gather.set(0, Side::Bid, 1, 1);
        gather.trade(0, &trade(Some(Side::Bid)), true);
        let batch = gather.cut();
        let words = batch.words_of(&batch.starts_of(&(0..2)));
        let of_it = [TRADE | NO_MID, 7, 3, END | 1 << SAME_BIT, 0, 0, TRADE | SIDED | ASKS, 7, 3, END, 0, 0];
        assert_eq!(words, [&[PUT, 4, 9][..], &of_it].concat());
        gather.end(0, true);
        let batch = gather.cut();
        assert_eq!(batch.words_of(&batch.starts_of(&(0..1))), [SET, 1, 1, TRADE | SIDED | END, 7, 3]);
    }
}

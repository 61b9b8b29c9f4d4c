//! What a feed's events change of the best levels of each instrument's book.

use std::collections::VecDeque;

use super::batch::{Gather, UpdateBatch};
use crate::{
    book::{Books, FaultCounts, Limits},
    event::{Body, Event, Flags, InstrumentId, Side},
    features::{Clock, Depth, Level, Times, is_of_book},
};

/// What is known of one instrument.
#[derive(Debug, Default)]
struct Instrument {
    clock: Clock,
    /// Whether it has had an event.
    has_begun: bool,
    /// The levels that were told last, by the number of the side.
    shown: [Vec<Level>; 2],
    /// Whether those were levels of the book, and not quotes.
    shows_levels: bool,
    /// Whether something in view may have changed since.
    is_dirty: bool,
    /// Whether what led from the last book to the next is its flow.
    has_flow: bool,
}

/// Keeps whole books, and tells what changed of the best levels when each of the venue's messages has ended.
///
/// Which book is given after which event is as for [`FeatureStream`](crate::features::FeatureStream).
#[derive(Debug)]
pub struct Recorder {
    books: Books,
    levels: usize,
    times: Times,
    /// Flows count at multiples of this: a batch has those of one only.
    every_ns: u64,
    instruments: Vec<Instrument>,
    gather: Gather,
    /// The moment that the flows gathered count at.
    slot_ns: Option<u64>,
    /// Batches that were cut because their flows count at another moment than what followed.
    cut: VecDeque<(u64, UpdateBatch)>,
    now: [Vec<Level>; 2],
}

impl Recorder {
    /// Of the best `levels` levels, for rows at multiples of `every_ns`.
    pub fn new(levels: usize, every_ns: u64, times: Times) -> Self {
        Self {
            books: Books::new(),
            levels,
            times,
            every_ns: every_ns.max(1),
            instruments: Vec::new(),
            gather: Gather::new(),
            slot_ns: None,
            cut: VecDeque::new(),
            now: [Vec::with_capacity(levels), Vec::with_capacity(levels)],
        }
    }

    /// The whole books.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// What could not be applied to them.
    pub fn faults(&self) -> FaultCounts {
        *self.books.faults()
    }

    /// How many events told a time that was not believed, over all instruments.
    pub fn unbelieved_times(&self) -> u64 {
        self.instruments.iter().map(|instrument| instrument.clock.unbelieved_times()).sum()
    }

    /// The time of an instrument's last book; `None` where nothing told any.
    pub fn time_ns(&self, instrument: InstrumentId) -> Option<u64> {
        self.instruments.get(instrument.0 as usize)?.clock.told_ns()
    }

    /// The time that the instrument's next event would be taken to have, were it to tell this one.
    pub fn would_be_ns(&self, instrument: InstrumentId, time_ns: u64) -> u64 {
        self.instruments.get(instrument.0 as usize).map_or(time_ns, |known| known.clock.would_be_ns(time_ns))
    }

    /// Takes the next event; whether its instrument's book is whole with it.
    pub fn event(&mut self, event: &Event) -> bool {
        if event.instrument.0 >= Limits::default().instruments {
            // The books count it.
            self.books.apply(event);
            return false;
        }
        let times = self.times;
        let known = self.known(event.instrument);
        known.has_begun = true;
        let time_ns = known.clock.at(event, times);
        let is_refill = event.body == Body::Clear && event.flags.contains(Flags::SNAPSHOT);
        if is_refill || event.flags.contains(Flags::GAP) {
            self.known(event.instrument).has_flow = false;
        }
        let touches = self.touches(event);
        self.books.apply(event);
        let book = self.books.book(event.instrument);
        let has_levels = book.depth(Side::Bid) + book.depth(Side::Ask) > 0;
        let instrument = &mut self.instruments[event.instrument.0 as usize];
        instrument.is_dirty |= touches;
        if !is_of_book(event, has_levels) {
            return false;
        }
        if has_levels != instrument.shows_levels {
            (instrument.is_dirty, instrument.shows_levels) = (true, has_levels);
        }
        if instrument.is_dirty {
            for side in [Side::Bid, Side::Ask] {
                let levels = &mut self.now[side as usize];
                levels.clear();
                let best = book.levels(side).take(self.levels);
                levels.extend(best.map(|level| Level { price_ticks: level.price_ticks, size: level.size }));
                if !has_levels {
                    levels.extend(book.quote(side).map(|(price_ticks, size)| Level { price_ticks, size }));
                }
            }
        }
        self.tell(event.instrument, time_ns);
        true
    }

    /// Takes an instrument's book as it is told whole; levels beyond those that are looked at are left out.
    pub fn depth(&mut self, instrument: InstrumentId, depth: &Depth<'_>) {
        let known = self.known(instrument);
        known.has_begun = true;
        known.clock.advance(depth.time_ns);
        let time_ns = known.clock.told_ns().unwrap_or(depth.time_ns);
        known.is_dirty = true;
        for (now, side) in self.now.iter_mut().zip([depth.bids, depth.asks]) {
            now.clear();
            now.extend(side.iter().take(self.levels));
        }
        self.tell(instrument, time_ns);
    }

    /// Moves the instruments on to a row's time.
    pub fn advance(&mut self, time_ns: u64) {
        // One without an event has no time yet: the first is believed whatever it says.
        let begun = self.instruments.iter_mut().filter(|instrument| instrument.has_begun);
        begun.for_each(|instrument| instrument.clock.advance(time_ns));
    }

    /// What was told since the last batch, in batches whose flows count at one moment each, with that moment: the last is all the rest, and may be
    /// empty.
    pub fn cut(&mut self, moment_ns: u64) -> Vec<(u64, UpdateBatch)> {
        let last = (self.slot_ns.take().unwrap_or(moment_ns), self.gather.cut());
        self.cut.drain(..).chain([last]).collect()
    }

    /// Whether an event may change what is in view.
    fn touches(&self, event: &Event) -> bool {
        let instrument = &self.instruments[event.instrument.0 as usize];
        let is_in_view = |side: Side, price_ticks: i64| {
            let shown = &instrument.shown[side as usize];
            shown.len() < self.levels
                || shown.last().is_none_or(|last| match side {
                    Side::Bid => price_ticks >= last.price_ticks,
                    Side::Ask => price_ticks <= last.price_ticks,
                })
        };
        let order = |order_id| self.books.book(event.instrument).order(order_id);
        match event.body {
            Body::Add { side, price_ticks, .. } | Body::Level { side, price_ticks, .. } => {
                is_in_view(side, price_ticks)
            }
            Body::Cancel { order_id, .. } | Body::Execute { order_id, .. } => {
                order(order_id).is_some_and(|(side, price_ticks, _)| is_in_view(side, price_ticks))
            }
            Body::Modify { order_id, price_ticks, .. } => order(order_id)
                .is_some_and(|(side, was_ticks, _)| is_in_view(side, was_ticks) || is_in_view(side, price_ticks)),
            Body::Clear => true,
            Body::Quote { .. } => !instrument.shows_levels,
            Body::Trade { .. } | Body::Status(_) | Body::Definition => false,
        }
    }

    /// Tells what differs between the levels that were shown and those now, and that the book is whole.
    fn tell(&mut self, id: InstrumentId, time_ns: u64) {
        let instrument = &mut self.instruments[id.0 as usize];
        let differs = std::mem::take(&mut instrument.is_dirty) && instrument.shown != self.now;
        if !differs && instrument.has_flow {
            return;
        }
        let slot_ns = time_ns.div_ceil(self.every_ns).saturating_mul(self.every_ns);
        if self.slot_ns.is_some_and(|slot| slot != slot_ns) && !self.gather.is_empty() {
            self.cut.push_back((self.slot_ns.unwrap_or(slot_ns), self.gather.cut()));
        }
        self.slot_ns = Some(slot_ns);
        if differs {
            for side in [Side::Bid, Side::Ask] {
                let (shown, now) = (&mut instrument.shown[side as usize], &self.now[side as usize]);
                tell_side(&mut self.gather, id.0, side, (shown, now), self.levels);
                shown.clone_from(now);
            }
        }
        self.gather.end(id.0, instrument.has_flow);
        instrument.has_flow = true;
    }

    fn known(&mut self, instrument: InstrumentId) -> &mut Instrument {
        let at = instrument.0 as usize;
        if at >= self.instruments.len() {
            self.instruments.resize_with(at + 1, Instrument::default);
        }
        &mut self.instruments[at]
    }
}

/// Tells what differs on one side: first what is taken away, then what is set, so that a level that is pushed out is the last.
fn tell_side(gather: &mut Gather, instrument: u32, side: Side, (was, now): (&[Level], &[Level]), levels: usize) {
    let better = |a: i64, b: i64| if side == Side::Bid { a > b } else { a < b };
    let is_full = now.len() == levels;
    let mut there = now.iter().peekable();
    for level in was {
        while there.next_if(|now| better(now.price_ticks, level.price_ticks)).is_some() {}
        let stays = there.peek().is_some_and(|now| now.price_ticks == level.price_ticks);
        // Behind a full view it is dropped by what is set before it.
        let is_pushed_out = is_full && there.peek().is_none();
        if !stays && !is_pushed_out {
            gather.set(instrument, side, level.price_ticks, 0);
        }
    }
    let mut before = was.iter().peekable();
    for level in now {
        while before.next_if(|was| better(was.price_ticks, level.price_ticks)).is_some() {}
        if before.peek().is_none_or(|was| **was != *level) {
            gather.set(instrument, side, level.price_ticks, level.size);
        }
    }
}

//! What a feed's events change of the best levels of each instrument's book.

use super::{
    batch::{Gather, UpdateBatch},
    plan::{NO_ENTRY, Plan, TABLE_HEAD, TableOfPrices},
};
use zomma_gpu::broker::HostMemory;

use crate::{
    book::{Books, FaultCounts, Limits},
    event::{Body, Event, Flags, InstrumentId, Side},
    features::{
        Clock, Depth, Level, Times, is_of_book,
        microprice::{Microprice, StreamingMicroprice, Workspace},
        ofi::DAY_NS,
        trade_of,
    },
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
    /// When its last book was.
    book_ns: Option<u64>,
    /// Where the last that was told of it is: a time before the first that is believed may be later than that.
    slot: Slot,
    /// What fits the plan's tables of prices, with how many fits the device knows of.
    tables: Vec<(StreamingMicroprice, u64)>,
}

/// The moment that flows count at, the first row at or after them; and where it is told apart, whether the books were at it and not before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Slot {
    slot_ns: u64,
    is_at: bool,
}

/// What has been told of a moment.
#[derive(Debug)]
struct Open {
    slot: Slot,
    gather: Gather,
    paused: Vec<u32>,
}

/// The memory that microprices take, of all instruments together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TablesRoom {
    /// Instruments that have asked for it.
    pub instruments: u64,
    /// Bytes of each.
    pub bytes_each: u64,
    /// Bytes that are allowed.
    pub most_bytes: u64,
    is_short: bool,
}

impl Default for TablesRoom {
    fn default() -> Self {
        Self { instruments: 0, bytes_each: 0, most_bytes: u64::MAX, is_short: false }
    }
}

impl TablesRoom {
    /// Whether there is room for one more.
    fn takes_one(&mut self) -> bool {
        if self.is_short {
            return false;
        }
        self.instruments += 1;
        self.is_short = self.instruments.saturating_mul(self.bytes_each) > self.most_bytes;
        !self.is_short
    }
}

/// Half of the memory that the system says is available; all there could be where it does not say.
fn half_of_available() -> u64 {
    let host = HostMemory { meminfo: "/proc/meminfo".into() };
    host.total_and_free().map_or(u64::MAX, |(_, available)| available / 2)
}

/// Changes of books whose flows count at one moment.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// The moment: the first row at or after the books.
    pub slot_ns: u64,
    /// The changes.
    pub batch: UpdateBatch,
    /// Where it is told apart: whether the books were at the moment itself, and not before it.
    pub(super) is_at: bool,
    /// Instruments whose first book here came more than a day after the one before.
    pub(super) paused: Vec<u32>,
}

impl Cut {
    /// A time of the interval that the books are of: one that ends by the moment, or that begins with it.
    pub(super) fn time_ns(&self) -> u64 {
        if self.is_at { self.slot_ns } else { self.slot_ns.saturating_sub(1) }
    }
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
    /// What is told and not cut yet, by the moment that its flows count at: of two, the later has what came later of each instrument.
    open: Vec<Open>,
    spare: Vec<Gather>,
    tables: Vec<TableOfPrices>,
    /// What fits of each table work in.
    workspaces: Vec<Workspace>,
    tables_room: TablesRoom,
    /// Whether books count that change nothing in view, and whether they are at a row's moment or before it.
    counts_books: bool,
    tells_trades: bool,
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
            open: Vec::new(),
            spare: Vec::new(),
            tables: Vec::new(),
            workspaces: Vec::new(),
            tables_room: TablesRoom::default(),
            counts_books: false,
            tells_trades: false,
            now: [Vec::with_capacity(levels), Vec::with_capacity(levels)],
        }
    }

    /// Of what the features of a plan look at.
    pub fn of_plan(plan: &Plan, every_ns: u64, times: Times) -> Self {
        let most_bytes = if plan.tables.is_empty() { u64::MAX } else { half_of_available() };
        Self {
            tables: plan.tables.clone(),
            workspaces: plan.tables.iter().map(TableOfPrices::workspace).collect(),
            tables_room: TablesRoom {
                bytes_each: plan.tables.iter().map(TableOfPrices::bytes).sum(),
                most_bytes,
                ..TablesRoom::default()
            },
            counts_books: !plan.resting_levels.is_empty(),
            tells_trades: plan.has_trades,
            ..Self::new(plan.levels(), every_ns, times)
        }
    }

    /// The microprices take no more memory than this, of all instruments together; half of what was available at first unless this says otherwise.
    pub fn with_most_table_bytes(mut self, most_bytes: u64) -> Self {
        self.tables_room.most_bytes = most_bytes;
        self
    }

    /// How many instruments need how much memory for their microprices, where that is more than is allowed: those of the last ones are not found.
    pub fn tables_room(&self) -> Option<TablesRoom> {
        Some(self.tables_room).filter(|room| room.is_short)
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
            let known = self.known(event.instrument);
            known.has_flow = false;
            known.tables.iter_mut().for_each(|(table, _)| table.on_break());
        }
        if self.tells_trades
            && let Some(trade) = trade_of(&self.books, event, time_ns)
        {
            let has_mid = self.known(event.instrument).has_flow;
            let place = self.open_at(event.instrument, time_ns);
            self.open[place].gather.trade(event.instrument.0, &trade, has_mid);
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

    /// What was told since the last batch, in batches whose flows count at one moment each, in order; one of nothing where nothing was told.
    pub fn cut(&mut self, moment_ns: u64) -> Vec<Cut> {
        let Self { open, spare, .. } = self;
        let cut = |Open { slot, mut gather, paused }: Open| {
            let batch = gather.cut();
            // The recorder tells messages when they have ended: none waits.
            spare.push(gather);
            Cut { slot_ns: slot.slot_ns, is_at: slot.is_at, batch, paused }
        };
        let mut cuts: Vec<Cut> = open.drain(..).map(cut).collect();
        if cuts.is_empty() {
            cuts.push(Cut { slot_ns: moment_ns, ..Cut::default() });
        }
        cuts
    }

    /// Where among those that are open what happens to an instrument at a time is gathered: behind what happened to it before.
    fn open_at(&mut self, instrument: InstrumentId, time_ns: u64) -> usize {
        let slot_ns = time_ns.div_ceil(self.every_ns).saturating_mul(self.every_ns);
        let last = &mut self.instruments[instrument.0 as usize].slot;
        let slot = (*last).max(Slot { slot_ns, is_at: self.counts_books && slot_ns == time_ns });
        *last = slot;
        let behind = self.open.iter().rposition(|open| open.slot <= slot);
        match behind {
            Some(place) if self.open[place].slot == slot => place,
            _ => {
                let place = behind.map_or(0, |place| place + 1);
                let gather = self.spare.pop().unwrap_or_default();
                self.open.insert(place, Open { slot, gather, paused: Vec::new() });
                place
            }
        }
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
        let at = id.0 as usize;
        let instrument = &mut self.instruments[at];
        let differs = std::mem::take(&mut instrument.is_dirty) && instrument.shown != self.now;
        let has_flow = std::mem::replace(&mut instrument.has_flow, true);
        let before_ns = instrument.book_ns.replace(time_ns);
        if differs {
            std::mem::swap(&mut instrument.shown, &mut self.now);
        }
        let is_same = !differs && has_flow;
        if !is_same || self.counts_books {
            let levels = self.levels;
            let place = self.open_at(id, time_ns);
            let Open { gather, paused, .. } = &mut self.open[place];
            if before_ns.is_some_and(|before_ns| time_ns.saturating_sub(before_ns) > DAY_NS) {
                paused.push(id.0);
            }
            if differs {
                for side in [Side::Bid, Side::Ask] {
                    let (was, now) = (&self.now[side as usize], &self.instruments[at].shown[side as usize]);
                    tell_side(gather, id.0, side, (was, now), levels);
                }
            }
            match is_same {
                true => gather.same(id.0),
                false => gather.end(id.0, has_flow),
            }
        }
        if !self.tables.is_empty() {
            self.fit_tables(id, time_ns);
        }
    }

    /// Counts the step to the book that is shown now in the chains of the microprices, and tells the tables that are fitted by it.
    fn fit_tables(&mut self, id: InstrumentId, time_ns: u64) {
        let instrument = &mut self.instruments[id.0 as usize];
        if instrument.tables.is_empty() {
            if !self.tables_room.takes_one() {
                return;
            }
            instrument.tables.extend(self.tables.iter().map(|table| (table.streaming(), 0)));
        }
        let [bids, asks] = &instrument.shown;
        let depth = Depth { time_ns, bids, asks };
        let mut is_fitted = false;
        for ((streaming, known), work) in instrument.tables.iter_mut().zip(&mut self.workspaces) {
            streaming.on_depth_with(&depth, work);
            is_fitted |= streaming.fits() != *known;
        }
        if is_fitted {
            self.tell_tables(id, time_ns);
        }
    }

    #[cold]
    fn tell_tables(&mut self, id: InstrumentId, time_ns: u64) {
        let place = self.open_at(id, time_ns);
        let gather = &mut self.open[place].gather;
        for (table, (streaming, known)) in self.tables.iter().zip(&mut self.instruments[id.0 as usize].tables) {
            if streaming.fits() != *known
                && let Some(fitted) = streaming.fitted()
            {
                *known = streaming.fits();
                tell_table(gather, id.0, table.row, fitted);
            }
        }
    }

    fn known(&mut self, instrument: InstrumentId) -> &mut Instrument {
        let at = instrument.0 as usize;
        if at >= self.instruments.len() {
            self.instruments.resize_with(at + 1, Instrument::default);
        }
        &mut self.instruments[at]
    }
}

/// Tells a table of prices: its grid, its widest spread, and what each state adds to the mid.
fn tell_table(gather: &mut Gather, instrument: u32, row: usize, fitted: &Microprice) {
    let head = fitted.states().ticks().map(|ticks| ticks as u64);
    let entries = fitted.adjustment_ticks().iter().map(|ticks| ticks.map_or(NO_ENTRY, f64::to_bits));
    debug_assert!(head.len() == TABLE_HEAD);
    head.into_iter().chain(entries).enumerate().for_each(|(at, number)| gather.put(instrument, row + at, number));
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

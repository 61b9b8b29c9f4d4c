//! What each message of a channel means for books and trades.

mod definition;
mod snapshot;

use std::collections::HashMap;

use super::{
    ladder::{LevelUpdate, Misfit, UpdateAction},
    out::Out,
    security::{BookState, Change, Meta, OrderAction, Security},
    templates::{self, Kind, When, field},
};
use crate::{
    event::{ALL, Body, Flags, InstrumentId, Side, Sink, TradingStatus},
    feed::Counts,
    instruments::{self, Instruments},
    outcome::Refused,
    sbe::{BlockView, MessageView, Slot},
};

/// Ticks are 10^−9 of the price as shown, so that no price is lost.
const TICK_NANOS: i64 = 1;
/// Lots are whole contracts.
const LOT_NANOS: i64 = 1_000_000_000;
/// How many orders of a snapshot in pieces are kept at most.
const MOST_ORDERS: usize = 1 << 20;

/// Which of a channel's two views of a book becomes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// Price levels (MBP): [`Body::Level`].
    Levels,
    /// Orders (MBOFD): [`Body::Add`], [`Body::Modify`], [`Body::Cancel`].
    Orders,
}

/// The instruments of a channel with their books.
#[derive(Debug)]
pub(super) struct Channel {
    view: View,
    /// The feed is heard from its first packet on, when every book is empty.
    from_start: bool,
    pub instruments: Instruments,
    by_id: HashMap<i32, usize>,
    /// The security of the entry before, which is most often that of the next.
    latest: (i32, usize),
    pub securities: Vec<Security>,
    /// Packets up to this one may be missing.
    lost_to: u64,
    held: usize,
    most_held: usize,
    /// Changes that waited for a snapshot and were dropped, since too many waited.
    pub dropped: u64,
    pub counts: Counts,
    pub first_fault: Option<String>,
}

impl Channel {
    pub fn new(view: View, first_sequence: Option<u64>, most_held: usize) -> Self {
        Self {
            view,
            from_start: first_sequence == Some(1),
            instruments: Instruments::new(),
            by_id: HashMap::new(),
            latest: (0, usize::MAX),
            securities: Vec::new(),
            lost_to: first_sequence.unwrap_or(0).saturating_sub(1),
            held: 0,
            most_held,
            dropped: 0,
            counts: Counts::default(),
            first_fault: None,
        }
    }

    pub fn security(&self, id: i32) -> Option<&Security> {
        Some(&self.securities[*self.by_id.get(&id)?])
    }

    /// Counts a message and what became of it.
    pub fn count(&mut self, sequence: u64, outcome: Result<(), Refused>) {
        self.counts.messages += 1;
        match outcome {
            Ok(()) => {}
            Err(Refused::PassedOver) => self.counts.passed_over += 1,
            Err(Refused::Unknown) => self.counts.unknown += 1,
            Err(Refused::Malformed(problem)) => {
                self.counts.malformed += 1;
                self.first_fault.get_or_insert_with(|| format!("packet {sequence}: {problem}"));
            }
        }
    }

    /// Takes a message of the incremental feed, of the snapshot feed or of the feed of definitions.
    pub fn message(
        &mut self,
        kind: &Kind,
        message: &MessageView<'_>,
        (sequence, receive_ns): (u64, u64),
        out: &mut Out<'_, impl Sink>,
    ) -> Result<(), Refused> {
        let block = message.block();
        let meta = |transact: Slot| {
            let exchange_ns = block.uint(transact).unwrap_or(receive_ns);
            Meta { sequence, exchange_ns, receive_ns }
        };
        match kind {
            Kind::Levels(slots) => self.levels(slots, message, meta(slots.when.transact), out),
            Kind::Orders(slots) => self.orders(slots, message, meta(slots.when.transact), out),
            Kind::Trades(slots) => self.trades(slots, message, meta(slots.when.transact), out),
            Kind::Statistics(slots) => {
                for entry in message.group(slots.entries) {
                    let entry = entry.block();
                    if let (Some(id), Some(report)) = (entry.int(slots.security), entry.uint(slots.report)) {
                        let place = self.place(id as i32);
                        self.reported(place, sequence, report, receive_ns, out);
                    }
                }
                Err(Refused::PassedOver)
            }
            Kind::Status(slots) => self.status(slots, message, meta(slots.when.transact), out),
            Kind::Reset(when) => {
                self.reset(meta(when.transact), out);
                Ok(())
            }
            Kind::LevelSnapshot(slots) => self.level_snapshot(slots, message, meta(slots.transact), out),
            Kind::OrderSnapshot(slots) => self.order_snapshot(slots, message, meta(slots.transact), out),
            Kind::Definition(slots) => self.definition(slots, message, meta(slots.updated), out),
            Kind::PassedOver => Err(Refused::PassedOver),
        }
    }

    /// Whether the book is whole behind a message: the event ends, or its last update of a book that is given does.
    pub fn ends(kind: &Kind, message: &MessageView<'_>) -> bool {
        const END_OF_EVENT: u64 = 1 << 7;
        const LAST_QUOTE: u64 = 1 << 2;
        let (indicator, ends) = match kind {
            // What comes behind the last quote is implied levels, of which no events are made.
            Kind::Levels(templates::Levels { when: When { indicator, .. }, .. })
            | Kind::Orders(templates::Orders { when: When { indicator, .. }, .. }) => {
                (indicator, END_OF_EVENT | LAST_QUOTE)
            }
            Kind::Trades(templates::Trades { when: When { indicator, .. }, .. }) => (indicator, END_OF_EVENT),
            _ => return true,
        };
        message.block().uint(*indicator).unwrap_or(0) & ends != 0
    }

    fn levels(
        &mut self,
        slots: &templates::Levels,
        message: &MessageView<'_>,
        meta: Meta,
        out: &mut Out<'_, impl Sink>,
    ) -> Result<(), Refused> {
        let mut outcome = Ok(());
        let entries = message.group(slots.entries);
        for entry in entries.clone() {
            let entry = entry.block();
            let Some(id) = entry.int(slots.security) else {
                outcome = outcome.and(malformed("an entry without a security"));
                continue;
            };
            let place = self.place(id as i32);
            if let Some(report) = entry.uint(slots.report) {
                self.reported(place, meta.sequence, report, meta.receive_ns, out);
            }
            let change = match entry.uint(slots.kind).unwrap_or(0) as u8 {
                kind @ (b'0' | b'1') if self.view == View::Levels => level_change(slots, &entry, kind),
                b'0' | b'1' | b'E' | b'F' => continue,
                b'J' => Ok(Change::Reset),
                other => malformed(&format!("MDEntryType {:?}; allowed: 0, 1, E, F, J", char::from(other))),
            };
            if change.is_err() && self.securities[place].state == BookState::Live {
                // Which level is which is not known without it.
                self.break_off(place, meta, out);
            }
            outcome = outcome.and(change.and_then(|change| self.change(place, meta, change, out)));
        }
        if let Some(orders) = slots.orders.filter(|_| self.view == View::Orders) {
            for order in message.group(orders.entries) {
                let order = order.block();
                let reference = order.uint(orders.reference).unwrap_or(0) as usize;
                let entry = reference.checked_sub(1).and_then(|place| entries.clone().nth(place));
                let Some(entry) = entry.map(|entry| entry.block()) else {
                    let allowed = entries.len();
                    outcome = outcome.and(malformed(&format!("ReferenceID {reference}; allowed: 1 to {allowed}")));
                    continue;
                };
                let kind = entry.uint(slots.kind).unwrap_or(0) as u8;
                let change = order_change(
                    kind,
                    order.uint(orders.order),
                    order.uint(orders.action),
                    entry.int(slots.price),
                    order.int(orders.size),
                );
                let place = self.place(entry.int(slots.security).unwrap_or(0) as i32);
                outcome = outcome.and(change.and_then(|change| self.change(place, meta, change, out)));
            }
        }
        outcome
    }

    fn orders(
        &mut self,
        slots: &templates::Orders,
        message: &MessageView<'_>,
        meta: Meta,
        out: &mut Out<'_, impl Sink>,
    ) -> Result<(), Refused> {
        if self.view == View::Levels {
            return Err(Refused::PassedOver);
        }
        let mut outcome = Ok(());
        for entry in message.group(slots.entries) {
            let entry = entry.block();
            let Some(id) = entry.int(slots.security) else {
                outcome = outcome.and(malformed("an entry without a security"));
                continue;
            };
            let place = self.place(id as i32);
            let kind = entry.uint(slots.kind).unwrap_or(0) as u8;
            let change = if kind == b'J' {
                Ok(Change::Reset)
            } else {
                let (order, action) = (entry.uint(slots.order), entry.uint(slots.action));
                order_change(kind, order, action, entry.int(slots.price), entry.int(slots.size))
            };
            outcome = outcome.and(change.and_then(|change| self.change(place, meta, change, out)));
        }
        outcome
    }

    fn trades(
        &mut self,
        slots: &templates::Trades,
        message: &MessageView<'_>,
        meta: Meta,
        out: &mut Out<'_, impl Sink>,
    ) -> Result<(), Refused> {
        let mut outcome = Err(Refused::PassedOver);
        for entry in message.group(slots.entries) {
            let entry = entry.block();
            let Some(id) = entry.int(slots.security) else {
                outcome = malformed("a trade without a security");
                continue;
            };
            let place = self.place(id as i32);
            if let Some(report) = entry.uint(slots.report) {
                self.reported(place, meta.sequence, report, meta.receive_ns, out);
            }
            // A changed or cancelled trade takes back what has been told; there is no event for that.
            if entry.uint(slots.action) != Some(0) {
                continue;
            }
            let security = &mut self.securities[place];
            let size = entry.int(slots.size).and_then(|size| u64::try_from(size).ok());
            let (Some(mantissa), Some(size)) = (entry.int(slots.price), size) else {
                outcome = malformed("a trade without a price, or of a size below 0");
                continue;
            };
            let Some(price_ticks) = security.factor.ticks(mantissa) else {
                outcome = too_fine(mantissa);
                continue;
            };
            let resting_side = match entry.uint(slots.aggressor) {
                Some(1) => Some(Side::Ask),
                Some(2) => Some(Side::Bid),
                _ => None,
            };
            out.give(security, meta, Flags::default(), Body::Trade { resting_side, price_ticks, size });
            if matches!(outcome, Err(Refused::PassedOver)) {
                outcome = Ok(());
            }
        }
        outcome
    }

    fn status(
        &mut self,
        slots: &templates::Status,
        message: &MessageView<'_>,
        meta: Meta,
        out: &mut Out<'_, impl Sink>,
    ) -> Result<(), Refused> {
        let block = message.block();
        let status = match block.uint(slots.status) {
            None | Some(20 | 103) => return Err(Refused::PassedOver),
            Some(number) => trading_status(number).ok_or_else(|| {
                Refused::Malformed(format!(
                    "SecurityTradingStatus {number}; allowed: 2, 4, 15, 17, 18, 20, 21, 24, 25, 26, 103"
                ))
            })?,
        };
        if let Some(id) = block.int(slots.security) {
            let place = self.place(id as i32);
            out.give(&mut self.securities[place], meta, Flags::default(), Body::Status(status));
            return Ok(());
        }
        // Without a security it is of all of a group, or of those of the group's asset that it names.
        let text = |id| message.message().block.field(id).and_then(|field| block.text(field)).unwrap_or(&[]);
        let (group, asset) = (text(field::SECURITY_GROUP), text(field::ASSET));
        let of_it = |security: &&mut Security| {
            security.group == group && !group.is_empty() && (asset.is_empty() || security.asset == asset)
        };
        for security in self.securities.iter_mut().filter(of_it) {
            out.give(security, meta, Flags::default(), Body::Status(status));
        }
        Ok(())
    }

    /// The place of an instrument, which is made where it is new.
    #[inline]
    fn place(&mut self, id: i32) -> usize {
        if self.latest.0 != id || self.latest.1 == usize::MAX {
            let place = self.by_id.get(&id).copied();
            self.latest = (id, place.unwrap_or_else(|| self.new_place(id)));
        }
        self.latest.1
    }

    /// Makes a place for an instrument that has no name yet.
    #[cold]
    fn new_place(&mut self, id: i32) -> usize {
        let symbol = format!("security {id}");
        let (tick_nanos, lot_nanos) = (TICK_NANOS, LOT_NANOS);
        let definition = instruments::Definition { symbol, tick_nanos, lot_nanos, valid_from_ns: 0 };
        let instrument = self.instruments.define(definition);
        self.add(id, instrument)
    }

    fn add(&mut self, id: i32, instrument: InstrumentId) -> usize {
        let state = match self.view {
            _ if !self.from_start => BookState::AwaitingSnapshot,
            _ if self.lost_to == 0 => BookState::Live,
            View::Levels => BookState::Unsure,
            View::Orders => BookState::AwaitingSnapshot,
        };
        self.by_id.insert(id, self.securities.len());
        self.securities.push(Security::new(instrument, state));
        self.securities.len() - 1
    }

    /// Told the number of an instrument's report: whether one before it is missing matters where packets were lost.
    #[inline]
    fn reported(&mut self, place: usize, sequence: u64, report: u64, receive_ns: u64, out: &mut Out<'_, impl Sink>) {
        let security = &mut self.securities[place];
        if sequence <= security.applied_to {
            return;
        }
        let follows = report == security.report + 1;
        security.report = report;
        security.report_sequence = sequence;
        match security.state {
            BookState::Live | BookState::Broken => {}
            // The first report of all: nothing can have come before it.
            BookState::AwaitingSnapshot if report == 1 && self.view == View::Levels => {
                self.held -= security.held.len();
                security.empty();
                security.state = BookState::Live;
            }
            BookState::AwaitingSnapshot => {}
            BookState::Unsure if follows => security.state = BookState::Live,
            BookState::Unsure => {
                let meta = Meta { sequence, exchange_ns: receive_ns, receive_ns };
                self.break_off(place, meta, out);
            }
        }
    }

    /// Says that a book can be trusted no more.
    #[cold]
    fn break_off(&mut self, place: usize, meta: Meta, out: &mut Out<'_, impl Sink>) {
        let security = &mut self.securities[place];
        self.held -= security.held.len();
        security.empty();
        security.state = BookState::Broken;
        security.gap_untold = false;
        out.give(security, meta, Flags::GAP, Body::Clear);
    }

    /// Applies a change, or keeps it for the snapshot that it waits for.
    fn change(
        &mut self,
        place: usize,
        meta: Meta,
        change: Change,
        out: &mut Out<'_, impl Sink>,
    ) -> Result<(), Refused> {
        let security = &mut self.securities[place];
        if meta.sequence <= security.applied_to {
            return Ok(());
        }
        if security.state != BookState::Live {
            if self.held >= self.most_held {
                // All that waits for this book: a part of it would be of no use. The snapshot must hold what is dropped.
                if let Some((last, _)) = security.held.back() {
                    security.dropped_to = last.sequence;
                }
                self.held -= security.held.len();
                self.dropped += security.held.len() as u64;
                security.held.clear();
                security.gap_untold = true;
                if self.held >= self.most_held {
                    self.dropped += 1;
                    security.dropped_to = meta.sequence;
                    return Ok(());
                }
            }
            self.held += 1;
            security.held.push_back((meta, change));
            return Ok(());
        }
        security.has_book = true;
        match change {
            Change::Reset => {
                security.empty();
                out.give(security, meta, Flags::default(), Body::Clear);
                Ok(())
            }
            Change::Level(side, update) => {
                if security.factor.ticks(update.mantissa).is_none() {
                    self.break_off(place, meta, out);
                    return too_fine(update.mantissa);
                }
                let mut ladder = std::mem::take(&mut security.ladders[side as usize]);
                let depth = security.depth;
                let done = ladder.apply(update, depth, |mantissa, size| {
                    if let Some(price_ticks) = security.factor.ticks(mantissa) {
                        out.give(security, meta, Flags::default(), Body::Level { side, price_ticks, size });
                    }
                });
                security.ladders[side as usize] = ladder;
                done.or_else(|misfit| {
                    self.break_off(place, meta, out);
                    let LevelUpdate { action, level, mantissa, .. } = update;
                    match misfit {
                        Misfit::Level(most) => {
                            malformed(&format!("MDUpdateAction {action:?} of MDPriceLevel {level}; allowed: 1 to {most}"))
                        }
                        Misfit::Price(price) => malformed(&format!(
                            "MDUpdateAction {action:?} of level {level} at {mantissa}e-9; allowed: {price}e-9, its price"
                        )),
                    }
                })
            }
            Change::Order { id, side, action, mantissa, size } => {
                let Some(price_ticks) = security.factor.ticks(mantissa) else { return too_fine(mantissa) };
                let body = match action {
                    OrderAction::New => Body::Add { order_id: id, side, price_ticks, size },
                    OrderAction::Update => Body::Modify { order_id: id, new_order_id: id, price_ticks, size },
                    OrderAction::Delete => Body::Cancel { order_id: id, size: ALL },
                };
                out.give(security, meta, Flags::default(), body);
                Ok(())
            }
        }
    }

    /// Told that packets before this one will not come.
    pub fn lost(&mut self, sequence: u64, count: u64, receive_ns: u64, out: &mut Out<'_, impl Sink>) {
        self.counts.missing = self.counts.missing.saturating_add(count);
        self.lost_to = sequence - 1;
        for place in 0..self.securities.len() {
            let security = &mut self.securities[place];
            if security.applied_to >= self.lost_to && security.state == BookState::Live {
                continue;
            }
            self.held -= security.held.len();
            security.held.clear();
            security.loading = None;
            security.gap_untold |= security.state != BookState::Live && count > 0;
            match (security.state, self.view) {
                (BookState::Live, View::Levels) => security.state = BookState::Unsure,
                (BookState::Live, View::Orders) => {
                    let meta = Meta { sequence, exchange_ns: receive_ns, receive_ns };
                    self.break_off(place, meta, out);
                }
                _ => {}
            }
        }
    }

    /// Told that the numbers of packets begin anew: so does everything.
    pub fn restart(&mut self, receive_ns: u64, out: &mut Out<'_, impl Sink>) {
        self.lost_to = 0;
        self.reset(Meta { sequence: 0, exchange_ns: receive_ns, receive_ns }, out);
    }

    fn reset(&mut self, meta: Meta, out: &mut Out<'_, impl Sink>) {
        self.held = 0;
        for security in &mut self.securities {
            security.empty();
            security.state = BookState::Live;
            (security.report, security.report_sequence, security.applied_to) = (0, 0, 0);
            security.dropped_to = 0;
            out.give(security, meta, Flags::default(), Body::Clear);
        }
    }

    /// What is known of an instrument.
    pub fn place_of(&self, instrument: InstrumentId) -> Option<&Security> {
        self.securities.iter().find(|security| security.instrument == instrument)
    }
}

fn level_change(slots: &templates::Levels, entry: &BlockView<'_>, kind: u8) -> Result<Change, Refused> {
    let number = entry.uint(slots.action).unwrap_or(u64::MAX);
    let Some(action) = UpdateAction::of(number) else {
        return malformed(&format!("MDUpdateAction {number}; allowed: 0 to 5"));
    };
    let whole_range = matches!(action, UpdateAction::DeleteThru | UpdateAction::DeleteFrom);
    let mantissa = entry.int(slots.price).or(whole_range.then_some(0));
    let takes_away = whole_range || action == UpdateAction::Delete;
    let size = entry.int(slots.size).or(takes_away.then_some(0)).and_then(|size| u64::try_from(size).ok());
    let (Some(mantissa), Some(size)) = (mantissa, size) else {
        return malformed("a level without a price, or of a size below 0");
    };
    let level = entry.uint(slots.level).unwrap_or(0) as u8;
    let side = if kind == b'0' { Side::Bid } else { Side::Ask };
    Ok(Change::Level(side, LevelUpdate { action, level, mantissa, size }))
}

fn order_change(
    kind: u8,
    order: Option<u64>,
    action: Option<u64>,
    price: Option<i64>,
    size: Option<i64>,
) -> Result<Change, Refused> {
    let Some(side) = side(kind) else {
        return malformed(&format!("MDEntryType {:?} of an order; allowed: 0, 1", char::from(kind)));
    };
    let Some(action) = action.and_then(OrderAction::of) else {
        return malformed(&format!("the action of an order is {action:?}; allowed: 0, 1, 2"));
    };
    let gone = action == OrderAction::Delete;
    let size = size.or(gone.then_some(0)).and_then(|size| u64::try_from(size).ok());
    let (Some(id), Some(mantissa), Some(size)) = (order, price.or(gone.then_some(0)), size) else {
        return malformed("an order without a number or a price, or of a size below 0");
    };
    Ok(Change::Order { id, side, action, mantissa, size })
}

fn side(kind: u8) -> Option<Side> {
    match kind {
        b'0' => Some(Side::Bid),
        b'1' => Some(Side::Ask),
        _ => None,
    }
}

/// `SecurityTradingStatus`; `None` for those that say nothing or are not known.
fn trading_status(number: u64) -> Option<TradingStatus> {
    Some(match number {
        2 => TradingStatus::Halted,
        4 | 18 | 26 => TradingStatus::Closed,
        15 => TradingStatus::Paused,
        17 => TradingStatus::Trading,
        21 => TradingStatus::PreOpen,
        24 | 25 => TradingStatus::Auction,
        _ => return None,
    })
}

fn malformed<T>(problem: &str) -> Result<T, Refused> {
    Err(Refused::Malformed(problem.into()))
}

fn too_fine<T>(mantissa: i64) -> Result<T, Refused> {
    malformed(&format!("price {mantissa}e-9 by the display factor; allowed: whole billionths, up to 63 bits"))
}

//! How each event changes the books.

use super::{
    Books, Fault, Head, Told,
    ladder::{Ladder, Rung, key},
    pool::{Level, NONE, Order},
    table::hash,
};
use crate::event::{ALL, Body, Event, Flags, NO_PRICE, Side, Step};

/// How many events before its own an event's entry in the table is fetched, then its order, then its order's level and neighbours: a fetch takes
/// about as long as applying four events.
const AHEAD: [usize; 3] = [12, 8, 4];
/// Orders that have been looked up and not applied yet, with room to spare; a power of two.
const KEPT: usize = 16;
const _: () = assert!(KEPT > AHEAD[0] && KEPT.is_power_of_two());

impl Books {
    /// Applies an event. Where it cannot be applied as it was told, counts and gives the [`Fault`], which says what was done instead.
    #[inline]
    pub fn apply(&mut self, event: &Event) -> Option<Fault> {
        let done = self.change(event);
        if let Err(fault) = done {
            self.faults.count(fault);
        }
        done.err()
    }

    /// Applies events in turn, as [`apply`](Self::apply) does each: memory that later ones will touch is fetched while earlier ones are applied,
    /// which pays where the books are larger than the processor's cache.
    pub fn apply_all(&mut self, events: &[Event]) {
        if !self.fetches_ahead {
            for event in events {
                self.apply(event);
            }
            return;
        }
        let of = |event: &Event| (event.instrument.0, Self::looks_for(event));
        let mut kept = [(0, 0); KEPT];
        let mut later = events.iter();
        for (far, event) in later.by_ref().take(AHEAD[0]).enumerate() {
            let (instrument, order_id) = of(event);
            kept[far] = (instrument, self.fetch(Step::Far, instrument, order_id));
        }
        for (place, event) in events.iter().enumerate() {
            if let Some(event) = later.next() {
                let (instrument, order_id) = of(event);
                kept[(place + AHEAD[0]) % KEPT] = (instrument, self.fetch(Step::Far, instrument, order_id));
            }
            for (step, away) in [(Step::Near, AHEAD[1]), (Step::Next, AHEAD[2])] {
                let (instrument, known) = &mut kept[(place + away) % KEPT];
                *known = self.fetch(step, *instrument, *known);
            }
            self.apply(event);
        }
    }

    #[inline(always)]
    fn change(&mut self, event: &Event) -> Result<(), Fault> {
        let instrument = event.instrument.0;
        if instrument as usize >= self.heads.len() {
            self.make_room(instrument)?;
        }
        let head = &mut self.heads[instrument as usize];
        head.sequence = event.sequence;
        head.exchange_ns = event.exchange_ns;
        if event.flags.contains(Flags::GAP) {
            self.told[instrument as usize].suspect = true;
        }
        match event.body {
            Body::Add { order_id, side, price_ticks, size } => self.add(instrument, order_id, side, price_ticks, size),
            Body::Modify { order_id, new_order_id, price_ticks, size } => {
                self.modify(instrument, order_id, new_order_id, price_ticks, size)
            }
            Body::Cancel { order_id, size } => self.take(instrument, order_id, size, Fault::CancelTooLarge),
            // ALL is for cancels alone: no execution is known to be of the whole order.
            Body::Execute { order_id, size, .. } => self.take(instrument, order_id, size, Fault::ExecuteTooLarge),
            Body::Level { side, price_ticks, size } => self.set_level(instrument, side, price_ticks, size),
            Body::Clear => {
                self.clear(instrument);
                // Where something was lost before it, what fills the book may be of before that too.
                self.told[instrument as usize].suspect = event.flags.contains(Flags::GAP);
                Ok(())
            }
            Body::Quote { side, price_ticks, size } => {
                self.told[instrument as usize].quotes[side as usize] = (price_ticks, size);
                Ok(())
            }
            Body::Status(status) => {
                self.told[instrument as usize].status = Some(status);
                Ok(())
            }
            Body::Trade { .. } | Body::Definition => Ok(()),
        }
    }

    /// Makes books up to this instrument.
    #[cold]
    pub(super) fn make_room(&mut self, instrument: u32) -> Result<(), Fault> {
        if instrument >= self.limits.instruments {
            return Err(Fault::TooManyInstruments);
        }
        let len = instrument as usize + 1;
        self.heads.resize_with(len, Head::default);
        self.told.resize(len, Told::default());
        Ok(())
    }

    /// `Ok` with an order's entry in the table and its place, else `Err` with the empty entry where it would go.
    #[inline(always)]
    pub(super) fn find(&self, instrument: u32, order_id: u64) -> Result<(usize, u32), usize> {
        self.table.find(hash(instrument, order_id), |place| {
            let order = &self.orders[place];
            order.id == order_id && order.instrument == instrument
        })
    }

    #[inline(always)]
    pub(super) fn add(
        &mut self,
        instrument: u32,
        order_id: u64,
        side: Side,
        price_ticks: i64,
        size: u64,
    ) -> Result<(), Fault> {
        let Err(empty) = self.find(instrument, order_id) else { return Err(Fault::DuplicateOrder) };
        if size == 0 {
            return Err(Fault::ZeroSize);
        }
        if price_ticks == NO_PRICE {
            return Err(Fault::NoPrice);
        }
        if self.orders.used() >= self.limits.orders as usize {
            return Err(Fault::TooManyOrders);
        }
        let level = self.level_for(instrument, side as usize, key(side, price_ticks), size)?;
        let before = self.levels[level].last;
        let place = self.orders.insert(Order { id: order_id, size, level, before, after: NONE, instrument });
        self.link_last(level, before, place, size);
        self.table.insert(empty, hash(instrument, order_id), place);
        Ok(())
    }

    /// The level of a price, made where there is none, that an order of this size may join.
    #[inline(always)]
    fn level_for(&mut self, instrument: u32, side: usize, key: i64, size: u64) -> Result<u32, Fault> {
        let ladder = &mut self.heads[instrument as usize].ladders[side];
        match ladder.find(key) {
            Ok(place) => {
                let place = ladder.level(place);
                let level = &self.levels[place];
                if level.count == 0 {
                    return Err(Fault::Mixed);
                }
                level.total.checked_add(size).map(|_| place).ok_or(Fault::SizeOverflow)
            }
            Err(place) => {
                let level = Level { key, total: 0, first: NONE, last: NONE, count: 0, side: side as u32 };
                let level = self.levels.insert(level);
                ladder.insert(place, Rung { key, level });
                Ok(level)
            }
        }
    }

    /// Makes an order, which knows it already, the last of its level.
    #[inline(always)]
    fn link_last(&mut self, level: u32, before: u32, order: u32, size: u64) {
        let level = &mut self.levels[level];
        level.total += size;
        level.count += 1;
        level.last = order;
        if before == NONE {
            level.first = order;
        } else {
            self.orders[before].after = order;
        }
    }

    /// Takes an order out of its level, which goes with its last order.
    #[inline(always)]
    fn unlink(&mut self, order: &Order) {
        let level = &mut self.levels[order.level];
        level.total -= order.size;
        level.count -= 1;
        if order.before == NONE {
            level.first = order.after;
        }
        if order.after == NONE {
            level.last = order.before;
        }
        if level.count == 0 {
            let (side, key) = (level.side as usize, level.key);
            self.levels.remove(order.level);
            let ladder = &mut self.heads[order.instrument as usize].ladders[side];
            if let Ok(place) = ladder.find(key) {
                ladder.remove(place);
            }
            return;
        }
        if order.before != NONE {
            self.orders[order.before].after = order.after;
        }
        if order.after != NONE {
            self.orders[order.after].before = order.before;
        }
    }

    /// A cancel or an execution.
    #[inline(always)]
    fn take(&mut self, instrument: u32, order_id: u64, size: u64, too_large: Fault) -> Result<(), Fault> {
        let Ok((entry, place)) = self.find(instrument, order_id) else { return Err(Fault::UnknownOrder) };
        let order = &mut self.orders[place];
        if size < order.size {
            if size == 0 {
                return Err(Fault::ZeroSize);
            }
            order.size -= size;
            self.levels[order.level].total -= size;
            return Ok(());
        }
        let order = *order;
        self.leave(entry, place, &order);
        let is_all = size == order.size || (size == ALL && too_large == Fault::CancelTooLarge);
        if is_all { Ok(()) } else { Err(too_large) }
    }

    /// An order leaves the book.
    #[inline(always)]
    fn leave(&mut self, entry: usize, place: u32, order: &Order) {
        self.table.remove(entry);
        self.unlink(order);
        self.orders.remove(place);
    }

    #[inline(always)]
    fn modify(
        &mut self,
        instrument: u32,
        order_id: u64,
        new_order_id: u64,
        price_ticks: i64,
        size: u64,
    ) -> Result<(), Fault> {
        let Ok((entry, place)) = self.find(instrument, order_id) else { return Err(Fault::UnknownOrder) };
        if price_ticks == NO_PRICE {
            return Err(Fault::NoPrice);
        }
        let order = self.orders[place];
        let level = &mut self.levels[order.level];
        let side = if level.side == Side::Bid as u32 { Side::Bid } else { Side::Ask };
        let stays = new_order_id == order_id && level.key == key(side, price_ticks) && size <= order.size;
        if stays && size > 0 {
            level.total -= order.size - size;
            self.orders[place].size = size;
            return Ok(());
        }
        self.leave(entry, place, &order);
        self.add(instrument, new_order_id, side, price_ticks, size)
    }

    pub(super) fn set_level(&mut self, instrument: u32, side: Side, price_ticks: i64, size: u64) -> Result<(), Fault> {
        if price_ticks == NO_PRICE {
            return Err(Fault::NoPrice);
        }
        let key = key(side, price_ticks);
        let ladder = &mut self.heads[instrument as usize].ladders[side as usize];
        match ladder.find(key) {
            Ok(place) => {
                let level = ladder.level(place);
                if self.levels[level].count > 0 {
                    return Err(Fault::Mixed);
                }
                if size == 0 {
                    ladder.remove(place);
                    self.levels.remove(level);
                } else {
                    self.levels[level].total = size;
                }
            }
            // Feeds of levels take away levels that were never told (Binance's documentation calls it normal): no fault.
            Err(_) if size == 0 => {}
            Err(_) if self.levels.used() >= self.limits.orders as usize => return Err(Fault::TooManyOrders),
            Err(place) => {
                let level = Level { key, total: size, first: NONE, last: NONE, count: 0, side: side as u32 };
                let level = self.levels.insert(level);
                ladder.insert(place, Rung { key, level });
            }
        }
        Ok(())
    }

    fn clear(&mut self, instrument: u32) {
        for side in 0..2 {
            // The rungs are read by their places, since the pools and the table are changed between them.
            for place in 0..self.heads[instrument as usize].ladders[side].rungs().len() {
                let level = self.heads[instrument as usize].ladders[side].level(place);
                let mut order = self.levels[level].first;
                while order != NONE {
                    let Order { id, after, .. } = self.orders[order];
                    if let Ok((entry, _)) = self.find(instrument, id) {
                        self.table.remove(entry);
                    }
                    self.orders.remove(order);
                    order = after;
                }
                self.levels.remove(level);
            }
            self.heads[instrument as usize].ladders[side].clear();
        }
    }

    /// The number by which an event will look for an order; 0 where it looks for none.
    #[inline(always)]
    fn looks_for(event: &Event) -> u64 {
        match event.body {
            Body::Add { order_id, .. }
            | Body::Modify { order_id, .. }
            | Body::Cancel { order_id, .. }
            | Body::Execute { order_id, .. } => order_id,
            _ => 0,
        }
    }

    /// Fetches what an event of this order will touch, as far as it can be told without knowing what kind of event it is: no branch here depends on
    /// that, since nothing foretells it. `known` is the order's number, then its hash, then its likely place: each step gives what the next is to be told.
    #[inline(always)]
    pub(super) fn fetch(&self, step: Step, instrument: u32, known: u64) -> u64 {
        match step {
            Step::Far => {
                let hash = hash(instrument, known);
                super::pool::prefetch(&self.heads, instrument as usize);
                self.table.prefetch(hash);
                u64::from(hash)
            }
            Step::Near => {
                let place = self.table.likely(known as u32);
                self.orders.prefetch(place);
                if let Some(head) = self.heads.get(instrument as usize) {
                    head.ladders.iter().for_each(Ladder::prefetch);
                }
                u64::from(place)
            }
            Step::Next => {
                if let Some(order) = self.orders.peek(known as u32) {
                    self.levels.prefetch(order.level);
                    self.orders.prefetch(order.before);
                    self.orders.prefetch(order.after);
                }
                known
            }
        }
    }
}

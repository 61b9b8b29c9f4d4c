//! Books as one would write them first: `BTreeMap` of `VecDeque`.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use super::super::{Books, Fault, LevelView, Limits, OrderView};
use crate::event::{ALL, Body, Event, Flags, InstrumentId, NO_PRICE, Side, TradingStatus};

/// What rests at a price: orders, or a level's total.
enum Rests {
    Orders(VecDeque<(u64, u64)>),
    Level(u64),
}

#[derive(Default)]
struct One {
    sides: [BTreeMap<i64, Rests>; 2],
    quotes: [Option<(i64, u64)>; 2],
    status: Option<TradingStatus>,
    suspect: bool,
    last: (u64, u64),
}

pub(super) struct Reference {
    books: BTreeMap<u32, One>,
    faults: Vec<Fault>,
    limits: Limits,
}

impl One {
    /// Side, price and place in the queue.
    fn find(&self, id: u64) -> Option<(usize, i64, usize)> {
        for (number, side) in self.sides.iter().enumerate() {
            for (price, rests) in side {
                let Rests::Orders(queue) = rests else { continue };
                if let Some(place) = queue.iter().position(|order| order.0 == id) {
                    return Some((number, *price, place));
                }
            }
        }
        None
    }

    fn queue(&mut self, side: usize, price: i64) -> &mut VecDeque<(u64, u64)> {
        let rests = self.sides[side].entry(price).or_insert_with(|| Rests::Orders(VecDeque::new()));
        let Rests::Orders(queue) = rests else { panic!("orders at a level") };
        queue
    }

    fn remove(&mut self, (side, price, place): (usize, i64, usize)) {
        self.queue(side, price).remove(place);
        if self.queue(side, price).is_empty() {
            self.sides[side].remove(&price);
        }
    }

    fn count(&self, of_orders: bool) -> usize {
        let both = self.sides.iter().flat_map(BTreeMap::values);
        let count = |rests: &Rests| match rests {
            Rests::Orders(queue) if of_orders => queue.len(),
            _ => usize::from(!of_orders),
        };
        both.map(count).sum()
    }
}

impl Reference {
    pub(super) fn new(limits: Limits) -> Self {
        Self { books: BTreeMap::new(), faults: Vec::new(), limits }
    }

    pub(super) fn orders(&self) -> usize {
        self.books.values().map(|book| book.count(true)).sum()
    }

    pub(super) fn faults_of(&self, fault: Fault) -> u64 {
        self.faults.iter().filter(|known| **known == fault).count() as u64
    }

    pub(super) fn apply(&mut self, event: &Event) -> Option<Fault> {
        let fault = self.change(event).err();
        self.faults.extend(fault);
        fault
    }

    fn change(&mut self, event: &Event) -> Result<(), Fault> {
        if event.instrument.0 >= self.limits.instruments {
            return Err(Fault::TooManyInstruments);
        }
        let levels: usize = self.books.values().map(|book| book.count(false)).sum();
        let full = |count: usize| count >= self.limits.orders as usize;
        let (orders_full, levels_full) = (full(self.orders()), full(levels));
        let book = self.books.entry(event.instrument.0).or_default();
        book.last = (event.sequence, event.exchange_ns);
        book.suspect |= event.flags.contains(Flags::GAP);
        match event.body {
            Body::Add { order_id, side, price_ticks, size } => {
                add(book, orders_full, order_id, side as usize, price_ticks, size)
            }
            Body::Modify { order_id, new_order_id, price_ticks, size } => {
                let found @ (side, price, place) = book.find(order_id).ok_or(Fault::UnknownOrder)?;
                if price_ticks == NO_PRICE {
                    return Err(Fault::NoPrice);
                }
                let order = &mut book.queue(side, price)[place];
                if new_order_id == order_id && price == price_ticks && size <= order.1 && size > 0 {
                    order.1 = size;
                    return Ok(());
                }
                book.remove(found);
                add(book, false, new_order_id, side, price_ticks, size)
            }
            Body::Cancel { order_id, size } => take(book, order_id, size, Fault::CancelTooLarge, size == ALL),
            Body::Execute { order_id, size, .. } => take(book, order_id, size, Fault::ExecuteTooLarge, false),
            Body::Level { price_ticks: NO_PRICE, .. } => Err(Fault::NoPrice),
            Body::Level { side, price_ticks, size } => {
                let side = &mut book.sides[side as usize];
                match side.get(&price_ticks) {
                    Some(Rests::Orders(_)) => return Err(Fault::Mixed),
                    None if size > 0 && levels_full => return Err(Fault::TooManyOrders),
                    _ if size == 0 => drop(side.remove(&price_ticks)),
                    _ => drop(side.insert(price_ticks, Rests::Level(size))),
                }
                Ok(())
            }
            Body::Clear => {
                book.sides = Default::default();
                book.suspect = event.flags.contains(Flags::GAP);
                Ok(())
            }
            Body::Quote { side, price_ticks, size } => {
                book.quotes[side as usize] = (price_ticks != NO_PRICE).then_some((price_ticks, size));
                Ok(())
            }
            Body::Status(status) => {
                book.status = Some(status);
                Ok(())
            }
            Body::Trade { .. } | Body::Definition => Ok(()),
        }
    }

    /// That everything the book shows of one instrument is what the reference holds.
    pub(super) fn compare(&self, books: &Books, instrument: InstrumentId) -> Result<(), TestCaseError> {
        let book = books.book(instrument);
        let empty = One::default();
        let own = self.books.get(&instrument.0).unwrap_or(&empty);
        prop_assert_eq!((book.sequence(), book.exchange_ns()), own.last);
        prop_assert_eq!((book.status(), book.is_suspect()), (own.status, own.suspect));
        for side in [Side::Bid, Side::Ask] {
            let mut want: Vec<LevelView> = Vec::new();
            for (price_ticks, rests) in &own.sides[side as usize] {
                let (size, order_count) = match rests {
                    Rests::Orders(queue) => (queue.iter().map(|order| order.1).sum(), queue.len() as u32),
                    Rests::Level(size) => (*size, 0),
                };
                want.push(LevelView { price_ticks: *price_ticks, size, order_count });
                if let Rests::Orders(queue) = rests {
                    let orders = book.orders_at(side, *price_ticks);
                    let shown: VecDeque<_> = orders.map(|OrderView { order_id, size }| (order_id, size)).collect();
                    prop_assert_eq!(&shown, queue);
                    let mut size_ahead = 0;
                    for (position, (id, size)) in queue.iter().enumerate() {
                        let place = book.queue_ahead(*id).ok_or_else(|| TestCaseError::fail("a lost order"))?;
                        prop_assert_eq!(book.order(*id), Some((place.side, place.price_ticks, place.size)));
                        prop_assert_eq!((place.side, place.price_ticks, place.size), (side, *price_ticks, *size));
                        prop_assert_eq!((place.size_ahead, place.position), (size_ahead, position as u32));
                        size_ahead += size;
                    }
                }
                prop_assert_eq!(book.level_at(side, *price_ticks), want.last().copied());
            }
            if side == Side::Bid {
                want.reverse();
            }
            prop_assert_eq!(book.best(side), want.first().copied());
            prop_assert_eq!(book.depth(side), want.len());
            prop_assert_eq!(book.levels(side).collect::<Vec<_>>(), want);
            prop_assert_eq!(book.quote(side), own.quotes[side as usize]);
        }
        let best = |side: Side| book.best(side).map(|level| level.price_ticks);
        prop_assert_eq!(book.is_crossed(), best(Side::Ask).zip(best(Side::Bid)).is_some_and(|(ask, bid)| ask < bid));
        prop_assert!(book.queue_ahead(u64::MAX).is_none() && book.order(u64::MAX).is_none());
        Ok(())
    }
}

fn add(book: &mut One, full: bool, id: u64, side: usize, price: i64, size: u64) -> Result<(), Fault> {
    if book.find(id).is_some() {
        return Err(Fault::DuplicateOrder);
    }
    if size == 0 {
        return Err(Fault::ZeroSize);
    }
    if price == NO_PRICE {
        return Err(Fault::NoPrice);
    }
    if full {
        return Err(Fault::TooManyOrders);
    }
    match book.sides[side].get(&price) {
        Some(Rests::Level(_)) => return Err(Fault::Mixed),
        Some(Rests::Orders(queue)) => {
            let sizes = queue.iter().map(|order| u128::from(order.1)).sum::<u128>() + u128::from(size);
            if sizes > u128::from(u64::MAX) {
                return Err(Fault::SizeOverflow);
            }
        }
        None => {}
    }
    book.queue(side, price).push_back((id, size));
    Ok(())
}

fn take(book: &mut One, id: u64, size: u64, too_large: Fault, is_all: bool) -> Result<(), Fault> {
    let found @ (side, price, place) = book.find(id).ok_or(Fault::UnknownOrder)?;
    if size == 0 {
        return Err(Fault::ZeroSize);
    }
    let left = &mut book.queue(side, price)[place].1;
    let had = *left;
    *left = had.saturating_sub(size);
    if *left == 0 {
        book.remove(found);
    }
    if size > had && !is_all { Err(too_large) } else { Ok(()) }
}

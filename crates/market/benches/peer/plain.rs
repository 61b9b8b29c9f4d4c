//! A plain book of the standard library's maps: what one would write first.

use std::collections::{BTreeMap, HashMap};

use zomma_market::event::Side;

/// A resting order of the plain book.
pub struct Resting {
    pub side: Side,
    pub price_ticks: i64,
    pub size: u64,
}

/// A price of the plain book: what rests there, and the orders in their turn.
#[derive(Default)]
pub struct Price {
    pub size: u64,
    pub queue: Vec<u64>,
}

/// Orders by instrument and number, and a sorted map of prices a side.
#[derive(Default)]
pub struct Plain {
    pub orders: HashMap<(u32, u64), Resting>,
    pub sides: Vec<[BTreeMap<i64, Price>; 2]>,
}

impl Plain {
    fn price(&mut self, instrument: u32, side: Side, price_ticks: i64) -> &mut Price {
        let place = instrument as usize;
        if place >= self.sides.len() {
            self.sides.resize_with(place + 1, Default::default);
        }
        self.sides[place][side as usize].entry(price_ticks).or_default()
    }

    pub fn add(&mut self, instrument: u32, order_id: u64, order: Resting) {
        let price = self.price(instrument, order.side, order.price_ticks);
        price.size += order.size;
        price.queue.push(order_id);
        self.orders.insert((instrument, order_id), order);
    }

    /// Takes a size from an order, or all that is left of it; gives its side where it is gone.
    pub fn take(&mut self, instrument: u32, order_id: u64, size: u64) -> Option<Side> {
        let order = self.orders.get_mut(&(instrument, order_id))?;
        let taken = size.min(order.size);
        order.size -= taken;
        let (side, price_ticks, is_gone) = (order.side, order.price_ticks, order.size == 0);
        let price = self.price(instrument, side, price_ticks);
        price.size -= taken;
        if !is_gone {
            return None;
        }
        price.queue.retain(|other| *other != order_id);
        if price.queue.is_empty() {
            self.sides[instrument as usize][side as usize].remove(&price_ticks);
        }
        self.orders.remove(&(instrument, order_id));
        Some(side)
    }
}

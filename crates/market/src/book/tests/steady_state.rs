//! Once the books have been at their largest, no event allocates.

use super::*;
use crate::allocations::measure;
use crate::mutations::Random;

/// A market of so many instruments whose events can go on for ever: as many orders come as go, at prices that wander.
struct Market {
    random: Random,
    resting: Vec<(u32, u64)>,
    next_id: u64,
    instruments: u32,
}

impl Market {
    fn next(&mut self, most_orders: usize) -> Event {
        let sequence = self.next_id;
        let (instrument, body) = if self.resting.len() < most_orders {
            self.next_id += 1 + self.random.next() % 3;
            let instrument = self.random.below(self.instruments as usize) as u32;
            self.resting.push((instrument, self.next_id));
            let side = if self.random.below(2) == 0 { Side::Bid } else { Side::Ask };
            let away = self.random.below(20) as i64;
            let price_ticks = if side == Side::Bid { 1_000 - away } else { 990 + away };
            (instrument, Body::Add { order_id: self.next_id, side, price_ticks, size: 100 })
        } else {
            let place = self.random.below(self.resting.len());
            let (instrument, order_id) = self.resting[place];
            let body = match self.random.below(4) {
                0 => Body::Modify { order_id, new_order_id: order_id, price_ticks: 995, size: 100 },
                1 => {
                    self.next_id += 1;
                    self.resting[place].1 = self.next_id;
                    Body::Modify { order_id, new_order_id: self.next_id, price_ticks: 1_001, size: 100 }
                }
                2 => {
                    self.resting.swap_remove(place);
                    Body::Execute { order_id, size: 100, price_ticks: NO_PRICE }
                }
                _ => {
                    self.resting.swap_remove(place);
                    Body::Cancel { order_id, size: ALL }
                }
            };
            (instrument, body)
        };
        let (instrument, flags) = (InstrumentId(instrument), Flags::LAST);
        Event { exchange_ns: sequence, receive_ns: sequence, sequence, instrument, flags, body }
    }
}

#[test]
fn books_that_have_been_full_allocate_nothing() {
    let most_orders = 20_000;
    let mut market = Market { random: Random(3), resting: Vec::new(), next_id: 0, instruments: 500 };
    let mut books = Books::new();
    // Every instrument has once had every price on both sides, and a few more orders rested than will again.
    for instrument in (0..market.instruments).map(InstrumentId) {
        for (price_ticks, side) in (980..=1_010).flat_map(|price| [(price, Side::Bid), (price, Side::Ask)]) {
            market.next_id += 1;
            let body = Body::Add { order_id: market.next_id, side, price_ticks, size: 1 };
            let flags = Flags::LAST;
            books.apply(&Event { exchange_ns: 0, receive_ns: 0, sequence: 0, instrument, flags, body });
        }
        let flags = Flags::LAST;
        let body = Body::Clear;
        books.apply(&Event { exchange_ns: 0, receive_ns: 0, sequence: 0, instrument, flags, body });
    }
    let first: Vec<Event> = (0..200_000).map(|_| market.next(most_orders)).collect();
    let second: Vec<Event> = (0..400_000).map(|_| market.next(most_orders)).collect();
    first.iter().for_each(|event| books.event(event));
    let (alone, together) = second.split_at(200_000);
    let (_, one_by_one) = measure(|| alone.iter().for_each(|event| books.event(event)));
    let (_, at_once) = measure(|| books.apply_all(together));
    assert_eq!(books.faults().total(), 0);
    assert!(books.orders() > most_orders * 9 / 10);
    assert_eq!((one_by_one.calls, at_once.calls), (0, 0));
}

#[test]
fn what_was_counted_would_have_been_seen() {
    let mut books = Books::new();
    let (instrument, flags) = (InstrumentId(0), Flags::LAST);
    let (_, allocated) = measure(|| {
        for order_id in 0..1_000 {
            let body = add(order_id, Side::Bid, 5, 1);
            books.apply(&Event { exchange_ns: 0, receive_ns: 0, sequence: 0, instrument, flags, body });
        }
    });
    assert!(allocated.calls > 0);
}

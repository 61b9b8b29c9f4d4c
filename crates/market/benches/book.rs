//! ITCH bytes to order books of all stocks, beside a plain book of the standard library's maps behind the same decoder. One thread; a rate is
//! of messages. Every level and queue of the two is seen to be the same at the end before anything is timed.

use std::{
    collections::{BTreeMap, HashMap},
    hint::black_box,
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zomma_market::{
    book::Books,
    event::{Body, Event, InstrumentId, Side, Sink},
    feed::Decoder as _,
    itch,
};

mod feed;

/// A resting order of the plain book.
struct Resting {
    side: Side,
    price_ticks: i64,
    size: u64,
}

/// A price of the plain book: what rests there, and the orders in their turn.
#[derive(Default)]
struct Price {
    size: u64,
    queue: Vec<u64>,
}

/// Orders by instrument and number, and a sorted map of prices a side.
#[derive(Default)]
struct Plain {
    orders: HashMap<(u32, u64), Resting>,
    sides: Vec<[BTreeMap<i64, Price>; 2]>,
}

impl Plain {
    fn price(&mut self, instrument: u32, side: Side, price_ticks: i64) -> &mut Price {
        let place = instrument as usize;
        if place >= self.sides.len() {
            self.sides.resize_with(place + 1, Default::default);
        }
        self.sides[place][side as usize].entry(price_ticks).or_default()
    }

    fn add(&mut self, instrument: u32, order_id: u64, order: Resting) {
        let price = self.price(instrument, order.side, order.price_ticks);
        price.size += order.size;
        price.queue.push(order_id);
        self.orders.insert((instrument, order_id), order);
    }

    /// Takes a size from an order, or all that is left of it; gives its side where it is gone.
    fn take(&mut self, instrument: u32, order_id: u64, size: u64) -> Option<Side> {
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

impl Sink for Plain {
    fn event(&mut self, event: &Event) {
        let instrument = event.instrument.0;
        match event.body {
            Body::Add { order_id, side, price_ticks, size } => {
                self.add(instrument, order_id, Resting { side, price_ticks, size });
            }
            Body::Cancel { order_id, size } | Body::Execute { order_id, size, .. } => {
                self.take(instrument, order_id, size);
            }
            Body::Modify { order_id, new_order_id, price_ticks, size } => {
                if let Some(side) = self.take(instrument, order_id, u64::MAX) {
                    self.add(instrument, new_order_id, Resting { side, price_ticks, size });
                }
            }
            _ => {}
        }
    }
}

/// The feed into a sink, from an empty one.
fn replay<S: Sink>(bytes: &[u8], mut sink: S) -> S {
    let mut decoder = itch::Decoder::new(0);
    decoder.feed(bytes, &mut sink).expect("whole frames");
    sink
}

/// Panics unless every level of every book, and every queue, is the same.
fn assert_same(books: &Books, plain: &Plain) {
    assert_eq!((books.faults().total(), books.orders()), (0, plain.orders.len()), "every order is known");
    for (instrument, sides) in (0..).map(InstrumentId).zip(&plain.sides) {
        let book = books.book(instrument);
        for (side, prices) in [Side::Bid, Side::Ask].into_iter().zip(sides) {
            let mut ours: Vec<_> = book.levels(side).map(|level| (level.price_ticks, level.size)).collect();
            ours.sort_unstable();
            assert!(ours.into_iter().eq(prices.iter().map(|(ticks, price)| (*ticks, price.size))), "levels");
            for (ticks, price) in prices {
                let queue = book.orders_at(side, *ticks).map(|order| order.order_id);
                assert!(queue.eq(price.queue.iter().copied()), "queue of {instrument:?} at {ticks}");
            }
        }
    }
}

fn decode_and_book(c: &mut Criterion) {
    for (name, bytes, messages) in feed::feeds() {
        let (books, plain) = (replay(&bytes, Books::new()), replay(&bytes, Plain::default()));
        assert_same(&books, &plain);
        assert!(!plain.orders.is_empty() || name == "real", "orders rest at the end of the made feed");
        let mut group = c.benchmark_group(format!("itch_to_book/{name}"));
        group.sample_size(10).throughput(Throughput::Elements(messages));
        group.bench_function("peer plain maps", |b| b.iter(|| replay(black_box(&bytes), Plain::default())));
        group.bench_function("books", |b| b.iter(|| replay(black_box(&bytes), Books::new())));
        group.finish();
    }
}

criterion_group!(benches, decode_and_book);
criterion_main!(benches);

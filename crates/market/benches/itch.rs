//! ITCH 5.0, bytes to events, beside a plain `match` into an enum. One thread; a rate is of messages.
//!
//! What each rival makes of every message is first seen to be the same, then summed, so that no field can be left unread.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zomma_market::{
    event::{ALL, Body, Event, NO_PRICE, Side, Sink},
    feed::Decoder as _,
    itch,
};

mod feed {
    pub mod all;
    pub mod frames;
    pub mod generate;
    pub mod made;
    pub mod real;
}

/// What a message tells, in the same words whoever read it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    kind: u8,
    time_ns: u64,
    order_id: u64,
    /// The new number of a replaced order; 1 for a bid where an order is added.
    other: u64,
    price: i64,
    size: u64,
}

impl Told {
    #[inline(always)]
    fn sum(&self) -> u64 {
        let fields = [self.order_id, self.other.rotate_left(9), self.price as u64, self.size.rotate_left(30)];
        fields.iter().fold(self.time_ns ^ u64::from(self.kind), |sum, field| sum.wrapping_add(*field))
    }
}

/// Gives what events tell to a function.
struct Teller<F>(F);

impl<F: FnMut(Told)> Sink for Teller<F> {
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        let time_ns = event.exchange_ns;
        let told = |kind, order_id, other, price, size| Told { kind, time_ns, order_id, other, price, size };
        (self.0)(match event.body {
            Body::Add { order_id, side, price_ticks, size } => {
                told(b'A', order_id, u64::from(side == Side::Bid), price_ticks, size)
            }
            Body::Execute { order_id, size, price_ticks } => told(b'E', order_id, 0, price_ticks, size),
            Body::Cancel { order_id, size } => told(b'X', order_id, 0, 0, size),
            Body::Modify { order_id, new_order_id, price_ticks, size } => {
                told(b'U', order_id, new_order_id, price_ticks, size)
            }
            Body::Trade { price_ticks, size, .. } => told(b'P', 0, 0, price_ticks, size),
            _ => return,
        });
    }
}

fn decoder(bytes: &[u8], tell: impl FnMut(Told)) {
    let mut decoder = itch::Decoder::new(0);
    decoder.feed(bytes, &mut Teller(tell)).expect("whole frames");
}

/// What one would write in an afternoon: each message an enum of its fields. Instruments, lengths and values are not looked at.
enum Plain {
    Add { order_id: u64, is_bid: bool, price: u32, shares: u32 },
    Execute { order_id: u64, price: Option<u32>, shares: u32 },
    Cancel { order_id: u64, shares: Option<u32> },
    Replace { order_id: u64, new_order_id: u64, price: u32, shares: u32 },
    Trade { price: u32, shares: u32 },
    Other,
}

fn plain_message(message: &[u8]) -> Plain {
    let u32_at = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64::from_be_bytes(message[at..at + 8].try_into().expect("eight bytes"));
    match message[0] {
        b'A' | b'F' => {
            Plain::Add { order_id: u64_at(11), is_bid: message[19] == b'B', price: u32_at(32), shares: u32_at(20) }
        }
        b'E' => Plain::Execute { order_id: u64_at(11), price: None, shares: u32_at(19) },
        b'C' => Plain::Execute { order_id: u64_at(11), price: Some(u32_at(32)), shares: u32_at(19) },
        b'X' => Plain::Cancel { order_id: u64_at(11), shares: Some(u32_at(19)) },
        b'D' => Plain::Cancel { order_id: u64_at(11), shares: None },
        b'U' => {
            Plain::Replace { order_id: u64_at(11), new_order_id: u64_at(19), price: u32_at(31), shares: u32_at(27) }
        }
        b'P' => Plain::Trade { price: u32_at(32), shares: u32_at(20) },
        _ => Plain::Other,
    }
}

fn plain(bytes: &[u8], mut tell: impl FnMut(Told)) {
    for frame in feed::frames::frames(bytes) {
        let message = &frame[2..];
        let mut time = [0; 8];
        time[2..].copy_from_slice(&message[5..11]);
        let time_ns = u64::from_be_bytes(time);
        let told = |kind, order_id, other, price, size| Told { kind, time_ns, order_id, other, price, size };
        tell(match plain_message(message) {
            Plain::Add { order_id, is_bid, price, shares } => {
                told(b'A', order_id, u64::from(is_bid), price.into(), shares.into())
            }
            Plain::Execute { order_id, price, shares } => {
                told(b'E', order_id, 0, price.map_or(NO_PRICE, i64::from), shares.into())
            }
            Plain::Cancel { order_id, shares } => told(b'X', order_id, 0, 0, shares.map_or(ALL, u64::from)),
            Plain::Replace { order_id, new_order_id, price, shares } => {
                told(b'U', order_id, new_order_id, price.into(), shares.into())
            }
            Plain::Trade { price, shares } => told(b'P', 0, 0, price.into(), shares.into()),
            Plain::Other => continue,
        });
    }
}

fn decode(c: &mut Criterion) {
    for (name, bytes, messages) in feed::all::feeds() {
        let (mut ours, mut plains) = (Vec::new(), Vec::new());
        decoder(&bytes, |told| ours.push(told));
        plain(&bytes, |told| plains.push(told));
        assert!(ours == plains && !ours.is_empty(), "both read the same");

        let mut group = c.benchmark_group(format!("itch_decode/{name}"));
        group.sample_size(20).throughput(Throughput::Elements(messages));
        macro_rules! rival {
            ($name:literal, $read:ident) => {
                group.bench_function($name, |b| {
                    b.iter(|| {
                        let mut sum = 0_u64;
                        $read(black_box(&bytes), |told| sum = sum.wrapping_add(told.sum()));
                        sum
                    })
                });
            };
        }
        rival!("peer plain match", plain);
        rival!("decoder", decoder);
        group.finish();
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);

//! ITCH bytes to order books of all stocks, beside a plain book of the standard library's maps behind the same decoder. One thread; a rate is
//! of messages. Every level and queue of the two is seen to be the same at the end before anything is timed.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zomma_market::{
    book::Books,
    event::{Body, Event, Sink},
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

mod peer {
    pub mod plain;
    pub mod same;
}

use peer::{
    plain::{Plain, Resting},
    same::assert_same,
};

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

fn decode_and_book(c: &mut Criterion) {
    for (name, bytes, messages) in feed::all::feeds() {
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

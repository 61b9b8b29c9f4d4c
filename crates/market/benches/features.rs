//! The book features, event by event, beside a plain loop over those that one would write out by hand. One thread; a rate is of books.
//!
//! Books are the best five levels of one stock after each of its messages: the busiest of the made feed (about 2,000 a second), and AMZN's of the
//! real file where it is (about 8 a second). The plain loop leaves out the microprice and the integrated flow; what it says of the other sixteen
//! features at every book is first seen to be the same.

use std::{collections::VecDeque, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zomma_market::{
    book::Books,
    event::{Event, Flags, InstrumentId, Side},
    features::{Depth, FeatureSet, FeatureStream, Level, registry::BOOK_FEATURES},
    feed::Decoder as _,
    itch,
};

mod feed {
    pub mod generate;
    pub mod made;
    pub mod real;
}

const LEVELS: usize = 5;
/// The window of the flows.
const WINDOW_NS: u64 = 10_000_000_000;
/// Values of the plain loop.
const VALUES: usize = 16;

/// A book at one instant, kept.
struct Kept {
    time_ns: u64,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Kept {
    fn depth(&self) -> Depth<'_> {
        Depth { time_ns: self.time_ns, bids: &self.bids, asks: &self.asks }
    }
}

/// The features that the plain loop has too, in its order.
fn by_hand() -> String {
    let all = BOOK_FEATURES.split(',').map(str::trim);
    let kept = all.filter(|name| !name.starts_with("microprice") && !name.starts_with("ofi_integrated"));
    kept.collect::<Vec<_>>().join(",")
}

/// A flow's sum over the window.
#[derive(Default)]
struct Window {
    flows: VecDeque<(u64, i64)>,
    sum: i64,
}

impl Window {
    fn add(&mut self, time_ns: u64, flow: i64) {
        self.flows.push_back((time_ns, flow));
        self.sum += flow;
        while let Some(&(_, flow)) = self.flows.front().filter(|first| time_ns - first.0 >= WINDOW_NS) {
            self.sum -= flow;
            self.flows.pop_front();
        }
    }
}

/// Sixteen features in one loop.
#[derive(Default)]
struct Plain {
    before: Option<[[Level; LEVELS]; 2]>,
    windows: [Window; LEVELS],
}

impl Plain {
    fn values(&mut self, depth: &Depth<'_>) -> [Option<f64>; VALUES] {
        let mut values = [None; VALUES];
        if let (Some(bid), Some(ask)) = (depth.bids.first(), depth.asks.first()) {
            let mid = (bid.price_ticks + ask.price_ticks) as f64 * 0.5;
            let spread = (ask.price_ticks - bid.price_ticks) as f64;
            values[0] = Some(mid);
            values[1] = Some(spread);
            values[2] = Some(spread / mid);
            let (b, a) = (bid.size as f64, ask.size as f64);
            values[10] = Some(bid.price_ticks as f64 + spread * (b / (a + b)));
        }
        let mut sums = [0; 2];
        for level in 0..LEVELS {
            for (sum, side) in sums.iter_mut().zip([depth.bids, depth.asks]) {
                *sum += side.get(level).map_or(0, |level| level.size);
            }
            let [bids, asks] = sums.map(|sum| sum as f64);
            values[5 + level] = (bids + asks > 0.0).then(|| (bids - asks) / (bids + asks));
        }
        (values[3], values[4]) = (Some(sums[0] as f64), Some(sums[1] as f64));

        let none = [i64::MIN, i64::MAX].map(|price_ticks| Level { price_ticks, size: 0 });
        let sides = [depth.bids, depth.asks];
        let now: [[Level; LEVELS]; 2] = std::array::from_fn(|side| {
            std::array::from_fn(|level| sides[side].get(level).copied().unwrap_or(none[side]))
        });
        for (level, window) in self.windows.iter_mut().enumerate() {
            let flow = self.before.map_or(0, |before| {
                let (b, a) = (now[0][level], now[1][level]);
                let (old_b, old_a) = (before[0][level], before[1][level]);
                let part = |counts: bool, size: u64| if counts { size as i64 } else { 0 };
                part(b.price_ticks >= old_b.price_ticks, b.size)
                    - part(b.price_ticks <= old_b.price_ticks, old_b.size)
                    - part(a.price_ticks <= old_a.price_ticks, a.size)
                    + part(a.price_ticks >= old_a.price_ticks, old_a.size)
            });
            window.add(depth.time_ns, flow);
            values[11 + level] = Some(window.sum as f64);
        }
        self.before = Some(now);
        values
    }
}

/// The events of the busiest instrument.
fn busiest(bytes: &[u8]) -> (InstrumentId, Vec<Event>) {
    let mut events: Vec<Event> = Vec::new();
    let mut decoder = itch::Decoder::new(0);
    decoder.feed(bytes, &mut events).expect("whole frames");
    let mut counts = vec![0; decoder.instruments().len()];
    events.iter().for_each(|event| counts[event.instrument.0 as usize] += 1);
    let most = (0..).zip(&counts).max_by_key(|(_, count)| **count).map_or(0, |(id, _)| id);
    events.retain(|event| event.instrument.0 == most);
    (InstrumentId(most), events)
}

/// The book after each message.
fn kept(instrument: InstrumentId, events: &[Event]) -> Vec<Kept> {
    let mut books = Books::new();
    let mut kept = Vec::new();
    for event in events {
        books.apply(event);
        if event.flags.contains(Flags::LAST) {
            let side = |side| {
                let levels = books.book(instrument).levels(side).take(LEVELS);
                levels.map(|level| Level { price_ticks: level.price_ticks, size: level.size }).collect()
            };
            kept.push(Kept { time_ns: event.exchange_ns, bids: side(Side::Bid), asks: side(Side::Ask) });
        }
    }
    kept
}

fn set(features: &str) -> FeatureSet {
    FeatureSet::parse(features).expect("known features")
}

fn sum(values: &[Option<f64>]) -> f64 {
    values.iter().flatten().sum()
}

fn book_features(c: &mut Criterion) {
    for (name, bytes) in [("made", Some(feed::made::made(600, 2_000_000))), ("real", feed::real::real())] {
        let Some(bytes) = bytes else { continue };
        let (instrument, events) = busiest(&bytes);
        let books = kept(instrument, &events);
        assert!(books.len() > 10_000, "a busy stock");
        let hand = by_hand();
        let (mut ours, mut plain) = (set(&hand), Plain::default());
        for book in &books {
            ours.on_depth(&book.depth());
            let theirs = plain.values(&book.depth());
            let pairs = ours.values().iter().zip(&theirs);
            for (feature, (one, other)) in ours.names().zip(pairs) {
                let is_close = match (one, other) {
                    (Some(one), Some(other)) => (one - other).abs() <= 1e-12 * one.abs().max(1.0),
                    _ => one == other,
                };
                assert!(is_close, "{feature}: {one:?} and the plain loop's {other:?}");
            }
        }

        let elements = Throughput::Elements(books.len() as u64);
        let mut group = c.benchmark_group(format!("book_features_16/{name}"));
        group.sample_size(20).throughput(elements.clone());
        group.bench_function("peer plain loop", |b| {
            b.iter(|| {
                let mut plain = Plain::default();
                black_box(&books).iter().map(|book| sum(&plain.values(&book.depth()))).sum::<f64>()
            })
        });
        let through = |features: &str| {
            let mut set = set(features);
            let value = |book: &Kept| {
                set.on_depth(&book.depth());
                sum(set.values())
            };
            black_box(&books).iter().map(value).sum::<f64>()
        };
        group.bench_function("set", |b| b.iter(|| through(&hand)));
        group.finish();

        let mut group = c.benchmark_group(format!("book_features_all_18/{name}"));
        group.sample_size(20).throughput(elements);
        group.bench_function("set", |b| b.iter(|| through(BOOK_FEATURES)));
        group.bench_function("stream, its book included", |b| {
            b.iter(|| {
                let mut stream = FeatureStream::new(set(BOOK_FEATURES), instrument, LEVELS);
                let values = |event: &Event| if stream.event(event) { sum(stream.set().values()) } else { 0.0 };
                black_box(&events).iter().map(values).sum::<f64>()
            })
        });
        group.finish();
    }
}

criterion_group!(benches, book_features);
criterion_main!(benches);

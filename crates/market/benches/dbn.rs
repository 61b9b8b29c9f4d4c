//! DBN orders (schema `mbo`), bytes to events and bytes to books, beside the record iterator of the crate dbn itself. One thread; a rate is of
//! records.
//!
//! Of events the peer gives records where they lie and does less: it looks up no instrument and makes no events. What both say of every order is
//! first seen to be the same. Of books the peer is a plain one of the standard library's maps behind that iterator; every level and queue of the
//! two is first seen to be the same. Books are of 600 made stocks, and of a day of one future played as 32 of them at once, each next record
//! that of one drawn at random, so that neither kind nor instrument can be foretold.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dbn::{
    MboMsg,
    decode::{DecodeRecordRef as _, dbn::Decoder as PeerDecoder},
};
use zomma_market::{
    book::{BatchedBooks, Books, Limits},
    dbn::{DbnDecoder, DbnWriter},
    event::{Body, Event, Sink},
    feed::Decoder as _,
    itch,
};

mod feed {
    pub mod generate;
    pub mod made;
}

mod peer {
    pub mod dbn_book;
    pub mod plain;
    pub mod same;
}

use feed::generate::Seed;
use peer::{dbn_book::plain_books, same::assert_same};

/// Bytes of a piece.
const PIECE: usize = 1 << 18;
/// So many futures the real day is played as.
const COPIES: usize = 32;

/// What a record tells, in the same words whoever read it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    action: u8,
    time_ns: u64,
    order_id: u64,
    price: i64,
    size: u64,
}

impl Told {
    #[inline(always)]
    fn sum(&self) -> u64 {
        let fields = [self.order_id, self.price as u64, self.size.rotate_left(30), u64::from(self.action)];
        fields.iter().fold(self.time_ns, |sum, field| sum.wrapping_add(*field))
    }
}

/// Gives what events tell to a function.
struct Teller<F>(F);

impl<F: FnMut(Told)> Sink for Teller<F> {
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        let time_ns = event.exchange_ns;
        let told = |action, order_id, price, size| Told { action, time_ns, order_id, price, size };
        (self.0)(match event.body {
            Body::Add { order_id, price_ticks, size, .. } => told(b'A', order_id, price_ticks, size),
            Body::Modify { order_id, price_ticks, size, .. } => told(b'M', order_id, price_ticks, size),
            Body::Cancel { order_id, size } => told(b'C', order_id, 0, size),
            Body::Trade { price_ticks, size, .. } => told(b'T', 0, price_ticks, size),
            _ => return,
        });
    }
}

fn decoder(bytes: &[u8], tell: impl FnMut(Told)) {
    DbnDecoder::new().feed(bytes, &mut Teller(tell)).expect("whole records");
}

fn peer(bytes: &[u8], mut tell: impl FnMut(Told)) {
    let mut decoder = PeerDecoder::new(bytes).expect("a header");
    while let Some(record) = decoder.decode_record_ref().expect("whole records") {
        let Some(order) = record.get::<MboMsg>() else { continue };
        let (action, time_ns) = (order.action as u8, order.hd.ts_event);
        let told = |order_id, price| Told { action, time_ns, order_id, price, size: u64::from(order.size) };
        tell(match action {
            b'A' | b'M' => told(order.order_id, order.price),
            b'C' => told(order.order_id, 0),
            b'T' => told(0, order.price),
            _ => continue,
        });
    }
}

/// The made ITCH feed as DBN.
fn made() -> Vec<u8> {
    let itch = feed::made::made(600, 1_000_000);
    let mut events: Vec<Event> = Vec::new();
    let mut decoder = itch::Decoder::new(1_340_251_200_000_000_000);
    decoder.feed(&itch, &mut events).expect("whole frames");
    let mut writer = DbnWriter::new("XNAS.ITCH", 2, 0).expect("a short name");
    for (id, definition) in decoder.instruments().iter() {
        writer.define(id, definition).expect("a short symbol");
    }
    events.iter().for_each(|event| writer.event(event));
    assert_eq!(writer.unwritten(), 0, "DBN holds all of it");
    writer.bytes().to_vec()
}

/// A day of ES futures, where it is.
fn real() -> Option<Vec<u8>> {
    let path = std::path::PathBuf::from(std::env::var_os("ZOMMA_DATA")?);
    let file = std::fs::read(path.join("books/dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst")).ok()?;
    zstd::decode_all(file.as_slice()).ok()
}

/// The day of one future as that of so many, each with its own number, their records in turns drawn at random. Orders have their numbers within
/// an instrument, so that these need not differ.
fn copies(day: &[u8], copies: usize) -> Vec<u8> {
    let header = 8 + u32::from_le_bytes([day[4], day[5], day[6], day[7]]) as usize;
    let mut out = day[..header].to_vec();
    let mut next = vec![header; copies];
    let mut open: Vec<usize> = (0..copies).collect();
    let mut seed = Seed(7);
    while !open.is_empty() {
        let drawn = seed.below(open.len());
        let copy = open[drawn];
        let Some(&words) = day.get(next[copy]) else {
            open.swap_remove(drawn);
            continue;
        };
        let (begin, length) = (out.len(), usize::from(words) * 4);
        out.extend_from_slice(&day[next[copy]..next[copy] + length]);
        next[copy] += length;
        let number = &mut out[begin + 4..begin + 8];
        let theirs = u32::from_le_bytes([number[0], number[1], number[2], number[3]]);
        number.copy_from_slice(&(theirs + copy as u32).to_le_bytes());
    }
    out
}

fn records(bytes: &[u8]) -> u64 {
    let mut counting = DbnDecoder::new();
    counting.feed(bytes, &mut Teller(|_| {})).expect("whole records");
    counting.counts().messages
}

/// Books on huge pages, where the system has them, as `zomma book replay` has them.
fn empty() -> Books {
    Books::with_room(Limits::default(), 0, true)
}

/// Bytes come as they are read from a file, in pieces: books that have grown large by then are told ahead of records.
fn fed(bytes: &[u8], mut books: Books) -> Books {
    let mut decoder = DbnDecoder::new();
    bytes.chunks(PIECE).for_each(|piece| decoder.feed(piece, &mut books).expect("whole records"));
    books
}

fn books(bytes: &[u8]) -> Books {
    fed(bytes, empty())
}

fn books_untold(bytes: &[u8]) -> Books {
    fed(bytes, empty().fetching_ahead(false))
}

/// Events are gathered, so that memory of later ones is fetched while earlier ones are applied.
fn gathered_books(bytes: &[u8]) -> Books {
    let mut books = empty();
    DbnDecoder::new().feed(bytes, &mut BatchedBooks::new(&mut books)).expect("whole records");
    books
}

fn replay(c: &mut Criterion) {
    for (name, bytes) in [("made", Some(made())), ("real", real().map(|day| copies(&day, COPIES)))] {
        let Some(bytes) = bytes else { continue };
        let plain = plain_books(&bytes);
        assert_same(&books(&bytes), &plain);
        assert_same(&books_untold(&bytes), &plain);
        assert_same(&gathered_books(&bytes), &plain);
        assert!(!plain.orders.is_empty(), "orders rest at the end");
        drop(plain);
        let mut group = c.benchmark_group(format!("dbn_to_book/{name}"));
        group.sample_size(10).throughput(Throughput::Elements(records(&bytes)));
        group.bench_function("peer dbn, plain maps", |b| b.iter(|| plain_books(black_box(&bytes))));
        group.bench_function("books", |b| b.iter(|| books(black_box(&bytes))));
        group.bench_function("books, not told ahead", |b| b.iter(|| books_untold(black_box(&bytes))));
        group.bench_function("books, gathered by 256", |b| b.iter(|| gathered_books(black_box(&bytes))));
        group.finish();
    }
}

fn decode(c: &mut Criterion) {
    for (name, bytes) in [("made", Some(made())), ("real", real())] {
        let Some(bytes) = bytes else { continue };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        decoder(&bytes, |told| ours.push(told));
        peer(&bytes, |told| theirs.push(told));
        assert!(ours == theirs && !ours.is_empty(), "both read the same");
        let mut group = c.benchmark_group(format!("dbn_decode/{name}"));
        group.sample_size(20).throughput(Throughput::Elements(records(&bytes)));
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
        rival!("peer dbn", peer);
        rival!("decoder", decoder);
        group.finish();
    }
}

criterion_group!(benches, decode, replay);
criterion_main!(benches);

//! What every decoder is held to in tests: any split of its bytes gives the same events, and damaged bytes neither panic nor make it reserve much.

use crate::{
    allocations,
    event::{Event, Sink},
    feed::{Counts, Decoder, FeedError},
};

/// A seeded generator (SplitMix64): the same damage on every run.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 to `bound` − 1; 0 where `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// What a decoder gave for some bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded {
    pub events: Vec<Event>,
    pub counts: Counts,
    pub error: Option<FeedError>,
}

/// Feeds `bytes` in pieces of the lengths that `next_piece` tells (at least 1), and finishes.
pub(crate) fn decode<D: Decoder>(mut decoder: D, mut bytes: &[u8], mut next_piece: impl FnMut() -> usize) -> Decoded {
    let mut events = Vec::new();
    let mut error = None;
    while !bytes.is_empty() && error.is_none() {
        let (piece, rest) = bytes.split_at(next_piece().clamp(1, bytes.len()));
        error = decoder.feed(piece, &mut events).err();
        bytes = rest;
    }
    if error.is_none() {
        error = decoder.finish(&mut events).err();
    }
    Decoded { events, counts: decoder.counts(), error }
}

/// That pieces of random lengths, up to `longest` each, give what the whole gives.
pub(crate) fn any_split_gives_the_same<D: Decoder>(bytes: &[u8], seed: u64, longest: usize, make: impl Fn() -> D) {
    let mut random = Random(seed);
    let split = decode(make(), bytes, || 1 + random.below(longest));
    let whole = decode(make(), bytes, || bytes.len());
    assert_eq!(split, whole, "seed {seed}, pieces of up to {longest} bytes");
}

/// Damages one of `valid` in one to four places: `rounds` times, each time in another way, and decodes it in random pieces. Nothing may panic, and
/// the decoder may never hold more than `most_bytes`.
pub(crate) fn damage_does_no_harm<D: Decoder>(valid: &[Vec<u8>], rounds: u64, most_bytes: usize, make: impl Fn() -> D) {
    for round in 0..rounds {
        let mut random = Random(round);
        let mut bytes = valid[random.below(valid.len())].clone();
        for _ in 0..=random.below(4) {
            damage(&mut bytes, valid, &mut random);
        }
        let told = TellRound(round);
        let longest = 1 + random.below(2 * bytes.len());
        let (_, allocated) = allocations::measure(|| discard(make(), &bytes, || 1 + random.below(longest)));
        drop(told);
        assert!(allocated.most_bytes <= most_bytes, "round {round}: {allocated:?} for {} bytes", bytes.len());
    }
}

/// Decodes without keeping events, so that only what the decoder holds is counted.
fn discard<D: Decoder>(mut decoder: D, mut bytes: &[u8], mut next_piece: impl FnMut() -> usize) {
    struct Nowhere;
    impl Sink for Nowhere {
        fn event(&mut self, _: &Event) {}
    }
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(next_piece().clamp(1, bytes.len()));
        // A decoder that has failed may be fed on: that must do no harm either.
        let _ = decoder.feed(piece, &mut Nowhere);
        bytes = rest;
    }
    let _ = decoder.finish(&mut Nowhere);
}

fn damage(bytes: &mut Vec<u8>, donors: &[Vec<u8>], random: &mut Random) {
    let place = random.below(bytes.len());
    match random.below(7) {
        0 if !bytes.is_empty() => bytes[place] ^= 1 << random.below(8),
        1 => bytes.truncate(place),
        2 => {
            let donor = &donors[random.below(donors.len())];
            let from = random.below(donor.len());
            let length = random.below(donor.len() - from).min(200);
            bytes.splice(place..place, donor[from..from + length].iter().copied());
        }
        3 => {
            let inserted: Vec<u8> = (0..random.below(20)).map(|_| random.next() as u8).collect();
            bytes.splice(place..place, inserted);
        }
        4 => {
            let end = (place + random.below(100)).min(bytes.len());
            bytes.drain(place..end);
        }
        5 => {
            // What a length or a count is made of.
            let extreme = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)];
            let end = (place + (1 << random.below(4))).min(bytes.len());
            bytes[place..end].fill(extreme);
        }
        _ => {
            let end = (place + random.below(300)).min(bytes.len());
            let again = bytes[place..end].to_vec();
            bytes.splice(place..place, again);
        }
    }
}

/// Says which round it was, where it panicked.
struct TellRound(u64);

impl Drop for TellRound {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("damage of round {}", self.0);
        }
    }
}

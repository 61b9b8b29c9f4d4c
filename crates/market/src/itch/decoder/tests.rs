//! Files in pieces, files that are damaged, and a real day.

use proptest::prelude::*;

use super::*;
use crate::{
    event::{Event, InstrumentId, Step},
    feed::Decoder as _,
    itch::samples::*,
};

fn file(messages: &[Message]) -> Vec<u8> {
    let mut file = Vec::new();
    for message in messages {
        encode_framed(message, &mut file);
    }
    file
}

/// Frames of every kind that a decoder must get past.
fn odd_file() -> Vec<u8> {
    let mut file = file(&day());
    file.extend_from_slice(&[0, 0]);
    file.extend_from_slice(&[0, 1, b'z']);
    file.extend_from_slice(&[0, 3, b'A', 1, 2]);
    for kind in [b'A', b'z'] {
        file.extend_from_slice(&400_u16.to_be_bytes());
        file.push(kind);
        file.extend_from_slice(&[7; 399]);
    }
    encode_framed(&add(1, "AAPL", 99, b'B', 1, 1), &mut file);
    file
}

/// All that can be seen of a decoder that was fed these pieces.
fn decode<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Taken, Counts, Result<(), FeedError>) {
    let (mut decoder, mut taken) = (Decoder::new(MIDNIGHT_NS), Taken::default());
    for piece in pieces {
        decoder.feed(piece, &mut taken).unwrap();
    }
    let end = decoder.finish(&mut taken);
    (taken, decoder.counts(), end)
}

/// The bytes in pieces of random lengths, some of none.
fn pieces(bytes: &[u8], random: &mut Random) -> Vec<Vec<u8>> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    let longest = 1 + random.below(90);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(random.below(longest + 1).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces
}

/// Takes what a decoder gives, and asks to be told ahead.
#[derive(Default)]
struct Foretold {
    taken: Taken,
    told: std::cell::RefCell<Vec<(Step, u64)>>,
}

impl Sink for Foretold {
    fn event(&mut self, event: &Event) {
        self.taken.event(event);
    }

    fn message_end(&mut self, instruments: &Instruments) {
        self.taken.message_end(instruments);
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn ahead(&self, step: Step, _: InstrumentId, known: u64) -> u64 {
        self.told.borrow_mut().push((step, known));
        known
    }
}

#[test]
fn who_is_told_ahead_gets_the_same_events_wherever_the_file_is_split() {
    let mut bytes = odd_file();
    bytes.extend_from_slice(&odd_file());
    let (plain, plain_counts, _) = decode([bytes.as_slice()]);
    let mut random = Random(5);
    for _ in 0..50 {
        let (mut decoder, mut foretold) = (Decoder::new(MIDNIGHT_NS), Foretold::default());
        for piece in pieces(&bytes, &mut random) {
            decoder.feed(&piece, &mut foretold).unwrap();
        }
        assert_eq!(decoder.finish(&mut foretold), Ok(()));
        assert!(foretold.taken == plain && decoder.counts() == plain_counts);
    }
}

#[test]
fn each_order_is_told_ahead_of_its_message_once_a_step_and_in_the_files_order() {
    let orders: Vec<u64> = (1..=40).collect();
    let messages: Vec<Message> = orders.iter().map(|order| add(1, "AAPL", *order, b'B', 100, 10)).collect();
    let (mut decoder, mut foretold) = (Decoder::new(MIDNIGHT_NS), Foretold::default());
    decoder.feed(&file(&messages), &mut foretold).unwrap();
    let told = foretold.told.into_inner();
    let at = |step| told.iter().filter(move |told| told.0 == step).map(|told| told.1);
    assert!(at(Step::Far).eq(orders.iter().copied()), "{told:?}");
    // The first ones come too soon for the nearer steps; behind the last, old ones may be told again.
    assert_eq!(at(Step::Near).take(32).collect::<Vec<_>>(), orders[8..]);
    assert_eq!(at(Step::Next).take(36).collect::<Vec<_>>(), orders[4..]);
}

#[test]
fn every_frame_but_an_empty_one_is_a_message() {
    let (taken, counts, end) = decode([odd_file().as_slice()]);
    let messages = day().len() as u64 + 5;
    assert_eq!(end, Ok(()));
    assert_eq!((counts.messages, counts.unknown, counts.malformed), (messages, 2, 2));
    assert_eq!((taken.ended, taken.events.last().unwrap().sequence), (messages, messages));
}

#[test]
fn an_end_within_a_frame_is_told_with_its_place() {
    let whole = file(&day()[..1]);
    let cut = [whole.as_slice(), &[0, 36, b'A', 0, 1]].concat();
    let (taken, _, end) = decode([cut.as_slice()]);
    let expected =
        "byte 14: the stream ends within a message: 5 bytes of 38; allowed: whole messages, each behind a u16 length";
    assert_eq!((end.unwrap_err().to_string().as_str(), taken.ended), (expected, 1));
    let (_, _, end) = decode([&whole[..], &[0]]);
    assert_eq!(end.unwrap_err().offset, 14);
    let long = [&[1, 144, b'z'][..], &[0; 300]].concat();
    let (_, _, end) = decode(long.chunks(7));
    assert_eq!(end.unwrap_err().problem.split(';').next(), Some("the stream ends within a message: 303 bytes of 402"));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(seed: u64) {
        let file = odd_file();
        let pieces = pieces(&file, &mut Random(seed));
        prop_assert_eq!(decode(pieces.iter().map(Vec::as_slice)), decode([file.as_slice()]));
    }
}

#[test]
fn damaged_files_neither_panic_nor_depend_on_the_split() {
    let whole = odd_file();
    let mut random = Random(5);
    for _ in 0..10_000 {
        let mut file = whole.clone();
        random.damage(&mut file);
        let one_piece = decode([file.as_slice()]);
        let counts = one_piece.1;
        let with_events = counts.messages - counts.passed_over - counts.unknown - counts.malformed;
        assert_eq!(one_piece.0.ended, counts.messages);
        assert!(one_piece.0.events.len() as u64 >= with_events);
        let pieces = pieces(&file, &mut random);
        assert_eq!(decode(pieces.iter().map(Vec::as_slice)), one_piece);
    }
}

/// The derived ITCH file of the LOBSTER samples, unpacked.
fn real_file() -> Option<Vec<u8>> {
    let path = zomma_testkit::real_data()?.join("books/itch/lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz");
    let mut file = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()), &mut file)
        .unwrap();
    Some(file)
}

#[test]
fn real_day_is_decoded_whole_and_in_pieces() {
    let Some(file) = real_file() else { return };
    let (taken, counts, end) = decode([file.as_slice()]);
    assert_eq!(end, Ok(()));
    assert_eq!(counts, Counts { messages: 506_209, passed_over: 4, ..Counts::default() });
    assert_eq!((taken.ended, taken.events.len()), (506_209, 506_205));
    assert!(taken.events.is_sorted_by_key(|event| (event.exchange_ns, event.sequence)));
    let mut random = Random(1);
    let pieces = pieces(&file, &mut random);
    assert!(decode(pieces.iter().map(Vec::as_slice)) == (taken, counts, Ok(())));
}

#[test]
fn real_day_has_the_messages_that_were_counted_for_each_stock() {
    use crate::event::Body;
    let Some(file) = real_file() else { return };
    let stats = zomma_testkit::real_data().unwrap().join("books/itch/stats.json");
    let stats: serde_json::Value = serde_json::from_reader(std::fs::File::open(stats).unwrap()).unwrap();
    let (mut decoder, mut taken) = (Decoder::new(MIDNIGHT_NS), Taken::default());
    decoder.feed(&file, &mut taken).unwrap();
    assert_eq!(stats["messages"].as_u64(), Some(decoder.counts().messages));
    assert_eq!(stats["bytes"].as_u64(), Some(file.len() as u64));
    let mut by_kind = [0_u64; 6];
    for event in &taken.events {
        by_kind[match event.body {
            Body::Definition => 0,
            Body::Add { .. } => 1,
            Body::Execute { .. } => 2,
            Body::Cancel { size: crate::event::ALL, .. } => 3,
            Body::Cancel { .. } => 4,
            Body::Trade { .. } => 5,
            other => panic!("{other:?}"),
        }] += 1;
    }
    assert_eq!(by_kind, [3, 233_477, 41_243, 201_430, 12_362, 17_690]);
    for (id, definition) in decoder.instruments().iter() {
        let of_it = taken.events.iter().filter(|event| event.instrument == id && event.body != Body::Definition);
        assert_eq!(
            stats["stats"][&definition.symbol]["msgs"].as_u64(),
            Some(of_it.count() as u64),
            "{}",
            definition.symbol
        );
    }
}

#[test]
fn real_day_is_written_as_it_was_read() {
    let Some(file) = real_file() else { return };
    let (mut rest, mut written) = (file.as_slice(), Vec::with_capacity(file.len()));
    while let Some((prefix, behind)) = rest.split_first_chunk::<PREFIX>() {
        let (message, behind) = behind.split_at(usize::from(u16::from_be_bytes(*prefix)));
        encode_framed(&Message::decode(message).unwrap(), &mut written);
        rest = behind;
    }
    assert!(written == file);
}

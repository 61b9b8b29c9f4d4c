use super::*;
use crate::{
    event::{Body, Event},
    sbe::mdp3::{BookEntry, Definition, EntryType, PacketWriter, SnapshotHead, UpdateAction, schema},
};

const ES: i32 = 17_077;
const END: u8 = 1 << 7;
const NANOS: i64 = 1_000_000_000;
/// In 2024, so that packets are known by their times.
const BEGUN_NS: u64 = 1_717_000_000_000_000_000;

fn packet(sequence: u32, write: impl FnOnce(&mut PacketWriter<'_>) -> Result<(), crate::sbe::SbeError>) -> Vec<u8> {
    let (mut bytes, schema) = (Vec::new(), schema().unwrap());
    write(&mut PacketWriter::new(&schema, sequence, BEGUN_NS + u64::from(sequence), &mut bytes)).unwrap();
    bytes
}

fn bid(security_id: i32, sequence: u32) -> Vec<u8> {
    let entry = BookEntry {
        security_id,
        report: sequence,
        entry_type: EntryType::Bid,
        action: UpdateAction::New,
        level: 1,
        price_nanos: Some(i64::from(sequence) * NANOS),
        size: Some(1),
        orders: Some(1),
    };
    packet(sequence, |packet| packet.book(BEGUN_NS, END, &[entry], &[]))
}

fn definition() -> Vec<u8> {
    let definition = Definition {
        security_id: ES,
        symbol: "ESM4",
        group: "ES",
        asset: "ES",
        increment_nanos: Some(NANOS / 4),
        factor_nanos: NANOS,
        depth: 10,
        updated_ns: 5,
        option: None,
    };
    packet(1, |packet| packet.definition(&definition))
}

fn snapshot(processed: u32) -> Vec<u8> {
    let head =
        SnapshotHead { processed, security_id: ES, report: processed, transact_ns: 9, status: None, chunk: (1, 1) };
    packet(1, |packet| packet.level_snapshot(&head, &[(EntryType::Bid, 1, i64::from(processed) * NANOS, 1)]))
}

/// Plays packets of destinations (by port), 1 µs apart.
fn played(packets: &[(u16, Vec<u8>)]) -> (CaptureDecoder, Vec<Event>) {
    let mut decoder = CaptureDecoder::new(Arc::new(schema().unwrap()), Settings::default()).unwrap();
    let mut events = Vec::new();
    for (place, (port, payload)) in packets.iter().enumerate() {
        let destination = SocketAddr::from(([224, 0, 31, 1], *port));
        let time_ns = BEGUN_NS + 1_000 * place as u64;
        decoder.datagram(&Datagram { time_ns, destination, payload }, &mut events);
    }
    decoder.finish(&mut events);
    (decoder, events)
}

fn bid_prices(events: &[Event]) -> Vec<i64> {
    let level = |event: &Event| match event.body {
        Body::Level { price_ticks, size: 1, .. } => Some(price_ticks / NANOS),
        _ => None,
    };
    events.iter().filter_map(level).collect()
}

#[test]
fn lines_recovery_and_other_channels_are_told_apart_by_what_they_bring() {
    // Line 1 loses packet 14, line 2 packets 12 and 13; destination 9 is another channel with numbers of its own; 3 and 4 go round.
    let mut packets = vec![(3, definition()), (1, bid(ES, 10)), (4, snapshot(9))];
    packets.extend([(2, bid(ES, 10)), (1, bid(ES, 11)), (2, bid(ES, 11)), (9, bid(5, 701)), (1, bid(ES, 12))]);
    packets.extend([(1, bid(ES, 13)), (2, bid(ES, 14)), (1, bid(ES, 15)), (2, bid(ES, 15)), (4, snapshot(15))]);
    let (decoder, events) = played(&packets);
    assert_eq!(bid_prices(&events), [9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(decoder.lines().iter().map(SocketAddr::port).collect::<Vec<_>>(), [1, 2]);
    let counts = decoder.decoder().packet_counts();
    assert_eq!((counts.missing, decoder.others(), decoder.damaged()), (0, 1, 0));
    assert!(decoder.decoder().instruments().find("ESM4").is_some());
    assert_eq!(decoder.decoder().books(), (1, 0));
}

#[test]
fn a_second_line_that_is_always_ahead_is_found_too() {
    let mut packets = vec![(1, bid(ES, 1))];
    (2..=6).for_each(|sequence| packets.extend([(2, bid(ES, sequence)), (1, bid(ES, sequence))]));
    // From here on the first line is silent.
    (7..=8).for_each(|sequence| packets.push((2, bid(ES, sequence))));
    let (decoder, events) = played(&packets);
    assert_eq!(bid_prices(&events), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((decoder.lines().len(), decoder.others()), (2, 1));
}

#[test]
fn a_book_whose_start_is_not_there_waits_and_rubbish_is_counted() {
    let (decoder, events) = played(&[(1, bid(ES, 40)), (1, b"rubbish".to_vec()), (1, bid(ES, 41))]);
    assert!(bid_prices(&events).is_empty());
    assert_eq!((decoder.decoder().books(), decoder.damaged()), ((0, 1), 1));
}

#[test]
fn what_is_no_packet_is_of_the_channel_only_where_the_channel_is_sent_to() {
    let rubbish = || b"rubbish".to_vec();
    let packets =
        [(53, rubbish()), (1, rubbish()), (1, bid(ES, 40)), (53, rubbish()), (4, snapshot(40)), (4, rubbish())];
    let (decoder, _) = played(&packets);
    assert_eq!((decoder.damaged(), decoder.others()), (2, 2));
    // Where no packet of any channel came nobody can say whose it was.
    let (decoder, _) = played(&[(53, rubbish()), (1, rubbish())]);
    assert_eq!((decoder.damaged(), decoder.others()), (2, 0));
}

#[test]
fn packets_are_known_by_time_and_schema() {
    assert!(is_packet(&bid(ES, 1)) && is_packet(&definition()));
    let mut other_schema = bid(ES, 1);
    other_schema[18] = 2;
    let mut old = bid(ES, 1);
    old[4..12].fill(0);
    assert!(!is_packet(&other_schema) && !is_packet(&old) && !is_packet(b""));
}

use std::sync::Arc;

use super::*;
use crate::{
    event::{ALL, Body, Event, Flags, Side, Sink, TradingStatus},
    feed::{self, Counts, FeedError},
    instruments::Instruments,
    mutations::{Random, any_split_gives_the_same, damage_does_no_harm},
};

const ES: i32 = 17_077;
const QUOTES: u8 = 1 << 2;
const END: u8 = 1 << 7;
/// A price of ES as it is sent: 100 times what is shown.
const POINT: i64 = 100_000_000_000;

fn schema() -> Schema {
    super::schema().unwrap()
}

fn decoder(view: View, first_sequence: Option<u32>) -> Mdp3Decoder {
    Mdp3Decoder::new(Arc::new(schema()), Settings { view, first_sequence, ..Settings::default() }).unwrap()
}

fn packet(sequence: u32, write: impl FnOnce(&mut PacketWriter<'_>) -> Result<(), crate::sbe::SbeError>) -> Vec<u8> {
    sent_at(sequence, 1_000 * u64::from(sequence), write)
}

fn sent_at(
    sequence: u32,
    sending_ns: u64,
    write: impl FnOnce(&mut PacketWriter<'_>) -> Result<(), crate::sbe::SbeError>,
) -> Vec<u8> {
    let (mut bytes, schema) = (Vec::new(), schema());
    write(&mut PacketWriter::new(&schema, sequence, sending_ns, &mut bytes)).unwrap();
    bytes
}

fn definition() -> Definition<'static> {
    Definition {
        security_id: ES,
        symbol: "ESM4",
        group: "ES",
        asset: "ES",
        increment_nanos: Some(25_000_000_000),
        factor_nanos: 10_000_000,
        depth: 3,
        updated_ns: 5,
        option: None,
    }
}

fn entry(report: u32, entry_type: EntryType, action: UpdateAction, level: u8, points: i64, size: i32) -> BookEntry {
    let (price_nanos, size) = (Some(points * POINT), Some(size));
    BookEntry { security_id: ES, report, entry_type, action, level, price_nanos, size, orders: Some(1) }
}

fn book(sequence: u32, entries: &[BookEntry]) -> Vec<u8> {
    packet(sequence, |packet| packet.book(7_000 + u64::from(sequence), QUOTES | END, entries, &[]))
}

fn new_bid(sequence: u32, report: u32, level: u8, points: i64, size: i32) -> Vec<u8> {
    book(sequence, &[entry(report, EntryType::Bid, UpdateAction::New, level, points, size)])
}

fn snapshot(processed: u32, report: u32, levels: &[(EntryType, i8, i64, i32)]) -> Vec<u8> {
    let levels: Vec<_> =
        levels.iter().map(|&(side, level, points, size)| (side, level, points * POINT, size)).collect();
    let head = SnapshotHead { processed, security_id: ES, report, transact_ns: 9, status: Some(17), chunk: (1, 1) };
    packet(1, |packet| packet.level_snapshot(&head, &levels))
}

fn level(side: Side, points: i64, size: u64) -> Body {
    Body::Level { side, price_ticks: points * POINT, size }
}

fn bodies(events: &mut Vec<Event>) -> Vec<Body> {
    events.drain(..).map(|event| event.body).collect()
}

#[test]
fn levels_trades_status_and_definitions_become_events() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    decoder.recovery(1, &packet(1, |packet| packet.definition(&definition())), &mut events).unwrap();
    let es = decoder.instrument(ES).unwrap();
    assert_eq!(decoder.instruments().latest(es).unwrap().symbol, "ESM4");
    assert_eq!(decoder.instruments().len(), 1);
    assert_eq!((decoder.increment_nanos(es), bodies(&mut events)), (Some(250_000_000), vec![Body::Definition]));

    let first = packet(1, |packet| {
        packet.status(11, END, ("ES", "", None), 17)?;
        packet.book(
            12,
            QUOTES,
            &[
                entry(1, EntryType::Bid, UpdateAction::New, 1, 450_000, 5),
                entry(2, EntryType::Offer, UpdateAction::New, 1, 450_025, 6),
                entry(3, EntryType::ImpliedBid, UpdateAction::New, 1, 450_000, 1),
            ],
            &[],
        )?;
        let (price_nanos, security_id) = (450_025 * POINT, ES);
        packet.trades(
            13,
            END,
            &[TradeEntry { security_id, report: 4, price_nanos, size: 2, buyer_aggressed: Some(true) }],
        )?;
        packet.heartbeat()
    });
    decoder.incremental(99, &first, &mut events).unwrap();
    let given: Vec<_> = events.iter().map(|event| (event.exchange_ns, event.flags, event.body)).collect();
    let shown = |points: i64| points * POINT / 100;
    let none = Flags::default();
    assert_eq!(
        given,
        [
            (11, Flags::LAST, Body::Status(TradingStatus::Trading)),
            (12, none, Body::Level { side: Side::Bid, price_ticks: shown(450_000), size: 5 }),
            (12, Flags::LAST, Body::Level { side: Side::Ask, price_ticks: shown(450_025), size: 6 }),
            (13, Flags::LAST, Body::Trade { resting_side: Some(Side::Ask), price_ticks: shown(450_025), size: 2 }),
        ]
    );
    assert!(events.iter().all(|event| (event.sequence, event.receive_ns, event.instrument) == (1, 99, es)));
    let counts = Counts { messages: 5, passed_over: 1, ..Counts::default() };
    assert_eq!((decoder.counts(), decoder.first_fault()), (counts, None));
}

#[test]
fn two_lines_out_of_order_give_each_packet_once_and_in_order() {
    let packets: Vec<_> = (1..=6_u32).map(|number| new_bid(number, number, 1, i64::from(number), 1)).collect();
    let mut whole = Vec::new();
    let mut one = decoder(View::Levels, Some(1));
    packets.iter().for_each(|packet| one.incremental(1, packet, &mut whole).unwrap());
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut both: Vec<_> = packets.iter().chain(&packets).collect();
        for place in (1..both.len()).rev() {
            both.swap(place, random.below(place + 1));
        }
        let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
        both.iter().for_each(|packet| decoder.incremental(1, packet, &mut events).unwrap());
        assert_eq!(events, whole, "seed {seed}");
        assert_eq!((decoder.packet_counts().duplicates, decoder.counts().missing), (6, 0), "seed {seed}");
    }
}

#[test]
fn a_loss_that_report_numbers_show_breaks_the_book_until_a_snapshot() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    decoder.incremental(1, &new_bid(1, 1, 1, 100, 5), &mut events).unwrap();
    let es = decoder.instrument(ES).unwrap();
    // Packets 2 and 3 do not come; 4 waits for them, and in the end they are given up.
    decoder.incremental(2, &new_bid(4, 4, 1, 103, 8), &mut events).unwrap();
    assert_eq!((events.len(), decoder.has_gap()), (1, true));
    decoder.poll(9_000_000, &mut events);
    assert_eq!(events.len(), 1);
    decoder.poll(10_000_002, &mut events);
    assert_eq!((decoder.counts().missing, decoder.has_gap()), (2, false));
    assert_eq!((events[1].body, events[1].flags), (Body::Clear, Flags::GAP | Flags::LAST));
    assert_eq!((decoder.book_state(es), decoder.held_changes(es)), (Some(BookState::Broken), Some(1)));
    events.clear();
    // A snapshot from before the loss mends nothing; one with packet 3 does, and packet 4 follows it.
    decoder.recovery(11_000_000, &snapshot(2, 2, &[(EntryType::Bid, 1, 100, 5)]), &mut events).unwrap();
    assert!(events.is_empty());
    let levels = [(EntryType::Bid, 1, 102, 7), (EntryType::Bid, 2, 100, 5), (EntryType::Offer, 1, 104, 1)];
    decoder.recovery(11_000_000, &snapshot(3, 3, &levels), &mut events).unwrap();
    assert_eq!(decoder.book_state(es), Some(BookState::Live));
    let flags: Vec<_> = events.iter().map(|event| event.flags.contains(Flags::SNAPSHOT)).collect();
    assert_eq!(flags, [true, true, true, true, true, false]);
    assert_eq!(
        bodies(&mut events),
        [
            Body::Clear,
            Body::Status(TradingStatus::Trading),
            level(Side::Bid, 102, 7),
            level(Side::Bid, 100, 5),
            level(Side::Ask, 104, 1),
            level(Side::Bid, 103, 8),
        ]
    );
    // Level numbers go on from the snapshot and what followed it.
    let delete = entry(5, EntryType::Bid, UpdateAction::Delete, 2, 102, 7);
    decoder.incremental(12_000_000, &book(5, &[delete]), &mut events).unwrap();
    assert_eq!(bodies(&mut events), [level(Side::Bid, 102, 0)]);
    // A snapshot of a live book tells nothing.
    decoder.recovery(13_000_000, &snapshot(5, 5, &levels), &mut events).unwrap();
    assert!(events.is_empty());
}

#[test]
fn a_loss_that_was_of_other_instruments_leaves_a_book_live() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    decoder.incremental(1, &new_bid(1, 1, 1, 100, 5), &mut events).unwrap();
    decoder.incremental(2, &new_bid(3, 2, 1, 101, 5), &mut events).unwrap();
    decoder.finish(3, &mut events);
    let es = decoder.instrument(ES).unwrap();
    assert_eq!((decoder.book_state(es), decoder.counts().missing), (Some(BookState::Live), 1));
    assert_eq!(bodies(&mut events), [level(Side::Bid, 100, 5), level(Side::Bid, 101, 5)]);
    // Nothing after a loss: not sure, until a snapshot tells that the last report is the one that is known.
    decoder.incremental(4, &packet(5, |packet| packet.heartbeat()), &mut events).unwrap();
    decoder.finish(5, &mut events);
    assert_eq!(decoder.book_state(es), Some(BookState::Unsure));
    decoder.recovery(6, &snapshot(4, 2, &[]), &mut events).unwrap();
    assert_eq!((decoder.book_state(es), events.len()), (Some(BookState::Live), 0));
}

#[test]
fn a_late_start_waits_for_the_snapshot_and_applies_only_what_is_behind_it() {
    let (mut decoder, mut events) = (decoder(View::Levels, None), Vec::new());
    for number in 50..=53 {
        decoder.incremental(1, &new_bid(number, number, 1, i64::from(number), 1), &mut events).unwrap();
    }
    let es = decoder.instrument(ES).unwrap();
    assert_eq!((decoder.book_state(es), decoder.held_changes(es)), (Some(BookState::AwaitingSnapshot), Some(4)));
    decoder.recovery(2, &snapshot(48, 48, &[(EntryType::Bid, 1, 48, 1)]), &mut events).unwrap();
    assert!(events.is_empty(), "packet 49 is not known");
    decoder.recovery(3, &snapshot(51, 51, &[(EntryType::Bid, 1, 51, 1)]), &mut events).unwrap();
    let prices: Vec<_> = bodies(&mut events).into_iter().skip(2).collect();
    assert_eq!(prices, [level(Side::Bid, 51, 1), level(Side::Bid, 52, 1), level(Side::Bid, 53, 1)]);
    assert_eq!((decoder.counts().missing, decoder.held_changes(es)), (0, Some(0)));
}

#[test]
fn a_snapshot_that_is_ahead_of_the_feed_is_not_applied_twice() {
    let (mut decoder, mut events) = (decoder(View::Levels, None), Vec::new());
    decoder.recovery(1, &snapshot(60, 60, &[(EntryType::Bid, 1, 60, 1)]), &mut events).unwrap();
    events.clear();
    for number in 58..=61 {
        decoder.incremental(2, &new_bid(number, number, 1, i64::from(number), 1), &mut events).unwrap();
    }
    assert_eq!(bodies(&mut events), [level(Side::Bid, 61, 1)]);
}

#[test]
fn an_update_that_does_not_fit_is_malformed_and_breaks_the_book() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    decoder.incremental(1, &new_bid(1, 1, 1, 100, 5), &mut events).unwrap();
    let change = entry(2, EntryType::Bid, UpdateAction::Change, 2, 99, 5);
    decoder.incremental(1, &book(2, &[change]), &mut events).unwrap();
    assert_eq!(bodies(&mut events)[1..], [Body::Clear]);
    assert_eq!(decoder.first_fault(), Some("packet 2: MDUpdateAction Change of MDPriceLevel 2; allowed: 1 to 1"));
    assert_eq!(decoder.counts().malformed, 1);
    assert_eq!(decoder.book_state(decoder.instrument(ES).unwrap()), Some(BookState::Broken));
}

fn order(order_id: u64, action: OrderAction, reference: u8, points: i64, size: i32) -> OrderEntry {
    let (size, price_nanos) = (Some(size), Some(points * POINT));
    OrderEntry {
        order_id,
        priority: order_id,
        size,
        action,
        reference,
        security_id: ES,
        entry_type: EntryType::Bid,
        price_nanos,
    }
}

#[test]
fn orders_come_behind_levels_and_alone() {
    let (mut decoder, mut events) = (decoder(View::Orders, Some(1)), Vec::new());
    let entries = [
        entry(1, EntryType::Bid, UpdateAction::New, 1, 100, 5),
        entry(2, EntryType::Offer, UpdateAction::New, 1, 101, 2),
    ];
    let orders =
        [order(7, OrderAction::New, 1, 0, 5), order(8, OrderAction::New, 2, 0, 2), order(9, OrderAction::New, 3, 0, 2)];
    decoder.incremental(1, &packet(1, |packet| packet.book(1, END, &entries, &orders)), &mut events).unwrap();
    let alone = [order(7, OrderAction::Update, 0, 99, 6), order(8, OrderAction::Delete, 0, 101, 0)];
    decoder.incremental(1, &packet(2, |packet| packet.orders(1, END, &alone)), &mut events).unwrap();
    assert_eq!(
        bodies(&mut events),
        [
            Body::Add { order_id: 7, side: Side::Bid, price_ticks: 100 * POINT, size: 5 },
            Body::Add { order_id: 8, side: Side::Ask, price_ticks: 101 * POINT, size: 2 },
            Body::Modify { order_id: 7, new_order_id: 7, price_ticks: 99 * POINT, size: 6 },
            Body::Cancel { order_id: 8, size: ALL },
        ]
    );
    assert_eq!(decoder.first_fault(), Some("packet 1: ReferenceID 3; allowed: 1 to 2"));
}

#[test]
fn a_snapshot_of_orders_in_pieces_is_given_whole_and_by_priority() {
    let (mut decoder, mut events) = (decoder(View::Orders, Some(1)), Vec::new());
    let update =
        |sequence, id| packet(sequence, |packet| packet.orders(1, END, &[order(id, OrderAction::New, 0, 100, 1)]));
    decoder.incremental(1, &update(1, 1), &mut events).unwrap();
    decoder.incremental(1, &update(3, 3), &mut events).unwrap();
    decoder.finish(2, &mut events);
    let es = decoder.instrument(ES).unwrap();
    assert_eq!((events[1].body, events[1].flags.contains(Flags::GAP)), (Body::Clear, true));
    assert_eq!((decoder.book_state(es), decoder.held_changes(es)), (Some(BookState::Broken), Some(1)));
    events.clear();
    let piece = |chunk: u32, id: u64, priority: u64| {
        let head =
            SnapshotHead { processed: 2, security_id: ES, report: 0, transact_ns: 1, status: None, chunk: (chunk, 2) };
        let order =
            SnapshotOrder { order_id: id, priority, price_nanos: 100 * POINT, size: 1, entry_type: EntryType::Bid };
        packet(chunk, |packet| packet.order_snapshot(&head, &[order]))
    };
    // The second piece without the first, then the first without the second, then both.
    for (chunk, id, priority) in [(2, 1, 10), (1, 2, 20), (1, 2, 20)] {
        decoder.recovery(3, &piece(chunk, id, priority), &mut events).unwrap();
        assert!(events.is_empty());
    }
    decoder.recovery(3, &piece(2, 1, 10), &mut events).unwrap();
    let add = |order_id| Body::Add { order_id, side: Side::Bid, price_ticks: 100 * POINT, size: 1 };
    assert_eq!(bodies(&mut events), [Body::Clear, add(1), add(2), add(3)]);
    assert_eq!(decoder.book_state(es), Some(BookState::Live));
}

#[test]
fn resets_empty_every_book_and_a_new_week_begins_at_one() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    decoder.incremental(1, &new_bid(1, 1, 1, 100, 5), &mut events).unwrap();
    decoder.incremental(1, &packet(2, |packet| packet.channel_reset(5, END, 310)), &mut events).unwrap();
    decoder.incremental(1, &new_bid(3, 1, 1, 90, 5), &mut events).unwrap();
    assert_eq!(bodies(&mut events), [level(Side::Bid, 100, 5), Body::Clear, level(Side::Bid, 90, 5)]);
    // Packet 1 of the old week once more, then that of the new week, which was sent later.
    decoder.incremental(1, &new_bid(1, 1, 1, 100, 5), &mut events).unwrap();
    assert_eq!((events.len(), decoder.packet_counts().duplicates), (0, 1));
    let (mut bytes, schema) = (Vec::new(), schema());
    let mut writer = PacketWriter::new(&schema, 1, 1_000_000, &mut bytes);
    writer.book(9, END, &[entry(1, EntryType::Bid, UpdateAction::New, 1, 80, 5)], &[]).unwrap();
    decoder.incremental(1, &bytes, &mut events).unwrap();
    assert_eq!(bodies(&mut events), [Body::Clear, level(Side::Bid, 80, 5)]);
}

#[test]
fn each_instrument_of_a_message_has_a_last_event() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    let of = |security_id, report, level, points| BookEntry {
        security_id,
        ..entry(report, EntryType::Bid, UpdateAction::New, level, points, 1)
    };
    let entries = [of(1, 1, 1, 9), of(2, 1, 1, 7), of(1, 2, 2, 8), of(2, 2, 2, 6), of(3, 1, 1, 5)];
    decoder.incremental(1, &book(1, &entries), &mut events).unwrap();
    let last =
        |events: &[Event]| -> Vec<bool> { events.iter().map(|event| event.flags.contains(Flags::LAST)).collect() };
    assert_eq!(last(&events), [false, false, true, true, true]);
    events.clear();
    // The venue's event goes on: no book is whole yet.
    let goes_on = packet(2, |packet| packet.book(9, 0, &[of(1, 3, 3, 7), of(2, 3, 3, 5)], &[]));
    decoder.incremental(1, &goes_on, &mut events).unwrap();
    assert_eq!(last(&events), [false, false]);
}

#[test]
fn numbers_that_begin_anew_without_their_first_packet_are_taken_as_such() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    for sequence in 1..=9 {
        decoder.incremental(1, &new_bid(sequence, sequence, 1, 100 + i64::from(sequence), 5), &mut events).unwrap();
    }
    // Neither line brings packet 1. Packet 2 again, as the other line has it: late, and no new week.
    decoder.incremental(2, &new_bid(2, 2, 1, 102, 5), &mut events).unwrap();
    assert_eq!((decoder.packet_counts().duplicates, decoder.packet_counts().restarts), (1, 0));
    events.clear();
    let of_week = |sequence: u32, report, points| {
        let sending_ns = 200_000_000_000 + u64::from(sequence);
        let entries = [entry(report, EntryType::Bid, UpdateAction::New, 1, points, 5)];
        sent_at(sequence, sending_ns, |packet| packet.book(9, END, &entries, &[]))
    };
    decoder.incremental(3, &of_week(3, 1, 80), &mut events).unwrap();
    assert_eq!((bodies(&mut events), decoder.has_gap()), (vec![Body::Clear], true));
    // Packet 2 may still come; packet 1 does not.
    decoder.incremental(4, &of_week(2, 7, 0), &mut events).unwrap();
    decoder.poll(20_000_000, &mut events);
    let counts = decoder.packet_counts();
    assert_eq!((counts.restarts, counts.missing, decoder.has_gap()), (1, 1, false));
    // Its report 7 shows that reports were lost: the book is not to be trusted.
    assert_eq!(decoder.book_state(decoder.instrument(ES).unwrap()), Some(BookState::Broken));
}

#[test]
fn a_new_week_that_lost_only_other_instruments_packets_has_live_books() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    (1..=3).for_each(|sequence| {
        decoder.incremental(1, &new_bid(sequence, sequence, 1, i64::from(sequence), 5), &mut events).unwrap();
    });
    events.clear();
    let entries = [entry(1, EntryType::Bid, UpdateAction::New, 1, 80, 5)];
    let second = sent_at(2, 200_000_000_000, |packet| packet.book(9, END, &entries, &[]));
    decoder.incremental(3, &second, &mut events).unwrap();
    decoder.poll(20_000_000, &mut events);
    assert_eq!(bodies(&mut events), [Body::Clear, level(Side::Bid, 80, 5)]);
    assert_eq!(decoder.book_state(decoder.instrument(ES).unwrap()), Some(BookState::Live));
}

#[test]
fn changes_beyond_what_may_wait_are_counted_and_an_older_snapshot_is_not_taken() {
    let settings = Settings { most_held_changes: 4, ..Settings::default() };
    let (mut decoder, mut events) = (Mdp3Decoder::new(Arc::new(schema()), settings).unwrap(), Vec::new());
    for sequence in 50..=55 {
        decoder.incremental(1, &new_bid(sequence, sequence, 1, i64::from(sequence), 1), &mut events).unwrap();
    }
    let es = decoder.instrument(ES).unwrap();
    assert_eq!((decoder.dropped_changes(), decoder.held_changes(es), decoder.books()), (4, Some(2), (0, 1)));
    // Without the changes of packets 51 to 53 it would be wrong.
    decoder.recovery(2, &snapshot(50, 50, &[(EntryType::Bid, 1, 50, 1)]), &mut events).unwrap();
    assert!(events.is_empty() && decoder.book_state(es) == Some(BookState::AwaitingSnapshot));
    decoder.recovery(3, &snapshot(53, 53, &[(EntryType::Bid, 1, 53, 1)]), &mut events).unwrap();
    let prices: Vec<_> = bodies(&mut events).into_iter().skip(2).collect();
    assert_eq!(prices, [level(Side::Bid, 53, 1), level(Side::Bid, 54, 1), level(Side::Bid, 55, 1)]);
    // Where another book fills what may wait, this one's change is dropped itself.
    let of = |security_id, sequence: u32| {
        book(sequence, &[BookEntry { security_id, ..entry(sequence, EntryType::Bid, UpdateAction::New, 1, 5, 1) }])
    };
    (56..=60).for_each(|sequence| {
        decoder.incremental(4, &of(if sequence < 60 { 1 } else { 2 }, sequence), &mut events).unwrap();
    });
    assert_eq!((decoder.dropped_changes(), decoder.held_changes(decoder.instrument(2).unwrap())), (5, Some(0)));
}

#[test]
fn a_book_that_was_told_before_its_definition_moves_to_its_name() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    let entries: Vec<_> = (1..=4)
        .map(|number| entry(number, EntryType::Bid, UpdateAction::New, number as u8, 450_000 - i64::from(number), 1))
        .collect();
    decoder.incremental(1, &book(1, &entries), &mut events).unwrap();
    let provisional = decoder.instrument(ES).unwrap();
    assert_eq!(decoder.instruments().latest(provisional).unwrap().symbol, format!("security {ES}"));
    events.clear();
    decoder.recovery(2, &packet(1, |packet| packet.definition(&definition())), &mut events).unwrap();
    let named = decoder.instrument(ES).unwrap();
    let given: Vec<_> = events.iter().map(|event| (event.instrument, event.body)).collect();
    let shown = |points: i64| Body::Level { side: Side::Bid, price_ticks: points * POINT / 100, size: 1 };
    assert_eq!(
        given,
        [
            (provisional, Body::Clear),
            (named, Body::Definition),
            (named, shown(449_999)),
            (named, shown(449_998)),
            (named, shown(449_997)),
        ]
    );
}

#[test]
fn an_option_is_defined_by_its_own_template() {
    let (mut decoder, mut events) = (decoder(View::Levels, Some(1)), Vec::new());
    let option = Definition { option: Some((4_500 * POINT, true)), symbol: "ESM4 P4500", ..definition() };
    let bytes = packet(1, |packet| packet.definition(&option));
    decoder.recovery(1, &bytes, &mut events).unwrap();
    assert_eq!(decoder.instruments().latest(decoder.instrument(ES).unwrap()).unwrap().symbol, "ESM4 P4500");
    let schema = schema();
    let view = schema.decode(&bytes[PACKET_HEADER_BYTES + 2..]).unwrap();
    assert_eq!((view.message().id, view.message().block.length), (55, 213));
}

#[test]
fn our_templates_have_the_lengths_that_are_published() {
    let schema = schema();
    let lengths =
        [(4, 9), (12, 0), (30, 30), (37, 11), (46, 11), (47, 11), (48, 11), (52, 59), (53, 28), (54, 216), (55, 213)];
    for (id, length) in lengths {
        assert_eq!(schema.message(id).unwrap().block.length, length, "template {id}");
    }
}

#[test]
fn no_memory_is_asked_for_by_updates_of_known_books() {
    struct Nowhere;
    impl Sink for Nowhere {
        fn event(&mut self, _: &Event) {}
    }
    let mut decoder = decoder(View::Levels, Some(1));
    let packets: Vec<_> = (1..200_u32)
        .map(|number| {
            let action = if number % 2 == 1 { UpdateAction::New } else { UpdateAction::Delete };
            book(number, &[entry(number, EntryType::Bid, action, 1, 450_000, 5)])
        })
        .collect();
    packets[..4].iter().for_each(|packet| decoder.incremental(1, packet, &mut Nowhere).unwrap());
    let rest = || packets[4..].iter().for_each(|packet| decoder.incremental(1, packet, &mut Nowhere).unwrap());
    let ((), allocated) = crate::allocations::measure(rest);
    assert_eq!((allocated.calls, decoder.counts().malformed, decoder.counts().messages), (0, 0, 199));
}

#[test]
fn a_schema_of_something_else_is_refused() {
    let refuse = |xml: &str| {
        Mdp3Decoder::new(Arc::new(Schema::read(xml).unwrap()), Settings::default()).unwrap_err().to_string()
    };
    let without = TEMPLATES_XML.replace(r#"<field name="MDPriceLevel" id="1023" type="uInt8" offset="24"/>"#, "");
    let told = "template 46 MDIncrementalRefreshBook46 has no number field 1023; allowed: a schema of CME's MDP 3.0";
    assert_eq!(refuse(&without), told);
    let header = &TEMPLATES_XML[..TEMPLATES_XML.find("<ns2:message ").unwrap()];
    assert!(refuse(&format!("{header}</ns2:messageSchema>")).contains("none of the templates"));
}

/// Both feeds in one stream of bytes, as tests of any decoder want them: which feed, a length, a packet.
struct Stream {
    decoder: Mdp3Decoder,
    bytes: Vec<u8>,
    packets: u64,
}

impl feed::Decoder for Stream {
    fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), FeedError> {
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((head, rest)) = self.bytes[at..].split_first_chunk::<3>() {
            let length = usize::from(u16::from_le_bytes([head[1], head[2]]));
            let Some(packet) = rest.get(..length) else { break };
            self.packets += 1;
            let _ = if head[0] % 2 == 0 {
                self.decoder.incremental(self.packets, packet, sink)
            } else {
                self.decoder.recovery(self.packets, packet, sink)
            };
            at += 3 + length;
        }
        self.bytes.drain(..at);
        Ok(())
    }

    fn finish(&mut self, sink: &mut impl Sink) -> Result<(), FeedError> {
        self.decoder.finish(self.packets, sink);
        Ok(())
    }

    fn instruments(&self) -> &Instruments {
        self.decoder.instruments()
    }

    fn counts(&self) -> Counts {
        self.decoder.counts()
    }
}

/// A session of two lines with losses, snapshots and definitions, by a seed.
fn session(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut stream = Vec::new();
    let mut add = |feed: u8, packet: &[u8]| {
        stream.push(feed);
        stream.extend_from_slice(&(packet.len() as u16).to_le_bytes());
        stream.extend_from_slice(packet);
    };
    add(1, &packet(1, |packet| packet.definition(&definition())));
    let mut report = 0;
    for sequence in 1..60 {
        let bytes = packet(sequence, |packet| {
            for _ in 0..random.below(3) {
                let entries: Vec<_> = (0..random.below(3))
                    .map(|_| {
                        report += 1;
                        let action = UpdateAction::of(random.below(6) as u64).unwrap();
                        entry(report, [EntryType::Bid, EntryType::Offer][random.below(2)], action, 1, 450_000, 5)
                    })
                    .collect();
                let orders: Vec<_> = (0..entries.len() as u64)
                    .map(|place| {
                        order(random.below(20) as u64, OrderAction::of(place % 3).unwrap(), place as u8 + 1, 1, 1)
                    })
                    .collect();
                packet.book(1, END, &entries, &orders)?;
            }
            packet.status(1, END, ("ES", "ES", Some(ES)), 21)
        });
        for _ in 0..random.below(4) {
            add(0, &bytes);
        }
        if sequence % 10 == 9 {
            add(1, &snapshot(sequence - 1, report, &[(EntryType::Bid, 1, 450_000, 5)]));
        }
    }
    stream
}

fn stream(view: View, first_sequence: Option<u32>) -> Stream {
    Stream { decoder: decoder(view, first_sequence), bytes: Vec::new(), packets: 0 }
}

#[test]
fn any_split_of_the_stream_gives_the_same_events() {
    for seed in 0..40 {
        let bytes = session(seed);
        any_split_gives_the_same(&bytes, seed, 1 + 40 * seed as usize, || stream(View::Levels, Some(1)));
        any_split_gives_the_same(&bytes, seed, 300, || stream(View::Orders, None));
    }
}

#[test]
fn damaged_packets_do_no_harm() {
    let sessions: Vec<_> = (0..8).map(session).collect();
    let shared = Arc::new(schema());
    for (view, first_sequence) in [(View::Levels, Some(1)), (View::Orders, None)] {
        damage_does_no_harm(&sessions, 3_000, 4 << 20, || {
            let settings = Settings { view, first_sequence, ..Settings::default() };
            let decoder = Mdp3Decoder::new(Arc::clone(&shared), settings).unwrap();
            Stream { decoder, bytes: Vec::new(), packets: 0 }
        });
    }
}

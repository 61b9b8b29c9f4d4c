//! What each message becomes, and what is counted.

use super::*;
use crate::itch::{
    message::{BrokenTrade, SystemEvent},
    samples::*,
};

fn take(normaliser: &mut Normaliser, messages: &[Message]) -> Taken {
    let mut taken = Taken::default();
    for message in messages {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let sequence = normaliser.counts().messages + 1;
        normaliser.message(&bytes, Arrival { sequence, receive_ns: None }, &mut taken);
    }
    taken
}

#[test]
fn a_day_gives_the_events_that_it_tells() {
    let mut normaliser = Normaliser::new(MIDNIGHT_NS);
    let day = day();
    assert!(Message::KINDS.iter().all(|kind| day.iter().any(|message| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        bytes[0] == *kind
    })));
    let taken = take(&mut normaliser, &day);
    let bodies: Vec<Body> = taken.events.iter().map(|event| event.body).collect();
    let execute = |order_id, size, price_ticks| Body::Execute { order_id, size, price_ticks };
    let trade = |resting_side, size, price_ticks| Body::Trade { resting_side, price_ticks, size };
    let expected = [
        Body::Definition,
        Body::Definition,
        Body::Status(TradingStatus::Trading),
        Body::Add { order_id: 10, side: Side::Bid, price_ticks: 5_859_000, size: 100 },
        Body::Add { order_id: 11, side: Side::Ask, price_ticks: 2_232_000, size: 300 },
        Body::Add { order_id: 12, side: Side::Ask, price_ticks: 5_860_000, size: 200 },
        execute(10, 40, NO_PRICE),
        execute(12, 50, 5_859_500),
        execute(12, 50, 5_859_700),
        trade(None, 50, 5_859_700),
        Body::Cancel { order_id: 10, size: 10 },
        Body::Modify { order_id: 10, new_order_id: 13, price_ticks: 5_859_100, size: 70 },
        trade(None, 5, 5_859_400),
        trade(Some(Side::Ask), 6, 5_859_400),
        Body::Status(TradingStatus::Halted),
        Body::Status(TradingStatus::Auction),
        Body::Status(TradingStatus::Paused),
        Body::Cancel { order_id: 13, size: ALL },
    ];
    assert_eq!(bodies, expected);
    let events = &taken.events;
    assert_eq!((events[8].flags, events[7].flags), (Flags::LAST | Flags::NON_PRINTABLE, Flags::LAST));
    assert!(events.iter().all(|event| event.flags.contains(Flags::LAST) && event.receive_ns == event.exchange_ns));
    assert_eq!((events[6].exchange_ns, events[6].sequence), (MIDNIGHT_NS + 6, 12));
    assert_eq!((events[3].instrument, events[4].instrument), (InstrumentId(0), InstrumentId(1)));
    let definition = normaliser.instruments().latest(InstrumentId(0)).unwrap();
    assert_eq!((definition.symbol.as_str(), definition.price(5_859_000), definition.size(100)), ("AAPL", 585.9, 100.0));
    let (messages, events) = (day.len() as u64, events.len() as u64);
    assert_eq!(taken.ended, messages);
    assert_eq!(normaliser.counts(), Counts { messages, passed_over: messages - events, ..Counts::default() });
}

#[test]
fn a_locate_before_its_directory_has_the_symbol_that_is_told_or_its_number() {
    let mut normaliser = Normaliser::new(0);
    let delete = |locate| Message::from(OrderDelete { header: header(locate, 1), order_reference: 1 });
    let taken = take(
        &mut normaliser,
        &[delete(7), delete(7), add(9, "MSFT", 1, b'B', 1, 1), add(7, "IBM", 2, b'B', 1, 1), delete(7)],
    );
    let seen: Vec<_> =
        taken.events.iter().map(|event| (event.instrument.0, event.body == Body::Definition, event.flags)).collect();
    let (part, last) = (Flags::default(), Flags::LAST);
    let expected = [
        (0, true, part),
        (0, false, last),
        (0, false, last),
        (1, true, part),
        (1, false, last),
        (2, true, part),
        (2, false, last),
        (2, false, last),
    ];
    assert_eq!(seen, expected);
    let symbols: Vec<_> = normaliser.instruments().iter().map(|(_, definition)| definition.symbol.as_str()).collect();
    assert_eq!(symbols, ["locate 7", "MSFT", "IBM"]);
    // What has been defined is not defined again.
    let taken = take(&mut normaliser, &[add(9, "MSFT", 3, b'B', 1, 1), add(7, "IBM", 4, b'B', 1, 1)]);
    assert_eq!(taken.events.iter().map(|event| event.instrument.0).collect::<Vec<_>>(), [1, 2]);
    // The directory message comes late, and says the same.
    let taken = take(&mut normaliser, &[directory(9, "MSFT"), delete(9)]);
    assert_eq!((taken.events[0].instrument, taken.events[1].instrument), (InstrumentId(1), InstrumentId(1)));
    assert_eq!(normaliser.instruments().len(), 3);
}

#[test]
fn what_makes_no_sense_is_counted_and_gives_nothing() {
    let mut normaliser = Normaliser::new(0);
    let mut taken = Taken::default();
    let bytes = |message: Message, change: fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        change(&mut bytes);
        bytes
    };
    let malformed = [
        Vec::new(),
        bytes(add(1, "A", 1, b'X', 1, 1), |_| ()),
        bytes(add(1, "A", 1, b'B', 1, 1), |bytes| bytes.push(0)),
        bytes(add(1, "A", 1, b'B', 1, 1), |bytes| bytes.truncate(35)),
        bytes(BrokenTrade { header: header(1, 1), match_number: 1 }.into(), |bytes| bytes.truncate(1)),
        bytes(directory(1, "A"), |bytes| bytes[11] = 0xff),
        bytes(directory(1, "A"), |bytes| bytes[11] = b' '),
        bytes(directory(1, "A"), |bytes| bytes.truncate(38)),
        bytes(day()[3], |bytes| bytes[19] = b'?'),
        bytes(day()[12], |bytes| bytes[31] = b'?'),
    ];
    let unknown = [b"z".to_vec(), vec![0; 36]];
    for bytes in malformed.iter().chain(&unknown) {
        normaliser.message(bytes, Arrival { sequence: 1, receive_ns: None }, &mut taken);
    }
    let expected = Counts { messages: 12, malformed: 10, unknown: 2, ..Counts::default() };
    assert_eq!((normaliser.counts(), taken.events.len(), taken.ended), (expected, 0, 12));
    assert!(normaliser.instruments().is_empty());
}

#[test]
fn what_was_lost_shows_on_the_next_event_of_every_stock_alone() {
    let mut normaliser = Normaliser::new(0);
    let add_to = |locate, order_id| add(locate, "A", order_id, b'B', 1, 1);
    let delete = |locate| Message::from(OrderDelete { header: header(locate, 1), order_reference: 1 });
    take(&mut normaliser, &[directory(1, "A"), directory(2, "B"), directory(3, "C"), delete(7)]);
    normaliser.lost(3);
    let passed_over = SystemEvent { header: header(0, 1), event_code: b'O' }.into();
    let messages = [
        passed_over,
        add_to(2, 1),
        add_to(2, 2),
        delete(7),
        delete(7),
        directory(1, "A"),
        add_to(1, 3),
        directory(4, "D"),
        add_to(4, 4),
    ];
    let flags = |taken: Taken| taken.events.iter().map(|event| event.flags.contains(Flags::GAP)).collect::<Vec<_>>();
    assert_eq!(flags(take(&mut normaliser, &messages)), [true, false, true, false, true, false, false, false]);
    // Heard of for the first time, and not by its directory message: that was lost.
    assert_eq!(flags(take(&mut normaliser, &[delete(9), delete(9), add_to(3, 5)])), [true, false, false, true]);
    assert_eq!(normaliser.counts().missing, 3);
}

#[test]
fn the_time_of_receipt_is_kept_where_it_is_told() {
    let mut taken = Taken::default();
    let mut bytes = Vec::new();
    directory(1, "A").encode(&mut bytes);
    Normaliser::new(100).message(&bytes, Arrival { sequence: 8, receive_ns: Some(900) }, &mut taken);
    let event = taken.events[0];
    assert_eq!((event.exchange_ns, event.receive_ns, event.sequence), (101, 900, 8));
}

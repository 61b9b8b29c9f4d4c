use super::*;
use crate::{event::Side, ingest::ring::Pause};

fn event(sequence: u64, instrument: u32, body: Body) -> Event {
    let instrument = InstrumentId(instrument);
    Event { exchange_ns: sequence, receive_ns: sequence, sequence, instrument, flags: Flags::LAST, body }
}

fn trade(sequence: u64, instrument: u32) -> Event {
    event(sequence, instrument, Body::Trade { resting_side: None, price_ticks: 5, size: 1 })
}

fn quote(sequence: u64) -> Event {
    event(sequence, 0, Body::Quote { side: Side::Bid, price_ticks: sequence as i64, size: 1 })
}

fn definition(symbol: &str, tick_nanos: i64) -> Definition {
    Definition { symbol: symbol.into(), tick_nanos, lot_nanos: 1, valid_from_ns: 0 }
}

fn taken(receiver: &mut Receiver) -> Vec<(u64, bool)> {
    let mut events: Vec<Event> = Vec::new();
    receiver.take(usize::MAX, &mut events);
    events.iter().map(|event| (event.sequence, event.flags.contains(Flags::GAP))).collect()
}

/// What a sink was told, in the order in which it was.
#[derive(Default, Debug, PartialEq)]
struct Told(Vec<Result<Event, Vec<i64>>>);

impl Sink for Told {
    fn event(&mut self, event: &Event) {
        self.0.push(Ok(*event));
    }

    fn message_end(&mut self, instruments: &Instruments) {
        self.0.push(Err(instruments.iter().map(|(_, definition)| definition.tick_nanos).collect()));
    }
}

#[test]
fn a_reader_is_told_what_the_decoder_told_with_its_instruments_and_the_ends_of_messages() {
    let (mut sender, mut receiver) = channel(5, WhenFull::Wait);
    let mut direct = Told::default();
    let reader = std::thread::spawn(move || {
        let (mut told, mut pause) = (Told::default(), Pause::default());
        while !receiver.is_ended() {
            if receiver.take(3, &mut told) == 0 {
                pause.pause();
            }
        }
        told
    });
    let mut instruments = Instruments::new();
    let mut message = |events: &[Event], instruments: &Instruments| {
        for event in events {
            sender.event(event);
            direct.event(event);
        }
        sender.message_end(instruments);
        if !events.is_empty() {
            direct.message_end(instruments);
        }
    };
    for (id, symbol) in [(0, "A"), (1, "B")] {
        instruments.define(definition(symbol, 7));
        message(&[event(1, id, Body::Definition), trade(1, id)], &instruments);
        message(&[], &instruments);
    }
    // The receiver is at the latest definitions, the decoder at those of the message: once they agree again, both tell the same.
    for sequence in 2..3_000 {
        let long = vec![trade(sequence, 1); if sequence == 100 { 5_000 } else { (sequence % 3) as usize }];
        message(&long, &instruments);
    }
    drop(sender);
    let (told, direct) = (reader.join().unwrap().0, direct.0);
    assert_eq!(told.len(), direct.len());
    let differs =
        told.iter().zip(&direct).position(|(told, direct)| told != direct && (told.is_ok() || direct.is_ok()));
    assert_eq!((differs, told.last()), (None, direct.last()));
    assert_eq!(told.last(), Some(&Err(vec![7, 7])));
}

#[test]
fn a_definition_that_changes_reaches_the_reader_with_its_event() {
    let (mut sender, mut receiver) = channel(8, WhenFull::Wait);
    let mut instruments = Instruments::new();
    for tick_nanos in [7, 9] {
        instruments.define(Definition { valid_from_ns: tick_nanos as u64, ..definition("A", tick_nanos) });
        sender.event(&event(1, 0, Body::Definition));
        sender.message_end(&instruments);
        sender.flush();
        assert_eq!(
            (taken(&mut receiver).len(), receiver.instruments().latest(InstrumentId(0)).unwrap().tick_nanos),
            (1, tick_nanos)
        );
    }
}

#[test]
fn definitions_wait_once_an_instrument_while_the_receiver_takes_nothing() {
    let (mut sender, mut receiver) = channel(2, WhenFull::DropNewest);
    let mut instruments = Instruments::new();
    for tick_nanos in 1..1_000 {
        for symbol in ["A", "B"] {
            instruments.define(Definition { valid_from_ns: tick_nanos as u64, ..definition(symbol, tick_nanos) });
        }
        for id in [1, 0] {
            sender.event(&event(1, id, Body::Definition));
        }
        sender.message_end(&instruments);
        sender.flush();
    }
    assert_eq!(sender.definitions.waiting.lock().unwrap().len(), 2);
    taken(&mut receiver);
    let known: Vec<_> = receiver.instruments().iter().map(|(id, it)| (id.0, &it.symbol[..], it.tick_nanos)).collect();
    assert_eq!(known, [(0, "A", 999), (1, "B", 999)]);
}

#[test]
fn what_is_dropped_is_counted_and_its_instrument_has_a_gap() {
    let (mut sender, mut receiver) = channel(2, WhenFull::DropNewest);
    for event in [trade(1, 0), trade(2, 1), trade(3, 1), trade(4, 1)] {
        sender.event(&event);
    }
    sender.flush();
    assert_eq!((sender.metrics().dropped.get(), sender.metrics().sent.get()), (2, 2));
    assert_eq!(taken(&mut receiver), [(1, false), (2, false)]);
    sender.event(&trade(5, 0));
    sender.event(&trade(6, 1));
    sender.flush();
    assert_eq!(taken(&mut receiver), [(5, false), (6, true)]);
    sender.event(&trade(7, 1));
    sender.flush();
    assert_eq!(taken(&mut receiver), [(7, false)]);
}

#[test]
fn conflation_keeps_the_latest_quote_and_every_trade_as_far_as_there_is_room() {
    let (mut sender, mut receiver) = channel(2, WhenFull::Conflate);
    for event in [quote(1), trade(2, 0), quote(3), quote(4), trade(5, 0), trade(6, 1), quote(7)] {
        sender.event(&event);
    }
    sender.flush();
    let metrics = receiver.metrics().clone();
    // In the ring 1 and 2; waiting at the end 5 and 7, since 4 replaced 3 and 7 replaced 4; no room for 6.
    assert_eq!((metrics.sent.get(), metrics.conflated.get(), metrics.dropped.get(), sender.waiting()), (2, 2, 1, 2));
    assert_eq!(taken(&mut receiver), [(1, false), (2, false)]);
    sender.event(&trade(8, 1));
    sender.flush();
    assert_eq!(taken(&mut receiver), [(5, false), (7, false)]);
    drop(sender);
    assert_eq!((taken(&mut receiver), receiver.is_ended()), (vec![(8, true)], true));
}

#[test]
fn a_sender_does_not_hang_when_the_receiver_is_gone() {
    for rule in WhenFull::ALL {
        let (mut sender, receiver) = channel(2, rule);
        drop(receiver);
        (0..500).for_each(|sequence| sender.event(&trade(sequence, 0)));
        sender.flush();
        let metrics = sender.metrics().clone();
        drop(sender);
        assert_eq!(metrics.sent.get() + metrics.dropped.get(), 500, "{rule}");
    }
}

#[test]
fn rules_have_names() {
    for rule in WhenFull::ALL {
        assert_eq!(rule.name().parse(), Ok(rule));
    }
    let unknown = "drop_oldest".parse::<WhenFull>().unwrap_err();
    assert_eq!(unknown.to_string(), "\"drop_oldest\" is no rule for a full ring; allowed: wait, drop_newest, conflate");
}

#[test]
fn an_event_in_the_ring_is_no_larger_than_an_event() {
    let constants = Flags::LAST | Flags::SNAPSHOT | Flags::BAD_TIME | Flags::GAP | Flags::NON_PRINTABLE;
    assert_eq!((size_of::<Event>(), constants.0 & MESSAGE_ENDS), (72, 0));
}

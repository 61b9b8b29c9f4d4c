//! The books against a plain reference: maps of queues, searched from end to end.

mod real;
mod reference;
mod steady_state;

use proptest::prelude::*;

use super::*;
use crate::event::{ALL, Body, Flags, Side, TradingStatus};
use reference::Reference;

const INSTRUMENTS: u32 = 4;

/// Few numbers, prices and sizes, so that orders meet, books cross, and faults of every kind come.
fn bodies() -> impl Strategy<Value = Body> {
    let id = 0u64..24;
    let side = || prop_oneof![Just(Side::Bid), Just(Side::Ask)];
    let price = || prop_oneof![30 => 95i64..106, 1 => Just(NO_PRICE), 1 => Just(i64::MIN), 1 => Just(i64::MAX - 1)];
    let size = || prop_oneof![30 => 1u64..9, 2 => Just(0), 1 => Just(u64::MAX), 1 => Just(u64::MAX - 4)];
    prop_oneof![
        30 => (id.clone(), side(), price(), size())
            .prop_map(|(order_id, side, price_ticks, size)| Body::Add { order_id, side, price_ticks, size }),
        10 => (id.clone(), id.clone(), any::<bool>(), price(), size()).prop_map(
            |(order_id, other, same, price_ticks, size)| {
                Body::Modify { order_id, new_order_id: if same { order_id } else { other }, price_ticks, size }
            }
        ),
        10 => (id.clone(), size()).prop_map(|(order_id, size)| Body::Cancel { order_id, size }),
        10 => (id, size()).prop_map(|(order_id, size)| Body::Execute { order_id, size, price_ticks: NO_PRICE }),
        6 => (side(), price(), size()).prop_map(|(side, price_ticks, size)| Body::Level { side, price_ticks, size }),
        1 => Just(Body::Clear),
        1 => (side(), price(), size()).prop_map(|(side, price_ticks, size)| Body::Quote { side, price_ticks, size }),
        1 => Just(Body::Status(TradingStatus::Paused)),
        1 => Just(Body::Trade { resting_side: None, price_ticks: 100, size: 5 }),
    ]
}

fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let told = (0..INSTRUMENTS + 1, bodies(), 0u8..40);
    prop::collection::vec(told, 0..most).prop_map(|told| {
        let event = |(place, (instrument, body, flags)): (usize, _)| Event {
            exchange_ns: 1_000 * place as u64,
            receive_ns: 1_000 * place as u64,
            sequence: place as u64 + 1,
            instrument: InstrumentId(instrument),
            flags: if flags == 0 { Flags::GAP } else { Flags::LAST },
            body,
        };
        told.into_iter().enumerate().map(event).collect()
    })
}

/// The greatest number of an instrument is beyond the limit, and the last orders may be.
fn limits() -> Limits {
    Limits { instruments: INSTRUMENTS, orders: 30 }
}

fn checkpoint_of(books: &Books) -> Vec<u8> {
    let mut bytes = Vec::new();
    books.checkpoint(&mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn books_equal_the_reference_after_every_event(events in events(300)) {
        let (mut books, mut reference) = (Books::with_limits(limits()), Reference::new(limits()));
        for event in &events {
            prop_assert_eq!(books.apply(event), reference.apply(event), "{:?}", event);
            reference.compare(&books, event.instrument)?;
        }
        for instrument in 0..=INSTRUMENTS {
            reference.compare(&books, InstrumentId(instrument))?;
        }
        prop_assert_eq!(books.orders(), reference.orders());
        for fault in Fault::ALL {
            prop_assert_eq!(books.faults().of(fault), reference.faults_of(fault));
        }
    }

    #[test]
    fn a_checkpoint_and_what_came_after_equal_the_books_that_never_stopped(
        events in events(300),
        stop in 0usize..300,
    ) {
        let stop = stop.min(events.len());
        let mut never_stopped = Books::with_limits(limits());
        events[..stop].iter().for_each(|event| { never_stopped.apply(event); });
        let mut recovered = Books::recover(&checkpoint_of(&never_stopped), limits()).unwrap();
        for event in &events[stop..] {
            prop_assert_eq!(recovered.apply(event), never_stopped.apply(event));
        }
        prop_assert_eq!(checkpoint_of(&recovered), checkpoint_of(&never_stopped));
    }

    #[test]
    fn many_at_once_are_the_same_as_one_by_one(events in events(300)) {
        let [mut together, mut gathered] = [true, false].map(|huge| Books::with_room(limits(), 9, huge));
        let mut alone = Books::with_limits(limits());
        together.apply_all(&events);
        let mut sink = BatchedBooks::new(&mut gathered);
        events.iter().for_each(|event| sink.event(event));
        drop(sink);
        events.iter().for_each(|event| { alone.apply(event); });
        prop_assert_eq!(checkpoint_of(&together), checkpoint_of(&alone));
        prop_assert_eq!(checkpoint_of(&gathered), checkpoint_of(&alone));
    }
}

/// Events of one instrument, numbered from 1, without flags.
fn tell(books: &mut Books, bodies: &[Body]) {
    for (sequence, body) in (books.book(InstrumentId(0)).sequence() + 1..).zip(bodies) {
        let (instrument, flags) = (InstrumentId(0), Flags::default());
        books.apply(&Event { exchange_ns: sequence, receive_ns: sequence, sequence, instrument, flags, body: *body });
    }
}

fn queue(books: &Books, side: Side, price_ticks: i64) -> Vec<(u64, u64)> {
    books.book(InstrumentId(0)).orders_at(side, price_ticks).map(|order| (order.order_id, order.size)).collect()
}

fn add(order_id: u64, side: Side, price_ticks: i64, size: u64) -> Body {
    Body::Add { order_id, side, price_ticks, size }
}

#[test]
fn a_modify_keeps_its_place_only_when_it_shrinks() {
    let mut books = Books::new();
    let modify = |order_id, new_order_id, price_ticks, size| Body::Modify { order_id, new_order_id, price_ticks, size };
    tell(&mut books, &[1, 2, 3, 4].map(|id| add(id, Side::Ask, 50, 10)));
    tell(&mut books, &[modify(1, 1, 50, 4)]);
    assert_eq!(queue(&books, Side::Ask, 50), [(1, 4), (2, 10), (3, 10), (4, 10)]);
    tell(&mut books, &[modify(1, 1, 50, 5)]);
    assert_eq!(queue(&books, Side::Ask, 50), [(2, 10), (3, 10), (4, 10), (1, 5)]);
    tell(&mut books, &[modify(2, 9, 50, 10)]);
    assert_eq!(queue(&books, Side::Ask, 50), [(3, 10), (4, 10), (1, 5), (9, 10)]);
    tell(&mut books, &[modify(3, 3, 49, 10)]);
    assert_eq!(queue(&books, Side::Ask, 50), [(4, 10), (1, 5), (9, 10)]);
    let place = books.book(InstrumentId(0)).queue_ahead(9).unwrap();
    assert_eq!((place.size_ahead, place.position, place.price_ticks, place.side), (15, 2, 50, Side::Ask));
    assert_eq!(books.book(InstrumentId(0)).best(Side::Ask).unwrap().price_ticks, 49);
    assert_eq!(books.faults().total(), 0);
}

#[test]
fn a_crossed_book_shows_both_sides_as_told() {
    let mut books = Books::new();
    tell(&mut books, &[add(1, Side::Bid, 102, 5), add(2, Side::Ask, 100, 7)]);
    assert_eq!(books.book(InstrumentId(0)).spread_ticks(), Some(-2));
    assert!(books.book(InstrumentId(0)).is_crossed());
    tell(&mut books, &[Body::Cancel { order_id: 1, size: ALL }, add(3, Side::Bid, 100, 1)]);
    assert_eq!(books.book(InstrumentId(0)).spread_ticks(), Some(0));
    assert!(!books.book(InstrumentId(0)).is_crossed(), "locked is not crossed");
}

#[test]
fn one_number_may_rest_in_several_instruments() {
    let mut books = Books::new();
    for instrument in 0..3 {
        let body = add(7, Side::Bid, 10 + i64::from(instrument), 1);
        let (instrument, flags) = (InstrumentId(instrument), Flags::default());
        books.apply(&Event { exchange_ns: 0, receive_ns: 0, sequence: 1, instrument, flags, body });
    }
    assert_eq!((books.orders(), books.faults().total()), (3, 0));
    assert_eq!(books.book(InstrumentId(2)).queue_ahead(7).unwrap().price_ticks, 12);
}

#[test]
fn quotes_and_levels_of_one_feed_are_kept_apart() {
    let mut books = Books::new();
    let quote = |price_ticks| Body::Quote { side: Side::Bid, price_ticks, size: 3 };
    tell(&mut books, &[Body::Level { side: Side::Bid, price_ticks: 9, size: 2 }, quote(11)]);
    assert_eq!(books.book(InstrumentId(0)).best(Side::Bid).unwrap().price_ticks, 9);
    assert_eq!(books.book(InstrumentId(0)).quote(Side::Bid), Some((11, 3)));
    tell(&mut books, &[quote(NO_PRICE)]);
    assert_eq!(books.book(InstrumentId(0)).quote(Side::Bid), None);
}

#[test]
fn a_gap_is_remembered_until_the_book_is_told_anew() {
    let mut books = Books::new();
    let mut event = |flags, body| {
        let instrument = InstrumentId(1);
        books.apply(&Event { exchange_ns: 0, receive_ns: 0, sequence: 1, instrument, flags, body });
        (books.book(InstrumentId(0)).is_suspect(), books.book(InstrumentId(1)).is_suspect())
    };
    assert_eq!(event(Flags::LAST | Flags::GAP, add(1, Side::Bid, 5, 5)), (false, true));
    assert_eq!(event(Flags::LAST, add(2, Side::Bid, 5, 5)), (false, true));
    assert_eq!(event(Flags::LAST | Flags::GAP, Body::Clear), (false, true), "something was lost again");
    assert_eq!(event(Flags::LAST, Body::Clear), (false, false));
}

#[test]
fn fetching_ahead_reads_nothing_that_is_not_there() {
    let mut books = Books::new();
    for orders in [0, 1, 100] {
        for order_id in 0..orders {
            let body = Body::Add { order_id, side: Side::Bid, price_ticks: 5, size: 1 };
            let (instrument, flags) = (InstrumentId(0), Flags::LAST);
            books.apply(&Event { exchange_ns: 0, receive_ns: 0, sequence: 0, instrument, flags, body });
        }
        for step in [Step::Far, Step::Near, Step::Next] {
            for instrument in [0, 1, u32::MAX] {
                let known = (0..200).chain([u64::from(u32::MAX), u64::MAX]);
                known.for_each(|known| _ = books.ahead(step, InstrumentId(instrument), known));
            }
        }
    }
}

#[test]
fn books_of_many_orders_are_the_same_whether_they_look_ahead_or_not() {
    use crate::feed::Decoder as _;
    use crate::itch::{self, Header, Stock, message::*};
    /// Books that are never told ahead.
    struct Alone(Books);
    impl Sink for Alone {
        fn event(&mut self, event: &Event) {
            self.0.event(event);
        }
    }
    let header = |order: u64| Header { stock_locate: (order % 600) as u16, tracking_number: 0, timestamp_ns: order };
    let stock = Stock::new("A").unwrap();
    let add = |order: u64, header: Header| {
        let (side, price) = ([b'B', b'S'][(order % 2) as usize], 1_000 + (order * 7 % 40) as u32);
        AddOrder { header, order_reference: order, side, shares: 100, stock, price }.into()
    };
    let mut bytes = Vec::new();
    for order in 0..40_000u64 {
        itch::encode_framed(&add(order, header(order)), &mut bytes);
        // From half of them on an older one goes, is executed, or moves.
        let Some(old) = order.checked_sub(20_000) else { continue };
        let (header, order_reference) = (header(old), old);
        let change: itch::Message = match old % 3 {
            0 => OrderDelete { header, order_reference }.into(),
            1 => OrderExecuted { header, order_reference, shares: 40 + (old % 61) as u32, match_number: old }.into(),
            _ => {
                let (original_order_reference, new_order_reference) = (old, old + (1 << 40));
                OrderReplace { header, original_order_reference, new_order_reference, shares: 10, price: 999 }.into()
            }
        };
        itch::encode_framed(&change, &mut bytes);
    }
    let (mut looking, mut alone) = (Books::new(), Alone(Books::new()));
    let (mut one, mut other) = (itch::Decoder::new(0), itch::Decoder::new(0));
    let mut looked = 0;
    for chunk in bytes.chunks(10_007) {
        looked += usize::from(looking.looks_ahead());
        one.feed(chunk, &mut looking).unwrap();
        other.feed(chunk, &mut alone).unwrap();
    }
    assert!(looked > 50, "{looked} pieces were looked ahead in");
    assert!(!looking.clone().fetching_ahead(false).looks_ahead());
    assert_eq!((looking.faults().total(), looking.orders()), (0, alone.0.orders()));
    assert!(checkpoint_of(&looking) == checkpoint_of(&alone.0));
}

#[test]
fn what_every_event_of_an_instrument_touches_is_one_cache_line() {
    assert_eq!((size_of::<Head>(), align_of::<Head>()), (64, 64));
    assert_eq!(std::mem::offset_of!(Head, ladders), 0);
}

#[test]
fn events_at_once_are_applied_the_same_without_fetching_ahead() {
    let event = |sequence, body| {
        let (instrument, flags) = (InstrumentId(sequence as u32 % 5), Flags::LAST);
        Event { exchange_ns: sequence, receive_ns: sequence, sequence, instrument, flags, body }
    };
    let adds = (0..500).map(|order_id| {
        event(order_id, Body::Add { order_id, side: Side::Bid, price_ticks: (order_id % 17) as i64, size: 9 })
    });
    let takes = (0..500).step_by(3).map(|order_id| event(order_id, Body::Cancel { order_id, size: order_id % 10 + 1 }));
    let events: Vec<Event> = adds.chain(takes).collect();
    let (mut fetching, mut plain) = (Books::new(), Books::new().fetching_ahead(false));
    fetching.apply_all(&events);
    plain.apply_all(&events);
    assert!(checkpoint_of(&fetching) == checkpoint_of(&plain));
}

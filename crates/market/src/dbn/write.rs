//! Writes events of orders as a DBN stream, version 3, as a live feed sends it: a header without schema, a symbol mapping for each
//! instrument, then `mbo` and `status` records.
//!
//! Execution  of a resting order is a trade, a fill and a cancel, which belong together; an order that gets another number is cancelled and added.
//!            What that leaves open (the side, the price, how much is left) the writer knows, since it keeps the orders.
//! Units      prices and sizes are written in DBN's own: what does not fit is not written, and counted.
//! Not here   levels and quotes: an `mbo` record is of an order. They are counted as unwritten.

use std::collections::HashMap;

use ::dbn::{
    MboMsg, MetadataBuilder, RecordHeader, SType, StatusAction, StatusMsg, SymbolMappingMsg, UNDEF_PRICE,
    UNDEF_TIMESTAMP, encode::dbn::MetadataEncoder, flags, rtype,
};

use crate::{
    event::{ALL, Body, Event, Flags, InstrumentId, NO_PRICE, Side, Sink, TradingStatus},
    feed::FeedError,
    instruments::Definition,
};

/// Sizes are written in whole units, of which a lot is so many billionths.
const UNIT_NANOS: u128 = 1_000_000_000;

/// Writes events as DBN: give it events, and take the bytes.
#[derive(Debug)]
pub struct DbnWriter {
    publisher: u16,
    bytes: Vec<u8>,
    books: Vec<Option<Book>>,
    unwritten: u64,
}

/// What is known of an instrument.
#[derive(Debug)]
struct Book {
    tick_nanos: i64,
    lot_nanos: u128,
    orders: HashMap<u64, Resting>,
}

/// A resting order, in DBN's units.
#[derive(Debug, Clone, Copy)]
struct Resting {
    side: Side,
    price: i64,
    size: u32,
}

/// What a record tells beside its header, times and flags.
#[derive(Debug, Clone, Copy)]
struct Order {
    action: u8,
    side: Option<Side>,
    order_id: u64,
    price: i64,
    size: u32,
}

/// Records of one event.
type Records = [Option<Order>; 3];

impl DbnWriter {
    /// Begins a stream of a data set (`GLBX.MDP3`) and of one of its publishers, whose first event is at `start_ns`.
    ///
    /// # Errors
    ///
    /// [`FeedError`] where the name of the data set is too long for a header.
    pub fn new(dataset: &str, publisher: u16, start_ns: u64) -> Result<Self, FeedError> {
        let metadata = MetadataBuilder::new()
            .dataset(dataset)
            .schema(None)
            .start(start_ns)
            .stype_in(Some(SType::RawSymbol))
            .stype_out(SType::InstrumentId)
            .build();
        let mut bytes = Vec::new();
        MetadataEncoder::new(&mut bytes)
            .encode(&metadata)
            .map_err(|error| FeedError { offset: 0, problem: format!("data set {dataset:?}: {error}") })?;
        Ok(Self { publisher, bytes, books: Vec::new(), unwritten: 0 })
    }

    /// Tells of an instrument: before its first event, and when its units change (its orders are forgotten then).
    ///
    /// # Errors
    ///
    /// [`FeedError`] where its symbol has over 70 bytes, or a unit is not above 0.
    pub fn define(&mut self, instrument: InstrumentId, definition: &Definition) -> Result<(), FeedError> {
        let refuse = |problem: String| FeedError { offset: 0, problem };
        let Definition { symbol, tick_nanos, lot_nanos, valid_from_ns } = definition;
        let lot = u128::try_from(*lot_nanos).ok().filter(|&lot| lot > 0 && *tick_nanos > 0);
        let lot_nanos = lot.ok_or_else(|| {
            refuse(format!("{symbol}: tick of {tick_nanos}, lot of {lot_nanos} billionths; allowed: above 0"))
        })?;
        let mapping = SymbolMappingMsg::new(
            instrument.0,
            *valid_from_ns,
            SType::RawSymbol,
            symbol,
            SType::RawSymbol,
            symbol,
            *valid_from_ns,
            UNDEF_TIMESTAMP,
        );
        self.bytes.extend_from_slice(mapping.map_err(|error| refuse(format!("{symbol}: {error}")))?.as_ref());
        let index = instrument.0 as usize;
        if self.books.len() <= index {
            self.books.resize_with(index + 1, || None);
        }
        self.books[index] = Some(Book { tick_nanos: *tick_nanos, lot_nanos, orders: HashMap::new() });
        Ok(())
    }

    /// What has been written and not been cleared yet.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what has been written, once it has been sent.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// How many events could not be written: of an instrument that was not told, of an order that is not there, of levels or quotes, or outside
    /// what DBN's fields hold.
    pub fn unwritten(&self) -> u64 {
        self.unwritten
    }

    fn header<T: ::dbn::HasRType>(&self, kind: u8, event: &Event) -> RecordHeader {
        let has_time = !event.flags.contains(Flags::BAD_TIME);
        let event_ns = if has_time { event.exchange_ns } else { UNDEF_TIMESTAMP };
        RecordHeader::new::<T>(kind, self.publisher, event.instrument.0, event_ns)
    }

    fn write_orders(&mut self, event: &Event, records: Records) {
        let last = records.iter().rposition(Option::is_some);
        for (place, order) in records.iter().enumerate() {
            let Some(Order { action, side, order_id, price, size }) = *order else { continue };
            let mut flags = 0;
            for (ours, theirs) in [(Flags::SNAPSHOT, flags::SNAPSHOT), (Flags::GAP, flags::MAYBE_BAD_BOOK)] {
                flags |= if event.flags.contains(ours) { theirs } else { 0 };
            }
            if Some(place) == last && event.flags.contains(Flags::LAST) {
                flags |= flags::LAST;
            }
            let side = match side {
                Some(Side::Bid) => b'B',
                Some(Side::Ask) => b'A',
                None => b'N',
            };
            let record = MboMsg {
                hd: self.header::<MboMsg>(rtype::MBO, event),
                order_id,
                price,
                size,
                flags: flags.into(),
                channel_id: 0,
                action: action as _,
                side: side as _,
                ts_recv: event.receive_ns,
                ts_in_delta: 0,
                // DBN has 32 bits for it: of a longer number the lower ones.
                sequence: event.sequence as u32,
            };
            self.bytes.extend_from_slice(record.as_ref());
        }
    }

    fn write_status(&mut self, event: &Event, status: TradingStatus) {
        let action = match status {
            TradingStatus::PreOpen => StatusAction::PreOpen,
            TradingStatus::Trading => StatusAction::Trading,
            TradingStatus::Auction => StatusAction::Cross,
            TradingStatus::Paused => StatusAction::Pause,
            TradingStatus::Halted => StatusAction::Halt,
            TradingStatus::Closed => StatusAction::Close,
        };
        let record = StatusMsg {
            hd: self.header::<StatusMsg>(rtype::STATUS, event),
            ts_recv: event.receive_ns,
            action: action as u16,
            ..StatusMsg::default()
        };
        self.bytes.extend_from_slice(record.as_ref());
    }
}

impl Sink for DbnWriter {
    fn event(&mut self, event: &Event) {
        let book = self.books.get_mut(event.instrument.0 as usize).and_then(Option::as_mut);
        let Some(book) = book else {
            self.unwritten += 1;
            return;
        };
        match event.body {
            // The mapping has told the name; units are always DBN's own.
            Body::Definition => {}
            Body::Status(status) => self.write_status(event, status),
            body => match book.apply(body) {
                Some(records) => self.write_orders(event, records),
                None => self.unwritten += 1,
            },
        }
    }
}

impl Book {
    /// The records of an event, once the orders are as they are behind it; `None`, and nothing changed, where it cannot be written.
    fn apply(&mut self, body: Body) -> Option<Records> {
        let one = |order| Some([Some(order), None, None]);
        match body {
            Body::Add { order_id, side, price_ticks, size } => {
                let (price, size) = (self.price(price_ticks)?, self.size(size)?);
                self.orders.insert(order_id, Resting { side, price, size });
                one(Order { action: b'A', side: Some(side), order_id, price, size })
            }
            Body::Modify { order_id, new_order_id, price_ticks, size } => {
                let (price, size) = (self.price(price_ticks)?, self.size(size)?);
                let old = self.orders.remove(&order_id)?;
                let side = Some(old.side);
                self.orders.insert(new_order_id, Resting { price, size, ..old });
                if new_order_id == order_id {
                    return one(Order { action: b'M', side, order_id, price, size });
                }
                let cancelled = Order { action: b'C', side, order_id, price: old.price, size: old.size };
                Some([Some(cancelled), Some(Order { action: b'A', side, order_id: new_order_id, price, size }), None])
            }
            Body::Cancel { order_id, size } => {
                let size = if size == ALL { u32::MAX } else { self.size(size)? };
                one(self.take_away(order_id, size)?)
            }
            Body::Execute { order_id, size, price_ticks } => {
                let size = self.size(size)?;
                let traded_at = if price_ticks == NO_PRICE { None } else { Some(self.price(price_ticks)?) };
                let cancelled = self.take_away(order_id, size)?;
                let price = traded_at.unwrap_or(cancelled.price);
                let fill = Order { action: b'F', price, ..cancelled };
                let trade = Order { action: b'T', order_id: 0, side: fill.side.map(Side::opposite), ..fill };
                Some([Some(trade), Some(fill), Some(cancelled)])
            }
            Body::Trade { resting_side, price_ticks, size } => {
                let (price, size) = (self.price(price_ticks)?, self.size(size)?);
                one(Order { action: b'T', side: resting_side.map(Side::opposite), order_id: 0, price, size })
            }
            Body::Clear => {
                self.orders.clear();
                one(Order { action: b'R', side: None, order_id: 0, price: UNDEF_PRICE, size: 0 })
            }
            Body::Level { .. } | Body::Quote { .. } | Body::Status(_) | Body::Definition => None,
        }
    }

    /// Takes up to `size` from an order: what was taken, as a cancel.
    fn take_away(&mut self, order_id: u64, size: u32) -> Option<Order> {
        let resting = self.orders.get_mut(&order_id)?;
        let Resting { side, price, .. } = *resting;
        let size = size.min(resting.size);
        resting.size -= size;
        if resting.size == 0 {
            self.orders.remove(&order_id);
        }
        Some(Order { action: b'C', side: Some(side), order_id, price, size })
    }

    /// A price in DBN's unit, where it fits.
    fn price(&self, price_ticks: i64) -> Option<i64> {
        price_ticks.checked_mul(self.tick_nanos).filter(|&price| price_ticks != NO_PRICE && price != UNDEF_PRICE)
    }

    /// A size in whole units, where it is whole and fits.
    fn size(&self, size: u64) -> Option<u32> {
        // At most 64 and 63 bits.
        let nanos = u128::from(size) * self.lot_nanos;
        if nanos.is_multiple_of(UNIT_NANOS) { u32::try_from(nanos / UNIT_NANOS).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        dbn::DbnDecoder,
        feed::Decoder,
        mutations::{Decoded, decode},
    };

    const ID: InstrumentId = InstrumentId(0);

    fn definition(tick_nanos: i64, lot_nanos: i64) -> Definition {
        Definition { symbol: "AAPL".into(), tick_nanos, lot_nanos, valid_from_ns: 0 }
    }

    fn writer(tick_nanos: i64) -> DbnWriter {
        let mut writer = DbnWriter::new("XNAS.ITCH", 2, 7).unwrap();
        writer.define(ID, &definition(tick_nanos, 1_000_000_000)).unwrap();
        writer
    }

    fn event(body: Body) -> Event {
        Event { exchange_ns: 5, receive_ns: 6, sequence: 7, instrument: ID, flags: Flags::LAST, body }
    }

    fn read(writer: &DbnWriter) -> Decoded {
        let decoded = decode(DbnDecoder::new(), writer.bytes(), || 1_000);
        assert_eq!((&decoded.error, decoded.counts.malformed, decoded.counts.unknown), (&None, 0, 0));
        decoded
    }

    fn any_body() -> impl Strategy<Value = Body> {
        let side = prop_oneof![Just(Side::Bid), Just(Side::Ask)];
        let (order_id, price_ticks, size) = (0_u64..6, -100_i64..1_000_000, 1_u64..50);
        (0..5, order_id, side, price_ticks, size).prop_map(|(kind, order_id, side, price_ticks, size)| match kind {
            0 | 1 => Body::Add { order_id, side, price_ticks, size },
            2 => Body::Modify { order_id, new_order_id: order_id, price_ticks, size },
            3 => Body::Cancel { order_id, size },
            _ => Body::Trade { resting_side: Some(side), price_ticks, size },
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(bodies in proptest::collection::vec(any_body(), 1..60), flags in 0_u8..8) {
            let mut writer = writer(1);
            let (mut resting, mut expected) = (HashMap::new(), Vec::new());
            for mut body in bodies {
                // Only what an exchange would send: new numbers, orders that rest, no more than is left.
                let makes_sense = match &mut body {
                    Body::Add { order_id, size, .. } => resting.insert(*order_id, *size).is_none(),
                    Body::Modify { order_id, size, .. } => {
                        resting.get_mut(order_id).map(|left| *left = *size).is_some()
                    }
                    Body::Cancel { order_id, size } => resting.remove(order_id).is_some_and(|left| {
                        *size = left.min(*size);
                        if left > *size {
                            resting.insert(*order_id, left - *size);
                        }
                        true
                    }),
                    _ => true,
                };
                if !makes_sense {
                    // An order that was there already is another one now.
                    if let Body::Add { order_id, .. } = body {
                        resting.remove(&order_id);
                        let gone = event(Body::Cancel { order_id, size: ALL });
                        writer.event(&gone);
                        expected.push(None);
                    }
                    continue;
                }
                let mut event = event(body);
                event.flags = Flags(flags);
                event.exchange_ns = if event.flags.contains(Flags::BAD_TIME) { event.receive_ns } else { 5 };
                writer.event(&event);
                expected.push(Some(event));
            }
            prop_assert_eq!(writer.unwritten(), 0);
            let decoded = read(&writer);
            prop_assert_eq!(decoded.events.len(), expected.len());
            for (found, expected) in decoded.events.iter().zip(&expected) {
                match expected {
                    Some(expected) => prop_assert_eq!(found, expected),
                    None => {
                        let is_cancel = matches!(found.body, Body::Cancel { .. });
                        prop_assert!(is_cancel);
                    }
                }
            }
        }
    }

    #[test]
    fn an_execution_is_a_trade_a_fill_and_a_cancel_and_a_new_number_a_cancel_and_an_order() {
        // Prices of four decimals, as ITCH has them.
        let mut writer = writer(100_000);
        for body in [
            Body::Add { order_id: 1, side: Side::Bid, price_ticks: 5_855_000, size: 100 },
            Body::Execute { order_id: 1, size: 30, price_ticks: NO_PRICE },
            Body::Modify { order_id: 1, new_order_id: 2, price_ticks: 5_856_000, size: 60 },
            Body::Cancel { order_id: 2, size: ALL },
            Body::Status(TradingStatus::Halted),
            Body::Clear,
        ] {
            writer.event(&event(body));
        }
        let decoded = read(&writer);
        let price_ticks = 585_500_000_000;
        let last: Vec<bool> = decoded.events.iter().map(|event| event.flags.contains(Flags::LAST)).collect();
        let bodies: Vec<Body> = decoded.events.iter().map(|event| event.body).collect();
        let expected = [
            Body::Add { order_id: 1, side: Side::Bid, price_ticks, size: 100 },
            Body::Trade { resting_side: Some(Side::Bid), price_ticks, size: 30 },
            Body::Cancel { order_id: 1, size: 30 },
            Body::Cancel { order_id: 1, size: 70 },
            Body::Add { order_id: 2, side: Side::Bid, price_ticks: 585_600_000_000, size: 60 },
            Body::Cancel { order_id: 2, size: 60 },
            Body::Status(TradingStatus::Halted),
            Body::Clear,
        ];
        assert_eq!(bodies, expected);
        assert_eq!(last, [true, false, true, false, true, true, true, true]);
        // The fill, and the mapping that told the name.
        assert_eq!((decoded.counts.messages, decoded.counts.passed_over), (10, 1));
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let mut writer = writer(1_000_000_000);
        writer.define(InstrumentId(1), &definition(1, 10)).unwrap();
        let written = writer.bytes().len();
        let add = |price_ticks, size| Body::Add { order_id: 1, side: Side::Bid, price_ticks, size };
        let of = |instrument, body| Event { instrument: InstrumentId(instrument), ..event(body) };
        for event in [
            of(0, add(i64::MAX / 2, 1)),
            of(0, add(NO_PRICE, 1)),
            of(0, add(1, 1 << 32)),
            of(0, Body::Cancel { order_id: 9, size: 1 }),
            of(0, Body::Level { side: Side::Bid, price_ticks: 1, size: 1 }),
            // A half of a coin.
            of(1, add(1, 50_000_000)),
            of(2, add(1, 1)),
        ] {
            writer.event(&event);
        }
        assert_eq!((writer.unwritten(), writer.bytes().len()), (7, written));
        assert!(writer.define(ID, &definition(0, 1)).is_err());
        let long = Definition { symbol: "A".repeat(71), ..definition(1, 1) };
        assert!(writer.define(ID, &long).is_err());
        assert!(DbnWriter::new("A data set of over sixteen bytes", 1, 0).is_err());
    }

    #[test]
    fn real_es_orders_are_the_same_when_written_and_read_again() {
        let Some(folder) = zomma_testkit::real_data() else { return };
        let file = std::fs::read(folder.join("books/dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst")).unwrap();
        let bytes = zstd::decode_all(file.as_slice()).unwrap();
        let mut events = Vec::new();
        let mut decoder = DbnDecoder::new();
        decoder.feed(&bytes, &mut events).unwrap();
        let mut writer = DbnWriter::new("GLBX.MDP3", 1, 0).unwrap();
        writer.define(ID, decoder.instruments().latest(ID).unwrap()).unwrap();
        events.iter().for_each(|event| writer.event(event));
        assert_eq!((writer.unwritten(), events.len()), (0, 62_421));
        let again = read(&writer);
        assert_eq!(again.events, events);
    }
}

//! Events of a feed as rows of `ticks`.

use std::sync::Arc;

use arrow_array::TimestampNanosecondArray;
use arrow_array::{
    ArrayRef, Int64Array, RecordBatch,
    builder::{Float64Builder, Int64Builder, StringBuilder},
};
use zomma_market::{
    book::Books,
    event::{ALL, Body, Event, NO_PRICE, Side, Sink, TradingStatus},
    instruments::{Definition, Instruments},
};

use super::doubts::{Doubts, LoneTimes};
use crate::{error::Result, table::Table};

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 16;

/// Takes events, and gives them as batches of rows.
///
/// Prices and sizes are those of the instrument's definition at the event's time. An execution has the price and the side of the order that it was
/// of, so that it is a trade by itself; where the feed has not told of that order (it began in mid-session) and no price is in the event, it has
/// none. Numbers of orders and messages above 2⁶³ − 1 are kept as their two's complement. An event of an instrument without a name, or of a time
/// past the year 2262, makes no row and is counted. A time that is told is kept, however far from the others: [`TickRows::lone_times`] counts those that
/// stand alone.
#[derive(Default)]
pub struct TickRows {
    books: Books,
    pending: Vec<Event>,
    columns: Columns,
    ready: Vec<RecordBatch>,
    refused: u64,
    doubts: Doubts,
    /// The latest sequence number, and how many of its events came before the next one.
    latest: Option<(u64, i64)>,
}

#[derive(Default)]
struct Columns {
    times: Vec<i64>,
    instruments: StringBuilder,
    sequences: Vec<i64>,
    receive_times: Vec<i64>,
    kinds: StringBuilder,
    sides: StringBuilder,
    prices: Float64Builder,
    sizes: Float64Builder,
    order_ids: Int64Builder,
    flags: Vec<i64>,
    new_order_ids: Int64Builder,
    statuses: StringBuilder,
    ordinals: Vec<i64>,
}

/// What a row has beside its event's head.
#[derive(Default)]
struct Cells {
    kind: &'static str,
    side: Option<Side>,
    price_ticks: Option<i64>,
    size: Option<u64>,
    order_id: Option<u64>,
    new_order_id: Option<u64>,
    status: Option<TradingStatus>,
}

impl TickRows {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Batches that are full.
    pub fn ready(&mut self) -> Vec<RecordBatch> {
        std::mem::take(&mut self.ready)
    }

    /// How many events made no row.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Rows so far whose time stands alone: most likely a clock that jumped. They are rows like all others, of the time that the feed tells.
    pub fn lone_times(&self) -> LoneTimes {
        self.doubts.finish()
    }

    /// What is left, once the feed has ended.
    ///
    /// # Errors
    ///
    /// Where columns could not be put together, which is an error of this program.
    pub fn finish(&mut self, instruments: &Instruments) -> Result<Vec<RecordBatch>> {
        self.message_end(instruments);
        self.cut();
        Ok(self.ready())
    }

    fn row(&mut self, event: &Event, instruments: &Instruments) {
        // What it says of ticks and lots is in the prices and sizes of every other row.
        if event.body == Body::Definition {
            return;
        }
        let ordinal = match self.latest {
            Some((sequence, next)) if sequence == event.sequence => next,
            _ => 0,
        };
        self.latest = Some((event.sequence, ordinal + 1));
        let cells = self.cells(event);
        self.books.apply(event);
        let definition = instruments.at(event.instrument, event.exchange_ns).filter(|it| !it.symbol.is_empty());
        let times = (i64::try_from(event.exchange_ns), i64::try_from(event.receive_ns));
        let (Some(definition), (Ok(time), Ok(receive_time))) = (definition, times) else {
            self.refused += 1;
            return;
        };
        self.doubts.next(time);
        self.columns.push(event, (time, receive_time), definition, &cells);
        self.columns.ordinals.push(ordinal);
        if self.columns.times.len() >= BATCH_ROWS {
            self.cut();
        }
    }

    fn cells(&self, event: &Event) -> Cells {
        let order = |order_id| self.books.book(event.instrument).order(order_id);
        let price = |price_ticks: i64| Some(price_ticks).filter(|price| *price != NO_PRICE);
        match event.body {
            Body::Add { order_id, side, price_ticks, size } => Cells {
                kind: "add",
                side: Some(side),
                price_ticks: price(price_ticks),
                size: Some(size),
                order_id: Some(order_id),
                ..Cells::default()
            },
            Body::Modify { order_id, new_order_id, price_ticks, size } => Cells {
                kind: "modify",
                price_ticks: price(price_ticks),
                size: Some(size),
                order_id: Some(order_id),
                new_order_id: Some(new_order_id),
                ..Cells::default()
            },
            Body::Cancel { order_id, size } => Cells {
                kind: "cancel",
                size: Some(size).filter(|size| *size != ALL),
                order_id: Some(order_id),
                ..Cells::default()
            },
            Body::Execute { order_id, size, price_ticks } => {
                let of_order = order(order_id);
                Cells {
                    kind: "execute",
                    side: of_order.map(|(side, _, _)| side),
                    price_ticks: price(price_ticks).or(of_order.map(|(_, price, _)| price)),
                    size: Some(size),
                    order_id: Some(order_id),
                    ..Cells::default()
                }
            }
            Body::Trade { resting_side, price_ticks, size } => Cells {
                kind: "trade",
                side: resting_side,
                price_ticks: price(price_ticks),
                size: Some(size),
                ..Cells::default()
            },
            Body::Level { side, price_ticks, size } => Cells {
                kind: "level",
                side: Some(side),
                price_ticks: price(price_ticks),
                size: Some(size),
                ..Cells::default()
            },
            Body::Quote { side, price_ticks, size } => Cells {
                kind: "quote",
                side: Some(side),
                price_ticks: price(price_ticks),
                size: Some(size),
                ..Cells::default()
            },
            Body::Clear => Cells { kind: "clear", ..Cells::default() },
            Body::Status(status) => Cells { kind: "status", status: Some(status), ..Cells::default() },
            Body::Definition => Cells::default(),
        }
    }

    fn cut(&mut self) {
        if !self.columns.times.is_empty() {
            self.ready.push(std::mem::take(&mut self.columns).batch());
        }
    }
}

impl Sink for TickRows {
    fn event(&mut self, event: &Event) {
        self.pending.push(*event);
    }

    fn message_end(&mut self, instruments: &Instruments) {
        // A message's own definitions are known only now.
        let mut pending = std::mem::take(&mut self.pending);
        pending.drain(..).for_each(|event| self.row(&event, instruments));
        self.pending = pending;
    }
}

impl Columns {
    fn push(&mut self, event: &Event, (time, receive_time): (i64, i64), definition: &Definition, cells: &Cells) {
        let signed = |number: u64| number as i64;
        self.times.push(time);
        self.instruments.append_value(&definition.symbol);
        self.sequences.push(signed(event.sequence));
        self.receive_times.push(receive_time);
        self.kinds.append_value(cells.kind);
        self.sides.append_option(cells.side.map(side_name));
        self.prices.append_option(cells.price_ticks.map(|price| definition.price(price)));
        self.sizes.append_option(cells.size.map(|size| definition.size(size)));
        self.order_ids.append_option(cells.order_id.map(signed));
        self.flags.push(i64::from(event.flags.0));
        self.new_order_ids.append_option(cells.new_order_id.map(signed));
        self.statuses.append_option(cells.status.map(status_name));
    }

    fn batch(mut self) -> RecordBatch {
        let times =
            |times| -> ArrayRef { Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC")) };
        let columns: Vec<ArrayRef> = vec![
            times(self.times),
            Arc::new(self.instruments.finish()),
            Arc::new(Int64Array::from(self.sequences)),
            times(self.receive_times),
            Arc::new(self.kinds.finish()),
            Arc::new(self.sides.finish()),
            Arc::new(self.prices.finish()),
            Arc::new(self.sizes.finish()),
            Arc::new(self.order_ids.finish()),
            Arc::new(Int64Array::from(self.flags)),
            Arc::new(self.new_order_ids.finish()),
            Arc::new(self.statuses.finish()),
            Arc::new(Int64Array::from(self.ordinals)),
        ];
        RecordBatch::try_new(Table::Ticks.schema(), columns)
            .expect("each column was pushed to once a row, with the table's type")
    }
}

/// The name of a side in tables.
pub(crate) fn side_name(side: Side) -> &'static str {
    match side {
        Side::Bid => "bid",
        Side::Ask => "ask",
    }
}

fn status_name(status: TradingStatus) -> &'static str {
    match status {
        TradingStatus::PreOpen => "pre_open",
        TradingStatus::Trading => "trading",
        TradingStatus::Auction => "auction",
        TradingStatus::Paused => "paused",
        TradingStatus::Halted => "halted",
        TradingStatus::Closed => "closed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet::conform;
    use arrow_array::{
        Array,
        cast::AsArray,
        types::{Float64Type, Int64Type},
    };
    use zomma_market::event::{Flags, InstrumentId};

    fn converted(bodies: &[Body]) -> RecordBatch {
        let mut instruments = Instruments::new();
        let id = instruments.define(Definition {
            symbol: "ESZ6".into(),
            tick_nanos: 250_000_000,
            lot_nanos: 1_000_000_000,
            valid_from_ns: 0,
        });
        let mut rows = TickRows::new();
        for (index, body) in bodies.iter().enumerate() {
            let (exchange_ns, sequence) = (1_000 + index as u64, index as u64);
            let event = Event { exchange_ns, receive_ns: 7, sequence, instrument: id, flags: Flags::LAST, body: *body };
            rows.event(&event);
            rows.message_end(&instruments);
        }
        let stranger = Event {
            exchange_ns: 1,
            receive_ns: 1,
            sequence: 1,
            instrument: InstrumentId(9),
            flags: Flags(0),
            body: Body::Clear,
        };
        rows.event(&stranger);
        rows.event(&Event { exchange_ns: u64::MAX, instrument: id, ..stranger });
        let batches = rows.finish(&instruments).unwrap();
        assert_eq!((batches.len(), rows.refused()), (1, 2));
        batches[0].clone()
    }

    #[test]
    fn every_kind_of_event_is_a_row_in_the_instruments_units() {
        let bodies = [
            Body::Add { order_id: 1, side: Side::Bid, price_ticks: 401, size: 30 },
            Body::Modify { order_id: 1, new_order_id: u64::MAX, price_ticks: 402, size: 20 },
            Body::Execute { order_id: u64::MAX, size: 5, price_ticks: NO_PRICE },
            Body::Execute { order_id: u64::MAX, size: 5, price_ticks: 400 },
            Body::Execute { order_id: 77, size: 5, price_ticks: NO_PRICE },
            Body::Cancel { order_id: u64::MAX, size: ALL },
            Body::Trade { resting_side: Some(Side::Ask), price_ticks: 404, size: 9 },
            Body::Level { side: Side::Ask, price_ticks: 405, size: 0 },
            Body::Quote { side: Side::Bid, price_ticks: NO_PRICE, size: 0 },
            Body::Clear,
            Body::Status(TradingStatus::Halted),
            Body::Definition,
        ];
        let rows = conform(Table::Ticks, &converted(&bodies), 0).unwrap();
        let texts = |column: usize| {
            rows.column(column).as_string::<i32>().iter().map(|text| text.unwrap_or("-")).collect::<Vec<_>>()
        };
        let floats = |column: usize| rows.column(column).as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
        let integers = |column: usize| rows.column(column).as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
        let kinds = "add modify execute execute execute cancel trade level quote clear status";
        assert_eq!(texts(4).join(" "), kinds);
        assert_eq!(texts(5).join(" "), "bid - bid bid - - ask ask bid - -");
        let prices = [Some(100.25), Some(100.5), Some(100.5), Some(100.0), None, None, Some(101.0), Some(101.25)];
        assert_eq!(floats(6)[..8], prices);
        assert_eq!(floats(6)[8..], [None; 3]);
        let sizes = [Some(30.0), Some(20.0), Some(5.0), Some(5.0), Some(5.0), None, Some(9.0), Some(0.0), Some(0.0)];
        assert_eq!(floats(7)[..9], sizes);
        assert_eq!(integers(8)[..6], [Some(1), Some(1), Some(-1), Some(-1), Some(77), Some(-1)]);
        assert_eq!((integers(10)[1], rows.column(10).null_count()), (Some(-1), 10));
        assert_eq!(texts(11)[10], "halted");
        assert_eq!(texts(1)[0], "ESZ6");
        assert_eq!(integers(12), [Some(0); 11]);
    }

    #[test]
    fn a_row_after_a_clock_jump_is_kept_and_counted() {
        let mut instruments = Instruments::new();
        let instrument = instruments.define(Definition {
            symbol: "ACME".into(),
            tick_nanos: 1,
            lot_nanos: 1_000_000_000,
            valid_from_ns: 0,
        });
        let mut rows = TickRows::new();
        let times: [u64; 4] = [1_000, 2_000, 281_474_976_710_655, 3_000];
        for (sequence, exchange_ns) in (0..).zip(times) {
            let body = Body::Trade { resting_side: None, price_ticks: 404, size: 1 };
            rows.event(&Event { exchange_ns, receive_ns: 7, sequence, instrument, flags: Flags(0), body });
        }
        let batches = rows.finish(&instruments).unwrap();
        assert_eq!(batches[0].num_rows(), 4);
        assert_eq!(rows.lone_times(), LoneTimes { rows: 1, first_ns: Some(281_474_976_710_655) });
    }

    #[test]
    fn events_of_one_sequence_number_are_told_apart() {
        let mut instruments = Instruments::new();
        let instrument = instruments.define(Definition {
            symbol: "ESZ6".into(),
            tick_nanos: 250_000_000,
            lot_nanos: 1_000_000_000,
            valid_from_ns: 0,
        });
        let mut rows = TickRows::new();
        let body = Body::Trade { resting_side: Some(Side::Ask), price_ticks: 404, size: 1 };
        for sequence in [5, 5, 5, 6, 6, 8] {
            rows.event(&Event { exchange_ns: 1, receive_ns: 7, sequence, instrument, flags: Flags(0), body });
        }
        let batches = rows.finish(&instruments).unwrap();
        let ordinals = batches[0].column_by_name("ordinal").unwrap().as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(ordinals, [0, 1, 2, 0, 1, 0]);
    }
}

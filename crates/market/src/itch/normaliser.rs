//! What each ITCH 5.0 message means for books and trades: one message in, its events out.

use super::message::{
    AddAttributedOrder, AddOrder, CrossTrade, Header, Message, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, Stock, StockDirectory, Trade, TradingAction,
};
use crate::{
    event::{ALL, Body, Event, Flags, InstrumentId, NO_PRICE, Side, Sink, TradingStatus},
    feed::Counts,
    instruments::{Definition, Instruments},
};

/// Prices have four decimals.
const TICK_NANOS: i64 = 100_000;
/// Sizes are whole shares.
const LOT_NANOS: i64 = 1_000_000_000;

/// In the table of locates: set where no directory message has told the symbol yet.
const PROVISIONAL: u32 = 1 << 31;
/// In the table of locates: not seen yet.
const UNSEEN: u32 = u32::MAX;

/// Makes events of ITCH 5.0 messages, however they were framed.
///
/// | message | event |
/// |---|---|
/// | A, F | `Add` |
/// | E | `Execute` at the order's own price |
/// | C | `Execute` with its price; flag `NON_PRINTABLE` where it says "N" |
/// | X, D | `Cancel` of some shares, of all |
/// | U | `Modify` with a new number |
/// | P | `Trade` |
/// | Q | `Trade` of the whole cross; none where it crossed no shares |
/// | H | `Status` |
/// | R | `Definition`, after it has reached the instruments |
/// | S, Y, L, V, W, K, J, h, B, I, N, O | none: counted as passed over |
///
/// - **Non-printable executions** (section 1.4.2): a cross executes displayed orders one by one, and reports them again in bulk as Q. The book
///   loses what each of them says; volume and time and sales count Q and leave them out.
/// - **Side of P** (section 1.5.1): since July 2014 it is "B" whatever the side was, so "B" tells none; "S", from older days, tells a sell order.
/// - **Trading state** (section 1.2.2): "Q", when quotes alone are taken before a cross, is an auction.
/// - **Locates**: a stock that is spoken of before its directory message is defined by the symbol of the message that does so, or as `locate 7`
///   until a message tells its symbol; a definition event comes first.
/// - A message of a known type with another length, a side, a state, or a symbol in a directory message that the specification does not have, is counted as
///   malformed and gives nothing.
#[derive(Debug, Clone)]
pub struct Normaliser {
    midnight_ns: u64,
    instruments: Instruments,
    by_locate: Box<[u32; LOCATES]>,
    counts: Counts,
    /// Flags that the next event takes with it.
    pending: Flags,
}

/// How many locates there can be.
const LOCATES: usize = 1 << 16;

/// When and as which message of the feed a message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The feed's number of the message.
    pub sequence: u64,
    /// When it was received, in nanoseconds since the Unix epoch; `None` for when the exchange sent it.
    pub receive_ns: Option<u64>,
}

/// What a message comes to.
enum Outcome {
    Happened { header: Header, stock: Option<Stock>, flags: Flags, body: Body },
    Directory(StockDirectory),
    PassedOver,
    Unknown,
    Malformed,
}

impl Normaliser {
    /// One for a session whose midnight, New York, is at this time, in nanoseconds since the Unix epoch.
    pub fn new(midnight_ns: u64) -> Self {
        // Made on the heap: the table is too large to pass through a stack.
        let by_locate = vec![UNSEEN; LOCATES].into_boxed_slice();
        let by_locate = by_locate.try_into().unwrap_or_else(|_| Box::new([UNSEEN; LOCATES]));
        Self {
            midnight_ns,
            instruments: Instruments::new(),
            by_locate,
            counts: Counts::default(),
            pending: Flags::default(),
        }
    }

    /// Takes all bytes of one message, and gives its events. Bytes that make no sense are counted.
    #[inline]
    pub fn message(&mut self, bytes: &[u8], arrival: Arrival, sink: &mut impl Sink) {
        self.counts.messages += 1;
        match outcome(bytes) {
            Outcome::Happened { header, stock, flags, body } => {
                let known = self.by_locate[usize::from(header.stock_locate)];
                let instrument = if known < PROVISIONAL {
                    InstrumentId(known)
                } else {
                    self.without_directory(&header, stock, arrival, sink)
                };
                self.emit(&header, arrival, instrument, Flags::LAST | flags, body, sink);
            }
            Outcome::Directory(directory) => self.directory(&directory, arrival, sink),
            Outcome::PassedOver => self.counts.passed_over += 1,
            Outcome::Unknown => self.counts.unknown += 1,
            Outcome::Malformed => self.counts.malformed += 1,
        }
        sink.message_end();
    }

    /// Told that the feed lost messages, which are counted; the next event says so.
    pub fn lost(&mut self, missing: u64) {
        self.counts.missing = self.counts.missing.saturating_add(missing);
        self.pending = self.pending | Flags::GAP;
    }

    /// The instruments seen so far.
    pub fn instruments(&self) -> &Instruments {
        &self.instruments
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    #[inline(always)]
    fn emit(
        &mut self,
        header: &Header,
        arrival: Arrival,
        instrument: InstrumentId,
        flags: Flags,
        body: Body,
        sink: &mut impl Sink,
    ) {
        let exchange_ns = self.midnight_ns.saturating_add(header.timestamp_ns);
        let receive_ns = arrival.receive_ns.unwrap_or(exchange_ns);
        let flags = flags | self.pending;
        self.pending = Flags::default();
        sink.event(&Event { exchange_ns, receive_ns, sequence: arrival.sequence, instrument, flags, body });
    }

    /// The instrument of a locate that no directory message has told of; defined here where that has not been done.
    #[cold]
    fn without_directory(
        &mut self,
        header: &Header,
        stock: Option<Stock>,
        arrival: Arrival,
        sink: &mut impl Sink,
    ) -> InstrumentId {
        let locate = header.stock_locate;
        let known = self.by_locate[usize::from(locate)];
        let (symbol, mark) = match stock.as_ref().and_then(Stock::symbol) {
            Some(symbol) => (symbol.to_owned(), 0),
            None if known != UNSEEN => return InstrumentId(known & !PROVISIONAL),
            None => (format!("locate {locate}"), PROVISIONAL),
        };
        let instrument = self.define(symbol);
        self.by_locate[usize::from(locate)] = instrument.0 | mark;
        self.emit(header, arrival, instrument, Flags::default(), Body::Definition, sink);
        instrument
    }

    #[cold]
    fn directory(&mut self, directory: &StockDirectory, arrival: Arrival, sink: &mut impl Sink) {
        let Some(symbol) = directory.stock.symbol() else {
            self.counts.malformed += 1;
            return;
        };
        let instrument = self.define(symbol.to_owned());
        self.by_locate[usize::from(directory.header.stock_locate)] = instrument.0;
        self.emit(&directory.header, arrival, instrument, Flags::LAST, Body::Definition, sink);
    }

    /// Locates and what they mean hold for the day.
    fn define(&mut self, symbol: String) -> InstrumentId {
        let valid_from_ns = self.midnight_ns;
        self.instruments.define(Definition { symbol, tick_nanos: TICK_NANOS, lot_nanos: LOT_NANOS, valid_from_ns })
    }
}

/// What the message's bytes say, before it is known which instrument they are of.
#[inline(always)]
fn outcome(bytes: &[u8]) -> Outcome {
    let Some(&kind) = bytes.first() else { return Outcome::Malformed };
    let happened = match kind {
        AddOrder::KIND => bytes.try_into().ok().map(AddOrder::read).and_then(|add| {
            let body = Body::Add {
                order_id: add.order_reference,
                side: side(add.side)?,
                price_ticks: i64::from(add.price),
                size: u64::from(add.shares),
            };
            Some((add.header, Some(add.stock), Flags::default(), body))
        }),
        AddAttributedOrder::KIND => bytes.try_into().ok().map(AddAttributedOrder::read).and_then(|add| {
            let body = Body::Add {
                order_id: add.order_reference,
                side: side(add.side)?,
                price_ticks: i64::from(add.price),
                size: u64::from(add.shares),
            };
            Some((add.header, Some(add.stock), Flags::default(), body))
        }),
        OrderDelete::KIND => bytes.try_into().ok().map(OrderDelete::read).map(|delete| {
            let body = Body::Cancel { order_id: delete.order_reference, size: ALL };
            (delete.header, None, Flags::default(), body)
        }),
        OrderExecuted::KIND => bytes.try_into().ok().map(OrderExecuted::read).map(|executed| {
            let size = u64::from(executed.shares);
            let body = Body::Execute { order_id: executed.order_reference, size, price_ticks: NO_PRICE };
            (executed.header, None, Flags::default(), body)
        }),
        OrderReplace::KIND => bytes.try_into().ok().map(OrderReplace::read).map(|replace| {
            let body = Body::Modify {
                order_id: replace.original_order_reference,
                new_order_id: replace.new_order_reference,
                price_ticks: i64::from(replace.price),
                size: u64::from(replace.shares),
            };
            (replace.header, None, Flags::default(), body)
        }),
        OrderCancel::KIND => bytes.try_into().ok().map(OrderCancel::read).map(|cancel| {
            let body = Body::Cancel { order_id: cancel.order_reference, size: u64::from(cancel.shares) };
            (cancel.header, None, Flags::default(), body)
        }),
        OrderExecutedWithPrice::KIND => bytes.try_into().ok().map(OrderExecutedWithPrice::read).and_then(|executed| {
            let flags = match executed.printable {
                b'Y' => Flags::default(),
                b'N' => Flags::NON_PRINTABLE,
                _ => return None,
            };
            let body = Body::Execute {
                order_id: executed.order_reference,
                size: u64::from(executed.shares),
                price_ticks: i64::from(executed.price),
            };
            Some((executed.header, None, flags, body))
        }),
        Trade::KIND => bytes.try_into().ok().map(Trade::read).and_then(|trade| {
            let resting_side = side(trade.side)?;
            let body = Body::Trade {
                resting_side: (resting_side == Side::Ask).then_some(resting_side),
                price_ticks: i64::from(trade.price),
                size: u64::from(trade.shares),
            };
            Some((trade.header, Some(trade.stock), Flags::default(), body))
        }),
        CrossTrade::KIND => match bytes.try_into().ok().map(CrossTrade::read) {
            Some(cross) if cross.shares == 0 => return Outcome::PassedOver,
            cross => cross.map(|cross| {
                let price_ticks = i64::from(cross.price);
                let body = Body::Trade { resting_side: None, price_ticks, size: cross.shares };
                (cross.header, Some(cross.stock), Flags::default(), body)
            }),
        },
        TradingAction::KIND => bytes.try_into().ok().map(TradingAction::read).and_then(|action| {
            let status = match action.trading_state {
                b'T' => TradingStatus::Trading,
                b'Q' => TradingStatus::Auction,
                b'P' => TradingStatus::Paused,
                b'H' => TradingStatus::Halted,
                _ => return None,
            };
            Some((action.header, Some(action.stock), Flags::default(), Body::Status(status)))
        }),
        StockDirectory::KIND => match bytes.try_into() {
            Ok(bytes) => return Outcome::Directory(StockDirectory::read(bytes)),
            Err(_) => None,
        },
        _ => {
            return match Message::length_of(kind) {
                Some(length) if length == bytes.len() => Outcome::PassedOver,
                Some(_) => Outcome::Malformed,
                None => Outcome::Unknown,
            };
        }
    };
    match happened {
        Some((header, stock, flags, body)) => Outcome::Happened { header, stock, flags, body },
        None => Outcome::Malformed,
    }
}

#[inline(always)]
fn side(indicator: u8) -> Option<Side> {
    match indicator {
        b'B' => Some(Side::Bid),
        b'S' => Some(Side::Ask),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

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
/// In the table of locates: the feed lost messages, and no event of the stock has said so yet. Instruments have numbers below this.
const AFTER_LOSS: u32 = 1 << 30;
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

/// Of which stock a message is, and when.
#[derive(Clone, Copy)]
struct Of {
    header: Header,
    /// The symbol, where the message tells it.
    stock: Option<Stock>,
    arrival: Arrival,
}

impl Normaliser {
    /// One for a session whose midnight, New York, is at this time, in nanoseconds since the Unix epoch.
    pub fn new(midnight_ns: u64) -> Self {
        // Made on the heap: the table is too large to pass through a stack.
        let by_locate = vec![UNSEEN; LOCATES].into_boxed_slice();
        let by_locate = by_locate.try_into().unwrap_or_else(|_| Box::new([UNSEEN; LOCATES]));
        Self { midnight_ns, instruments: Instruments::new(), by_locate, counts: Counts::default() }
    }

    /// Takes all bytes of one message, and gives its events. Bytes that make no sense are counted.
    #[inline(always)]
    pub fn message(&mut self, bytes: &[u8], arrival: Arrival, sink: &mut impl Sink) {
        self.counts.messages += 1;
        if self.take(bytes, arrival, sink).is_none() {
            self.counts.malformed += 1;
        }
        sink.message_end(&self.instruments);
    }

    /// Told that the feed lost messages, which are counted: they may have been of any stock, so the next event of each has flag `GAP`. A stock whose
    /// directory message comes later has lost nothing.
    #[cold]
    pub fn lost(&mut self, missing: u64) {
        self.counts.missing = self.counts.missing.saturating_add(missing);
        // Marked here, once a loss, so that no event has to look twice.
        for known in self.by_locate.iter_mut().filter(|known| **known != UNSEEN) {
            *known |= AFTER_LOSS;
        }
    }

    /// Of which instrument and order a message probably is, were it to be taken now: what [`Sink::ahead`] is told.
    #[inline(always)]
    pub(super) fn likely(&self, bytes: &[u8]) -> (InstrumentId, u64) {
        // Every message of an order begins as this one, which is a header and the order's number.
        let Some(begin) = bytes.first_chunk() else { return (InstrumentId(UNSEEN), 0) };
        let like = OrderDelete::read(begin);
        (InstrumentId(self.by_locate[usize::from(like.header.stock_locate)]), like.order_reference)
    }

    /// The instruments seen so far.
    pub fn instruments(&self) -> &Instruments {
        &self.instruments
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Gives the events of a message, or counts that there are none; `None` where it makes no sense.
    ///
    /// Each arm gives its event itself: a sink that asks what happened is told so by the compiler, without a second branch.
    #[inline(always)]
    fn take(&mut self, bytes: &[u8], arrival: Arrival, sink: &mut impl Sink) -> Option<()> {
        let none = Flags::default();
        match *bytes.first()? {
            AddOrder::KIND => {
                let add = AddOrder::read(bytes.try_into().ok()?);
                let body = Body::Add {
                    order_id: add.order_reference,
                    side: side(add.side)?,
                    price_ticks: i64::from(add.price),
                    size: u64::from(add.shares),
                };
                self.happened(Of { header: add.header, stock: Some(add.stock), arrival }, none, body, sink);
            }
            AddAttributedOrder::KIND => {
                let add = AddAttributedOrder::read(bytes.try_into().ok()?);
                let body = Body::Add {
                    order_id: add.order_reference,
                    side: side(add.side)?,
                    price_ticks: i64::from(add.price),
                    size: u64::from(add.shares),
                };
                self.happened(Of { header: add.header, stock: Some(add.stock), arrival }, none, body, sink);
            }
            OrderDelete::KIND => {
                let delete = OrderDelete::read(bytes.try_into().ok()?);
                let body = Body::Cancel { order_id: delete.order_reference, size: ALL };
                self.happened(Of { header: delete.header, stock: None, arrival }, none, body, sink);
            }
            OrderExecuted::KIND => {
                let executed = OrderExecuted::read(bytes.try_into().ok()?);
                let size = u64::from(executed.shares);
                let body = Body::Execute { order_id: executed.order_reference, size, price_ticks: NO_PRICE };
                self.happened(Of { header: executed.header, stock: None, arrival }, none, body, sink);
            }
            OrderReplace::KIND => {
                let replace = OrderReplace::read(bytes.try_into().ok()?);
                let body = Body::Modify {
                    order_id: replace.original_order_reference,
                    new_order_id: replace.new_order_reference,
                    price_ticks: i64::from(replace.price),
                    size: u64::from(replace.shares),
                };
                self.happened(Of { header: replace.header, stock: None, arrival }, none, body, sink);
            }
            OrderCancel::KIND => {
                let cancel = OrderCancel::read(bytes.try_into().ok()?);
                let body = Body::Cancel { order_id: cancel.order_reference, size: u64::from(cancel.shares) };
                self.happened(Of { header: cancel.header, stock: None, arrival }, none, body, sink);
            }
            OrderExecutedWithPrice::KIND => {
                let executed = OrderExecutedWithPrice::read(bytes.try_into().ok()?);
                let flags = match executed.printable {
                    b'Y' => none,
                    b'N' => Flags::NON_PRINTABLE,
                    _ => return None,
                };
                let body = Body::Execute {
                    order_id: executed.order_reference,
                    size: u64::from(executed.shares),
                    price_ticks: i64::from(executed.price),
                };
                self.happened(Of { header: executed.header, stock: None, arrival }, flags, body, sink);
            }
            Trade::KIND => {
                let trade = Trade::read(bytes.try_into().ok()?);
                let resting_side = Some(side(trade.side)?).filter(|side| *side == Side::Ask);
                let body =
                    Body::Trade { resting_side, price_ticks: i64::from(trade.price), size: u64::from(trade.shares) };
                self.happened(Of { header: trade.header, stock: Some(trade.stock), arrival }, none, body, sink);
            }
            CrossTrade::KIND => {
                let cross = CrossTrade::read(bytes.try_into().ok()?);
                if cross.shares == 0 {
                    self.counts.passed_over += 1;
                    return Some(());
                }
                let price_ticks = i64::from(cross.price);
                let body = Body::Trade { resting_side: None, price_ticks, size: cross.shares };
                self.happened(Of { header: cross.header, stock: Some(cross.stock), arrival }, none, body, sink);
            }
            TradingAction::KIND => {
                let action = TradingAction::read(bytes.try_into().ok()?);
                let body = Body::Status(status(action.trading_state)?);
                self.happened(Of { header: action.header, stock: Some(action.stock), arrival }, none, body, sink);
            }
            StockDirectory::KIND => {
                let directory = StockDirectory::read(bytes.try_into().ok()?);
                let of = Of { header: directory.header, stock: Some(directory.stock), arrival };
                self.directory(of, directory.stock.symbol()?, sink);
            }
            kind => match Message::length_of(kind) {
                Some(length) if length == bytes.len() => self.counts.passed_over += 1,
                Some(_) => return None,
                None => self.counts.unknown += 1,
            },
        }
        Some(())
    }

    #[inline(always)]
    fn happened(&mut self, of: Of, flags: Flags, body: Body, sink: &mut impl Sink) {
        let known = self.by_locate[usize::from(of.header.stock_locate)];
        let (instrument, gap) =
            if known < AFTER_LOSS { (InstrumentId(known), Flags::default()) } else { self.look_closer(of, sink) };
        self.emit(of, instrument, Flags::LAST | flags | gap, body, sink);
    }

    #[inline(always)]
    fn emit(&mut self, of: Of, instrument: InstrumentId, flags: Flags, body: Body, sink: &mut impl Sink) {
        let exchange_ns = self.midnight_ns.saturating_add(of.header.timestamp_ns);
        let receive_ns = of.arrival.receive_ns.unwrap_or(exchange_ns);
        sink.event(&Event { exchange_ns, receive_ns, sequence: of.arrival.sequence, instrument, flags, body });
    }

    /// Takes the mark of a loss from a locate: the flag that its event is to have. What is first seen after a loss, and not by its directory message,
    /// has lost that at least.
    fn take_gap(&mut self, locate: u16) -> Flags {
        let known = &mut self.by_locate[usize::from(locate)];
        let is_lossy = if *known == UNSEEN {
            self.counts.missing > 0
        } else {
            let marked = *known & AFTER_LOSS != 0;
            *known &= !AFTER_LOSS;
            marked
        };
        if is_lossy { Flags::GAP } else { Flags::default() }
    }

    /// The instrument of a locate that was marked by a loss, or that no directory message has told of (it is defined here where that has not been
    /// done), and the flag of the loss where no event has had it yet.
    #[cold]
    #[inline(never)]
    fn look_closer(&mut self, of: Of, sink: &mut impl Sink) -> (InstrumentId, Flags) {
        let locate = of.header.stock_locate;
        let gap = self.take_gap(locate);
        let known = self.by_locate[usize::from(locate)];
        if known < AFTER_LOSS {
            return (InstrumentId(known), gap);
        }
        let (symbol, mark) = match of.stock.as_ref().and_then(Stock::symbol) {
            Some(symbol) => (symbol.to_owned(), 0),
            None if known != UNSEEN => return (InstrumentId(known & !PROVISIONAL), gap),
            None => (format!("locate {locate}"), PROVISIONAL),
        };
        let instrument = self.define(symbol);
        self.by_locate[usize::from(locate)] = instrument.0 | mark;
        self.emit(of, instrument, gap, Body::Definition, sink);
        (instrument, Flags::default())
    }

    #[cold]
    #[inline(never)]
    fn directory(&mut self, of: Of, symbol: &str, sink: &mut impl Sink) {
        let instrument = self.define(symbol.to_owned());
        let locate = of.header.stock_locate;
        let is_new = self.by_locate[usize::from(locate)] == UNSEEN;
        let gap = if is_new { Flags::default() } else { self.take_gap(locate) };
        self.by_locate[usize::from(locate)] = instrument.0;
        self.emit(of, instrument, Flags::LAST | gap, Body::Definition, sink);
    }

    /// Locates and what they mean hold for the day.
    fn define(&mut self, symbol: String) -> InstrumentId {
        let valid_from_ns = self.midnight_ns;
        self.instruments.define(Definition { symbol, tick_nanos: TICK_NANOS, lot_nanos: LOT_NANOS, valid_from_ns })
    }
}

/// Without a branch on which side it is, since nothing foretells that.
#[inline(always)]
fn side(indicator: u8) -> Option<Side> {
    let (bid, ask) = (indicator == b'B', indicator == b'S');
    (bid | ask).then_some(if bid { Side::Bid } else { Side::Ask })
}

fn status(trading_state: u8) -> Option<TradingStatus> {
    match trading_state {
        b'T' => Some(TradingStatus::Trading),
        b'Q' => Some(TradingStatus::Auction),
        b'P' => Some(TradingStatus::Paused),
        b'H' => Some(TradingStatus::Halted),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

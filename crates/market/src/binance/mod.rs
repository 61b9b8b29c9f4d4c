//! Binance: raw captures of WebSocket streams, spot and USDⓈ-M futures.
//!
//! Format     one line a message, `<local nanoseconds> <JSON>`; the JSON is an event, an event in a combined stream
//!            (`{"stream":…,"data":…}`), or a depth snapshot as REST gives it. hftbacktest's collector writes this.
//! Taken      `depthUpdate` (an [`Body::Level`] for each level), depth snapshots ([`Body::Clear`], then levels with [`Flags::SNAPSHOT`]),
//!            `trade`, `aggTrade` where an instrument has no `trade`, `bookTicker` (a [`Body::Quote`] for each side).
//! Sequence   `u` of depth and bookTicker, `lastUpdateId` of a snapshot, the trade's number of a trade.
//! Times      `T`, else `E`; spot's bookTicker and snapshot have neither, so they have [`Flags::BAD_TIME`].
//! Units      ticks and lots are 10^−8: prices and sizes up to 92 and 184 billion. What does not fit is counted as malformed.
//! Names      are `<symbol>@spot` and `<symbol>@futures`: the two markets call different instruments by one symbol. The symbol alone finds
//!            ([`Instruments::find`]) that of the one market which the capture has.
//!            A trade that was stripped of what tells its market (`M`, `X`) is of the one that its symbol is known in, and malformed where that is both; of
//!            a new symbol it is of the only market that the capture has, else of spot.
//! Snapshots  do not name their symbol: one is taken for the only instrument of the capture, or of its market in it, or the one named by
//!            [`BinanceDecoder::for_symbol`]. A book without one is never given: [`BinanceDecoder::awaiting_snapshot`] tells what it holds.
//! Source     Binance Spot API, "WebSocket Streams"; USDⓈ-M Futures, "WebSocket Market Streams".

mod message;
mod product;
mod sequencing;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

pub use sequencing::BookState;

use crate::{
    decimal,
    event::{Body, Event, Flags, InstrumentId, NO_PRICE, Side, Sink},
    feed::{Counts, Decoder, FeedError},
    instruments::{Definition, Instruments},
    lines::{Line, Lines},
    outcome::{Refused, Tally, give_all},
};
use message::{Fields, Level, Value, price_of, quantity_of};
use product::Product;
use sequencing::{Sequencing, Snapshot, Update, Verdict};

/// Ticks and lots: 10^−8.
const UNIT_NANOS: i64 = 10;
/// Times from here on are in microseconds: in milliseconds this is the year 5138.
const FIRST_MICROSECONDS: u64 = 100_000_000_000_000;

/// Events that say nothing of books or trades.
const PASSED_OVER: [&str; 10] = [
    "kline",
    "continuous_kline",
    "24hrTicker",
    "24hrMiniTicker",
    "1hTicker",
    "avgPrice",
    "markPriceUpdate",
    "forceOrder",
    "contractInfo",
    "compositeIndex",
];

/// Decodes a capture of any number of symbols, spot, futures or both: each message tells which.
#[derive(Debug, Default)]
pub struct BinanceDecoder {
    lines: Lines,
    inner: Inner,
}

#[derive(Debug, Default)]
struct Inner {
    levels: Vec<Level>,
    instruments: Instruments,
    /// Instruments by symbol, for each [`Product`].
    ids: [HashMap<String, InstrumentId>; 2],
    /// Symbols of which no message has told the market yet, and that were taken for spot's.
    guessed: HashSet<String>,
    /// The symbol of the message before, which is most often that of the next, its market and its instrument.
    latest: Option<(String, Product, InstrumentId)>,
    books: Vec<Book>,
    tally: Tally,
}

#[derive(Debug)]
struct Book {
    sequencing: Sequencing,
    /// Something was lost, and no event has told it yet.
    gap_untold: bool,
    /// The instrument's trades come one by one: aggregates of them would tell them twice.
    has_trades: bool,
}

impl BinanceDecoder {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with an instrument (`BTCUSDT@spot`, `BTCUSDT@futures`) that snapshots are of until a message names another.
    pub fn for_symbol(name: &str) -> Self {
        let mut decoder = Self::default();
        let (product, symbol) = Product::parts(name);
        decoder.inner.instrument(symbol, product);
        decoder
    }

    /// Where an instrument's book stands: whether a snapshot must be asked for.
    pub fn book_state(&self, instrument: InstrumentId) -> Option<BookState> {
        Some(self.inner.books.get(instrument.0 as usize)?.sequencing.state())
    }

    /// The last update that the events of an instrument hold: `u`, or `lastUpdateId` of its snapshot.
    pub fn last_update(&self, instrument: InstrumentId) -> Option<u64> {
        Some(self.inner.books.get(instrument.0 as usize)?.sequencing.last_update())
    }

    /// How many updates of an instrument wait for a snapshot.
    pub fn held_updates(&self, instrument: InstrumentId) -> Option<usize> {
        Some(self.inner.books.get(instrument.0 as usize)?.sequencing.held_updates())
    }

    /// The instruments whose updates have waited for a snapshot that has not come, and how many each: nothing of them was given.
    pub fn awaiting_snapshot(&self) -> impl Iterator<Item = (InstrumentId, u64)> {
        let waiting = (0..).map(InstrumentId).zip(self.inner.books.iter().map(|book| book.sequencing.withheld()));
        waiting.filter(|(_, updates)| *updates > 0)
    }

    /// The first line that was counted as malformed, and why.
    pub fn first_fault(&self) -> Option<&FeedError> {
        self.inner.tally.first_fault.as_ref()
    }
}

impl Decoder for BinanceDecoder {
    fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), FeedError> {
        self.lines.feed(bytes, |line| self.inner.line(line, sink));
        Ok(())
    }

    fn finish(&mut self, sink: &mut impl Sink) -> Result<(), FeedError> {
        self.lines.finish(|line| self.inner.line(line, sink));
        Ok(())
    }

    fn instruments(&self) -> &Instruments {
        &self.inner.instruments
    }

    fn counts(&self) -> Counts {
        self.inner.tally.counts
    }
}

impl Inner {
    fn line(&mut self, line: Line<'_>, sink: &mut impl Sink) {
        if line.text.is_empty() && !line.too_long {
            return;
        }
        let mut levels = std::mem::take(&mut self.levels);
        let outcome = self.message(line, &mut levels, sink);
        self.levels = levels;
        self.tally.message(line.offset, outcome);
        sink.message_end(&self.instruments);
    }

    fn message(&mut self, line: Line<'_>, levels: &mut Vec<Level>, sink: &mut impl Sink) -> Result<(), Refused> {
        if line.too_long {
            return Err(malformed(format!("a line of over {} bytes", crate::lines::LONGEST_LINE)));
        }
        let space = line.text.iter().position(|&byte| byte == b' ');
        let (time, json) = line.text.split_at(space.unwrap_or(0));
        let receive_ns = decimal::whole(time).ok_or_else(|| {
            let begin = String::from_utf8_lossy(&line.text[..line.text.len().min(40)]);
            malformed(format!("line begins {begin:?}; allowed: the local time in nanoseconds, a space, JSON"))
        })?;
        let fields = message::read(json, levels).map_err(|error| malformed(error.to_string()))?;
        match fields.event.text() {
            Some("depthUpdate") => self.depth(&fields, receive_ns, levels, sink),
            Some("bookTicker") => self.book_ticker(&fields, receive_ns, sink),
            Some("trade") => self.trade(&fields, fields.trade_id, receive_ns, sink),
            Some("aggTrade") => self.trade(&fields, fields.ask, receive_ns, sink),
            Some(event) if PASSED_OVER.contains(&event) => Err(Refused::PassedOver),
            Some(_) => Err(Refused::Unknown),
            None if fields.snapshot_update.is_there() => self.snapshot(&fields, receive_ns, levels, sink),
            None if fields.last_update.is_there() && fields.bid_quantity.is_there() => {
                self.book_ticker(&fields, receive_ns, sink)
            }
            None if fields.answer.is_there() => Err(Refused::PassedOver),
            None => Err(Refused::Unknown),
        }
    }

    fn depth(
        &mut self,
        fields: &Fields,
        receive_ns: u64,
        levels: &[Level],
        sink: &mut impl Sink,
    ) -> Result<(), Refused> {
        if is_partial_book(fields) {
            return Err(Refused::PassedOver);
        }
        let update = Update {
            first: number(fields.first_update, "U")?,
            last: number(fields.last_update, "u")?,
            previous: fields.previous_update.number(),
            exchange_ns: exchange_ns(fields),
            receive_ns,
        };
        if update.first > update.last {
            return Err(malformed(format!("U {} above u {}", update.first, update.last)));
        }
        let instrument = self.instrument_of(fields)?;
        let book = &mut self.books[instrument.0 as usize];
        match book.sequencing.update(update, levels) {
            Verdict::Held => return Ok(()),
            Verdict::Old => return Err(Refused::PassedOver),
            Verdict::Next => {}
            Verdict::Gap => {
                book.gap_untold = true;
                self.tally.counts.missing += 1;
            }
        }
        give_levels(book, instrument, &update, levels, sink);
        Ok(())
    }

    fn snapshot(
        &mut self,
        fields: &Fields,
        receive_ns: u64,
        levels: &[Level],
        sink: &mut impl Sink,
    ) -> Result<(), Refused> {
        if is_partial_book(fields) {
            return Err(Refused::PassedOver);
        }
        let last = number(fields.snapshot_update, "lastUpdateId")?;
        if fields.bid != Value::Nested || fields.ask != Value::Nested {
            return Err(malformed("a snapshot without bids or asks".into()));
        }
        let instrument = match fields.symbol {
            Value::Absent => self.only_instrument(Product::of(fields))?,
            _ => self.instrument_of(fields)?,
        };
        let book = &mut self.books[instrument.0 as usize];
        let Snapshot::Apply(released) = book.sequencing.snapshot(last) else { return Err(Refused::PassedOver) };
        book.gap_untold = false;
        let mut event = event(instrument, last, exchange_ns(fields), receive_ns);
        event.flags = event.flags | Flags::SNAPSHOT;
        give_all(event, std::iter::once(Body::Clear).chain(levels.iter().map(level)), sink);
        for (update, verdict, levels) in released {
            if verdict == Verdict::Gap {
                book.gap_untold = true;
                self.tally.counts.missing += 1;
            }
            // They became usable now: a time of receipt never goes back.
            let update = Update { receive_ns: update.receive_ns.max(receive_ns), ..update };
            give_levels(book, instrument, &update, &levels, sink);
        }
        Ok(())
    }

    fn book_ticker(&mut self, fields: &Fields, receive_ns: u64, sink: &mut impl Sink) -> Result<(), Refused> {
        let sequence = number(fields.last_update, "u")?;
        let bid = quote(Side::Bid, fields.bid, fields.bid_quantity)?;
        let ask = quote(Side::Ask, fields.ask, fields.ask_quantity)?;
        let instrument = self.instrument_of(fields)?;
        give_all(event(instrument, sequence, exchange_ns(fields), receive_ns), [bid, ask], sink);
        Ok(())
    }

    fn trade(&mut self, fields: &Fields, id: Value<'_>, receive_ns: u64, sink: &mut impl Sink) -> Result<(), Refused> {
        let sequence = number(id, "number of the trade")?;
        let price_ticks = price_of(text(fields.price, "p")?).map_err(malformed)?;
        let size = quantity_of(text(fields.quantity, "q")?).map_err(malformed)?;
        let resting_side = fields.buyer_is_maker.truth().map(|buyer| if buyer { Side::Bid } else { Side::Ask });
        let instrument = self.instrument_of(fields)?;
        let book = &mut self.books[instrument.0 as usize];
        let one_by_one = fields.trade_id.is_there();
        book.has_trades |= one_by_one;
        // Futures send trades of nothing at no price for what did not take place in the book.
        if size == 0 || (book.has_trades && !one_by_one) {
            return Err(Refused::PassedOver);
        }
        let body = Body::Trade { resting_side, price_ticks, size };
        give_all(event(instrument, sequence, exchange_ns(fields), receive_ns), [body], sink);
        Ok(())
    }

    /// The only instrument of the capture, else of a market in it.
    fn only_instrument(&self, product: Option<Product>) -> Result<InstrumentId, Refused> {
        let known = self.instruments.len();
        let of_market = product.map(|product| &self.ids[product as usize]).filter(|ids| ids.len() == 1);
        match of_market.and_then(|ids| ids.values().next()) {
            _ if known == 1 => Ok(InstrumentId(0)),
            Some(id) => Ok(*id),
            None => Err(malformed(format!("a snapshot names no symbol, and {known} are known; allowed: one"))),
        }
    }

    fn instrument_of(&mut self, fields: &Fields) -> Result<InstrumentId, Refused> {
        let symbol = text(fields.symbol, "s")?;
        let product = match Product::of(fields) {
            Some(product) => {
                if product == Product::Spot && !self.guessed.is_empty() {
                    self.guessed.remove(symbol);
                }
                product
            }
            None => self.only_market(symbol)?,
        };
        Ok(self.instrument(symbol, product))
    }

    /// The market of a message that does not tell it: the one that its symbol is known in; of a new symbol the only one seen so far, else spot,
    /// which counts for nothing once a message tells otherwise.
    fn only_market(&mut self, symbol: &str) -> Result<Product, Refused> {
        let [spot, futures] = &self.ids;
        match (spot.contains_key(symbol), futures.contains_key(symbol)) {
            (true, true) if self.guessed.contains(symbol) => Ok(Product::Futures),
            (true, true) => Err(malformed(format!(
                "a trade of {symbol} tells no market, and both are known; allowed: M (spot) or X (futures) in it"
            ))),
            (true, false) => Ok(Product::Spot),
            (false, true) => Ok(Product::Futures),
            (false, false) if spot.is_empty() && !futures.is_empty() => Ok(Product::Futures),
            (false, false) => {
                self.guessed.insert(symbol.into());
                Ok(Product::Spot)
            }
        }
    }

    /// The instrument of a symbol in a market.
    fn instrument(&mut self, symbol: &str, product: Product) -> InstrumentId {
        if let Some((latest, of, id)) = &self.latest
            && latest == symbol
            && product == *of
        {
            return *id;
        }
        let id = match self.ids[product as usize].get(symbol) {
            Some(id) => *id,
            None => {
                let definition = Definition {
                    symbol: product.name(symbol),
                    tick_nanos: UNIT_NANOS,
                    lot_nanos: UNIT_NANOS,
                    valid_from_ns: 0,
                };
                let id = self.instruments.define(definition);
                self.ids[product as usize].insert(symbol.into(), id);
                self.books.push(Book { sequencing: Sequencing::new(), gap_untold: false, has_trades: false });
                id
            }
        };
        let (latest, of, latest_id) = self.latest.get_or_insert_with(|| (String::new(), product, id));
        latest.clear();
        latest.push_str(symbol);
        (*of, *latest_id) = (product, id);
        id
    }
}

/// Gives the levels of an update.
fn give_levels(book: &mut Book, instrument: InstrumentId, update: &Update, levels: &[Level], sink: &mut impl Sink) {
    let mut event = event(instrument, update.last, update.exchange_ns, update.receive_ns);
    if book.gap_untold && !levels.is_empty() {
        event.flags = event.flags | Flags::GAP;
        book.gap_untold = false;
    }
    give_all(event, levels.iter().map(level), sink);
}

fn event(instrument: InstrumentId, sequence: u64, exchange_ns: Option<u64>, receive_ns: u64) -> Event {
    let flags = if exchange_ns.is_some() { Flags::LAST } else { Flags::LAST | Flags::BAD_TIME };
    Event { exchange_ns: exchange_ns.unwrap_or(receive_ns), receive_ns, sequence, instrument, flags, body: Body::Clear }
}

fn level(level: &Level) -> Body {
    Body::Level { side: level.side, price_ticks: level.price_ticks, size: level.size }
}

/// A side of the best prices; the venue writes zeros where there is none.
fn quote(side: Side, price: Value<'_>, quantity: Value<'_>) -> Result<Body, Refused> {
    let price_ticks = price_of(text(price, "best price")?).map_err(malformed)?;
    let size = quantity_of(text(quantity, "best quantity")?).map_err(malformed)?;
    let price_ticks = if price_ticks == 0 && size == 0 { NO_PRICE } else { price_ticks };
    Ok(Body::Quote { side, price_ticks, size })
}

/// When the exchange says that it happened: when it was executed, else when it was sent.
fn exchange_ns(fields: &Fields) -> Option<u64> {
    let time = fields.transaction_time.number().or(fields.event_time.number())?;
    time.checked_mul(if time < FIRST_MICROSECONDS { 1_000_000 } else { 1_000 })
}

/// Whether it is of a stream of the best levels only (`<symbol>@depth5`, `10` or `20`), which would wipe out the rest of a book.
fn is_partial_book(fields: &Fields) -> bool {
    let of_stream = fields.stream.text().and_then(|stream| stream.split_once("@depth"));
    of_stream.is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn number(value: Value<'_>, name: &str) -> Result<u64, Refused> {
    value.number().ok_or_else(|| malformed(format!("{name} is {value:?}; allowed: a whole number")))
}

fn text<'a>(value: Value<'a>, name: &str) -> Result<&'a str, Refused> {
    value.text().ok_or_else(|| malformed(format!("{name} is {value:?}; allowed: text")))
}

fn malformed(problem: String) -> Refused {
    Refused::Malformed(problem)
}

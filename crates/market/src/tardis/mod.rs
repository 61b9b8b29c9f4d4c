//! Tardis.dev: downloadable CSV files of books, trades and quotes.
//!
//! Format     a header, then `exchange,symbol,timestamp,local_timestamp,…` with times in microseconds. Columns are found by name.
//! Taken      `incremental_book_L2` (a [`Body::Level`] for each row; rows with one `local_timestamp` are one message), `trades`, `quotes`
//!            (a [`Body::Quote`] for each side).
//! Snapshots  a row with `is_snapshot` behind one without empties the book first ([`Body::Clear`]), as the vendor says.
//! Times      the vendor writes `local_timestamp` for `timestamp` where the exchange gave none: equal ones have [`Flags::BAD_TIME`].
//! Sequence   the count of messages; what is counted by the decoder are rows.
//! Units      ticks are 10^−9, lots 10^−8: prices up to 9 billion, amounts up to 184 billion. What is finer or larger is counted as malformed.
//! Symbols    as in the file; those of another exchange than the first are `<symbol>@<exchange>`.
//! Source     "Downloadable CSV files", docs.tardis.dev.

mod columns;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use columns::TardisKind;

use crate::{
    decimal::{self, DecimalError},
    event::{Body, Event, Flags, InstrumentId, NO_PRICE, Side, Sink},
    feed::{Counts, Decoder, FeedError},
    instruments::{Definition, Instruments},
    lines::{Line, Lines},
    outcome::{Refused, Tally, give_all},
};
use columns::{Column, Columns, Row};

/// Decimals of prices, and what a tick is worth.
const PRICE_DECIMALS: usize = 9;
const TICK_NANOS: i64 = 1;
/// Decimals of amounts, and what a lot is worth.
const AMOUNT_DECIMALS: usize = 8;
const LOT_NANOS: i64 = 10;
/// Times are in these.
const NANOS_PER_MICROSECOND: u64 = 1_000;

/// Decodes one file.
#[derive(Debug, Default)]
pub struct TardisDecoder {
    lines: Lines,
    failed: Option<FeedError>,
    inner: Inner,
}

#[derive(Debug, Default)]
struct Inner {
    columns: Option<Columns>,
    /// Whether the columns are of a file that has ended, so that a header comes next.
    has_ended: bool,
    instruments: Instruments,
    ids: HashMap<String, InstrumentId>,
    /// Exchange and symbol of the row before, `exchange,symbol`, which are most often those of the next.
    latest: Option<(Vec<u8>, InstrumentId)>,
    /// Its instruments have the plain symbols.
    first_exchange: Option<Vec<u8>>,
    /// By instrument: whether its latest row was of a snapshot.
    in_snapshot: Vec<bool>,
    /// The latest level: whether its message ends with it the next row tells.
    held: Option<Event>,
    messages: u64,
    tally: Tally,
}

impl TardisDecoder {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the file tells, once its header has come.
    pub fn kind(&self) -> Option<TardisKind> {
        Some(self.inner.columns.as_ref()?.kind)
    }

    /// The first row that was counted as malformed, and why.
    pub fn first_fault(&self) -> Option<&FeedError> {
        self.inner.tally.first_fault.as_ref()
    }
}

impl Decoder for TardisDecoder {
    fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), FeedError> {
        let failed = &mut self.failed;
        if failed.is_none() {
            self.lines.feed(bytes, |line| self.inner.line(line, failed, sink));
        }
        failed.clone().map_or(Ok(()), Err)
    }

    /// What is fed after it is another file, with a header of its own. Instruments keep their numbers.
    fn finish(&mut self, sink: &mut impl Sink) -> Result<(), FeedError> {
        let failed = &mut self.failed;
        if failed.is_none() {
            self.lines.finish(|line| self.inner.line(line, failed, sink));
            self.inner.end_message(sink);
        }
        self.lines = Lines::default();
        self.inner.has_ended = true;
        self.inner.in_snapshot.fill(false);
        self.failed.take().map_or(Ok(()), Err)
    }

    fn instruments(&self) -> &Instruments {
        &self.inner.instruments
    }

    fn counts(&self) -> Counts {
        self.inner.tally.counts
    }
}

impl Inner {
    fn line(&mut self, line: Line<'_>, failed: &mut Option<FeedError>, sink: &mut impl Sink) {
        if failed.is_some() || (line.text.is_empty() && !line.too_long) {
            return;
        }
        let Some(columns) = self.columns.as_ref().filter(|_| !self.has_ended) else {
            match Columns::of_header(line.text) {
                Ok(columns) => {
                    self.columns = Some(columns);
                    self.has_ended = false;
                }
                Err(problem) => *failed = Some(FeedError { offset: line.offset, problem }),
            }
            return;
        };
        let kind = columns.kind;
        let outcome = match columns.split(line.text) {
            None => Err(Refused::Malformed("another number of fields than the header has".into())),
            Some(row) => match kind {
                TardisKind::BookL2 => self.level(&row, sink),
                TardisKind::Trades => self.trade(&row, sink),
                TardisKind::Quotes => self.quotes(&row, sink),
            },
        };
        self.tally.message(line.offset, outcome);
    }

    fn level(&mut self, row: &Row<'_>, sink: &mut impl Sink) -> Result<(), Refused> {
        let is_snapshot = match row.get(Column::IsSnapshot) {
            b"true" => true,
            b"false" => false,
            other => return Err(malformed("is_snapshot", other, "true, false")),
        };
        let side = match row.get(Column::Side) {
            b"bid" => Side::Bid,
            b"ask" => Side::Ask,
            other => return Err(malformed("side", other, "bid, ask")),
        };
        let price_ticks = price(row.get(Column::Price))?;
        let size = amount(row.get(Column::Amount))?;
        let mut event = self.event(row)?;
        if is_snapshot {
            event.flags = event.flags | Flags::SNAPSHOT;
        }
        let within =
            self.held.is_some_and(|held| (held.instrument, held.receive_ns) == (event.instrument, event.receive_ns));
        if within {
            self.give_held(false, sink);
        } else {
            self.end_message(sink);
            self.messages += 1;
        }
        event.sequence = self.messages;
        let in_snapshot = &mut self.in_snapshot[event.instrument.0 as usize];
        if is_snapshot && !*in_snapshot {
            sink.event(&Event { body: Body::Clear, ..event });
        }
        *in_snapshot = is_snapshot;
        self.held = Some(Event { body: Body::Level { side, price_ticks, size }, ..event });
        Ok(())
    }

    fn trade(&mut self, row: &Row<'_>, sink: &mut impl Sink) -> Result<(), Refused> {
        // The side is the taker's.
        let resting_side = match row.get(Column::Side) {
            b"buy" => Some(Side::Ask),
            b"sell" => Some(Side::Bid),
            b"unknown" | b"" => None,
            other => return Err(malformed("side", other, "buy, sell, unknown")),
        };
        let price_ticks = price(row.get(Column::Price))?;
        let size = amount(row.get(Column::Amount))?;
        let event = self.event(row)?;
        self.give([Body::Trade { resting_side, price_ticks, size }], event, sink);
        Ok(())
    }

    fn quotes(&mut self, row: &Row<'_>, sink: &mut impl Sink) -> Result<(), Refused> {
        let bid = quote(Side::Bid, row.get(Column::BidPrice), row.get(Column::BidAmount))?;
        let ask = quote(Side::Ask, row.get(Column::AskPrice), row.get(Column::AskAmount))?;
        let event = self.event(row)?;
        self.give([bid, ask], event, sink);
        Ok(())
    }

    /// Gives a row that is a message of its own.
    fn give<const N: usize>(&mut self, bodies: [Body; N], event: Event, sink: &mut impl Sink) {
        self.messages += 1;
        let flags = event.flags | Flags::LAST;
        give_all(Event { sequence: self.messages, flags, ..event }, bodies, sink);
        sink.message_end(&self.instruments);
    }

    fn end_message(&mut self, sink: &mut impl Sink) {
        if self.held.is_some() {
            self.give_held(true, sink);
            sink.message_end(&self.instruments);
        }
    }

    fn give_held(&mut self, is_last: bool, sink: &mut impl Sink) {
        if let Some(mut event) = self.held.take() {
            if is_last {
                event.flags = event.flags | Flags::LAST;
            }
            sink.event(&event);
        }
    }

    /// An event of a row, but for its body and number.
    fn event(&mut self, row: &Row<'_>) -> Result<Event, Refused> {
        let receive_ns = time(row, Column::LocalTimestamp, "local_timestamp")?;
        let exchange_ns = time(row, Column::Timestamp, "timestamp")?;
        let flags = if exchange_ns == receive_ns { Flags::BAD_TIME } else { Flags::default() };
        let instrument = self.instrument(row.get(Column::Exchange), row.get(Column::Symbol))?;
        Ok(Event { exchange_ns, receive_ns, sequence: 0, instrument, flags, body: Body::Clear })
    }

    fn instrument(&mut self, exchange: &[u8], symbol: &[u8]) -> Result<InstrumentId, Refused> {
        if let Some((latest, id)) = &self.latest
            && latest.strip_prefix(exchange).and_then(|rest| rest.strip_prefix(b",")) == Some(symbol)
        {
            return Ok(*id);
        }
        let name = std::str::from_utf8(symbol).ok().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| malformed("symbol", symbol, "a name"))?;
        if self.first_exchange.is_none() {
            self.first_exchange = Some(exchange.into());
        }
        let symbol_of_it = if self.first_exchange.as_deref() == Some(exchange) {
            name.to_owned()
        } else {
            format!("{name}@{}", String::from_utf8_lossy(exchange))
        };
        let id = match self.ids.get(&symbol_of_it) {
            Some(id) => *id,
            None => {
                let id = self.instruments.define(Definition {
                    symbol: symbol_of_it.clone(),
                    tick_nanos: TICK_NANOS,
                    lot_nanos: LOT_NANOS,
                    valid_from_ns: 0,
                });
                self.ids.insert(symbol_of_it, id);
                self.in_snapshot.push(false);
                id
            }
        };
        let (latest, latest_id) = self.latest.get_or_insert_with(|| (Vec::new(), id));
        latest.clear();
        latest.extend_from_slice(exchange);
        latest.push(b',');
        latest.extend_from_slice(symbol);
        *latest_id = id;
        Ok(id)
    }
}

/// A side of the best prices; its cells are empty where there is none.
fn quote(side: Side, best_price: &[u8], best_amount: &[u8]) -> Result<Body, Refused> {
    if best_price.is_empty() && best_amount.is_empty() {
        return Ok(Body::Quote { side, price_ticks: NO_PRICE, size: 0 });
    }
    Ok(Body::Quote { side, price_ticks: price(best_price)?, size: amount(best_amount)? })
}

fn time(row: &Row<'_>, column: Column, name: &str) -> Result<u64, Refused> {
    let text = row.get(column);
    let nanos = decimal::whole(text).and_then(|micros| micros.checked_mul(NANOS_PER_MICROSECOND));
    nanos.ok_or_else(|| malformed(name, text, "microseconds since 1970"))
}

fn price(text: &[u8]) -> Result<i64, Refused> {
    let read = scaled(text, PRICE_DECIMALS, decimal::fixed);
    read.map_err(|problem| unreadable("price", text, problem))
}

fn amount(text: &[u8]) -> Result<u64, Refused> {
    let read = scaled(text, AMOUNT_DECIMALS, decimal::unsigned);
    read.map_err(|problem| unreadable("amount", text, problem))
}

/// Reads a number that may have an exponent: the vendor writes what is below a millionth as `1e-7`.
fn scaled<T>(
    text: &[u8],
    decimals: usize,
    read: impl Fn(&[u8], usize) -> Result<T, DecimalError>,
) -> Result<T, DecimalError> {
    let Some(place) = text.iter().position(|&byte| byte == b'e' || byte == b'E') else { return read(text, decimals) };
    let (digits, exponent) = (&text[..place], &text[place + 1..]);
    let exponent = i64::from(i8::try_from(decimal::fixed(exponent, 0)?).map_err(|_| DecimalError::TooLarge)?);
    let shifted = decimals as i64 + exponent;
    read(digits, usize::try_from(shifted).map_err(|_| DecimalError::TooFine)?)
}

fn malformed(name: &str, text: &[u8], allowed: &str) -> Refused {
    Refused::Malformed(format!("{name} {:?}; allowed: {allowed}", String::from_utf8_lossy(text)))
}

fn unreadable(name: &str, text: &[u8], problem: DecimalError) -> Refused {
    Refused::Malformed(format!("{name} {:?}: {problem}", String::from_utf8_lossy(text)))
}

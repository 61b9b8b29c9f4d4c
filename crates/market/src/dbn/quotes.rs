//! Best prices, depth and trades: schemas `mbp-1`, `mbp-10`, `tbbo`, `trades`, `bbo-*`, `cmbp-1`, `cbbo-*`, `tcbbo`.
//!
//! A record shows the book as it was before its trade, if it has one: quotes and levels are given first, the trade last.
//!
//! The ten levels of `mbp-10` are given as what changed since the record before, not as a book that is cleared and filled again: a reader sees
//! one event or two where there were twenty-one, never an empty book in between, and order flow as it was. A level that falls out of the ten
//! is taken away, so that a book made of these events shows what the record shows and no more.

use ::dbn::{BboMsg, BidAskPair, CbboMsg, Cmbp1Msg, ConsolidatedBidAskPair, Mbp1Msg, Mbp10Msg, TradeMsg, flags};

use super::{
    Inner,
    orders::{priced, side, unknown_action},
    record::{Header, body, field},
};
use crate::{
    event::{Body, Flags, NO_PRICE, Side, Sink},
    outcome::{Refused, give_all},
};

/// How many levels of a side `mbp-10` shows.
const LEVELS: usize = 10;
const PAIR_BYTES: usize = size_of::<BidAskPair>();

/// One side of a depth record, best first; [`NO_PRICE`] where there is no level.
type Ladder = [(i64, u64); LEVELS];

/// The levels that the events of an instrument have told so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth([Ladder; 2]);

impl Default for Depth {
    fn default() -> Self {
        Self([[(NO_PRICE, 0); LEVELS]; 2])
    }
}

/// Gives the trade of a `trades` record.
pub(super) fn trade(inner: &mut Inner, header: Header, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Refused> {
    let bytes = body::<{ size_of::<TradeMsg>() }>(bytes)?;
    let flags = field!(bytes, TradeMsg, flags: u8);
    let happened = trade_of(bytes)?.ok_or(Refused::PassedOver)?;
    let receive_ns = field!(bytes, TradeMsg, ts_recv: u64);
    let event = inner.event(header, receive_ns, u64::from(field!(bytes, TradeMsg, sequence: u32)), flags);
    give_all(event, [happened], sink);
    Ok(())
}

/// Gives the best prices of an `mbp-1` or `tbbo` record, and its trade.
pub(super) fn best(inner: &mut Inner, header: Header, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Refused> {
    let bytes = body::<{ size_of::<Mbp1Msg>() }>(bytes)?;
    let flags = field!(bytes, Mbp1Msg, flags: u8);
    let happened = happened(bytes)?;
    let quotes = quotes(&bytes[std::mem::offset_of!(Mbp1Msg, levels)..]);
    let receive_ns = field!(bytes, Mbp1Msg, ts_recv: u64);
    let event = inner.event(header, receive_ns, u64::from(field!(bytes, Mbp1Msg, sequence: u32)), flags);
    give_all(event, in_order(happened, quotes), sink);
    Ok(())
}

/// Gives the best prices of a `cmbp-1` or `tcbbo` record, and its trade.
pub(super) fn consolidated(
    inner: &mut Inner,
    header: Header,
    bytes: &[u8],
    sink: &mut impl Sink,
) -> Result<(), Refused> {
    let bytes = body::<{ size_of::<Cmbp1Msg>() }>(bytes)?;
    let flags = field!(bytes, Cmbp1Msg, flags: u8);
    let happened = happened(bytes)?;
    let quotes = consolidated_quotes(&bytes[std::mem::offset_of!(Cmbp1Msg, levels)..]);
    let event = inner.event(header, field!(bytes, Cmbp1Msg, ts_recv: u64), inner.next_sequence(), flags);
    give_all(event, in_order(happened, quotes), sink);
    Ok(())
}

/// Gives the best prices of a `bbo-*` record: a sample at its time of receipt. Its own time is that of the last trade, which it repeats.
pub(super) fn sampled(inner: &mut Inner, header: Header, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Refused> {
    let bytes = body::<{ size_of::<BboMsg>() }>(bytes)?;
    let quotes = quotes(&bytes[std::mem::offset_of!(BboMsg, levels)..]);
    let header = Header { event_ns: ::dbn::UNDEF_TIMESTAMP, ..header };
    let flags = field!(bytes, BboMsg, flags: u8) | flags::LAST;
    let receive_ns = field!(bytes, BboMsg, ts_recv: u64);
    let event = inner.event(header, receive_ns, u64::from(field!(bytes, BboMsg, sequence: u32)), flags);
    give_all(event, quotes, sink);
    Ok(())
}

/// The same for a `cbbo-*` record.
pub(super) fn sampled_consolidated(
    inner: &mut Inner,
    header: Header,
    bytes: &[u8],
    sink: &mut impl Sink,
) -> Result<(), Refused> {
    let bytes = body::<{ size_of::<CbboMsg>() }>(bytes)?;
    let quotes = consolidated_quotes(&bytes[std::mem::offset_of!(CbboMsg, levels)..]);
    let header = Header { event_ns: ::dbn::UNDEF_TIMESTAMP, ..header };
    let flags = field!(bytes, CbboMsg, flags: u8) | flags::LAST;
    let event = inner.event(header, field!(bytes, CbboMsg, ts_recv: u64), inner.next_sequence(), flags);
    give_all(event, quotes, sink);
    Ok(())
}

/// Gives what an `mbp-10` record changes, and its trade.
pub(super) fn depth(inner: &mut Inner, header: Header, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Refused> {
    let bytes = body::<{ size_of::<Mbp10Msg>() }>(bytes)?;
    let flags = field!(bytes, Mbp10Msg, flags: u8);
    let happened = happened(bytes)?;
    let receive_ns = field!(bytes, Mbp10Msg, ts_recv: u64);
    let event = inner.event(header, receive_ns, u64::from(field!(bytes, Mbp10Msg, sequence: u32)), flags);

    let mut now = Depth::default();
    for index in 0..LEVELS {
        let pair = &bytes[std::mem::offset_of!(Mbp10Msg, levels) + index * PAIR_BYTES..];
        for (ladder, quote) in now.0.iter_mut().zip(pair_of(pair)) {
            ladder[index] = quote;
        }
    }
    let place = event.instrument.0 as usize;
    if inner.depths.len() <= place {
        inner.depths.resize(place + 1, Depth::default());
    }
    let before = std::mem::replace(&mut inner.depths[place], now);

    let mut bodies = std::mem::take(&mut inner.bodies);
    bodies.clear();
    let is_clear = happened == Some(Body::Clear);
    if is_clear || event.flags.contains(Flags::SNAPSHOT) {
        bodies.push(Body::Clear);
        changes(&Depth::default(), &now, &mut bodies);
    } else {
        changes(&before, &now, &mut bodies);
    }
    bodies.extend(happened.filter(|_| !is_clear));
    if bodies.is_empty() && event.flags.0 != 0 {
        // Only the number of orders changed: what the flags say is told with the best bid as it was.
        let (price_ticks, size) = now.0[0][0];
        if price_ticks != NO_PRICE {
            bodies.push(Body::Level { side: Side::Bid, price_ticks, size });
        }
    }
    give_all(event, bodies.iter().copied(), sink);
    inner.bodies = bodies;
    Ok(())
}

/// What makes the levels of `before` those of `now`: what went away first, so that the book is never crossed by what is gone.
fn changes(before: &Depth, now: &Depth, bodies: &mut Vec<Body>) {
    let sides = [Side::Bid, Side::Ask];
    for ((side, old), new) in sides.into_iter().zip(&before.0).zip(&now.0) {
        // Most often one level changes, and the ones before it are the same.
        let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let (old, new) = (&old[same..], &new[same..]);
        for &(price_ticks, _) in old {
            if price_ticks != NO_PRICE && !new.iter().any(|level| level.0 == price_ticks) {
                bodies.push(Body::Level { side, price_ticks, size: 0 });
            }
        }
    }
    for ((side, old), new) in sides.into_iter().zip(&before.0).zip(&now.0) {
        for &(price_ticks, size) in new {
            if price_ticks != NO_PRICE && !old.contains(&(price_ticks, size)) {
                bodies.push(Body::Level { side, price_ticks, size });
            }
        }
    }
}

/// What a record's action says beside its prices: a trade, that the book was cleared, or nothing. All records with prices and an action begin
/// as a trade's does.
fn happened(bytes: &[u8]) -> Result<Option<Body>, Refused> {
    match field!(bytes, TradeMsg, action: u8) {
        b'R' => Ok(Some(Body::Clear)),
        _ => trade_of(bytes),
    }
}

fn trade_of(bytes: &[u8]) -> Result<Option<Body>, Refused> {
    let action = field!(bytes, TradeMsg, action: u8);
    match action {
        b'T' => {
            let resting_side = side(field!(bytes, TradeMsg, side: u8))?.map(Side::opposite);
            let price_ticks = priced(field!(bytes, TradeMsg, price: i64), action)?;
            let size = u64::from(field!(bytes, TradeMsg, size: u32));
            Ok(Some(Body::Trade { resting_side, price_ticks, size }))
        }
        b'A' | b'C' | b'M' | b'R' | b'F' | b'N' => Ok(None),
        _ => Err(unknown_action(action)),
    }
}

/// A cleared book is told before what it holds now, a trade behind what it was made at.
fn in_order(happened: Option<Body>, quotes: [Body; 2]) -> impl Iterator<Item = Body> {
    let is_clear = happened == Some(Body::Clear);
    let (first, last) = if is_clear { (happened, None) } else { (None, happened) };
    first.into_iter().chain(quotes).chain(last)
}

fn quotes(pair: &[u8]) -> [Body; 2] {
    let [bid, ask] = pair_of(pair);
    [(Side::Bid, bid), (Side::Ask, ask)].map(|(side, (price_ticks, size))| Body::Quote { side, price_ticks, size })
}

fn consolidated_quotes(pair: &[u8]) -> [Body; 2] {
    // The same places: what differs is what lies behind the sizes.
    const {
        assert!(
            std::mem::offset_of!(ConsolidatedBidAskPair, ask_px) == std::mem::offset_of!(BidAskPair, ask_px)
                && std::mem::offset_of!(ConsolidatedBidAskPair, bid_sz) == std::mem::offset_of!(BidAskPair, bid_sz)
                && std::mem::offset_of!(ConsolidatedBidAskPair, ask_sz) == std::mem::offset_of!(BidAskPair, ask_sz)
        );
    };
    quotes(pair)
}

/// The bid and the ask of a pair; no size where there is no price.
fn pair_of(pair: &[u8]) -> [(i64, u64); 2] {
    let bid = (field!(pair, BidAskPair, bid_px: i64), field!(pair, BidAskPair, bid_sz: u32));
    let ask = (field!(pair, BidAskPair, ask_px: i64), field!(pair, BidAskPair, ask_sz: u32));
    [bid, ask].map(|(price, size)| (price, if price == NO_PRICE { 0 } else { u64::from(size) }))
}

//! An event as eight words: one cache line, where the struct has nine.

use crate::event::{Body, Event, Flags, InstrumentId, Side, TradingStatus};

/// Words of an event.
pub(super) const WORDS: usize = 8;
/// The word of instrument, flags and kind. Its top bit is nobody's, and stays 0: the ring's.
pub(super) const META: usize = 3;
/// The bit of [`META`] that no event sets.
pub(super) const FREE_BIT: u64 = 1 << 63;

const FLAGS: u32 = 32;
const KIND: u32 = 40;
/// A side, or how trading stands.
const DETAIL: u32 = 48;

const ADD: u8 = 0;
const MODIFY: u8 = 1;
const CANCEL: u8 = 2;
const EXECUTE: u8 = 3;
const TRADE: u8 = 4;
const LEVEL: u8 = 5;
const CLEAR: u8 = 6;
const QUOTE: u8 = 7;
const STATUS: u8 = 8;
const DEFINITION: u8 = 9;
/// The side of a trade whose venue tells none.
const NO_SIDE: u8 = 2;

/// How trading can stand, by number.
const STATUSES: [TradingStatus; 6] = [
    TradingStatus::PreOpen,
    TradingStatus::Trading,
    TradingStatus::Auction,
    TradingStatus::Paused,
    TradingStatus::Halted,
    TradingStatus::Closed,
];

/// The event's words: times, sequence, [`META`], then order, price, size, new order.
#[inline]
pub(super) fn pack(event: &Event) -> [u64; WORDS] {
    let (kind, detail, [order, price, size, new]) = match event.body {
        Body::Add { order_id, side, price_ticks, size } => (ADD, side as u8, [order_id, price_ticks as u64, size, 0]),
        Body::Modify { order_id, new_order_id, price_ticks, size } => {
            (MODIFY, 0, [order_id, price_ticks as u64, size, new_order_id])
        }
        Body::Cancel { order_id, size } => (CANCEL, 0, [order_id, 0, size, 0]),
        Body::Execute { order_id, size, price_ticks } => (EXECUTE, 0, [order_id, price_ticks as u64, size, 0]),
        Body::Trade { resting_side, price_ticks, size } => {
            (TRADE, resting_side.map_or(NO_SIDE, |side| side as u8), [0, price_ticks as u64, size, 0])
        }
        Body::Level { side, price_ticks, size } => (LEVEL, side as u8, [0, price_ticks as u64, size, 0]),
        Body::Clear => (CLEAR, 0, [0; 4]),
        Body::Quote { side, price_ticks, size } => (QUOTE, side as u8, [0, price_ticks as u64, size, 0]),
        Body::Status(status) => (STATUS, status as u8, [0; 4]),
        Body::Definition => (DEFINITION, 0, [0; 4]),
    };
    let meta = u64::from(event.instrument.0)
        | u64::from(event.flags.0) << FLAGS
        | u64::from(kind) << KIND
        | u64::from(detail) << DETAIL;
    [event.exchange_ns, event.receive_ns, event.sequence, meta, order, price, size, new]
}

/// The event of these words; the top bit of [`META`] is passed over.
#[inline]
pub(super) fn unpack(words: [u64; WORDS]) -> Event {
    let [exchange_ns, receive_ns, sequence, meta, order_id, price, size, new_order_id] = words;
    let (kind, detail, price_ticks) = ((meta >> KIND) as u8, (meta >> DETAIL) as u8, price as i64);
    let side = if detail == Side::Ask as u8 { Side::Ask } else { Side::Bid };
    let body = match kind {
        ADD => Body::Add { order_id, side, price_ticks, size },
        MODIFY => Body::Modify { order_id, new_order_id, price_ticks, size },
        CANCEL => Body::Cancel { order_id, size },
        EXECUTE => Body::Execute { order_id, size, price_ticks },
        TRADE => Body::Trade { resting_side: (detail != NO_SIDE).then_some(side), price_ticks, size },
        LEVEL => Body::Level { side, price_ticks, size },
        CLEAR => Body::Clear,
        QUOTE => Body::Quote { side, price_ticks, size },
        STATUS => Body::Status(STATUSES[usize::from(detail).min(STATUSES.len() - 1)]),
        // Words are those of `pack` alone: nothing else is left.
        _ => Body::Definition,
    };
    let (instrument, flags) = (InstrumentId(meta as u32), Flags((meta >> FLAGS) as u8));
    Event { exchange_ns, receive_ns, sequence, instrument, flags, body }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any event at all.
    pub(in super::super) fn any_event() -> impl Strategy<Value = Event> {
        let body = (0..10_u8, any::<[u64; 3]>(), any::<i64>(), 0..6_usize).prop_map(
            |(kind, [order_id, new_order_id, size], price_ticks, detail)| {
                let side = [Side::Bid, Side::Ask][detail % 2];
                match kind {
                    ADD => Body::Add { order_id, side, price_ticks, size },
                    MODIFY => Body::Modify { order_id, new_order_id, price_ticks, size },
                    CANCEL => Body::Cancel { order_id, size },
                    EXECUTE => Body::Execute { order_id, size, price_ticks },
                    TRADE => Body::Trade { resting_side: (detail < 4).then_some(side), price_ticks, size },
                    LEVEL => Body::Level { side, price_ticks, size },
                    CLEAR => Body::Clear,
                    QUOTE => Body::Quote { side, price_ticks, size },
                    STATUS => Body::Status(STATUSES[detail]),
                    _ => Body::Definition,
                }
            },
        );
        (any::<[u64; 3]>(), any::<u32>(), any::<u8>(), body).prop_map(|(numbers, instrument, flags, body)| {
            let [exchange_ns, receive_ns, sequence] = numbers;
            let (instrument, flags) = (InstrumentId(instrument), Flags(flags));
            Event { exchange_ns, receive_ns, sequence, instrument, flags, body }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn an_event_comes_back_from_its_words(event in any_event()) {
            let words = pack(&event);
            prop_assert_eq!(words[META] & FREE_BIT, 0);
            prop_assert_eq!(unpack(words), event);
            let mut marked = words;
            marked[META] |= FREE_BIT;
            prop_assert_eq!(unpack(marked), event);
        }
    }

    #[test]
    fn every_way_that_trading_can_stand_has_its_number() {
        for (number, status) in STATUSES.iter().enumerate() {
            assert_eq!(*status as usize, number);
        }
    }
}

//! Orders of DBN into plain books, by crate `dbn`'s own record iterator.

use std::collections::HashMap;

use dbn::{
    MboMsg,
    decode::{DecodeRecordRef as _, dbn::Decoder},
};
use zomma_market::event::Side;

use super::plain::{Plain, Resting};

/// Books of the feed's numbers, in the order in which these come.
pub fn plain_books(bytes: &[u8]) -> Plain {
    let (mut plain, mut places) = (Plain::default(), HashMap::new());
    let mut decoder = Decoder::new(bytes).expect("a header");
    while let Some(record) = decoder.decode_record_ref().expect("whole records") {
        let Some(order) = record.get::<MboMsg>() else { continue };
        let known = places.len() as u32;
        let mut place = || *places.entry(order.hd.instrument_id).or_insert(known);
        let (id, price_ticks, size) = (order.order_id, order.price, u64::from(order.size));
        match order.action as u8 {
            b'A' => {
                let side = if order.side as u8 == b'B' { Side::Bid } else { Side::Ask };
                plain.add(place(), id, Resting { side, price_ticks, size });
            }
            b'C' => _ = plain.take(place(), id, size),
            b'M' => modify(&mut plain, place(), id, price_ticks, size),
            b'T' | b'R' => _ = place(),
            _ => {}
        }
    }
    plain
}

/// An order keeps its turn where its price stays and its size does not grow.
fn modify(plain: &mut Plain, instrument: u32, id: u64, price_ticks: i64, size: u64) {
    match plain.orders.get(&(instrument, id)) {
        Some(order) if order.price_ticks == price_ticks && order.size >= size => {
            let less = order.size - size;
            plain.take(instrument, id, less);
        }
        _ => {
            if let Some(side) = plain.take(instrument, id, u64::MAX) {
                plain.add(instrument, id, Resting { side, price_ticks, size });
            }
        }
    }
}

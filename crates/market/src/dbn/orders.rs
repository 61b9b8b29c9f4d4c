//! Market by order (schema `mbo`): every order, with its number.

use ::dbn::{MboMsg, flags};

use super::{
    Inner,
    record::{Header, field},
};
use crate::{
    event::{Body, Event, NO_PRICE, Side, Sink},
    outcome::Refused,
};

/// How long the record is.
pub(super) const MBO_BYTES: usize = size_of::<MboMsg>();

/// Gives the event of an order's record.
#[inline]
pub(super) fn decode(
    inner: &mut Inner,
    header: Header,
    bytes: &[u8; MBO_BYTES],
    sink: &mut impl Sink,
) -> Result<(), Refused> {
    let flags = field!(bytes, MboMsg, flags: u8);
    let side = side(field!(bytes, MboMsg, side: u8))?;
    let price_ticks = field!(bytes, MboMsg, price: i64);
    let size = u64::from(field!(bytes, MboMsg, size: u32));
    let order_id = field!(bytes, MboMsg, order_id: u64);
    let action = field!(bytes, MboMsg, action: u8);
    let body = if flags & (flags::TOB | flags::MBP) != 0 && matches!(action, b'A' | b'M' | b'C') {
        of_level(flags, action, side, price_ticks, size)?
    } else {
        match action {
            b'A' => Body::Add { order_id, side: sided(side, action)?, price_ticks: priced(price_ticks, action)?, size },
            b'M' => {
                let price_ticks = priced(price_ticks, action)?;
                Body::Modify { order_id, new_order_id: order_id, price_ticks, size }
            }
            b'C' => Body::Cancel { order_id, size },
            // The side is the aggressor's: what rested was on the other one. What it took from the book comes as C or M.
            b'T' => {
                let resting_side = side.map(Side::opposite);
                Body::Trade { resting_side, price_ticks: priced(price_ticks, action)?, size }
            }
            b'R' => Body::Clear,
            // A fill repeats a trade for each resting order; none tells nothing of the book.
            b'F' | b'N' => return Err(Refused::PassedOver),
            _ => return Err(unknown_action(action)),
        }
    };
    let receive_ns = field!(bytes, MboMsg, ts_recv: u64);
    let sequence = u64::from(field!(bytes, MboMsg, sequence: u32));
    let event = inner.event(header, receive_ns, sequence, flags);
    sink.event(&Event { body, ..event });
    Ok(())
}

/// Records of an `mbo` stream that are no orders: the top of a book, or a level of one.
fn of_level(flags: u8, action: u8, side: Option<Side>, price_ticks: i64, size: u64) -> Result<Body, Refused> {
    let side = sided(side, action)?;
    if flags & flags::TOB != 0 {
        let size = if action == b'C' || price_ticks == NO_PRICE { 0 } else { size };
        let price_ticks = if action == b'C' { NO_PRICE } else { price_ticks };
        return Ok(Body::Quote { side, price_ticks, size });
    }
    let size = if action == b'C' { 0 } else { size };
    Ok(Body::Level { side, price_ticks: priced(price_ticks, action)?, size })
}

/// The side of a record; `None` where it has none.
pub(super) fn side(side: u8) -> Result<Option<Side>, Refused> {
    match side {
        b'B' => Ok(Some(Side::Bid)),
        b'A' => Ok(Some(Side::Ask)),
        b'N' => Ok(None),
        _ => Err(Refused::Malformed(format!("side {:?}; allowed: A, B, N", side as char))),
    }
}

fn sided(side: Option<Side>, action: u8) -> Result<Side, Refused> {
    side.ok_or_else(|| Refused::Malformed(format!("action {:?} without a side; allowed: A, B", action as char)))
}

/// A price that must be there. DBN writes that there is none as this crate does.
pub(super) fn priced(price_ticks: i64, action: u8) -> Result<i64, Refused> {
    const { assert!(NO_PRICE == ::dbn::UNDEF_PRICE) };
    if price_ticks == NO_PRICE {
        return Err(Refused::Malformed(format!("action {:?} without a price", action as char)));
    }
    Ok(price_ticks)
}

pub(super) fn unknown_action(action: u8) -> Refused {
    Refused::Malformed(format!("action {:?}; allowed: A, C, F, M, N, R, T", action as char))
}

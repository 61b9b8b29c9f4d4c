//! Definitions of instruments, and the books that were told before them.

use super::{
    super::{
        out::Out,
        security::{BookState, Factor, Meta},
        templates::{self, field},
    },
    Channel, LOT_NANOS, TICK_NANOS, View, malformed,
};
use crate::{
    event::{Body, Flags, Side, Sink},
    instruments,
    outcome::Refused,
    sbe::MessageView,
};

impl Channel {
    pub(super) fn definition(
        &mut self,
        slots: &templates::Definition,
        message: &MessageView<'_>,
        meta: Meta,
        out: &mut Out<'_, impl Sink>,
    ) -> Result<(), Refused> {
        let block = message.block();
        // A deleted instrument keeps its name and its number.
        if block.uint(slots.action) == Some(u64::from(b'D')) {
            return Err(Refused::PassedOver);
        }
        let text = |id| message.message().block.field(id).and_then(|field| block.text(field)).unwrap_or(&[]);
        let symbol = std::str::from_utf8(text(field::SYMBOL)).unwrap_or("").trim_end();
        let factor = block.int(slots.factor).map_or(Some(Factor::One), Factor::of);
        let (Some(id), Some(factor), false) = (block.int(slots.security), factor, symbol.is_empty()) else {
            return malformed("a definition without a security, a symbol or a display factor above 0");
        };
        let valid_from_ns = block.uint(slots.updated).unwrap_or(0);
        let (symbol, tick_nanos, lot_nanos) = (symbol.into(), TICK_NANOS, LOT_NANOS);
        let definition = instruments::Definition { symbol, tick_nanos, lot_nanos, valid_from_ns };
        let instrument = self.instruments.define(definition);
        let known = self.by_id.get(&(id as i32)).copied();
        let place = known.unwrap_or_else(|| self.add(id as i32, instrument));
        let security = &mut self.securities[place];
        let other = security.instrument != instrument || security.factor != factor;
        let had_book = security.state == BookState::Live && security.has_book;
        if other && had_book {
            // What was told under the provisional name, or in the old unit, is told no more.
            out.give(security, meta, Flags::default(), Body::Clear);
        }
        security.instrument = instrument;
        security.factor = factor;
        security.increment_nanos = block.int(slots.increment).and_then(|increment| factor.ticks(increment));
        security.group = text(field::SECURITY_GROUP).to_vec();
        security.asset = text(field::ASSET).to_vec();
        if let Some((index, depth)) = slots.feeds
            && let Some(feed_type) = message.message().block.groups[index].block.field(field::FEED_TYPE)
        {
            let book = message.group(index).find(|feed| feed.block().text(feed_type) == Some(b"GBX"));
            let depth = book.and_then(|feed| feed.block().int(depth)).and_then(|depth| usize::try_from(depth).ok());
            security.depth = depth.filter(|depth| *depth > 0).unwrap_or(security.depth);
        }
        out.give(security, meta, Flags::default(), Body::Definition);
        for side in [Side::Bid, Side::Ask] {
            for mantissa in security.ladders[side as usize].cut(security.depth) {
                // Below a depth that was not known before; what moves to a new name is told without them.
                if let Some(price_ticks) = security.factor.ticks(mantissa).filter(|_| !other) {
                    out.give(security, meta, Flags::default(), Body::Level { side, price_ticks, size: 0 });
                }
            }
        }
        if other && had_book {
            self.tell_again(place, meta, out);
        }
        Ok(())
    }

    /// Gives the book of an instrument that has a new name or unit. Orders are not kept here: theirs waits for a snapshot.
    fn tell_again(&mut self, place: usize, meta: Meta, out: &mut Out<'_, impl Sink>) {
        let security = &mut self.securities[place];
        if self.view == View::Orders {
            security.state = BookState::Broken;
            return;
        }
        for side in [Side::Bid, Side::Ask] {
            for at in 0..security.ladders[side as usize].levels().len() {
                let (mantissa, size) = security.ladders[side as usize].levels()[at];
                if let Some(price_ticks) = security.factor.ticks(mantissa) {
                    out.give(security, meta, Flags::SNAPSHOT, Body::Level { side, price_ticks, size });
                }
            }
        }
    }
}

//! Snapshots of books: taken where a book waits for one, then what waited for it.

use super::{
    super::{
        ladder::Ladder,
        out::Out,
        security::{BookState, LoadedOrder, Loading, Meta},
        templates,
    },
    Channel, MOST_ORDERS, View, malformed, side, too_fine, trading_status,
};
use crate::{
    event::{Body, Flags, Side, Sink},
    outcome::Refused,
    sbe::MessageView,
};

impl Channel {
    pub(super) fn level_snapshot(
        &mut self,
        slots: &templates::LevelSnapshot,
        message: &MessageView<'_>,
        meta: Meta,
        out: &mut Out<'_, impl Sink>,
    ) -> Result<(), Refused> {
        let block = message.block();
        let processed = block.uint(slots.processed).unwrap_or(0);
        let Some(id) = block.int(slots.security) else { return malformed("a snapshot without a security") };
        let place = self.place(id as i32);
        let security = &mut self.securities[place];
        if self.view == View::Orders || !security.can_use_snapshot(processed, self.lost_to) {
            return Err(Refused::PassedOver);
        }
        let report = block.uint(slots.report).unwrap_or(0);
        if security.state == BookState::Unsure && report == security.report {
            security.state = BookState::Live;
            return Err(Refused::PassedOver);
        }
        let mut levels: [Vec<(u64, i64, u64)>; 2] = Default::default();
        for entry in message.group(slots.entries) {
            let entry = entry.block();
            let side = match entry.uint(slots.kind).unwrap_or(0) as u8 {
                b'0' => Side::Bid,
                b'1' => Side::Ask,
                // Implied levels and statistics.
                _ => continue,
            };
            let size = entry.int(slots.size).and_then(|size| u64::try_from(size).ok());
            let level = entry.int(slots.level).and_then(|level| u64::try_from(level).ok());
            let (Some(mantissa), Some(size), Some(level)) = (entry.int(slots.price), size, level) else {
                return malformed("a level of a snapshot without a price, a size or a level");
            };
            if security.factor.ticks(mantissa).is_none() {
                return too_fine(mantissa);
            }
            levels[side as usize].push((level, mantissa, size));
        }
        security.ladders.iter_mut().for_each(Ladder::clear);
        security.depth = security.depth.max(levels[0].len()).max(levels[1].len());
        let meta = Meta { sequence: processed, ..meta };
        self.restored(place, processed);
        let security = &mut self.securities[place];
        if processed >= security.report_sequence {
            security.report = report;
            security.report_sequence = processed;
        }
        out.give(security, meta, Flags::SNAPSHOT, Body::Clear);
        if let Some(status) = block.uint(slots.status).and_then(trading_status) {
            out.give(security, meta, Flags::SNAPSHOT, Body::Status(status));
        }
        for (side, levels) in [Side::Bid, Side::Ask].into_iter().zip(&mut levels) {
            levels.sort_unstable_by_key(|level| level.0);
            for &(_, mantissa, size) in &*levels {
                security.ladders[side as usize].push(mantissa, size);
                if let Some(price_ticks) = security.factor.ticks(mantissa) {
                    out.give(security, meta, Flags::SNAPSHOT, Body::Level { side, price_ticks, size });
                }
            }
        }
        self.release(place, meta.receive_ns, out)
    }

    pub(super) fn order_snapshot(
        &mut self,
        slots: &templates::OrderSnapshot,
        message: &MessageView<'_>,
        meta: Meta,
        out: &mut Out<'_, impl Sink>,
    ) -> Result<(), Refused> {
        let block = message.block();
        let number = |slot| block.uint(slot).unwrap_or(0);
        let (processed, chunks, chunk) = (number(slots.processed), number(slots.chunks), number(slots.chunk));
        let Some(id) = block.int(slots.security) else { return malformed("a snapshot without a security") };
        let place = self.place(id as i32);
        let security = &mut self.securities[place];
        if self.view == View::Levels || !security.can_use_snapshot(processed, self.lost_to) {
            return Err(Refused::PassedOver);
        }
        if chunk == 1 {
            security.loading = Some(Loading { processed, chunks, next: 1, orders: Vec::new() });
        }
        let Some(mut loading) = security.loading.take() else { return Err(Refused::PassedOver) };
        let entries = message.group(slots.entries);
        if (loading.processed, loading.chunks, loading.next) != (processed, chunks, chunk)
            || loading.orders.len() + entries.len() > MOST_ORDERS
        {
            // A piece is missing, or has come twice: the next round brings them all again.
            return Err(Refused::PassedOver);
        }
        for entry in entries {
            let entry = entry.block();
            let kind = entry.uint(slots.kind).unwrap_or(0) as u8;
            let (Some(side), Some(mantissa), Some(size)) =
                (side(kind), entry.int(slots.price), entry.int(slots.size).and_then(|size| u64::try_from(size).ok()))
            else {
                return malformed("an order of a snapshot without a side, a price or a size");
            };
            if security.factor.ticks(mantissa).is_none() {
                return too_fine(mantissa);
            }
            let priority = entry.uint(slots.priority).unwrap_or(u64::MAX);
            loading.orders.push(LoadedOrder {
                priority,
                id: entry.uint(slots.order).unwrap_or(0),
                side,
                mantissa,
                size,
            });
        }
        loading.next += 1;
        if loading.next <= chunks {
            security.loading = Some(loading);
            return Ok(());
        }
        // The first in a queue is the one with the lowest number.
        loading.orders.sort_by_key(|order| order.priority);
        let meta = Meta { sequence: processed, ..meta };
        self.restored(place, processed);
        let security = &mut self.securities[place];
        out.give(security, meta, Flags::SNAPSHOT, Body::Clear);
        for LoadedOrder { id, side, mantissa, size, .. } in loading.orders {
            if let Some(price_ticks) = security.factor.ticks(mantissa) {
                out.give(security, meta, Flags::SNAPSHOT, Body::Add { order_id: id, side, price_ticks, size });
            }
        }
        self.release(place, meta.receive_ns, out)
    }

    fn restored(&mut self, place: usize, processed: u64) {
        let security = &mut self.securities[place];
        security.state = BookState::Live;
        security.applied_to = processed;
        security.gap_untold = false;
        security.has_book = true;
    }

    /// Applies what waited for the snapshot.
    fn release(&mut self, place: usize, receive_ns: u64, out: &mut Out<'_, impl Sink>) -> Result<(), Refused> {
        let held = std::mem::take(&mut self.securities[place].held);
        self.held -= held.len();
        let mut outcome = Ok(());
        for (meta, change) in held {
            // It became usable now: a time of receipt never goes back.
            let meta = Meta { receive_ns: meta.receive_ns.max(receive_ns), ..meta };
            outcome = outcome.and(self.change(place, meta, change, out));
        }
        outcome
    }
}

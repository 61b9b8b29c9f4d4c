//! Gives the events of a message, the last of each instrument marked.

use super::security::{Meta, Security};
use crate::event::{Body, Event, Flags, Sink};

/// The events of the message in hand: kept until it has ended, since only then is it known which one is the last of its instrument. Used again
/// for each message, so that nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Each with whether it is the last one of its instrument so far.
    events: Vec<(Event, bool)>,
    /// The number of the message.
    message: u64,
}

/// Where the events of one message go.
pub(super) struct Out<'s, S> {
    sink: &'s mut S,
    pending: &'s mut Pending,
}

impl<'s, S: Sink> Out<'s, S> {
    pub fn new(sink: &'s mut S, pending: &'s mut Pending) -> Self {
        pending.message += 1;
        Self { sink, pending }
    }

    /// Gives an event; one that follows a loss says so.
    #[inline]
    pub fn give(&mut self, security: &mut Security, meta: Meta, flags: Flags, body: Body) {
        let gap = if std::mem::take(&mut security.gap_untold) { Flags::GAP } else { Flags::default() };
        let event = Event {
            exchange_ns: meta.exchange_ns,
            receive_ns: meta.receive_ns,
            sequence: meta.sequence,
            instrument: security.instrument,
            flags: flags | gap,
            body,
        };
        let Pending { events, message } = &mut *self.pending;
        let (given_in, place) = std::mem::replace(&mut security.latest_event, (*message, events.len()));
        // A security that has got its name is another instrument from then on: both have a last event.
        if given_in == *message
            && let Some((before, is_latest)) = events.get_mut(place)
            && before.instrument == event.instrument
        {
            *is_latest = false;
        }
        events.push((event, true));
    }

    /// Ends the message.
    #[inline]
    pub fn end(self, ends: bool) {
        for (mut event, is_latest) in self.pending.events.drain(..) {
            if ends && is_latest {
                event.flags = event.flags | Flags::LAST;
            }
            self.sink.event(&event);
        }
    }
}

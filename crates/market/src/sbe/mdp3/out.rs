//! Gives the events of a message, the last of them marked.

use super::security::{Meta, Security};
use crate::event::{Body, Event, Flags, Sink};

/// Where the events of one message go: each is kept until the next one comes, since only then is it known not to be the last.
pub(super) struct Out<'s, S> {
    sink: &'s mut S,
    pending: Option<Event>,
}

impl<'s, S: Sink> Out<'s, S> {
    pub fn new(sink: &'s mut S) -> Self {
        Self { sink, pending: None }
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
        if let Some(before) = self.pending.replace(event) {
            self.sink.event(&before);
        }
    }

    /// Ends the message.
    #[inline]
    pub fn end(mut self, is_last: bool) {
        if let Some(mut event) = self.pending.take() {
            if is_last {
                event.flags = event.flags | Flags::LAST;
            }
            self.sink.event(&event);
        }
    }
}

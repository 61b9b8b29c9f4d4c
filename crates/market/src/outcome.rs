//! What became of a message, and how the events of one message are given.

use crate::{
    event::{Body, Event, Flags, Sink},
    feed::{Counts, FeedError},
};

/// Why a message gave nothing.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is known, and has nothing to do with books or trades, or nothing new.
    PassedOver,
    /// It is of a type that is not known.
    Unknown,
    /// It makes no sense: what is wrong, and what is allowed.
    Malformed(String),
}

/// What a decoder has counted, and the first message that made no sense.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub counts: Counts,
    pub first_fault: Option<FeedError>,
}

impl Tally {
    /// Counts a message that began at `offset`.
    pub fn message(&mut self, offset: u64, outcome: Result<(), Refused>) {
        self.counts.messages += 1;
        match outcome {
            Ok(()) => {}
            Err(Refused::PassedOver) => self.counts.passed_over += 1,
            Err(Refused::Unknown) => self.counts.unknown += 1,
            Err(Refused::Malformed(problem)) => {
                self.counts.malformed += 1;
                self.first_fault.get_or_insert(FeedError { offset, problem });
            }
        }
    }
}

/// Gives events that differ in their body alone. Of those flags that `event` has, [`Flags::LAST`] is told by the last one only, and
/// [`Flags::GAP`] by the first only.
pub(crate) fn give_all(event: Event, bodies: impl IntoIterator<Item = Body>, sink: &mut impl Sink) {
    let last = event.flags.0 & Flags::LAST.0;
    let mut event = Event { flags: Flags(event.flags.0 & !Flags::LAST.0), ..event };
    let mut bodies = bodies.into_iter().peekable();
    while let Some(body) = bodies.next() {
        event.body = body;
        if bodies.peek().is_none() {
            event.flags.0 |= last;
        }
        sink.event(&event);
        event.flags.0 &= !Flags::GAP.0;
    }
}

//! The time that one instrument's events are taken to have, which never steps back and does not leap on one message's word, and whether a book is
//! given after them.

use super::Times;
use crate::event::{Body, Event, Flags};

/// The longest step forward that one message's time is believed for.
const LONGEST_STEP_NS: u64 = 86_400_000_000_000;

/// The time of one instrument's events.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    /// The latest time that was told, and that is believed.
    told_ns: Option<u64>,
    /// The last event's time, where it is not believed yet, and whether its message has ended: its own events do not confirm it.
    doubted: Option<(u64, bool)>,
    unbelieved_times: u64,
}

impl Clock {
    /// The time that the next event is taken to have.
    #[inline]
    pub fn at(&mut self, event: &Event, times: Times) -> u64 {
        if let Some(time_ns) = times.of(event) {
            self.told_ns = Some(self.believed_ns(time_ns));
        }
        if event.flags.contains(Flags::LAST)
            && let Some((_, has_ended)) = &mut self.doubted
        {
            *has_ended = true;
        }
        self.told_ns.unwrap_or(event.exchange_ns)
    }

    /// What an event that tells this time would be taken to have, were it the next.
    pub fn would_be_ns(&self, time_ns: u64) -> u64 {
        let mut next = *self;
        next.believed_ns(time_ns)
    }

    /// Moves on to a time.
    pub fn advance(&mut self, time_ns: u64) {
        self.told_ns = self.told_ns.max(Some(time_ns));
    }

    /// The time now; `None` where nothing told any.
    pub fn told_ns(&self) -> Option<u64> {
        self.told_ns
    }

    /// How many times were not believed.
    pub fn unbelieved_times(&self) -> u64 {
        self.unbelieved_times
    }

    /// The time that an event which tells one is taken to have.
    fn believed_ns(&mut self, time_ns: u64) -> u64 {
        let Some(latest_ns) = self.told_ns else { return time_ns };
        let doubted = self.doubted.take().filter(|(doubted_ns, _)| time_ns.abs_diff(*doubted_ns) <= LONGEST_STEP_NS);
        let is_confirmed = doubted.is_some_and(|(_, has_ended)| has_ended);
        if time_ns.saturating_sub(latest_ns) <= LONGEST_STEP_NS || is_confirmed {
            return latest_ns.max(time_ns);
        }
        self.doubted = Some((time_ns, false));
        self.unbelieved_times += 1;
        latest_ns
    }
}

/// Whether a book is given after an event: the venue's message has ended with it, and it is of the book. `has_levels` says whether the book has any,
/// beside which quotes are not the book.
#[inline]
pub(crate) fn is_of_book(event: &Event, has_levels: bool) -> bool {
    let is_of_book = match event.body {
        Body::Quote { .. } => !has_levels,
        Body::Definition | Body::Status(_) => false,
        _ => true,
    };
    is_of_book && event.flags.contains(Flags::LAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::InstrumentId;

    /// What each event is taken to have, and how many were not believed; events of one message follow one another and have one time.
    fn times(told_ns: &[u64]) -> (Vec<u64>, u64) {
        let mut clock = Clock::default();
        let mut events = told_ns.iter().peekable();
        let mut taken = Vec::new();
        while let Some(time_ns) = events.next() {
            let flags = if events.peek() == Some(&time_ns) { Flags(0) } else { Flags::LAST };
            let (exchange_ns, receive_ns, instrument) = (*time_ns, *time_ns, InstrumentId(0));
            let event = Event { exchange_ns, receive_ns, sequence: 1, instrument, flags, body: Body::Clear };
            taken.push(clock.at(&event, Times::Exchange));
        }
        (taken, clock.unbelieved_times())
    }

    #[test]
    fn a_message_of_two_events_does_not_confirm_itself() {
        let far_ns = 9 * LONGEST_STEP_NS;
        assert_eq!(times(&[10, far_ns, far_ns, 30, 40]), (vec![10, 10, 10, 30, 40], 2));
        assert_eq!(times(&[10, far_ns, far_ns + 1]), (vec![10, 10, far_ns + 1], 1), "the next message does");
        assert_eq!(times(&[10, far_ns, far_ns, far_ns + 1]), (vec![10, 10, 10, far_ns + 1], 2));
    }
}

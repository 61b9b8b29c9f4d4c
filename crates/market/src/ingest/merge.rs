//! Several feeds become one stream by time.

use crate::event::Event;

use super::ring::Consumer;

/// What gives the events of one feed, in the feed's own order.
pub trait Source {
    /// The next event, left where it is; none where none is there now.
    fn peek(&self) -> Option<&Event>;
    /// Takes the next event.
    fn pop(&mut self) -> Option<Event>;
    /// Whether no event will come any more.
    fn is_ended(&self) -> bool;
}

impl Source for Consumer<Event> {
    fn peek(&self) -> Option<&Event> {
        self.peek()
    }

    fn pop(&mut self) -> Option<Event> {
        self.pop()
    }

    fn is_ended(&self) -> bool {
        self.is_ended()
    }
}

impl Source for std::collections::VecDeque<Event> {
    fn peek(&self) -> Option<&Event> {
        self.front()
    }

    fn pop(&mut self) -> Option<Event> {
        self.pop_front()
    }

    fn is_ended(&self) -> bool {
        self.is_empty()
    }
}

/// An event of the merged stream. Its instrument is one of its feed's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// The number of the feed.
    pub feed: usize,
    /// What happened.
    pub event: Event,
    /// Whether one that was received later has been given already.
    pub is_late: bool,
}

/// Merges feeds by the time of receipt.
///
/// The rule: of the next events of all feeds that one is given that was received first; at the same nanosecond that of the feed with the lower
/// number; a feed's own events are never reordered. While a feed has no event and may still bring one, the others' events are held until they
/// are `wait_ns` old, and given then. An event that comes after a later one has been given, or whose feed's clock went back, is given next,
/// marked late, and counted.
#[derive(Debug)]
pub struct Merge<S> {
    feeds: Vec<S>,
    wait_ns: u64,
    given_to_ns: u64,
    late: Vec<u64>,
}

impl<S: Source> Merge<S> {
    /// Merges feeds, numbered as they stand here. `wait_ns` is how long a feed without an event holds the others up: 0 for not at all, `u64::MAX`
    /// for ever, as for recordings.
    pub fn new(feeds: Vec<S>, wait_ns: u64) -> Self {
        Self { late: vec![0; feeds.len()], feeds, wait_ns, given_to_ns: 0 }
    }

    /// The next event whose turn it is at this time, in nanoseconds since the Unix epoch. The cost grows with the number of feeds.
    pub fn next(&mut self, now_ns: u64) -> Option<Merged> {
        let mut first: Option<(u64, usize)> = None;
        let mut may_come = false;
        for (number, feed) in self.feeds.iter().enumerate() {
            match next_of(feed) {
                Next::At(receive_ns) if first.is_none_or(|(earliest_ns, _)| receive_ns < earliest_ns) => {
                    first = Some((receive_ns, number))
                }
                Next::At(_) | Next::Never => {}
                Next::Later => may_come = true,
            }
        }
        let (receive_ns, feed) = first?;
        let is_late = receive_ns < self.given_to_ns;
        // What is late is held no longer: nothing that could come would be in order before it.
        if may_come && !is_late && (self.wait_ns == u64::MAX || receive_ns.saturating_add(self.wait_ns) > now_ns) {
            return None;
        }
        let event = self.feeds[feed].pop()?;
        self.late[feed] += u64::from(is_late);
        self.given_to_ns = self.given_to_ns.max(receive_ns);
        Some(Merged { feed, event, is_late })
    }

    /// Whether every feed has ended and all was given.
    pub fn is_ended(&self) -> bool {
        self.feeds.iter().all(|feed| feed.is_ended())
    }

    /// How many events of each feed were given late.
    pub fn late(&self) -> &[u64] {
        &self.late
    }
}

enum Next {
    At(u64),
    Later,
    Never,
}

fn next_of(feed: &impl Source) -> Next {
    // Asked before the event: one that comes in between is not overlooked.
    let ended = feed.is_ended();
    match feed.peek() {
        Some(event) => Next::At(event.receive_ns),
        None if ended => Next::Never,
        None => Next::Later,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        event::{Body, Flags, InstrumentId},
        ingest::ring::ring,
    };

    fn event(receive_ns: u64, sequence: u64) -> Event {
        Event {
            exchange_ns: 0,
            receive_ns,
            sequence,
            instrument: InstrumentId(0),
            flags: Flags::LAST,
            body: Body::Clear,
        }
    }

    fn given(merged: Option<Merged>) -> Option<(usize, u64, bool)> {
        merged.map(|merged| (merged.feed, merged.event.receive_ns, merged.is_late))
    }

    #[test]
    fn a_silent_feed_holds_the_others_up_for_so_long_and_what_it_brings_then_is_late() {
        let (mut quick, quick_out) = ring(8);
        let (mut silent, silent_out) = ring(8);
        let mut merge = Merge::new(vec![quick_out, silent_out], 50);
        quick.push_all(&[event(100, 1), event(300, 2)]).unwrap();
        assert_eq!(given(merge.next(149)), None);
        assert_eq!(given(merge.next(150)), Some((0, 100, false)));
        silent.push_all(&[event(90, 1), event(120, 2)]).unwrap();
        assert_eq!(given(merge.next(150)), Some((1, 90, true)));
        assert_eq!(given(merge.next(150)), Some((1, 120, false)));
        assert_eq!(given(merge.next(150)), None);
        drop(silent);
        assert_eq!((given(merge.next(150)), merge.is_ended()), (Some((0, 300, false)), false));
        drop(quick);
        assert_eq!((given(merge.next(150)), merge.is_ended(), merge.late()), (None, true, [0, 1].as_slice()));
    }

    #[test]
    fn a_feed_whose_clock_goes_back_keeps_its_own_order() {
        let mut merge =
            Merge::new(vec![VecDeque::from([event(200, 1), event(100, 2)]), VecDeque::from([event(150, 1)])], u64::MAX);
        let all: Vec<_> = std::iter::from_fn(|| given(merge.next(0))).collect();
        assert_eq!(all, [(1, 150, false), (0, 200, false), (0, 100, true)]);
        assert_eq!(merge.late(), [1, 0]);
    }

    proptest! {
        #[test]
        fn recordings_are_merged_as_a_stable_sort_would(times in proptest::collection::vec(proptest::collection::vec(0_u64..20, 0..30), 1..5)) {
            let feeds: Vec<VecDeque<Event>> = times
                .iter()
                .map(|times| {
                    let mut times = times.clone();
                    times.sort_unstable();
                    times.into_iter().zip(0..).map(|(time, sequence)| event(time, sequence)).collect()
                })
                .collect();
            let mut expected: Vec<(usize, Event)> = feeds.iter().enumerate().flat_map(|(feed, events)| events.iter().map(move |event| (feed, *event))).collect();
            expected.sort_by_key(|(feed, event)| (event.receive_ns, *feed, event.sequence));
            let mut merge = Merge::new(feeds, u64::MAX);
            let all: Vec<(usize, Event)> = std::iter::from_fn(|| merge.next(0)).map(|merged| (merged.feed, merged.event)).collect();
            prop_assert_eq!(all, expected);
            prop_assert!(merge.is_ended() && merge.late().iter().all(|late| *late == 0));
        }
    }
}

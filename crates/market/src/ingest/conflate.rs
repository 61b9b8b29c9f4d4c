//! Conflation: of what a slow reader has not taken yet, only the latest of each level and quote is kept.

use std::collections::{HashMap, VecDeque};

use crate::event::{Body, Event, Flags, InstrumentId, Side};

/// What an event says anew: a later one of the same key makes it useless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Level(InstrumentId, bool, i64),
    Quote(InstrumentId, bool),
}

impl Key {
    fn of(event: &Event) -> Option<Self> {
        match event.body {
            Body::Level { side, price_ticks, .. } => {
                Some(Self::Level(event.instrument, side == Side::Bid, price_ticks))
            }
            Body::Quote { side, .. } => Some(Self::Quote(event.instrument, side == Side::Bid)),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    event: Event,
    /// At which place the event stands that says it anew; 0 while there is none.
    replaced_at: u64,
}

/// A queue of events in which a level is replaced by a later one of the same instrument, side and price, and a quote by a later one of the same
/// instrument and side. Everything else (orders, trades, clears, status, definitions) is kept as it came.
///
/// The order of the events that remain is that in which they came: the later one stands at its own place. So, between the place of an event that
/// was replaced and that of the later one, the book is not what it ever was at the venue: events there lose [`Flags::LAST`]. A gap that was told
/// by an event that was replaced is told by the later one. Nothing is replaced across a [`Body::Clear`] of its instrument, nor is what is part of
/// a snapshot replaced by what is not or the other way.
#[derive(Debug)]
pub struct Conflator {
    slots: VecDeque<Slot>,
    /// The place of the first slot; places begin at 1.
    first: u64,
    latest: HashMap<Key, u64>,
    kept: usize,
    capacity: usize,
    /// Up to where events lose `LAST`.
    broken_to: u64,
    merged: u64,
}

impl Conflator {
    /// A queue of up to so many events, at least 1. All its memory is reserved here.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            slots: VecDeque::with_capacity(2 * capacity),
            first: 1,
            latest: HashMap::with_capacity(2 * capacity),
            kept: 0,
            capacity,
            broken_to: 0,
            merged: 0,
        }
    }

    /// Takes an event in; `false` where it is full and the event replaces none: it was not taken.
    pub fn push(&mut self, event: &Event) -> bool {
        let mut event = *event;
        let key = Key::of(&event);
        let replaced =
            key.and_then(|key| self.latest.get(&key).copied()).filter(|place| self.may_replace(*place, &event));
        if replaced.is_none() && self.kept == self.capacity {
            return false;
        }
        if self.slots.len() == 2 * self.capacity {
            self.close_up();
        }
        // Places may have moved.
        let replaced = replaced.and_then(|_| self.latest.get(&key?).copied());
        let place = self.first + self.slots.len() as u64;
        if let Some(replaced) = replaced {
            let slot = &mut self.slots[(replaced - self.first) as usize];
            event.flags.0 |= slot.event.flags.0 & Flags::GAP.0;
            slot.replaced_at = place;
            self.kept -= 1;
            self.merged += 1;
        }
        if event.body == Body::Clear {
            self.latest
                .retain(|key, _| !matches!(key, Key::Level(of, ..) | Key::Quote(of, _) if *of == event.instrument));
        }
        if let Some(key) = key {
            self.latest.insert(key, place);
        }
        self.slots.push_back(Slot { event, replaced_at: 0 });
        self.kept += 1;
        true
    }

    fn may_replace(&self, place: u64, event: &Event) -> bool {
        let earlier = self.slots[(place - self.first) as usize].event.flags;
        earlier.contains(Flags::SNAPSHOT) == event.flags.contains(Flags::SNAPSHOT)
    }

    /// The next event.
    pub fn pop(&mut self) -> Option<Event> {
        loop {
            let place = self.first;
            let slot = self.slots.pop_front()?;
            self.first += 1;
            if let Some(event) = self.settle(place, slot) {
                self.kept -= 1;
                if let Some(key) = Key::of(&event)
                    && self.latest.get(&key) == Some(&place)
                {
                    self.latest.remove(&key);
                }
                return Some(event);
            }
        }
    }

    /// What is to be given of the slot at a place, asked in the order of places.
    fn settle(&mut self, place: u64, slot: Slot) -> Option<Event> {
        if slot.replaced_at > 0 {
            self.broken_to = self.broken_to.max(slot.replaced_at);
            return None;
        }
        let mut event = slot.event;
        if place < self.broken_to {
            event.flags.0 &= !Flags::LAST.0;
        }
        Some(event)
    }

    /// Takes the slots away whose events were replaced.
    #[cold]
    fn close_up(&mut self) {
        let old_first = self.first;
        let mut next = old_first;
        for index in 0..self.slots.len() {
            let place = old_first + index as u64;
            let slot = self.slots[index];
            let Some(event) = self.settle(place, slot) else { continue };
            if let Some(key) = Key::of(&event)
                && let Some(latest) = self.latest.get_mut(&key)
                && *latest == place
            {
                *latest = next;
            }
            self.slots[(next - old_first) as usize] = Slot { event, replaced_at: 0 };
            next += 1;
        }
        self.slots.truncate((next - old_first) as usize);
        // What was broken is settled; the next event is the first that may be whole again.
        self.broken_to = 0;
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.kept
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.kept == 0
    }

    /// How many events were replaced by later ones since the beginning.
    pub fn merged(&self) -> u64 {
        self.merged
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::allocations::measure;

    fn event(sequence: u64, flags: Flags, body: Body) -> Event {
        Event { exchange_ns: sequence, receive_ns: sequence, sequence, instrument: InstrumentId(0), flags, body }
    }

    fn level(sequence: u64, flags: Flags, price_ticks: i64) -> Event {
        event(sequence, flags, Body::Level { side: Side::Bid, price_ticks, size: sequence })
    }

    fn trade(sequence: u64) -> Event {
        event(sequence, Flags::LAST, Body::Trade { resting_side: None, price_ticks: 5, size: 1 })
    }

    fn drain(conflator: &mut Conflator) -> Vec<(u64, u8)> {
        std::iter::from_fn(|| conflator.pop()).map(|event| (event.sequence, event.flags.0)).collect()
    }

    #[test]
    fn the_latest_of_a_level_stays_and_what_lies_between_is_not_whole() {
        let mut conflator = Conflator::new(8);
        for event in [level(1, Flags::GAP, 5), trade(2), level(3, Flags::LAST, 6), level(4, Flags::LAST, 5), trade(5)] {
            assert!(conflator.push(&event));
        }
        assert_eq!((conflator.merged(), conflator.len()), (1, 4));
        assert_eq!(drain(&mut conflator), [(2, 0), (3, 0), (4, Flags::LAST.0 | Flags::GAP.0), (5, Flags::LAST.0)]);
        assert!(conflator.push(&level(6, Flags::LAST, 5)) && conflator.merged() == 1);
    }

    #[test]
    fn nothing_is_merged_across_a_clear_or_with_a_snapshot() {
        let mut conflator = Conflator::new(8);
        for event in [
            level(1, Flags::LAST, 5),
            event(2, Flags::LAST, Body::Clear),
            level(3, Flags::SNAPSHOT, 5),
            level(4, Flags::LAST, 5),
        ] {
            assert!(conflator.push(&event));
        }
        assert_eq!((conflator.merged(), drain(&mut conflator).len()), (0, 4));
    }

    #[test]
    fn one_that_is_full_takes_only_what_replaces() {
        let mut conflator = Conflator::new(2);
        assert!(conflator.push(&trade(1)) && conflator.push(&level(2, Flags::LAST, 5)) && !conflator.push(&trade(3)));
        assert!(!conflator.push(&level(4, Flags::LAST, 6)) && conflator.push(&level(5, Flags::LAST, 5)));
        assert_eq!(drain(&mut conflator), [(1, Flags::LAST.0), (5, Flags::LAST.0)]);
    }

    #[test]
    fn a_quote_that_changes_for_ever_takes_no_more_memory() {
        let mut conflator = Conflator::new(16);
        assert!(conflator.push(&trade(1)));
        let (_, allocated) = measure(|| {
            for sequence in 2..10_000 {
                let body = Body::Quote { side: Side::Ask, price_ticks: sequence as i64, size: 1 };
                assert!(conflator.push(&event(sequence, Flags::LAST, body)));
            }
        });
        assert_eq!((allocated.calls, conflator.len(), conflator.merged()), (0, 2, 9_997));
        assert_eq!(drain(&mut conflator), [(1, Flags::LAST.0), (9_999, Flags::LAST.0)]);
    }

    proptest! {
        /// Against a list of all events: what remains is each event of which there is no later one of its key, in the order in which they came, and
        /// an event is whole if it was and no event that was replaced before it has its successor after it.
        #[test]
        fn what_remains_is_what_a_plain_list_says(steps in proptest::collection::vec((0_u8..4, 0_i64..3, any::<bool>()), 1..200), capacity in 1_usize..40) {
            let mut conflator = Conflator::new(capacity);
            let mut list: Vec<(Event, Option<usize>)> = Vec::new();
            for (sequence, (kind, price, last)) in steps.into_iter().enumerate() {
                let flags = if last { Flags::LAST } else { Flags::default() };
                let new = if kind == 0 { trade(sequence as u64) } else { level(sequence as u64, flags, price) };
                let waits = list.iter().filter(|(_, replaced)| replaced.is_none()).count();
                let at = list.iter().position(|(old, replaced)| replaced.is_none() && Key::of(old).is_some() && Key::of(old) == Key::of(&new));
                prop_assert_eq!(conflator.push(&new), at.is_some() || waits < capacity);
                if at.is_none() && waits == capacity { continue }
                if let Some(at) = at { list[at].1 = Some(list.len()) }
                list.push((new, None));
            }
            let mut broken_to = 0;
            let mut expected = Vec::new();
            for (place, (event, replaced)) in list.iter().enumerate() {
                match replaced {
                    Some(by) => broken_to = broken_to.max(*by),
                    None if place < broken_to => expected.push((event.sequence, event.flags.0 & !Flags::LAST.0)),
                    None => expected.push((event.sequence, event.flags.0)),
                }
            }
            prop_assert_eq!(drain(&mut conflator), expected);
        }
    }
}

//! A ring of events between two threads in which an event moves with one cache line.
//!
//! A slot is one line of 64 bytes, and says itself that it has been written: the top bit of one of its words turns over with each lap. So the reader
//! waits on the line that brings the event, and no index has to come over beside it, as in FastForward (Giacomoni, Moseley and Vachharajani, PPoPP
//! 2008). How much has been taken is told on a line of its own, which the producer looks at only once it has used up the room that it knows of.
//! What it gains over a ring of 72-byte slots with two indices ([`super::ring`]) stands in docs/performance.md.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use super::{
    packed::{FREE_BIT, META, WORDS, pack, unpack},
    ring::{Pause, ReaderGone},
};
use crate::event::Event;

/// The word of a free slot that is written to bring its line over: any but the one that says that it is written.
const TOUCHED: usize = 0;
const _: () = assert!(TOUCHED != META);

/// An event's place: one cache line, on its own.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Slot([AtomicU64; WORDS]);

/// What one end writes and the other reads, on lines of its own (two, since processors fetch lines in pairs).
#[derive(Debug, Default)]
#[repr(C, align(128))]
struct Apart<T>(T);

/// What the reader tells.
#[derive(Debug, Default)]
struct Reader {
    /// Events taken so far.
    taken: AtomicU64,
    is_gone: AtomicBool,
}

const _: () = assert!(size_of::<Slot>() == 64 && align_of::<Slot>() == 64);
const _: () = assert!(align_of::<EventProducer>() == 128 && align_of::<EventConsumer>() == 128);
const _: () = assert!(size_of::<Apart<Reader>>() == 128 && align_of::<Apart<Reader>>() == 128);

#[repr(C)]
struct Shared {
    /// Written by nobody once it is made: it may share its line with what is beside it outside of this.
    slots: Box<[Slot]>,
    reader: Apart<Reader>,
    producer_is_gone: Apart<AtomicBool>,
}

/// Where an end is: its slot, and what the top bit there says once this lap's event is in it.
#[derive(Debug, Clone, Copy)]
struct Place {
    slot: usize,
    mark: u64,
}

impl Place {
    /// The first slot of the first lap: slots begin with the bit at 0.
    const FIRST: Self = Self { slot: 0, mark: FREE_BIT };

    #[inline]
    fn step(&mut self, slots: usize) {
        self.slot += 1;
        if self.slot == slots {
            *self = Self { slot: 0, mark: self.mark ^ FREE_BIT };
        }
    }
}

/// The end into which events are put. On lines of its own, like the other: wherever a program keeps the two, what one thread counts does not stand on a
/// line that the other reads for each event.
#[repr(align(128))]
pub struct EventProducer {
    shared: Arc<Shared>,
    place: Place,
    sent: u64,
    /// Room that there is at least.
    room: usize,
}

/// The end from which they are taken; on lines of its own.
#[repr(align(128))]
pub struct EventConsumer {
    shared: Arc<Shared>,
    place: Place,
    taken: u64,
}

/// A ring with room for `capacity` events, at least 1, and its two ends. All its memory is reserved here: 64 bytes an event.
pub fn event_ring(capacity: usize) -> (EventProducer, EventConsumer) {
    let capacity = capacity.max(1);
    let slots = (0..capacity).map(|_| Slot::default()).collect();
    let shared = Arc::new(Shared { slots, reader: Apart::default(), producer_is_gone: Apart::default() });
    let producer = EventProducer { shared: shared.clone(), place: Place::FIRST, sent: 0, room: capacity };
    (producer, EventConsumer { shared, place: Place::FIRST, taken: 0 })
}

impl fmt::Debug for EventProducer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EventProducer").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl fmt::Debug for EventConsumer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EventConsumer").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl EventProducer {
    fn look_for_room(&self) -> usize {
        // What was taken is read no more: who takes has told it after its last look.
        let taken = self.shared.reader.0.taken.load(Acquire);
        self.shared.slots.len() - (self.sent - taken) as usize
    }

    /// Puts as many of the events in as there is room for, and gives how many that were: the first ones.
    #[inline]
    pub fn push_some(&mut self, events: &[Event]) -> usize {
        if self.room < events.len() {
            self.room = self.look_for_room();
        }
        let count = self.room.min(events.len());
        let slots = &*self.shared.slots;
        for event in &events[..count] {
            let words = pack(event);
            let Slot(slot) = &slots[self.place.slot];
            for number in (0..WORDS).filter(|number| *number != META) {
                slot[number].store(words[number], Relaxed);
            }
            // Last: who sees the bit sees the other words too.
            slot[META].store(words[META] | self.place.mark, Release);
            self.place.step(slots.len());
        }
        self.room -= count;
        self.sent += count as u64;
        if self.room > 0 {
            // The next slot is free, so what stands there does not matter: a write brings its line over from the reader's core now, while nobody
            // waits for it, and not once the next event is there.
            slots[self.place.slot].0[TOUCHED].store(0, Relaxed);
        }
        count
    }

    /// Puts all events in, and waits for room where there is none; gives how often it waited.
    ///
    /// # Errors
    ///
    /// [`ReaderGone`] where there will never be room.
    pub fn push_all(&mut self, mut events: &[Event]) -> Result<u64, ReaderGone> {
        let mut pause = Pause::default();
        let mut waits = 0;
        while !events.is_empty() {
            let put = self.push_some(events);
            events = &events[put..];
            if put > 0 {
                pause.reset();
            } else if self.is_abandoned() {
                return Err(ReaderGone { unread: events.len() });
            } else {
                waits += 1;
                pause.pause();
            }
        }
        Ok(waits)
    }

    /// Whether there is room for an event.
    pub fn has_room(&self) -> bool {
        self.room > 0 || self.look_for_room() > 0
    }

    /// Whether the reader is gone.
    pub fn is_abandoned(&self) -> bool {
        self.shared.reader.0.is_gone.load(Acquire)
    }
}

impl EventConsumer {
    /// The words of the next event, where it is there.
    #[inline]
    fn next(&self) -> Option<[u64; WORDS]> {
        let Slot(slot) = &self.shared.slots[self.place.slot];
        let meta = slot[META].load(Acquire);
        if meta & FREE_BIT != self.place.mark {
            return None;
        }
        let mut words = [0; WORDS];
        for (word, at) in words.iter_mut().zip(slot) {
            *word = at.load(Relaxed);
        }
        words[META] = meta;
        Some(words)
    }

    /// Gives up to `most` events in their order, as far as they are there, and then their room back; gives how many there were.
    #[inline]
    pub fn take(&mut self, most: usize, mut give: impl FnMut(&Event)) -> usize {
        let mut count = 0;
        while count < most
            && let Some(words) = self.next()
        {
            give(&unpack(words));
            self.place.step(self.shared.slots.len());
            count += 1;
        }
        if count > 0 {
            self.taken += count as u64;
            self.shared.reader.0.taken.store(self.taken, Release);
        }
        count
    }

    /// Whether the producer is gone and everything has been taken.
    pub fn is_ended(&self) -> bool {
        // In this order: once the producer is gone nothing is added.
        self.shared.producer_is_gone.0.load(Acquire) && self.next().is_none()
    }
}

impl Drop for EventProducer {
    fn drop(&mut self) {
        self.shared.producer_is_gone.0.store(true, Release);
    }
}

impl Drop for EventConsumer {
    fn drop(&mut self) {
        self.shared.reader.0.is_gone.store(true, Release);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        event::{Body, Flags, InstrumentId, Side},
        ingest::packed::tests::any_event,
    };

    /// An event all of whose words tell its number, so that a torn one is seen.
    fn numbered(number: u64) -> Event {
        let body = Body::Modify {
            order_id: number,
            new_order_id: !number,
            price_ticks: number as i64 * 3,
            size: number ^ 0x5555,
        };
        let (instrument, flags) = (InstrumentId(number as u32), Flags(number as u8));
        Event { exchange_ns: number + 1, receive_ns: number + 2, sequence: number, instrument, flags, body }
    }

    #[test]
    fn events_come_out_whole_once_and_in_order_through_rings_of_any_size() {
        for (capacity, count) in [(1, 20_000), (2, 20_000), (7, 100_000), (64, 300_000), (1_000, 300_000)] {
            let (mut producer, mut consumer) = event_ring(capacity);
            let sender = thread::spawn(move || {
                let events: Vec<Event> = (0..count).map(numbered).collect();
                events.chunks(13).try_for_each(|piece| producer.push_all(piece).map(drop))
            });
            let (mut taken, mut pause) = (0, Pause::default());
            while !consumer.is_ended() {
                let got = consumer.take(5, |event| {
                    assert_eq!(*event, numbered(taken));
                    taken += 1;
                });
                if got == 0 { pause.pause() } else { pause.reset() }
            }
            assert_eq!((sender.join().unwrap(), taken), (Ok(()), count), "ring of {capacity}");
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_a_queue_holds(
            capacity in 1_usize..9,
            steps in prop::collection::vec((prop::collection::vec(any_event(), 0..6), 0_usize..6), 1..60),
        ) {
            let (mut producer, mut consumer) = event_ring(capacity);
            let mut queue = std::collections::VecDeque::new();
            for (events, most) in steps {
                let room = capacity - queue.len();
                prop_assert_eq!(producer.has_room(), room > 0);
                let put = producer.push_some(&events);
                prop_assert_eq!(put, room.min(events.len()));
                queue.extend(&events[..put]);
                let mut taken = Vec::new();
                let count = consumer.take(most, |event| taken.push(*event));
                prop_assert_eq!(count, taken.len());
                let expected: Vec<Event> = queue.drain(..most.min(queue.len())).collect();
                prop_assert_eq!(taken, expected);
            }
        }
    }

    #[test]
    fn a_producer_does_not_wait_for_a_reader_that_is_gone() {
        let (mut producer, consumer) = event_ring(4);
        let events: Vec<Event> = (0..6).map(numbered).collect();
        assert_eq!((producer.push_some(&events), producer.has_room(), producer.is_abandoned()), (4, false, false));
        drop(consumer);
        assert_eq!((producer.push_all(&events[4..]), producer.is_abandoned()), (Err(ReaderGone { unread: 2 }), true));
    }

    #[test]
    fn what_was_put_in_before_the_producer_went_is_still_taken() {
        let (mut producer, mut consumer) = event_ring(4);
        producer.push_all(&[numbered(8), numbered(9)]).unwrap();
        drop(producer);
        assert!(!consumer.is_ended());
        let mut sequences = Vec::new();
        assert_eq!((consumer.take(9, |event| sequences.push(event.sequence)), consumer.is_ended()), (2, true));
        assert_eq!(sequences, [8, 9]);
    }

    #[test]
    fn what_one_end_writes_lies_on_no_line_of_what_the_other_does() {
        let (producer, _consumer) = event_ring(3);
        let shared = &*producer.shared;
        let line = |place: usize| place / 64;
        let slots: Vec<usize> = shared.slots.iter().map(|slot| line(std::ptr::from_ref(slot) as usize)).collect();
        assert_eq!(slots, [slots[0], slots[0] + 1, slots[0] + 2]);
        assert_eq!(std::ptr::from_ref(&shared.slots[0]) as usize % 64, 0);
        let reader = std::ptr::from_ref(&shared.reader) as usize;
        let producer = std::ptr::from_ref(&shared.producer_is_gone) as usize;
        assert_eq!((reader % 128, producer % 128), (0, 0));
        let all = [line(std::ptr::from_ref(&shared.slots) as usize), line(reader), line(producer)];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{all:?}");
        assert!(slots.iter().all(|slot| !all.contains(slot)));
    }

    #[test]
    fn nothing_is_allocated_between_its_ends() {
        let (mut producer, mut consumer) = event_ring(8);
        let events: Vec<Event> = (0..5).map(numbered).collect();
        let ((), allocated) = crate::allocations::measure(|| {
            for _ in 0..100 {
                assert_eq!((producer.push_some(&events), consumer.take(9, |_| ())), (5, 5));
            }
        });
        assert_eq!((allocated.calls, allocated.most_bytes), (0, 0));
    }

    #[test]
    fn a_side_that_is_not_told_is_none_on_the_other_end() {
        let (mut producer, mut consumer) = event_ring(2);
        let trade =
            |resting_side| Event { body: Body::Trade { resting_side, price_ticks: -5, size: 1 }, ..numbered(1) };
        producer.push_all(&[trade(None), trade(Some(Side::Ask))]).unwrap();
        let mut taken = Vec::new();
        consumer.take(2, |event| taken.push(*event));
        assert_eq!(taken, [trade(None), trade(Some(Side::Ask))]);
    }
}

//! A ring between two threads, and many of them read by one.
//!
//! The ring is crate `rtrb`'s: wait-free, the two indices each on a cache line of their own, batches by slice. Beside it were measured `disruptor`
//! (somewhat faster, but neither end learns that the other is gone), `crossbeam-queue` and `std`'s channel (both slower). Many producers get a ring
//! each, so that they share no index, and each one's items keep their order.

use std::{hint::spin_loop, thread, time::Duration};

use thiserror::Error;

/// Waits a little longer each time: spins for some tens of microseconds, in which a ring of thousands of events is emptied, then gives the core
/// away, then sleeps for 50 µs at a time.
#[derive(Debug, Default)]
pub struct Pause {
    turns: u32,
}

impl Pause {
    const SPINS: u32 = 2_000;
    const YIELDS: u32 = 2_200;

    /// Waits.
    pub fn pause(&mut self) {
        self.turns = self.turns.saturating_add(1);
        match self.turns {
            0..Self::SPINS => spin_loop(),
            Self::SPINS..Self::YIELDS => thread::yield_now(),
            _ => thread::sleep(Duration::from_micros(50)),
        }
    }

    /// Begins with the shortest wait again: something was there.
    pub fn reset(&mut self) {
        self.turns = 0;
    }
}

/// The consumer is gone: what is put into the ring is never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the reader of the ring is gone: {unread} items were not given to it")]
pub struct ReaderGone {
    /// How many of the items were not put into the ring.
    pub unread: usize,
}

/// The end of a ring into which items are put. On cache lines of its own, like the other: each counts there what it does.
#[derive(Debug)]
#[repr(align(128))]
pub struct Producer<T>(rtrb::Producer<T>);

/// The end of a ring from which items are taken; on lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub struct Consumer<T>(rtrb::Consumer<T>);

/// A ring with room for `capacity` items, at least 1, and its two ends. All its memory is reserved here.
pub fn ring<T: Copy + Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let (producer, consumer) = rtrb::RingBuffer::new(capacity.max(1));
    (Producer(producer), Consumer(consumer))
}

impl<T: Copy> Producer<T> {
    /// Puts as many of the items in as there is room for, and gives how many that were: the first ones.
    pub fn push_some(&mut self, items: &[T]) -> usize {
        self.0.push_partial_slice(items).0.len()
    }

    /// Puts all items in, and waits for room where there is none; gives how often it waited.
    ///
    /// # Errors
    ///
    /// [`ReaderGone`] where there will never be room.
    pub fn push_all(&mut self, mut items: &[T]) -> Result<u64, ReaderGone> {
        let mut pause = Pause::default();
        let mut waits = 0;
        while !items.is_empty() {
            let (put, rest) = self.0.push_partial_slice(items);
            if !put.is_empty() {
                pause.reset();
            } else if self.0.is_abandoned() {
                return Err(ReaderGone { unread: rest.len() });
            } else {
                waits += 1;
                pause.pause();
            }
            items = rest;
        }
        Ok(waits)
    }

    /// Whether there is room for an item.
    pub fn has_room(&self) -> bool {
        !self.0.is_full()
    }

    /// Whether the reader is gone.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }
}

impl<T: Copy> Consumer<T> {
    /// Gives up to `most` items in their order, all that are there at once, and then their room back; gives how many there were.
    pub fn take(&mut self, most: usize, mut give: impl FnMut(&T)) -> usize {
        let count = self.0.slots().min(most);
        let Ok(chunk) = self.0.read_chunk(count) else { return 0 };
        let (first, second) = chunk.as_slices();
        first.iter().chain(second).for_each(&mut give);
        chunk.commit_all();
        count
    }

    /// The next item, left where it is.
    pub fn peek(&self) -> Option<&T> {
        self.0.peek().ok()
    }

    /// Takes the next item.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop().ok()
    }

    /// Whether the producer is gone and everything has been taken.
    pub fn is_ended(&self) -> bool {
        // In this order: once the producer is gone nothing is added.
        self.0.is_abandoned() && self.0.is_empty()
    }
}

/// Many rings read by one thread.
#[derive(Debug)]
pub struct Lanes<T> {
    lanes: Vec<Consumer<T>>,
}

/// A ring of `capacity` for each of so many producers, and the one reader of all.
pub fn lanes<T: Copy + Send>(producers: usize, capacity: usize) -> (Vec<Producer<T>>, Lanes<T>) {
    let (producers, lanes) = (0..producers).map(|_| ring(capacity)).unzip();
    (producers, Lanes { lanes })
}

impl<T: Copy> Lanes<T> {
    /// One turn: each producer's items with the producer's number, up to `most` of each, so that a busy one holds none of the others up for long.
    /// A producer's items keep their order; between producers there is none. Gives how many there were.
    pub fn take(&mut self, most: usize, mut give: impl FnMut(usize, &T)) -> usize {
        self.lanes.iter_mut().enumerate().map(|(number, lane)| lane.take(most, |item| give(number, item))).sum()
    }

    /// Whether every producer is gone and everything has been taken.
    pub fn is_ended(&self) -> bool {
        self.lanes.iter().all(Consumer::is_ended)
    }

    /// The readers by the number of their producers, for who reads them by another rule ([`Merge`](super::Merge)).
    pub fn into_consumers(self) -> Vec<Consumer<T>> {
        self.lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_once_and_in_order_through_a_small_ring() {
        let (mut producer, mut consumer) = ring::<u64>(7);
        let sender = thread::spawn(move || {
            let items: Vec<u64> = (0..10_000).collect();
            items.chunks(13).try_for_each(|piece| producer.push_all(piece).map(drop))
        });
        let mut taken = Vec::new();
        let mut pause = Pause::default();
        while !consumer.is_ended() {
            if consumer.take(5, |item| taken.push(*item)) == 0 {
                pause.pause();
            }
        }
        assert_eq!(sender.join().unwrap(), Ok(()));
        assert!(taken.iter().copied().eq(0..10_000), "{} items", taken.len());
    }

    /// Two ends that a program keeps side by side share no line, nor a pair of lines that a processor fetches together.
    #[test]
    fn each_end_has_cache_lines_of_its_own() {
        assert_eq!((align_of::<Producer<u64>>(), size_of::<Producer<u64>>() % 128), (128, 0));
        assert_eq!((align_of::<Consumer<u64>>(), size_of::<Consumer<u64>>() % 128), (128, 0));
        let ends = ring::<u64>(4);
        let line = |place: usize| place / 128;
        let (first, second) = (&raw const ends.0 as usize, &raw const ends.1 as usize);
        let lines = |first: usize, size: usize| line(first)..=line(first + size - 1);
        let (ours, theirs) = (lines(first, size_of_val(&ends.0)), lines(second, size_of_val(&ends.1)));
        assert!(ours.end() < theirs.start() || theirs.end() < ours.start(), "{ours:?} {theirs:?}");
    }

    #[test]
    fn many_producers_keep_each_its_own_order() {
        let (producers, mut lanes) = lanes::<u64>(3, 16);
        let senders: Vec<_> = producers
            .into_iter()
            .map(|mut producer| {
                thread::spawn(move || (0..5_000).try_for_each(|item| producer.push_all(&[item]).map(drop)))
            })
            .collect();
        let mut next = [0; 3];
        while !lanes.is_ended() {
            let count = lanes.take(8, |producer, item| {
                assert_eq!(*item, next[producer]);
                next[producer] += 1;
            });
            if count == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(next, [5_000; 3]);
        senders.into_iter().for_each(|sender| assert_eq!(sender.join().unwrap(), Ok(())));
    }

    #[test]
    fn a_producer_does_not_wait_for_a_reader_that_is_gone() {
        let (mut producer, consumer) = ring(4);
        assert_eq!(producer.push_some(&[1, 2, 3, 4, 5, 6]), 4);
        drop(consumer);
        assert_eq!((producer.push_all(&[5, 6]), producer.is_abandoned()), (Err(ReaderGone { unread: 2 }), true));
    }

    #[test]
    fn what_was_put_in_before_the_producer_went_is_still_taken() {
        let (mut producer, mut consumer) = ring(4);
        producer.push_all(&[8, 9]).unwrap();
        drop(producer);
        assert_eq!((consumer.peek(), consumer.is_ended()), (Some(&8), false));
        assert_eq!(
            (consumer.pop(), consumer.pop(), consumer.pop(), consumer.is_ended()),
            (Some(8), Some(9), None, true)
        );
    }
}

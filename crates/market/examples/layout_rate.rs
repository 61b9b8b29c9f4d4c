//! What it is worth to lay memory out by cache lines: indices of a ring that two cores write, counters of two threads, records read at random.
//!
//! `cargo run --release -p zomma-market --example layout_rate [SECONDS]`
//!
//! Each row is the same code over another layout, in one run. The ring is a plain one of 8-byte words, each end of which looks at the other's index only when it must, and whose two indices lie on one cache line, on two
//! neighbouring lines, or on lines that are not fetched as a pair (128 bytes apart, as this crate's rings have them); two threads, pinned to the first
//! two processors that this process may use, pass words to and fro (a hop is half a round trip) and one way. Records are of 64 bytes, as a book's
//! head is, in a table of 64 MiB, and lie on one cache line each or across two; where the next one is read depends on the one before. SECONDS (1)
//! for each row.

use std::{
    error::Error,
    hint::{black_box, spin_loop},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread,
    time::{Duration, Instant},
};

/// Slots of a ring; a power of two.
const SLOTS: usize = 1_024;
/// Round trips, steps or reads between two looks at the clock.
const TOGETHER: u32 = 256;
/// Words of a record.
const RECORD: usize = 8;
/// Records of the table.
const RECORDS: usize = 1 << 20;

/// Where the two indices of a ring lie.
trait Layout: Default + Send + Sync + 'static {
    fn put(&self) -> &AtomicU64;
    fn taken(&self) -> &AtomicU64;
}

macro_rules! layout {
    ($name:ident, $index:ident, $align:literal, $apart:literal) => {
        #[derive(Default)]
        #[repr(align($align))]
        struct $index(AtomicU64);

        #[derive(Default)]
        #[repr(C)]
        struct $name {
            put: $index,
            taken: $index,
        }

        const _: () = assert!(std::mem::offset_of!($name, taken) - std::mem::offset_of!($name, put) == $apart);

        impl Layout for $name {
            fn put(&self) -> &AtomicU64 {
                &self.put.0
            }

            fn taken(&self) -> &AtomicU64 {
                &self.taken.0
            }
        }
    };
}

layout!(Together, Word, 8, 8);
layout!(Lines, Line, 64, 64);
layout!(Pairs, Pair, 128, 128);

/// Nothing else lies on the lines of what is in it.
#[derive(Default)]
#[repr(align(128))]
struct Alone<T>(T);

/// A ring of one writer and one reader.
struct Ring<L> {
    slots: Alone<Box<[AtomicU64]>>,
    indices: Alone<L>,
}

/// An end of a ring: what it has put or taken, and up to where it may go on without a look at the other's index.
struct End<L> {
    ring: Arc<Ring<L>>,
    done: u64,
    until: u64,
}

fn new_ring<L: Layout>() -> (Alone<End<L>>, Alone<End<L>>) {
    let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
    let ring = Arc::new(Ring { slots: Alone(slots), indices: Alone(L::default()) });
    let writer = End { ring: ring.clone(), done: 0, until: SLOTS as u64 };
    (Alone(writer), Alone(End { ring, done: 0, until: 0 }))
}

impl<L: Layout> End<L> {
    /// Puts a word in; `false` where there is no room.
    #[inline]
    fn push(&mut self, word: u64) -> bool {
        let indices = &self.ring.indices.0;
        if self.done == self.until {
            self.until = indices.taken().load(Acquire) + SLOTS as u64;
        }
        if self.done == self.until {
            return false;
        }
        self.ring.slots.0[self.done as usize % SLOTS].store(word, Relaxed);
        self.done += 1;
        indices.put().store(self.done, Release);
        true
    }

    /// Takes a word, where there is one.
    #[inline]
    fn pop(&mut self) -> Option<u64> {
        let indices = &self.ring.indices.0;
        if self.done == self.until {
            self.until = indices.put().load(Acquire);
        }
        if self.done == self.until {
            return None;
        }
        let word = self.ring.slots.0[self.done as usize % SLOTS].load(Relaxed);
        self.done += 1;
        indices.taken().store(self.done, Release);
        Some(word)
    }
}

/// The two processors that the threads have to themselves, where this process may use two.
fn processors() -> Result<[usize; 2], Box<dyn Error>> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let mut numbers = (0..rustix::thread::CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number));
    match (numbers.next(), numbers.next()) {
        (Some(one), Some(other)) => Ok([one, other]),
        _ => Err("two processors are needed, and this process may use one".into()),
    }
}

fn pin(processor: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    // Where it is refused the figures are worse, and no less true.
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// Does a step for so long; gives nanoseconds a step.
fn timed(time: Duration, mut step: impl FnMut()) -> f64 {
    let (begun, mut steps) = (Instant::now(), 0_u64);
    while begun.elapsed() < time {
        (0..TOGETHER).for_each(|_| step());
        steps += u64::from(TOGETHER);
    }
    begun.elapsed().as_secs_f64() * 1e9 / steps as f64
}

/// Times a step of this thread while another repeats its own.
fn beside(processors: [usize; 2], time: Duration, mut other: impl FnMut() + Send, step: impl FnMut()) -> f64 {
    let stop = Alone(AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(processors[1]);
            while !stop.0.load(Relaxed) {
                other();
            }
        });
        pin(processors[0]);
        let nanoseconds = timed(time, step);
        stop.0.store(true, Relaxed);
        nanoseconds
    })
}

/// A hop, and a word one way, in nanoseconds.
fn ring<L: Layout>(name: &str, processors: [usize; 2], time: Duration) {
    let ((mut to, mut from_us), (mut back, mut answers)) = (new_ring::<L>(), new_ring::<L>());
    let answer = move || match from_us.0.pop() {
        Some(word) => _ = back.0.push(word),
        None => spin_loop(),
    };
    let round_trip = beside(processors, time, answer, || {
        to.0.push(black_box(7));
        while answers.0.pop().is_none() {
            spin_loop();
        }
    });
    let (mut to, mut from) = new_ring::<L>();
    let read = move || {
        if black_box(from.0.pop()).is_none() {
            spin_loop();
        }
    };
    let word = beside(processors, time, read, || {
        while !to.0.push(black_box(7)) {
            spin_loop();
        }
    });
    println!("indices {name:<36} hop {:6.1} ns   one way, word by word {word:6.1} ns a word", round_trip / 2.0);
}

/// A counter that this thread raises beside one that another does.
fn counters<L: Layout>(name: &str, processors: [usize; 2], time: Duration) {
    let counters = Alone(L::default());
    let raise = |counter: &AtomicU64| _ = counter.fetch_add(1, Relaxed);
    let nanoseconds = beside(processors, time, || raise(counters.0.taken()), || raise(counters.0.put()));
    println!("counters {name:<35} {nanoseconds:6.1} ns each time that one is raised");
}

/// A record that lies so many words behind the beginning of a cache line.
fn records(name: &str, behind: usize, time: Duration) {
    let words: Vec<u64> = (0..(RECORDS + 2) * RECORD).map(|word| (word as u64).wrapping_mul(0x9E37_79B9)).collect();
    let to_line = words.as_ptr().align_offset(64);
    let words = &words[to_line + behind..];
    let mut place = 1_u64;
    let nanoseconds = timed(time, || {
        let at = (place >> 20) as usize % RECORDS * RECORD;
        let sum = words[at..at + RECORD].iter().fold(place, |sum, word| sum.wrapping_add(*word));
        place = sum.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
    });
    black_box(place);
    println!("records {name:<36} {nanoseconds:6.1} ns a record read");
}

fn main() -> Result<(), Box<dyn Error>> {
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(1.0), |text| text.parse())?;
    let (time, processors) = (Duration::from_secs_f64(seconds), processors()?);
    println!("processors {processors:?}");
    ring::<Together>("on one cache line", processors, time);
    ring::<Lines>("on two neighbouring lines", processors, time);
    ring::<Pairs>("128 bytes apart", processors, time);
    counters::<Together>("on one cache line", processors, time);
    counters::<Lines>("on two neighbouring lines", processors, time);
    counters::<Pairs>("128 bytes apart", processors, time);
    records("on one cache line each", 0, time);
    records("across two cache lines", RECORD / 2, time);
    Ok(())
}

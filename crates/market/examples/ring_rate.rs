//! What it costs to hand something from one core to another: one hop, and a rate in batches.
//!
//! `cargo run --release -p zomma-market --example ring_rate [SECONDS]`
//!
//! Two threads, pinned to the first two processors that this process may use, pass something to and fro; a hop is half a round trip. Beside the ring of
//! this crate stand a plain atomic word that both write (the least that two cores can do: each hop moves one cache line) and crates `rtrb` and `disruptor`
//! by themselves, in turn and in one run, and the ring of events, in which an event is one cache line. Percentiles are of single round trips, of which reading the clock is a part, and of means of 64 round trips, of which it is
//! a 64th. SECONDS (1) for each row.

use std::{
    error::Error,
    hint::{black_box, spin_loop},
    slice::from_ref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use disruptor::{BusySpin, Producer as _, build_single_producer};
use hdrhistogram::Histogram;
use zomma_market::{
    event::{Body, Event, Flags, InstrumentId},
    ingest::{
        event_ring::event_ring,
        ring::{Pause, ring},
    },
};

/// Round trips of which a mean is taken.
const TOGETHER: u32 = 64;
/// Slots of a ring.
const SLOTS: usize = 1_024;
/// Items of a batch.
const BATCH: usize = 64;

/// A word on cache lines of its own.
#[repr(align(128))]
struct Word(AtomicU64);

const _: () = assert!(align_of::<Word>() == 128 && size_of::<Word>() == 128);

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

/// Times round trips for so long: percentiles of single hops and of the means of many, in tenths of a nanosecond.
fn times(name: &str, time: Duration, mut round_trip: impl FnMut(u64)) -> Result<(), Box<dyn Error>> {
    let (mut single, mut mean) = (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < time {
        let first = Instant::now();
        let mut last = first;
        for _ in 0..TOGETHER {
            number += 1;
            round_trip(number);
            let now = Instant::now();
            single.record((now - last).as_nanos() as u64 * 5)?;
            last = now;
        }
        let first = Instant::now();
        for _ in 0..TOGETHER {
            number += 1;
            round_trip(number);
        }
        mean.record(first.elapsed().as_nanos() as u64 * 5 / u64::from(TOGETHER))?;
    }
    let of = |histogram: &Histogram<u64>, share| histogram.value_at_quantile(share) as f64 / 10.0;
    println!(
        "{name:<28} hop p50 {:6.1} ns  p99 {:6.1}  p99.9 {:7.1}   of {TOGETHER} together p50 {:6.1} ns",
        of(&single, 0.5),
        of(&single, 0.99),
        of(&single, 0.999),
        of(&mean, 0.5)
    );
    Ok(())
}

/// Runs the other side in a thread of its own until `mine` is done.
fn beside(
    other: impl FnMut() + Send,
    processors: [usize; 2],
    mine: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    // Whatever a thread touches for each item lies on lines of its own: the other's ends of the rings on its own stack, the word that stops it apart.
    let stop = Word(AtomicU64::new(0));
    let (told, mut other) = (&stop.0, other);
    thread::scope(|scope| {
        scope.spawn(move || {
            pin(processors[1]);
            while told.load(Ordering::Relaxed) == 0 {
                other();
            }
        });
        pin(processors[0]);
        let outcome = mine();
        stop.0.store(1, Ordering::Relaxed);
        outcome
    })
}

/// A word that both threads write.
fn plain(time: Duration, processors: [usize; 2]) -> Result<(), Box<dyn Error>> {
    let word = Arc::new(Word(AtomicU64::new(0)));
    let theirs = word.clone();
    // Odd numbers are ours, and the even one behind is the answer.
    let answer = move || {
        let seen = theirs.0.load(Ordering::Acquire);
        if seen & 1 == 1 { theirs.0.store(seen + 1, Ordering::Release) } else { spin_loop() }
    };
    beside(answer, processors, || {
        times("an atomic word", time, |number| {
            word.0.store(2 * number - 1, Ordering::Release);
            while word.0.load(Ordering::Acquire) != 2 * number {
                spin_loop();
            }
        })
    })
}

fn by_rtrb<T: Copy + Send + 'static>(
    name: &str,
    item: T,
    time: Duration,
    processors: [usize; 2],
) -> Result<(), Box<dyn Error>> {
    let ((mut to, mut from_us), (mut back, mut answers)) = (rtrb::RingBuffer::new(SLOTS), rtrb::RingBuffer::new(SLOTS));
    let answer = move || match from_us.pop() {
        Ok(item) => drop(back.push(item)),
        Err(_) => spin_loop(),
    };
    beside(answer, processors, || {
        times(name, time, |_| {
            let _ = to.push(black_box(item));
            while answers.pop().is_err() {
                spin_loop();
            }
        })
    })
}

/// A ring of crate `disruptor` each way.
fn by_disruptor<T: Copy + Send + Sync + 'static>(
    name: &str,
    item: T,
    time: Duration,
    processors: [usize; 2],
) -> Result<(), Box<dyn Error>> {
    let one_way = || {
        let (poller, builder) = build_single_producer(SLOTS, move || item, BusySpin).new_event_poller();
        (builder.build(), poller)
    };
    let ((mut to, mut from_us), (mut back, mut answers)) = (one_way(), one_way());
    let answer = move || match from_us.take(1) {
        Ok(mut items) => (&mut items).for_each(|item| back.publish(|slot| *slot = *item)),
        Err(_) => spin_loop(),
    };
    beside(answer, processors, || {
        times(name, time, |_| {
            to.publish(|slot| *slot = black_box(item));
            loop {
                if let Ok(mut items) = answers.take(1) {
                    (&mut items).for_each(|item| _ = black_box(*item));
                    break;
                }
                spin_loop();
            }
        })
    })
}

fn by_ours<T: Copy + Send + 'static>(
    name: &str,
    item: T,
    time: Duration,
    processors: [usize; 2],
) -> Result<(), Box<dyn Error>> {
    let ((mut to, mut from_us), (mut back, mut answers)) = (ring(SLOTS), ring(SLOTS));
    let answer = move || {
        let mut kept = None;
        if from_us.take(1, |item| kept = Some(*item)) == 0 {
            spin_loop();
        }
        if let Some(item) = kept {
            back.push_some(&[item]);
        }
    };
    beside(answer, processors, || {
        times(name, time, |_| {
            to.push_some(&[black_box(item)]);
            while answers.take(1, |item| _ = black_box(*item)) == 0 {
                spin_loop();
            }
        })
    })
}

/// An event to and fro through the ring of events.
fn by_event_ring(name: &str, event: Event, time: Duration, processors: [usize; 2]) -> Result<(), Box<dyn Error>> {
    let ((mut to, mut from_us), (mut back, mut answers)) = (event_ring(SLOTS), event_ring(SLOTS));
    let answer = move || {
        if from_us.take(1, |event| _ = back.push_some(from_ref(event))) == 0 {
            spin_loop();
        }
    };
    beside(answer, processors, || {
        times(name, time, |_| {
            to.push_some(from_ref(black_box(&event)));
            while answers.take(1, |event| _ = black_box(event)) == 0 {
                spin_loop();
            }
        })
    })
}

/// Events one way through the ring of events, in batches.
fn event_rate(name: &str, event: Event, time: Duration, processors: [usize; 2]) -> Result<(), Box<dyn Error>> {
    let (mut to, mut from) = event_ring(SLOTS * 16);
    let taken = Arc::new(Word(AtomicU64::new(0)));
    let theirs = taken.clone();
    let reader = thread::spawn(move || {
        pin(processors[1]);
        let mut pause = Pause::default();
        while !from.is_ended() {
            let count = from.take(BATCH, |event| _ = black_box(*event));
            if count == 0 {
                pause.pause()
            } else {
                pause.reset()
            }
            theirs.0.fetch_add(count as u64, Ordering::Relaxed);
        }
    });
    pin(processors[0]);
    let (events, begun) = ([event; BATCH], Instant::now());
    while begun.elapsed() < time {
        to.push_all(&events)?;
    }
    drop(to);
    reader.join().map_err(|_| "the reader panicked")?;
    tell_rate(name, taken.0.load(Ordering::Relaxed), begun);
    Ok(())
}

fn tell_rate(name: &str, count: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{name:<28} {:.0} M items/s in batches of {BATCH}, {:.2} ns an item",
        count as f64 / seconds / 1e6,
        seconds * 1e9 / count as f64
    );
}

/// One way, in batches.
fn rate<T: Copy + Send + 'static>(
    name: &str,
    item: T,
    time: Duration,
    processors: [usize; 2],
) -> Result<(), Box<dyn Error>> {
    let (mut to, mut from) = ring(SLOTS * 16);
    let taken = Arc::new(Word(AtomicU64::new(0)));
    let theirs = taken.clone();
    let reader = thread::spawn(move || {
        pin(processors[1]);
        let mut pause = Pause::default();
        while !from.is_ended() {
            let count = from.take(BATCH, |item| _ = black_box(*item));
            if count == 0 {
                pause.pause()
            } else {
                pause.reset()
            }
            theirs.0.fetch_add(count as u64, Ordering::Relaxed);
        }
    });
    pin(processors[0]);
    let (items, begun) = ([item; BATCH], Instant::now());
    while begun.elapsed() < time {
        to.push_all(&items)?;
    }
    drop(to);
    reader.join().map_err(|_| "the reader panicked")?;
    tell_rate(name, taken.0.load(Ordering::Relaxed), begun);
    Ok(())
}

/// One way in batches through crate `disruptor`.
fn disruptor_rate<T: Copy + Send + Sync + 'static>(
    name: &str,
    item: T,
    time: Duration,
    processors: [usize; 2],
) -> Result<(), Box<dyn Error>> {
    let (mut from, builder) = build_single_producer(SLOTS * 16, move || item, BusySpin).new_event_poller();
    let mut to = builder.build();
    let (taken, ended) = (Arc::new(Word(AtomicU64::new(0))), Arc::new(AtomicBool::new(false)));
    let theirs = (taken.clone(), ended.clone());
    let reader = thread::spawn(move || {
        pin(processors[1]);
        let mut pause = Pause::default();
        loop {
            match from.take(BATCH as u64) {
                Ok(mut items) => {
                    let events = &mut items;
                    theirs.0.0.fetch_add(events.len() as u64, Ordering::Relaxed);
                    events.for_each(|item| _ = black_box(*item));
                    pause.reset();
                }
                Err(_) if theirs.1.load(Ordering::Acquire) => break,
                Err(_) => pause.pause(),
            }
        }
    });
    pin(processors[0]);
    let begun = Instant::now();
    while begun.elapsed() < time {
        to.batch_publish(BATCH, |slots| slots.for_each(|slot| *slot = black_box(item)));
    }
    ended.store(true, Ordering::Release);
    reader.join().map_err(|_| "the reader panicked")?;
    tell_rate(name, taken.0.load(Ordering::Relaxed), begun);
    Ok(())
}

/// One way in batches through crate `rtrb`.
fn rtrb_rate<T: Copy + Send + 'static>(
    name: &str,
    item: T,
    time: Duration,
    processors: [usize; 2],
) -> Result<(), Box<dyn Error>> {
    let (mut to, mut from) = rtrb::RingBuffer::new(SLOTS * 16);
    let taken = Arc::new(Word(AtomicU64::new(0)));
    let theirs = taken.clone();
    let reader = thread::spawn(move || {
        pin(processors[1]);
        let mut pause = Pause::default();
        loop {
            let count = from.slots().min(BATCH);
            if count > 0
                && let Ok(items) = from.read_chunk(count)
            {
                items.into_iter().for_each(|item: T| _ = black_box(item));
                theirs.0.fetch_add(count as u64, Ordering::Relaxed);
                pause.reset();
            } else if from.is_abandoned() && from.is_empty() {
                break;
            } else {
                pause.pause();
            }
        }
    });
    pin(processors[0]);
    let begun = Instant::now();
    while begun.elapsed() < time {
        let mut left = BATCH;
        while left > 0 {
            let count = to.slots().min(left);
            if let Ok(slots) = to.write_chunk_uninit(count) {
                left -= slots.fill_from_iter(std::iter::repeat_n(black_box(item), count));
            }
        }
    }
    drop(to);
    reader.join().map_err(|_| "the reader panicked")?;
    tell_rate(name, taken.0.load(Ordering::Relaxed), begun);
    Ok(())
}

/// Two counters that two threads raise, each its own.
fn counters(name: &str, counters: [&AtomicU64; 2], time: Duration, processors: [usize; 2]) {
    let [mine, theirs] = counters;
    let stop = AtomicBool::new(false);
    let raised = thread::scope(|scope| {
        scope.spawn(|| {
            pin(processors[1]);
            while !stop.load(Ordering::Relaxed) {
                theirs.fetch_add(1, Ordering::Relaxed);
            }
        });
        pin(processors[0]);
        let begun = Instant::now();
        let mut raised = 0_u64;
        while begun.elapsed() < time {
            (0..1_000).for_each(|_| _ = mine.fetch_add(1, Ordering::Relaxed));
            raised += 1_000;
        }
        stop.store(true, Ordering::Relaxed);
        raised
    });
    println!("{name:<28} {:.1} ns each time that it is raised", time.as_secs_f64() * 1e9 / raised as f64);
}

/// Two counters side by side.
#[repr(align(128))]
struct Beside([AtomicU64; 2]);

fn main() -> Result<(), Box<dyn Error>> {
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(1.0), |text| text.parse())?;
    let (time, processors) = (Duration::from_secs_f64(seconds), processors()?);
    let event = Event {
        exchange_ns: 1,
        receive_ns: 2,
        sequence: 3,
        instrument: InstrumentId(4),
        flags: Flags::LAST,
        body: Body::Cancel { order_id: 5, size: 6 },
    };
    println!("processors {processors:?}; a hop is half a round trip");
    plain(time, processors)?;
    by_rtrb("rtrb, 8 bytes", 7_u64, time, processors)?;
    by_disruptor("disruptor, 8 bytes", 7_u64, time, processors)?;
    by_ours("ring, 8 bytes", 7_u64, time, processors)?;
    by_rtrb("rtrb, an event of 72 bytes", event, time, processors)?;
    by_disruptor("disruptor, an event of 72", event, time, processors)?;
    by_ours("ring, an event of 72 bytes", event, time, processors)?;
    by_event_ring("event ring, an event", event, time, processors)?;
    rtrb_rate("rtrb, 8 bytes", 7_u64, time, processors)?;
    disruptor_rate("disruptor, 8 bytes", 7_u64, time, processors)?;
    rate("ring, 8 bytes", 7_u64, time, processors)?;
    rtrb_rate("rtrb, an event of 72 bytes", event, time, processors)?;
    disruptor_rate("disruptor, an event of 72", event, time, processors)?;
    rate("ring, an event of 72 bytes", event, time, processors)?;
    event_rate("event ring, an event", event, time, processors)?;
    let (beside, apart) = (Beside(Default::default()), [Word(AtomicU64::new(0)), Word(AtomicU64::new(0))]);
    counters("counters on one cache line", [&beside.0[0], &beside.0[1]], time, processors);
    counters("counters apart", [&apart[0].0, &apart[1].0], time, processors);
    Ok(())
}

//! How long an ITCH message takes from bytes to books: the mean, and percentiles of single messages.
//!
//! `cargo run --release -p zomma-market --example replay_rate [FILE|made] [MILLIONS] [huge] [node=N]`
//!
//! FILE is ITCH 5.0 framed as in a file, plain or gzip. It is played as many times at once as makes 500 instruments or more: each copy has stocks
//! and orders of its own, and which copy gives the next message is drawn at random, so that neither the kind of a message nor its stock can be
//! foretold. A copy that is at its end begins again. `made` (the default) is the made feed of the benchmarks with 600 stocks. MILLIONS of messages
//! are played, 50 if not said.
//!
//! Bytes come in pieces of 256 kB, made between the timed stretches. Passes with the clock around each piece give the means: of books that the decoder
//! tells of the next messages, as it does, of books that it does not tell, and of gathered events. With `huge` the books lie on huge pages, where the
//! system has them; with `node=N` all runs on that memory node (NUMA) and in its memory. One more pass has the clock read after each message, which gives the percentiles. What reading the clock takes is told, and is in
//! the percentiles. Means are of the thread's processor time, which leaves out what other work the processor did meanwhile.

use std::{error::Error, io::Read as _, time::Instant};

use hdrhistogram::Histogram;
use zomma_market::{
    book::{BatchedBooks, Books, Limits},
    event::{Event, InstrumentId, Sink, Step},
    feed::Decoder as _,
    instruments::Instruments,
    itch,
    placement::Node,
};

#[path = "../benches/feed"]
mod feed {
    pub mod frames;
    pub mod generate;
}

/// Instruments that a file is multiplied to, at least.
const INSTRUMENTS: usize = 500;
/// Stocks of the made feed.
const STOCKS: usize = 600;
/// Bytes of a piece.
const PIECE: usize = 1 << 18;
/// Longest time that is kept apart.
const MOST_NS: u64 = 1_000_000_000;

/// Where messages come from.
enum Source<'f> {
    Made(Box<feed::generate::Made>),
    File(Copies<'f>),
}

impl Source<'_> {
    fn next(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Made(made) => made.next(out),
            Self::File(copies) => copies.next(out),
        }
    }
}

/// A file played several times at once.
struct Copies<'f> {
    frames: &'f [&'f [u8]],
    /// Locates of one copy.
    locates: usize,
    /// The next message of each copy, counted over all its rounds.
    next: Vec<usize>,
    seed: feed::generate::Seed,
}

/// Where the fields of a frame lie, behind its length.
const KIND: usize = 2;
const LOCATE: usize = 3;
const ORDER: usize = 13;
const NEW_ORDER: usize = 21;
/// Numbers of orders of two copies or rounds are at least so far apart: those of a day are below it.
const APART_BITS: u32 = 40;

impl Copies<'_> {
    fn next(&mut self, out: &mut Vec<u8>) {
        let copy = self.seed.below(self.next.len());
        let played = self.next[copy];
        self.next[copy] += 1;
        let (round, place) = (played / self.frames.len(), played % self.frames.len());
        let begin = out.len();
        out.extend_from_slice(self.frames[place]);
        let frame = &mut out[begin..];
        let Some(kind) = frame.get(KIND).copied() else { return };
        shift(frame, LOCATE, |locate: [u8; 2]| {
            (u16::from_be_bytes(locate) + (copy * self.locates) as u16).to_be_bytes()
        });
        let apart = ((round * self.next.len() + copy) as u64) << APART_BITS;
        let other = |order: [u8; 8]| (u64::from_be_bytes(order) + apart).to_be_bytes();
        match kind {
            b'A' | b'F' | b'E' | b'C' | b'X' | b'D' => shift(frame, ORDER, other),
            b'U' => {
                shift(frame, ORDER, other);
                shift(frame, NEW_ORDER, other);
            }
            // Of a symbol the end makes room for the copy's number.
            b'R' => shift(frame, ORDER + 4, |_: [u8; 4]| {
                let mut digits = [b'0'; 4];
                let mut rest = copy;
                for digit in digits.iter_mut().rev() {
                    *digit += (rest % 10) as u8;
                    rest /= 10;
                }
                digits
            }),
            _ => {}
        }
    }
}

/// Changes the bytes of a field.
fn shift<const N: usize>(frame: &mut [u8], at: usize, change: impl Fn([u8; N]) -> [u8; N]) {
    if let Some(field) = frame.get_mut(at..at + N) {
        let mut bytes = [0; N];
        bytes.copy_from_slice(field);
        field.copy_from_slice(&change(bytes));
    }
}

/// Books with the clock read after each message.
struct Timed {
    books: Books,
    last: Instant,
    times_ns: Histogram<u64>,
}

impl Sink for Timed {
    #[inline]
    fn event(&mut self, event: &Event) {
        self.books.event(event);
    }

    fn looks_ahead(&self) -> bool {
        self.books.looks_ahead()
    }

    #[inline]
    fn ahead(&self, step: Step, instrument: InstrumentId, known: u64) -> u64 {
        self.books.ahead(step, instrument, known)
    }

    #[inline]
    fn message_end(&mut self, _: &Instruments) {
        let elapsed_ns = self.last.elapsed().as_nanos() as u64;
        self.times_ns.saturating_record(elapsed_ns);
        // What the histogram took is no time of a message.
        self.last = Instant::now();
    }
}

/// Books that are not told ahead.
struct Alone(Books);

impl Sink for Alone {
    #[inline]
    fn event(&mut self, event: &Event) {
        self.0.event(event);
    }
}

/// Decodes and nothing else: what is told is summed.
struct Sum(u64);

impl Sink for Sum {
    #[inline]
    fn event(&mut self, event: &Event) {
        self.0 = self.0.wrapping_add(event.exchange_ns ^ event.sequence);
    }
}

/// Plays messages in pieces; `feed` takes each and gives its nanoseconds, whose sum over all messages comes back as the mean of one.
fn play(mut source: Source<'_>, mut piece: Vec<u8>, messages: u64, mut feed: impl FnMut(&[u8]) -> u64) -> f64 {
    let (mut done, mut total_ns) = (0, 0);
    while done < messages {
        while piece.len() < PIECE && done < messages {
            source.next(&mut piece);
            done += 1;
        }
        total_ns += feed(&piece);
        piece.clear();
    }
    total_ns as f64 / messages as f64
}

fn read(path: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let file = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    if !file.starts_with(&[0x1F, 0x8B]) {
        return Ok(file);
    }
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file.as_slice()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The processor time of this thread, in nanoseconds.
fn processor_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the time to where it is told, which is ours.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if outcome == 0 { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 } else { 0 }
}

/// Runs something, and gives how long this thread was at it.
fn taken_ns(run: impl FnOnce()) -> u64 {
    let begun = processor_ns();
    run();
    processor_ns() - begun
}

/// What reading the clock twice in turn takes, in nanoseconds: the least, and the median.
fn clock_ns() -> (u64, u64) {
    let mut times: Vec<u64> = (0..100_001).map(|_| Instant::now().elapsed().as_nanos() as u64).collect();
    times.sort_unstable();
    (times[0], times[times.len() / 2])
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "made".into());
    let millions: u64 = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let messages = millions * 1_000_000;
    let mut on_huge_pages = false;
    for option in arguments {
        match option.strip_prefix("node=").map(str::parse) {
            Some(number) => Node::find(number.map_err(|_| format!("{option}: allowed: node=0, …"))?)?.bind()?,
            None if option == "huge" => on_huge_pages = true,
            None => return Err(format!("{option}: allowed: huge, node=N").into()),
        }
    }
    let empty = || Books::with_room(Limits::default(), 0, on_huge_pages);

    let bytes = if path == "made" { Vec::new() } else { read(&path)? };
    let frames: Vec<&[u8]> = feed::frames::frames(&bytes).collect();
    if path != "made" && frames.is_empty() {
        return Err(format!("{path}: no ITCH messages behind their lengths").into());
    }
    let locate =
        |frame: &&[u8]| frame.get(LOCATE..LOCATE + 2).map_or(0, |at| usize::from(at[0]) << 8 | usize::from(at[1]));
    let locates = frames.iter().map(locate).max().unwrap_or(0).max(1);
    let copies = INSTRUMENTS.div_ceil(locates);
    let source = || {
        let mut piece = Vec::with_capacity(2 * PIECE);
        if path == "made" {
            let made = feed::generate::Made::new(STOCKS, 7, &mut piece);
            return (Source::Made(Box::new(made)), piece);
        }
        let next = vec![0; copies];
        (Source::File(Copies { frames: &frames, locates, next, seed: feed::generate::Seed(7) }), piece)
    };

    let (mut decoder, mut sum) = (itch::Decoder::new(0), Sum(0));
    let (from, piece) = source();
    let decode_ns = play(from, piece, messages, |bytes| taken_ns(|| drop(decoder.feed(bytes, &mut sum))));
    println!("decode           mean {decode_ns:.1} ns a message (sum {:x})", sum.0);

    let (mut decoder, mut books) = (itch::Decoder::new(0), Alone(empty()));
    let (from, piece) = source();
    let alone_ns = play(from, piece, messages, |bytes| taken_ns(|| drop(decoder.feed(bytes, &mut books))));
    println!("and book, alone  mean {alone_ns:.1} ns a message");

    let (mut decoder, mut books) = (itch::Decoder::new(0), empty());
    let (from, piece) = source();
    let gathered_ns =
        play(from, piece, messages, |bytes| taken_ns(|| drop(decoder.feed(bytes, &mut BatchedBooks::new(&mut books)))));
    println!("gathered         mean {gathered_ns:.1} ns a message");

    let (mut decoder, mut books, mut most) = (itch::Decoder::new(0), empty(), 0);
    let (from, piece) = source();
    let mean_ns = play(from, piece, messages, |bytes| {
        let took_ns = taken_ns(|| drop(decoder.feed(bytes, &mut books)));
        most = most.max(books.orders());
        took_ns
    });
    println!("told ahead       mean {mean_ns:.1} ns a message");
    let (counts, instruments) = (decoder.counts(), decoder.instruments().len());
    println!(
        "                 {} messages ({} malformed, {} unknown), {instruments} instruments, at most {most} orders, {} faults",
        counts.messages,
        counts.malformed,
        counts.unknown,
        books.faults().total()
    );

    let times_ns = Histogram::new_with_bounds(1, MOST_NS, 3)?;
    let (mut decoder, mut timed) = (itch::Decoder::new(0), Timed { books: empty(), last: Instant::now(), times_ns });
    let (from, piece) = source();
    play(from, piece, messages, |bytes| {
        timed.last = Instant::now();
        let _ = decoder.feed(bytes, &mut timed);
        0
    });
    let (least, median) = clock_ns();
    let of = |share: f64| timed.times_ns.value_at_quantile(share);
    println!(
        "one message      p50 {} ns, p99 {} ns, p99.9 {} ns, most {} ns",
        of(0.5),
        of(0.99),
        of(0.999),
        timed.times_ns.max()
    );
    println!("                 of which the clock: {median} ns in the median, {least} ns at least");
    Ok(())
}

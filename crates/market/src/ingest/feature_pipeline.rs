//! Decoding and books on one core, features on another (feature 6.21).

use std::{panic::resume_unwind, thread};

use thiserror::Error;

use super::ring::{Pause, Producer, ring};
use crate::{
    event::{Event, InstrumentId, Sink},
    features::{Depth, DepthStream, FeatureSet, Level, Next, Trade},
    feed::{Decoder, FeedError},
};

/// The most levels of a side that go from core to core: as many as a feature can look at.
const MOST_LEVELS: usize = 20;
/// So much is collected before it goes into the ring together, and taken out at a time.
const BATCH: usize = 32;

/// Why [`pipelined_features`] ended early.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PipelineError {
    /// The decoder's; what came before it has been given.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A set looks at more levels than go from core to core.
    #[error("features of instrument {instrument} look at {found} levels; allowed: 1 to {MOST_LEVELS}")]
    TooManyLevels {
        /// The number of the set's instrument.
        instrument: u32,
        /// How many levels ([`FeatureSet::levels`]).
        found: usize,
    },
}

/// What goes from core to core: of five levels up to 208 bytes, of which a break or a trade leaves the levels as they were.
#[derive(Debug, Clone, Copy)]
struct Handed<const LEVELS: usize> {
    instrument: InstrumentId,
    what: What,
    sides: [[Level; LEVELS]; 2],
}

#[derive(Debug, Clone, Copy)]
enum What {
    Break,
    Trade(Trade),
    /// A book of this time, and how many levels its sides have.
    Book {
        time_ns: u64,
        counts: [u8; 2],
    },
}

impl<const LEVELS: usize> Handed<LEVELS> {
    fn of(instrument: InstrumentId, next: Next<'_>) -> Self {
        let mut sides = [[Level::default(); LEVELS]; 2];
        let what = match next {
            Next::Break => What::Break,
            Next::Trade(trade) => What::Trade(trade),
            Next::Book(Depth { time_ns, bids, asks }) => {
                let mut counts = [0; 2];
                for ((kept, count), side) in sides.iter_mut().zip(&mut counts).zip([bids, asks]) {
                    let shown = side.len().min(LEVELS);
                    kept[..shown].copy_from_slice(&side[..shown]);
                    *count = shown as u8;
                }
                What::Book { time_ns, counts }
            }
        };
        Self { instrument, what, sides }
    }

    fn next(&self) -> Next<'_> {
        match self.what {
            What::Break => Next::Break,
            What::Trade(trade) => Next::Trade(trade),
            What::Book { time_ns, counts: [bids, asks] } => Next::Book(Depth {
                time_ns,
                bids: &self.sides[0][..usize::from(bids)],
                asks: &self.sides[1][..usize::from(asks)],
            }),
        }
    }
}

/// The end on the decoder's core: keeps the books of the instruments that are asked for.
struct Tops<const LEVELS: usize> {
    books: Vec<Option<DepthStream>>,
    collected: Vec<Handed<LEVELS>>,
    producer: Producer<Handed<LEVELS>>,
}

impl<const LEVELS: usize> Tops<LEVELS> {
    fn flush(&mut self) {
        // Where the reader is gone this thread is stopped after its piece.
        let _ = self.producer.push_all(&self.collected);
        self.collected.clear();
    }
}

impl<const LEVELS: usize> Sink for Tops<LEVELS> {
    #[inline]
    fn event(&mut self, event: &Event) {
        let Some(Some(books)) = self.books.get_mut(event.instrument.0 as usize) else { return };
        let collected = &mut self.collected;
        books.event(event, &mut |next| collected.push(Handed::of(event.instrument, next)));
        if self.collected.len() >= BATCH {
            self.flush();
        }
    }
}

/// Decodes pieces of a stream and keeps books in a thread of its own, and computes the features in this one, through a ring with room for so many books.
///
/// The values are those of a [`FeatureStream`](crate::features::FeatureStream) for each instrument, of five levels or, where a set looks at more, of 10 or 20
/// for all, to the bit; `give` is told each time that a set's are up to date, with the time of the book. Other instruments are passed over. Features cost
/// more than decoding and books together, so that the split between the two is nearly even; what it gains stands in docs/performance.md. Levels beyond
/// five go from core to core too, and cost what they weigh.
///
/// # Errors
///
/// [`PipelineError`]: the decoder's, and a set that looks at more than 20 levels, before anything is read.
pub fn pipelined_features<'b, D: Decoder + Send>(
    decoder: &mut D,
    pieces: impl Iterator<Item = &'b [u8]> + Send,
    capacity: usize,
    sets: &mut [(InstrumentId, FeatureSet)],
    give: impl FnMut(InstrumentId, u64, &FeatureSet),
) -> Result<(), PipelineError> {
    let most = sets.iter().map(|(instrument, set)| (set.levels(), instrument.0)).max();
    match most.unwrap_or_default() {
        (0..=5, _) => of_levels::<5, D>(decoder, pieces, capacity, sets, give),
        (6..=10, _) => of_levels::<10, D>(decoder, pieces, capacity, sets, give),
        (11..=MOST_LEVELS, _) => of_levels::<MOST_LEVELS, D>(decoder, pieces, capacity, sets, give),
        (found, instrument) => return Err(PipelineError::TooManyLevels { instrument, found }),
    }
    .map_err(PipelineError::Feed)
}

fn of_levels<'b, const LEVELS: usize, D: Decoder + Send>(
    decoder: &mut D,
    pieces: impl Iterator<Item = &'b [u8]> + Send,
    capacity: usize,
    sets: &mut [(InstrumentId, FeatureSet)],
    mut give: impl FnMut(InstrumentId, u64, &FeatureSet),
) -> Result<(), FeedError> {
    let (producer, consumer) = ring(capacity);
    let mut tops = Tops::<LEVELS> { books: Vec::new(), collected: Vec::with_capacity(2 * BATCH), producer };
    let mut places = Vec::new();
    for (place, (instrument, _)) in sets.iter().enumerate() {
        let number = instrument.0 as usize;
        if number >= places.len() {
            tops.books.resize_with(number + 1, || None);
            places.resize(number + 1, usize::MAX);
        }
        tops.books[number] = Some(DepthStream::new(*instrument, LEVELS));
        places[number] = place;
    }
    thread::scope(|scope| {
        let decoding = scope.spawn(move || {
            let outcome = pieces.into_iter().try_for_each(|piece| {
                if tops.producer.is_abandoned() {
                    return Ok(());
                }
                let outcome = decoder.feed(piece, &mut tops);
                tops.flush();
                outcome
            });
            let end = outcome.and_then(|()| decoder.finish(&mut tops));
            tops.flush();
            end
        });
        // It is this closure's, so that it is gone where `give` panics: the other thread would wait for room for ever.
        let mut consumer = consumer;
        let mut pause = Pause::default();
        while !consumer.is_ended() {
            let count = consumer.take(BATCH, |handed: &Handed<LEVELS>| {
                let Some((instrument, set)) = sets.get_mut(places[handed.instrument.0 as usize]) else { return };
                if set.take(handed.next())
                    && let What::Book { time_ns, .. } = handed.what
                {
                    give(*instrument, time_ns, set);
                }
            });
            if count == 0 { pause.pause() } else { pause.reset() }
        }
        decoding.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::{FeatureStream, registry::BOOK_FEATURES},
        itch::{self, Header, Stock, encode_framed, message::*},
    };

    /// So many orders that come, are executed and go, of seven stocks, one each so many nanoseconds.
    fn orders(count: u64, apart_ns: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for order in 0..count {
            let header = |order: u64| Header {
                stock_locate: (order % 7) as u16,
                tracking_number: 0,
                timestamp_ns: order * apart_ns,
            };
            let stock = Stock::new(["A", "B", "C", "D", "E", "F", "G"][(order % 7) as usize]).unwrap();
            let (side, price) = if order.is_multiple_of(2) { (b'B', 900) } else { (b'S', 950) };
            let price = price + (order * 13 % 40) as u32;
            let shares = 100 + (order % 9) as u32;
            let add = AddOrder { header: header(order), order_reference: order + 1, side, shares, stock, price };
            encode_framed(&add.into(), &mut bytes);
            let Some(old) = order.checked_sub(500) else { continue };
            let header = Header { timestamp_ns: order * apart_ns, ..header(old) };
            let order_reference = old + 1;
            let change = if old.is_multiple_of(3) {
                OrderExecuted { header, order_reference, shares: 100 + (old % 9) as u32, match_number: old }.into()
            } else {
                OrderDelete { header, order_reference }.into()
            };
            encode_framed(&change, &mut bytes);
        }
        bytes
    }

    /// Levels of the book features.
    const LEVELS: usize = 5;

    fn session() -> Vec<u8> {
        orders(4_000, 1)
    }

    /// Instrument, time and values of each row.
    type Rows = Vec<(u32, u64, Vec<Option<f64>>)>;

    fn on_one_thread(bytes: &[u8], of: &[InstrumentId]) -> Rows {
        let mut events: Vec<Event> = Vec::new();
        itch::Decoder::new(0).feed(bytes, &mut events).unwrap();
        let set = || FeatureSet::parse(BOOK_FEATURES).unwrap();
        let mut streams: Vec<_> = of.iter().map(|id| (id.0, FeatureStream::new(set(), *id, LEVELS))).collect();
        let mut rows = Rows::new();
        for event in &events {
            for (id, stream) in &mut streams {
                if stream.event(event) {
                    rows.push((*id, stream.time_ns().unwrap(), stream.set().values().to_vec()));
                }
            }
        }
        rows
    }

    fn on_two(bytes: &[u8], of: &[InstrumentId], capacity: usize) -> Result<Rows, (FeedError, Rows)> {
        let mut sets: Vec<_> = of.iter().map(|id| (*id, FeatureSet::parse(BOOK_FEATURES).unwrap())).collect();
        let mut rows = Rows::new();
        let mut give = |id: InstrumentId, time_ns, set: &FeatureSet| rows.push((id.0, time_ns, set.values().to_vec()));
        let mut decoder = itch::Decoder::new(0);
        match pipelined_features(&mut decoder, bytes.chunks(5_000), capacity, &mut sets, &mut give) {
            Ok(()) => Ok(rows),
            Err(PipelineError::Feed(error)) => Err((error, rows)),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn two_threads_give_the_values_of_one_to_the_bit() {
        let bytes = session();
        // Two of the seven, not in the order of their numbers.
        let of = [InstrumentId(4), InstrumentId(1)];
        let plain = on_one_thread(&bytes, &of);
        let most = plain.iter().map(|row| row.2.iter().flatten().count()).max();
        assert!(plain.len() > 1_500 && most >= Some(16), "{} rows, of at most {most:?} values", plain.len());
        for capacity in [1, 50, 10_000] {
            assert!(on_two(&bytes, &of, capacity) == Ok(plain.clone()), "ring of {capacity}");
        }
    }

    #[test]
    fn features_of_more_levels_go_over_too() {
        let bytes = session();
        for levels in [6, 10, 11, 20] {
            let features = format!("imbalance:{levels},bid_depth:{levels},ofi_level:1us:{levels}");
            let set = || FeatureSet::parse(&features).unwrap();
            let mut events: Vec<Event> = Vec::new();
            itch::Decoder::new(0).feed(&bytes, &mut events).unwrap();
            let mut plain = Vec::new();
            let mut stream = FeatureStream::new(set(), InstrumentId(3), levels);
            for event in &events {
                if stream.event(event) {
                    plain.push(stream.set().values().to_vec());
                }
            }
            let (mut piped, mut sets) = (Vec::new(), [(InstrumentId(3), set())]);
            let give = |_, _, set: &FeatureSet| piped.push(set.values().to_vec());
            pipelined_features(&mut itch::Decoder::new(0), bytes.chunks(3_000), 64, &mut sets, give).unwrap();
            assert!(piped.len() > 500 && piped == plain, "{levels} levels: {} rows", piped.len());
        }
    }

    #[test]
    fn features_of_too_many_levels_are_refused_before_anything_is_read() {
        // No feature of today asks for so many: the bound holds for those to come.
        let error = PipelineError::TooManyLevels { instrument: 7, found: 21 };
        assert_eq!(error.to_string(), "features of instrument 7 look at 21 levels; allowed: 1 to 20");
        assert!(FeatureSet::parse("imbalance:21").is_err() && FeatureSet::parse("bid_wall:21").is_err());
    }

    #[test]
    fn an_error_comes_after_the_rows_before_it() {
        let mut bytes = session();
        bytes.pop();
        let (error, rows) = on_two(&bytes, &[InstrumentId(0)], 64).unwrap_err();
        assert!(error.problem.contains("within a message"), "{error}");
        assert_eq!(rows, on_one_thread(&bytes, &[InstrumentId(0)]));
    }

    #[test]
    fn a_reader_that_panics_ends_the_decoding_too() {
        let bytes = session();
        let mut sets = [(InstrumentId(0), FeatureSet::parse("mid").unwrap())];
        let mut decoder = itch::Decoder::new(0);
        let run = std::panic::AssertUnwindSafe(|| {
            pipelined_features(&mut decoder, bytes.chunks(1_000), 8, &mut sets, |_, _, _| panic!("this takes no row"))
        });
        assert!(std::panic::catch_unwind(run).is_err());
        assert!(decoder.counts().messages < 4_000);
    }

    #[test]
    fn nothing_is_allocated_from_bytes_to_features_once_the_windows_are_full() {
        struct Streams(Vec<FeatureStream>, usize);
        impl Sink for Streams {
            fn event(&mut self, event: &Event) {
                let stream = self.0.get_mut(event.instrument.0 as usize);
                self.1 += usize::from(stream.is_some_and(|stream| stream.event(event)));
            }
        }
        // Two messages each 20 ms: the windows of ten seconds are full after a fifth of the first part.
        let bytes = orders(12_000, 20_000_000);
        let (first, second) = bytes.split_at(bytes.len() / 4 * 3);
        let stream = |id| FeatureStream::new(FeatureSet::parse(BOOK_FEATURES).unwrap(), InstrumentId(id), LEVELS);
        let (mut streams, mut decoder) = (Streams((0..7).map(stream).collect(), 0), itch::Decoder::new(0));
        decoder.feed(first, &mut streams).unwrap();
        let rows = streams.1;
        let ((), allocated) = crate::allocations::measure(|| decoder.feed(second, &mut streams).unwrap());
        assert!(streams.1 - rows > 5_000, "{} rows", streams.1 - rows);
        assert_eq!((allocated.calls, allocated.most_bytes), (0, 0));
    }
}

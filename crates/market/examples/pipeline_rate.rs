//! Decoding, books and features on one core, and on two (feature 6.21).
//!
//! `cargo run --release -p zomma-market --example pipeline_rate FILE [ROUNDS]`
//!
//! FILE is ITCH 5.0 framed as in a file, plain or gzip. All 18 book features of each stock are computed after each of its messages. ROUNDS (5) of each
//! way, in turn; the least wall time of each is told, in nanoseconds a message. The sum of all values is seen to be the same.

use std::{error::Error, io::Read as _, time::Instant};

use zomma_market::{
    event::{Event, InstrumentId, Sink},
    features::{FeatureSet, FeatureStream, registry::BOOK_FEATURES},
    feed::Decoder as _,
    ingest::{pipelined, pipelined_features},
    itch,
};

const LEVELS: usize = 5;
const PIECE: usize = 1 << 16;

/// The features of every instrument, and the sum of what they say.
struct Streams(Vec<FeatureStream>, f64);

impl Sink for Streams {
    #[inline]
    fn event(&mut self, event: &Event) {
        if let Some(stream) = self.0.get_mut(event.instrument.0 as usize)
            && stream.event(event)
        {
            self.1 += stream.set().values().iter().flatten().sum::<f64>();
        }
    }
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

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let bytes = read(&arguments.next().ok_or("a file of ITCH 5.0 is wanted")?)?;
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let mut counting = itch::Decoder::new(0);
    let mut events: Vec<Event> = Vec::new();
    counting.feed(&bytes, &mut events)?;
    let (messages, instruments) = (counting.counts().messages as f64, counting.instruments().len() as u32);
    let set = || FeatureSet::parse(BOOK_FEATURES);
    let streams = || -> Result<Streams, Box<dyn Error>> {
        let all = (0..instruments).map(|id| Ok(FeatureStream::new(set()?, InstrumentId(id), LEVELS)));
        Ok(Streams(all.collect::<Result<_, Box<dyn Error>>>()?, 0.0))
    };
    let mut least = [f64::INFINITY; 3];
    let mut sums = [0.0; 3];
    for _ in 0..rounds {
        let mut one = streams()?;
        let mut decoder = itch::Decoder::new(0);
        let begun = Instant::now();
        for piece in bytes.chunks(PIECE) {
            decoder.feed(piece, &mut one)?;
        }
        least[0] = least[0].min(begun.elapsed().as_nanos() as f64);
        sums[0] = one.1;

        let mut two = streams()?;
        let begun = Instant::now();
        pipelined(&mut itch::Decoder::new(0), bytes.chunks(PIECE), 65_536, &mut two)?;
        least[1] = least[1].min(begun.elapsed().as_nanos() as f64);
        sums[1] = two.1;

        let mut sets =
            (0..instruments).map(|id| Ok((InstrumentId(id), set()?))).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        let mut sum = 0.0;
        let begun = Instant::now();
        pipelined_features(&mut itch::Decoder::new(0), bytes.chunks(PIECE), 16_384, &mut sets, |_, _, set| {
            sum += set.values().iter().flatten().sum::<f64>();
        })?;
        least[2] = least[2].min(begun.elapsed().as_nanos() as f64);
        sums[2] = sum;
    }
    if sums != [sums[0]; 3] {
        return Err(format!("the three ways say different things: {sums:?}").into());
    }
    println!("{messages} messages, {instruments} stocks, 18 features after each, least of {rounds}");
    for (name, ns) in ["one core", "decoding | books and features", "decoding and books | features"].iter().zip(least) {
        println!("{name:<32} {:6.1} ns a message, {:.2} times one core", ns / messages, least[0] / ns);
    }
    Ok(())
}

//! Decoding on one core, books and features on another (feature 6.21).

use std::{panic::resume_unwind, thread};

use super::{
    channel::{Outlet as _, WhenFull, channel},
    ring::Pause,
};
use crate::{
    event::Sink,
    feed::{Decoder, FeedError},
};

/// How many events are taken at a time.
const BATCH: usize = 256;

/// Decodes pieces of a stream in a thread of its own, and gives the events to a sink in this one, through a ring with room for so many.
///
/// The sink is told what [`Decoder::feed`] would tell it in one thread, but for the ends of messages that had no event, and that the table of
/// instruments may already know what comes a little later. Between decoder and books a cache line goes from core to core for each event: that pays where
/// decoding and the sink each cost clearly more than the hop. For ITCH it does not: [the figures](super#what-it-costs-to-decode-on-a-core-of-its-own).
///
/// # Errors
///
/// The decoder's; what came before it has been given.
pub fn pipelined<'b, D: Decoder + Send>(
    decoder: &mut D,
    pieces: impl Iterator<Item = &'b [u8]> + Send,
    capacity: usize,
    sink: &mut impl Sink,
) -> Result<(), FeedError> {
    let (mut sender, receiver) = channel(capacity, WhenFull::Wait);
    thread::scope(|scope| {
        let decoding = scope.spawn(move || {
            for piece in pieces {
                decoder.feed(piece, &mut sender)?;
                sender.flush();
                if sender.is_abandoned() {
                    break;
                }
            }
            decoder.finish(&mut sender)
        });
        // It is this closure's, so that it is gone where the sink panics: the other thread would wait for room for ever.
        let mut receiver = receiver;
        let mut pause = Pause::default();
        while !receiver.is_ended() {
            if receiver.take(BATCH, sink) == 0 {
                pause.pause();
            } else {
                pause.reset();
            }
        }
        decoding.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Event,
        instruments::Instruments,
        itch::{self, Header, Stock, encode_framed, message::AddOrder},
    };

    const MIDNIGHT_NS: u64 = 1_340_251_200_000_000_000;

    /// Events, and how many messages have ended.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Taken {
        events: Vec<Event>,
        ended: u64,
    }

    impl Sink for Taken {
        fn event(&mut self, event: &Event) {
            self.events.push(*event);
        }

        fn message_end(&mut self, _: &Instruments) {
            self.ended += 1;
        }
    }

    fn session() -> Vec<u8> {
        let mut bytes = Vec::new();
        for order in 0..5_000 {
            let locate = (order % 7) as u16;
            let header = Header { stock_locate: locate, tracking_number: 0, timestamp_ns: order };
            let stock = Stock::new(["A", "B", "C", "D", "E", "F", "G"][usize::from(locate)]).unwrap();
            let add = AddOrder { header, order_reference: order + 1, side: b'B', shares: 100, stock, price: 10_000 };
            encode_framed(&add.into(), &mut bytes);
        }
        bytes
    }

    #[test]
    fn two_threads_give_what_one_gives() {
        let bytes = session();
        let (mut plain, mut piped) = (Taken::default(), Taken::default());
        let mut decoder = itch::Decoder::new(MIDNIGHT_NS);
        decoder.feed(&bytes, &mut plain).unwrap();
        for capacity in [1, 100, 100_000] {
            piped = Taken::default();
            let mut decoder = itch::Decoder::new(MIDNIGHT_NS);
            assert_eq!(pipelined(&mut decoder, bytes.chunks(1_000), capacity, &mut piped), Ok(()));
            assert!(
                piped == plain,
                "{} and {} events, {} and {} ends",
                piped.events.len(),
                plain.events.len(),
                piped.ended,
                plain.ended
            );
            assert_eq!(decoder.counts().messages, 5_000);
        }
        assert!(piped.ended == 5_000);
    }

    #[test]
    fn real_itch_day_is_the_same_through_two_threads() {
        let Some(data) = zomma_testkit::real_data() else { return };
        let path = data.join("books/itch/lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz");
        let packed = crate::ingest::FileBytes::open(&path).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&*packed), &mut bytes).unwrap();
        let (mut plain, mut piped) = (Taken::default(), Taken::default());
        itch::Decoder::new(MIDNIGHT_NS).feed(&bytes, &mut plain).unwrap();
        pipelined(&mut itch::Decoder::new(MIDNIGHT_NS), bytes.chunks(65_536), 4_096, &mut piped).unwrap();
        assert!(
            plain.events.len() > 500_000 && plain.events == piped.events,
            "{} and {}",
            plain.events.len(),
            piped.events.len()
        );
        // Of messages without events the other thread learns nothing.
        assert!(piped.ended <= plain.ended && piped.ended > 500_000, "{} and {}", piped.ended, plain.ended);
    }

    #[test]
    fn the_decoders_error_comes_after_what_it_gave() {
        let mut bytes = session();
        bytes.pop();
        let mut events: Vec<Event> = Vec::new();
        let mut decoder = itch::Decoder::new(MIDNIGHT_NS);
        let error = pipelined(&mut decoder, bytes.chunks(1_000), 64, &mut events).unwrap_err();
        assert!(error.problem.contains("within a message"), "{error}");
        assert_eq!(events.len(), 4_999 + 7);
    }

    #[test]
    fn a_sink_that_panics_ends_the_decoding_too() {
        struct Panics;
        impl Sink for Panics {
            fn event(&mut self, _: &Event) {
                panic!("this sink takes nothing");
            }

            fn message_end(&mut self, _: &Instruments) {}
        }
        let bytes = session();
        let mut decoder = itch::Decoder::new(MIDNIGHT_NS);
        let run = std::panic::AssertUnwindSafe(|| pipelined(&mut decoder, bytes.chunks(1_000), 64, &mut Panics));
        assert!(std::panic::catch_unwind(run).is_err());
        assert!(decoder.counts().messages < 5_000);
    }
}

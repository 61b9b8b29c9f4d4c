//! A messages file as events.

use super::{
    LOT_NANOS, TICK_NANOS,
    message::{Kind, Message, MessageProblem},
};
use crate::{
    event::{ALL, Body, Event, Flags, InstrumentId, NO_PRICE, Sink, TradingStatus},
    feed::{self, Counts, FeedError},
    instruments::{Definition, Instruments},
    lines::{Line, Lines},
};

/// Decodes the messages of one stock's day. An event's sequence is its line's number, from 1.
///
/// | type | event |
/// |---|---|
/// | 1 | `Add` |
/// | 2, 3 | `Cancel` of some shares, of all |
/// | 4 | `Execute` at the order's own price |
/// | 5, 6 | `Trade`; the side is told for a hidden order, not for a cross |
/// | 7 | `Status`: price −1 halted, 0 paused (quotes are taken), 1 trading |
///
/// A definition event comes before the first. A line that is no message is counted as malformed, or as unknown where its type is, and gives
/// nothing. Nothing is an error: the next line can always be told.
#[derive(Debug)]
pub struct Decoder {
    lines: Lines,
    translator: Translator,
}

#[derive(Debug)]
struct Translator {
    instruments: Instruments,
    instrument: InstrumentId,
    midnight_ns: u64,
    counts: Counts,
}

impl Decoder {
    /// A decoder of this stock's messages on the day whose midnight, New York, is at this time, in nanoseconds since the Unix epoch. Symbol and
    /// day stand in the name of the file.
    pub fn new(symbol: &str, midnight_ns: u64) -> Self {
        let mut instruments = Instruments::new();
        let symbol = symbol.to_owned();
        let instrument = instruments.define(Definition {
            symbol,
            tick_nanos: TICK_NANOS,
            lot_nanos: LOT_NANOS,
            valid_from_ns: midnight_ns,
        });
        let translator = Translator { instruments, instrument, midnight_ns, counts: Counts::default() };
        Self { lines: Lines::default(), translator }
    }
}

impl Translator {
    fn line(&mut self, line: Line<'_>, sink: &mut impl Sink) {
        if line.text.is_empty() && !line.too_long {
            return;
        }
        self.counts.messages += 1;
        match Message::parse(line.text) {
            Ok(message) => self.message(&message, sink),
            Err(MessageProblem::UnknownKind) => self.counts.unknown += 1,
            Err(MessageProblem::Column(_)) => self.counts.malformed += 1,
        }
        sink.message_end(&self.instruments);
    }

    fn message(&mut self, message: &Message, sink: &mut impl Sink) {
        let Message { time_ns, kind, order_id, size, price, side } = *message;
        // Numbers of orders are not below 0 where there is an order.
        let (order_id, price_ticks) = (order_id.unsigned_abs(), price);
        let body = match kind {
            Kind::Submission => Body::Add { order_id, side, price_ticks, size },
            Kind::Cancellation => Body::Cancel { order_id, size },
            Kind::Deletion => Body::Cancel { order_id, size: ALL },
            Kind::Execution => Body::Execute { order_id, size, price_ticks: NO_PRICE },
            Kind::HiddenExecution => Body::Trade { resting_side: Some(side), price_ticks, size },
            Kind::Cross => Body::Trade { resting_side: None, price_ticks, size },
            Kind::Halt => Body::Status(match price {
                -1 => TradingStatus::Halted,
                0 => TradingStatus::Paused,
                _ => TradingStatus::Trading,
            }),
        };
        let exchange_ns = self.midnight_ns.saturating_add(time_ns);
        let (sequence, instrument) = (self.counts.messages, self.instrument);
        let mut event =
            Event { exchange_ns, receive_ns: exchange_ns, sequence, instrument, flags: Flags::default(), body };
        if self.counts.messages - self.counts.unknown - self.counts.malformed == 1 {
            sink.event(&Event { body: Body::Definition, ..event });
        }
        event.flags = Flags::LAST;
        sink.event(&event);
    }
}

impl feed::Decoder for Decoder {
    /// Never an error.
    fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), FeedError> {
        self.lines.feed(bytes, |line| self.translator.line(line, sink));
        Ok(())
    }

    /// Never an error: the last line needs no end.
    fn finish(&mut self, sink: &mut impl Sink) -> Result<(), FeedError> {
        self.lines.finish(|line| self.translator.line(line, sink));
        Ok(())
    }

    fn instruments(&self) -> &Instruments {
        &self.translator.instruments
    }

    fn counts(&self) -> Counts {
        self.translator.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Side,
        feed::Decoder as _,
        mutations::{Decoded, Random, any_split_gives_the_same, damage_does_no_harm, decode},
    };

    const DAY: &str = "34200.004241176,1,16113575,18,5853300,1\n\
        34200.1,2,16113575,8,5853300,1\r\n34200.2,4,16113575,4,5853300,1\n34200.3,3,16113575,6,5853300,1\n\
        34200.4,5,0,52,5776350,-1\n34200.5,6,-1,900,5776350,-1\n\
        36023,7,0,0,-1,-1\n36323,7,0,0,0,-1\n36723,7,0,0,1,-1\n36800,9,0,0,1,-1\nnonsense\n57599.9,1,5,5,5,-1";

    #[test]
    fn each_type_becomes_its_event() {
        let Decoded { events, counts, error } = decode(Decoder::new("AAPL", 1_000), DAY.as_bytes(), || usize::MAX);
        let (order_id, price_ticks) = (16_113_575, 5_853_300);
        let want = [
            Body::Definition,
            Body::Add { order_id, side: Side::Bid, price_ticks, size: 18 },
            Body::Cancel { order_id, size: 8 },
            Body::Execute { order_id, size: 4, price_ticks: NO_PRICE },
            Body::Cancel { order_id, size: ALL },
            Body::Trade { resting_side: Some(Side::Ask), price_ticks: 5_776_350, size: 52 },
            Body::Trade { resting_side: None, price_ticks: 5_776_350, size: 900 },
            Body::Status(TradingStatus::Halted),
            Body::Status(TradingStatus::Paused),
            Body::Status(TradingStatus::Trading),
            Body::Add { order_id: 5, side: Side::Ask, price_ticks: 5, size: 5 },
        ];
        assert_eq!(events.iter().map(|event| event.body).collect::<Vec<_>>(), want);
        assert_eq!(events[1].exchange_ns, 34_200_004_242_176);
        assert_eq!((events[1].sequence, events[10].sequence), (1, 12));
        assert_eq!(error, None);
        assert_eq!(counts, Counts { messages: 12, unknown: 1, malformed: 1, ..Counts::default() });
    }

    #[test]
    fn a_definition_says_what_a_tick_is() {
        let decoder = Decoder::new("AAPL", 7);
        let definition = decoder.instruments().latest(InstrumentId(0)).unwrap();
        assert_eq!((definition.symbol.as_str(), definition.price(5_853_300)), ("AAPL", 585.33));
    }

    #[test]
    fn any_split_gives_the_same_events() {
        for seed in 0..200 {
            any_split_gives_the_same(DAY.as_bytes(), seed, 1 + seed as usize, || Decoder::new("AAPL", 1_000));
        }
    }

    #[test]
    fn damaged_files_do_no_harm() {
        damage_does_no_harm(&[DAY.into()], 20_000, 2_000, || Decoder::new("AAPL", 1_000));
    }

    #[test]
    fn a_damaged_file_loses_no_line() {
        for round in 0..5_000 {
            let mut random = Random(round);
            let mut bytes = DAY.as_bytes().to_vec();
            for _ in 0..8 {
                let place = random.below(bytes.len());
                bytes[place] = b"0123456789-.,\n"[random.below(14)];
            }
            let is_told = |line: &&[u8]| !matches!(*line, b"" | b"\r");
            let lines = bytes.split(|byte| *byte == b'\n').filter(is_told).count() as u64;
            let Decoded { events, counts, .. } = decode(Decoder::new("AAPL", 1_000), &bytes, || usize::MAX);
            let read = counts.messages - counts.unknown - counts.malformed;
            assert_eq!((counts.messages, events.len() as u64), (lines, read + u64::from(read > 0)), "round {round}");
        }
    }
}

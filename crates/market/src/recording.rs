//! A recorded feed of any format that is a stream of bytes: the decoder that its format needs, behind one type.

use crate::{
    binance::BinanceDecoder,
    dbn::DbnDecoder,
    event::{InstrumentId, Sink},
    feed::{Counts, Decoder, FeedError},
    format::Format,
    instruments::Instruments,
    itch, lobster,
    tardis::TardisDecoder,
};

/// What a file of a stream does not say of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// When the session's day began where the venue is, in nanoseconds since the Unix epoch: the times of ITCH and LOBSTER count from there.
    pub midnight_ns: u64,
    /// What the one instrument of a LOBSTER file is called.
    pub symbol: String,
}

/// The decoder of a recorded feed.
#[derive(Debug)]
pub enum Recording {
    /// ITCH 5.0 as a file.
    Itch50(Box<itch::Decoder>),
    /// A LOBSTER message file.
    Lobster(Box<lobster::Decoder>),
    /// Databento's encoding.
    Dbn(Box<DbnDecoder>),
    /// Lines of Binance's streams.
    Binance(Box<BinanceDecoder>),
    /// CSV of Tardis.
    Tardis(Box<TardisDecoder>),
}

impl Recording {
    /// The decoder of a format; none for captures of packets, which are no stream of bytes ([`itch::frame::mold::MoldDecoder`] and
    /// [`CaptureDecoder`](crate::sbe::mdp3::CaptureDecoder) take their datagrams).
    pub fn new(format: Format, session: &Session) -> Option<Self> {
        let Session { midnight_ns, symbol } = session;
        Some(match format {
            Format::Itch50 => Self::Itch50(Box::new(itch::Decoder::new(*midnight_ns))),
            Format::Lobster => Self::Lobster(Box::new(lobster::Decoder::new(symbol, *midnight_ns))),
            Format::Dbn => Self::Dbn(Box::new(DbnDecoder::new())),
            Format::Binance => Self::Binance(Box::new(BinanceDecoder::new())),
            Format::Tardis => Self::Tardis(Box::new(TardisDecoder::new())),
            Format::Itch50Capture | Format::Mdp3Capture => return None,
        })
    }

    /// The instruments whose updates wait for a snapshot that has not come, and how many each: nothing of them was given.
    pub fn awaiting_snapshot(&self) -> Vec<(InstrumentId, u64)> {
        match self {
            Self::Binance(decoder) => decoder.awaiting_snapshot().collect(),
            Self::Itch50(_) | Self::Lobster(_) | Self::Dbn(_) | Self::Tardis(_) => Vec::new(),
        }
    }
}

impl Decoder for Recording {
    fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), FeedError> {
        match self {
            Self::Itch50(decoder) => decoder.feed(bytes, sink),
            Self::Lobster(decoder) => decoder.feed(bytes, sink),
            Self::Dbn(decoder) => decoder.feed(bytes, sink),
            Self::Binance(decoder) => decoder.feed(bytes, sink),
            Self::Tardis(decoder) => decoder.feed(bytes, sink),
        }
    }

    fn finish(&mut self, sink: &mut impl Sink) -> Result<(), FeedError> {
        match self {
            Self::Itch50(decoder) => decoder.finish(sink),
            Self::Lobster(decoder) => decoder.finish(sink),
            Self::Dbn(decoder) => decoder.finish(sink),
            Self::Binance(decoder) => decoder.finish(sink),
            Self::Tardis(decoder) => decoder.finish(sink),
        }
    }

    fn instruments(&self) -> &Instruments {
        match self {
            Self::Itch50(decoder) => decoder.instruments(),
            Self::Lobster(decoder) => decoder.instruments(),
            Self::Dbn(decoder) => decoder.instruments(),
            Self::Binance(decoder) => decoder.instruments(),
            Self::Tardis(decoder) => decoder.instruments(),
        }
    }

    fn counts(&self) -> Counts {
        match self {
            Self::Itch50(decoder) => decoder.counts(),
            Self::Lobster(decoder) => decoder.counts(),
            Self::Dbn(decoder) => decoder.counts(),
            Self::Binance(decoder) => decoder.counts(),
            Self::Tardis(decoder) => decoder.counts(),
        }
    }
}

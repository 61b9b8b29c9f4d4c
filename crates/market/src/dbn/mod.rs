//! Databento Binary Encoding (DBN), versions 1 to 3, uncompressed: [`DbnDecoder`] reads it, [`DbnWriter`] writes events of orders.
//!
//! Format     a header (metadata), then records that begin with their length. [`DbnDecoder::fragment`] reads records without a header.
//! Taken      `mbo` (orders), `mbp-1`, `mbp-10`, `tbbo`, `trades`, `bbo-*`, `cmbp-1`, `cbbo-*`, `tcbbo`, `status`, `definition`, symbol mappings.
//!            `ohlcv-*`, `statistics`, `imbalance`, system and error records are passed over and counted.
//! Versions   differ in definitions, symbol mappings and passed-over records: they give the same events. Version 4 and DBZ, which was before
//!            DBN, are refused.
//! Units      ticks are 10^−9, DBN's own unit, so that no price is lost; [`DbnDecoder::increment_nanos`] tells the venue's price increment. Lots
//!            are whole shares or contracts.
//! Symbols    from a definition or symbol mapping in the stream, else from the header's mappings at that time, else `#<number>`. Where a stream
//!            has several publishers each has its own instruments: those of others than the first are `<symbol>@<venue>`.
//! Options    terms ([`OptionTerms`]) from an OCC symbol, else from the definition's class, strike, expiration and underlying.
//! Flags      F_LAST, F_SNAPSHOT as they are; F_MAYBE_BAD_BOOK is [`Flags::GAP`]. F_BAD_TS_RECV is of the time of receipt, so it is not
//!            [`Flags::BAD_TIME`]. A record that is passed over (a fill, an action of none) tells its F_LAST by the end of its message only.
//! Source     "Databento Binary Encoding" and "Common fields, enums and types", databento.com/docs; where fields lie the crate `dbn` says.

mod orders;
mod quotes;
mod record;
mod symbols;
#[cfg(test)]
mod tests;
mod write;

use ::dbn::{
    InstrumentDefMsg, MboMsg, Metadata, RecordHeader, StatusAction, StatusMsg, SymbolMappingMsg, VersionUpgradePolicy,
    decode::dbn::MetadataDecoder, flags, rtype, v1, v2,
};

use zomma_base::OptionType;

use crate::{
    ahead::Ahead,
    event::{Body, Event, Flags, InstrumentId, Sink, TradingStatus},
    feed::{Counts, Decoder, FeedError},
    instruments::{Instruments, OptionTerms},
    outcome::{Refused, Tally, give_all},
};
use quotes::Depth;
use record::{HEADER_BYTES, Header, body, field, text};
use symbols::Symbols;
pub use write::DbnWriter;

/// What comes before the length of the header: `DBN` and the version.
const MAGIC: &[u8] = b"DBN";
/// Magic, version and length of the header.
const PRELUDE_BYTES: usize = 8;
/// The longest header that is taken: one with a symbol mapping for each of 1.5 million options has 350 MB.
const LONGEST_METADATA: usize = 1 << 30;
/// A record's length is counted in these.
const WORD_BYTES: usize = 4;
/// Versions that are read.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=3;

/// Decodes a DBN stream.
#[derive(Debug, Default)]
pub struct DbnDecoder {
    metadata: Option<Metadata>,
    /// Whether streams have no header.
    is_fragment: bool,
    /// Whether records come next.
    in_records: bool,
    /// What has come of a header or record that is not whole yet.
    partial: Vec<u8>,
    /// Where the header or record begins that comes next, or has begun.
    offset: u64,
    failed: Option<FeedError>,
    inner: Inner,
}

#[derive(Debug, Default)]
struct Inner {
    version: u8,
    symbols: Symbols,
    tally: Tally,
    depths: Vec<Depth>,
    /// Room for the events of a record, used again.
    bodies: Vec<Body>,
}

impl DbnDecoder {
    /// For a stream that begins with its header.
    pub fn new() -> Self {
        Self::default()
    }

    /// For records of a version without a header.
    ///
    /// # Errors
    ///
    /// [`FeedError`] where the version is not 1 to 3.
    pub fn fragment(version: u8) -> Result<Self, FeedError> {
        check_version(version)?;
        Ok(Self {
            is_fragment: true,
            in_records: true,
            inner: Inner { version, ..Inner::default() },
            ..Self::default()
        })
    }

    /// The stream's header, once it has come.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// The venue's price increment of an instrument in billionths, where a definition told it.
    pub fn increment_nanos(&self, instrument: InstrumentId) -> Option<i64> {
        self.inner.symbols.increment(instrument)
    }

    /// The first record that was counted as malformed, and why.
    pub fn first_fault(&self) -> Option<&FeedError> {
        self.inner.tally.first_fault.as_ref()
    }

    /// Takes what is missing of a header; gives what lies behind it.
    fn header<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], FeedError> {
        loop {
            let needed = match self.partial.first_chunk::<PRELUDE_BYTES>() {
                None => PRELUDE_BYTES,
                Some(prelude) => PRELUDE_BYTES + metadata_bytes(prelude)?,
            };
            let missing = needed - self.partial.len();
            if missing > 0 {
                if bytes.is_empty() {
                    return Ok(bytes);
                }
                let (piece, rest) = bytes.split_at(missing.min(bytes.len()));
                self.partial.extend_from_slice(piece);
                bytes = rest;
                continue;
            }
            // As they are: no record is read by that crate, and mappings are the same in all versions.
            let mut decoder = MetadataDecoder::with_upgrade_policy(self.partial.as_slice(), VersionUpgradePolicy::AsIs);
            let metadata =
                decoder.decode().map_err(|error| FeedError { offset: 0, problem: format!("header: {error}") })?;
            self.inner.version = metadata.version;
            self.inner.symbols.take_metadata(&metadata);
            self.metadata = Some(metadata);
            self.in_records = true;
            self.offset = self.partial.len() as u64;
            self.partial = Vec::new();
            return Ok(bytes);
        }
    }

    /// Takes records.
    fn records(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> Result<(), FeedError> {
        if let Some(&first) = self.partial.first() {
            let missing = self.length(first)? - self.partial.len();
            let (piece, rest) = bytes.split_at(missing.min(bytes.len()));
            self.partial.extend_from_slice(piece);
            if piece.len() < missing {
                return Ok(());
            }
            let mut whole = std::mem::take(&mut self.partial);
            self.take(&whole, sink);
            whole.clear();
            self.partial = whole;
            bytes = rest;
        }
        if sink.looks_ahead() {
            bytes = self.records_ahead(bytes, sink);
        }
        while let Some(&first) = bytes.first() {
            let length = self.length(first)?;
            let Some((record, rest)) = bytes.split_at_checked(length) else {
                self.partial.extend_from_slice(bytes);
                break;
            };
            self.take(record, sink);
            bytes = rest;
        }
        Ok(())
    }

    /// Takes whole records, each after the sink was told [ahead](Sink::ahead) of it as far as it was at hand, and gives what is behind them.
    #[inline(always)]
    fn records_ahead<'b>(&mut self, bytes: &'b [u8], sink: &mut impl Sink) -> &'b [u8] {
        let (mut rest, mut ahead) = (bytes, Ahead::new(bytes));
        loop {
            ahead.tell(sink, split_record, |record| self.inner.likely(record));
            let Some((record, behind)) = split_record(rest) else { break };
            self.take(record, sink);
            rest = behind;
        }
        rest
    }

    /// The length of the record that comes next, from its first byte.
    #[inline]
    fn length(&self, first: u8) -> Result<usize, FeedError> {
        let length = usize::from(first) * WORD_BYTES;
        if length < HEADER_BYTES {
            let problem = format!("record of {length} bytes; allowed: {HEADER_BYTES} at least");
            return Err(FeedError { offset: self.offset, problem });
        }
        Ok(length)
    }

    #[inline]
    fn take(&mut self, record: &[u8], sink: &mut impl Sink) {
        let outcome = self.inner.record(record, sink);
        self.inner.tally.message(self.offset, outcome);
        self.offset += record.len() as u64;
        sink.message_end(&self.inner.symbols.instruments);
    }
}

/// The first record, and what is behind it; `None` where it is not whole or cannot be told apart.
#[inline(always)]
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(*bytes.first()?) * WORD_BYTES;
    if length < HEADER_BYTES { None } else { bytes.split_at_checked(length) }
}

impl Decoder for DbnDecoder {
    fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), FeedError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let rest = if self.in_records { Ok(bytes) } else { self.header(bytes) };
        let outcome = match rest {
            Ok(rest) if self.in_records => self.records(rest, sink),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            self.failed = Some(error.clone());
            self.partial = Vec::new();
        }
        outcome
    }

    /// What is fed after it is another stream, with a header of its own. Instruments keep their numbers.
    fn finish(&mut self, _: &mut impl Sink) -> Result<(), FeedError> {
        let (in_records, offset, left) = (self.in_records, self.offset, self.partial.len());
        self.in_records = self.is_fragment;
        self.offset = 0;
        self.partial.clear();
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        // A stream in which nothing came says nothing, unless it is the only one.
        if left == 0 && (in_records || self.metadata.is_some()) {
            return Ok(());
        }
        let what = if in_records { "a record" } else { "the header" };
        Err(FeedError { offset, problem: format!("the stream ends within {what}, behind {left} bytes of it") })
    }

    fn instruments(&self) -> &Instruments {
        &self.inner.symbols.instruments
    }

    fn counts(&self) -> Counts {
        self.inner.tally.counts
    }
}

impl Inner {
    #[inline]
    fn record(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Refused> {
        let header = Header::of(body(bytes)?);
        match header.kind {
            rtype::MBO => orders::decode(self, header, body(bytes)?, sink),
            rtype::MBP_0 => quotes::trade(self, header, bytes, sink),
            rtype::MBP_1 | rtype::TBBO => quotes::best(self, header, bytes, sink),
            rtype::MBP_10 => quotes::depth(self, header, bytes, sink),
            rtype::CMBP_1 | rtype::TCBBO => quotes::consolidated(self, header, bytes, sink),
            rtype::BBO_1S | rtype::BBO_1M => quotes::sampled(self, header, bytes, sink),
            rtype::CBBO_1S | rtype::CBBO_1M => quotes::sampled_consolidated(self, header, bytes, sink),
            rtype::STATUS => self.status(header, bytes, sink),
            rtype::INSTRUMENT_DEF => self.definition(header, bytes, sink),
            rtype::SYMBOL_MAPPING => self.symbol_mapping(header, bytes),
            rtype::OHLCV_1S | rtype::OHLCV_1M | rtype::OHLCV_1H | rtype::OHLCV_1D | rtype::OHLCV_EOD => {
                Err(Refused::PassedOver)
            }
            rtype::STATISTICS | rtype::IMBALANCE | rtype::ERROR | rtype::SYSTEM => Err(Refused::PassedOver),
            _ => Err(Refused::Unknown),
        }
    }

    /// Of which instrument and order a record probably is: what [`Sink::ahead`] is told. Of one that is no order's the number is of nothing.
    #[inline(always)]
    fn likely(&self, bytes: &[u8]) -> (InstrumentId, u64) {
        let Ok(order) = body::<{ orders::MBO_BYTES }>(bytes) else { return (InstrumentId(u32::MAX), 0) };
        let number = field!(order, RecordHeader, instrument_id: u32);
        (self.symbols.likely(number), field!(order, MboMsg, order_id: u64))
    }

    /// An event of a record, but for its body.
    #[inline]
    fn event(&mut self, header: Header, receive_ns: u64, sequence: u64, flags: u8) -> Event {
        const UNDEFINED: u64 = ::dbn::UNDEF_TIMESTAMP;
        let receive_ns = if receive_ns == UNDEFINED { header.event_ns } else { receive_ns };
        let has_time = header.event_ns != UNDEFINED;
        let instrument = self.symbols.resolve(header.publisher, header.instrument, receive_ns);
        Event {
            exchange_ns: if has_time { header.event_ns } else { receive_ns },
            receive_ns,
            sequence,
            instrument,
            flags: flags_of(flags, has_time),
            body: Body::Clear,
        }
    }

    /// The number of a record where its schema has none.
    fn next_sequence(&self) -> u64 {
        self.tally.counts.messages + 1
    }

    fn status(&mut self, header: Header, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Refused> {
        let bytes = body::<{ size_of::<StatusMsg>() }>(bytes)?;
        let action = field!(bytes, StatusMsg, action: u16);
        let known = StatusAction::try_from(action)
            .map_err(|_| Refused::Malformed(format!("status action {action}; allowed: 0 to 15")))?;
        let status = match known {
            StatusAction::PreOpen => TradingStatus::PreOpen,
            StatusAction::Trading => TradingStatus::Trading,
            StatusAction::PreCross
            | StatusAction::Cross
            | StatusAction::Rotation
            | StatusAction::NewPriceIndication
            | StatusAction::PreClose => TradingStatus::Auction,
            StatusAction::Quoting | StatusAction::Pause => TradingStatus::Paused,
            StatusAction::Halt | StatusAction::Suspend => TradingStatus::Halted,
            StatusAction::Close | StatusAction::PostClose | StatusAction::NotAvailableForTrading => {
                TradingStatus::Closed
            }
            // None, a change of short-sale restrictions, and what a later version may add.
            _ => return Err(Refused::PassedOver),
        };
        let sequence = self.next_sequence();
        let event = self.event(header, field!(bytes, StatusMsg, ts_recv: u64), sequence, flags::LAST);
        give_all(event, [Body::Status(status)], sink);
        Ok(())
    }

    fn definition(&mut self, header: Header, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Refused> {
        // Receive time, increment, symbol and an option's terms, where each version has them.
        macro_rules! read {
            ($message:ty) => {{
                let bytes = body::<{ size_of::<$message>() }>(bytes)?;
                let symbol = &bytes[std::mem::offset_of!($message, raw_symbol)..];
                let underlying = &bytes[std::mem::offset_of!($message, underlying)..];
                let terms = Terms {
                    class: field!(bytes, $message, instrument_class: u8),
                    strike_nanos: field!(bytes, $message, strike_price: i64),
                    expiry_ns: field!(bytes, $message, expiration: u64),
                    underlying: text(&underlying[..size_of_val(&<$message>::default().underlying)]),
                };
                (
                    field!(bytes, $message, ts_recv: u64),
                    field!(bytes, $message, min_price_increment: i64),
                    text(&symbol[..size_of_val(&<$message>::default().raw_symbol)]),
                    terms,
                )
            }};
        }
        let (receive_ns, increment_nanos, symbol, terms) = match self.version {
            1 => read!(v1::InstrumentDefMsg),
            2 => read!(v2::InstrumentDefMsg),
            _ => read!(InstrumentDefMsg),
        };
        if symbol.is_empty() {
            return Err(Refused::Malformed(format!("definition of instrument {} without a symbol", header.instrument)));
        }
        self.symbols.name(header.instrument, &symbol);
        let sequence = self.next_sequence();
        let event = self.event(header, receive_ns, sequence, flags::LAST);
        if increment_nanos != ::dbn::UNDEF_PRICE {
            self.symbols.set_increment(event.instrument, increment_nanos);
        }
        // A symbol of the OCC says also whether it is settled in the morning: it goes first, and was taken when it was named.
        if self.symbols.instruments.option(event.instrument).is_none()
            && let Some(terms) = terms.option()
        {
            self.symbols.instruments.set_option(event.instrument, terms);
        }
        give_all(event, [Body::Definition], sink);
        Ok(())
    }

    fn symbol_mapping(&mut self, header: Header, bytes: &[u8]) -> Result<(), Refused> {
        macro_rules! read {
            ($message:ty) => {{
                let bytes = body::<{ size_of::<$message>() }>(bytes)?;
                let symbol = &bytes[std::mem::offset_of!($message, stype_out_symbol)..];
                text(&symbol[..size_of_val(&<$message>::default().stype_out_symbol)])
            }};
        }
        let symbol = if self.version == 1 { read!(v1::SymbolMappingMsg) } else { read!(SymbolMappingMsg) };
        // A mapping to the number itself names nothing; other digits do, such as 7203 in Tokyo.
        if symbol.is_empty() || symbol == header.instrument.to_string() {
            return Err(Refused::PassedOver);
        }
        self.symbols.name(header.instrument, &symbol);
        Ok(())
    }
}

/// What a definition says of an option.
struct Terms<'d> {
    class: u8,
    strike_nanos: i64,
    expiry_ns: u64,
    underlying: std::borrow::Cow<'d, str>,
}

impl Terms<'_> {
    /// The terms, where the instrument is an option and has all of them.
    fn option(self) -> Option<OptionTerms> {
        let option_type = match self.class {
            b'C' => OptionType::Call,
            b'P' => OptionType::Put,
            _ => return None,
        };
        let Self { strike_nanos, expiry_ns, underlying, .. } = self;
        let is_whole = strike_nanos != ::dbn::UNDEF_PRICE && expiry_ns != ::dbn::UNDEF_TIMESTAMP;
        is_whole.then(|| OptionTerms { option_type, strike_nanos, expiry_ns, underlying: underlying.into_owned() })
    }
}

/// The flags of a record.
#[inline]
fn flags_of(flags: u8, has_time: bool) -> Flags {
    let mut set = if has_time { 0 } else { Flags::BAD_TIME.0 };
    for (theirs, ours) in
        [(flags::LAST, Flags::LAST), (flags::SNAPSHOT, Flags::SNAPSHOT), (flags::MAYBE_BAD_BOOK, Flags::GAP)]
    {
        set |= if flags & theirs != 0 { ours.0 } else { 0 };
    }
    Flags(set)
}

fn check_version(version: u8) -> Result<(), FeedError> {
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    Err(FeedError { offset: MAGIC.len() as u64, problem: format!("DBN version {version}; allowed: 1 to 3") })
}

/// The length of the header behind its first eight bytes.
fn metadata_bytes(prelude: &[u8; PRELUDE_BYTES]) -> Result<usize, FeedError> {
    let [magic @ .., version, _, _, _, _] = prelude;
    if magic != MAGIC {
        let found = match prelude {
            [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => "DBZ, the format before DBN".into(),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => "zstd".into(),
            _ => format!("{:?}", String::from_utf8_lossy(magic)),
        };
        return Err(FeedError { offset: 0, problem: format!("begins with {found}; allowed: DBN versions 1 to 3") });
    }
    check_version(*version)?;
    let length = u32::from_le_bytes(record::part(prelude, MAGIC.len() + 1)) as usize;
    if length > LONGEST_METADATA {
        let problem = format!("header of {length} bytes; allowed: up to {LONGEST_METADATA}");
        return Err(FeedError { offset: MAGIC.len() as u64 + 1, problem });
    }
    Ok(length)
}

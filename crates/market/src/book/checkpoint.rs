//! Books as bytes: what a process writes so that the next one goes on from there with the events after it.
//!
//! Little-endian. Eight bytes `ZMBOOKS` and the version; the length of the body in 8 bytes; the body; CRC-32 of all before it in 4 bytes. The body:
//! a count of fault reasons (4) with each count (8); the number of instruments (4); then by instrument: sequence (8), exchange time (8), the quotes'
//! price and size by side (8 each), status (1; 255 for none), suspect (1), and for bids then asks: the number of levels (4), then the best first: price
//! (8), total (8), number of orders (4), and each order in its queue: number (8), size (8). Equal books give equal bytes.

use thiserror::Error;

use super::{Books, Fault, Limits, Told};
use crate::event::{InstrumentId, Side, TradingStatus};

const MAGIC: [u8; 7] = *b"ZMBOOKS";
const VERSION: u8 = 1;
const HEADER: usize = 16;
const CHECKSUM: usize = 4;
/// The least that an instrument, a level and an order take.
const LEAST_INSTRUMENT: usize = 58;
const LEAST_LEVEL: usize = 20;
const NO_STATUS: u8 = 255;
const STATUSES: [TradingStatus; 6] = [
    TradingStatus::PreOpen,
    TradingStatus::Trading,
    TradingStatus::Auction,
    TradingStatus::Paused,
    TradingStatus::Halted,
    TradingStatus::Closed,
];

/// Why bytes are no checkpoint to go on from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// They begin otherwise.
    #[error("not a checkpoint of books: it does not begin with ZMBOOKS")]
    NotBooks,
    /// Of a version that this one does not read.
    #[error("a checkpoint of version {0}; this program reads version {VERSION}")]
    Version(u8),
    /// Cut short, or followed by something.
    #[error("a checkpoint of {told} bytes in {found} bytes")]
    Length {
        /// The length that the header tells, in bytes.
        told: u64,
        /// The length that there is, in bytes.
        found: u64,
    },
    /// Some byte is wrong.
    #[error("the checksum is {found:#010x} where the bytes have {computed:#010x}")]
    Checksum {
        /// What stands at the end.
        found: u32,
        /// What it should be.
        computed: u32,
    },
    /// The checksum holds, and yet the books in it could not be.
    #[error("byte {offset}: {problem}")]
    Content {
        /// Where, from the start.
        offset: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Books {
    /// Writes all books to the end of `out`.
    pub fn checkpoint(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(MAGIC);
        out.push(VERSION);
        out.extend(0u64.to_le_bytes());
        out.extend((Fault::ALL.len() as u32).to_le_bytes());
        self.faults.by_reason.iter().for_each(|count| out.extend(count.to_le_bytes()));
        out.extend(self.instruments().to_le_bytes());
        for (instrument, told) in (0..).map(InstrumentId).zip(&self.told) {
            self.write_instrument(instrument, told, out);
        }
        let body = (out.len() - start - HEADER) as u64;
        out[start + 8..start + HEADER].copy_from_slice(&body.to_le_bytes());
        let checksum = crc32(&out[start..]);
        out.extend(checksum.to_le_bytes());
    }

    fn write_instrument(&self, instrument: InstrumentId, told: &Told, out: &mut Vec<u8>) {
        let book = self.book(instrument);
        out.extend(book.sequence().to_le_bytes());
        out.extend(book.exchange_ns().to_le_bytes());
        for (price, size) in told.quotes {
            out.extend(price.to_le_bytes());
            out.extend(size.to_le_bytes());
        }
        out.push(told.status.map_or(NO_STATUS, |status| status as u8));
        out.push(u8::from(told.suspect));
        for side in [Side::Bid, Side::Ask] {
            out.extend((book.depth(side) as u32).to_le_bytes());
            for level in book.levels(side) {
                out.extend(level.price_ticks.to_le_bytes());
                out.extend(level.size.to_le_bytes());
                out.extend(level.order_count.to_le_bytes());
                for order in book.orders_at(side, level.price_ticks) {
                    out.extend(order.order_id.to_le_bytes());
                    out.extend(order.size.to_le_bytes());
                }
            }
        }
    }

    /// The books of a checkpoint: with the events that came after it they become what the books that wrote it became.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] where the bytes are not exactly one whole checkpoint, or hold more than `limits`. No length in them is trusted
    /// before it is checked against the bytes that there are.
    pub fn recover(bytes: &[u8], limits: Limits) -> Result<Self, CheckpointError> {
        let header = bytes.first_chunk::<HEADER>().filter(|header| header.starts_with(&MAGIC));
        let [_, _, _, _, _, _, _, version, length @ ..] = header.ok_or(CheckpointError::NotBooks)?;
        if *version != VERSION {
            return Err(CheckpointError::Version(*version));
        }
        let told = u64::from_le_bytes(*length).saturating_add((HEADER + CHECKSUM) as u64);
        let found = bytes.len() as u64;
        let Some((body, checksum)) = bytes.split_last_chunk::<CHECKSUM>().filter(|_| told == found) else {
            return Err(CheckpointError::Length { told, found });
        };
        let (found, computed) = (u32::from_le_bytes(*checksum), crc32(body));
        if found != computed {
            return Err(CheckpointError::Checksum { found, computed });
        }
        let mut reader = Reader { bytes: body, offset: HEADER };
        let books = reader.books(limits)?;
        if reader.offset != body.len() {
            return Err(reader.wrong("more follows the last book"));
        }
        Ok(books)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn wrong(&self, problem: &'static str) -> CheckpointError {
        CheckpointError::Content { offset: self.offset, problem }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let next = self.bytes.get(self.offset..).and_then(|left| left.first_chunk::<N>());
        let next = *next.ok_or_else(|| self.wrong("ends within a book"))?;
        self.offset += N;
        Ok(next)
    }

    fn u8(&mut self) -> Result<u8, CheckpointError> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, CheckpointError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, CheckpointError> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, CheckpointError> {
        self.take().map(i64::from_le_bytes)
    }

    /// A number of things that take at least `least` bytes each.
    fn count(&mut self, least: usize, problem: &'static str) -> Result<u32, CheckpointError> {
        let count = self.u32()?;
        if (count as usize).saturating_mul(least) > self.bytes.len() - self.offset {
            return Err(self.wrong(problem));
        }
        Ok(count)
    }

    fn books(&mut self, limits: Limits) -> Result<Books, CheckpointError> {
        // The limit of orders is held to at the end: what rested at once may be read in an order that it never came in.
        let mut books = Books::with_limits(Limits { orders: u32::MAX, ..limits });
        if self.u32()? as usize != Fault::ALL.len() {
            return Err(self.wrong("another number of fault reasons"));
        }
        for reason in 0..Fault::ALL.len() {
            books.faults.by_reason[reason] = self.u64()?;
        }
        let instruments = self.count(LEAST_INSTRUMENT, "more instruments than bytes")?;
        if let Some(last) = instruments.checked_sub(1) {
            books.make_room(last).map_err(|_| self.wrong("more instruments than the limit"))?;
        }
        for instrument in 0..instruments {
            self.instrument(instrument, &mut books)?;
        }
        books.limits = limits.within_reach();
        if books.orders() > books.limits.orders as usize {
            return Err(self.wrong("more orders than the limit"));
        }
        Ok(books)
    }

    fn instrument(&mut self, instrument: u32, books: &mut Books) -> Result<(), CheckpointError> {
        let head = &mut books.heads[instrument as usize];
        (head.sequence, head.exchange_ns) = (self.u64()?, self.u64()?);
        let mut told = Told::default();
        for quote in &mut told.quotes {
            *quote = (self.i64()?, self.u64()?);
        }
        let status = self.u8()?;
        told.status = STATUSES.get(usize::from(status)).copied();
        if told.status.is_none() && status != NO_STATUS {
            return Err(self.wrong("an unknown status"));
        }
        told.suspect = match self.u8()? {
            0 => false,
            1 => true,
            _ => return Err(self.wrong("a mark that is neither 0 nor 1")),
        };
        books.told[instrument as usize] = told;
        for side in [Side::Bid, Side::Ask] {
            let levels = self.count(LEAST_LEVEL, "more levels than bytes")?;
            for _ in 0..levels {
                self.level(instrument, side, books)?;
            }
            if books.book(InstrumentId(instrument)).depth(side) != levels as usize {
                return Err(self.wrong("a price that stands twice"));
            }
        }
        Ok(())
    }

    fn level(&mut self, instrument: u32, side: Side, books: &mut Books) -> Result<(), CheckpointError> {
        let (price, total, orders) = (self.i64()?, self.u64()?, self.u32()?);
        if orders == 0 && total == 0 {
            return Err(self.wrong("a level that holds nothing"));
        }
        let refused = |fault: Fault| CheckpointError::Content { offset: self.offset, problem: problem(fault) };
        if orders == 0 {
            return books.set_level(instrument, side, price, total).map_err(refused);
        }
        for _ in 0..orders {
            let (id, size) = (self.u64()?, self.u64()?);
            let refused = |fault: Fault| CheckpointError::Content { offset: self.offset, problem: problem(fault) };
            books.add(instrument, id, side, price, size).map_err(refused)?;
        }
        let level = books.book(InstrumentId(instrument)).level_at(side, price);
        match level {
            Some(level) if (level.size, level.order_count) == (total, orders) => Ok(()),
            _ => Err(self.wrong("a total that is not the sum of the orders")),
        }
    }
}

/// What a fault says of a checkpoint.
fn problem(fault: Fault) -> &'static str {
    match fault {
        Fault::DuplicateOrder => "an order that stands twice",
        Fault::ZeroSize => "an order of size 0",
        Fault::NoPrice => "a level without a price",
        Fault::Mixed => "a price that is told as a level and by orders",
        Fault::TooManyOrders => "more orders or levels than can be kept",
        _ => "sizes that are too large",
    }
}

/// CRC-32 (ISO-HDLC), as gzip has it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Event, Flags};

    fn some_books() -> Books {
        let mut books = Books::new();
        let bodies = [
            (0, Body::Add { order_id: 1, side: Side::Bid, price_ticks: -3, size: 10 }),
            (0, Body::Add { order_id: 2, side: Side::Bid, price_ticks: -3, size: 20 }),
            (0, Body::Add { order_id: 3, side: Side::Ask, price_ticks: -5, size: 30 }),
            (0, Body::Cancel { order_id: 9, size: 1 }),
            (2, Body::Level { side: Side::Ask, price_ticks: 8, size: 5 }),
            (2, Body::Quote { side: Side::Bid, price_ticks: 7, size: 4 }),
            (2, Body::Status(TradingStatus::Halted)),
        ];
        for (sequence, (instrument, body)) in (1..).zip(bodies) {
            let (instrument, exchange_ns, flags) = (InstrumentId(instrument), sequence * 10, Flags::GAP);
            books.apply(&Event { exchange_ns, receive_ns: 0, sequence, instrument, flags, body });
        }
        books
    }

    fn bytes_of(books: &Books) -> Vec<u8> {
        let mut bytes = Vec::new();
        books.checkpoint(&mut bytes);
        bytes
    }

    /// Mends length and checksum after a change of the body.
    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.truncate(bytes.len() - CHECKSUM);
        let body = (bytes.len() - HEADER) as u64;
        bytes[8..HEADER].copy_from_slice(&body.to_le_bytes());
        let checksum = crc32(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    #[test]
    fn recovered_books_are_the_same_books() {
        let books = some_books();
        let bytes = bytes_of(&books);
        let back = Books::recover(&bytes, Limits::default()).unwrap();
        assert_eq!(bytes_of(&back), bytes);
        assert_eq!(back.faults(), books.faults());
        let (first, last) = (back.book(InstrumentId(0)), back.book(InstrumentId(2)));
        assert!(first.is_crossed() && first.is_suspect() && last.is_suspect());
        assert_eq!(first.queue_ahead(2).unwrap().size_ahead, 10);
        assert_eq!((last.quote(Side::Bid), last.quote(Side::Ask)), (Some((7, 4)), None));
        assert_eq!((last.status(), last.sequence(), last.exchange_ns()), (Some(TradingStatus::Halted), 7, 70));
    }

    #[test]
    fn a_byte_that_changed_or_is_missing_is_found() {
        let bytes = bytes_of(&some_books());
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            assert!(Books::recover(&changed, Limits::default()).is_err(), "byte {place}");
            assert!(Books::recover(&bytes[..place], Limits::default()).is_err(), "cut at {place}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(Books::recover(&longer, Limits::default()), Err(CheckpointError::Length { .. })));
        let other = [&bytes[..7], &[9], &bytes[8..]].concat();
        assert_eq!(Books::recover(&other, Limits::default()).unwrap_err(), CheckpointError::Version(9));
    }

    #[test]
    fn books_that_could_not_be_are_refused_though_the_checksum_holds() {
        let bytes = bytes_of(&some_books());
        let problem = |place: usize, value: &[u8]| {
            let mut changed = bytes.clone();
            changed[place..place + value.len()].copy_from_slice(value);
            match Books::recover(&sealed(changed), Limits::default()) {
                Err(CheckpointError::Content { problem, .. }) => problem,
                other => panic!("{other:?}"),
            }
        };
        let instruments = HEADER + 4 + 8 * Fault::ALL.len();
        let status = instruments + 4 + 48;
        let level = status + 2 + 4;
        let order = level + LEAST_LEVEL;
        assert_eq!(problem(instruments, &u32::MAX.to_le_bytes()), "more instruments than bytes");
        assert_eq!(problem(status, &[6]), "an unknown status");
        assert_eq!(problem(level - 4, &u32::MAX.to_le_bytes()), "more levels than bytes");
        assert_eq!(problem(level + 8, &31u64.to_le_bytes()), "a total that is not the sum of the orders");
        assert_eq!(problem(level + 16, &u32::MAX.to_le_bytes()), "an order of size 0");
        assert_eq!(problem(order + 16, &1u64.to_le_bytes()), "an order that stands twice");
        assert_eq!(problem(order + 8, &0u64.to_le_bytes()), "an order of size 0");
        let refused = |limits| Books::recover(&bytes, limits).unwrap_err().to_string();
        let few = Limits { instruments: 2, orders: 3 };
        assert!(refused(few).ends_with("more instruments than the limit"));
        assert!(refused(Limits { instruments: 3, orders: 2 }).ends_with("more orders than the limit"));
    }

    #[test]
    fn changed_checkpoints_never_panic_nor_reserve_much() {
        let bytes = bytes_of(&some_books());
        let mut state = 1u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut read = 0;
        for _ in 0..20_000 {
            let mut changed = bytes.clone();
            for _ in 0..1 + random(3) {
                let place = HEADER + random(changed.len() - HEADER - CHECKSUM);
                match random(3) {
                    0 => changed[place] = random(256) as u8,
                    1 => changed.truncate(place.max(HEADER + CHECKSUM)),
                    _ => changed.insert(place, random(256) as u8),
                }
                if changed.len() <= HEADER + CHECKSUM {
                    break;
                }
            }
            let limits = Limits { instruments: 64, orders: 1_000 };
            read += usize::from(Books::recover(&sealed(changed), limits).is_ok());
        }
        assert!(read > 0, "some changes (a time, a fault count) leave sound books");
    }
}

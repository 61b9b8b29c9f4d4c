//! How a feed's bytes come in, and how its events go from thread to thread.
//!
//! [`FileBytes`] maps a recording; [`read_tcp`] and [`read_udp`] read sockets in threads, and feed a [`Handler`]: any decoder
//! ([`StreamHandler`]), or ITCH over MoldUDP64 ([`MoldHandler`]) or SoupBinTCP ([`SoupHandler`], which goes on from the next number).
//! [`SoupServer`] is the other side of it. Handlers give events to the [`Sender`] of a [`channel`], whose rule says what
//! happens when its ring is full. [`Merge`] makes one stream of several feeds by time; [`pipelined`] decodes on one core what another keeps
//! books of, and [`pipelined_features`] computes features on another core than the books'. [`UdpSender`] sends packets many with one call.
//!
//! ```
//! use zomma_market::event::{Body, Event, Flags, InstrumentId, Side, Sink as _};
//! use zomma_market::ingest::{WhenFull, channel};
//!
//! let (mut sender, mut receiver) = channel(2, "conflate".parse()?);
//! for sequence in 1..=9 {
//!     let body = Body::Quote { side: Side::Bid, price_ticks: sequence as i64, size: 10 };
//!     sender.event(&Event { exchange_ns: 0, receive_ns: 0, sequence, instrument: InstrumentId(0), flags: Flags::LAST, body });
//! }
//! let metrics = sender.metrics().clone();
//! let mut events: Vec<Event> = Vec::new();
//! std::thread::spawn(move || drop(sender));
//! while !receiver.is_ended() {
//!     receiver.take(64, &mut events);
//! }
//! // Two had room, and of the seven quotes that waited only the last was of use.
//! assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 9]);
//! assert_eq!((metrics.conflated.get(), metrics.dropped.get()), (6, 0));
//! # Ok::<(), zomma_market::ingest::UnknownRule>(())
//! ```
//!
//! # What a ring costs
//!
//! Least of seven runs over 4 million events of 72 bytes between two virtual cores that other work shared, in nanoseconds an event:
//!
//! ```text
//!                          one by one   batches of 64
//! one producer    rtrb          5.3          5.2
//!                 disruptor     4.4          3.7
//!                 ArrayQueue   16.6           –
//!                 std channel  59.7           –
//! four producers  rtrb each      –           7.4
//!                 disruptor    10.1          5.8
//!                 ArrayQueue   25.6           –
//!                 std channel  92.0           –
//! ```
//!
//! Half a round trip of one event took 75 ns with rtrb, 60 ns with disruptor and 175 ns with ArrayQueue (medians of one run); in another, when the
//! host had placed the cores otherwise, 280, 240 and 621 ns. Ring slots are read in order, which the processor foresees: nothing is prefetched by
//! hand.
//!
//! # What it costs to decode on a core of its own
//!
//! The ITCH day of three shares (506,209 messages), least of nine runs on the same two shared cores, in nanoseconds a message:
//!
//! ```text
//! decoded only, one thread                              8.2
//! decoded | nothing done, two threads, ring of 4,096   46.2
//! decoded and books kept, one thread                   39.6
//! decoded | books kept, two threads, ring of 65,536    55.3
//! decoded | books kept, two threads, ring of 4,096     82.6
//! decoded from a mapped file, opening included          8.1
//! decoded from a file read into memory first           11.9
//! ```
//!
//! So a second core is no gain for ITCH books: decoding is a fifth of the work, and passing an event on costs more than decoding it. On busier cores it was
//! worse (76 against 130 and 624 in another run): a ring that is full or empty for long costs a turn of the scheduler, which a larger ring makes rarer.
//! With features behind the books it is a gain of a quarter where the books stay with the decoder ([`pipelined_features`]; docs/performance.md).

mod channel;
mod conflate;
pub mod event_ring;
mod feature_pipeline;
mod file;
mod handlers;
#[cfg(test)]
mod held_up;
mod inbox;
mod merge;
pub mod metrics;
mod outbox;
mod packed;
mod pipeline;
mod reader;
pub mod ring;
mod soup;
mod soup_server;
mod stamps;
mod tcp;
mod udp;

pub use channel::{Outlet, Receiver, Sender, UnknownRule, WhenFull, channel};
pub use conflate::Conflator;
pub use feature_pipeline::{PipelineError, pipelined_features};
pub use file::FileBytes;
pub use handlers::{MoldHandler, StreamHandler};
pub use merge::{Merge, Merged, Source};
pub use outbox::UdpSender;
pub use pipeline::pipelined;
pub use reader::{Clock, Handler, Origin, Reader};
pub use soup::SoupHandler;
pub use soup_server::{ServerMetrics, SoupServer, SoupServerSettings};
pub use stamps::ReceiveTime;
pub use tcp::{Backoff, TcpSettings, read_tcp};
pub use udp::{UdpLine, UdpSettings, read_udp};

/// The system's clock, for tests.
#[cfg(test)]
fn test_clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

//! NASDAQ TotalView-ITCH 5.0: its messages, and the stream of events that they become.
//!
//! ```
//! use zomma_market::{event::{Body, Event}, feed::Decoder as _, itch};
//!
//! let mut file = Vec::new();
//! let header = itch::Header { stock_locate: 7, tracking_number: 0, timestamp_ns: 34_200_000_000_000 };
//! let delete = itch::message::OrderDelete { header, order_reference: 42 };
//! itch::encode_framed(&delete.into(), &mut file);
//!
//! let mut events: Vec<Event> = Vec::new();
//! let mut decoder = itch::Decoder::new(1_340_251_200_000_000_000);
//! decoder.feed(&file, &mut events)?;
//! decoder.finish(&mut events)?;
//! assert_eq!(decoder.instruments().latest(events[1].instrument).unwrap().symbol, "locate 7");
//! assert!(matches!(events[1].body, Body::Cancel { order_id: 42, .. }));
//! # Ok::<(), zomma_market::feed::FeedError>(())
//! ```

mod decoder;
pub mod message;
mod normaliser;
#[cfg(test)]
mod samples;

pub use decoder::{Decoder, encode_framed};
pub use message::{Header, Message, Stock};
pub use normaliser::{Arrival, Normaliser};

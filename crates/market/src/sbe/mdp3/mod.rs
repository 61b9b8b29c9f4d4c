//! CME MDP 3.0: packets of SBE messages, and the stream of events that they become; written as well as read.
//!
//! The schema is a file: [`schema`] is Zomma's own description of the messages that it reads, [`Schema::read`] takes CME's own.
//!
//! Source: CME Group Client Systems Wiki, "CME MDP 3.0 Market Data".

mod arbiter;
mod capture;
mod channel;
mod decoder;
mod ladder;
mod out;
mod packet;
mod publisher;
mod security;
mod templates;
#[cfg(test)]
mod tests;

pub use arbiter::{ArbiterSettings, PacketCounts};
pub use capture::{CaptureDecoder, is_packet};
pub use channel::View;
pub use decoder::{Mdp3Decoder, Settings};
pub use ladder::UpdateAction;
pub use packet::{PACKET_HEADER_BYTES, Packet, PacketError};
pub use publisher::{
    BookEntry, Definition, EntryType, OrderEntry, PacketWriter, SnapshotHead, SnapshotOrder, TradeEntry,
};
pub use security::{BookState, OrderAction};
pub use templates::TemplateError;

use super::{Schema, SchemaError};

/// Zomma's own description of the messages of MDP 3.0 that it reads, as of version 9 of CME's schema.
pub const TEMPLATES_XML: &str = include_str!("templates.xml");

/// The tables of [`TEMPLATES_XML`].
///
/// # Errors
///
/// [`SchemaError`], which a test says does not come.
pub fn schema() -> Result<Schema, SchemaError> {
    Schema::read(TEMPLATES_XML)
}

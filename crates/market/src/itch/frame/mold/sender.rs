//! What a venue sends: many messages to a packet, heartbeats, the end of the session.

use thiserror::Error;

use super::packet::{END_OF_SESSION, HEADER_BYTES, LENGTH_BYTES, write_header};
use crate::itch::frame::SessionName;

/// Packs the messages of a session into packets up to a size, and numbers them.
///
/// Packets are given to `send`, which sends them on each line. To answer a request, another sender that begins at the number asked for is given the
/// same messages.
#[derive(Debug, Clone)]
pub struct Sender {
    session: SessionName,
    /// The number of the first message in the packet.
    sequence: u64,
    /// How many messages the packet has.
    messages: u16,
    /// The packet, with room for a header.
    packet: Vec<u8>,
    largest_bytes: usize,
}

impl Sender {
    /// A sender whose next message has this number (1 begins a session), and whose packets have at most so many bytes: 1,472 fill one Ethernet
    /// frame. A size without room for a message of one byte is raised to that; one above the 65,507 bytes of a UDP packet is lowered.
    pub fn new(session: SessionName, sequence: u64, largest_bytes: usize) -> Self {
        const LARGEST_UDP_BYTES: usize = 65_507;
        let largest_bytes = largest_bytes.clamp(HEADER_BYTES + LENGTH_BYTES + 1, LARGEST_UDP_BYTES);
        let mut packet = Vec::with_capacity(largest_bytes);
        packet.resize(HEADER_BYTES, 0);
        Self { session, sequence, messages: 0, packet, largest_bytes }
    }

    /// Adds a message, and gives its number. The packet before it is sent where both do not fit.
    ///
    /// # Errors
    ///
    /// [`MessageTooLong`] where no packet can hold it; it has no number then.
    pub fn push(&mut self, message: &[u8], send: &mut impl FnMut(&[u8])) -> Result<u64, MessageTooLong> {
        let allowed = self.largest_bytes - HEADER_BYTES - LENGTH_BYTES;
        let length = match u16::try_from(message.len()) {
            Ok(length) if message.len() <= allowed => length,
            _ => return Err(MessageTooLong { found: message.len(), allowed }),
        };
        let full = self.packet.len() + LENGTH_BYTES + message.len() > self.largest_bytes;
        if full || self.messages == END_OF_SESSION - 1 {
            self.flush(send);
        }
        self.packet.extend_from_slice(&length.to_be_bytes());
        self.packet.extend_from_slice(message);
        self.messages += 1;
        Ok(self.next_sequence() - 1)
    }

    /// Sends the packet, where it has messages.
    pub fn flush(&mut self, send: &mut impl FnMut(&[u8])) {
        if self.messages > 0 {
            self.packet[..HEADER_BYTES].copy_from_slice(&write_header(self.session, self.sequence, self.messages));
            send(&self.packet);
            self.sequence = self.next_sequence();
            self.messages = 0;
            self.packet.truncate(HEADER_BYTES);
        }
    }

    /// Sends the packet, and a heartbeat behind it: once a second where nothing else is sent.
    pub fn heartbeat(&mut self, send: &mut impl FnMut(&[u8])) {
        self.flush(send);
        send(&write_header(self.session, self.sequence, 0));
    }

    /// Sends the packet, and behind it that the session has ended: again and again for a short while.
    pub fn end_of_session(&mut self, send: &mut impl FnMut(&[u8])) {
        self.flush(send);
        send(&write_header(self.session, self.sequence, END_OF_SESSION));
    }

    /// The number of the next message.
    pub fn next_sequence(&self) -> u64 {
        self.sequence.saturating_add(u64::from(self.messages))
    }
}

/// A message that fits into no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a message of {found} bytes; allowed: {allowed} in a packet of the size that was asked for")]
pub struct MessageTooLong {
    /// How many bytes it has.
    pub found: usize,
    /// How many it may have.
    pub allowed: usize,
}

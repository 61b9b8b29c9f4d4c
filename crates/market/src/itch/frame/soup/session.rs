//! The numbered messages of a session, kept so that a client can be given them from any number on.

use super::packet::{LARGEST_PAYLOAD, PacketError, ServerPacket};
use crate::itch::frame::SessionName;

/// All sequenced messages of one session, numbered from 1, in memory for as long as the session lasts: their bytes and eight more each.
#[derive(Debug, Clone)]
pub struct Session {
    name: SessionName,
    bytes: Vec<u8>,
    /// Where each message ends in `bytes`.
    ends: Vec<usize>,
    is_over: bool,
}

impl Session {
    /// A session without messages.
    pub fn new(name: SessionName) -> Self {
        Self { name, bytes: Vec::new(), ends: Vec::new(), is_over: false }
    }

    /// Adds a message, and gives its number.
    ///
    /// # Errors
    ///
    /// [`SessionError`] where no packet can carry the message, or the session is over; it has no number then.
    pub fn push(&mut self, message: &[u8]) -> Result<u64, SessionError> {
        if self.is_over {
            return Err(SessionError::IsOver);
        }
        if message.len() > LARGEST_PAYLOAD {
            return Err(PacketError::TooLong { found: message.len() }.into());
        }
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
        Ok(self.ends.len() as u64)
    }

    /// Ends the session: clients are told once they have its last message.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// Its name.
    pub fn name(&self) -> SessionName {
        self.name
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The number of the next message that there will be.
    pub fn next_sequence(&self) -> u64 {
        self.ends.len() as u64 + 1
    }

    /// The message of a number, where there is one.
    pub fn message(&self, sequence: u64) -> Option<&[u8]> {
        let place = usize::try_from(sequence.checked_sub(1)?).ok()?;
        let end = *self.ends.get(place)?;
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[begin..end])
    }

    /// Appends the packets of messages from a number on, until `out` has so many bytes or more, or there is no further message. Gives the number
    /// of the message that is next.
    pub(super) fn write_from(&self, mut sequence: u64, until_bytes: usize, out: &mut Vec<u8>) -> u64 {
        while out.len() < until_bytes
            && let Some(message) = self.message(sequence)
        {
            let written = ServerPacket::Sequenced(message).encode(out);
            debug_assert!(written.is_ok(), "the length was looked at when the message came: {written:?}");
            sequence += 1;
        }
        sequence
    }
}

/// Why a session takes no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// It has ended.
    #[error("the session is over: it takes no more messages")]
    IsOver,
    /// No packet can carry the message.
    #[error(transparent)]
    Packet(#[from] PacketError),
}

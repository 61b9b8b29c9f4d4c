//! CME's packets: a header, then messages, each behind its size ("MDP 3.0 - Binary Packet Header" and "Message Header").

use thiserror::Error;

/// How many bytes stand before a packet's messages: its number and when it was sent.
pub const PACKET_HEADER_BYTES: usize = 12;
/// How many bytes a message's size takes; the size counts them too.
pub(super) const SIZE_BYTES: usize = 2;

/// A packet, every size in it checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'p> {
    /// Its number on its feed, from 1.
    pub sequence: u32,
    /// When it was sent, in nanoseconds since the Unix epoch.
    pub sending_ns: u64,
    messages: &'p [u8],
}

/// Why a packet was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    /// It ends within its header.
    #[error("a packet of {0} bytes; allowed: {PACKET_HEADER_BYTES} or more")]
    Header(usize),
    /// A message's size is less than its own, or more than is left.
    #[error("packet {sequence}: a message of size {size} where {left} bytes are left; allowed: {SIZE_BYTES} to {left}")]
    Size {
        /// The packet's number.
        sequence: u32,
        /// The size that the message tells.
        size: usize,
        /// How many bytes there are from there on.
        left: usize,
    },
}

impl<'p> Packet<'p> {
    /// Reads a packet.
    ///
    /// # Errors
    ///
    /// [`PacketError`] where its sizes do not fit together; no message of it can be trusted then.
    pub fn decode(packet: &'p [u8]) -> Result<Self, PacketError> {
        let error = PacketError::Header(packet.len());
        let (sequence, rest) = packet.split_first_chunk::<4>().ok_or(error)?;
        let (sending, messages) = rest.split_first_chunk::<8>().ok_or(error)?;
        let (sequence, sending_ns) = (u32::from_le_bytes(*sequence), u64::from_le_bytes(*sending));
        let mut rest = messages;
        while !rest.is_empty() {
            let size = rest.first_chunk::<SIZE_BYTES>().map_or(0, |size| usize::from(u16::from_le_bytes(*size)));
            let left = rest.len();
            (_, rest) = next_message(rest).ok_or(PacketError::Size { sequence, size, left })?;
        }
        Ok(Self { sequence, sending_ns, messages })
    }

    /// Its messages, each from its SBE header on.
    #[inline]
    pub fn messages(&self) -> impl Iterator<Item = &'p [u8]> + use<'p> {
        let mut rest = self.messages;
        std::iter::from_fn(move || {
            let (message, behind) = next_message(rest)?;
            rest = behind;
            Some(message)
        })
    }
}

#[inline]
fn next_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let size = usize::from(u16::from_le_bytes(*bytes.first_chunk::<SIZE_BYTES>()?));
    let (message, behind) = bytes.split_at_checked(size)?;
    Some((message.get(SIZE_BYTES..)?, behind))
}

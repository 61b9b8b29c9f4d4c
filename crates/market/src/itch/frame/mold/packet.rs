//! The packets of MoldUDP64: downstream packets with messages, heartbeats and ends of session, and requests.

use thiserror::Error;

use crate::itch::frame::SessionName;

/// How many bytes come before a packet's messages; a request has no more than these.
pub const HEADER_BYTES: usize = 20;
/// In place of a count of messages: the session has ended (section "End of Session").
pub(super) const END_OF_SESSION: u16 = u16::MAX;
/// How many bytes a message's length takes.
pub(super) const LENGTH_BYTES: usize = 2;

/// What a downstream packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// This many messages, from the packet's number on.
    Messages(u16),
    /// None: the packet tells the number of the next message.
    Heartbeat,
    /// None, and none will follow: the packet's number is one past the last message's.
    EndOfSession,
}

/// A packet from the venue, every length in it checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downstream<'p> {
    /// The session.
    pub session: SessionName,
    /// The number of its first message, or of the next one where it has none.
    pub sequence: u64,
    /// What it is.
    pub content: Content,
    blocks: &'p [u8],
}

impl<'p> Downstream<'p> {
    /// Reads a packet.
    ///
    /// # Errors
    ///
    /// [`PacketError`] where its lengths do not fit together; no message of it can be trusted then.
    pub fn decode(packet: &'p [u8]) -> Result<Self, PacketError> {
        let (session, sequence, count, blocks) = header(packet)?;
        let content = match count {
            0 => Content::Heartbeat,
            END_OF_SESSION => Content::EndOfSession,
            count => Content::Messages(count),
        };
        let messages = if let Content::Messages(count) = content { count } else { 0 };
        if sequence.checked_add(u64::from(messages)).is_none() {
            return Err(PacketError::Sequence { sequence, messages });
        }
        let mut rest = blocks;
        for message in 0..messages {
            (_, rest) = next_message(rest).ok_or(PacketError::Message { message, messages, left: rest.len() })?;
        }
        if !rest.is_empty() {
            return Err(PacketError::Left { messages, left: rest.len() });
        }
        Ok(Self { session, sequence, content, blocks })
    }

    /// One past the number of its last message; its own number where it has none.
    pub fn end_sequence(&self) -> u64 {
        match self.content {
            Content::Messages(count) => self.sequence.saturating_add(u64::from(count)),
            Content::Heartbeat | Content::EndOfSession => self.sequence,
        }
    }

    /// Its messages, in the order of their numbers.
    pub fn messages(&self) -> impl Iterator<Item = &'p [u8]> + use<'p> {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            let (message, behind) = next_message(rest)?;
            rest = behind;
            Some(message)
        })
    }
}

/// A message and what is behind it; `None` where the bytes do not hold one.
#[inline]
fn next_message(blocks: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, behind) = blocks.split_first_chunk::<LENGTH_BYTES>()?;
    behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Session, number, count, and the bytes behind them.
fn header(packet: &[u8]) -> Result<(SessionName, u64, u16, &[u8]), PacketError> {
    let short = PacketError::Short { found: packet.len() };
    let (session, rest) = packet.split_first_chunk().ok_or(short)?;
    let (sequence, rest) = rest.split_first_chunk().ok_or(short)?;
    let (count, rest) = rest.split_first_chunk().ok_or(short)?;
    Ok((SessionName(*session), u64::from_be_bytes(*sequence), u16::from_be_bytes(*count), rest))
}

/// Writes what `header` reads.
pub(super) fn write_header(session: SessionName, sequence: u64, count: u16) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..10].copy_from_slice(&session.0);
    bytes[10..18].copy_from_slice(&sequence.to_be_bytes());
    bytes[18..].copy_from_slice(&count.to_be_bytes());
    bytes
}

/// Asks the venue's re-request server for messages again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The session.
    pub session: SessionName,
    /// The number of the first message wanted.
    pub sequence: u64,
    /// How many are wanted.
    pub count: u16,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`PacketError`] where it has another length.
    pub fn decode(packet: &[u8]) -> Result<Self, PacketError> {
        match header(packet)? {
            (session, sequence, count, []) => Ok(Self { session, sequence, count }),
            (.., left) => Err(PacketError::Left { messages: 0, left: left.len() }),
        }
    }

    /// The request's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        write_header(self.session, self.sequence, self.count)
    }
}

/// Why bytes are no packet of MoldUDP64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    /// There is no whole header.
    #[error("a packet of {found} bytes; allowed: {HEADER_BYTES} of header and what its messages take")]
    Short {
        /// How many bytes there are.
        found: usize,
    },
    /// A message is cut off.
    #[error(
        "message {message} of {messages}: {left} bytes are left; allowed: a u16 length and as many bytes as it says"
    )]
    Message {
        /// Which one, from 0.
        message: u16,
        /// How many the header tells.
        messages: u16,
        /// Bytes left for it.
        left: usize,
    },
    /// Bytes follow the last message.
    #[error("{left} bytes behind the last of {messages} messages; allowed: none")]
    Left {
        /// How many messages the header tells.
        messages: u16,
        /// How many bytes are left.
        left: usize,
    },
    /// The numbers end within the packet.
    #[error("{messages} messages from number {sequence}; allowed: numbers below 2^64")]
    Sequence {
        /// The number of the first message.
        sequence: u64,
        /// How many there are.
        messages: u16,
    },
}

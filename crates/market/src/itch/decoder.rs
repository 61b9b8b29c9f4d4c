//! ITCH 5.0 in a file: Nasdaq's BinaryFILE framing, each message behind its length as a big-endian `u16`.

use super::{
    message::{LONGEST, Message},
    normaliser::{Arrival, Normaliser},
};
use crate::{
    ahead::Ahead,
    event::Sink,
    feed::{self, Counts, FeedError},
    instruments::Instruments,
};

/// How many bytes a frame's length takes.
const PREFIX: usize = 2;
/// What is kept of a frame that comes in pieces: one byte more than the longest message, so that a longer one is known by its length.
const HELD: usize = PREFIX + LONGEST + 1;

/// Decodes a file of ITCH 5.0 messages; what each becomes is told at [`Normaliser`].
///
/// Whole frames are read where they lie, so a file that is mapped into memory is not copied; of a frame that a split cuts, as much is kept
/// as the longest message has. An event's sequence is the count of messages from the start of the stream, from 1. A frame of length zero, with
/// which a session ends, is no message: it is not counted, and what follows is read on. Every other frame is one message and one
/// [`Sink::message_end`], whether anything is known of it or not.
#[derive(Debug, Clone)]
pub struct Decoder {
    normaliser: Normaliser,
    /// Bytes fed before those in hand.
    offset: u64,
    /// The first bytes of the frame that is not whole yet.
    held: [u8; HELD],
    /// How many bytes of that frame there were; more than are held where it is long.
    received: usize,
}

impl Decoder {
    /// A decoder of a session whose midnight, New York, is at this time, in nanoseconds since the Unix epoch.
    pub fn new(midnight_ns: u64) -> Self {
        Self { normaliser: Normaliser::new(midnight_ns), offset: 0, held: [0; HELD], received: 0 }
    }

    #[inline(always)]
    fn message(&mut self, message: &[u8], sink: &mut impl Sink) {
        if !message.is_empty() {
            let sequence = self.normaliser.counts().messages + 1;
            self.normaliser.message(message, Arrival { sequence, receive_ns: None }, sink);
        }
    }

    /// How long the frame in pieces is, prefix and all; `None` while its length is not whole.
    fn frame_length(&self) -> Option<usize> {
        let prefix = self.held[..self.received.min(HELD)].first_chunk::<PREFIX>()?;
        Some(PREFIX + usize::from(u16::from_be_bytes(*prefix)))
    }

    /// Keeps the next bytes of a frame in pieces, as far as they are of use.
    fn hold(&mut self, bytes: &[u8]) {
        let free = &mut self.held[self.received.min(HELD)..];
        let kept = free.len().min(bytes.len());
        free[..kept].copy_from_slice(&bytes[..kept]);
        self.received += bytes.len();
    }

    /// Takes what the frame in pieces lacks from the front of the bytes, and gives what is behind it.
    #[cold]
    fn complete<'b>(&mut self, bytes: &'b [u8], sink: &mut impl Sink) -> &'b [u8] {
        let (prefix, behind) = bytes.split_at(PREFIX.saturating_sub(self.received).min(bytes.len()));
        self.hold(prefix);
        let Some(length) = self.frame_length() else { return behind };
        let (message, behind) = behind.split_at((length - self.received).min(behind.len()));
        self.hold(message);
        if self.received == length {
            self.received = 0;
            let held = self.held;
            self.message(&held[PREFIX..length.min(HELD)], sink);
        }
        behind
    }
}

/// The message of the first frame, and what is behind it; `None` where the frame is not whole.
#[inline(always)]
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, behind) = bytes.split_first_chunk::<PREFIX>()?;
    behind.split_at_checked(usize::from(u16::from_be_bytes(*prefix)))
}

impl Decoder {
    /// Takes whole frames, each after the sink was told [ahead](Sink::ahead) of it as far as it was at hand, and gives what is behind them.
    ///
    /// Every message of an order has the order's number at one place, so that nothing is asked of the messages' types, which nothing foretells: of
    /// others an order is told that there is not.
    #[inline(always)]
    fn feed_ahead<'b>(&mut self, bytes: &'b [u8], sink: &mut impl Sink) -> &'b [u8] {
        let (mut rest, mut ahead) = (bytes, Ahead::new(bytes));
        loop {
            ahead.tell(sink, split_frame, |message| self.normaliser.likely(message));
            let Some((message, behind)) = split_frame(rest) else { break };
            self.message(message, sink);
            rest = behind;
        }
        rest
    }
}

impl feed::Decoder for Decoder {
    /// Never an error: a frame's length leads to the next, whatever the message is.
    fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), FeedError> {
        let mut rest = bytes;
        if self.received > 0 {
            rest = self.complete(rest, sink);
        }
        if sink.looks_ahead() {
            rest = self.feed_ahead(rest, sink);
        }
        while let Some((message, behind)) = split_frame(rest) {
            self.message(message, sink);
            rest = behind;
        }
        self.hold(rest);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn finish(&mut self, _sink: &mut impl Sink) -> Result<(), FeedError> {
        let (received, length) = (self.received, self.frame_length());
        if received == 0 {
            return Ok(());
        }
        self.received = 0;
        let of = length.map_or("a u16 length".to_owned(), |length| length.to_string());
        Err(FeedError {
            offset: self.offset - received as u64,
            problem: format!(
                "the stream ends within a message: {received} bytes of {of}; allowed: whole messages, each behind a u16 length"
            ),
        })
    }

    fn instruments(&self) -> &Instruments {
        self.normaliser.instruments()
    }

    fn counts(&self) -> Counts {
        self.normaliser.counts()
    }
}

/// Appends a message as a file frames it: its length, then its bytes.
pub fn encode_framed(message: &Message, out: &mut Vec<u8>) {
    let mut bytes = [0; LONGEST];
    let length = message.write(&mut bytes);
    // No message is longer than `LONGEST`, which one byte can tell.
    const { assert!(LONGEST <= u8::MAX as usize) };
    out.extend_from_slice(&(length as u16).to_be_bytes());
    out.extend_from_slice(&bytes[..length]);
}

#[cfg(test)]
mod tests;

//! How bytes of a feed are given to a decoder, and what a decoder says of bytes that it cannot use.
//!
//! Decoders read no file and no socket: they are fed bytes, split anywhere, and give the same events however they were split.

use thiserror::Error;

use crate::{event::Sink, instruments::Instruments};

/// A decoder of one feed's bytes.
pub trait Decoder {
    /// Takes the next bytes of the stream, and gives each event that they complete.
    ///
    /// # Errors
    ///
    /// [`FeedError`] where nothing after this place can be told apart; what came before it has been given.
    fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), FeedError>;

    /// Told when the stream ends.
    ///
    /// # Errors
    ///
    /// [`FeedError`] where it ends within a message.
    fn finish(&mut self, sink: &mut impl Sink) -> Result<(), FeedError>;

    /// The instruments seen so far.
    fn instruments(&self) -> &Instruments;

    /// What has been counted so far.
    fn counts(&self) -> Counts;
}

/// What a decoder has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages taken, of every type.
    pub messages: u64,
    /// Messages that are known and have nothing to do with books or trades.
    pub passed_over: u64,
    /// Messages of a type that this decoder does not know.
    pub unknown: u64,
    /// Messages of a known type that make no sense: a wrong length, a field outside its range.
    pub malformed: u64,
    /// Messages that the feed says were sent and that never came.
    pub missing: u64,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("byte {offset}: {problem}")]
pub struct FeedError {
    /// Where, in bytes from the start of the stream.
    pub offset: u64,
    /// What is wrong, and what is allowed there.
    pub problem: String,
}

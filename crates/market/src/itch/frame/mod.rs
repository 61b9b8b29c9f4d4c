//! How ITCH messages travel: in TCP streams as SoupBinTCP ([`soup`]), in UDP packets as MoldUDP64 ([`mold`]).
//!
//! Both number the messages of a session from 1, and both are read here without a socket or a clock: bytes and times are arguments.

pub mod mold;
pub mod soup;

use super::normaliser::{Arrival, Normaliser};
use crate::event::Sink;

/// The venue's name of a session: ten letters and digits, padded with spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct SessionName(pub [u8; 10]);

impl SessionName {
    /// All spaces: in a login, whatever session is current.
    pub const ANY: Self = Self([b' '; 10]);
}

/// Takes the messages of a session in the order of their numbers, each once.
pub trait MessageSink {
    /// Takes the message of this number, received at this time in nanoseconds since the Unix epoch; one that waited for those before it, when its
    /// turn came.
    fn message(&mut self, sequence: u64, receive_ns: u64, message: &[u8]);

    /// Told that so many messages from this number on will not come any more.
    fn lost(&mut self, sequence: u64, count: u64);
}

/// Gives the messages of a session to a normaliser, and so their events to a sink.
#[derive(Debug)]
pub struct ToEvents<'t, S> {
    /// What makes events of messages.
    pub normaliser: &'t mut Normaliser,
    /// What takes the events.
    pub sink: &'t mut S,
}

impl<S: Sink> MessageSink for ToEvents<'_, S> {
    #[inline]
    fn message(&mut self, sequence: u64, receive_ns: u64, message: &[u8]) {
        self.normaliser.message(message, Arrival { sequence, receive_ns: Some(receive_ns) }, self.sink);
    }

    fn lost(&mut self, _sequence: u64, count: u64) {
        self.normaliser.lost(count);
    }
}

//! Two lines of packets in, events out.

use super::{Line, PacketError, Receiver, Request, Settings};
use crate::{
    event::Sink,
    feed::Counts,
    instruments::Instruments,
    itch::{frame::ToEvents, normaliser::Normaliser},
};

/// Makes events of a session of ITCH 5.0 that comes in MoldUDP64 packets on two lines.
///
/// An event's sequence is the session's number of its message. The first event of each stock after a gap that was given up has flag `GAP`; the
/// messages that were given up are counted as missing.
#[derive(Debug, Clone)]
pub struct MoldDecoder {
    receiver: Receiver,
    normaliser: Normaliser,
}

impl MoldDecoder {
    /// A decoder that begins at this time and with the message of this number ([`Receiver::new`]), for a session whose midnight, New York, is
    /// at `midnight_ns`; times in nanoseconds since the Unix epoch.
    pub fn new(midnight_ns: u64, settings: Settings, first_sequence: Option<u64>, now_ns: u64) -> Self {
        Self { receiver: Receiver::new(settings, first_sequence, now_ns), normaliser: Normaliser::new(midnight_ns) }
    }

    /// Takes a packet, and gives the events of the messages whose turn has come.
    ///
    /// # Errors
    ///
    /// [`PacketError`] of a packet that makes no sense; it has been counted, and the next can be taken.
    pub fn receive(&mut self, line: Line, now_ns: u64, packet: &[u8], sink: &mut impl Sink) -> Result<(), PacketError> {
        self.receiver.receive(line, now_ns, packet, &mut ToEvents { normaliser: &mut self.normaliser, sink })
    }

    /// Told the time when no packet is there: gives up a gap that has been open for too long, and gives the request that is to be sent now.
    pub fn poll(&mut self, now_ns: u64, sink: &mut impl Sink) -> Option<Request> {
        self.receiver.give_up_late(now_ns, &mut ToEvents { normaliser: &mut self.normaliser, sink });
        self.receiver.request(now_ns)
    }

    /// Told that no more packets will come: gives up every gap, and gives the events of what came behind them.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        self.receiver.finish(&mut ToEvents { normaliser: &mut self.normaliser, sink });
    }

    /// What receives the packets: which line is silent, whether the session is over, what was counted of packets.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The instruments seen so far.
    pub fn instruments(&self) -> &Instruments {
        self.normaliser.instruments()
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        self.normaliser.counts()
    }
}

//! ITCH over SoupBinTCP from a server that is connected to: what a lost connection missed is asked for again.

use super::{
    channel::Outlet,
    reader::{Handler, Origin},
};
use crate::itch::{
    Normaliser,
    frame::{
        ToEvents,
        soup::{Client, Login, State},
    },
};

/// Logs in to a session of ITCH over SoupBinTCP, gives its events with the time of receipt, and goes on from the next number when the connection
/// has been made again: nothing is lost that the server still has. What it has no more is counted, and [`GAP`](crate::event::Flags::GAP) tells
/// it.
///
/// A server that is silent for 15 s, heartbeats included, counts as lost. When the session has ended, or the login is refused, the reader ends too.
#[derive(Debug)]
pub struct SoupHandler<O> {
    client: Client,
    normaliser: Normaliser,
    outlet: O,
}

impl<O: Outlet> SoupHandler<O> {
    /// Will log in so, and give the events of a day whose midnight is at this time, in nanoseconds since the Unix epoch, to an outlet.
    pub fn new(login: Login, midnight_ns: u64, outlet: O) -> Self {
        Self { client: Client::new(login), normaliser: Normaliser::new(midnight_ns), outlet }
    }

    /// How it stands with its server, and what has been counted of packets.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What has been counted of messages, and the instruments.
    pub fn normaliser(&self) -> &Normaliser {
        &self.normaliser
    }

    /// The client, the normaliser and the outlet.
    pub fn into_parts(self) -> (Client, Normaliser, O) {
        (self.client, self.normaliser, self.outlet)
    }
}

impl<O: Outlet + Send> Handler for SoupHandler<O> {
    fn begin(&mut self, now_ns: u64, reply: &mut Vec<u8>) {
        self.client.connected(now_ns, reply);
    }

    fn receive(&mut self, _origin: Origin, now_ns: u64, bytes: &[u8], _reply: &mut Vec<u8>) -> Result<(), String> {
        let Self { client, normaliser, outlet } = self;
        let outcome = client.receive(now_ns, bytes, &mut ToEvents { normaliser, sink: outlet });
        self.outlet.flush();
        outcome.map_err(|error| error.to_string())
    }

    fn idle(&mut self, now_ns: u64, reply: &mut Vec<u8>) -> bool {
        self.outlet.flush();
        self.client.poll(now_ns, reply) && !self.is_done()
    }

    fn end(&mut self) -> Result<(), String> {
        self.client.disconnected();
        Ok(())
    }

    fn is_done(&self) -> bool {
        matches!(self.client.state(), State::Ended | State::Rejected(_))
    }
}

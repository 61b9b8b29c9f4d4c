//! What turns received bytes into events: any decoder of a stream, and ITCH over MoldUDP64.

use super::{
    channel::Outlet,
    reader::{Handler, Origin},
};
use crate::{
    event::{Event, Flags, Sink},
    feed::Decoder,
    instruments::Instruments,
    itch::frame::mold::{Line, MoldDecoder},
};

/// Feeds a connection's stream to a decoder, whose events then have the time of receipt.
///
/// When a connection is gone the decoder is told that its stream has ended, and takes the next one from its beginning; instruments keep their
/// numbers. What was sent between the two is lost: on the new connection the first event of each instrument has [`Flags::GAP`]. (A protocol
/// that can ask for what it missed, such as SoupBinTCP, is a [`Handler`] of its own.)
#[derive(Debug)]
pub struct StreamHandler<D, O> {
    decoder: D,
    outlet: O,
    streams: u32,
    /// When the latest bytes came.
    received_ns: u64,
    /// The stream on which each instrument was heard last.
    heard_on: Vec<u32>,
}

impl<D: Decoder, O: Outlet> StreamHandler<D, O> {
    /// Gives the decoder's events to an outlet, often the [`Sender`](super::Sender) of a channel.
    pub fn new(decoder: D, outlet: O) -> Self {
        Self { decoder, outlet, streams: 0, received_ns: 0, heard_on: Vec::new() }
    }

    /// The decoder.
    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    /// The decoder and the outlet.
    pub fn into_parts(self) -> (D, O) {
        (self.decoder, self.outlet)
    }
}

impl<D: Decoder + Send, O: Outlet + Send> Handler for StreamHandler<D, O> {
    fn begin(&mut self, _now_ns: u64, _reply: &mut Vec<u8>) {
        self.streams += 1;
    }

    fn receive(&mut self, _origin: Origin, now_ns: u64, bytes: &[u8], _reply: &mut Vec<u8>) -> Result<(), String> {
        self.received_ns = now_ns;
        let Self { decoder, outlet, streams, heard_on, .. } = self;
        let outcome = decoder.feed(bytes, &mut Received { outlet, now_ns, stream: *streams, heard_on });
        outlet.flush();
        outcome.map_err(|error| error.to_string())
    }

    fn idle(&mut self, _now_ns: u64, _reply: &mut Vec<u8>) -> bool {
        self.outlet.flush();
        true
    }

    fn end(&mut self) -> Result<(), String> {
        // What the end completes came with the last bytes.
        let Self { decoder, outlet, streams, received_ns, heard_on } = self;
        let outcome = decoder.finish(&mut Received { outlet, now_ns: *received_ns, stream: *streams, heard_on });
        outlet.flush();
        outcome.map_err(|error| error.to_string())
    }
}

/// Gives events on with the time of receipt, and a gap told where the stream is another one.
struct Received<'o, O> {
    outlet: &'o mut O,
    now_ns: u64,
    stream: u32,
    heard_on: &'o mut Vec<u32>,
}

impl<O: Sink> Sink for Received<'_, O> {
    fn event(&mut self, event: &Event) {
        let mut event = Event { receive_ns: self.now_ns, ..*event };
        let number = event.instrument.0 as usize;
        // Decoders number instruments from 0 on, so this is as long as their table.
        if number >= self.heard_on.len() {
            self.heard_on.resize(number + 1, 0);
        }
        if std::mem::replace(&mut self.heard_on[number], self.stream) != self.stream && self.stream > 1 {
            event.flags.0 |= Flags::GAP.0;
        }
        self.outlet.event(&event);
    }

    fn message_end(&mut self, instruments: &Instruments) {
        self.outlet.message_end(instruments);
    }
}

/// Feeds packets of one session of ITCH over MoldUDP64, from one or two lines, to its decoder, and sends the decoder's requests.
#[derive(Debug)]
pub struct MoldHandler<O> {
    decoder: MoldDecoder,
    outlet: O,
}

impl<O: Outlet> MoldHandler<O> {
    /// Gives the decoder's events to an outlet.
    pub fn new(decoder: MoldDecoder, outlet: O) -> Self {
        Self { decoder, outlet }
    }

    /// The decoder.
    pub fn decoder(&self) -> &MoldDecoder {
        &self.decoder
    }

    /// The decoder and the outlet.
    pub fn into_parts(self) -> (MoldDecoder, O) {
        (self.decoder, self.outlet)
    }
}

impl<O: Outlet + Send> Handler for MoldHandler<O> {
    fn receive(&mut self, origin: Origin, now_ns: u64, bytes: &[u8], _reply: &mut Vec<u8>) -> Result<(), String> {
        let line = match origin {
            Origin::Line(0) => Line::A,
            Origin::Line(_) => Line::B,
            Origin::Reply => Line::Reply,
        };
        let outcome = self.decoder.receive(line, now_ns, bytes, &mut self.outlet);
        self.outlet.flush();
        outcome.map_err(|error| error.to_string())
    }

    fn idle(&mut self, now_ns: u64, reply: &mut Vec<u8>) -> bool {
        if let Some(request) = self.decoder.poll(now_ns, &mut self.outlet) {
            reply.extend_from_slice(&request.encode());
        }
        self.outlet.flush();
        true
    }

    /// Messages that wait behind a gap are given, and the gap is counted.
    fn end(&mut self) -> Result<(), String> {
        self.decoder.finish(&mut self.outlet);
        self.outlet.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Body,
        itch::{
            Header, Message,
            frame::{
                SessionName,
                mold::{Sender, Settings},
            },
            message::OrderDelete,
        },
        tardis::TardisDecoder,
    };

    #[test]
    fn events_that_the_end_of_a_stream_completes_are_as_those_before() {
        let mut handler = StreamHandler::new(TardisDecoder::new(), Vec::new());
        let file = b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\nx,y,1,2,false,bid,1,1\n";
        for now_ns in [50, 90] {
            handler.begin(now_ns, &mut Vec::new());
            handler.receive(Origin::Line(0), now_ns, file, &mut Vec::new()).unwrap();
            handler.end().unwrap();
        }
        let seen: Vec<_> =
            handler.outlet.iter().map(|event| (event.receive_ns, event.flags.contains(Flags::GAP))).collect();
        assert_eq!(seen, [(50, false), (90, true)]);
    }

    #[test]
    fn messages_that_wait_behind_a_gap_are_given_when_the_reader_stops() {
        let decoder = MoldDecoder::new(0, Settings::default(), Some(1), 0);
        let mut handler = MoldHandler::new(decoder, Vec::new());
        let mut send = |sequence: u64, now_ns| {
            let header = Header { stock_locate: 7, tracking_number: 0, timestamp_ns: 1 };
            let mut bytes = Vec::new();
            Message::from(OrderDelete { header, order_reference: sequence }).encode(&mut bytes);
            let mut sender = Sender::new(SessionName(*b"000000012A"), sequence, 1_472);
            let mut receive = |packet: &[u8]| {
                handler.receive(Origin::Line(0), now_ns, packet, &mut Vec::new()).unwrap();
            };
            sender.push(&bytes, &mut receive).unwrap();
            sender.flush(&mut receive);
        };
        send(1, 10);
        send(4, 20);
        send(5, 30);
        handler.end().unwrap();
        assert_eq!(handler.decoder().counts().missing, 2);
        let deletes = handler.outlet.iter().filter(|event| event.body != Body::Definition);
        let seen: Vec<_> = deletes.map(|event| (event.sequence, event.flags.contains(Flags::GAP))).collect();
        assert_eq!(seen, [(1, false), (4, true), (5, false)]);
    }
}

//! What fuzzers call: each reader of bytes from outside behind one kind of entry.
//!
//! The targets of `fuzz/` (cargo-fuzz, which needs a nightly compiler) call these, and so does a test on every run, over a corpus that our
//! own encoders make and seeded mutations of it. An entry must return for any bytes: no panic, no endless loop, and no memory that the bytes do not pay for.

use std::{
    io::{Cursor, Read as _},
    sync::{Arc, OnceLock},
};

use crate::{
    bars,
    binance::BinanceDecoder,
    book::{Books, Limits},
    chain,
    container::{Datagram, datagrams, is_zip, unwrapped, zip_members},
    dbn::DbnDecoder,
    event::{Event, Sink},
    feed::Decoder,
    instruments::Instruments,
    itch::{
        self,
        frame::{
            MessageSink, SessionName,
            mold::{Line, MoldDecoder},
            soup::{Client, Conversation, Login, ServerSettings, Session},
        },
    },
    lobster,
    sbe::{Schema, mdp3},
    tardis::TardisDecoder,
};

/// One reader.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its binary in `fuzz/`, and of the folder of its corpus.
    pub name: &'static str,
    /// Reads these bytes.
    pub run: fn(&[u8]),
}

/// Every reader.
pub const TARGETS: [Target; 15] = [
    Target { name: "itch50", run: |bytes| stream(itch::Decoder::new(0), bytes) },
    Target { name: "mold", run: mold },
    Target { name: "soup_client", run: soup_client },
    Target { name: "soup_server", run: soup_server },
    Target { name: "lobster", run: |bytes| stream(lobster::Decoder::new("X", 0), bytes) },
    Target { name: "dbn", run: |bytes| stream(DbnDecoder::new(), bytes) },
    Target { name: "binance", run: |bytes| stream(BinanceDecoder::new(), bytes) },
    Target { name: "tardis", run: |bytes| stream(TardisDecoder::new(), bytes) },
    Target { name: "mdp3", run: mdp3_packets },
    Target { name: "sbe_schema", run: sbe_schema },
    Target { name: "capture", run: capture },
    Target { name: "container", run: container },
    Target { name: "chain", run: chain_file },
    Target { name: "bars", run: bars_file },
    Target { name: "checkpoint", run: checkpoint },
];

/// The reader of a name.
pub fn find(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Reads bytes by the reader of a name; none where there is no such reader.
pub fn run(name: &str, bytes: &[u8]) {
    if let Some(target) = find(name) {
        (target.run)(bytes);
    }
}

/// A decompressed file is read no further.
const MOST_UNPACKED: u64 = 1 << 20;

/// Keeps books of what it is given, which must stand any events.
#[derive(Default)]
struct Listener(Books);

impl Sink for Listener {
    fn event(&mut self, event: &Event) {
        self.0.apply(event);
    }

    fn message_end(&mut self, _: &Instruments) {}
}

impl MessageSink for Listener {
    fn message(&mut self, _sequence: u64, _receive_ns: u64, _message: &[u8]) {}

    fn lost(&mut self, _sequence: u64, _count: u64) {}
}

/// Feeds a decoder in pieces, whose length the first byte tells.
fn stream(mut decoder: impl Decoder, bytes: &[u8]) {
    let Some((&length, bytes)) = bytes.split_first() else { return };
    let mut listener = Listener::default();
    for piece in bytes.chunks(1 + usize::from(length)) {
        // What has failed may be fed on.
        let _ = decoder.feed(piece, &mut listener);
    }
    let _ = decoder.finish(&mut listener);
}

/// Packets, each behind a byte of its own (which line or feed) and its length in two.
fn packets(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([kind, low, high], rest) = bytes.split_first_chunk()?;
        let (packet, behind) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
        bytes = behind;
        Some((*kind, packet))
    })
}

fn mold(bytes: &[u8]) {
    let mut decoder = MoldDecoder::new(0, itch::frame::mold::Settings::default(), None, 0);
    let mut listener = Listener::default();
    for (time_ns, (line, packet)) in (0_u64..).step_by(1_000_000).zip(packets(bytes)) {
        let line = [Line::A, Line::B, Line::Reply][usize::from(line % 3)];
        let _ = decoder.receive(line, time_ns, packet, &mut listener);
        decoder.poll(time_ns, &mut listener);
    }
    decoder.finish(&mut listener);
}

fn soup_client(bytes: &[u8]) {
    let login = Login { username: *b"zomma ", password: [b' '; 10], session: SessionName::ANY, sequence: 1 };
    let (mut client, mut listener, mut out) = (Client::new(login), Listener::default(), Vec::new());
    client.connected(0, &mut out);
    for (now_ns, piece) in (0..).zip(bytes.chunks(7)) {
        if client.receive(now_ns, piece, &mut listener).is_err() {
            client.connected(now_ns, &mut out);
        }
    }
    client.poll(u64::MAX, &mut out);
}

fn soup_server(bytes: &[u8]) {
    let settings = ServerSettings { accounts: vec![(*b"zomma ", [b' '; 10])], ..ServerSettings::default() };
    let mut session = Session::new(SessionName([b'S'; 10]));
    let _ = session.push(b"message");
    let mut server = Conversation::new(0);
    for (now_ns, piece) in (0..).zip(bytes.chunks(7)) {
        if server.receive(now_ns, piece, (&settings, &session), |_| {}).is_err() {
            return;
        }
        let _ = server.poll(now_ns, &settings, &session);
        server.sent(5);
    }
}

/// Our own schema, read once.
fn schema() -> Option<Arc<Schema>> {
    static SCHEMA: OnceLock<Option<Arc<Schema>>> = OnceLock::new();
    SCHEMA.get_or_init(|| mdp3::schema().ok().map(Arc::new)).clone()
}

fn mdp3_packets(bytes: &[u8]) {
    let Some(schema) = schema() else { return };
    for view in [mdp3::View::Levels, mdp3::View::Orders] {
        let settings = mdp3::Settings { view, most_held_changes: 1_000, ..mdp3::Settings::default() };
        let Ok(mut decoder) = mdp3::Mdp3Decoder::new(Arc::clone(&schema), settings) else { return };
        let mut listener = Listener::default();
        for (time_ns, (feed, packet)) in (0..).step_by(1_000_000).zip(packets(bytes)) {
            let _ = match feed % 2 {
                0 => decoder.incremental(time_ns, packet, &mut listener),
                _ => decoder.recovery(time_ns, packet, &mut listener),
            };
            decoder.poll(time_ns, &mut listener);
        }
        decoder.finish(u64::MAX, &mut listener);
    }
}

fn sbe_schema(bytes: &[u8]) {
    if let Ok(xml) = std::str::from_utf8(bytes)
        && let Ok(schema) = Schema::read(xml)
    {
        let _ = mdp3::CaptureDecoder::new(Arc::new(schema), mdp3::Settings::default());
    }
}

fn capture(bytes: &[u8]) {
    let Some(schema) = schema() else { return };
    let Ok(mut of_mdp3) = mdp3::CaptureDecoder::new(schema, mdp3::Settings::default()) else { return };
    let mut of_mold = MoldDecoder::new(0, itch::frame::mold::Settings::default(), None, 0);
    let mut listener = Listener::default();
    let _ = datagrams(bytes, |datagram: Datagram<'_>| {
        of_mdp3.datagram(&datagram, &mut listener);
        let line = if datagram.destination.port().is_multiple_of(2) { Line::A } else { Line::B };
        let _ = of_mold.receive(line, datagram.time_ns, datagram.payload, &mut listener);
    });
    of_mdp3.finish(&mut listener);
    of_mold.finish(&mut listener);
}

fn container(bytes: &[u8]) {
    if is_zip(bytes) {
        let _ = zip_members(bytes, MOST_UNPACKED);
    }
    if let Ok((_, source)) = unwrapped(Box::new(Cursor::new(bytes.to_vec()))) {
        let _ = source.take(MOST_UNPACKED).read_to_end(&mut Vec::new());
    }
}

fn chain_file(bytes: &[u8]) {
    let member = chain::Member { name: "chain".into(), bytes: bytes.to_vec(), one_of_many: false };
    let _ = chain::parse(&member, &chain::ReadOptions::default());
}

fn bars_file(bytes: &[u8]) {
    let member = chain::Member { name: "bars".into(), bytes: bytes.to_vec(), one_of_many: false };
    let _ = bars::parse(&member);
    let _ = bars::actions(&member);
}

fn checkpoint(bytes: &[u8]) {
    if let Ok(books) = Books::recover(bytes, Limits::default()) {
        books.checkpoint(&mut Vec::new());
    }
}

#[cfg(test)]
#[path = "fuzzing_tests.rs"]
mod tests;

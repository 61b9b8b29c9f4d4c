//! The fuzz targets over their corpus and seeded mutations of it: what a fuzzer would find first is found here, on every run.
//!
//! The corpus lies in `fuzz/corpus/<target>/`, where cargo-fuzz looks for it: what [`corpus`] makes, with our own encoders or by hand
//! (`ZOMMA_WRITE_CORPUS=1` writes it anew), and what a fuzzer found and somebody kept. None of it is real data.

use std::{fs, panic, path::PathBuf};

use super::{TARGETS, find};
use crate::{
    book::Books,
    dbn::DbnWriter,
    event::{Body, Event, Flags, InstrumentId, NO_PRICE, Side, Sink},
    instruments::{Definition, Instruments},
    itch::{
        Header, Message, encode_framed,
        frame::{
            SessionName,
            mold::Sender,
            soup::{ClientPacket, Login, ServerPacket},
        },
        message::{OrderDelete, OrderExecuted},
    },
    sbe::mdp3::{self, BookEntry, EntryType, PacketWriter, SnapshotHead, TEMPLATES_XML, TradeEntry, UpdateAction},
};

fn folder() -> PathBuf {
    zomma_testkit::workspace_root().join("fuzz")
}

fn itch_messages() -> Vec<Message> {
    let header = |nanos: u64| Header { stock_locate: 7, tracking_number: 0, timestamp_ns: 34_200_000_000_000 + nanos };
    let raw = |kind: u8, body: &[u8]| {
        let mut message = vec![kind, 0, 7, 0, 0];
        message.extend(&34_200_000_000_000_u64.to_be_bytes()[2..]);
        message.extend(body);
        Message::decode(&message).unwrap()
    };
    let add = |id: u64, side: u8, price: u32| {
        raw(b'A', &[&id.to_be_bytes()[..], &[side], &300_u32.to_be_bytes(), b"ACME    ", &price.to_be_bytes()].concat())
    };
    vec![
        raw(b'S', b"O"),
        raw(b'R', b"ACME    QN\0\0\0\x64NC  PNNNN\0\0\0\0N"),
        add(1, b'B', 99_900),
        add(2, b'S', 100_100),
        OrderExecuted { header: header(5), order_reference: 1, shares: 100, match_number: 9 }.into(),
        OrderDelete { header: header(9), order_reference: 2 }.into(),
    ]
}

fn itch50() -> Vec<u8> {
    let mut bytes = vec![200];
    itch_messages().iter().for_each(|message| encode_framed(message, &mut bytes));
    bytes
}

/// Packets as the targets of packets want them.
fn packed(packets: impl IntoIterator<Item = (u8, Vec<u8>)>) -> Vec<u8> {
    let pack = |(kind, packet): (u8, Vec<u8>)| {
        let mut bytes = vec![kind];
        bytes.extend((packet.len() as u16).to_le_bytes());
        bytes.extend(packet);
        bytes
    };
    packets.into_iter().flat_map(pack).collect()
}

fn mold_packets() -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut send = |packet: &[u8]| packets.push(packet.to_vec());
    let mut sender = Sender::new(SessionName(*b"SESSION001"), 1, 100);
    for message in itch_messages() {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        sender.push(&bytes, &mut send).unwrap();
    }
    sender.heartbeat(&mut send);
    sender.end_of_session(&mut send);
    packets
}

fn mold() -> Vec<u8> {
    let packets = mold_packets();
    // Line A lacks the second, line B the first; the second comes on both lines too late.
    let of_lines = packets.iter().enumerate().flat_map(|(place, packet)| {
        [0_u8, 1].into_iter().filter(move |line| place + usize::from(*line) != 1).map(|line| (line, packet.clone()))
    });
    packed(of_lines.chain([(2, packets[1].clone())]))
}

fn soup_client() -> Vec<u8> {
    let mut bytes = Vec::new();
    let accepted = ServerPacket::LoginAccepted { session: SessionName(*b"SESSION001"), sequence: 1 };
    for packet in [
        accepted,
        ServerPacket::Sequenced(b"one"),
        ServerPacket::Heartbeat,
        ServerPacket::Unsequenced(b"u"),
        ServerPacket::Debug(b"text"),
        ServerPacket::EndOfSession,
    ] {
        packet.encode(&mut bytes).unwrap();
    }
    bytes
}

fn soup_server() -> Vec<u8> {
    let login = Login { username: *b"ZOMMA ", password: [b' '; 10], session: SessionName::ANY, sequence: 1 };
    let mut bytes = Vec::new();
    for packet in [
        ClientPacket::LoginRequest(login),
        ClientPacket::Heartbeat,
        ClientPacket::Unsequenced(b"order"),
        ClientPacket::LogoutRequest,
    ] {
        packet.encode(&mut bytes).unwrap();
    }
    bytes
}

fn orders() -> Vec<Event> {
    let event = |sequence: u64, body| Event {
        exchange_ns: 1_700_000_000_000_000_000 + sequence,
        receive_ns: 1_700_000_000_000_000_000 + sequence,
        sequence,
        instrument: InstrumentId(0),
        flags: Flags::LAST,
        body,
    };
    vec![
        event(1, Body::Add { order_id: 1, side: Side::Bid, price_ticks: 99, size: 5 }),
        event(2, Body::Add { order_id: 2, side: Side::Ask, price_ticks: 101, size: 6 }),
        event(3, Body::Modify { order_id: 1, new_order_id: 3, price_ticks: 100, size: 4 }),
        event(4, Body::Execute { order_id: 3, size: 1, price_ticks: NO_PRICE }),
        event(5, Body::Cancel { order_id: 2, size: 6 }),
    ]
}

fn dbn() -> Vec<u8> {
    let mut writer = DbnWriter::new("XNAS.ITCH", 2, 1_700_000_000_000_000_000).unwrap();
    let definition = Definition { symbol: "ACME".into(), tick_nanos: 1, lot_nanos: 1_000_000_000, valid_from_ns: 0 };
    writer.define(InstrumentId(0), &definition).unwrap();
    let mut instruments = Instruments::new();
    instruments.define(definition);
    for event in orders() {
        writer.event(&event);
        writer.message_end(&instruments);
    }
    [&[99], writer.bytes()].concat()
}

fn checkpoint() -> Vec<u8> {
    let mut books = Books::new();
    for event in &orders()[..3] {
        books.apply(event);
    }
    let mut bytes = Vec::new();
    books.checkpoint(&mut bytes);
    bytes
}

fn mdp3_packets() -> Vec<(u8, Vec<u8>)> {
    let schema = mdp3::schema().unwrap();
    let packet = |sequence, write: &dyn Fn(&mut PacketWriter<'_>)| {
        let mut bytes = Vec::new();
        write(&mut PacketWriter::new(&schema, sequence, 1_717_000_000_000_000_000, &mut bytes));
        bytes
    };
    let entry = |report, entry_type, action, level| BookEntry {
        security_id: 5,
        report,
        entry_type,
        action,
        level,
        price_nanos: Some(4_500_000_000_000 + i64::from(level)),
        size: Some(3),
        orders: Some(1),
    };
    let head =
        SnapshotHead { processed: 1, security_id: 5, report: 0, transact_ns: 1, status: Some(17), chunk: (1, 1) };
    let trade = TradeEntry { security_id: 5, report: 4, price_nanos: 1, size: 2, buyer_aggressed: None };
    vec![
        (1, packet(1, &|packet| packet.level_snapshot(&head, &[(EntryType::Bid, 1, 9, 1)]).unwrap())),
        (
            0,
            packet(1, &|packet| {
                let entries =
                    [entry(1, EntryType::Bid, UpdateAction::New, 1), entry(2, EntryType::Offer, UpdateAction::New, 2)];
                packet.book(1, 0x84, &entries, &[]).unwrap();
                packet.status(1, 0x80, ("ES", "ES", Some(5)), 21).unwrap();
            }),
        ),
        (0, packet(3, &|packet| packet.trades(2, 0x80, &[trade]).unwrap())),
        (0, packet(2, &|packet| packet.heartbeat().unwrap())),
    ]
}

/// A pcap of datagrams to ports 1 and 2.
fn capture() -> Vec<u8> {
    let mut file: Vec<u8> =
        [0xA1B2_3C4D_u32, 0x0004_0002, 0, 0, 65_535, 1].iter().flat_map(|word| word.to_le_bytes()).collect();
    let payloads = mdp3_packets().into_iter().map(|(_, packet)| packet).chain(mold_packets());
    for (place, payload) in payloads.enumerate() {
        let udp_length = payload.len() as u16 + 8;
        let mut frame = vec![1, 0, 94, 1, 1, 1, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
        frame.extend((udp_length + 20).to_be_bytes());
        frame.extend([0, 0, 0, 0, 8, 17, 0, 0, 10, 0, 0, 1, 233, 54, 12, 1, 0, 9, 0, 1 + place as u8 % 2]);
        frame.extend(udp_length.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(payload);
        for word in [1_717_000_000_u32, place as u32, frame.len() as u32, frame.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// The first messages of our own templates: a schema of a few hundred bytes.
fn schema() -> Vec<u8> {
    let first = TEMPLATES_XML.find("<ns2:message ").unwrap();
    let end = first + TEMPLATES_XML[first..].find("</ns2:message>").unwrap() + "</ns2:message>".len();
    let types = TEMPLATES_XML.find("<types>").unwrap_or(0);
    assert!(types < first);
    [&TEMPLATES_XML.as_bytes()[..end], b"</ns2:messageSchema>"].concat()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Target, name and bytes of every file.
fn corpus() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let lines = |text: &str| [&[31], text.as_bytes()].concat();
    let binance = "1723161253937085768 {\"stream\":\"x@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":1723161253936,\"s\":\"X\",\
                   \"U\":5,\"u\":6,\"b\":[[\"10.5\",\"3\"]],\"a\":[[\"10.6\",\"0\"]]}}\n\
                   1723161253937085769 {\"stream\":\"x@trade\",\"data\":{\"e\":\"trade\",\"E\":1,\"s\":\"X\",\"t\":1,\"p\":\"10.5\",\
                   \"q\":\"1\",\"T\":1,\"m\":true}}\n\
                   1723161253937085770 {\"stream\":\"x@bookTicker\",\"data\":{\"u\":6,\"s\":\"X\",\"b\":\"10.5\",\"B\":\"3\",\
                   \"a\":\"10.7\",\"A\":\"1\"}}\n";
    let tardis = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n\
                  x,y,1585699200245000,1585699200250000,true,bid,6425.5,1200\n\
                  x,y,1585699200245001,1585699200250001,false,ask,6426,0\n";
    let lobster =
        "34200.189607670,1,10258937,100,5859400,1\n34200.2,4,10258937,40,5859400,1\n34200.3,3,10258937,60,5859400,1\n";
    let chain = "underlying,quote_date,option_type,expiry,strike,bid,ask\nSPX,2019-04-25,call,2019-06-21,2900,50,51\n";
    let json = "{\"timestamp\":\"2024-01-02 15:59:59\",\"data\":{\"symbol\":\"SPX\",\"current_price\":4700,\"options\":[{\"option\":\
                \"SPXW240119C04700000\",\"bid\":10.1,\"ask\":10.3}]}}";
    let bars = "date,open,high,low,close\n2020-08-28,126,127,125,125\n2020-08-31,31.5,32,31,31.4\n";
    let factors = "20050225,0.8613657,0.01785710,88.97\n20201105,0.9967882,1,119.03\n20501231,1,1,0\n";
    vec![
        ("itch50", "day", itch50()),
        ("mold", "two_lines", mold()),
        ("soup_client", "session", soup_client()),
        ("soup_server", "login", soup_server()),
        ("lobster", "messages", lines(lobster)),
        ("dbn", "orders", dbn()),
        ("binance", "streams", lines(binance)),
        ("tardis", "levels", lines(tardis)),
        ("mdp3", "channel", packed(mdp3_packets())),
        ("sbe_schema", "first_messages", schema()),
        ("capture", "pcap", capture()),
        ("container", "gzip", gzipped(chain.as_bytes())),
        ("container", "zstd", zstd::encode_all(chain.as_bytes(), 1).unwrap()),
        ("chain", "csv", chain.into()),
        ("chain", "json", json.into()),
        ("bars", "csv", bars.into()),
        ("bars", "factors", factors.into()),
        ("checkpoint", "two_orders", checkpoint()),
    ]
}

/// A seeded generator (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    /// Bits flipped, a piece cut out, repeated or overwritten with what lengths are made of; one to four times.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len());
            let end = (place + self.below(60)).min(bytes.len());
            match self.below(5) {
                0 if place < bytes.len() => bytes[place] ^= 1 << self.below(8),
                1 => bytes.truncate(place),
                2 => drop(bytes.drain(place..end)),
                3 => {
                    let again = bytes[place..end].to_vec();
                    bytes.splice(place..place, again);
                }
                _ => {
                    let extreme = [0, 1, 0x7F, 0x80, 0xFF][self.below(5)];
                    let end = (place + (1 << self.below(4))).min(bytes.len());
                    bytes[place..end].fill(extreme);
                }
            }
        }
    }
}

#[test]
fn every_target_has_a_binary_and_a_corpus_that_is_small() {
    let (folder, corpus) = (folder(), corpus());
    for (target, name, bytes) in &corpus {
        assert!(find(target).is_some(), "{target} is no target");
        assert!(bytes.len() < 16_384, "{target}/{name} has {} bytes", bytes.len());
        let kept = folder.join("corpus").join(target).join(name);
        if std::env::var_os("ZOMMA_WRITE_CORPUS").is_some() {
            fs::create_dir_all(folder.join("corpus").join(target)).unwrap();
            fs::write(&kept, bytes).unwrap();
        }
        let found = fs::read(&kept).unwrap_or_default();
        assert!(found == *bytes, "{}: not what is made now; ZOMMA_WRITE_CORPUS=1 writes it", kept.display());
    }
    for target in TARGETS {
        let binary = folder.join("fuzz_targets").join(format!("{}.rs", target.name));
        assert!(binary.is_file(), "{} is missing", binary.display());
        assert!(corpus.iter().any(|file| file.0 == target.name), "{} has no corpus", target.name);
    }
}

#[test]
fn no_target_panics_over_its_corpus_and_mutations_of_it() {
    const ROUNDS: u64 = 400;
    for target in TARGETS {
        let folder = folder().join("corpus").join(target.name);
        let kept = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for file in kept {
            let path = file.unwrap().path();
            let (name, whole) = (path.display(), fs::read(&path).unwrap());
            (target.run)(&whole);
            for round in 0..ROUNDS {
                let mut bytes = whole.clone();
                Random(round).mutate(&mut bytes);
                let ran = panic::catch_unwind(|| (target.run)(&bytes));
                assert!(ran.is_ok(), "{}: round {round} of {name}", target.name);
            }
        }
    }
}

#[test]
fn no_target_panics_over_bytes_of_any_kind() {
    let mut random = Random(7);
    for target in TARGETS {
        (target.run)(&[]);
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..random.below(300)).map(|_| random.below(256) as u8).collect();
            (target.run)(&bytes);
        }
    }
}

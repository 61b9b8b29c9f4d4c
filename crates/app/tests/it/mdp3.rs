//! Captured packets of CME MDP 3.0, written by our own encoder: books and features of them, by our schema and by a user's.

use std::fs;

use zomma_market::sbe::{
    SbeError, Schema,
    mdp3::{
        self, BookEntry, Definition, EntryType, PacketWriter, SnapshotHead, TEMPLATES_XML, TradeEntry, UpdateAction,
    },
};

use crate::{
    book::{capture, json, written},
    program::{arg, run},
};

const ES: i32 = 17_077;
const END: u8 = 1 << 7;
/// 09:30 New York, 2024-06-03.
const BEGUN_NS: u64 = 1_717_421_400_000_000_000;
/// A quarter of a point of ES as it is sent: 100 times what is shown, in billionths.
const QUARTER: i64 = 25_000_000_000;

fn packet(
    schema: &Schema,
    sequence: u32,
    write: impl FnOnce(&mut PacketWriter<'_>) -> Result<(), SbeError>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut PacketWriter::new(schema, sequence, BEGUN_NS + u64::from(sequence), &mut bytes)).unwrap();
    bytes
}

fn entry(report: u32, entry_type: EntryType, action: UpdateAction, quarters: i64, size: i32) -> BookEntry {
    let (price_nanos, size) = (Some(quarters * QUARTER), Some(size));
    BookEntry { security_id: ES, report, entry_type, action, level: 1, price_nanos, size, orders: Some(1) }
}

/// A session that is joined at packet 11: a definition, a snapshot up to packet 10, then updates 11 to 14 on two lines that each lose one. Groups:
/// 1 and 2 are the lines, 3 replays definitions, 4 snapshots.
fn session() -> Vec<(u8, Vec<u8>)> {
    let schema = mdp3::schema().unwrap();
    let definition = Definition {
        security_id: ES,
        symbol: "ESM4",
        group: "ES",
        asset: "ES",
        increment_nanos: Some(QUARTER),
        factor_nanos: 10_000_000,
        depth: 10,
        updated_ns: 5,
        option: None,
    };
    let head = SnapshotHead {
        processed: 10,
        security_id: ES,
        report: 20,
        transact_ns: BEGUN_NS,
        status: Some(17),
        chunk: (1, 1),
    };
    let levels = [(EntryType::Bid, 1, 20_000 * QUARTER, 7), (EntryType::Offer, 1, 20_001 * QUARTER, 9)];
    let updates = [
        entry(21, EntryType::Bid, UpdateAction::Change, 20_000, 8),
        entry(22, EntryType::Offer, UpdateAction::Change, 20_001, 3),
        entry(23, EntryType::Bid, UpdateAction::Change, 20_000, 6),
        entry(25, EntryType::Offer, UpdateAction::Change, 20_001, 2),
    ];
    let mut packets = vec![
        (3, packet(&schema, 1, |packet| packet.definition(&definition))),
        (4, packet(&schema, 1, |packet| packet.level_snapshot(&head, &levels))),
    ];
    for (place, update) in updates.into_iter().enumerate() {
        let sequence = 11 + place as u32;
        let transact_ns = BEGUN_NS + 1_000_000_000 * place as u64;
        let bytes = packet(&schema, sequence, |packet| {
            if place == 3 {
                let (price_nanos, security_id) = (20_001 * QUARTER, ES);
                let trade = TradeEntry { security_id, report: 24, price_nanos, size: 1, buyer_aggressed: Some(true) };
                packet.trades(transact_ns, 0, &[trade])?;
            }
            packet.book(transact_ns, END, &[update], &[])
        });
        packets.extend([(1, 12), (2, 13)].iter().filter(|line| line.1 != sequence).map(|line| (line.0, bytes.clone())));
    }
    packets
}

#[test]
fn a_capture_of_a_channel_gives_its_books_by_our_schema_and_by_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "channel.pcap", capture(&session()));
    let found = json(&run(&["book", "replay", arg(&path), "--check", "--json"]).ok().out);
    assert_eq!((found["format"].as_str(), found["missing"].as_u64()), (Some("mdp3-pcap"), Some(0)), "{found}");
    let top = &found["tops"][0];
    let side = |side: &str| (top[side]["price"].as_f64(), top[side]["size"].as_f64());
    assert_eq!((side("bid"), side("ask")), ((Some(5_000.0), Some(6.0)), (Some(5_000.25), Some(2.0))), "{found}");
    let schema = written(folder.path(), "templates_FixBinary.xml", TEMPLATES_XML);
    let by_file = json(&run(&["book", "replay", arg(&path), "--schema", arg(&schema), "--json"]).ok().out);
    assert_eq!(by_file["tops"], found["tops"]);
    let other = written(folder.path(), "other.xml", TEMPLATES_XML.replace(r#"id="1023""#, r#"id="1024""#));
    run(&["book", "replay", arg(&path), "--schema", arg(&other)]).refused(1, &["other.xml", "template 46", "1023"]);
    run(&["book", "replay", arg(&path), "--schema", "nowhere.xml"]).refused(1, &["--schema nowhere.xml"]);
}

#[test]
fn features_of_a_captured_channel_have_a_row_after_each_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "channel.pcap", capture(&session()));
    let rows = folder.path().join("rows.csv");
    run(&["features", arg(&path), "--features", "mid,imbalance:1", "--levels", "5", "-o", arg(&rows)]).ok();
    let text = fs::read_to_string(rows).unwrap();
    let last = text.lines().last().unwrap();
    // (6 − 2) ÷ (6 + 2).
    assert!(last.starts_with(&format!("{},", BEGUN_NS + 3_000_000_000)) && last.ends_with(",0.5"), "{text}");
}

#[test]
fn a_capture_without_the_start_of_its_books_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let updates: Vec<_> = session().into_iter().filter(|(group, _)| *group < 3).collect();
    let path = written(folder.path(), "channel.pcap", capture(&updates));
    run(&["book", "replay", arg(&path)]).refused(1, &["began before the capture", "1"]);
    let rubbish = written(folder.path(), "rubbish.pcap", capture(&[(1, b"rubbish".to_vec())]));
    run(&["book", "replay", arg(&rubbish), "--format", "mdp3-pcap"]).refused(1, &["none of MDP 3.0"]);
}

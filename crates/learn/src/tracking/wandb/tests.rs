use super::log::{Log, crc32};
use super::*;

/// The records of a log, read by its rules and nothing of the writer's.
fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(&bytes[..7], b":W&B\xe1\xbe\x00");
    let (mut at, mut found, mut open) = (7, Vec::new(), None::<Vec<u8>>);
    while at < bytes.len() {
        let room = 32_768 - at % 32_768;
        if room < 7 {
            assert!(bytes[at..at + room].iter().all(|byte| *byte == 0));
            at += room;
            continue;
        }
        let sum = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = usize::from(u16::from_le_bytes(bytes[at + 4..at + 6].try_into().unwrap()));
        assert!(length + 7 <= room, "a part goes over the end of its block");
        let (kind, data) = (bytes[at + 6], &bytes[at + 7..at + 7 + length]);
        assert_eq!(crc32(bytes[at + 6..at + 7 + length].iter().copied()), sum);
        match (kind, open.take()) {
            (1, None) => found.push(data.to_vec()),
            (2, None) => open = Some(data.to_vec()),
            (3, Some(before)) => open = Some([&before, data].concat()),
            (4, Some(before)) => found.push([&before, data].concat()),
            (kind, _) => panic!("a part of kind {kind} where none can be"),
        }
        at += 7 + length;
    }
    assert!(open.is_none());
    found
}

#[test]
fn the_checksum_is_that_of_the_standard() {
    // The check value of CRC-32/ISO-HDLC.
    assert_eq!(crc32(b"123456789".iter().copied()), 0xCBF4_3926);
}

#[test]
fn records_of_every_length_around_a_block_are_read_again() {
    for first in (32_740..32_770).chain([0, 1, 65_500, 100_000]) {
        let written: Vec<Vec<u8>> =
            [first, 0, 5, 40_000].iter().map(|length| (0..*length).map(|i| i as u8).collect()).collect();
        let mut log = Log::new();
        written.iter().for_each(|record| log.add(record));
        assert_eq!(records(&log.bytes()), written, "{first}");
    }
}

#[test]
fn a_message_is_encoded_as_the_specification_shows() {
    // "Protocol Buffers: Encoding": field 1 with 150 is 08 96 01; field 2 with "testing" 12 07 74 65 73 74 69 6e 67; that message
    // with 150 as field 3 is 1a 03 08 96 01.
    assert_eq!(Message::new().int(1, 150).bytes(), [0x08, 0x96, 0x01]);
    assert_eq!(Message::new().text(2, "testing").bytes(), b"\x12\x07testing");
    assert_eq!(Message::new().message(3, Message::new().int(1, 150)).bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
}

#[test]
fn a_run_is_a_header_itself_its_steps_and_its_end() {
    let mut record = RunRecord::default();
    let id = "0a1b-2c3d4e5f".to_owned();
    let config = serde_json::json!({ "training": { "batch": 256 } });
    record.apply(&Event::Started(Started { at_ms: 1500, id, name: "tiny".into(), config, ..Started::default() }));
    for step in 1..=3 {
        record.apply(&Event::Metrics(Point { at_ms: 2500, step, values: [("loss".into(), 0.5)].into() }));
    }
    record.apply(&Event::Ended { at_ms: 9500, state: RunState::Finished, summary: [("rmse".into(), 1e-4)].into() });
    let found = records(&encoded(&record, Some(0)));
    let kinds: Vec<u64> = found
        .iter()
        .map(|record| {
            // Number, then the field's tag as a varint of one or two bytes.
            let tag = &record[2..4];
            let tag =
                if tag[0] & 0x80 == 0 { u64::from(tag[0]) } else { u64::from(tag[0] & 0x7f) | u64::from(tag[1]) << 7 };
            tag >> 3
        })
        .collect();
    assert_eq!(kinds, [21, 17, 2, 2, 2, 3, 18, 22]);
    let text = String::from_utf8_lossy(&found[1]).into_owned();
    assert!(text.contains("0a1b2c3d") && text.contains(r#"{"batch":256}"#) && text.contains("tiny"), "{text}");
}

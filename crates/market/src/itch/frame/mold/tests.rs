//! Conversations on two lines, damage, and a real day with losses on both.

use super::*;
use crate::{
    event::{Event, Flags},
    feed::Decoder as _,
    itch::{
        Decoder, Message, encode_framed,
        frame::{MessageSink, SessionName},
        samples::*,
    },
};

const SESSION: SessionName = SessionName(*b"000000012A");
const MS: u64 = 1_000_000;

/// What a receiver gave: messages as text with their numbers, and losses.
#[derive(Default)]
struct Given(Vec<String>);

impl MessageSink for Given {
    fn message(&mut self, sequence: u64, _receive_ns: u64, message: &[u8]) {
        self.0.push(format!("{sequence} {}", String::from_utf8_lossy(message)));
    }

    fn lost(&mut self, sequence: u64, count: u64) {
        self.0.push(format!("lost {count} from {sequence}"));
    }
}

impl Given {
    fn take(&mut self) -> String {
        std::mem::take(&mut self.0).join(", ")
    }
}

/// A packet of messages of one letter each, from a number on.
fn packet(sequence: u64, messages: &str) -> Vec<u8> {
    let (mut sender, mut sent) = (Sender::new(SESSION, sequence, 1_472), Vec::new());
    let mut send = |packet: &[u8]| sent = packet.to_vec();
    for message in messages.split_inclusive(|_: char| true) {
        sender.push(message.as_bytes(), &mut send).unwrap();
    }
    if messages.is_empty() {
        sender.heartbeat(&mut send)
    } else {
        sender.flush(&mut send)
    }
    sent
}

fn receiver(reorder_messages: usize) -> Receiver {
    Receiver::new(Settings { reorder_messages, ..Settings::default() }, Some(1), 0)
}

#[test]
fn a_packet_has_the_bytes_of_the_specification() {
    let expected = b"000000012A\0\0\0\0\0\0\0\x05\0\x02\0\x01a\0\x01b";
    assert_eq!(packet(5, "ab"), expected);
    let read = Downstream::decode(expected).unwrap();
    assert_eq!((read.session, read.sequence, read.content), (SESSION, 5, Content::Messages(2)));
    assert_eq!(read.messages().collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(Downstream::decode(&packet(5, "")).unwrap().content, Content::Heartbeat);
    let request = Request { session: SESSION, sequence: 7, count: 300 };
    assert_eq!(request.encode(), *b"000000012A\0\0\0\0\0\0\0\x07\x01\x2c");
    assert_eq!(Request::decode(&request.encode()), Ok(request));
}

#[test]
fn lengths_that_do_not_fit_are_told() {
    let whole = packet(5, "ab");
    let wrong = |bytes: &[u8]| Downstream::decode(bytes).unwrap_err();
    assert_eq!(wrong(&whole[..19]), PacketError::Short { found: 19 });
    assert_eq!(wrong(&whole[..25]), PacketError::Message { message: 1, messages: 2, left: 2 });
    assert_eq!(wrong(&[&whole[..], b"x"].concat()), PacketError::Left { messages: 2, left: 1 });
    let mut last = whole;
    last[10..18].fill(0xff);
    assert_eq!(wrong(&last), PacketError::Sequence { sequence: u64::MAX, messages: 2 });
    assert!(Request::decode(&packet(5, "a")).is_err());
}

#[test]
fn a_sender_fills_packets_up_to_the_size() {
    let (mut sender, mut sent) = (Sender::new(SESSION, 1, 20 + 3 * 12), Vec::new());
    let mut send = |packet: &[u8]| sent.push(packet.to_vec());
    for number in 0..7_u64 {
        assert_eq!(sender.push(&[b'm'; 10], &mut send), Ok(number + 1));
    }
    let long = sender.push(&[0; 35], &mut send).unwrap_err();
    assert_eq!(long, MessageTooLong { found: 35, allowed: 34 });
    sender.push(&[0; 34], &mut send).unwrap();
    sender.heartbeat(&mut send);
    sender.end_of_session(&mut send);
    let seen: Vec<_> = sent
        .iter()
        .map(|packet| Downstream::decode(packet).unwrap())
        .map(|read| (read.sequence, read.content))
        .collect();
    let messages = Content::Messages;
    let expected = [
        (1, messages(3)),
        (4, messages(3)),
        (7, messages(1)),
        (8, messages(1)),
        (9, Content::Heartbeat),
        (9, Content::EndOfSession),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn the_first_copy_wins_whichever_line_brings_it() {
    let (mut receiver, mut given) = (receiver(16), Given::default());
    let mut take = |line, sequence, messages| {
        receiver.receive(line, 0, &packet(sequence, messages), &mut given).unwrap();
        given.take()
    };
    assert_eq!(take(Line::A, 1, "ab"), "1 a, 2 b");
    assert_eq!(take(Line::B, 1, "ab"), "");
    // A loses a packet; B brings it, packed otherwise, after A has gone on.
    assert_eq!(take(Line::A, 4, "d"), "");
    assert_eq!(take(Line::B, 2, "bcd"), "3 c, 4 d");
    assert_eq!(take(Line::B, 5, "e"), "5 e");
    assert_eq!(take(Line::A, 5, "e"), "");
    let counts = receiver.counts();
    assert_eq!((counts.packets, counts.messages, counts.duplicates, counts.missing), (6, 5, 5, 0));
}

#[test]
fn a_gap_is_asked_for_and_the_answer_closes_it() {
    let (mut receiver, mut given) = (receiver(16), Given::default());
    receiver.receive(Line::A, 0, &packet(1, "a"), &mut given).unwrap();
    receiver.receive(Line::A, 10 * MS, &packet(4, "d"), &mut given).unwrap();
    receiver.receive(Line::A, 10 * MS, &packet(7, "g"), &mut given).unwrap();
    assert_eq!(receiver.request(11 * MS), None, "the other line has 2 ms");
    assert_eq!(receiver.request(12 * MS), Some(Request { session: SESSION, sequence: 2, count: 2 }));
    assert_eq!(receiver.request(13 * MS), None, "the answer is on its way");
    receiver.receive(Line::Reply, 14 * MS, &packet(2, "b"), &mut given).unwrap();
    assert_eq!(receiver.request(14 * MS), None, "the rest of the answer is on its way");
    assert_eq!(receiver.request(62 * MS), Some(Request { session: SESSION, sequence: 3, count: 1 }));
    receiver.receive(Line::Reply, 63 * MS, &packet(3, "c"), &mut given).unwrap();
    assert_eq!(given.take(), "1 a, 2 b, 3 c, 4 d");
    assert_eq!(receiver.request(63 * MS), Some(Request { session: SESSION, sequence: 5, count: 2 }));
    assert_eq!(receiver.counts().requests, 3);
}

#[test]
fn a_heartbeat_shows_a_gap_and_time_gives_it_up() {
    let (mut receiver, mut given) = (receiver(16), Given::default());
    receiver.receive(Line::A, 0, &packet(1, "a"), &mut given).unwrap();
    receiver.receive(Line::A, 1_000 * MS, &packet(4, ""), &mut given).unwrap();
    // A later heartbeat with a higher number does not make the gap younger.
    receiver.receive(Line::A, 1_900 * MS, &packet(6, ""), &mut given).unwrap();
    receiver.give_up_late(1_999 * MS, &mut given);
    assert_eq!(given.take(), "1 a");
    assert_eq!(receiver.request(1_999 * MS), Some(Request { session: SESSION, sequence: 2, count: 4 }));
    receiver.give_up_late(2_000 * MS, &mut given);
    receiver.receive(Line::B, 2_001 * MS, &packet(5, "ef"), &mut given).unwrap();
    assert_eq!(given.take(), "lost 4 from 2, 6 f");
    let counts = receiver.counts();
    assert_eq!((counts.missing, counts.duplicates, receiver.due_sequence()), (4, 1, Some(7)));
    // The next gap has all of its time, though nothing has come since the last one was given up.
    receiver.receive(Line::A, 3_000 * MS, &packet(9, ""), &mut given).unwrap();
    receiver.give_up_late(4_000 * MS, &mut given);
    receiver.receive(Line::A, 9_000 * MS, &packet(11, ""), &mut given).unwrap();
    receiver.give_up_late(9_999 * MS, &mut given);
    assert_eq!(given.take(), "lost 2 from 7");
    receiver.give_up_late(10_000 * MS, &mut given);
    assert_eq!(given.take(), "lost 2 from 9");
}

#[test]
fn gaps_that_are_known_together_are_given_up_together() {
    let (mut receiver, mut given) = (receiver(16), Given::default());
    for sequence in [3, 5, 7] {
        receiver.receive(Line::A, 0, &packet(sequence, "x"), &mut given).unwrap();
    }
    receiver.receive(Line::B, 900 * MS, &packet(2, "b"), &mut given).unwrap();
    receiver.give_up_late(999 * MS, &mut given);
    assert_eq!(given.take(), "");
    // Number 1 has been waited for since 3 came, though 2 came later; 4 and 6 for as long.
    receiver.give_up_late(1_000 * MS, &mut given);
    assert_eq!(given.take(), "lost 1 from 1, 2 b, 3 x, lost 1 from 4, 5 x, lost 1 from 6, 7 x");
}

#[test]
fn what_is_too_far_ahead_gives_up_the_gap_before_it() {
    let (mut receiver, mut given) = (receiver(4), Given::default());
    let mut take = |sequence, messages| {
        receiver.receive(Line::A, 0, &packet(sequence, messages), &mut given).unwrap();
        given.take()
    };
    assert_eq!(take(3, "cd"), "");
    assert_eq!(take(5, "e"), "lost 2 from 1, 3 c, 4 d, 5 e");
    assert_eq!(take(9, "i"), "");
    assert_eq!(take(20, "t"), "lost 3 from 6, 9 i, lost 10 from 10, 20 t");
    assert_eq!(take(10, "j"), "");
    assert_eq!((receiver.counts().missing, receiver.counts().duplicates), (15, 1));
}

#[test]
fn a_packet_far_ahead_is_believed_only_when_another_goes_on_from_it() {
    let (mut receiver, mut given) = (receiver(4), Given::default());
    let mut take = |sequence, messages| {
        receiver.receive(Line::A, 0, &packet(sequence, messages), &mut given).unwrap();
        (given.take(), receiver.counts().unbelieved_packets)
    };
    assert_eq!(take(1, "a"), ("1 a".into(), 0));
    // A damaged number, and another elsewhere: nothing is given up.
    assert_eq!(take(5_000_000, "x"), (String::new(), 1));
    assert_eq!(take(9_000_000, "x"), (String::new(), 2));
    assert_eq!(take(2, "b"), ("2 b".into(), 2));
    // The other line's copy is no confirmation, what follows is.
    assert_eq!(take(7_000_000, "xy"), (String::new(), 3));
    assert_eq!(take(7_000_000, "xy"), (String::new(), 4));
    assert_eq!(take(7_000_002, "z"), ("lost 6999999 from 3, 7000002 z".into(), 4));
    assert_eq!(take(7_000_003, "w"), ("7000003 w".into(), 4));
    // A million is not too far.
    assert_eq!(take(8_000_004, "v"), ("lost 1000000 from 7000004, 8000004 v".into(), 4));
}

#[test]
fn the_last_number_of_all_is_taken() {
    let (mut receiver, mut given) = (receiver(4), Given::default());
    receiver.receive(Line::A, 0, &packet(u64::MAX - 2, "y"), &mut given).unwrap();
    receiver.receive(Line::A, 0, &packet(u64::MAX - 1, "z"), &mut given).unwrap();
    assert_eq!(given.take(), format!("lost {} from 1, {} z", u64::MAX - 2, u64::MAX - 1));
    receiver.receive(Line::A, 0, &packet(u64::MAX, ""), &mut given).unwrap();
    assert_eq!((receiver.due_sequence(), receiver.request(5_000 * MS)), (Some(u64::MAX), None));
}

#[test]
fn times_of_receipt_do_not_go_back_where_messages_waited() {
    struct Times(Vec<u64>);
    impl MessageSink for Times {
        fn message(&mut self, _: u64, receive_ns: u64, _: &[u8]) {
            self.0.push(receive_ns / MS);
        }

        fn lost(&mut self, _: u64, _: u64) {}
    }
    let (mut receiver, mut given) = (receiver(16), Times(Vec::new()));
    receiver.receive(Line::A, 10 * MS, &packet(2, "b"), &mut given).unwrap();
    receiver.receive(Line::B, 12 * MS, &packet(1, "a"), &mut given).unwrap();
    receiver.receive(Line::A, 20 * MS, &packet(4, "d"), &mut given).unwrap();
    receiver.give_up_late(1_030 * MS, &mut given);
    receiver.receive(Line::A, 1_040 * MS, &packet(6, "f"), &mut given).unwrap();
    assert_eq!(given.0, [12, 12, 1_030]);
}

#[test]
fn a_silent_line_is_told_by_the_time() {
    let (mut receiver, mut given) = (receiver(4), Given::default());
    receiver.receive(Line::A, 1_000 * MS, &packet(1, "a"), &mut given).unwrap();
    assert_eq!((receiver.silent_ns(Line::A, 2_999 * MS), receiver.silent_ns(Line::B, 2_999 * MS)), (None, None));
    assert_eq!(receiver.silent_ns(Line::B, 3_000 * MS), Some(3_000 * MS));
    receiver.receive(Line::B, 3_500 * MS, &packet(2, ""), &mut given).unwrap();
    assert_eq!(
        (receiver.silent_ns(Line::A, 4_000 * MS), receiver.silent_ns(Line::B, 4_000 * MS)),
        (Some(3_000 * MS), None)
    );
    assert_eq!(receiver.silent_ns(Line::Reply, 9_000 * MS), None);
    assert_eq!(receiver.silent_ns(Line::A, 0), None, "a clock that goes back is no silence");
}

#[test]
fn a_session_is_over_when_all_of_it_came() {
    let (mut receiver, mut given) = (receiver(16), Given::default());
    let mut sender = Sender::new(SESSION, 3, 100);
    sender.end_of_session(&mut |end: &[u8]| receiver.receive(Line::A, 0, end, &mut given).unwrap());
    assert!(!receiver.is_over());
    receiver.receive(Line::B, 0, &packet(1, "ab"), &mut given).unwrap();
    assert!(receiver.is_over());
    let mut other = packet(3, "c");
    other[0] = b'9';
    receiver.receive(Line::A, 0, &other, &mut given).unwrap();
    assert_eq!((given.take().as_str(), receiver.counts().other_session_packets), ("1 a, 2 b", 1));
}

#[test]
fn one_who_comes_late_begins_with_what_comes_first() {
    let mut given = Given::default();
    let mut receiver = Receiver::new(Settings::default(), None, 0);
    receiver.receive(Line::A, 0, &packet(40, "xy"), &mut given).unwrap();
    assert_eq!((given.take().as_str(), receiver.request(5_000 * MS)), ("40 x, 41 y", None));
}

#[test]
fn damaged_packets_never_panic() {
    let mut random = Random(9);
    let (mut receiver, mut given) = (receiver(64), Given::default());
    for round in 0..20_000_u64 {
        let mut bytes = packet(1 + round / 4, if round % 9 == 0 { "" } else { "abcdef" });
        random.damage(&mut bytes);
        let _ = Request::decode(&bytes);
        let before = receiver.counts();
        let outcome = receiver.receive(Line::A, round * MS, &bytes, &mut given);
        receiver.give_up_late(round * MS, &mut given);
        let _ = receiver.request(round * MS);
        let after = receiver.counts();
        assert_eq!(after.packets, before.packets + 1);
        assert_eq!(after.malformed_packets - before.malformed_packets, u64::from(outcome.is_err()));
        given.0.clear();
    }
    assert!(receiver.counts().malformed_packets > 5_000, "{:?}", receiver.counts());
}

/// Sends messages on both lines with packets lost, doubled and late, answers requests, and gives what came of it.
fn through_two_lines(messages: &[Vec<u8>], random: &mut Random) -> (Taken, MoldDecoder) {
    let (mut sender, mut packets) = (Sender::new(SESSION, 1, 1_472), Vec::new());
    let mut send = |packet: &[u8]| packets.push(packet.to_vec());
    for message in messages {
        sender.push(message, &mut send).unwrap();
    }
    sender.end_of_session(&mut send);
    let mut decoder = MoldDecoder::new(MIDNIGHT_NS, Settings::default(), Some(1), 0);
    let (mut taken, mut now_ns) = (Taken::default(), 0);
    let mut late: Vec<(Line, Vec<u8>)> = Vec::new();
    let last = packets.len() - 1;
    for (at, packet) in packets.iter().enumerate() {
        for line in [Line::A, Line::B] {
            let copies = if at == last { 1 } else { [0, 1, 1, 1, 1, 1, 2][random.below(7)] };
            for _ in 0..copies {
                if random.below(10) == 0 {
                    late.push((line, packet.clone()));
                } else {
                    decoder.receive(line, now_ns, packet, &mut taken).unwrap();
                }
            }
        }
        if random.below(3) == 0 {
            for (line, packet) in late.drain(..) {
                decoder.receive(line, now_ns, &packet, &mut taken).unwrap();
            }
        }
        now_ns += 100_000;
        answer(&mut decoder, messages, now_ns, &mut taken);
    }
    for (line, packet) in late {
        decoder.receive(line, now_ns, &packet, &mut taken).unwrap();
    }
    while !decoder.receiver().is_over() {
        now_ns += MS;
        answer(&mut decoder, messages, now_ns, &mut taken);
    }
    (taken, decoder)
}

/// What the venue's server does with the request that is due, if there is one.
fn answer(decoder: &mut MoldDecoder, messages: &[Vec<u8>], now_ns: u64, taken: &mut Taken) {
    let Some(request) = decoder.poll(now_ns, taken) else { return };
    let request = Request::decode(&request.encode()).unwrap();
    let mut server = Sender::new(request.session, request.sequence, 1_472);
    let mut send = |packet: &[u8]| decoder.receive(Line::Reply, now_ns, packet, taken).unwrap();
    for message in messages.iter().skip(request.sequence as usize - 1).take(usize::from(request.count)) {
        server.push(message, &mut send).unwrap();
    }
    server.flush(&mut send);
}

/// Events but for the time of receipt, which a file does not tell.
fn without_receipt(events: &[Event]) -> Vec<Event> {
    events.iter().map(|event| Event { receive_ns: event.exchange_ns, ..*event }).collect()
}

fn same_as_the_file(file: &[u8], random: &mut Random) -> MoldDecoder {
    let (mut decoder, mut plain) = (Decoder::new(MIDNIGHT_NS), Taken::default());
    decoder.feed(file, &mut plain).unwrap();
    let (mut rest, mut messages) = (file, Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let (message, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)));
        messages.push(message.to_vec());
        rest = behind;
    }
    let (taken, through) = through_two_lines(&messages, random);
    assert!(without_receipt(&taken.events) == plain.events && taken.ended == plain.ended);
    assert_eq!(through.counts(), decoder.counts());
    through
}

#[test]
fn a_day_on_two_bad_lines_is_the_same_day() {
    let mut file = Vec::new();
    for number in 0..40 {
        day().iter().for_each(|message| encode_framed(message, &mut file));
        encode_framed(&add(1, "AAPL", 1_000 + number, b'B', 1, 1), &mut file);
    }
    for seed in 0..200 {
        same_as_the_file(&file, &mut Random(seed));
    }
}

#[test]
fn real_day_on_two_bad_lines_is_the_same_day() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let path = data.join("books/itch/lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz");
    let mut file = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()), &mut file)
        .unwrap();
    let through = same_as_the_file(&file, &mut Random(3));
    let counts = through.receiver().counts();
    assert_eq!((counts.messages, counts.missing), (506_209, 0));
    assert!(counts.requests > 100 && counts.duplicates > 300_000, "{counts:?}");
}

#[test]
fn what_was_given_up_shows_on_the_next_event() {
    let mut decoder = MoldDecoder::new(0, Settings::default(), Some(1), 0);
    let mut taken = Taken::default();
    let bytes = |message: Message| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        bytes
    };
    let mut send = |packet: &[u8]| decoder.receive(Line::A, 7, packet, &mut taken).unwrap();
    for (sequence, messages) in
        [(1, vec![directory(1, "A")]), (4, vec![add(1, "A", 1, b'B', 1, 1), add(1, "A", 2, b'B', 1, 1)])]
    {
        let mut sender = Sender::new(SESSION, sequence, 1_472);
        for message in messages {
            sender.push(&bytes(message), &mut send).unwrap();
        }
        sender.flush(&mut send);
    }
    assert_eq!(taken.events.len(), 1);
    assert_eq!(decoder.poll(2_000 * MS, &mut taken), None);
    let seen: Vec<_> = taken.events.iter().map(|event| (event.sequence, event.receive_ns, event.flags)).collect();
    let late_ns = 2_000 * MS;
    assert_eq!(seen, [(1, 7, Flags::LAST), (4, late_ns, Flags::LAST | Flags::GAP), (5, late_ns, Flags::LAST)]);
    assert_eq!((decoder.counts().missing, decoder.instruments().len()), (2, 1));
}

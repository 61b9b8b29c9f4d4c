//! Packets by their bytes, and conversations over connections that break.

use proptest::prelude::*;

use super::*;
use crate::{
    event::Flags,
    itch::{
        Normaliser,
        frame::{MessageSink, SessionName, ToEvents},
        samples::*,
    },
};

const SESSION: SessionName = SessionName(*b"      DAY1");
const S: u64 = 1_000_000_000;

/// What a client gave.
#[derive(Default, Debug, PartialEq)]
struct Given(Vec<String>);

impl MessageSink for Given {
    fn message(&mut self, sequence: u64, _receive_ns: u64, message: &[u8]) {
        self.0.push(format!("{sequence} {}", String::from_utf8_lossy(message)));
    }

    fn lost(&mut self, sequence: u64, count: u64) {
        self.0.push(format!("lost {count} from {sequence}"));
    }
}

fn login() -> Login {
    Login { username: *b"zomma ", password: *b"secret    ", session: SessionName::ANY, sequence: 1 }
}

fn server(packets: &[ServerPacket<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    packets.iter().for_each(|packet| packet.encode(&mut out).unwrap());
    out
}

fn accepted(sequence: u64) -> ServerPacket<'static> {
    ServerPacket::LoginAccepted { session: SESSION, sequence }
}

/// A client that has been accepted, with what it was given up to then.
fn logged_in(sequence: u64) -> (Client, Given) {
    let (mut client, mut given) = (Client::new(login()), Given::default());
    client.connected(0, &mut Vec::new());
    client.receive(0, &server(&[accepted(sequence)]), &mut given).unwrap();
    (client, given)
}

#[test]
fn packets_have_the_bytes_of_the_specification() {
    let mut out = Vec::new();
    ClientPacket::LoginRequest(login()).encode(&mut out).unwrap();
    assert_eq!(out, b"\0\x2fLzomma secret                                 1");
    assert_eq!(server(&[accepted(1_234)]), b"\0\x1fA      DAY1                1234");
    let others = [
        ServerPacket::LoginRejected(Reason::NotAuthorized),
        ServerPacket::LoginRejected(Reason::SessionNotAvailable),
        ServerPacket::Sequenced(b"xy"),
        ServerPacket::Unsequenced(b"z"),
        ServerPacket::Heartbeat,
        ServerPacket::EndOfSession,
        ServerPacket::Debug(b"hi"),
    ];
    assert_eq!(server(&others), b"\0\x02JA\0\x02JS\0\x03Sxy\0\x02Uz\0\x01H\0\x01Z\0\x03+hi");
    out.clear();
    for packet in [
        ClientPacket::Unsequenced(b"q"),
        ClientPacket::Heartbeat,
        ClientPacket::LogoutRequest,
        ClientPacket::Debug(b""),
    ] {
        packet.encode(&mut out).unwrap();
    }
    assert_eq!(out, b"\0\x02Uq\0\x01R\0\x01O\0\x01+");
}

#[test]
fn every_packet_is_read_as_it_was_written() {
    let number = u64::MAX;
    let of_servers =
        [accepted(0), accepted(number), ServerPacket::LoginRejected(Reason::NotAuthorized), ServerPacket::Heartbeat];
    for packet in of_servers.into_iter().chain([
        ServerPacket::Sequenced(b""),
        ServerPacket::EndOfSession,
        ServerPacket::Debug(b"x"),
    ]) {
        assert_eq!(ServerPacket::decode(&server(&[packet])[2..]), Ok(packet));
    }
    let full = Login { sequence: number, session: SESSION, ..login() };
    for packet in [
        ClientPacket::LoginRequest(full),
        ClientPacket::Unsequenced(b"u"),
        ClientPacket::Heartbeat,
        ClientPacket::LogoutRequest,
    ] {
        let mut out = Vec::new();
        packet.encode(&mut out).unwrap();
        assert_eq!(ClientPacket::decode(&out[2..]), Ok(packet));
    }
    let long = vec![0; 65_535];
    assert!(ServerPacket::Sequenced(&long[..65_534]).encode(&mut Vec::new()).is_ok());
    let mut out = Vec::new();
    assert_eq!(ServerPacket::Sequenced(&long).encode(&mut out), Err(PacketError::TooLong { found: 65_535 }));
    assert!(out.is_empty());
}

#[test]
fn what_is_no_packet_is_told_with_what_is_allowed() {
    let wrong = |bytes: &[u8]| ServerPacket::decode(bytes).unwrap_err().to_string();
    assert_eq!(wrong(b""), "a packet of length 0; allowed: 1 to 65535");
    assert_eq!(wrong(b"L"), "packet type 0x4c; allowed: A, J, S, U, H, Z or +");
    assert_eq!(wrong(b"Hx"), "packet type H: 1 bytes; allowed: 0");
    assert_eq!(wrong(b"A      DAY1"), "packet type A: 10 bytes; allowed: 30");
    assert_eq!(wrong(b"JX"), "reason of refusal 0x58; allowed: A or S");
    for number in ["                    ", "18446744073709551616", "                  +1", "1                   "] {
        let expected = format!("sequence number {number:?}; allowed: digits, with spaces before them, below 2^64");
        assert_eq!(wrong(format!("A      DAY1{number}").as_bytes()), expected);
    }
    assert!(ClientPacket::decode(b"S").is_err() && ClientPacket::decode(b"Lzomma").is_err());
}

#[test]
fn a_connection_that_breaks_goes_on_where_it_was() {
    let (mut client, mut given, mut out) = (Client::new(login()), Given::default(), Vec::new());
    assert_eq!(client.state(), State::Disconnected);
    client.connected(0, &mut out);
    assert_eq!((client.state(), out.len()), (State::LoggingIn, 49));
    let begins = [accepted(1), ServerPacket::Sequenced(b"a"), ServerPacket::Heartbeat, ServerPacket::Sequenced(b"b")];
    client.receive(S, &server(&begins), &mut given).unwrap();
    // A third message is cut off with the connection.
    client.receive(S, &server(&[ServerPacket::Sequenced(b"c")])[..3], &mut given).unwrap();
    client.disconnected();
    assert_eq!((client.state(), client.due_sequence()), (State::Disconnected, 3));

    out.clear();
    client.connected(2 * S, &mut out);
    let again = Login { session: SESSION, sequence: 3, ..login() };
    assert_eq!(ClientPacket::decode(&out[2..]), Ok(ClientPacket::LoginRequest(again)));
    let goes_on =
        [accepted(3), ServerPacket::Sequenced(b"c"), ServerPacket::Sequenced(b"d"), ServerPacket::EndOfSession];
    client.receive(3 * S, &server(&goes_on), &mut given).unwrap();
    assert_eq!(given.0, ["1 a", "2 b", "3 c", "4 d"]);
    client.disconnected();
    assert_eq!(client.state(), State::Ended);
    assert_eq!(client.counts(), ClientCounts { messages: 4, other_packets: 1, logins: 2, ..ClientCounts::default() });
}

#[test]
fn a_server_that_goes_back_or_ahead_loses_and_doubles_nothing_unseen() {
    let (mut client, mut given) = logged_in(1);
    client.receive(0, &server(&[ServerPacket::Sequenced(b"a"), ServerPacket::Sequenced(b"b")]), &mut given).unwrap();
    for (from, messages) in [(1, ["a", "b", "c"]), (7, ["g", "h", "i"])] {
        client.disconnected();
        client.connected(0, &mut Vec::new());
        client.receive(0, &server(&[accepted(from)]), &mut given).unwrap();
        for message in messages {
            client.receive(0, &server(&[ServerPacket::Sequenced(message.as_bytes())]), &mut given).unwrap();
        }
    }
    assert_eq!(given.0, ["1 a", "2 b", "3 c", "lost 3 from 4", "7 g", "8 h", "9 i"]);
    let counts = client.counts();
    assert_eq!((counts.messages, counts.duplicates, counts.missing), (6, 2, 3));
}

#[test]
fn a_client_that_asks_for_what_comes_next_loses_nothing() {
    let (mut client, mut given) = (Client::new(Login { sequence: 0, ..login() }), Given::default());
    client.connected(0, &mut Vec::new());
    client.receive(0, &server(&[accepted(500), ServerPacket::Sequenced(b"x")]), &mut given).unwrap();
    assert_eq!((given.0.join(","), client.due_sequence()), ("500 x".to_owned(), 501));
}

#[test]
fn heartbeats_are_sent_each_second_and_a_silent_server_is_lost() {
    let (mut client, mut given) = logged_in(1);
    let mut out = Vec::new();
    assert!(client.poll(S - 1, &mut out) && out.is_empty());
    assert!(client.poll(S, &mut out));
    assert_eq!(out, b"\0\x01R");
    assert!(client.send(S + S / 2, b"order", &mut out));
    out.clear();
    assert!(client.poll(2 * S, &mut out) && out.is_empty());
    client.receive(3 * S, &server(&[ServerPacket::Heartbeat]), &mut given).unwrap();
    assert!(client.poll(18 * S - 1, &mut out));
    assert!(!client.poll(18 * S, &mut out));
    assert_eq!(client.state(), State::Disconnected);
    assert!(!client.send(18 * S, b"order", &mut out));
    // A login that is never answered is lost as well, and no heartbeat comes before it is.
    out.clear();
    client.connected(20 * S, &mut Vec::new());
    assert!(client.poll(34 * S, &mut out) && out.is_empty());
    assert!(!client.poll(35 * S, &mut out));
}

#[test]
fn a_refusal_and_a_logout_are_known() {
    let (mut client, mut given, mut out) = (Client::new(login()), Given::default(), Vec::new());
    client.connected(0, &mut out);
    client.receive(0, &server(&[ServerPacket::LoginRejected(Reason::SessionNotAvailable)]), &mut given).unwrap();
    client.disconnected();
    assert_eq!(client.state(), State::Rejected(Reason::SessionNotAvailable));
    let (mut client, _) = logged_in(1);
    out.clear();
    client.log_out(0, &mut out);
    assert_eq!(out, b"\0\x01O");
}

#[test]
fn what_is_out_of_place_ends_the_connection() {
    let mut given = Given::default();
    let mut client = Client::new(login());
    client.connected(0, &mut Vec::new());
    let early = client.receive(0, &server(&[ServerPacket::Sequenced(b"a")]), &mut given).unwrap_err();
    assert_eq!(early.to_string(), "a packet S (sequenced data) where the client is LoggingIn; allowed: A, J, H or +");
    assert_eq!(client.state(), State::Disconnected);
    let (mut client, _) = logged_in(1);
    assert!(client.receive(0, &server(&[accepted(1)]), &mut given).is_err());
    client.connected(0, &mut Vec::new());
    let other = ServerPacket::LoginAccepted { session: SessionName(*b"      DAY2"), sequence: 1 };
    let session = client.receive(0, &server(&[other]), &mut given).unwrap_err();
    assert_eq!(session.to_string(), "session \"      DAY2\"; allowed: \"      DAY1\", which was asked for");
    client.connected(0, &mut Vec::new());
    assert_eq!(client.receive(0, &[0, 0], &mut given), Err(ClientError::Packet(PacketError::Empty)));
    assert!(given.0.is_empty());
}

#[test]
fn a_day_over_tcp_becomes_its_events_and_a_loss_shows() {
    let (mut client, mut given) = (Client::new(login()), Taken::default());
    let mut normaliser = Normaliser::new(MIDNIGHT_NS);
    let mut to = ToEvents { normaliser: &mut normaliser, sink: &mut given };
    client.connected(0, &mut Vec::new());
    client.receive(5, &server(&[accepted(4)]), &mut to).unwrap();
    // The directory messages were lost.
    let mut sent = 0;
    for message in day() {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        if bytes[0] != b'R' {
            client.receive(5, &server(&[ServerPacket::Sequenced(&bytes)]), &mut to).unwrap();
            sent += 1;
        }
    }
    assert_eq!((given.ended, normaliser.counts().missing), (sent, 3));
    let first = given.events[0];
    assert_eq!((first.sequence, first.receive_ns, first.flags), (5, 5, Flags::GAP));
}

/// All that can be seen of a client that was sent these pieces.
fn converse<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Given, ClientCounts, State, Option<ClientError>) {
    let (mut client, mut given) = (Client::new(login()), Given::default());
    client.connected(0, &mut Vec::new());
    let mut wrong = None;
    for piece in pieces {
        if let Err(error) = client.receive(0, piece, &mut given) {
            wrong = Some(error);
            break;
        }
    }
    (given, client.counts(), client.state(), wrong)
}

fn conversation() -> Vec<u8> {
    let message = [b'm'; 300];
    let mut packets = vec![accepted(1)];
    for length in [0, 1, 2, 50, 300, 7] {
        packets.extend([
            ServerPacket::Sequenced(&message[..length]),
            ServerPacket::Heartbeat,
            ServerPacket::Debug(&message[..length]),
        ]);
    }
    packets.push(ServerPacket::EndOfSession);
    server(&packets)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_conversation(seed: u64) {
        let bytes = conversation();
        let mut random = Random(seed);
        let longest = 1 + random.below(80);
        let (mut rest, mut pieces) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(random.below(longest + 1).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        let whole = converse([bytes.as_slice()]);
        prop_assert_eq!(whole.2, State::Ended);
        prop_assert_eq!(converse(pieces), whole);
    }
}

#[test]
fn damaged_conversations_never_panic() {
    let (whole, mut random, mut wrong) = (conversation(), Random(4), 0);
    for _ in 0..10_000 {
        let mut bytes = whole.clone();
        random.damage(&mut bytes);
        let one_piece = converse([bytes.as_slice()]);
        assert_eq!(converse(bytes.chunks(1 + random.below(30))), one_piece);
        wrong += usize::from(one_piece.3.is_some());
        let mut splitter = Splitter::new();
        splitter
            .feed(&bytes, |packet| {
                let _ = ClientPacket::decode(packet);
                Ok::<(), ()>(())
            })
            .unwrap();
        assert!(splitter.held_bytes() <= bytes.len());
    }
    assert!(wrong > 1_000, "{wrong}");
}

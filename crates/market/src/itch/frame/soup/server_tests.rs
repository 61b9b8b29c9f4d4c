//! The server's side, held against the client's and against faults of clients.

use super::*;
use crate::itch::frame::{MessageSink, SessionName};

const S: u64 = 1_000_000_000;

#[derive(Default)]
struct Given(Vec<String>);

impl MessageSink for Given {
    fn message(&mut self, sequence: u64, _: u64, message: &[u8]) {
        self.0.push(format!("{sequence} {}", String::from_utf8_lossy(message)));
    }

    fn lost(&mut self, sequence: u64, count: u64) {
        self.0.push(format!("lost {count} from {sequence}"));
    }
}

fn settings() -> ServerSettings {
    ServerSettings { accounts: vec![(*b"ZOMMA ", *b"secret    ")], slow_after_ns: 2 * S }
}

fn session(messages: u64) -> Session {
    let mut session = Session::new(SessionName(*b"      DAY1"));
    for number in 1..=messages {
        assert_eq!(session.push(format!("m{number}").as_bytes()), Ok(number));
    }
    session
}

fn login(sequence: u64) -> Login {
    Login { username: *b"zomma ", password: *b"secret    ", session: SessionName::ANY, sequence }
}

/// Says a login to a new connection.
fn begun(login: Login, session: &Session, now_ns: u64) -> Conversation {
    let mut bytes = Vec::new();
    ClientPacket::LoginRequest(login).encode(&mut bytes).unwrap();
    let mut server = Conversation::new(now_ns);
    server.receive(now_ns, &bytes, (&settings(), session), |_| {}).unwrap();
    server
}

/// Moves what the server has to say to a client, until it has nothing more.
fn pass(
    server: &mut Conversation,
    session: &Session,
    now_ns: u64,
    client: &mut Client,
    to: &mut Given,
) -> Option<Closed> {
    loop {
        let closed = server.poll(now_ns, &settings(), session).err();
        if closed.is_some() || server.outgoing().is_empty() {
            return closed;
        }
        let bytes = server.outgoing().to_vec();
        client.receive(now_ns, &bytes, to).unwrap();
        server.sent(bytes.len());
    }
}

#[test]
fn a_client_hears_the_session_from_any_number_to_its_end() {
    let mut session = session(3);
    for (asked, expected) in [(1, "1 m1,2 m2,3 m3,4 late"), (3, "3 m3,4 late"), (0, "4 late"), (9, "4 late")] {
        let (mut client, mut given, mut out) = (Client::new(login(asked)), Given::default(), Vec::new());
        let mut session = session.clone();
        client.connected(0, &mut out);
        let mut server = Conversation::new(0);
        server.receive(0, &out, (&settings(), &session), |_| {}).unwrap();
        assert_eq!(server.username(), Some(*b"zomma "));
        assert_eq!(pass(&mut server, &session, 0, &mut client, &mut given), None);
        session.push(b"late").unwrap();
        session.end();
        assert_eq!(pass(&mut server, &session, 1, &mut client, &mut given), Some(Closed::Ended));
        // Who asked for a number that there was not is told what comes, and takes no message for another.
        let given = given.0.join(",");
        assert!(given == expected || (asked == 9 && given.is_empty()), "from {asked}: {given}");
        assert_eq!(client.state(), State::Ended);
    }
    session.end();
    assert_eq!(session.push(b"x"), Err(SessionError::IsOver));
}

#[test]
fn who_is_not_known_and_what_is_not_there_is_refused() {
    let session = session(1);
    for (login, reason) in [
        (Login { password: *b"guess     ", ..login(1) }, Reason::NotAuthorized),
        (Login { username: *b"other ", ..login(1) }, Reason::NotAuthorized),
        (Login { session: SessionName(*b"      DAY0"), ..login(1) }, Reason::SessionNotAvailable),
    ] {
        let mut server = begun(login, &session, 0);
        let mut expected = Vec::new();
        ServerPacket::LoginRejected(reason).encode(&mut expected).unwrap();
        assert_eq!(server.poll(0, &settings(), &session), Ok(()));
        assert_eq!((server.outgoing(), server.username()), (&expected[..], None));
        server.sent(expected.len());
        assert_eq!(server.poll(0, &settings(), &session), Err(Closed::Refused(reason)));
    }
}

#[test]
fn what_is_out_of_place_and_what_is_no_packet_closes_the_connection() {
    let session = session(1);
    let mut bytes = Vec::new();
    ClientPacket::Heartbeat.encode(&mut bytes).unwrap();
    let early = Conversation::new(0).receive(0, &bytes, (&settings(), &session), |_| {});
    assert_eq!(early, Err(Closed::OutOfPlace));
    let mut server = begun(login(1), &session, 0);
    bytes.clear();
    ClientPacket::LoginRequest(login(1)).encode(&mut bytes).unwrap();
    assert_eq!(server.receive(0, &bytes, (&settings(), &session), |_| {}), Err(Closed::OutOfPlace));
    let wrong = begun(login(1), &session, 0).receive(0, b"\0\x01S", (&settings(), &session), |_| {}).unwrap_err();
    assert_eq!(wrong.to_string(), "packet type 0x53; allowed: L, U, R, O or +");
}

#[test]
fn messages_without_a_number_are_given_and_a_log_out_closes() {
    let session = session(0);
    let mut server = begun(login(0), &session, 0);
    let (mut bytes, mut heard) = (Vec::new(), Vec::new());
    for packet in [ClientPacket::Unsequenced(b"order"), ClientPacket::LogoutRequest, ClientPacket::Unsequenced(b"late")]
    {
        packet.encode(&mut bytes).unwrap();
    }
    for piece in bytes.chunks(2) {
        server.receive(0, piece, (&settings(), &session), |message| heard.push(message.to_vec())).unwrap();
    }
    assert_eq!(heard, [b"order"]);
    server.sent(server.outgoing().len());
    assert_eq!(server.poll(0, &settings(), &session), Err(Closed::LoggedOut));
}

#[test]
fn heartbeats_are_sent_each_second_and_a_silent_client_is_dropped() {
    let session = session(0);
    let mut server = begun(login(1), &session, 0);
    server.sent(server.outgoing().len());
    assert_eq!(server.poll(S - 1, &settings(), &session), Ok(()));
    assert!(server.outgoing().is_empty());
    server.poll(S, &settings(), &session).unwrap();
    assert_eq!(server.outgoing(), b"\0\x01H");
    server.sent(3);
    let mut heartbeat = Vec::new();
    ClientPacket::Heartbeat.encode(&mut heartbeat).unwrap();
    server.receive(3 * S, &heartbeat, (&settings(), &session), |_| {}).unwrap();
    assert_eq!(server.poll(18 * S - 1, &settings(), &session), Ok(()));
    server.sent(3);
    assert_eq!(server.poll(18 * S, &settings(), &session), Err(Closed::Silent));
    // Bytes that are no login keep no connection open.
    let mut slow_login = Conversation::new(0);
    slow_login.receive(14 * S, b"\0", (&settings(), &session), |_| {}).unwrap();
    assert_eq!(slow_login.poll(15 * S, &settings(), &session), Err(Closed::Silent));
}

#[test]
fn a_client_that_takes_too_little_in_time_is_dropped_and_costs_one_batch() {
    let mut session = Session::new(SessionName(*b"      DAY1"));
    for _ in 0..10_000 {
        session.push(&[b'x'; 100]).unwrap();
    }
    let mut server = begun(login(1), &session, 0);
    server.sent(server.outgoing().len());
    server.poll(0, &settings(), &session).unwrap();
    let batch = server.outgoing().len();
    assert!((64 << 10..(64 << 10) + 103).contains(&batch), "{batch}");
    // A trickle is not enough: the whole batch must be taken.
    for now_ns in [S / 2, S, S + S / 2] {
        server.sent(10);
        assert_eq!(server.poll(now_ns, &settings(), &session), Ok(()));
    }
    assert_eq!(server.outgoing().len(), batch - 30);
    assert_eq!(server.poll(2 * S, &settings(), &session), Err(Closed::Slow));
    assert!(server.is_behind(&session));
}

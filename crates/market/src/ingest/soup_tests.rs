//! Servers and clients over real sockets of this machine.

use std::time::Duration;

use super::*;
use crate::{
    event::{Body, Event, Flags},
    ingest::{
        Backoff, Reader, ReceiveTime, SoupHandler, TcpSettings, read_tcp, tcp::tests::until, test_clock as clock,
    },
    itch::{
        Header, Message,
        frame::{
            SessionName,
            soup::{Login, Reason, State},
        },
        message::OrderDelete,
    },
};

const NAME: SessionName = SessionName(*b"      DAY1");

fn server_settings(address: SocketAddr, slow_after_ns: u64) -> SoupServerSettings {
    let protocol = ServerSettings { accounts: vec![(*b"zomma ", *b"secret    ")], slow_after_ns };
    SoupServerSettings { address, protocol, most_clients: 4, clock }
}

fn serve(session: Session) -> SoupServer {
    let settings = server_settings("127.0.0.1:0".parse().unwrap(), 10_000_000_000);
    SoupServer::start(settings, session, |_, _| {}).unwrap()
}

fn delete(order_reference: u64) -> Vec<u8> {
    let header = Header { stock_locate: 7, tracking_number: 0, timestamp_ns: order_reference };
    let mut bytes = Vec::new();
    Message::from(OrderDelete { header, order_reference }).encode(&mut bytes);
    bytes
}

fn login(sequence: u64) -> Login {
    Login { username: *b"zomma ", password: *b"secret    ", session: SessionName::ANY, sequence }
}

fn listen(server: SocketAddr, login: Login) -> Reader<SoupHandler<Vec<Event>>> {
    let settings = TcpSettings {
        server,
        connect_timeout: Duration::from_secs(2),
        reconnect: Some(Backoff { first: Duration::from_millis(2), most: Duration::from_millis(20) }),
        silent_after: Some(Duration::from_secs(15)),
        receive_buffer_bytes: None,
        receive_time: ReceiveTime::default(),
        clock,
    };
    read_tcp(settings, SoupHandler::new(login, 0, Vec::new())).unwrap()
}

/// The numbers of the orders that were deleted, and whether a gap was told before any.
fn deleted(events: &[Event]) -> (Vec<u64>, bool) {
    let of_orders = events.iter().filter_map(|event| match event.body {
        Body::Cancel { order_id, .. } => Some((order_id, event.flags.contains(Flags::GAP))),
        _ => None,
    });
    let (orders, gaps): (Vec<_>, Vec<_>) = of_orders.unzip();
    (orders, gaps.contains(&true))
}

#[test]
fn a_connection_killed_half_way_goes_on_from_the_next_number_and_loses_nothing() {
    const MESSAGES: u64 = 3_000;
    let mut session = Session::new(NAME);
    for number in 1..=MESSAGES / 2 {
        session.push(&delete(number)).unwrap();
    }
    let first = serve(session);
    let address = first.address();
    let reader = listen(address, login(1));
    assert!(until(|| reader.metrics().bytes.get() > 20_000));
    // Killed wherever it stands; what was published meanwhile is in the session that the next server has.
    let mut session = first.stop().unwrap();
    for number in MESSAGES / 2 + 1..=MESSAGES {
        session.push(&delete(number)).unwrap();
    }
    let mut second = None;
    // The port is free for a listener once the kernel has let the old one go.
    assert!(until(|| {
        second = SoupServer::start(server_settings(address, 10_000_000_000), session.clone(), |_, _| {}).ok();
        second.is_some()
    }));
    let second = second.unwrap();
    assert!(until(|| second.metrics().clients.get() == 1));
    second.publish_batch([&delete(MESSAGES + 1)[..], &delete(MESSAGES + 2)]).unwrap();
    second.end_session();
    assert!(until(|| reader.is_finished()), "the end of the session ends the reader");
    let (client, normaliser, events) = reader.join().unwrap().into_parts();
    assert_eq!(deleted(&events), ((1..=MESSAGES + 2).collect(), false));
    let counts = client.counts();
    assert_eq!((counts.messages, counts.missing, counts.logins), (MESSAGES + 2, 0, 2));
    assert_eq!((client.state(), normaliser.counts().missing), (State::Ended, 0));
}

#[test]
fn connections_that_are_cut_within_messages_lose_nothing() {
    // Between client and server stands one that passes on so many bytes of the server's and then cuts both ways.
    let server = serve(Session::new(NAME));
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let (from, to) = (relay.local_addr().unwrap(), server.address());
    let cuts = thread::spawn(move || {
        for bytes in [40_usize, 41, 500, 1_303, usize::MAX] {
            let (mut client, mut server) = (relay.accept().unwrap().0, TcpStream::connect(to).unwrap());
            let mut login = [0; 49];
            client.read_exact(&mut login).unwrap();
            server.write_all(&login).unwrap();
            let _ = io::copy(&mut (&server).take(bytes as u64), &mut client);
        }
    });
    let reader = listen(from, login(1));
    for number in 1..=500 {
        server.publish(&delete(number)).unwrap();
    }
    server.end_session();
    assert!(until(|| reader.is_finished()));
    cuts.join().unwrap();
    let (client, _, events) = reader.join().unwrap().into_parts();
    assert_eq!(deleted(&events), ((1..=500).collect(), false));
    assert_eq!((client.counts().logins, client.counts().missing), (5, 0));
}

#[test]
fn several_clients_hear_the_same_session_each_from_its_number() {
    let mut session = Session::new(NAME);
    (1..=10).for_each(|number| assert_eq!(session.push(&delete(number)), Ok(number)));
    let server = serve(session);
    let readers: Vec<_> = [1, 4, 11].map(|from| (from, listen(server.address(), login(from)))).into();
    assert!(until(|| server.metrics().clients.get() == 3));
    for number in 11..=20 {
        server.publish(&delete(number)).unwrap();
    }
    server.end_session();
    for (from, reader) in readers {
        assert!(until(|| reader.is_finished()));
        let (client, _, events) = reader.join().unwrap().into_parts();
        assert_eq!(deleted(&events), ((from..=20).collect(), false));
        assert_eq!(client.state(), State::Ended);
    }
    assert!(until(|| server.metrics().clients.get() == 0));
}

#[test]
fn who_is_not_known_is_refused_and_does_not_try_again() {
    let server = serve(Session::new(NAME));
    let reader = listen(server.address(), Login { password: *b"wrong     ", ..login(1) });
    assert!(until(|| reader.is_finished()));
    let (client, ..) = reader.join().unwrap().into_parts();
    assert_eq!(client.state(), State::Rejected(Reason::NotAuthorized));
    assert!(until(|| server.metrics().refused.get() == 1));
}

#[test]
fn a_client_that_reads_nothing_is_dropped_and_the_others_lose_nothing() {
    // Long enough that the client that reads is not taken for slow on a busy machine.
    let settings = server_settings("127.0.0.1:0".parse().unwrap(), 2_000_000_000);
    let server = SoupServer::start(settings, Session::new(NAME), |_, _| {}).unwrap();
    let reader = listen(server.address(), login(1));
    let mut sleeps = TcpStream::connect(server.address()).unwrap();
    let mut request = Vec::new();
    crate::itch::frame::soup::ClientPacket::LoginRequest(login(1)).encode(&mut request).unwrap();
    sleeps.write_all(&request).unwrap();
    assert!(until(|| server.metrics().clients.get() == 2));
    // More than the kernel holds for one that reads nothing.
    let long = [b'?'; 60_000];
    for _ in 0..400 {
        server.publish(&long).unwrap();
    }
    assert!(until(|| server.metrics().slow.get() >= 1));
    server.publish(&delete(9)).unwrap();
    server.end_session();
    assert!(until(|| reader.is_finished()));
    let (client, normaliser, events) = reader.join().unwrap().into_parts();
    assert_eq!((client.counts().messages, normaliser.counts().unknown), (401, 400));
    assert_eq!((deleted(&events), client.counts().missing), ((vec![9], false), 0));
}

#[test]
fn what_clients_send_without_a_number_is_given_with_their_name_and_may_be_answered() {
    let (heard, hears) = std::sync::mpsc::channel();
    let settings = server_settings("127.0.0.1:0".parse().unwrap(), 10_000_000_000);
    let server = SoupServer::start(settings, Session::new(NAME), move |name, message| {
        let _ = heard.send((name, message.to_vec()));
    })
    .unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let mut bytes = Vec::new();
    crate::itch::frame::soup::ClientPacket::LoginRequest(login(0)).encode(&mut bytes).unwrap();
    crate::itch::frame::soup::ClientPacket::Unsequenced(b"buy").encode(&mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
    assert_eq!(hears.recv_timeout(Duration::from_secs(10)), Ok((*b"zomma ", b"buy".to_vec())));
    server.publish(b"bought").unwrap();
    // Behind the acceptance of the login, and perhaps a heartbeat.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\0\x07Sbought") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
        assert!(answer.len() < 1_000, "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(server.stop().unwrap().next_sequence(), 2);
}

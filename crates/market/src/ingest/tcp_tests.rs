use std::{io::Read as _, net::TcpListener, thread, time::Instant};

use super::*;
use crate::{
    event::{Event, Flags},
    ingest::{StreamHandler, WhenFull, channel, held_up::HeldUp, test_clock as clock},
    itch::{self, Header, encode_framed, message::OrderDelete},
};

fn settings(server: SocketAddr, reconnect: Option<Backoff>) -> TcpSettings {
    TcpSettings {
        server,
        connect_timeout: Duration::from_secs(2),
        reconnect,
        silent_after: None,
        receive_buffer_bytes: Some(1 << 18),
        receive_time: ReceiveTime::default(),
        clock,
    }
}

fn deletes(from: u64, to: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for order_reference in from..to {
        let header = Header { stock_locate: 7, tracking_number: 0, timestamp_ns: order_reference };
        encode_framed(&OrderDelete { header, order_reference }.into(), &mut bytes);
    }
    bytes
}

fn handler() -> StreamHandler<itch::Decoder, Vec<Event>> {
    StreamHandler::new(itch::Decoder::new(0), Vec::new())
}

/// Waits for something for ten seconds.
pub fn until(mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if is_so() {
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    false
}

#[test]
fn a_stream_becomes_events_on_the_other_side_of_a_channel() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let before_ns = clock();
    let (sender, mut receiver) = channel(64, WhenFull::Wait);
    let handler = StreamHandler::new(itch::Decoder::new(0), sender);
    let reader = read_tcp(settings(listener.local_addr().unwrap(), None), handler).unwrap();
    let bytes = deletes(1, 2_000);
    let mut server = listener.accept().unwrap().0;
    let sent = bytes.clone();
    let server = thread::spawn(move || sent.chunks(1_001).try_for_each(|piece| server.write_all(piece)));
    let mut events: Vec<Event> = Vec::new();
    // One definition, then the orders.
    assert!(
        until(|| (receiver.take(100, &mut events) == 0 && reader.is_finished()) || events.len() == 2_000),
        "{} events",
        events.len()
    );
    server.join().unwrap().unwrap();
    let metrics = reader.metrics().clone();
    let (decoder, sender) = reader.join().unwrap().into_parts();
    assert_eq!((events.len(), itch_messages(&decoder), sender.waiting()), (2_000, 1_999, 0));
    assert!(events.iter().all(|event| event.receive_ns >= before_ns && event.receive_ns <= clock()));
    assert!(events.windows(2).all(|pair| pair[0].receive_ns <= pair[1].receive_ns));
    assert_eq!((metrics.bytes.get(), metrics.connections.get(), metrics.faults.get()), (bytes.len() as u64, 1, 0));
    assert_eq!(receiver.instruments().len(), 1);
}

fn itch_messages(decoder: &itch::Decoder) -> u64 {
    use crate::feed::Decoder as _;
    decoder.counts().messages
}

#[test]
fn a_connection_that_is_lost_is_made_again_and_the_gap_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let backoff = Backoff { first: Duration::from_millis(5), most: Duration::from_millis(20) };
    let reader = read_tcp(settings(listener.local_addr().unwrap(), Some(backoff)), handler()).unwrap();
    for (from, cut) in [(1, 5), (11, 0)] {
        let bytes = deletes(from, from + 3);
        // The first connection ends within a message.
        listener.accept().unwrap().0.write_all(&bytes[..bytes.len() - cut]).unwrap();
    }
    let last = listener.accept().unwrap().0;
    reader.stop();
    assert!(until(|| reader.is_finished()));
    drop(last);
    let metrics = reader.metrics().clone();
    let (_, events) = reader.join().unwrap().into_parts();
    let deleted: Vec<(u64, bool)> = events
        .iter()
        .filter_map(|event| match event.body {
            crate::event::Body::Cancel { order_id, .. } => Some((order_id, event.flags.contains(Flags::GAP))),
            _ => None,
        })
        .collect();
    assert_eq!(deleted, [(1, false), (2, false), (11, true), (12, false), (13, false)]);
    assert_eq!((metrics.connections.get(), metrics.faults.get()), (3, 1));
}

#[test]
fn a_server_that_is_not_there_is_tried_again_until_the_reader_is_stopped() {
    // Bound and let go: nobody listens there.
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(4) };
    let reader = read_tcp(settings(nowhere, Some(backoff)), handler()).unwrap();
    assert!(until(|| reader.metrics().refused.get() >= 3));
    reader.stop();
    assert!(until(|| reader.is_finished()));
    let once = read_tcp(settings(nowhere, None), handler()).unwrap();
    assert!(until(|| once.is_finished()));
    assert_eq!(once.metrics().refused.get(), 1);
}

#[test]
fn a_silent_server_does_not_keep_the_reader_from_stopping_and_replies_are_sent() {
    struct Greets;
    impl Handler for Greets {
        fn begin(&mut self, _: u64, reply: &mut Vec<u8>) {
            reply.extend_from_slice(b"login");
        }

        fn receive(&mut self, _: Origin, _: u64, _: &[u8], _: &mut Vec<u8>) -> Result<(), String> {
            Err("nothing is understood here".into())
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let reader = read_tcp(settings(listener.local_addr().unwrap(), Some(Backoff::default())), Greets).unwrap();
    let mut server = listener.accept().unwrap().0;
    let mut greeting = [0; 5];
    server.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"login");
    // What cannot be understood ends the connection.
    server.write_all(b"?").unwrap();
    assert!(until(|| reader.metrics().faults.get() == 1));
    let _silent = listener.accept().unwrap().0;
    reader.stop();
    assert!(until(|| reader.is_finished()));
    reader.join().unwrap();
}

#[test]
fn a_server_that_goes_silent_without_a_word_is_dropped_and_connected_to_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(4) };
    let settings = TcpSettings {
        // Far above what a busy machine takes from one line of this test to the next.
        silent_after: Some(Duration::from_secs(1)),
        ..settings(listener.local_addr().unwrap(), Some(backoff))
    };
    let reader = read_tcp(settings, handler()).unwrap();
    // Neither closed nor used: a machine that lost its power looks so.
    let mut first = listener.accept().unwrap().0;
    first.write_all(&deletes(1, 3)).unwrap();
    let mut second = listener.accept().unwrap().0;
    assert_eq!((reader.metrics().silences.get(), reader.metrics().faults.get()), (1, 0));
    second.write_all(&deletes(7, 8)).unwrap();
    assert!(until(|| reader.metrics().reads.get() >= 2));
    reader.stop();
    let (_, events) = reader.join().unwrap().into_parts();
    let gaps: Vec<bool> = events
        .iter()
        .filter(|event| matches!(event.body, crate::event::Body::Cancel { .. }))
        .map(|event| event.flags.contains(Flags::GAP))
        .collect();
    assert_eq!(gaps, [false, false, true]);
    drop(first);
}

#[test]
fn a_server_that_speaks_now_and_then_is_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Many times longer than the pauses, so that a slow machine drops nothing here.
    let settings =
        TcpSettings { silent_after: Some(Duration::from_secs(5)), ..settings(listener.local_addr().unwrap(), None) };
    let reader = read_tcp(settings, handler()).unwrap();
    let mut server = listener.accept().unwrap().0;
    for number in 1..=3 {
        server.write_all(&deletes(number, number + 1)).unwrap();
        thread::sleep(TURN * 3);
    }
    drop(server);
    assert!(until(|| reader.is_finished()));
    assert_eq!((reader.metrics().silences.get(), reader.metrics().connections.get()), (0, 1));
    assert_eq!(reader.join().unwrap().into_parts().1.len(), 4);
}

#[test]
fn the_time_of_receipt_of_bytes_is_the_kernels_and_not_that_of_a_reader_who_was_busy() {
    for (receive_time, is_of_kernel) in [(ReceiveTime::Kernel, cfg!(target_os = "linux")), (ReceiveTime::Reader, false)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (handler, held) = HeldUp::new();
        let settings = TcpSettings { receive_time, ..settings(listener.local_addr().unwrap(), None) };
        let reader = read_tcp(settings, handler).unwrap();
        let mut server = listener.accept().unwrap().0;
        server.write_all(b"first").unwrap();
        held.wait();
        server.write_all(b"second").unwrap();
        let released_ns = held.release();
        assert!(until(|| reader.metrics().reads.get() == 2));
        drop(server);
        let metrics = reader.metrics().clone();
        let handler = reader.join().unwrap();
        assert_eq!(handler.lengths, [5, 6]);
        assert_eq!(handler.times_ns[1] < released_ns, is_of_kernel, "{receive_time:?}");
        assert_eq!(metrics.kernel_stamps.get() > 0, is_of_kernel, "{receive_time:?}");
    }
}

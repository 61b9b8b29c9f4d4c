use std::{
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    event::{Body, Event},
    ingest::{MoldHandler, held_up::HeldUp, test_clock as clock},
    itch::{
        Header, Message,
        frame::{
            SessionName,
            mold::{MoldDecoder, Request, Sender, Settings},
        },
        message::{LONGEST, OrderDelete},
    },
};

const LO: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn until(mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if is_so() {
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    false
}

/// A port that nobody has.
fn free_port() -> u16 {
    UdpSocket::bind((LO, 0)).unwrap().local_addr().unwrap().port()
}

/// One packet for each message, numbered from 1.
fn packets(count: u64) -> Vec<Vec<u8>> {
    let mut sender = Sender::new(SessionName(*b"0000000001"), 1, 1_472);
    let mut packets = Vec::new();
    for order_reference in 1..=count {
        let header = Header { stock_locate: 7, tracking_number: 0, timestamp_ns: order_reference };
        let mut bytes = [0; LONGEST];
        let length = Message::from(OrderDelete { header, order_reference }).write(&mut bytes);
        let mut keep = |packet: &[u8]| packets.push(packet.to_vec());
        sender.push(&bytes[..length], &mut keep).unwrap();
        sender.flush(&mut keep);
    }
    packets
}

fn handler() -> MoldHandler<Vec<Event>> {
    // No gap is given up, however long this machine lets the test wait.
    let settings = Settings { give_up_after_ns: u64::MAX, ..Settings::default() };
    MoldHandler::new(MoldDecoder::new(0, settings, Some(1), clock()), Vec::new())
}

fn settings(lines: &[SocketAddr], requests_to: Option<SocketAddr>) -> UdpSettings {
    let lines = lines.iter().map(|address| UdpLine { address: *address, interface: LO }).collect();
    let receive_time = ReceiveTime::default();
    UdpSettings { lines, requests_to, receive_buffer_bytes: Some(1 << 20), receive_time, clock }
}

/// The orders deleted, once so many datagrams have come.
fn deleted(reader: Reader<MoldHandler<Vec<Event>>>, reads: u64) -> Vec<u64> {
    assert!(until(|| reader.metrics().reads.get() >= reads), "{} datagrams of {reads}", reader.metrics().reads.get());
    reader.stop();
    let (_, events) = reader.join().unwrap().into_parts();
    events
        .iter()
        .filter_map(|event| if let Body::Cancel { order_id, .. } = event.body { Some(order_id) } else { None })
        .collect()
}

#[test]
fn two_lines_make_one_stream_and_nonsense_is_counted() {
    let lines = [free_port(), free_port()].map(|port| SocketAddr::from((LO, port)));
    let reader = read_udp(&settings(&lines, None), handler()).unwrap();
    let sender = UdpSocket::bind((LO, 0)).unwrap();
    for (number, packet) in packets(40).iter().enumerate() {
        // Each line loses every other packet.
        sender.send_to(packet, lines[number % 2]).unwrap();
    }
    sender.send_to(b"nonsense", lines[0]).unwrap();
    let metrics = reader.metrics().clone();
    assert_eq!(deleted(reader, 41), (1..=40).collect::<Vec<u64>>());
    assert_eq!(metrics.faults.get(), 1);
}

#[test]
fn what_no_line_brought_is_asked_for_and_comes() {
    let line = SocketAddr::from((LO, free_port()));
    let server = UdpSocket::bind((LO, 0)).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let reader = read_udp(&settings(&[line], Some(server.local_addr().unwrap())), handler()).unwrap();
    let packets = packets(3);
    let sender = UdpSocket::bind((LO, 0)).unwrap();
    sender.send_to(&packets[0], line).unwrap();
    sender.send_to(&packets[2], line).unwrap();
    let mut buffer = [0; 100];
    let (length, asker) = server.recv_from(&mut buffer).unwrap();
    let request = Request::decode(&buffer[..length]).unwrap();
    assert_eq!((request.sequence, request.count), (2, 1));
    server.send_to(&packets[1], asker).unwrap();
    assert_eq!(deleted(reader, 3), [1, 2, 3]);
}

/// Whether this machine brings multicast on its loopback interface back to itself: asked of plain sockets, not of what is tested.
fn multicast_works(group: Ipv4Addr, sender: &Socket) -> bool {
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else { return false };
    let port = socket.local_addr().unwrap().port();
    let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
    socket.join_multicast_v4(&group, &LO).is_ok()
        && sender.send_to(b"there?", &SocketAddr::from((group, port)).into()).is_ok()
        && socket.recv(&mut [0; 10]).is_ok_and(|length| length == 6)
}

#[test]
fn a_multicast_group_is_joined() {
    let sender = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    sender.set_multicast_if_v4(&LO).unwrap();
    sender.set_multicast_loop_v4(true).unwrap();
    if !multicast_works(Ipv4Addr::new(239, 255, 71, 3), &sender) {
        zomma_testkit::skip("no multicast on the loopback interface");
        return;
    }
    let port = free_port();
    let [mine, other] = [1, 2].map(|number| SocketAddr::from((Ipv4Addr::new(239, 255, 71, number), port)));
    let reader = read_udp(&settings(&[mine], None), handler()).unwrap();
    let packets = packets(3);
    // Another group on the same port is not heard.
    sender.send_to(&packets[2], &other.into()).unwrap();
    sender.send_to(&packets[0], &mine.into()).unwrap();
    sender.send_to(&packets[1], &mine.into()).unwrap();
    assert_eq!(deleted(reader, 2), [1, 2]);
}

#[test]
fn a_line_that_cannot_be_opened_is_named() {
    let taken = UdpSocket::bind((LO, 0)).unwrap().local_addr().unwrap();
    let holder = UdpSocket::bind(taken).unwrap();
    let error = read_udp(&settings(&[taken], None), handler()).err().unwrap();
    assert!(error.to_string().starts_with(&taken.to_string()), "{error}");
    drop(holder);
}

#[test]
fn the_time_of_receipt_is_the_kernels_and_not_that_of_a_reader_who_was_busy() {
    for (receive_time, is_of_kernel) in
        [(ReceiveTime::Kernel, true), (ReceiveTime::Hardware, true), (ReceiveTime::Reader, false)]
    {
        if is_of_kernel && !cfg!(target_os = "linux") {
            continue;
        }
        let line = SocketAddr::from((LO, free_port()));
        let (handler, held) = HeldUp::new();
        let settings = UdpSettings { receive_time, ..settings(&[line], None) };
        let reader = read_udp(&settings, handler).unwrap();
        let sender = UdpSocket::bind((LO, 0)).unwrap();
        let before_ns = clock();
        sender.send_to(b"first", line).unwrap();
        held.wait();
        sender.send_to(b"second", line).unwrap();
        let released_ns = held.release();
        assert!(until(|| reader.metrics().reads.get() == 2));
        let metrics = reader.metrics().clone();
        assert_eq!(reader.stamps_refused(), None);
        reader.stop();
        let times_ns = reader.join().unwrap().times_ns;
        assert!(times_ns[0] >= before_ns && times_ns[0] < released_ns, "{receive_time:?}");
        assert_eq!(times_ns[1] < released_ns, is_of_kernel, "{receive_time:?}");
        // No card is behind the loopback interface.
        assert_eq!((metrics.kernel_stamps.get(), metrics.hardware_stamps.get()), (if is_of_kernel { 2 } else { 0 }, 0));
    }
}

#[test]
fn a_refusal_of_stamps_is_named() {
    let no_socket = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    assert!(stamps::ask(&no_socket, ReceiveTime::Reader).is_ok());
    let refusal = stamps::ask(&no_socket, ReceiveTime::Kernel).unwrap_err().to_string();
    let told = refusal.clone();
    let reader = Reader::spawn("test", clock, handler(), move |turns, _| turns.refused(told)).unwrap();
    assert!(until(|| reader.is_finished()));
    assert_eq!(reader.stamps_refused(), Some(refusal));
}

#[test]
fn more_datagrams_than_one_call_takes_come_all_and_in_order() {
    let line = SocketAddr::from((LO, free_port()));
    let (handler, held) = HeldUp::new();
    let reader = read_udp(&settings(&[line], None), handler).unwrap();
    let mut sender = crate::ingest::UdpSender::new(line, LO, 64).unwrap();
    let lengths: Vec<usize> = (0..150).map(|number| 1 + number * 9).collect();
    lengths.iter().for_each(|length| sender.push(&vec![7; *length]).unwrap());
    sender.flush().unwrap();
    held.release();
    assert!(until(|| reader.metrics().reads.get() == 150), "{}", reader.metrics().reads.get());
    reader.stop();
    let taken = reader.join().unwrap();
    assert_eq!(taken.lengths, lengths);
    assert!(taken.times_ns.windows(2).all(|pair| pair[0] <= pair[1]));
}

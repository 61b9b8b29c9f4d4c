//! What encoding and sending costs a message when it is done many at a time, beside one by one.
//!
//! `cargo run --release -p zomma-market --example send_rate [THOUSANDS]`
//!
//! THOUSANDS (300) of ITCH messages of the made feed are written again from their fields and sent over the loopback interface: by UDP in MoldUDP64
//! packets, to a reader of this crate in another thread, and by TCP to one that throws away what it reads. Figures are processor time of the sending thread a message;
//! on the loopback interface that includes the kernel's work for the receiver. What UDP lost, since the reader was slower, is told.

use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use zomma_market::{
    event::Event,
    ingest::{MoldHandler, ReceiveTime, UdpLine, UdpSender, UdpSettings, read_udp},
    itch::{
        Message, encode_framed,
        frame::{
            SessionName,
            mold::{MoldDecoder, Sender, Settings},
        },
        message::LONGEST,
    },
};

#[path = "../benches/feed"]
mod feed {
    pub mod frames;
    pub mod generate;
    pub mod made;
}

/// The largest packet that fills one Ethernet frame.
const FRAME_BYTES: usize = 1_472;

/// The processor time of this thread, in nanoseconds.
fn processor_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the time to where it is told, which is ours.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if outcome == 0 { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 } else { 0 }
}

fn clock() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Counts events and keeps none.
#[derive(Default)]
struct Count(u64);

impl zomma_market::event::Sink for Count {
    fn event(&mut self, _: &Event) {
        self.0 += 1;
    }
}

impl zomma_market::ingest::Outlet for Count {
    fn flush(&mut self) {}
}

/// One packet a message where `largest_bytes` is 0; so many packets with one call.
fn by_udp(name: &str, messages: &[Message], largest_bytes: usize, at_once: usize) -> Result<f64, Box<dyn Error>> {
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let line = UdpLine { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), interface: Ipv4Addr::LOCALHOST };
    let receive_time = ReceiveTime::Kernel;
    let settings =
        UdpSettings { lines: vec![line], requests_to: None, receive_buffer_bytes: Some(8 << 20), receive_time, clock };
    let rules = Settings { give_up_after_ns: 0, ..Settings::default() };
    let reader = read_udp(&settings, MoldHandler::new(MoldDecoder::new(0, rules, Some(1), clock()), Count::default()))?;
    let mut out = UdpSender::new(line.address, Ipv4Addr::UNSPECIFIED, at_once)?;
    let mut session =
        Sender::new(SessionName(*b"0000000001"), 1, if largest_bytes == 0 { FRAME_BYTES } else { largest_bytes });
    let (mut bytes, mut failed) = ([0; LONGEST], None);
    let begun = processor_ns();
    for message in messages {
        let length = message.write(&mut bytes);
        let mut send = |packet: &[u8]| {
            if let Err(error) = out.push(packet) {
                failed.get_or_insert(error);
            }
        };
        session.push(&bytes[..length], &mut send)?;
        if largest_bytes == 0 {
            session.flush(&mut send);
        }
    }
    session.flush(&mut |packet: &[u8]| failed = out.push(packet).err());
    out.flush()?;
    let ns = (processor_ns() - begun) as f64 / messages.len() as f64;
    if let Some(error) = failed {
        return Err(error.into());
    }
    thread::sleep(Duration::from_millis(200));
    let datagrams = reader.metrics().reads.get();
    reader.stop();
    reader.join().map_err(|_| "the reader panicked")?;
    println!(
        "{name:<48} {ns:8.1} ns a message; {} packets with {} calls, {} not taken",
        out.sent(),
        out.calls(),
        out.sent() - datagrams
    );
    Ok(ns)
}

/// A write for each so many messages.
fn by_tcp(name: &str, messages: &[Message], together: usize) -> Result<f64, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    stream.set_nodelay(true)?;
    let mut other = listener.accept()?.0;
    let reader = thread::spawn(move || {
        let mut room = vec![0; 1 << 18];
        while other.read(&mut room).is_ok_and(|length| length > 0) {}
    });
    let mut bytes = Vec::with_capacity(together * LONGEST);
    let begun = processor_ns();
    for some in messages.chunks(together) {
        some.iter().for_each(|message| encode_framed(message, &mut bytes));
        stream.write_all(&bytes)?;
        bytes.clear();
    }
    let ns = (processor_ns() - begun) as f64 / messages.len() as f64;
    drop(stream);
    reader.join().map_err(|_| "the reader panicked")?;
    println!("{name:<48} {ns:8.1} ns a message");
    Ok(ns)
}

fn main() -> Result<(), Box<dyn Error>> {
    let thousands: usize = std::env::args().nth(1).map_or(Ok(300), |text| text.parse())?;
    let bytes = feed::made::made(600, thousands * 1_000);
    let messages: Vec<Message> =
        feed::frames::frames(&bytes).filter_map(|frame| Message::decode(&frame[2..]).ok()).collect();
    println!("{} messages; processor time of the sending thread", messages.len());
    let mut written = Vec::with_capacity(bytes.len());
    let begun = processor_ns();
    messages.iter().for_each(|message| encode_framed(message, &mut written));
    println!("{:<48} {:8.1} ns a message", "encoded only", (processor_ns() - begun) as f64 / messages.len() as f64);
    assert_eq!(written, bytes, "what was read is written again");
    let plain = by_udp("UDP, a packet and a call a message", &messages, 0, 1)?;
    by_udp("UDP, a packet a message, 64 with one call", &messages, 0, 64)?;
    by_udp("UDP, packets of 1,472 bytes, a call each", &messages, FRAME_BYTES, 1)?;
    let batched = by_udp("UDP, packets of 1,472 bytes, 64 with one call", &messages, FRAME_BYTES, 64)?;
    println!("{:<48} {:8.1} times", "ratio of the first and the last", plain / batched);
    let plain = by_tcp("TCP, a write a message", &messages, 1)?;
    let batched = by_tcp("TCP, a write each 64 messages", &messages, 64)?;
    println!("{:<48} {:8.1} times", "ratio", plain / batched);
    Ok(())
}

//! Reads a TCP connection in a thread, and connects again when it is lost.

use std::{
    io::{self, ErrorKind, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{
    inbox::receive_bytes,
    reader::{Clock, Handler, Origin, Reader, TURN, Turns},
    stamps::{self, ReceiveTime},
};

/// What is read at once at most.
const READ_BYTES: usize = 64 << 10;
/// How long sending a reply may take: a server that takes nothing for so long counts as lost.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait before connecting again: first `first`, then twice as long each time, up to `most`; from the beginning again once
/// something was received that could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Default for Backoff {
    /// 100 ms to 10 s.
    fn default() -> Self {
        Self { first: Duration::from_millis(100), most: Duration::from_secs(10) }
    }
}

/// Where and how to connect.
#[derive(Debug, Clone, Copy)]
pub struct TcpSettings {
    /// The server.
    pub server: SocketAddr,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How to connect again; `None` ends the reader with its first connection, or where that cannot be made.
    pub reconnect: Option<Backoff>,
    /// A connection on which nothing came for so long counts as lost, and is closed: a server that is gone without a word is not told by TCP. Above
    /// what the protocol's own heartbeats leave silent (SoupBinTCP: they come each second, and 15 s is usual); `None` waits for ever.
    pub silent_after: Option<Duration>,
    /// The kernel's receive buffer in bytes (the kernel may grant less); `None` leaves it as it is.
    pub receive_buffer_bytes: Option<usize>,
    /// Who says when bytes were received: those of one read have the time of the latest segment among them.
    pub receive_time: ReceiveTime,
    /// What time it is.
    pub clock: Clock,
}

/// Reads what a server sends, in a thread, until it is stopped.
///
/// # Errors
///
/// Where no thread can be made.
pub fn read_tcp<H: Handler + 'static>(settings: TcpSettings, handler: H) -> io::Result<Reader<H>> {
    Reader::spawn("feed tcp", settings.clock, handler, move |turns, handler| run(&settings, turns, handler))
}

fn run(settings: &TcpSettings, turns: &Turns, handler: &mut impl Handler) {
    let mut buffer = vec![0; READ_BYTES];
    let mut wait = settings.reconnect.map_or(Duration::ZERO, |backoff| backoff.first);
    while !turns.are_over() {
        match connect(settings) {
            Ok(stream) => {
                turns.metrics.connections.add(1);
                if let Err(error) = stamps::ask(&stream, settings.receive_time) {
                    turns.refused(format!("{}: {error}", settings.server));
                }
                let was_of_use = converse(settings, stream, turns, handler, &mut buffer);
                turns.fault_if(&handler.end());
                if let Some(backoff) = settings.reconnect.filter(|_| was_of_use) {
                    wait = backoff.first;
                }
            }
            Err(_) => turns.metrics.refused.add(1),
        }
        let Some(backoff) = settings.reconnect.filter(|_| !handler.is_done()) else { return };
        turns.sleep(wait);
        wait = wait.saturating_mul(2).min(backoff.most);
    }
}

fn connect(settings: &TcpSettings) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(settings.server), Type::STREAM, Some(Protocol::TCP))?;
    // Before connecting: the window that TCP can open follows from it.
    if let Some(bytes) = settings.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.connect_timeout(&SockAddr::from(settings.server), settings.connect_timeout)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TURN))?;
    stream.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok(stream)
}

/// Reads until the connection is lost or the reader is to stop; whether anything came that could be used.
fn converse(
    settings: &TcpSettings,
    mut stream: TcpStream,
    turns: &Turns,
    handler: &mut impl Handler,
    buffer: &mut [u8],
) -> bool {
    let mut reply = Vec::new();
    // Not by the clock that stamps receipts: that one may be set, and a step of it is no silence.
    let mut heard = Instant::now();
    let mut was_of_use = false;
    handler.begin((turns.clock)(), &mut reply);
    while !turns.are_over() {
        if !send(&mut stream, &mut reply, turns) {
            break;
        }
        match receive_bytes(&stream, buffer) {
            Ok((0, _)) => break,
            Ok((length, stamp)) => {
                let received_ns = turns.received(length, stamp);
                let outcome = handler.receive(Origin::Line(0), received_ns, &buffer[..length], &mut reply);
                turns.fault_if(&outcome);
                if outcome.is_err() {
                    break;
                }
                was_of_use = true;
                heard = Instant::now();
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                if settings.silent_after.is_some_and(|silent_after| heard.elapsed() >= silent_after) {
                    turns.metrics.silences.add(1);
                    break;
                }
            }
            Err(_) => {
                turns.metrics.socket_errors.add(1);
                break;
            }
        }
        // After what was received too: a busy line must not keep heartbeats from being sent.
        if !handler.idle((turns.clock)(), &mut reply) {
            break;
        }
    }
    was_of_use
}

fn send(stream: &mut TcpStream, reply: &mut Vec<u8>, turns: &Turns) -> bool {
    if reply.is_empty() {
        return true;
    }
    let outcome = stream.write_all(reply);
    reply.clear();
    if outcome.is_err() {
        turns.metrics.socket_errors.add(1);
    }
    outcome.is_ok()
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
pub(super) mod tests;

//! Reads UDP in a thread: multicast groups or plain ports, several lines of one session at once, and the answers to requests.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    inbox::{AT_ONCE, Inbox},
    reader::{Clock, Handler, Origin, Reader, TURN, Turns},
    stamps::{self, ReceiveTime},
};

/// So many datagrams are taken of one line before the others have their turn.
const MOST_IN_A_TURN: usize = 64;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpLine {
    /// A multicast group, which is joined, or an address of this machine; and the port.
    pub address: SocketAddr,
    /// The address of the interface on which the group is joined (IPv4); [`Ipv4Addr::UNSPECIFIED`] leaves the choice to the kernel. IPv6 groups are
    /// joined on the kernel's choice.
    pub interface: Ipv4Addr,
}

/// What to read.
#[derive(Debug, Clone)]
pub struct UdpSettings {
    /// The lines, in the order of their numbers.
    pub lines: Vec<UdpLine>,
    /// Where requests are sent; without it they are not.
    pub requests_to: Option<SocketAddr>,
    /// The kernel's receive buffer of each socket in bytes (the kernel may grant less); `None` leaves it as it is.
    pub receive_buffer_bytes: Option<usize>,
    /// Who says when a datagram was received.
    pub receive_time: ReceiveTime,
    /// What time it is.
    pub clock: Clock,
}

/// Reads datagrams of all lines, in one thread, until it is stopped. The lines are open, and the groups joined, when this returns.
///
/// # Errors
///
/// Where a socket cannot be opened, bound or joined to its group, or no thread can be made; the message names the line.
pub fn read_udp<H: Handler + 'static>(settings: &UdpSettings, handler: H) -> io::Result<Reader<H>> {
    let open_line =
        |line: &UdpLine| open(line, settings.receive_buffer_bytes).map_err(|error| named(line.address, &error));
    let lines = settings.lines.iter().map(open_line).collect::<io::Result<Vec<_>>>()?;
    let requests =
        settings.requests_to.map(|server| request_socket(server).map_err(|error| named(server, &error))).transpose()?;
    // Before the first datagram is read; the answers to requests have the time of their reading where this is refused.
    let refusals: Vec<String> = settings
        .lines
        .iter()
        .map(|line| line.address)
        .zip(&lines)
        .chain(settings.requests_to.into_iter().zip(&requests))
        .filter_map(|(address, socket)| {
            Some(named(address, &stamps::ask(socket, settings.receive_time).err()?).to_string())
        })
        .collect();
    Reader::spawn("feed udp", settings.clock, handler, move |turns, handler| {
        refusals.into_iter().for_each(|refusal| turns.refused(refusal));
        run(&lines, requests.as_ref(), turns, handler)
    })
}

fn named(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}

fn open(line: &UdpLine, receive_buffer_bytes: Option<usize>) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(line.address), Type::DGRAM, Some(Protocol::UDP))?;
    if let Some(bytes) = receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    let is_group = line.address.ip().is_multicast();
    if is_group {
        // Several readers on one machine may listen to one group.
        socket.set_reuse_address(true)?;
    }
    // Bound to the group itself: of other groups on the same port nothing comes.
    socket.bind(&line.address.into())?;
    match line.address.ip() {
        IpAddr::V4(group) if is_group => socket.join_multicast_v4(&group, &line.interface)?,
        IpAddr::V6(group) if is_group => socket.join_multicast_v6(&group, 0)?,
        _ => {}
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Connected, so that only the server's answers come.
fn request_socket(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn run(lines: &[UdpSocket], requests: Option<&UdpSocket>, turns: &Turns, handler: &mut impl Handler) {
    let mut inbox = Inbox::new();
    let mut reply = Vec::new();
    let numbered = lines.iter().enumerate().map(|(number, socket)| (Origin::Line(number), socket));
    let sockets: Vec<(Origin, &UdpSocket)> = numbered.chain(requests.map(|socket| (Origin::Reply, socket))).collect();
    let mut polled: Vec<PollFd<'_>> = sockets.iter().map(|(_, socket)| PollFd::new(*socket, PollFlags::IN)).collect();
    let turn = Timespec { tv_sec: 0, tv_nsec: TURN.as_nanos() as _ };
    while !turns.are_over() {
        match poll(&mut polled, Some(&turn)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => {
                turns.metrics.socket_errors.add(1);
                turns.sleep(TURN);
            }
        }
        for ((origin, socket), polled) in sockets.iter().zip(&polled) {
            if !polled.revents().is_empty() {
                drain(socket, *origin, turns, handler, &mut inbox, &mut reply);
            }
        }
        handler.idle((turns.clock)(), &mut reply);
        if let Some(socket) = requests.filter(|_| !reply.is_empty())
            && socket.send(&reply).is_err()
        {
            turns.metrics.socket_errors.add(1);
        }
        reply.clear();
    }
    turns.fault_if(&handler.end());
}

fn drain(
    socket: &UdpSocket,
    origin: Origin,
    turns: &Turns,
    handler: &mut impl Handler,
    inbox: &mut Inbox,
    reply: &mut Vec<u8>,
) {
    for _ in 0..MOST_IN_A_TURN / AT_ONCE {
        match inbox.receive(socket) {
            Ok(count) => {
                for (datagram, stamp) in inbox.datagrams() {
                    let received_ns = turns.received(datagram.len(), stamp);
                    turns.fault_if(&handler.receive(origin, received_ns, datagram, reply));
                }
                if count < AT_ONCE {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Such as a refusal by the server of requests, which is told here: there may be more behind it.
            Err(_) => turns.metrics.socket_errors.add(1),
        }
    }
}

#[cfg(test)]
#[path = "udp_tests.rs"]
mod tests;

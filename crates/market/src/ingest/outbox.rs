//! Sends datagrams, many with one call: packets of one feed to one address or group.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use socket2::SockRef;

/// So many packets are sent with one call at most; the kernel takes up to 1,024.
const MOST_AT_ONCE: usize = 1_024;

/// Sends packets to one address, a number of them with one call (feature 6.20).
///
/// Packets are gathered until there are so many, or until [`flush`](Self::flush): call it when there is nothing more to say now, so that no packet
/// waits for the next one. A venue's session packs its messages before ([`mold::Sender`](crate::itch::frame::mold::Sender)).
///
/// ```
/// use std::net::{Ipv4Addr, UdpSocket};
/// use zomma_market::ingest::UdpSender;
///
/// let reader = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
/// let mut sender = UdpSender::new(reader.local_addr()?, Ipv4Addr::UNSPECIFIED, 16)?;
/// for packet in [b"one".as_slice(), b"two"] {
///     sender.push(packet)?;
/// }
/// sender.flush()?;
/// assert_eq!((sender.sent(), sender.calls()), (2, if cfg!(target_os = "linux") { 1 } else { 2 }));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UdpSender {
    socket: UdpSocket,
    at_once: usize,
    /// The packets that are gathered, one behind the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    sent: u64,
    calls: u64,
}

impl UdpSender {
    /// Sends to an address, or to a multicast group out of the IPv4 interface that has this address ([`Ipv4Addr::UNSPECIFIED`] leaves the choice to the
    /// kernel); `at_once` packets with one call, 1 to 1,024: 1 sends each packet by itself.
    ///
    /// # Errors
    ///
    /// Where no socket can be opened to that address, or `at_once` is outside what is allowed.
    pub fn new(to: SocketAddr, interface: Ipv4Addr, at_once: usize) -> io::Result<Self> {
        if !(1..=MOST_AT_ONCE).contains(&at_once) {
            let problem = format!("{at_once} packets with one call; allowed: 1 to {MOST_AT_ONCE}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        if to.is_ipv4() && to.ip().is_multicast() && !interface.is_unspecified() {
            SockRef::from(&socket).set_multicast_if_v4(&interface)?;
        }
        socket.connect(to).map_err(|error| io::Error::new(error.kind(), format!("{to}: {error}")))?;
        let (bytes, ends) = (Vec::with_capacity(at_once * 1_500), Vec::with_capacity(at_once));
        Ok(Self { socket, at_once, bytes, ends, sent: 0, calls: 0 })
    }

    /// Gathers a packet, and sends all where they are as many as go with one call.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush), to be called again; this packet is gathered then, unless as many as go with one call had been left by an
    /// error before.
    pub fn push(&mut self, packet: &[u8]) -> io::Result<()> {
        if self.ends.len() >= self.at_once {
            self.flush()?;
        }
        self.bytes.extend_from_slice(packet);
        self.ends.push(self.bytes.len());
        if self.ends.len() >= self.at_once { self.flush() } else { Ok(()) }
    }

    /// Sends what is gathered.
    ///
    /// # Errors
    ///
    /// The socket's, such as a refusal where nobody listens, or a packet that is too long, which is left out. What was not sent stays gathered, and
    /// another call goes on with it.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut done = 0;
        let outcome = loop {
            if done == self.ends.len() {
                break Ok(());
            }
            self.calls += 1;
            match self.send_from(done) {
                Ok(sent) => {
                    done += sent;
                    self.sent += sent as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The first one cannot be sent, ever.
                    done += usize::from(too_long(&error));
                    break Err(error);
                }
            }
        };
        let gone = done.checked_sub(1).map_or(0, |last| self.ends[last]);
        self.bytes.drain(..gone);
        self.ends.drain(..done);
        self.ends.iter_mut().for_each(|end| *end -= gone);
        outcome
    }

    /// How many packets were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many calls of the kernel that took.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Sends some of those from this one on, and gives how many.
    #[cfg(target_os = "linux")]
    fn send_from(&self, first: usize) -> io::Result<usize> {
        use std::os::fd::AsRawFd as _;
        /// Kept on the stack.
        const TURN: usize = 64;
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; TURN];
        // SAFETY: a C structure of integers and pointers, for all of which zeros are valid.
        let mut headers = [unsafe { std::mem::zeroed::<libc::mmsghdr>() }; TURN];
        let mut begin = first.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut count = 0;
        for ((header, part), end) in headers.iter_mut().zip(&mut parts).zip(&self.ends[first..]) {
            let packet = &self.bytes[begin..*end];
            *part = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            (begin, count) = (*end, count + 1);
        }
        // SAFETY: the first `count` headers point to parts and packets that outlive the call, which reads the packets and writes none of them.
        let sent = unsafe { libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Sends this one.
    #[cfg(not(target_os = "linux"))]
    fn send_from(&self, first: usize) -> io::Result<usize> {
        let begin = first.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.socket.send(&self.bytes[begin..self.ends[first]]).map(|_| 1)
    }
}

/// Whether the packet that could not be sent is longer than any may be.
fn too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn listener() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn next(socket: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 2_000];
        let length = socket.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    #[test]
    fn packets_come_one_by_one_and_in_their_order_however_many_go_at_once() {
        for at_once in [1, 7, 64, 100] {
            let (socket, address) = listener();
            let mut sender = UdpSender::new(address, Ipv4Addr::UNSPECIFIED, at_once).unwrap();
            let packets: Vec<Vec<u8>> = (0..150_u8).map(|number| vec![number; 1 + usize::from(number)]).collect();
            packets.iter().for_each(|packet| sender.push(packet).unwrap());
            sender.flush().unwrap();
            packets.iter().for_each(|packet| assert_eq!(&next(&socket), packet));
            assert_eq!(sender.sent(), 150);
            if cfg!(target_os = "linux") {
                // A call takes 64 at most.
                let calls = [(1, 150), (7, 22), (64, 3), (100, 3)].iter().find(|(at, _)| *at == at_once).unwrap().1;
                assert_eq!(sender.calls(), calls, "{at_once} at once");
            }
        }
    }

    #[test]
    fn a_packet_that_is_too_long_is_left_out_and_the_rest_goes_on() {
        let (socket, address) = listener();
        let mut sender = UdpSender::new(address, Ipv4Addr::UNSPECIFIED, 10).unwrap();
        sender.push(b"before").unwrap();
        sender.push(&vec![0; 70_000]).unwrap();
        sender.push(b"behind").unwrap();
        assert!(sender.flush().is_err());
        sender.flush().unwrap();
        assert_eq!((next(&socket), next(&socket)), (b"before".to_vec(), b"behind".to_vec()));
        assert_eq!(sender.sent(), 2);
    }

    #[test]
    fn so_many_as_no_call_takes_are_refused() {
        let (_socket, address) = listener();
        for at_once in [0, 1_025] {
            let error = UdpSender::new(address, Ipv4Addr::UNSPECIFIED, at_once).unwrap_err();
            assert!(error.to_string().contains("allowed: 1 to 1024"), "{error}");
        }
    }
}

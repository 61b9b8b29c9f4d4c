//! Reads a socket: datagrams, as many with one call as have come, or the bytes of a stream, each with the kernel's stamp where there is one.

use std::{
    io,
    net::{TcpStream, UdpSocket},
};

use super::stamps::Stamp;

/// So many datagrams are taken with one call.
pub(super) const AT_ONCE: usize = 32;
/// No UDP datagram is longer, so none is cut.
const LONGEST_DATAGRAM: usize = 65_535;
/// From one datagram's room to the next one's: a cache line more than a power of two, so that their beginnings do not fall into the same places of a
/// processor's cache. Room that is not written is no memory in use.
const STRIDE: usize = (1 << 16) + 64;
const _: () = assert!(STRIDE >= LONGEST_DATAGRAM);

/// Room for the datagrams of one call.
#[derive(Debug)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Length and stamp of those that came.
    taken: Vec<(usize, Option<Stamp>)>,
    #[cfg(target_os = "linux")]
    controls: Vec<linux::Control>,
}

impl Inbox {
    pub fn new() -> Self {
        Self {
            bytes: vec![0; AT_ONCE * STRIDE],
            taken: Vec::with_capacity(AT_ONCE),
            #[cfg(target_os = "linux")]
            controls: vec![linux::Control::default(); AT_ONCE],
        }
    }

    /// Takes what has come, without waiting, at most [`AT_ONCE`] datagrams; gives how many.
    ///
    /// # Errors
    ///
    /// The socket's; [`io::ErrorKind::WouldBlock`] where nothing has come.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.taken.clear();
        #[cfg(target_os = "linux")]
        linux::receive(socket, &mut self.bytes, &mut self.controls, &mut self.taken)?;
        #[cfg(not(target_os = "linux"))]
        {
            let length = socket.recv(&mut self.bytes)?;
            self.taken.push((length, None));
        }
        Ok(self.taken.len())
    }

    /// The datagrams of the last call, in the order in which they came.
    pub fn datagrams(&self) -> impl Iterator<Item = (&[u8], Option<Stamp>)> {
        let rooms = self.bytes.chunks_exact(STRIDE);
        rooms.zip(&self.taken).map(|(room, (length, stamp))| (&room[..(*length).min(STRIDE)], *stamp))
    }
}

/// Reads the next bytes of a stream, and when the latest of them came.
///
/// # Errors
///
/// Those of a read.
pub(super) fn receive_bytes(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<(usize, Option<Stamp>)> {
    #[cfg(target_os = "linux")]
    return linux::receive_bytes(stream, buffer);
    #[cfg(not(target_os = "linux"))]
    {
        use std::io::Read as _;
        let mut stream = stream;
        Ok((stream.read(buffer)?, None))
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::AsRawFd;

    use super::{AT_ONCE, Stamp, TcpStream, UdpSocket, io};
    use crate::ingest::stamps::stamp_in;

    /// Room for the control messages of one read: stamps take 64 bytes.
    #[derive(Debug, Clone, Copy)]
    #[repr(C, align(16))]
    pub(super) struct Control([u8; 128]);

    impl Default for Control {
        fn default() -> Self {
            Self([0; 128])
        }
    }

    /// A message header that says nothing.
    fn empty() -> libc::mmsghdr {
        // SAFETY: a C structure of integers and pointers, for all of which zeros are valid.
        unsafe { std::mem::zeroed() }
    }

    fn part(room: &mut [u8]) -> libc::iovec {
        libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() }
    }

    fn fill(header: &mut libc::msghdr, part: &mut libc::iovec, control: &mut Control) {
        header.msg_iov = part;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = control.0.len() as _;
    }

    pub(super) fn receive(
        socket: &UdpSocket,
        bytes: &mut [u8],
        controls: &mut [Control],
        taken: &mut Vec<(usize, Option<Stamp>)>,
    ) -> io::Result<()> {
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; AT_ONCE];
        let mut headers = [empty(); AT_ONCE];
        let rooms = bytes.chunks_exact_mut(super::STRIDE);
        let mut count = 0;
        for (((header, part_of), room), control) in headers.iter_mut().zip(&mut parts).zip(rooms).zip(&mut *controls) {
            *part_of = part(room);
            fill(&mut header.msg_hdr, part_of, control);
            count += 1;
        }
        let none = std::ptr::null_mut();
        // SAFETY: the first `count` headers point to parts, rooms and controls that outlive the call, each with its own length, and to no other memory.
        let got =
            unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT as _, none) };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        taken.extend(headers.iter().zip(controls.iter()).take(got).map(|(header, control)| {
            let filled = header.msg_hdr.msg_controllen.min(control.0.len());
            (header.msg_len as usize, stamp_in(&control.0[..filled]))
        }));
        Ok(())
    }

    pub(super) fn receive_bytes(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<(usize, Option<Stamp>)> {
        let (mut part, mut control, mut header) = (part(buffer), Control::default(), empty().msg_hdr);
        fill(&mut header, &mut part, &mut control);
        // SAFETY: the header points to one part, which is the buffer, and to the control's room, both of which outlive the call.
        let got = unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut header, 0) };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        let filled = header.msg_controllen.min(control.0.len());
        Ok((got, stamp_in(&control.0[..filled])))
    }
}

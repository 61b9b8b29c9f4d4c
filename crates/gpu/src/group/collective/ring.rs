//! The two connections of a rank: it sends to the right while it receives from the left, so no buffer size can lock the ring.
//!
//! What goes to the right is framed: four bytes of length, then as many bytes. A frame of no bytes is a sign of life; the same is one byte to
//! the left, where nothing else goes. Who waits, or is told to between two operations ([`Ring::beat`]), gives such signs, so that a neighbour
//! whose program is busy with something else is told from one that is gone: silence alone counts against the limit.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::CollectiveError;

/// The longest block that a neighbour may announce: far above any use, far below what exhausts memory.
const BLOCK_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a frame's length.
const FRAME: usize = 4;
/// Signs of life within the limit.
const BEATS: u32 = 4;

/// What a rank is about to do; neighbours compare it before any data moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation {
    /// `R` for all-reduce, `G` for all-gather.
    kind: u8,
    element_bytes: u8,
    length: u64,
}

impl Operation {
    pub(super) fn all_reduce(element_bytes: usize, length: usize) -> Self {
        Self { kind: b'R', element_bytes: element_bytes as u8, length: length as u64 }
    }

    pub(super) fn all_gather() -> Self {
        Self { kind: b'G', element_bytes: 1, length: 0 }
    }

    fn in_words(self, sequence: u64) -> String {
        match self.kind {
            b'R' => {
                format!("call {sequence}, an all-reduce of {} elements of {} bytes", self.length, self.element_bytes)
            }
            b'G' => format!("call {sequence}, an all-gather"),
            _ => "something else than a collective".to_string(),
        }
    }
}

/// The connections to both neighbours.
#[derive(Debug)]
pub(super) struct Ring {
    right: TcpStream,
    left: TcpStream,
    right_rank: usize,
    left_rank: usize,
    limit: Duration,
    /// Calls so far.
    sequence: u64,
    /// The length of the frame that is on its way from the left, and how many of its bytes are there.
    head: ([u8; FRAME], usize),
    /// Bytes of a sign of life that the right did not take yet: nothing may come between them.
    owed: usize,
    /// When a sign of life was given last.
    beaten_at: Instant,
    right_closed: bool,
}

impl Ring {
    /// Takes over both connections, each with its neighbour's rank.
    pub(super) fn new(
        (right_rank, right): (usize, TcpStream),
        (left_rank, left): (usize, TcpStream),
        limit: Duration,
    ) -> std::io::Result<Self> {
        for stream in [&right, &left] {
            stream.set_read_timeout(None)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
        }
        Ok(Self {
            right,
            left,
            right_rank,
            left_rank,
            limit,
            sequence: 0,
            head: ([0; FRAME], 0),
            owed: 0,
            beaten_at: Instant::now(),
            right_closed: false,
        })
    }

    /// How often signs of life are due.
    pub(super) fn beat_every(&self) -> Duration {
        self.limit / BEATS
    }

    /// Gives both neighbours a sign of life, between two operations. What fails is seen by the next operation.
    pub(super) fn beat(&mut self) {
        self.beaten_at = Instant::now();
        if self.owed == 0 {
            self.owed = FRAME;
        }
        self.try_to_settle();
        let _ = self.left.write(&[0]);
        self.heard_from_right();
    }

    /// Sends what is left of a sign of life where nothing else is to be sent: the right may have all that it needs, and be gone.
    fn try_to_settle(&mut self) {
        if self.settle().is_err() {
            (self.owed, self.right_closed) = (0, true);
        }
    }

    /// Sends what is left of a sign of life.
    fn settle(&mut self) -> Result<usize, CollectiveError> {
        if self.owed == 0 {
            return Ok(0);
        }
        let sent = self.send(&[&[0; FRAME][..self.owed]])?;
        self.owed -= sent;
        Ok(sent)
    }

    /// Whether the right gave a sign of life since it was asked last.
    fn heard_from_right(&mut self) -> bool {
        let (mut bytes, mut heard) = ([0; 256], false);
        loop {
            match self.right.read(&mut bytes) {
                Ok(0) => {
                    self.right_closed = true;
                    return heard;
                }
                Ok(_) => heard = true,
                // What is wrong with the connection is seen when something is sent.
                Err(_) => return heard,
            }
        }
    }

    /// Tells the right neighbour what comes, and holds what the left one says against it.
    pub(super) fn agree(&mut self, ours: Operation) -> Result<(), CollectiveError> {
        self.sequence += 1;
        let sequence = self.sequence;
        let mut theirs = [0; 24];
        self.exchange(&encode(ours, sequence), &mut theirs)?;
        let (theirs, their_sequence) = decode(&theirs);
        if theirs == ours && their_sequence == sequence {
            return Ok(());
        }
        Err(CollectiveError::Differs {
            rank: self.left_rank,
            theirs: theirs.in_words(their_sequence),
            ours: ours.in_words(sequence),
        })
    }

    /// A block's length as its sender announces it, within bounds.
    pub(super) fn block_length(&self, announced: u64) -> Result<usize, CollectiveError> {
        usize::try_from(announced).ok().filter(|_| announced <= BLOCK_BYTES_MAX).ok_or_else(|| {
            CollectiveError::Differs {
                rank: self.left_rank,
                theirs: format!("an all-gather of {announced} bytes"),
                ours: format!("one of at most {BLOCK_BYTES_MAX}"),
            }
        })
    }

    /// Sends all of `out` to the right and fills `into` from the left.
    pub(super) fn exchange(&mut self, out: &[u8], into: &mut [u8]) -> Result<(), CollectiveError> {
        let length = (out.len() as u32).to_le_bytes();
        let head = if out.is_empty() { &[][..] } else { &length[..] };
        let (mut sent, mut received) = (0, 0);
        let (total, interval) = (head.len() + out.len(), self.beat_every());
        let (mut right_at, mut left_at) = (Instant::now(), Instant::now());
        loop {
            let mut moved = false;
            if sent < total {
                let mut took = self.settle()?;
                if self.owed == 0 {
                    // At once, so that a length is no packet of its own.
                    let rest = [&head[sent.min(head.len())..], &out[sent.saturating_sub(head.len())..]];
                    let more = self.send(&rest)?;
                    (sent, took) = (sent + more, took + more);
                }
                if took > 0 || self.heard_from_right() {
                    (moved, right_at) = (took > 0, Instant::now());
                }
            }
            if received < into.len() {
                let (bytes, heard) = self.receive_framed(into, received)?;
                received += bytes;
                if heard {
                    (moved, left_at) = (true, Instant::now());
                }
            }
            if sent == total && received == into.len() {
                return Ok(());
            }
            if moved {
                continue;
            }
            if self.beaten_at.elapsed() >= interval {
                self.beaten_at = Instant::now();
                if sent == total && self.owed == 0 && !self.right_closed {
                    self.owed = FRAME;
                }
                if left_at.elapsed() >= interval {
                    // A left that is gone is seen where it is waited for.
                    let _ = self.left.write(&[0]);
                }
            }
            if sent == total {
                self.try_to_settle();
            }
            let silent =
                |waits: bool, at: Instant| if waits { self.limit.saturating_sub(at.elapsed()) } else { Duration::MAX };
            let (right, left) = (silent(sent < total, right_at), silent(received < into.len(), left_at));
            if left.is_zero() || right.is_zero() {
                let sending = right.is_zero();
                let rank = if sending { self.right_rank } else { self.left_rank };
                return Err(CollectiveError::Stalled { rank, sending, limit: self.limit });
            }
            let beat = interval.saturating_sub(self.beaten_at.elapsed());
            self.wait(sent < total, received < into.len(), left.min(right).min(beat))?;
        }
    }

    /// Fills `into` behind `received` from the frame that is on its way: how many bytes came, and whether anything did.
    fn receive_framed(&mut self, into: &mut [u8], received: usize) -> Result<(usize, bool), CollectiveError> {
        let mut heard = false;
        while self.head.1 < FRAME {
            let (mut head, there) = self.head;
            let count = self.receive(&mut head[there..])?;
            if count == 0 {
                return Ok((0, heard));
            }
            (self.head, heard) = ((head, there + count), true);
            if self.head.1 < FRAME {
                continue;
            }
            let length = u32::from_le_bytes(head) as usize;
            if length == 0 {
                self.head.1 = 0;
            } else if length != into.len() {
                let message = format!("it sent {length} bytes where {} were due", into.len());
                return Err(CollectiveError::Left { rank: self.left_rank, message });
            }
        }
        let count = self.receive(&mut into[received..])?;
        if received + count == into.len() {
            self.head.1 = 0;
        }
        Ok((count, heard || count > 0))
    }

    /// Waits until a connection that still has something to do may move, or the time is over.
    fn wait(&self, sending: bool, receiving: bool, left: Duration) -> Result<(), CollectiveError> {
        let mut watched = Vec::with_capacity(2);
        if sending || self.owed > 0 && !self.right_closed {
            let signs = if self.right_closed { PollFlags::empty() } else { PollFlags::IN };
            watched.push(PollFd::new(&self.right, PollFlags::OUT | signs));
        }
        if receiving {
            watched.push(PollFd::new(&self.left, PollFlags::IN));
        }
        // A time limit beyond what the system can count is no limit.
        let limit = Timespec::try_from(left).ok();
        match poll(&mut watched, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(CollectiveError::Left { rank: self.left_rank, message: error.to_string() }),
        }
    }

    fn send(&mut self, parts: &[&[u8]]) -> Result<usize, CollectiveError> {
        let rank = self.right_rank;
        let parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        match self.right.write_vectored(&parts) {
            Ok(0) => Err(CollectiveError::Left { rank, message: String::new() }),
            Ok(count) => Ok(count),
            Err(error) => waiting_or_left(rank, &error),
        }
    }

    fn receive(&mut self, bytes: &mut [u8]) -> Result<usize, CollectiveError> {
        let rank = self.left_rank;
        match self.left.read(bytes) {
            Ok(0) => Err(CollectiveError::Left { rank, message: String::new() }),
            Ok(count) => Ok(count),
            Err(error) => waiting_or_left(rank, &error),
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Signs of life that nobody read would make the system end the connection at once, with what is on its way to the right.
        self.heard_from_right();
        let _ = self.right.shutdown(Shutdown::Write);
    }
}

/// Nothing moved where the call would have had to wait; anything else is the end of the connection.
fn waiting_or_left(rank: usize, error: &std::io::Error) -> Result<usize, CollectiveError> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(0),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            Err(CollectiveError::Left { rank, message: String::new() })
        }
        _ => Err(CollectiveError::Left { rank, message: error.to_string() }),
    }
}

fn encode(operation: Operation, sequence: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    (bytes[0], bytes[1]) = (operation.kind, operation.element_bytes);
    bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
    bytes[16..].copy_from_slice(&operation.length.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; 24]) -> (Operation, u64) {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    (Operation { kind: bytes[0], element_bytes: bytes[1], length: word(16) }, word(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_survives_the_wire() {
        let operation = Operation::all_reduce(8, 123_456_789_012);
        assert_eq!(decode(&encode(operation, 77)), (operation, 77));
        assert_ne!(decode(&encode(Operation::all_gather(), 77)).0, operation);
    }
}

//! The two connections of a rank: it sends to the right while it receives from the left, so no buffer size can lock the ring.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::CollectiveError;

/// The longest block that a neighbour may announce: far above any use, far below what exhausts memory.
const BLOCK_BYTES_MAX: u64 = 1 << 30;

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
        Ok(Self { right, left, right_rank, left_rank, limit, sequence: 0 })
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
        let (mut sent, mut received) = (0, 0);
        let mut moved_at = Instant::now();
        loop {
            let (sent_before, received_before) = (sent, received);
            if sent < out.len() {
                sent += self.send(&out[sent..])?;
            }
            if received < into.len() {
                received += self.receive(&mut into[received..])?;
            }
            if sent == out.len() && received == into.len() {
                return Ok(());
            }
            if (sent, received) != (sent_before, received_before) {
                moved_at = Instant::now();
                continue;
            }
            let left = self.limit.saturating_sub(moved_at.elapsed());
            if left.is_zero() {
                let sending = received == into.len();
                let rank = if sending { self.right_rank } else { self.left_rank };
                return Err(CollectiveError::Stalled { rank, sending, limit: self.limit });
            }
            self.wait(sent < out.len(), received < into.len(), left)?;
        }
    }

    /// Waits until a connection that still has something to do may move, or the time is over.
    fn wait(&self, sending: bool, receiving: bool, left: Duration) -> Result<(), CollectiveError> {
        let mut watched = Vec::with_capacity(2);
        if sending {
            watched.push(PollFd::new(&self.right, PollFlags::OUT));
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

    fn send(&mut self, bytes: &[u8]) -> Result<usize, CollectiveError> {
        let rank = self.right_rank;
        match self.right.write(bytes) {
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

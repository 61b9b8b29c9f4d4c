//! Standard input whose first line is looked at before it is known who reads it.

use std::{
    io::{self, BufRead, Cursor, Read},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A first line that is longer is none of a header.
const LONGEST_LINE: usize = 1 << 20;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 13;

/// What was taken to look at it, and is read first.
static HEAD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The first line, or what tells that there is none; it stays to be read. Waits until it is whole, and takes nothing where it came whole.
///
/// # Errors
///
/// Where standard input cannot be read.
pub fn first_line() -> io::Result<Vec<u8>> {
    let mut head = head();
    let mut input = io::stdin().lock();
    if head.is_empty() {
        let first = input.fill_buf()?;
        if first.is_empty() || is_settled(first) {
            return Ok(first.to_vec());
        }
    }
    first_line_of(&mut input, &mut head)?;
    Ok(head.clone())
}

/// Whether something was taken to look at it, which only [`reader`] gives.
pub fn is_taken() -> bool {
    !head().is_empty()
}

/// Standard input from its first byte on.
pub fn reader() -> Box<dyn Read + Send> {
    let head = std::mem::take(&mut *head());
    if head.is_empty() { Box::new(io::stdin()) } else { Box::new(Cursor::new(head).chain(io::stdin())) }
}

/// What was taken. A panic in between leaves bytes as they came.
fn head() -> MutexGuard<'static, Vec<u8>> {
    HEAD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a line is whole in it, or it begins no text in UTF-8.
fn is_settled(head: &[u8]) -> bool {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\r' | 0x20..0xf8);
    head.len() >= LONGEST_LINE || !head.iter().all(is_text)
}

/// Reads until that is settled, or nothing more comes.
fn first_line_of(input: &mut impl Read, head: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; CHUNK_BYTES];
    while !is_settled(head) {
        match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => head.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a piece at a time.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            into[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn a_line_is_read_until_it_is_whole_and_no_further() {
        for (pieces, head, left) in [
            (vec![&b"time,ins"[..], b"trument\n1,", b"SPY\n"], &b"time,instrument\n1,"[..], 1),
            (vec![b"time"], b"time", 0),
            // A feed in binary is waited for no longer than its first bytes.
            (vec![b"\x00\x0cS", b"more"], b"\x00\x0cS", 1),
            (vec![b"\xff\xff\xff\xff", b"more"], b"\xff\xff\xff\xff", 1),
            (vec![], b"", 0),
        ] {
            let (mut input, mut found) = (Pieces(pieces), Vec::new());
            first_line_of(&mut input, &mut found).unwrap();
            assert_eq!((found.as_slice(), input.0.len()), (head, left));
            // A second look takes nothing.
            first_line_of(&mut input, &mut found).unwrap();
            assert_eq!(found, head);
        }
    }
}

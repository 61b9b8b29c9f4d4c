//! Cuts a stream of bytes, fed in pieces, into lines.

use memchr::memchr;

/// The longest line that is taken: a depth snapshot of 5,000 levels a side is under 400 kB.
pub const LONGEST_LINE: usize = 16 << 20;

/// A line of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where it begins, in bytes from the start of the stream.
    pub offset: u64,
    /// What stands in it, without the end of line; empty where it was longer than [`LONGEST_LINE`].
    pub text: &'a [u8],
    /// Whether it was longer than [`LONGEST_LINE`]: then it was passed over, not kept.
    pub too_long: bool,
}

/// Cuts a stream into lines that end in `\n` or `\r\n`. A line that lies whole in one piece is not copied.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    /// Where the line that has begun, or that comes next, begins.
    offset: u64,
    /// How long the line that has begun is so far, kept or not.
    length: usize,
}

impl Lines {
    /// Takes the next bytes, and gives each line that they complete.
    pub fn feed(&mut self, mut bytes: &[u8], mut take: impl FnMut(Line<'_>)) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (piece, rest) = (&bytes[..end], &bytes[end + 1..]);
            let length = self.length + piece.len();
            if self.length == 0 {
                give(self.offset, piece, length, &mut take);
            } else {
                self.keep(piece);
                give(self.offset, &self.begun, length, &mut take);
                self.begun.clear();
            }
            self.offset += length as u64 + 1;
            self.length = 0;
            bytes = rest;
        }
        self.keep(bytes);
        self.length += bytes.len();
    }

    /// Gives the last line where the stream ended without an end of line.
    pub fn finish(&mut self, mut take: impl FnMut(Line<'_>)) {
        if self.length > 0 {
            give(self.offset, &self.begun, self.length, &mut take);
            self.begun.clear();
            self.offset += self.length as u64;
            self.length = 0;
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

fn give(offset: u64, text: &[u8], length: usize, take: &mut impl FnMut(Line<'_>)) {
    let too_long = length > LONGEST_LINE;
    let text = if too_long { &[] } else { text.strip_suffix(b"\r").unwrap_or(text) };
    take(Line { offset, text, too_long });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(u64, Vec<u8>, bool)> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        let mut take = |line: Line<'_>| found.push((line.offset, line.text.to_vec(), line.too_long));
        for piece in pieces {
            lines.feed(piece, &mut take);
        }
        lines.finish(&mut take);
        found
    }

    #[test]
    fn lines_are_told_with_their_place_and_without_their_end() {
        let expected = vec![(0, b"ab".to_vec(), false), (4, vec![], false), (5, b"c".to_vec(), false)];
        assert_eq!(lines(&[b"ab\r\n\nc"]), expected);
        assert_eq!(lines(&[b"a", b"b\r", b"\n", b"\nc"]), expected);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_one_is_found() {
        let long = vec![b'x'; LONGEST_LINE + 1];
        let found = lines(&[&long[..1000], &long[1000..], b"\nnext\n"]);
        assert_eq!(found, [(0, vec![], true), (long.len() as u64 + 1, b"next".to_vec(), false)]);
        assert_eq!(lines(&[&[long.as_slice(), b"\nnext"].concat()]), found);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a')], 0..80), cut in 1_usize..9) {
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(lines(&pieces), lines(&[&bytes]));
        }
    }
}

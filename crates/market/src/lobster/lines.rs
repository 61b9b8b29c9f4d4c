//! Lines of bytes that come in pieces.

/// The longest line that is read; an orderbook of 200 levels has lines of up to 10,000 bytes.
pub(super) const LONGEST: usize = 1 << 16;

/// Gives whole lines, without their ends, however the bytes were split; a line that a split cuts is kept until its end comes.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    /// The line in hand is longer than is read: the rest of it is let go.
    too_long: bool,
}

impl Lines {
    /// Takes the next bytes, and gives each line that they complete: `None` for one that is longer than [`LONGEST`].
    #[inline]
    pub(super) fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(Option<&[u8]>)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (first, behind) = (&rest[..end], &rest[end + 1..]);
            rest = behind;
            if self.held.is_empty() && !self.too_long {
                line((first.len() <= LONGEST).then(|| trimmed(first)));
                continue;
            }
            self.hold(first);
            line((!self.too_long).then(|| trimmed(&self.held)));
            self.held.clear();
            self.too_long = false;
        }
        self.hold(rest);
    }

    /// Gives the last line where it has no end, as the last line of a file may.
    pub(super) fn finish(&mut self, mut line: impl FnMut(Option<&[u8]>)) {
        if self.too_long {
            line(None);
        } else if !self.held.is_empty() {
            line(Some(trimmed(&self.held)));
        }
        self.held.clear();
        self.too_long = false;
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.too_long || self.held.len() + bytes.len() > LONGEST {
            self.too_long = true;
            self.held.clear();
        } else {
            self.held.extend_from_slice(bytes);
        }
    }
}

/// A line without the carriage return that ends it in files from Windows.
fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A whole number with its sign, of up to 18 digits; nothing else may stand in the field.
#[inline]
pub(super) fn integer(field: &[u8]) -> Option<i64> {
    let (digits, is_negative) = match field {
        [b'-', digits @ ..] => (digits, true),
        digits => (digits, false),
    };
    let magnitude = digits_of(digits)? as i64;
    Some(if is_negative { -magnitude } else { magnitude })
}

/// A whole number of 1 to 18 digits.
#[inline]
pub(super) fn digits_of(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        let mut keep = |line: Option<&[u8]>| found.push(line.map(<[u8]>::to_vec));
        pieces.iter().for_each(|piece| lines.feed(piece, &mut keep));
        lines.finish(&mut keep);
        found
    }

    #[test]
    fn a_line_is_the_same_however_it_was_split() {
        let want = [Some(b"ab".to_vec()), Some(Vec::new()), Some(b"c".to_vec())];
        assert_eq!(lines_of(&[b"ab\r\n\nc"]), want);
        assert_eq!(lines_of(&[b"a", b"b\r", b"\n", b"\nc\n"]), want);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let long = vec![b'1'; LONGEST + 1];
        assert_eq!(lines_of(&[&long, b"\nx\n"]), [None, Some(b"x".to_vec())]);
        assert_eq!(lines_of(&[&long[1..], b"2", &long, b"\nx"]), [None, Some(b"x".to_vec())]);
        let whole = [&long[..], b"\nx\n"].concat();
        assert_eq!(lines_of(&[&whole]), [None, Some(b"x".to_vec())]);
        let mut lines = Lines::default();
        (0..100).for_each(|_| lines.feed(&long, |_| {}));
        assert!(lines.held.capacity() <= 2 * LONGEST);
    }

    #[test]
    fn numbers_are_digits_alone() {
        assert_eq!(integer(b"-9999999999"), Some(-9_999_999_999));
        assert_eq!(integer(b"007"), Some(7));
        for not in [&b""[..], b"-", b"--1", b"+1", b"1.", b" 1", b"1e3", b"1234567890123456789"] {
            assert_eq!(integer(not), None, "{}", not.escape_ascii());
        }
    }
}

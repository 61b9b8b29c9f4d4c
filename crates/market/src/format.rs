//! Which feed a file was recorded from: its first bytes say, where they can.

use std::{fmt, str::FromStr};

use crate::{
    container::{datagrams, is_capture},
    itch::Message,
    sbe::mdp3,
};

/// A recorded feed that Zomma reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// NASDAQ TotalView-ITCH 5.0, each message behind its length in two bytes (BinaryFILE).
    Itch50,
    /// NASDAQ TotalView-ITCH 5.0 in MoldUDP64 packets, captured as pcap or pcapng.
    Itch50Capture,
    /// CME MDP 3.0 in UDP packets, captured as pcap or pcapng.
    Mdp3Capture,
    /// Rows of a LOBSTER message file.
    Lobster,
    /// Databento Binary Encoding, versions 1 to 3.
    Dbn,
    /// Lines of a receive time and a message of Binance's streams.
    Binance,
    /// CSV of Tardis: book changes, trades or quotes.
    Tardis,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 7] =
        [Self::Itch50, Self::Itch50Capture, Self::Mdp3Capture, Self::Lobster, Self::Dbn, Self::Binance, Self::Tardis];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Itch50 => "itch50",
            Self::Itch50Capture => "itch50-pcap",
            Self::Mdp3Capture => "mdp3-pcap",
            Self::Lobster => "lobster",
            Self::Dbn => "dbn",
            Self::Binance => "binance",
            Self::Tardis => "tardis",
        }
    }

    /// Whether its events tell when they were received; of the others the time of receipt is the exchange's.
    pub fn has_receive_times(self) -> bool {
        !matches!(self, Self::Itch50 | Self::Lobster)
    }

    /// The format that these first bytes (some hundred of them; of a capture its first datagrams) of a decompressed file are of, where they are of one.
    pub fn recognise(head: &[u8]) -> Option<Self> {
        if is_capture(head) {
            Some(if brings_mdp3(head) { Self::Mdp3Capture } else { Self::Itch50Capture })
        } else if head.starts_with(b"DBN") || matches!(head, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..]) {
            // Of another version, or of DBZ, which was before it: the decoder refuses those by name.
            Some(Self::Dbn)
        } else if is_itch(head) {
            Some(Self::Itch50)
        } else {
            let line = std::str::from_utf8(head.split(|&byte| byte == b'\n').next()?).ok()?.trim_end();
            of_line(line)
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.as_str() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|format| format.as_str()).collect();
            format!("allowed: {}", names.join(", "))
        })
    }
}

/// Whether one of a capture's first datagrams looks like a packet of MDP 3.0; others may be of something else.
fn brings_mdp3(head: &[u8]) -> bool {
    let mut is_one = false;
    // That these bytes end within a packet is no fault here.
    let _ = datagrams(head, |datagram| is_one |= mdp3::is_packet(datagram.payload));
    is_one
}

/// Whether the first frame has the length of its type, and the second begins as one. A file begins with a message of the system or the directory, or an
/// order, and is known by that; one that was cut out of a session begins with any, and is known where the second is there and of a known type too.
fn is_itch(head: &[u8]) -> bool {
    let frame = |at: usize| match head.get(at..) {
        Some([high, low, kind, ..]) => Some((usize::from(u16::from_be_bytes([*high, *low])), *kind)),
        _ => None,
    };
    let is_known = |(length, kind)| Message::length_of(kind) == Some(length);
    // A later version of the venue's may have types that are not known here.
    let may_be_one = |(length, kind): (usize, u8)| match Message::length_of(kind) {
        Some(known) => known == length,
        None => kind.is_ascii_alphabetic() && (12..=64).contains(&length),
    };
    let Some(first) = frame(0).filter(|first| is_known(*first)) else { return false };
    let second = frame(2 + first.0);
    match first.1 {
        b'S' | b'R' | b'A' | b'F' | b'H' | b'Y' | b'L' | b'V' | b'K' => second.is_none_or(may_be_one),
        _ => second.is_some_and(is_known),
    }
}

/// The format that a first line of text is of.
fn of_line(line: &str) -> Option<Format> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if line.starts_with("exchange,symbol,timestamp") {
        return Some(Format::Tardis);
    }
    if let Some((time, message)) = line.split_once(' ')
        && is_digits(time)
        && message.starts_with('{')
    {
        return Some(Format::Binance);
    }
    let cells: Vec<&str> = line.split(',').collect();
    let is_lobster = cells.len() == 6
        && cells[0].parse::<f64>().is_ok_and(|seconds| (0.0..86_400.0).contains(&seconds))
        && matches!(cells[1], "1" | "2" | "3" | "4" | "5" | "6" | "7")
        && cells[2..4].iter().all(|cell| is_digits(cell))
        && matches!(cells[5], "1" | "-1");
    is_lobster.then_some(Format::Lobster)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_told_by_its_first_bytes() {
        let mut itch = vec![0, 12, b'S'];
        itch.extend([0; 11]);
        itch.extend([0, 39, b'R']);
        for (head, format) in [
            (&itch[..], Some(Format::Itch50)),
            (&itch[..2], None),
            (b"DBN\x01rest", Some(Format::Dbn)),
            (b"DBN\x09rest", Some(Format::Dbn)),
            (b"\x51\x2A\x4D\x18\xA8rest", Some(Format::Dbn)),
            (b"\x0A\x0D\x0D\x0Arest", Some(Format::Itch50Capture)),
            (b"34200.189607670,1,10258937,100,5859400,1\r\n34", Some(Format::Lobster)),
            (b"34200.189607670,9,10258937,100,5859400,1\n", None),
            (b"1723161253937085768 {\"stream\":\"btcusdt@depth\"", Some(Format::Binance)),
            (b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n", Some(Format::Tardis)),
            (b"underlying,bid,ask\nSPX,1,2\n", None),
            (b"", None),
        ] {
            assert_eq!(Format::recognise(head), format, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_file_cut_out_of_a_session_of_itch_is_known_by_two_messages() {
        let frame = |kind: u8| {
            let length = Message::length_of(kind).unwrap();
            let mut frame = (length as u16).to_be_bytes().to_vec();
            frame.push(kind);
            frame.resize(2 + length, 0);
            frame
        };
        for kinds in [*b"ED", *b"XA", *b"UF", *b"CP", *b"DD"] {
            let head = kinds.map(frame).concat();
            assert_eq!(Format::recognise(&head), Some(Format::Itch50), "{}", kinds.escape_ascii());
            // What is cut off behind the second type is not missed, and one message alone could be anything.
            assert_eq!(Format::recognise(&head[..head.len() - 10]), Some(Format::Itch50));
            assert_eq!(Format::recognise(&frame(kinds[0])), None);
            for wrong in [1, frame(kinds[0]).len() + 1] {
                let mut other = head.clone();
                other[wrong] += 1;
                assert_eq!(Format::recognise(&other), None);
            }
        }
    }

    #[test]
    fn names_read_back_and_others_are_refused_with_those_allowed() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("ouch".parse::<Format>().unwrap_err().contains("itch50, itch50-pcap, mdp3-pcap, lobster"));
    }
}

//! The packets of a capture (pcap, pcapng) that carry a feed: UDP over IPv4 or IPv6, with or without VLAN tags.

use std::{
    collections::BTreeMap,
    io::Read,
    net::{IpAddr, SocketAddr},
};

use etherparse::{
    EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket, NetSlice, SlicedPacket, TransportSlice, err::Layer,
};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

use super::ContainerError;

/// Bytes held at once: a packet is 65,535 bytes at most, a block of options a little more.
const CAPACITY: usize = 1 << 20;

/// So many destinations of cut datagrams are told apart; those of others count as packets of others.
const MOST_DESTINATIONS: usize = 1 << 16;
/// Bytes of a Linux cooked header, which ends with the type of what follows it.
const SLL_BYTES: usize = 16;

/// One datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// When it was captured, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// Where it was sent to: of a feed, the multicast group and port.
    pub destination: SocketAddr,
    /// What it carries.
    pub payload: &'a [u8],
}

/// What a capture held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaptureCounts {
    /// Datagrams given.
    pub datagrams: u64,
    /// Packets that are no UDP, whole or cut, of a link that is not known, or without a time (simple packet blocks).
    pub others: u64,
    /// Packets whose own headers were cut when they were captured, or make no sense: nobody can say whose they were.
    pub damaged: u64,
    /// Datagrams that were cut when they were captured, or are not as long as they say, by where they were sent to.
    pub cut: BTreeMap<SocketAddr, u64>,
}

impl CaptureCounts {
    /// Datagrams that were cut, of these destinations and of all others.
    pub fn cut_of(&self, is_of: impl Fn(&SocketAddr) -> bool) -> (u64, u64) {
        self.cut.iter().fold((0, 0), |(of, others), (destination, count)| match is_of(destination) {
            true => (of + count, others),
            false => (of, others + count),
        })
    }
}

/// Whether these first bytes are of a pcap or pcapng file.
pub fn is_capture(head: &[u8]) -> bool {
    let marks: [&[u8]; 5] =
        [b"\xA1\xB2\xC3\xD4", b"\xD4\xC3\xB2\xA1", b"\xA1\xB2\x3C\x4D", b"\x4D\x3C\xB2\xA1", b"\x0A\x0D\x0D\x0A"];
    marks.iter().any(|mark| head.starts_with(mark))
}

/// Gives each datagram of a capture, in its order, and what was counted on the way; [`ContainerError`] beside it where the file is damaged or ends
/// within a block: the datagrams before that have been given and counted.
pub fn datagrams(
    source: impl Read + Send,
    mut take: impl FnMut(Datagram<'_>),
) -> (CaptureCounts, Result<(), ContainerError>) {
    let mut counts = CaptureCounts::default();
    let outcome = read(source, &mut counts, &mut take);
    (counts, outcome)
}

fn read(
    source: impl Read + Send,
    counts: &mut CaptureCounts,
    take: &mut impl FnMut(Datagram<'_>),
) -> Result<(), ContainerError> {
    let damaged = |reason: String| ContainerError::new("capture", reason);
    let mut reader = create_reader(CAPACITY, source).map_err(|error| damaged(format!("{error:?}")))?;
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut refilled_at = None;
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                if let Some(packet) = packet_of(&block, &mut interfaces) {
                    packet.give(counts, take);
                } else if matches!(block, PcapBlockOwned::NG(Block::SimplePacket(_))) {
                    // It has no time.
                    counts.others += 1;
                }
                reader.consume(offset);
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => {
                // Twice at one place without a byte in between: the rest will not come.
                let place = (reader.consumed(), reader.data().len());
                if refilled_at == Some(place) || reader.reader_exhausted() {
                    return Err(damaged(format!("the file ends within a block, at byte {}", place.0)));
                }
                refilled_at = Some(place);
                reader.refill().map_err(|error| damaged(format!("{error:?}")))?;
            }
            Err(error) => {
                let kind = kind_of(&error);
                return Err(damaged(format!("byte {}: {kind}", reader.consumed())));
            }
        }
    }
}

/// An error without the bytes that it holds.
fn kind_of(error: &PcapError<&[u8]>) -> String {
    match error {
        PcapError::NomError(_, kind) | PcapError::OwnedNomError(_, kind) => format!("{kind:?}"),
        PcapError::UnexpectedEof => "the file ends within a block".to_owned(),
        other => other.to_string(),
    }
}

/// What an interface's packets begin with, and in what its times are counted.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: Linktype,
    units_per_second: u64,
    offset_seconds: i64,
}

impl Interface {
    fn time_ns(&self, units: u64) -> u64 {
        let per_second = u128::from(self.units_per_second.max(1));
        let nanoseconds = u128::from(units) * 1_000_000_000 / per_second;
        let shifted = nanoseconds as i128 + i128::from(self.offset_seconds) * 1_000_000_000;
        u64::try_from(shifted).unwrap_or(0)
    }
}

struct Packet<'a> {
    link: Linktype,
    time_ns: u64,
    is_cut: bool,
    bytes: &'a [u8],
}

fn packet_of<'a>(block: &'a PcapBlockOwned<'_>, interfaces: &mut Vec<Interface>) -> Option<Packet<'a>> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let units_per_second = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            *interfaces = vec![Interface { link: header.network, units_per_second, offset_seconds: 0 }];
            None
        }
        PcapBlockOwned::Legacy(packet) => {
            let interface = interfaces.first()?;
            let units = u64::from(packet.ts_sec) * interface.units_per_second + u64::from(packet.ts_usec);
            let is_cut = packet.caplen < packet.origlen;
            Some(Packet { link: interface.link, time_ns: interface.time_ns(units), is_cut, bytes: packet.data })
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            None
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
            let units_per_second = description.ts_resolution().unwrap_or(1_000_000);
            let offset_seconds = description.ts_offset();
            interfaces.push(Interface { link: description.linktype, units_per_second, offset_seconds });
            None
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let interface = interfaces.get(packet.if_id as usize)?;
            let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            let bytes = packet.data.get(..packet.caplen as usize)?;
            let is_cut = packet.caplen < packet.origlen;
            Some(Packet { link: interface.link, time_ns: interface.time_ns(units), is_cut, bytes })
        }
        PcapBlockOwned::NG(_) => None,
    }
}

/// Whose a packet is, by as much of its headers as is there.
enum Whose {
    Datagram(SocketAddr),
    Other,
    Untold,
}

impl Packet<'_> {
    fn give(&self, counts: &mut CaptureCounts, take: &mut impl FnMut(Datagram<'_>)) {
        let sliced = match self.link {
            _ if self.is_cut => None,
            Linktype::ETHERNET => SlicedPacket::from_ethernet(self.bytes).ok(),
            Linktype::LINUX_SLL => SlicedPacket::from_linux_sll(self.bytes).ok(),
            Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => SlicedPacket::from_ip(self.bytes).ok(),
            _ => None,
        };
        let Some(sliced) = sliced else {
            match self.whose() {
                Whose::Datagram(destination) => count_cut(counts, destination),
                Whose::Other => counts.others += 1,
                Whose::Untold => counts.damaged += 1,
            }
            return;
        };
        let address: Option<IpAddr> = match &sliced.net {
            Some(NetSlice::Ipv4(ip)) => Some(ip.header().destination_addr().into()),
            Some(NetSlice::Ipv6(ip)) => Some(ip.header().destination_addr().into()),
            _ => None,
        };
        match (address, &sliced.transport) {
            (Some(address), Some(TransportSlice::Udp(udp))) => {
                counts.datagrams += 1;
                let destination = SocketAddr::new(address, udp.destination_port());
                take(Datagram { time_ns: self.time_ns, destination, payload: udp.payload() });
            }
            _ => counts.others += 1,
        }
    }

    /// Whose the packet is, where it is not whole.
    fn whose(&self) -> Whose {
        let sliced = match self.link {
            Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(self.bytes).ok(),
            Linktype::LINUX_SLL => self.bytes.split_at_checked(SLL_BYTES).map(|(header, rest)| {
                let kind = u16::from_be_bytes([header[SLL_BYTES - 2], header[SLL_BYTES - 1]]);
                LaxSlicedPacket::from_ether_type(EtherType(kind), rest)
            }),
            Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => LaxSlicedPacket::from_ip(self.bytes).ok(),
            _ => return Whose::Other,
        };
        let Some(sliced) = sliced else { return Whose::Untold };
        let (address, payload): (IpAddr, _) = match &sliced.net {
            Some(LaxNetSlice::Ipv4(ip)) => (ip.header().destination_addr().into(), ip.payload()),
            Some(LaxNetSlice::Ipv6(ip)) => (ip.header().destination_addr().into(), ip.payload()),
            Some(LaxNetSlice::Arp(_)) => return Whose::Other,
            None => {
                let is_other = sliced.stop_err.is_none_or(|(_, layer)| layer == Layer::Arp);
                return if is_other { Whose::Other } else { Whose::Untold };
            }
        };
        if payload.ip_number != IpNumber::UDP || payload.fragmented {
            return Whose::Other;
        }
        // Behind the source's port.
        match payload.payload {
            [_, _, high, low, ..] => Whose::Datagram(SocketAddr::new(address, u16::from_be_bytes([*high, *low]))),
            _ => Whose::Untold,
        }
    }
}

fn count_cut(counts: &mut CaptureCounts, destination: SocketAddr) {
    if counts.cut.len() < MOST_DESTINATIONS || counts.cut.contains_key(&destination) {
        *counts.cut.entry(destination).or_default() += 1;
    } else {
        counts.others += 1;
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    const SECOND: u64 = 1_700_000_000;

    /// A frame to 233.54.12.111:26477 that carries `payload`.
    fn frame(payload: &[u8]) -> Vec<u8> {
        let builder =
            PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([10, 0, 0, 1], [233, 54, 12, 111], 8).udp(5_000, 26_477);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload).unwrap();
        bytes
    }

    /// A pcap of nanoseconds; each frame with the length that it had before it was captured.
    fn pcap(frames: &[(Vec<u8>, u32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [0xA1B2_3C4D_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            bytes.extend(word.to_le_bytes());
        }
        for (i, (frame, whole)) in frames.iter().enumerate() {
            for word in [SECOND as u32, 7 + i as u32, frame.len() as u32, *whole] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(frame);
        }
        bytes
    }

    /// A pcapng whose interface counts in nanoseconds.
    fn pcapng(frames: &[Vec<u8>]) -> Vec<u8> {
        let block = |kind: u32, body: &[u8]| {
            let length = body.len() as u32 + 12;
            [&kind.to_le_bytes()[..], &length.to_le_bytes(), body, &length.to_le_bytes()].concat()
        };
        let section = [&0x1A2B_3C4D_u32.to_le_bytes()[..], &[1, 0, 0, 0], &u64::MAX.to_le_bytes()].concat();
        // Link 1, then if_tsresol (option 9) of 10^-9.
        let interface = [1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        let mut bytes = [block(0x0A0D_0D0A, &section), block(1, &interface)].concat();
        for (i, frame) in frames.iter().enumerate() {
            let time = SECOND * 1_000_000_000 + 7 + i as u64;
            let length = frame.len() as u32;
            let words = [0, (time >> 32) as u32, time as u32, length, length];
            let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            body.extend(frame);
            body.resize(body.len().next_multiple_of(4), 0);
            bytes.extend(block(6, &body));
        }
        bytes
    }

    /// Time, destination and payload.
    type Seen = Vec<(u64, String, Vec<u8>)>;

    fn read(bytes: &[u8]) -> (Seen, CaptureCounts, Result<(), ContainerError>) {
        let mut seen = Seen::new();
        let (counts, outcome) =
            datagrams(bytes, |d| seen.push((d.time_ns, d.destination.to_string(), d.payload.to_vec())));
        (seen, counts, outcome)
    }

    fn counted(datagrams: u64, others: u64, damaged: u64) -> CaptureCounts {
        CaptureCounts { datagrams, others, damaged, cut: BTreeMap::new() }
    }

    #[test]
    fn both_formats_give_the_same_datagrams_with_their_times() {
        let frames = [frame(b"one"), frame(b"second")];
        let old = pcap(&frames.clone().map(|frame| (frame.clone(), frame.len() as u32)));
        let new = pcapng(&frames);
        assert!(is_capture(&old) && is_capture(&new) && !is_capture(b"DBN\x03"));
        let (seen, counts, outcome) = read(&old);
        let expected = |i: u64, payload: &[u8]| {
            (SECOND * 1_000_000_000 + 7 + i, "233.54.12.111:26477".to_owned(), payload.to_vec())
        };
        assert_eq!(seen, [expected(0, b"one"), expected(1, b"second")]);
        assert_eq!((counts, outcome.is_ok()), (counted(2, 0, 0), true));
        assert_eq!(read(&new).0, seen);
    }

    #[test]
    fn what_is_cut_or_no_datagram_is_counted_and_not_given() {
        let whole = frame(b"whole");
        let mut arp = whole.clone();
        arp[12..14].copy_from_slice(&[0x08, 0x06]);
        let length = whole.len() as u32;
        let (seen, counts, _) = read(&pcap(&[(whole.clone(), length + 40), (arp, length), (whole, length)]));
        assert_eq!((seen.len(), counts.datagrams), (1, 1));
        assert_eq!(counts.cut_of(|destination| destination.port() == 26_477), (1, 0));
    }

    #[test]
    fn of_a_cut_packet_its_headers_tell_whose_it_was() {
        let feed = frame(&[7; 100]);
        let mut tcp = Vec::new();
        PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 8)
            .tcp(443, 50_000, 1, 100)
            .write(&mut tcp, &[7; 100])
            .unwrap();
        let mut dns = Vec::new();
        PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv6([1; 16], [2; 16], 8)
            .udp(50_000, 53)
            .write(&mut dns, &[7; 100])
            .unwrap();
        let cut = |frame: &[u8], kept: usize| (frame[..kept].to_vec(), frame.len() as u32);
        // Of the feed's headers up to the port, then half of the port, then half of the address are there.
        let frames = [
            cut(&feed, 96),
            cut(&feed, 38),
            cut(&feed, 37),
            cut(&feed, 32),
            cut(&tcp, 96),
            cut(&tcp, 40),
            cut(&dns, 96),
        ];
        let (seen, counts, _) = read(&pcap(&frames));
        assert_eq!((seen.len(), counts.datagrams, counts.others, counts.damaged), (0, 0, 2, 2));
        assert_eq!(counts.cut_of(|destination| destination.port() == 26_477), (2, 1));
    }

    #[test]
    fn a_packet_without_a_time_is_counted_and_not_given() {
        let mut bytes = pcapng(&[frame(b"timed")]);
        let simple = frame(b"untimed!");
        let (padded, length) = (simple.len().next_multiple_of(4), simple.len() as u32);
        let block_length = padded as u32 + 16;
        for word in [3, block_length, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&simple);
        bytes.resize(bytes.len() + padded - simple.len(), 0);
        bytes.extend(block_length.to_le_bytes());
        let (seen, counts, _) = read(&bytes);
        assert_eq!((seen.len(), counts), (1, counted(1, 1, 0)));
    }

    #[test]
    fn a_capture_that_ends_within_a_packet_is_an_error_after_what_came_before() {
        let frame = frame(b"payload");
        let length = frame.len() as u32;
        let mut bytes = pcap(&[(frame.clone(), length + 1), (frame.clone(), length), (frame, length)]);
        bytes.truncate(bytes.len() - 5);
        let (seen, counts, outcome) = read(&bytes);
        assert_eq!((seen.len(), counts.datagrams, counts.cut_of(|_| true)), (1, 1, (1, 0)));
        assert!(outcome.unwrap_err().to_string().contains("ends within"));
    }

    #[test]
    fn a_damaged_capture_never_panics() {
        let frame = frame(b"payload");
        let length = frame.len() as u32;
        for bytes in [pcap(&[(frame.clone(), length), (frame.clone(), length)]), pcapng(&[frame.clone(), frame])] {
            for place in 0..bytes.len() {
                for mask in [0x01, 0x80, 0xFF] {
                    let mut flipped = bytes.clone();
                    flipped[place] ^= mask;
                    let (seen, ..) = read(&flipped);
                    assert!(seen.len() <= 4, "{} datagrams of a byte flipped at {place}", seen.len());
                }
            }
        }
    }
}

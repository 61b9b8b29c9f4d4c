//! A channel's packets as a capture has them: which destination brings what is told by what it brings.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use super::{
    decoder::{Feed, Mdp3Decoder, Settings},
    packet::Packet,
    templates::TemplateError,
};
use crate::{container::Datagram, event::Sink, sbe::Schema};

/// So many packets of a destination are remembered, to find the other line by them.
const REMEMBERED: usize = 4_096;
/// So many destinations are looked at as a second line.
const MOST_CANDIDATES: usize = 64;
/// So many destinations of datagrams that are no packets are told apart; those of others count as packets of others.
const MOST_DESTINATIONS: usize = 1 << 16;

/// Makes events of the datagrams of a capture of one channel of MDP 3.0.
///
/// The first destination that brings updates is a line. Another one is the second line once both have brought a packet of the same number and time
/// of sending; until then what it brings is not used, so other channels in the capture are not heard ([`CaptureDecoder::others`] counts their
/// packets). Snapshots and definitions are taken from every destination: they should be of the same channel. A book whose start is not in the
/// capture waits for its snapshot.
#[derive(Debug)]
pub struct CaptureDecoder {
    decoder: Mdp3Decoder,
    lines: Vec<SocketAddr>,
    recovery: HashSet<SocketAddr>,
    first_line: Remembered,
    candidates: Vec<(SocketAddr, Remembered)>,
    others: u64,
    /// Datagrams that are no packets, by where they were sent to: whether that is of the channel may be known later.
    no_packets: HashMap<SocketAddr, u64>,
    now_ns: u64,
}

/// Packets that a destination brought, by number and time of sending.
#[derive(Debug, Default)]
struct Remembered {
    order: VecDeque<(u32, u64)>,
    all: HashSet<(u32, u64)>,
}

impl Remembered {
    fn add(&mut self, packet: (u32, u64)) {
        if self.all.insert(packet) {
            self.order.push_back(packet);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

impl CaptureDecoder {
    /// A decoder by a schema of MDP 3.0.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] where the schema is not one of MDP 3.0.
    pub fn new(schema: Arc<Schema>, settings: Settings) -> Result<Self, TemplateError> {
        Ok(Self {
            decoder: Mdp3Decoder::new(schema, settings)?,
            lines: Vec::new(),
            recovery: HashSet::new(),
            first_line: Remembered::default(),
            candidates: Vec::new(),
            others: 0,
            no_packets: HashMap::new(),
            now_ns: 0,
        })
    }

    /// Takes a datagram, and gives the events whose turn has come.
    pub fn datagram(&mut self, datagram: &Datagram<'_>, sink: &mut impl Sink) {
        let Datagram { time_ns, destination, payload } = *datagram;
        self.now_ns = self.now_ns.max(time_ns);
        match Packet::decode(payload) {
            Ok(packet) => self.packet((packet.sequence, packet.sending_ns), (time_ns, destination, payload), sink),
            // Of a line it shows as a packet that is missing.
            Err(_) => self.no_packet(destination),
        }
        // What a silence of both lines has made late.
        self.decoder.poll(time_ns, sink);
    }

    fn no_packet(&mut self, destination: SocketAddr) {
        if self.no_packets.len() < MOST_DESTINATIONS || self.no_packets.contains_key(&destination) {
            *self.no_packets.entry(destination).or_default() += 1;
        } else {
            self.others += 1;
        }
    }

    fn packet(
        &mut self,
        number: (u32, u64),
        (time_ns, destination, payload): (u64, SocketAddr, &[u8]),
        sink: &mut impl Sink,
    ) {
        if !self.lines.contains(&destination) {
            match self.decoder.feed_of(payload) {
                Some(Feed::Recovery) => {
                    self.recovery.insert(destination);
                    // Its sizes have been checked.
                    let _ = self.decoder.recovery(time_ns, payload, sink);
                    return;
                }
                Some(Feed::Incremental) if self.lines.is_empty() => self.lines.push(destination),
                // Heartbeats and the like of a feed that goes round.
                None if self.recovery.contains(&destination) => return,
                _ if self.lines.len() == 1 && self.is_second_line(destination, number) => self.lines.push(destination),
                _ => {
                    self.others += 1;
                    return;
                }
            }
        }
        if self.lines.len() == 1 {
            self.first_line.add(number);
            let candidate = self.candidates.iter().find(|(_, brought)| brought.all.contains(&number));
            self.lines.extend(candidate.map(|(second, _)| *second));
        }
        let _ = self.decoder.incremental(time_ns, payload, sink);
    }

    fn is_second_line(&mut self, destination: SocketAddr, number: (u32, u64)) -> bool {
        if self.first_line.all.contains(&number) {
            return true;
        }
        if let Some((_, brought)) = self.candidates.iter_mut().find(|(known, _)| *known == destination) {
            brought.add(number);
        } else if self.candidates.len() < MOST_CANDIDATES {
            let mut brought = Remembered::default();
            brought.add(number);
            self.candidates.push((destination, brought));
        }
        false
    }

    /// Told that the capture has ended: gives up every gap.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        self.decoder.finish(self.now_ns, sink);
    }

    /// The decoder.
    pub fn decoder(&self) -> &Mdp3Decoder {
        &self.decoder
    }

    /// The destinations that are the lines, as far as they were found.
    pub fn lines(&self) -> &[SocketAddr] {
        &self.lines
    }

    /// Whether what is sent to a destination is of the channel, as far as it was found: of a capture in which no packet of any channel came all is.
    pub fn is_of_channel(&self, destination: &SocketAddr) -> bool {
        let is_found = !self.lines.is_empty() || !self.recovery.is_empty();
        !is_found || self.lines.contains(destination) || self.recovery.contains(destination)
    }

    /// Packets of destinations that are none of the channel's, or were not known to be when they came.
    pub fn others(&self) -> u64 {
        self.others + self.no_packets(|destination| !self.is_of_channel(destination))
    }

    /// Datagrams of the channel that are no packets of MDP 3.0.
    pub fn damaged(&self) -> u64 {
        self.no_packets(|destination| self.is_of_channel(destination))
    }

    fn no_packets(&self, is_asked: impl Fn(&SocketAddr) -> bool) -> u64 {
        self.no_packets.iter().filter(|(destination, _)| is_asked(destination)).map(|(_, count)| count).sum()
    }
}

/// Whether the payload of a datagram looks like a packet of MDP 3.0: sent between 2000 and 2100, with a first message of schema 1, which is what
/// CME's schema is numbered.
pub fn is_packet(payload: &[u8]) -> bool {
    const YEARS_2000_TO_2100_NS: std::ops::Range<u64> = 946_684_800_000_000_000..4_102_444_800_000_000_000;
    const SCHEMA: std::ops::Range<usize> = 18..20;
    Packet::decode(payload).is_ok_and(|packet| {
        YEARS_2000_TO_2100_NS.contains(&packet.sending_ns) && payload.get(SCHEMA) == Some(&1_u16.to_le_bytes()[..])
    })
}

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;

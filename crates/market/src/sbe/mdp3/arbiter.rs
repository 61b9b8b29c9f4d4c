//! Two lines that bring the same packets become one: in order, each packet once, gaps given up when neither line fills them.

use std::collections::BTreeMap;

/// How long a gap stays open, and how much is kept behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArbiterSettings {
    /// How many packets that came before their turn are kept; a gap is given up for one more.
    pub reorder_packets: usize,
    /// How long a gap may be open before it is given up.
    pub give_up_after_ns: u64,
    /// A packet whose number is below those that came and that was sent so much later than the latest of them is of numbers that began anew, also
    /// where the first of these was lost. (Late packets of the other line were sent before; number 1 needs no such margin.)
    pub restart_after_ns: u64,
}

impl Default for ArbiterSettings {
    /// 1,024 packets; 10 ms, since the lines are apart by microseconds; a second.
    fn default() -> Self {
        Self { reorder_packets: 1_024, give_up_after_ns: 10_000_000, restart_after_ns: 1_000_000_000 }
    }
}

/// What has been counted of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketCounts {
    /// Packets of the incremental feed taken, from both lines.
    pub packets: u64,
    /// Packets whose sizes did not fit together; nothing of them was used.
    pub malformed: u64,
    /// Packets that had come before, as a rule on the other line, or came after they had been given up.
    pub duplicates: u64,
    /// Packets that were given up.
    pub missing: u64,
    /// Times that the numbers began anew.
    pub restarts: u64,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn<'p> {
    /// A packet's turn has come: when it did (it may have been received before, and waited for others), its bytes.
    Packet(u64, &'p [u8]),
    /// The feed begins here, in its middle; what came before this packet was never to be had.
    Joined(u64),
    /// So many packets before this one will not come any more.
    Lost(u64, u64),
    /// Numbers begin anew, as they do every week.
    Restart,
}

#[derive(Debug)]
struct Held {
    receive_ns: u64,
    bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Arbiter {
    settings: ArbiterSettings,
    /// The number of the packet that is due; `None` until the first packet tells.
    due: Option<u64>,
    held: BTreeMap<u64, Held>,
    /// When the latest packet was sent.
    sent_ns: u64,
    /// The latest time that was told.
    now_ns: u64,
    /// Buffers that held packets, to be used again.
    spare: Vec<Vec<u8>>,
    pub counts: PacketCounts,
}

impl Arbiter {
    pub fn new(settings: ArbiterSettings, first: Option<u64>) -> Self {
        let counts = PacketCounts::default();
        Self { settings, due: first, held: BTreeMap::new(), sent_ns: 0, now_ns: 0, spare: Vec::new(), counts }
    }

    /// Takes a packet whose sizes have been checked, and gives what is to be done now.
    #[inline]
    pub fn receive(&mut self, sequence: u64, sent_ns: u64, now_ns: u64, bytes: &[u8], mut take: impl FnMut(Turn<'_>)) {
        self.now_ns = self.now_ns.max(now_ns);
        let due = match self.due {
            Some(due) => due,
            None => {
                take(Turn::Joined(sequence));
                sequence
            }
        };
        if sequence == due {
            take(Turn::Packet(now_ns, bytes));
            self.due = Some(sequence + 1);
            self.sent_ns = self.sent_ns.max(sent_ns);
            self.go_on(&mut take);
        } else if sequence > due {
            self.due = Some(due);
            self.sent_ns = self.sent_ns.max(sent_ns);
            self.hold(sequence, now_ns, bytes);
            while self.held.len() > self.settings.reorder_packets {
                self.give_up(&mut take);
            }
        } else if self.begins_anew(sequence, sent_ns) {
            self.held.clear();
            self.counts.restarts += 1;
            take(Turn::Restart);
            self.sent_ns = sent_ns;
            self.due = Some(1);
            if sequence == 1 {
                take(Turn::Packet(now_ns, bytes));
                self.due = Some(2);
            } else {
                // The first may still come on the other line: it is a gap like any other.
                self.hold(sequence, now_ns, bytes);
                if self.settings.reorder_packets == 0 {
                    self.give_up(&mut take);
                }
            }
        } else {
            self.counts.duplicates += 1;
        }
    }

    /// Gives up gaps that have been open for too long.
    pub fn poll(&mut self, now_ns: u64, mut take: impl FnMut(Turn<'_>)) {
        self.now_ns = self.now_ns.max(now_ns);
        while let Some((_, first)) = self.held.first_key_value() {
            if now_ns.saturating_sub(first.receive_ns) < self.settings.give_up_after_ns {
                return;
            }
            self.give_up(&mut take);
        }
    }

    /// Gives up every gap: no more packets will come.
    pub fn finish(&mut self, mut take: impl FnMut(Turn<'_>)) {
        while !self.held.is_empty() {
            self.give_up(&mut take);
        }
    }

    /// Whether packets wait behind a gap.
    pub fn has_gap(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether a packet before the one due is of numbers that began anew: a late packet of the other line was sent before the latest one.
    fn begins_anew(&self, sequence: u64, sent_ns: u64) -> bool {
        let later_ns = sent_ns.saturating_sub(self.sent_ns);
        // Numbers begin with 1: what says 0 is damaged.
        sequence > 0 && later_ns > if sequence == 1 { 0 } else { self.settings.restart_after_ns }
    }

    #[cold]
    fn hold(&mut self, sequence: u64, receive_ns: u64, bytes: &[u8]) {
        if self.held.contains_key(&sequence) {
            self.counts.duplicates += 1;
            return;
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(bytes);
        self.held.insert(sequence, Held { receive_ns, bytes: kept });
    }

    #[cold]
    fn give_up(&mut self, take: &mut impl FnMut(Turn<'_>)) {
        let (Some(due), Some(&first)) = (self.due, self.held.keys().next()) else { return };
        self.counts.missing += first - due;
        take(Turn::Lost(first, first - due));
        self.due = Some(first);
        self.go_on(take);
    }

    /// Gives the packets that are held from the one due on. They are of use from now on, not from when they came: so times never go back.
    #[inline]
    fn go_on(&mut self, take: &mut impl FnMut(Turn<'_>)) {
        if self.held.is_empty() {
            return;
        }
        while let Some(due) = self.due
            && let Some(held) = self.held.remove(&due)
        {
            take(Turn::Packet(held.receive_ns.max(self.now_ns), &held.bytes));
            self.due = Some(due + 1);
            self.spare.push(held.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_without_a_number_begins_nothing() {
        let mut arbiter = Arbiter::new(ArbiterSettings::default(), Some(1));
        arbiter.receive(1, 0, 0, b"a", |_| {});
        arbiter.receive(0, u64::MAX, 0, b"z", |_| panic!("a packet of number 0 was taken"));
        arbiter.finish(|_| {});
        assert_eq!((arbiter.counts.duplicates, arbiter.counts.restarts), (1, 0));
    }

    #[test]
    fn times_do_not_go_back_where_packets_waited() {
        let mut arbiter = Arbiter::new(ArbiterSettings::default(), Some(1));
        let mut given = Vec::new();
        let mut take = |turn: Turn<'_>| {
            if let Turn::Packet(time_ns, bytes) = turn {
                given.push((time_ns, bytes[0]));
            }
        };
        arbiter.receive(2, 0, 10, b"b", &mut take);
        arbiter.receive(1, 0, 12, b"a", &mut take);
        arbiter.receive(4, 0, 20, b"d", &mut take);
        arbiter.poll(20_000_000, &mut take);
        arbiter.receive(7, 0, 20_000_001, b"g", &mut take);
        arbiter.receive(6, 0, 20_000_002, b"f", &mut take);
        arbiter.finish(&mut take);
        let late = 20_000_002;
        assert_eq!(given, [(12, b'a'), (12, b'b'), (20_000_000, b'd'), (late, b'f'), (late, b'g')]);
    }
}

//! Two lines that bring the same messages become one stream: in order, each message once, gaps asked for and in the end given up.

use super::{
    held::Held,
    packet::{Content, Downstream, PacketError, Request},
};
use crate::itch::frame::{MessageSink, SessionName};

/// Where a packet came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// The first of the two lines.
    A,
    /// The second.
    B,
    /// The server that answers requests.
    Reply,
}

/// A packet that is further ahead of the message that is due is believed only when another confirms it: one damaged number would give up all before.
const FAR_MESSAGES: u64 = 1_000_000;

/// Packets that should have come before the first of which each is remembered.
const MOST_EARLY: usize = 1_024;

/// How long a receiver waits, and how much it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How far ahead of the message that is due another can be and still be kept; a gap is given up for one that is further ahead.
    pub reorder_messages: usize,
    /// How long a gap may be open before its messages are asked for: the other line may bring them.
    pub request_after_ns: u64,
    /// How long after a request the next follows while the gap is open.
    pub request_every_ns: u64,
    /// How long a gap may be open before it is given up.
    pub give_up_after_ns: u64,
    /// How long a line may bring nothing before it counts as silent; heartbeats come every second.
    pub silent_after_ns: u64,
}

impl Default for Settings {
    /// 16,384 messages; 2 ms, 50 ms, 1 s and 3 s.
    fn default() -> Self {
        Self {
            reorder_messages: 16_384,
            request_after_ns: 2_000_000,
            request_every_ns: 50_000_000,
            give_up_after_ns: 1_000_000_000,
            silent_after_ns: 3_000_000_000,
        }
    }
}

/// What a receiver has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiverCounts {
    /// Packets taken, of every kind.
    pub packets: u64,
    /// Packets whose lengths did not fit together; nothing of them was used.
    pub malformed_packets: u64,
    /// Packets of another session; nothing of them was used.
    pub other_session_packets: u64,
    /// Packets more than a million messages ahead that no packet before confirmed; nothing of them was used.
    pub unbelieved_packets: u64,
    /// Messages given on, each once.
    pub messages: u64,
    /// Messages that had come before, or came after they had been given up.
    pub duplicates: u64,
    /// Messages that were given up.
    pub missing: u64,
    /// Messages before the first that was given, of which a packet came too late: the first packets were out of order.
    pub before_first: u64,
    /// Requests made.
    pub requests: u64,
}

/// Receives one session: whichever line brings a message first is heard.
///
/// Of a malformed packet nothing is used: its messages are a gap, which the other line or an answer closes. Packets of another session
/// are counted and dropped: a receiver is of one session, and the next session gets the next receiver. A packet more than a million messages ahead
/// is believed only where it goes on from another that was: that one is counted, and nothing of it is used.
#[derive(Debug, Clone)]
pub struct Receiver {
    settings: Settings,
    session: Option<SessionName>,
    /// The number of the message that is due; `None` until the first packet tells.
    due: Option<u64>,
    /// The number of the first message that was due, where a packet told it.
    first: Option<u64>,
    /// From which number to before which packets came that were due before it: as many of them as are looked at.
    early: Vec<(u64, u64)>,
    held: Held,
    /// One past the highest number that a packet has told of.
    told_to: u64,
    /// One past the highest number of a message that came.
    came_to: u64,
    /// Since when it is known that there are messages behind all that came.
    told_ns: u64,
    /// One past the last message of the latest packet that was too far ahead to be believed.
    unbelieved_to: Option<u64>,
    /// The number of the first message of a gap, and since when the gap is known.
    open: (u64, u64),
    /// The last request: its first number, one past its last, and when it was made.
    asked: Option<(u64, u64, u64)>,
    ended: bool,
    heard_ns: [u64; 2],
    /// The latest time that was told.
    now_ns: u64,
    counts: ReceiverCounts,
}

impl Receiver {
    /// A receiver that begins at this time and with the message of this number: 1 for all of the session, `None` for what comes first. The
    /// first packet tells the session.
    pub fn new(settings: Settings, first_sequence: Option<u64>, now_ns: u64) -> Self {
        Self {
            settings,
            session: None,
            due: first_sequence,
            first: None,
            early: Vec::new(),
            held: Held::new(settings.reorder_messages),
            told_to: 0,
            came_to: 0,
            told_ns: now_ns,
            unbelieved_to: None,
            open: (0, u64::MAX),
            asked: None,
            ended: false,
            heard_ns: [now_ns; 2],
            now_ns,
            counts: ReceiverCounts::default(),
        }
    }

    /// Takes a packet, and gives the messages whose turn has come.
    ///
    /// # Errors
    ///
    /// [`PacketError`] of a packet that makes no sense; it has been counted, and the next can be taken.
    pub fn receive(
        &mut self,
        line: Line,
        now_ns: u64,
        packet: &[u8],
        to: &mut impl MessageSink,
    ) -> Result<(), PacketError> {
        self.counts.packets += 1;
        self.now_ns = self.now_ns.max(now_ns);
        let packet = Downstream::decode(packet).inspect_err(|_| self.counts.malformed_packets += 1)?;
        if *self.session.get_or_insert(packet.session) != packet.session {
            self.counts.other_session_packets += 1;
            return Ok(());
        }
        match line {
            Line::A => self.heard_ns[0] = now_ns,
            Line::B => self.heard_ns[1] = now_ns,
            Line::Reply => (),
        }
        let end = packet.end_sequence();
        let due = match self.due {
            Some(due) => due,
            None => {
                self.first = Some(packet.sequence);
                *self.due.insert(packet.sequence)
            }
        };
        if let Some(first) = self.first.filter(|first| packet.sequence < *first && packet.sequence < end) {
            self.came_early(packet.sequence, end.min(first));
        }
        if packet.sequence.saturating_sub(due) > FAR_MESSAGES && !self.believe(packet.sequence, end) {
            self.counts.unbelieved_packets += 1;
            return Ok(());
        }
        if end <= due {
            // What the other line has brought already, as a rule.
            self.counts.duplicates += end - packet.sequence;
        } else {
            for (message, sequence) in packet.messages().zip(packet.sequence..) {
                if self.due == Some(sequence) {
                    self.give(sequence, now_ns, message, to);
                } else {
                    self.out_of_turn(sequence, now_ns, message, to);
                }
            }
        }
        if packet.sequence < end {
            self.came_to = self.came_to.max(end);
        }
        if self.told_to <= self.came_to.max(self.due.unwrap_or(0)) {
            self.told_ns = now_ns;
        }
        self.told_to = self.told_to.max(end);
        self.ended |= packet.content == Content::EndOfSession;
        // A gap is as old as the first packet that showed it.
        let _ = self.gap();
        Ok(())
    }

    /// Gives up a gap that has been open for too long, and gives what came behind it.
    pub fn give_up_late(&mut self, now_ns: u64, to: &mut impl MessageSink) {
        self.now_ns = self.now_ns.max(now_ns);
        while let Some((_, to_sequence, since_ns)) = self.gap() {
            if now_ns.saturating_sub(since_ns) < self.settings.give_up_after_ns {
                return;
            }
            self.give_up(to_sequence, to);
        }
    }

    /// Gives up every gap, and gives what came behind them: no more packets will come.
    pub fn finish(&mut self, to: &mut impl MessageSink) {
        while let Some((_, to_sequence, _)) = self.gap() {
            self.give_up(to_sequence, to);
        }
    }

    /// The request that is to be sent now; `None` where no gap is open, or the last request is still young.
    pub fn request(&mut self, now_ns: u64) -> Option<Request> {
        let (due, to_sequence, since_ns) = self.gap()?;
        let waited = match self.asked {
            // The answer may be on its way, in several packets.
            Some((from, to, asked_ns)) if (from..to).contains(&due) => {
                now_ns.saturating_sub(asked_ns) >= self.settings.request_every_ns
            }
            _ => now_ns.saturating_sub(since_ns) >= self.settings.request_after_ns,
        };
        let session = self.session.filter(|_| waited)?;
        let count = u16::try_from(to_sequence - due).unwrap_or(u16::MAX);
        self.asked = Some((due, due + u64::from(count), now_ns));
        self.counts.requests += 1;
        Some(Request { session, sequence: due, count })
    }

    /// How long a line has brought nothing, in nanoseconds, where that is too long.
    pub fn silent_ns(&self, line: Line, now_ns: u64) -> Option<u64> {
        let heard_ns = match line {
            Line::A => self.heard_ns[0],
            Line::B => self.heard_ns[1],
            Line::Reply => return None,
        };
        let silent_ns = now_ns.saturating_sub(heard_ns);
        (silent_ns >= self.settings.silent_after_ns).then_some(silent_ns)
    }

    /// Whether the session has ended, and all of it has been given or given up.
    pub fn is_over(&self) -> bool {
        self.ended && self.due.is_some_and(|due| due >= self.told_to)
    }

    /// The number of the message that is due; `None` before the first packet.
    pub fn due_sequence(&self) -> Option<u64> {
        self.due
    }

    /// What has been counted so far.
    pub fn counts(&self) -> ReceiverCounts {
        self.counts
    }

    /// The messages that are missing now: from which number, to before which, and since when that is known, which is kept.
    fn gap(&mut self) -> Option<(u64, u64, u64)> {
        let due = self.due?;
        let (to_sequence, since_ns) = self.held.first().unwrap_or((self.told_to, self.told_ns));
        if to_sequence <= due {
            return None;
        }
        // What comes late and before its turn makes a gap shorter, not younger.
        let since_ns = if self.open.0 == due { self.open.1.min(since_ns) } else { since_ns };
        self.open = (due, since_ns);
        Some((due, to_sequence, since_ns))
    }

    /// Counts the messages of a packet that should have been first, once though both lines bring it.
    #[cold]
    fn came_early(&mut self, sequence: u64, end: u64) {
        if self.early.len() < MOST_EARLY && !self.early.contains(&(sequence, end)) {
            self.early.push((sequence, end));
            self.counts.before_first += end - sequence;
        }
    }

    /// Whether a packet that is far ahead goes on from the one before that was; kept for the next where it does not.
    #[cold]
    fn believe(&mut self, sequence: u64, end: u64) -> bool {
        // A packet or two may be lost or late between them.
        let goes_on = |to: u64| sequence.checked_sub(to).is_some_and(|ahead| ahead < self.held.size());
        let confirmed = self.unbelieved_to.is_some_and(goes_on);
        self.unbelieved_to = (!confirmed).then_some(end);
        confirmed
    }

    /// Gives the message that is due, and those that were held for it.
    #[inline(always)]
    fn give(&mut self, sequence: u64, receive_ns: u64, message: &[u8], to: &mut impl MessageSink) {
        to.message(sequence, receive_ns, message);
        self.counts.messages += 1;
        self.due = Some(sequence + 1);
        if !self.held.is_empty() {
            self.go_on(sequence + 1, to);
        }
    }

    /// Keeps a message that came before its turn, or counts one that came before.
    #[inline(never)]
    fn out_of_turn(&mut self, sequence: u64, now_ns: u64, message: &[u8], to: &mut impl MessageSink) {
        let mut due = self.due.unwrap_or(sequence);
        // A number too far ahead to be kept gives up what is due before it.
        while sequence.saturating_sub(due) >= self.held.size() {
            let to_sequence = self.held.first().map_or(sequence, |(first, _)| first);
            due = self.give_up(to_sequence, to);
        }
        if sequence == due {
            self.give(sequence, now_ns, message, to);
        } else if sequence < due || !self.held.insert(sequence, now_ns, message) {
            self.counts.duplicates += 1;
        }
    }

    /// Gives up what is due before this number, gives what is held from it on, and says what is due then.
    fn give_up(&mut self, to_sequence: u64, to: &mut impl MessageSink) -> u64 {
        let due = self.due.unwrap_or(to_sequence);
        let count = to_sequence - due;
        self.counts.missing = self.counts.missing.saturating_add(count);
        to.lost(due, count);
        self.go_on(to_sequence, to)
    }

    /// Gives the messages that are held from this number on without a gap, and says what is due then. They are of use from now on, not from when
    /// they came: so times of receipt never go back.
    #[inline(never)]
    fn go_on(&mut self, mut due: u64, to: &mut impl MessageSink) -> u64 {
        while let Some((receive_ns, message)) = self.held.take(due) {
            to.message(due, receive_ns.max(self.now_ns), message);
            self.counts.messages += 1;
            due += 1;
        }
        self.due = Some(due);
        due
    }
}

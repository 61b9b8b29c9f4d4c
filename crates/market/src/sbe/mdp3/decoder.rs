//! A channel's feeds in, events out.

use std::sync::Arc;

use super::{
    arbiter::{Arbiter, ArbiterSettings, PacketCounts, Turn},
    channel::{Channel, View},
    out::{Out, Pending},
    packet::{Packet, PacketError},
    security::{BookState, Security},
    templates::{Kind, TemplateError, Templates},
};
use crate::{
    event::{InstrumentId, Sink},
    feed::Counts,
    instruments::Instruments,
    outcome::Refused,
    sbe::{SbeError, Schema},
};

/// A channel's feeds: one of updates, and those that go round for who comes late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    Incremental,
    Recovery,
}

/// How a channel is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Which view of the books becomes events.
    pub view: View,
    /// The packet from which on the incremental feed is heard: `Some(1)` for all of a week, whose books begin empty and live; `None` for what
    /// comes first, after which each book waits for its snapshot.
    pub first_sequence: Option<u32>,
    /// How the two lines are brought together.
    pub arbiter: ArbiterSettings,
    /// How many changes of books wait for snapshots at most, of all instruments together. Where there would be more, those of the book in hand are
    /// dropped and counted ([`Mdp3Decoder::dropped_changes`]), and it takes no snapshot from before them.
    pub most_held_changes: usize,
}

impl Default for Settings {
    /// Levels, from what comes first, and a million changes at most.
    fn default() -> Self {
        let arbiter = ArbiterSettings::default();
        Self { view: View::Levels, first_sequence: None, arbiter, most_held_changes: 1 << 20 }
    }
}

/// Makes events of a channel of CME's MDP 3.0.
///
/// | template | event |
/// |---|---|
/// | 46 MDIncrementalRefreshBook | `Level` of each price whose size changed; in view [`View::Orders`] `Add`, `Modify`, `Cancel` of the orders behind it; `Clear` for a book reset |
/// | 47 MDIncrementalRefreshOrderBook | `Add`, `Modify`, `Cancel` in view [`View::Orders`] |
/// | 48 MDIncrementalRefreshTradeSummary | `Trade`; none where a trade is changed or taken back |
/// | 52 SnapshotFullRefresh, 53 SnapshotFullRefreshOrderBook | `Clear`, then `Status` and levels, or orders by priority, with flag `SNAPSHOT`, then what waited for it; none where the book is live |
/// | 30 SecurityStatus | `Status` of the security, or of all of its group |
/// | 54, 55 and what else has the fields of a definition | `Definition` |
/// | 4 ChannelReset | `Clear` of every instrument |
/// | statistics, heartbeats, all else that the schema has | none: counted as passed over |
///
/// - **Units**: ticks are 10^−9 of the price by its display factor, as DBN has it; the venue's increment is told by [`Mdp3Decoder::increment_nanos`].
///   A security that is not defined yet is called `security 12345` and has factor 1; its book moves to its name when that comes
///   (levels are told again, orders wait for a snapshot). How many levels a book has the definition tells; 10 where there is none.
/// - **Levels**: level numbers become prices by books that are kept here. An update that does not fit them breaks the book off. Implied levels (E,
///   F) are a book of their own and are left out.
/// - **Sequence** of an event is the number of its packet, `LastMsgSeqNumProcessed` in a snapshot. `LAST` stands at the last event of each instrument of
///   the message in which the venue's event ends, or the last of its quotes; an instrument of an earlier message of the same event has none there.
/// - **Loss**: packets that neither line brings count as missing. In view [`View::Levels`] `RptSeq` then tells of each instrument whether it lost
///   anything; in view [`View::Orders`], whose messages may have no such number, every book is broken off. That is a `Clear` with flag `GAP`, and
///   [`BookState::Broken`] until a snapshot has come that holds all that was lost.
#[derive(Debug)]
pub struct Mdp3Decoder {
    schema: Arc<Schema>,
    templates: Templates,
    arbiter: Arbiter,
    channel: Channel,
    pending: Pending,
}

impl Mdp3Decoder {
    /// A decoder by a schema of MDP 3.0: [`schema`](super::schema), or CME's own.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] where the schema is not one of MDP 3.0.
    pub fn new(schema: Arc<Schema>, settings: Settings) -> Result<Self, TemplateError> {
        let templates = Templates::of(&schema)?;
        let first = settings.first_sequence.map(u64::from);
        Ok(Self {
            schema,
            templates,
            arbiter: Arbiter::new(settings.arbiter, first),
            channel: Channel::new(settings.view, first, settings.most_held_changes),
            pending: Pending::default(),
        })
    }

    /// Takes a packet of the incremental feed, from either line, and gives the events whose turn has come.
    ///
    /// # Errors
    ///
    /// [`PacketError`] of a packet that makes no sense; it has been counted, and the next can be taken.
    pub fn incremental(&mut self, now_ns: u64, packet: &[u8], sink: &mut impl Sink) -> Result<(), PacketError> {
        let Self { schema, templates, arbiter, channel, pending } = self;
        arbiter.counts.packets += 1;
        let Packet { sequence, sending_ns, .. } =
            Packet::decode(packet).inspect_err(|_| arbiter.counts.malformed += 1)?;
        arbiter.receive(sequence.into(), sending_ns, now_ns, packet, |turn| {
            take((schema, templates), (channel, pending), turn, now_ns, sink)
        });
        Ok(())
    }

    /// Takes a packet of the snapshot feed (market recovery), or of the feed that replays definitions: they go round, and have numbers of their own.
    ///
    /// # Errors
    ///
    /// [`PacketError`] of a packet that makes no sense; the next can be taken.
    pub fn recovery(&mut self, now_ns: u64, packet: &[u8], sink: &mut impl Sink) -> Result<(), PacketError> {
        let packet = Packet::decode(packet)?;
        let Self { schema, templates, channel, pending, .. } = self;
        messages((schema, templates), (channel, pending), (packet, now_ns), sink);
        Ok(())
    }

    /// Told the time when no packet is there: gives up gaps that have been open for too long.
    pub fn poll(&mut self, now_ns: u64, sink: &mut impl Sink) {
        let Self { schema, templates, arbiter, channel, pending } = self;
        arbiter.poll(now_ns, |turn| take((schema, templates), (channel, pending), turn, now_ns, sink));
    }

    /// Told that no packet will come any more: gives up every gap.
    pub fn finish(&mut self, now_ns: u64, sink: &mut impl Sink) {
        let Self { schema, templates, arbiter, channel, pending } = self;
        arbiter.finish(|turn| take((schema, templates), (channel, pending), turn, now_ns, sink));
    }

    /// Whether packets wait for one that is missing.
    pub fn has_gap(&self) -> bool {
        self.arbiter.has_gap()
    }

    /// Where the book of an instrument stands.
    pub fn book_state(&self, instrument: InstrumentId) -> Option<BookState> {
        Some(self.channel.place_of(instrument)?.state)
    }

    /// How many changes of an instrument's book wait for a snapshot.
    pub fn held_changes(&self, instrument: InstrumentId) -> Option<usize> {
        Some(self.channel.place_of(instrument)?.held.len())
    }

    /// `MinPriceIncrement` by the display factor, in billionths; `None` where the venue tells none.
    pub fn increment_nanos(&self, instrument: InstrumentId) -> Option<i64> {
        self.channel.place_of(instrument)?.increment_nanos
    }

    /// The instrument that has this number at the venue.
    pub fn instrument(&self, security_id: i32) -> Option<InstrumentId> {
        Some(self.channel.security(security_id)?.instrument)
    }

    /// The instruments seen so far.
    pub fn instruments(&self) -> &Instruments {
        &self.channel.instruments
    }

    /// What has been counted of messages so far; of what is missing, packets.
    pub fn counts(&self) -> Counts {
        self.channel.counts
    }

    /// What has been counted of the packets of the incremental feed.
    pub fn packet_counts(&self) -> PacketCounts {
        self.arbiter.counts
    }

    /// Changes that waited for a snapshot and were dropped, since too many waited.
    pub fn dropped_changes(&self) -> u64 {
        self.channel.dropped
    }

    /// How many books are live and have been told something of; and how many have changes that wait for a snapshot.
    pub fn books(&self) -> (usize, usize) {
        let is_live = |it: &&Security| it.has_book && it.state == BookState::Live;
        let waits = |it: &&Security| !it.held.is_empty() && it.state != BookState::Live;
        let securities = &self.channel.securities;
        (securities.iter().filter(is_live).count(), securities.iter().filter(waits).count())
    }

    /// Which feed of a channel a packet is of, where one of its messages tells.
    pub(super) fn feed_of(&self, packet: &[u8]) -> Option<Feed> {
        let mut found = None;
        for bytes in Packet::decode(packet).ok()?.messages() {
            let Ok(message) = self.schema.decode(bytes) else { continue };
            match self.templates.kind(message.message().id) {
                // Definitions and snapshots alone come on feeds of their own; an incremental feed may have a definition between its updates.
                Kind::LevelSnapshot(_) | Kind::OrderSnapshot(_) | Kind::Definition(_) => found = Some(Feed::Recovery),
                Kind::PassedOver => {}
                _ => return Some(Feed::Incremental),
            }
        }
        found
    }

    /// The first message that was counted as malformed, and why.
    pub fn first_fault(&self) -> Option<&str> {
        self.channel.first_fault.as_deref()
    }
}

fn take(
    tables: (&Schema, &Templates),
    (channel, pending): (&mut Channel, &mut Pending),
    turn: Turn<'_>,
    now_ns: u64,
    sink: &mut impl Sink,
) {
    match turn {
        // Its sizes have been checked when it came.
        Turn::Packet(receive_ns, bytes) => {
            if let Ok(packet) = Packet::decode(bytes) {
                messages(tables, (channel, pending), (packet, receive_ns), sink);
            }
        }
        Turn::Joined(sequence) => between(sink, pending, |out| channel.lost(sequence.max(1), 0, now_ns, out)),
        Turn::Lost(sequence, count) => between(sink, pending, |out| channel.lost(sequence, count, now_ns, out)),
        Turn::Restart => between(sink, pending, |out| channel.restart(now_ns, out)),
    }
}

/// Gives events that are of no message.
fn between<S: Sink>(sink: &mut S, pending: &mut Pending, give: impl FnOnce(&mut Out<'_, S>)) {
    let mut out = Out::new(sink, pending);
    give(&mut out);
    out.end(true);
}

fn messages(
    (schema, templates): (&Schema, &Templates),
    (channel, pending): (&mut Channel, &mut Pending),
    (packet, receive_ns): (Packet<'_>, u64),
    sink: &mut impl Sink,
) {
    let sequence = u64::from(packet.sequence);
    for bytes in packet.messages() {
        let mut out = Out::new(sink, pending);
        let outcome = match schema.decode(bytes) {
            Ok(message) => {
                let kind = templates.kind(message.message().id);
                let outcome = channel.message(kind, &message, (sequence, receive_ns), &mut out);
                out.end(Channel::ends(kind, &message));
                outcome
            }
            Err(SbeError::UnknownTemplate { .. } | SbeError::OtherSchema { .. }) => Err(Refused::Unknown),
            Err(error) => Err(Refused::Malformed(error.to_string())),
        };
        channel.count(sequence, outcome);
        sink.message_end(&channel.instruments);
    }
}

//! A channel of events between two threads: a ring with a rule for when it is full, and the feed's instruments beside it.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use thiserror::Error;

use super::{
    conflate::Conflator,
    event_ring::{EventConsumer, EventProducer, event_ring},
    metrics::ChannelMetrics,
};
use crate::{
    event::{Body, Event, Flags, InstrumentId, Sink},
    instruments::{DatedAction, Definition, Instruments, OptionTerms},
};

/// So many events are collected before they go into the ring together.
const BATCH: usize = 64;
/// So many events of one message are collected at most.
const MOST_COLLECTED: usize = 1_024;
/// Within the ring alone: a message of the feed ends behind this event. None of [`Flags`]' constants has this bit.
const MESSAGE_ENDS: u8 = 1 << 7;

/// What is done with an event for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The sender waits: nothing is lost here, but a socket behind it overflows in the kernel.
    Wait,
    /// It is dropped and counted; the next event of its instrument that is sent has [`Flags::GAP`].
    DropNewest,
    /// It waits in a [`Conflator`] as large as the ring, and is dropped as above where that is full too.
    Conflate,
}

impl WhenFull {
    const ALL: [Self; 3] = [Self::Wait, Self::DropNewest, Self::Conflate];

    /// What it is called: `wait`, `drop_newest`, `conflate`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::DropNewest => "drop_newest",
            Self::Conflate => "conflate",
        }
    }
}

impl fmt::Display for WhenFull {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// No rule has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name:?} is no rule for a full ring; allowed: wait, drop_newest, conflate")]
pub struct UnknownRule {
    /// The name.
    pub name: String,
}

impl FromStr for WhenFull {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        let rule = Self::ALL.into_iter().find(|rule| rule.name() == name);
        rule.ok_or_else(|| UnknownRule { name: name.into() })
    }
}

/// A sink that collects events and can be told to let them go.
pub trait Outlet: Sink {
    /// Lets go what was collected.
    fn flush(&mut self);
}

impl Outlet for Vec<Event> {
    fn flush(&mut self) {}
}

/// All that is known of an instrument now.
#[derive(Debug)]
struct Known {
    definition: Definition,
    option: Option<OptionTerms>,
    actions: Vec<DatedAction>,
}

impl Known {
    fn of(instruments: &Instruments, id: InstrumentId) -> Option<Self> {
        let definition = instruments.latest(id)?.clone();
        let (option, actions) = (instruments.option(id).cloned(), instruments.actions(id).to_vec());
        Some(Self { definition, option, actions })
    }

    /// Tells it to another table, in which the instrument has the same number.
    fn tell(self, id: InstrumentId, instruments: &mut Instruments) {
        let is_new = id.0 as usize == instruments.len();
        let mut definition = Some(self.definition);
        if is_new {
            definition.take().map(|new| instruments.define(new));
        }
        // Before a definition by a new name, which these tell to be of the same instrument.
        for DatedAction { from_ns, action } in self.actions {
            let kept = instruments.act(id, from_ns, action);
            debug_assert!(kept.is_ok(), "the sender's table has kept it: {kept:?}");
        }
        let known_as = definition.map_or(id, |definition| instruments.define(definition));
        debug_assert_eq!(known_as, id, "instruments come in the order of their numbers");
        if let Some(terms) = self.option {
            instruments.set_option(id, terms);
        }
    }
}

/// Definitions on their way from sender to receiver.
#[derive(Debug, Default)]
struct Definitions {
    told: AtomicU64,
    /// The latest of each instrument: no more than there are instruments, however long the receiver takes.
    waiting: Mutex<BTreeMap<InstrumentId, Known>>,
}

/// The sending end: a sink for a decoder.
///
/// Events are collected into batches; [`Outlet::flush`] sends what there is, and is called after each read of a socket. Dropping it sends the rest.
#[derive(Debug)]
pub struct Sender {
    producer: EventProducer,
    when_full: WhenFull,
    conflator: Option<Conflator>,
    collected: Vec<Event>,
    /// Where among those collected the message begins that has not ended.
    message_begins: usize,
    instruments_told: usize,
    redefined: Vec<InstrumentId>,
    definitions: Arc<Definitions>,
    /// Of these something was dropped, and nothing was sent since.
    lossy: HashSet<InstrumentId>,
    metrics: Arc<ChannelMetrics>,
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver {
    consumer: EventConsumer,
    instruments: Instruments,
    definitions: Arc<Definitions>,
    definitions_seen: u64,
    metrics: Arc<ChannelMetrics>,
}

/// A channel with room for so many events, at least 1.
pub fn channel(capacity: usize, when_full: WhenFull) -> (Sender, Receiver) {
    let (producer, consumer) = event_ring(capacity);
    let (definitions, metrics) = (Arc::new(Definitions::default()), Arc::new(ChannelMetrics::default()));
    let sender = Sender {
        producer,
        when_full,
        conflator: (when_full == WhenFull::Conflate).then(|| Conflator::new(capacity)),
        collected: Vec::with_capacity(MOST_COLLECTED),
        message_begins: 0,
        instruments_told: 0,
        redefined: Vec::new(),
        definitions: definitions.clone(),
        lossy: HashSet::new(),
        metrics: metrics.clone(),
    };
    (sender, Receiver { consumer, instruments: Instruments::new(), definitions, definitions_seen: 0, metrics })
}

impl Sender {
    /// What has been counted.
    pub fn metrics(&self) -> &Arc<ChannelMetrics> {
        &self.metrics
    }

    /// Whether the receiver is gone; what is sent is dropped then.
    pub fn is_abandoned(&self) -> bool {
        self.producer.is_abandoned()
    }

    /// Tries to send the first events of those collected.
    fn send(&mut self, count: usize) {
        if count == 0 {
            return self.send_conflated();
        }
        let mut collected = std::mem::take(&mut self.collected);
        for event in &mut collected[..count] {
            if !self.lossy.is_empty() && self.lossy.remove(&event.instrument) {
                event.flags.0 |= Flags::GAP.0;
            }
        }
        let put = match self.when_full {
            WhenFull::Wait => self.send_waiting(&collected[..count]),
            WhenFull::DropNewest => self.producer.push_some(&collected[..count]),
            WhenFull::Conflate => {
                self.send_conflated();
                // What waits goes first.
                let free = self.conflator.as_ref().is_none_or(Conflator::is_empty);
                if free { self.producer.push_some(&collected[..count]) } else { 0 }
            }
        };
        self.metrics.sent.add(put as u64);
        for event in &collected[put..count] {
            self.set_aside(event);
        }
        collected.drain(..count);
        self.collected = collected;
        self.message_begins = self.message_begins.saturating_sub(count);
    }

    fn send_waiting(&mut self, events: &[Event]) -> usize {
        match self.producer.push_all(events) {
            Ok(waits) => {
                if waits > 0 {
                    self.metrics.waits.add(waits);
                }
                events.len()
            }
            Err(gone) => events.len() - gone.unread,
        }
    }

    fn set_aside(&mut self, event: &Event) {
        if let Some(conflator) = &mut self.conflator {
            let before = conflator.merged();
            let taken = conflator.push(event);
            self.metrics.conflated.add(conflator.merged() - before);
            if taken {
                return;
            }
        }
        self.metrics.dropped.add(1);
        self.lossy.insert(event.instrument);
    }

    /// Sends what waits in the conflator, as far as there is room.
    fn send_conflated(&mut self) {
        let Some(conflator) = &mut self.conflator else { return };
        let mut sent = 0;
        while !conflator.is_empty() && self.producer.has_room() {
            let Some(event) = conflator.pop() else { break };
            sent += self.producer.push_some(&[event]) as u64;
        }
        if sent > 0 {
            self.metrics.sent.add(sent);
        }
    }

    /// How many events wait in the conflator for room: [`Outlet::flush`] sends them on.
    pub fn waiting(&self) -> usize {
        self.conflator.as_ref().map_or(0, Conflator::len)
    }

    #[cold]
    fn tell_definitions(&mut self, instruments: &Instruments) {
        let new = (self.instruments_told..instruments.len()).map(|number| InstrumentId(number as u32));
        let all = new.chain(self.redefined.drain(..));
        let mut waiting = self.definitions.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(all.filter_map(|id| Some((id, Known::of(instruments, id)?))));
        drop(waiting);
        self.instruments_told = instruments.len();
        // Before the events go into the ring, so that who takes them out sees it.
        self.definitions.told.fetch_add(1, Ordering::Release);
    }
}

impl Sink for Sender {
    fn event(&mut self, event: &Event) {
        if event.body == Body::Definition && (event.instrument.0 as usize) < self.instruments_told {
            self.redefined.push(event.instrument);
        }
        // The last one stays: it is marked when the message ends.
        if self.collected.len() >= MOST_COLLECTED && self.redefined.is_empty() {
            self.send(self.collected.len() - 1);
        }
        self.collected.push(*event);
    }

    fn message_end(&mut self, instruments: &Instruments) {
        if instruments.len() != self.instruments_told || !self.redefined.is_empty() {
            self.tell_definitions(instruments);
        }
        if let [.., last] = &mut self.collected[self.message_begins..] {
            last.flags.0 |= MESSAGE_ENDS;
        }
        self.message_begins = self.collected.len();
        if self.collected.len() >= BATCH {
            self.send(self.collected.len());
        }
    }
}

impl Outlet for Sender {
    fn flush(&mut self) {
        self.send(self.collected.len());
    }
}

impl Drop for Sender {
    /// Sends the rest; under [`WhenFull::Conflate`] it waits for room, until the receiver is gone.
    fn drop(&mut self) {
        self.flush();
        let Some(conflator) = &mut self.conflator else { return };
        while let Some(event) = conflator.pop() {
            match self.producer.push_all(&[event]) {
                Ok(_) => self.metrics.sent.add(1),
                Err(_) => return self.metrics.dropped.add(1 + conflator.len() as u64),
            }
        }
    }
}

impl Receiver {
    /// Gives up to `most` events that are there to a sink, and tells it of the end of each message that had events (of messages without events the
    /// receiver learns nothing; under [`WhenFull::DropNewest`] and [`WhenFull::Conflate`] the end goes with its event). Gives how many there were.
    pub fn take(&mut self, most: usize, sink: &mut impl Sink) -> usize {
        let Self { consumer, instruments, definitions, definitions_seen, .. } = self;
        consumer.take(most, |event| {
            let told = definitions.told.load(Ordering::Acquire);
            if told != *definitions_seen {
                *definitions_seen = told;
                let mut waiting = definitions.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                // In the order of their numbers: so this table gives new ones the same numbers.
                for (id, known) in std::mem::take(&mut *waiting) {
                    known.tell(id, instruments);
                }
            }
            let mut event = *event;
            let message_ends = event.flags.0 & MESSAGE_ENDS != 0;
            event.flags.0 &= !MESSAGE_ENDS;
            sink.event(&event);
            if message_ends {
                sink.message_end(instruments);
            }
        })
    }

    /// The instruments of the feed, as far as their events were taken; their numbers are the decoder's.
    pub fn instruments(&self) -> &Instruments {
        &self.instruments
    }

    /// Whether the sender is gone and everything was taken.
    pub fn is_ended(&self) -> bool {
        self.consumer.is_ended()
    }

    /// What has been counted.
    pub fn metrics(&self) -> &Arc<ChannelMetrics> {
        &self.metrics
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;

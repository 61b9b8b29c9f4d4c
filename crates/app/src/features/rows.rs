//! The stream of a feed on its way into features, and the rows that they give.

use zomma_market::{
    book::FaultCounts,
    event::{Body, Event, Flags, InstrumentId, Sink},
    features::{FeatureSet, FeatureStream, Times, Units},
    instruments::Instruments,
};

use super::{
    output::{Finished, Output},
    pace::Pace,
};
use crate::{failure::BadArguments, feed::Listener};

/// What rows are of.
pub struct Wanted<'a> {
    /// The features by name.
    pub features: &'a str,
    /// The instrument; none for the first one.
    pub symbol: Option<&'a str>,
    /// Levels of the book that the features see.
    pub levels: usize,
    /// Time from row to row in nanoseconds; none for a row after each book.
    pub every_ns: Option<u64>,
    /// Which times rows are stamped with, and windows run on.
    pub times: Times,
}

/// Features of one instrument, row by row.
pub struct FeatureRows {
    state: State,
    features: String,
    symbol: Option<String>,
    levels: usize,
    times: Times,
    pace: Pace,
    events: u64,
    output: Output,
    failed: Option<anyhow::Error>,
}

enum State {
    /// The instrument is not known yet: the events of the message in hand wait until it has ended.
    Unknown { waiting: Vec<Event>, looked_among: usize },
    /// It is.
    Known { instrument: InstrumentId, stream: Box<FeatureStream> },
}

impl FeatureRows {
    /// Rows to `output`.
    pub fn new(wanted: &Wanted<'_>, output: Output) -> Self {
        let Wanted { features, symbol, levels, every_ns, times } = *wanted;
        let state = State::Unknown { waiting: Vec::new(), looked_among: 0 };
        let (features, symbol) = (features.to_owned(), symbol.map(str::to_owned));
        Self { state, features, symbol, levels, times, pace: Pace::new(every_ns), events: 0, output, failed: None }
    }

    /// The instrument, once it is known.
    pub fn instrument(&self) -> Option<InstrumentId> {
        match &self.state {
            State::Known { instrument, .. } => Some(*instrument),
            State::Unknown { .. } => None,
        }
    }

    /// Events of the instrument so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What could not be applied to the book.
    pub fn faults(&self) -> FaultCounts {
        match &self.state {
            State::Known { stream, .. } => *stream.books().faults(),
            State::Unknown { .. } => FaultCounts::default(),
        }
    }

    /// Events whose time was so far ahead that it was not believed.
    pub fn unbelieved_times(&self) -> u64 {
        match &self.state {
            State::Known { stream, .. } => stream.unbelieved_times(),
            State::Unknown { .. } => 0,
        }
    }

    /// Ends the rows.
    pub fn finish(self) -> anyhow::Result<Finished> {
        match self.failed {
            Some(error) => Err(error),
            None => self.output.finish(),
        }
    }

    fn take(&mut self, event: &Event) {
        let State::Known { instrument, stream } = &mut self.state else { return };
        if event.instrument != *instrument || self.failed.is_some() {
            return;
        }
        self.events += u64::from(event.body != Body::Definition);
        let output = &mut self.output;
        // By the exchange's times a snapshot's orders are no moments of the session: they are from before it.
        let is_of_before = event.flags.contains(Flags::SNAPSHOT) && self.times == Times::Exchange;
        let told_ns = self.times.of(event).filter(|_| !is_of_before).map(|told_ns| stream.would_be_ns(told_ns));
        let mut written = Ok(());
        if let Some(told_ns) = told_ns {
            written = self.pace.before(told_ns, |due_ns| {
                stream.advance(due_ns);
                output.row(due_ns, stream.set().values())
            });
        }
        if stream.event(event) && written.is_ok() {
            let time_ns = stream.time_ns().unwrap_or(event.exchange_ns);
            if (told_ns.is_some() || !self.pace.is_steady()) && self.pace.after(time_ns) {
                written = output.row(time_ns, stream.set().values());
            }
        }
        self.failed = written.err();
    }

    fn look_for_instrument(&mut self, instruments: &Instruments) {
        let State::Unknown { waiting, looked_among } = &mut self.state else { return };
        if *looked_among != instruments.len() {
            *looked_among = instruments.len();
            let found = match &self.symbol {
                Some(symbol) => instruments.find(symbol),
                None => Some(InstrumentId(0)),
            };
            if let Some((instrument, definition)) = found.and_then(|id| Some((id, instruments.latest(id)?))) {
                let waiting = std::mem::take(waiting);
                // Only now is it known what parameters in the currency and in shares are in ticks and lots.
                match FeatureSet::parse_in(&self.features, Units::from(definition)) {
                    Ok(set) => {
                        let stream = FeatureStream::new(set, instrument, self.levels).on(self.times);
                        self.state = State::Known { instrument, stream: Box::new(stream) };
                        waiting.iter().for_each(|event| self.take(event));
                    }
                    Err(error) => self.failed = Some(BadArguments(format!("--features: {error}")).into()),
                }
                return;
            }
        }
        waiting.clear();
    }
}

impl Sink for FeatureRows {
    fn event(&mut self, event: &Event) {
        match &mut self.state {
            State::Unknown { waiting, .. } => waiting.push(*event),
            State::Known { .. } => self.take(event),
        }
    }

    fn message_end(&mut self, instruments: &Instruments) {
        self.look_for_instrument(instruments);
    }
}

impl Listener for FeatureRows {
    fn is_done(&self) -> bool {
        self.failed.is_some()
    }
}

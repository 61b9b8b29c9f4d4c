//! The stream of a feed on its way into features, and the rows that they give.

use zomma_market::{
    book::FaultCounts,
    event::{Body, Event, Flags, InstrumentId, Sink},
    features::{FeatureSet, FeatureStream},
    instruments::Instruments,
};

use super::{
    output::{Finished, Output},
    pace::Pace,
};
use crate::feed::Listener;

/// Features of one instrument, row by row.
pub struct FeatureRows {
    state: State,
    symbol: Option<String>,
    levels: usize,
    pace: Pace,
    events: u64,
    output: Output,
    failed: Option<anyhow::Error>,
}

enum State {
    /// The instrument is not known yet: the events of the message in hand wait until it has ended.
    Unknown { set: Option<Box<FeatureSet>>, waiting: Vec<Event>, looked_among: usize },
    /// It is.
    Known { instrument: InstrumentId, stream: Box<FeatureStream> },
}

impl FeatureRows {
    /// Rows of a set for the instrument of this name, or for the first one, to `output`.
    pub fn new(set: FeatureSet, symbol: Option<&str>, levels: usize, every_ns: Option<u64>, output: Output) -> Self {
        let state = State::Unknown { set: Some(Box::new(set)), waiting: Vec::new(), looked_among: 0 };
        let symbol = symbol.map(str::to_owned);
        Self { state, symbol, levels, pace: Pace::new(every_ns), events: 0, output, failed: None }
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
        // A snapshot's orders and times that the exchange did not tell are no moments of the session.
        let is_timed = !event.flags.contains(Flags::BAD_TIME) && !event.flags.contains(Flags::SNAPSHOT);
        let mut written = Ok(());
        if is_timed {
            written = self.pace.before(event.exchange_ns, |due_ns| output.row(due_ns, stream.set().values()));
        }
        if stream.event(event) && written.is_ok() {
            let time_ns = stream.time_ns().unwrap_or(event.exchange_ns);
            if (is_timed || !self.pace.is_steady()) && self.pace.after(time_ns) {
                written = output.row(time_ns, stream.set().values());
            }
        }
        self.failed = written.err();
    }

    fn look_for_instrument(&mut self, instruments: &Instruments) {
        let State::Unknown { set, waiting, looked_among } = &mut self.state else { return };
        if *looked_among != instruments.len() {
            *looked_among = instruments.len();
            let found = match &self.symbol {
                Some(symbol) => instruments.find(symbol),
                None => Some(InstrumentId(0)),
            };
            if let Some((instrument, set)) = found.and_then(|id| Some((id, set.take()?))) {
                let waiting = std::mem::take(waiting);
                let stream = Box::new(FeatureStream::new(*set, instrument, self.levels));
                self.state = State::Known { instrument, stream };
                waiting.iter().for_each(|event| self.take(event));
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

//! The stream of a feed on its way into features, and the rows that they give.

use zomma_market::{
    event::{Body, Event, InstrumentId, Sink},
    features::{FeatureSet, FeatureStream},
    instruments::Instruments,
};

use super::output::{Finished, Output};
use crate::feed::Listener;

/// Features of one instrument, row by row.
pub struct FeatureRows {
    state: State,
    symbol: Option<String>,
    levels: usize,
    every_ns: Option<u64>,
    /// When the next row is due, at a steady pace.
    due_ns: Option<u64>,
    events: u64,
    output: Output,
    failed: Option<anyhow::Error>,
}

enum State {
    /// The instrument is not known yet: the events of the message in hand wait until it has ended.
    Unknown { set: Option<Box<FeatureSet>>, waiting: Vec<Event>, looked_among: usize },
    /// It is.
    Known { instrument: InstrumentId, stream: Box<FeatureStream>, has_values: bool },
}

impl FeatureRows {
    /// Rows of a set for the instrument of this name, or for the first one, to `output`.
    pub fn new(set: FeatureSet, symbol: Option<&str>, levels: usize, every_ns: Option<u64>, output: Output) -> Self {
        let state = State::Unknown { set: Some(Box::new(set)), waiting: Vec::new(), looked_among: 0 };
        let symbol = symbol.map(str::to_owned);
        Self { state, symbol, levels, every_ns, due_ns: None, events: 0, output, failed: None }
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

    /// Ends the rows.
    pub fn finish(self) -> anyhow::Result<Finished> {
        match self.failed {
            Some(error) => Err(error),
            None => self.output.finish(),
        }
    }

    fn take(&mut self, event: &Event) {
        let State::Known { instrument, stream, has_values } = &mut self.state else { return };
        if event.instrument != *instrument || self.failed.is_some() {
            return;
        }
        self.events += u64::from(event.body != Body::Definition);
        let written = match self.every_ns {
            None if stream.event(event) => self.output.row(event.exchange_ns, stream.set().values()),
            None => Ok(()),
            Some(every_ns) => {
                // What is known at the moment, before an event that comes after it.
                let mut written = Ok(());
                while let Some(due_ns) =
                    self.due_ns.filter(|due| *has_values && *due < event.exchange_ns && written.is_ok())
                {
                    written = self.output.row(due_ns, stream.set().values());
                    self.due_ns = due_ns.checked_add(every_ns);
                }
                if stream.event(event) && !*has_values {
                    *has_values = true;
                    self.due_ns = event.exchange_ns.checked_next_multiple_of(every_ns);
                }
                written
            }
        };
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
                self.state = State::Known { instrument, stream, has_values: false };
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

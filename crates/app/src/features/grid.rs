//! Rows at a pace from the books on a device: of one instrument, or of all of the feed.

use zomma_market::{
    book::FaultCounts,
    device::{FeatureGrid, GridError, GridRow},
    event::{Body, Event, Flags, InstrumentId, Sink},
    features::Times,
    instruments::Instruments,
};

use super::{
    output::{Finished, Output},
    pace::Pace,
};
use crate::feed::Listener;

/// Whose rows are wanted.
enum Only {
    /// Every instrument's, with its symbol.
    All,
    /// One instrument's, whose number is not known yet: the events of the message in hand wait until it has ended.
    Unknown { symbol: String, waiting: Vec<Event>, looked_among: usize },
    /// One instrument's.
    Known(InstrumentId),
}

/// Rows of a device's features.
pub struct GridRows<'a> {
    grid: FeatureGrid<'a>,
    only: Only,
    pace: Pace,
    times: Times,
    events: u64,
    out: Out,
    /// So many instruments have their symbols.
    named: usize,
    failed: Option<anyhow::Error>,
}

/// Where rows go.
struct Out {
    output: Output,
    only: Option<InstrumentId>,
    symbols: Vec<String>,
    values: Vec<Option<f64>>,
}

impl Out {
    fn row(&mut self, row: &GridRow<'_>) -> anyhow::Result<()> {
        if let Some(instrument) = self.only {
            row.values(instrument, &mut self.values);
            return self.output.row(row.time_ns, &self.values);
        }
        for number in 0..row.instruments() as u32 {
            let instrument = InstrumentId(number);
            if row.is_told(instrument) {
                row.values(instrument, &mut self.values);
                let symbol = self.symbols.get(number as usize).map_or("", String::as_str);
                self.output.row_of(row.time_ns, symbol, &self.values)?;
            }
        }
        Ok(())
    }
}

impl<'a> GridRows<'a> {
    /// Rows of the instrument of a symbol, or of all, to `output`.
    pub fn new(grid: FeatureGrid<'a>, symbol: Option<&str>, every_ns: u64, times: Times, output: Output) -> Self {
        let only = match symbol {
            Some(symbol) => Only::Unknown { symbol: symbol.to_owned(), waiting: Vec::new(), looked_among: 0 },
            None => Only::All,
        };
        let out = Out { output, only: None, symbols: Vec::new(), values: Vec::new() };
        Self { grid, only, pace: Pace::new(Some(every_ns)), times, events: 0, out, named: 0, failed: None }
    }

    /// Events taken so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What could not be applied to the books.
    pub fn faults(&self) -> FaultCounts {
        self.grid.recorder().faults()
    }

    /// Events whose time was so far ahead that it was not believed.
    pub fn unbelieved_times(&self) -> u64 {
        self.grid.recorder().unbelieved_times()
    }

    /// Ends the rows.
    pub fn finish(mut self) -> anyhow::Result<Finished> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let out = &mut self.out;
        self.grid.finish(&mut |row: &GridRow<'_>| out.row(row).map_err(Failed)).map_err(|failed| failed.0)?;
        self.out.output.finish()
    }

    fn take(&mut self, event: &Event) {
        let is_wanted = match self.only {
            Only::All => true,
            Only::Known(instrument) => event.instrument == instrument,
            Only::Unknown { .. } => false,
        };
        if !is_wanted || self.failed.is_some() {
            return;
        }
        self.events += u64::from(event.body != Body::Definition);
        // As without a device: a snapshot's orders are no moments of the session by the exchange's times.
        let is_of_before = event.flags.contains(Flags::SNAPSHOT) && self.times == Times::Exchange;
        let told_ns = self.times.of(event).filter(|_| !is_of_before);
        let told_ns = told_ns.map(|told_ns| self.grid.recorder().would_be_ns(event.instrument, told_ns));
        if let Some(told_ns) = told_ns {
            let (grid, out) = (&mut self.grid, &mut self.out);
            let written = self.pace.before(told_ns, |due_ns| {
                grid.row(due_ns, &mut |row: &GridRow<'_>| out.row(row).map_err(Failed)).map_err(|failed| failed.0)
            });
            self.failed = written.err();
        }
        if self.grid.event(event) && told_ns.is_some() {
            let time_ns = self.grid.recorder().time_ns(event.instrument).unwrap_or(event.exchange_ns);
            self.pace.after(time_ns);
        }
    }
}

/// Why no more rows are written.
struct Failed(anyhow::Error);

impl From<GridError> for Failed {
    fn from(error: GridError) -> Self {
        Self(error.into())
    }
}

impl Sink for GridRows<'_> {
    fn event(&mut self, event: &Event) {
        match &mut self.only {
            Only::Unknown { waiting, .. } => waiting.push(*event),
            Only::Known(_) | Only::All => self.take(event),
        }
    }

    fn message_end(&mut self, instruments: &Instruments) {
        match &mut self.only {
            Only::All if self.named != instruments.len() => {
                self.named = instruments.len();
                for (instrument, definition) in instruments.iter() {
                    let number = instrument.0 as usize;
                    if self.out.symbols.len() <= number {
                        self.out.symbols.resize(number + 1, String::new());
                    }
                    self.out.symbols[number].clone_from(&definition.symbol);
                }
            }
            Only::Unknown { symbol, waiting, looked_among } => {
                let waiting = std::mem::take(waiting);
                if *looked_among != instruments.len() {
                    *looked_among = instruments.len();
                    if let Some(instrument) = instruments.find(symbol) {
                        self.only = Only::Known(instrument);
                        self.out.only = Some(instrument);
                        waiting.iter().for_each(|event| self.take(event));
                    }
                }
            }
            Only::All | Only::Known(_) => {}
        }
    }
}

impl Listener for GridRows<'_> {
    fn is_done(&self) -> bool {
        self.failed.is_some()
    }
}

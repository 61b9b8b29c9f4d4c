//! Whether each GPU can be trusted: a state machine with hysteresis over what telemetry reads.
//!
//! [`assess`] turns one sample into reasons, each with a severity and what to do; [`Tracker::step`] turns the worst of them into a
//! [`State`]; [`describe`] knows NVIDIA's XIDs; [`HealthReport`] is the JSON of `/health` and `zomma gpu health`.

mod assess;
mod report;
mod state;
mod xid;

use std::time::Duration;

pub use assess::{Evidence, MemoryErrorRecord, Reason, assess};
pub use report::{GpuHealth, HealthReport, MemoryHealth, Overall};
pub use state::{Hysteresis, Observation, State, Tracker};
pub use xid::{XID_TABLE_VERSION, XidClass, XidInfo, XidRecord, describe, table};

/// The health of one GPU: its state, since when, and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// State and runs.
    pub tracker: Tracker,
    /// When the state was entered, counted from the program's start.
    pub since: Duration,
    /// What the last sample says, worst first.
    pub reasons: Vec<Reason>,
}

impl Health {
    /// The state.
    pub fn state(&self) -> State {
        self.tracker.state
    }

    /// Takes what the sample of this instant says, and gives the state before it.
    pub fn observe(&mut self, reasons: Vec<Reason>, settings: &Hysteresis, now: Duration) -> State {
        let before = self.tracker.state;
        let observation = reasons.iter().map(|reason| reason.severity).max().unwrap_or(Observation::Good);
        self.tracker = self.tracker.step(observation, settings);
        if self.tracker.state != before {
            self.since = now;
        }
        self.reasons = reasons;
        before
    }
}

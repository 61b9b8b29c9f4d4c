//! Wall time by stage.

use std::time::Instant;

use super::StageTimings;

/// Measures the stages one after the other.
pub(super) struct StageClock {
    last: Instant,
    stages: Vec<(&'static str, f64)>,
}

impl StageClock {
    /// Starts the first stage.
    pub fn start() -> Self {
        Self { last: Instant::now(), stages: Vec::with_capacity(8) }
    }

    /// Ends the running stage and starts the next.
    pub fn lap(&mut self, stage: &'static str) {
        let now = Instant::now();
        self.stages.push((stage, (now - self.last).as_secs_f64() * 1e3));
        self.last = now;
    }

    /// What was measured.
    pub fn finish(self) -> StageTimings {
        StageTimings { stages: self.stages }
    }
}

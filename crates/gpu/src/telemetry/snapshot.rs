//! All GPUs at one instant, with what has been counted since the program started: what a scrape is made of.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::sample::{GpuIdentity, GpuSample};
use crate::health::{Health, MemoryErrorRecord, XidRecord};

/// What the last sample of every GPU said.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the sample was complete.
    pub taken: Instant,
    /// How long it took.
    pub duration: Duration,
    /// Samples taken since the start, this one included.
    pub samples: u64,
    /// The GPUs, by index: all that were ever seen, a vanished one included.
    pub gpus: Vec<GpuView>,
    /// What could not be asked, in words: `NVML: libnvidia-ml.so.1 not found`.
    pub notes: Vec<String>,
}

/// One GPU of a snapshot.
#[derive(Clone, Debug)]
pub struct GpuView {
    /// Which one.
    pub identity: GpuIdentity,
    /// What it said last.
    pub sample: GpuSample,
    /// What has been counted.
    pub counters: GpuCounters,
    /// What that means.
    pub health: Health,
}

/// What has been counted of one GPU since the program started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuCounters {
    /// Failed reads by field.
    pub read_failures: BTreeMap<&'static str, u64>,
    /// XID events by number.
    pub xids: BTreeMap<u64, XidRecord>,
    /// The XID that came last.
    pub last_xid: Option<u64>,
    /// Uncorrected memory errors, once there were any.
    pub memory_errors: Option<MemoryErrorRecord>,
    /// Uncorrected memory errors that the driver counted when it last told.
    pub uncorrected_before: Option<u64>,
    /// Alerts raised, by name.
    pub alerts: BTreeMap<&'static str, u64>,
    /// Alerts that stand, by name.
    pub alerts_active: BTreeMap<&'static str, bool>,
}

impl GpuCounters {
    /// Counts the refused questions of a sample.
    pub fn count_failures(&mut self, sample: &GpuSample) {
        for failure in &sample.failures {
            *self.read_failures.entry(failure.field).or_default() += 1;
        }
    }

    /// Counts the uncorrected memory errors that a sample has over the last one that told of them, and gives how many these are.
    pub fn count_memory_errors(&mut self, sample: &GpuSample, at: Duration) -> u64 {
        let Some(now) = sample.ecc_volatile.uncorrected else { return 0 };
        // At the first look all are history. A driver that was loaded anew, or a reset, begins at 0.
        let new = match self.uncorrected_before.replace(now) {
            None => 0,
            Some(before) if now < before => now,
            Some(before) => now - before,
        };
        if new > 0 {
            let count = self.memory_errors.map_or(0, |record| record.count) + new;
            self.memory_errors = Some(MemoryErrorRecord { count, last_seen: at });
        }
        new
    }

    /// Counts an XID that came `at` this long after the program started.
    pub fn count_xid(&mut self, xid: u64, at: Duration) {
        let record = self.xids.entry(xid).or_insert(XidRecord { count: 0, last_seen: at });
        record.count += 1;
        record.last_seen = at;
        self.last_xid = Some(xid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::EccErrors;

    #[test]
    fn uncorrected_errors_are_counted_over_samples_that_do_not_tell_and_over_resets() {
        let mut counters = GpuCounters::default();
        let mut counted = Vec::new();
        for (second, uncorrected) in (0..).zip([Some(7), Some(7), None, Some(9), Some(9), Some(0), Some(1)]) {
            let ecc_volatile = EccErrors { corrected: Some(5), uncorrected };
            let sample = GpuSample { ecc_volatile, ..GpuSample::default() };
            counted.push(counters.count_memory_errors(&sample, Duration::from_secs(second)));
        }
        assert_eq!(counted, [0, 0, 0, 2, 0, 0, 1]);
        assert_eq!(counters.memory_errors, Some(MemoryErrorRecord { count: 3, last_seen: Duration::from_secs(6) }));
    }
}

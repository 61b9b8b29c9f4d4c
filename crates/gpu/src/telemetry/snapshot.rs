//! All GPUs at one instant, with what has been counted since the program started: what a scrape is made of.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::sample::{GpuIdentity, GpuSample, MemoryPoolSample};
use crate::health::{Health, XidRecord};

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
    /// The memory pools of this process.
    pub pools: Vec<MemoryPoolSample>,
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

    /// Counts an XID that came `at` this long after the program started.
    pub fn count_xid(&mut self, xid: u64, at: Duration) {
        let record = self.xids.entry(xid).or_insert(XidRecord { count: 0, last_seen: at });
        record.count += 1;
        record.last_seen = at;
        self.last_xid = Some(xid);
    }
}

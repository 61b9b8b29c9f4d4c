//! What the GPUs are doing now: usage, memory, temperature, power, errors, as samples in which a failed read is absent.
//!
//! [`GpuSample`] is one look at one GPU, [`Snapshot`] all of them with what was counted; a [`Monitor`] takes one after another, a
//! [`Watch`] does so on a thread of its own. [`METRICS`] is the one table of metrics: [`render`] writes a scrape from it, and the
//! documentation, the dashboard and the alert rules are made from it too.

mod alerts;
mod amd;
mod catalogue;
mod dashboard;
mod dcgm;
mod exposition;
mod intel;
mod monitor;
mod nvidia;
mod nvml_fields;
mod registry;
mod rules;
mod sample;
mod snapshot;
mod sources;
mod sysfs;
mod watch;
mod xid_events;

pub use alerts::AlertSettings;
pub use catalogue::{dcgm_markdown, metrics_markdown, xids_markdown};
pub use dashboard::{dashboard, dashboard_json};
pub use dcgm::{DCGM_METRICS, DcgmMetric};
pub use exposition::{Format, render};
pub use monitor::{Monitor, MonitorSettings};
pub use registry::{GPU_LABELS, Kind, METRICS, Metric, Scrape, Source, Unit, find};
pub use rules::{Rule, rules, rules_yaml};
pub use sample::{
    EccErrors, GpuIdentity, GpuSample, NvlinkErrors, ReadFailure, RecoveryAction, RemappedRows, RetiredPages,
    ThrottleReason,
};
pub use snapshot::{GpuCounters, GpuView, Snapshot};
pub use sources::SourceSettings;
#[cfg(test)]
pub(crate) use test_data::{test_gpus, test_snapshot};
pub use watch::Watch;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod test_data;

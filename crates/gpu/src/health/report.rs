//! The JSON of `/health` and of `zomma gpu health --json`: every GPU with its state, the reasons and what they rest on.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::assess::Reason;
use super::state::State;
use super::xid::{XID_TABLE_VERSION, XidClass, describe};
use crate::telemetry::{
    EccErrors, GpuIdentity, GpuView, RecoveryAction, RemappedRows, RetiredPages, Snapshot, ThrottleReason,
};

/// All GPUs.
#[derive(Clone, Debug, Serialize)]
pub struct HealthReport {
    /// The worst of all.
    pub status: Overall,
    /// How old the sample is that this rests on, in seconds.
    pub sample_age_seconds: f64,
    /// Which state of NVIDIA's catalogue the XIDs are judged by.
    pub xid_table_version: &'static str,
    /// Each GPU, by index.
    pub gpus: Vec<GpuHealth>,
    /// What could not be asked, in words.
    pub notes: Vec<String>,
}

/// The worst state of any GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// There is no GPU.
    NoGpu,
    /// All are healthy.
    Healthy,
    /// One is degraded or recovering, none failed.
    Degraded,
    /// One is failed.
    Failed,
}

impl Overall {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoGpu => "no_gpu",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// One GPU.
#[derive(Clone, Debug, Serialize)]
pub struct GpuHealth {
    /// Which one.
    #[serde(flatten)]
    pub identity: GpuIdentity,
    /// Whether it can be trusted.
    pub state: State,
    /// For how long it has been in that state, in seconds.
    pub state_age_seconds: f64,
    /// Whether it answers.
    pub available: bool,
    /// Why it is not simply good, worst first.
    pub reasons: Vec<Reason>,
    /// What its memory went through.
    pub memory: MemoryHealth,
    /// How hot it is.
    pub temperature: Temperature,
    /// Why its clocks are lower than they could be; absent where it does not tell.
    pub throttle_reasons: Option<Vec<ThrottleReason>>,
    /// What its driver says must be done to get it back.
    pub recovery_action: Option<RecoveryAction>,
    /// XIDs since the program started, by number.
    pub xids: Vec<SeenXid>,
}

/// What a GPU's memory went through.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryHealth {
    /// Whether errors are corrected.
    pub ecc_enabled: Option<bool>,
    /// Errors since the driver was loaded.
    pub ecc_volatile: EccErrors,
    /// Errors over the board's life.
    pub ecc_aggregate: EccErrors,
    /// Pages taken out of use.
    pub retired_pages: RetiredPages,
    /// Rows replaced by spare ones.
    pub remapped_rows: RemappedRows,
}

/// A temperature against its limits, in °C.
#[derive(Clone, Debug, Serialize)]
pub struct Temperature {
    /// Now.
    pub celsius: Option<f64>,
    /// Where the hardware slows the chip down.
    pub slowdown_celsius: Option<f64>,
    /// Where it turns itself off.
    pub shutdown_celsius: Option<f64>,
}

/// An XID that was seen.
#[derive(Clone, Debug, Serialize)]
pub struct SeenXid {
    /// The number.
    pub xid: u64,
    /// What happened.
    pub name: &'static str,
    /// How it bears on the GPU.
    pub class: XidClass,
    /// What to do.
    pub advice: &'static str,
    /// Events.
    pub count: u64,
    /// How long ago the last came, in seconds.
    pub last_seen_seconds_ago: f64,
}

impl HealthReport {
    /// The report of a snapshot at `now`; `started` is the instant from which the snapshot's counts run.
    pub fn of(snapshot: &Snapshot, started: Instant, now: Instant) -> Self {
        let uptime = now.saturating_duration_since(started);
        Self {
            status: Self::overall(snapshot),
            sample_age_seconds: now.saturating_duration_since(snapshot.taken).as_secs_f64(),
            xid_table_version: XID_TABLE_VERSION,
            gpus: snapshot.gpus.iter().map(|gpu| GpuHealth::of(gpu, uptime)).collect(),
            notes: snapshot.notes.clone(),
        }
    }

    /// The worst state of any GPU of a snapshot.
    pub fn overall(snapshot: &Snapshot) -> Overall {
        let worst = |gpu: &GpuView| match gpu.health.state() {
            State::Healthy => 0,
            State::Degraded | State::Recovering => 1,
            State::Failed => 2,
        };
        match snapshot.gpus.iter().map(worst).max() {
            None => Overall::NoGpu,
            Some(0) => Overall::Healthy,
            Some(1) => Overall::Degraded,
            Some(_) => Overall::Failed,
        }
    }
}

impl GpuHealth {
    fn of(gpu: &GpuView, uptime: Duration) -> Self {
        let sample = &gpu.sample;
        let ago = |at: Duration| uptime.saturating_sub(at).as_secs_f64();
        let seen = |(&xid, record): (&u64, &super::XidRecord)| {
            let info = describe(xid);
            SeenXid {
                xid,
                name: info.name,
                class: info.class,
                advice: info.advice,
                count: record.count,
                last_seen_seconds_ago: ago(record.last_seen),
            }
        };
        Self {
            identity: gpu.identity.clone(),
            state: gpu.health.state(),
            state_age_seconds: ago(gpu.health.since),
            available: sample.unavailable.is_none(),
            reasons: gpu.health.reasons.clone(),
            memory: MemoryHealth {
                ecc_enabled: sample.ecc_enabled,
                ecc_volatile: sample.ecc_volatile,
                ecc_aggregate: sample.ecc_aggregate,
                retired_pages: sample.retired_pages,
                remapped_rows: sample.remapped_rows,
            },
            temperature: Temperature {
                celsius: sample.temperature_celsius,
                slowdown_celsius: sample.slowdown_temperature_celsius,
                shutdown_celsius: sample.shutdown_temperature_celsius,
            },
            throttle_reasons: sample.throttle.clone(),
            recovery_action: sample.recovery_action,
            xids: gpu.counters.xids.iter().map(seen).collect(),
        }
    }
}

//! Rows through devices that may fail: pieces, retries, the next device, the CPU.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::seat::Seat;
use crate::broker::{BrokerStats, LeaseError};
use crate::compute::Compute;
use crate::config::GpuConfig;
use crate::device::{Device, DeviceKind};
use crate::error::GpuError;
use crate::fault::FaultPlan;

/// How a run deals with failures.
#[derive(Clone, Debug, PartialEq)]
pub struct RunnerConfig {
    /// What the operator decided.
    pub gpu: GpuConfig,
    /// The name of the account at the broker.
    pub tenant: String,
    /// Pieces are not halved below so many rows.
    pub rows_min: usize,
    /// How long a piece waits for its lease.
    pub patience: Duration,
    /// A rehearsed fault on the first device.
    pub fault: Option<FaultPlan>,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self {
            gpu: GpuConfig::default(),
            tenant: "zomma".into(),
            rows_min: 256,
            patience: Duration::from_secs(30),
            fault: None,
        }
    }
}

/// Rows to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many.
    pub rows: usize,
    /// What one takes on a device, inputs and outputs together, in bytes.
    pub bytes_per_row: u64,
}

/// Where a piece of a batch is to be computed.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The CPU path.
    Cpu,
    /// A device.
    Device(&'a Compute),
}

/// What a run went through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecoveryStats {
    /// How often memory ran out.
    pub out_of_memory_total: u64,
    /// How often none was lent: a piece was larger than the lendable share, or others held the memory for too long.
    pub refused_total: u64,
    /// How often a batch was halved.
    pub halvings_total: u64,
    /// How often a batch too small to halve was done again once the pools were cleared.
    pub retries_total: u64,
    /// Devices that were given up.
    pub devices_lost_total: u64,
    /// Rows of a piece at the end, where batches were halved.
    pub rows_at_once: Option<usize>,
    /// Rows done on devices.
    pub rows_on_devices: u64,
    /// Rows done on the CPU.
    pub rows_on_cpu: u64,
}

impl RecoveryStats {
    fn count_failure(&mut self, no_lease: bool) {
        *(if no_lease { &mut self.refused_total } else { &mut self.out_of_memory_total }) += 1;
    }
}

/// Runs batches on the first of some devices, and on what is left when it fails. Shared by reference between threads.
pub struct Runner {
    config: RunnerConfig,
    state: Mutex<State>,
}

struct State {
    /// Where work goes now; absent for the CPU.
    seat: Option<Arc<Seat>>,
    /// Devices to turn to, the best first.
    next: VecDeque<Device>,
    stats: RecoveryStats,
    /// What happened to each device that was given up, and what came after it.
    given_up: Vec<(String, String)>,
}

impl Runner {
    /// A run on the first of `devices`, the others in reserve. None, or the CPU as the first, is a run on the CPU.
    ///
    /// # Errors
    ///
    /// Why the first device cannot be opened.
    pub fn new(devices: Vec<Device>, config: RunnerConfig) -> Result<Self, GpuError> {
        let mut next = VecDeque::from(devices);
        let seat = match next.pop_front() {
            Some(first) => Seat::open(&first, &config.gpu, &config.tenant, config.fault)?.map(Arc::new),
            None => None,
        };
        next.retain(|device| device.kind() != DeviceKind::Cpu);
        let state = State { seat, next, stats: RecoveryStats::default(), given_up: Vec::new() };
        Ok(Self { config, state: Mutex::new(state) })
    }

    /// The device in use, in words: `cpu` for the CPU path.
    pub fn device_name(&self) -> String {
        self.lock().seat.as_ref().map_or_else(|| "cpu".into(), |seat| seat.device().to_string())
    }

    /// Whether work goes to the CPU path now.
    pub fn is_on_cpu(&self) -> bool {
        self.lock().seat.is_none()
    }

    /// What the run went through so far.
    pub fn stats(&self) -> RecoveryStats {
        self.lock().stats.clone()
    }

    /// The figures of the broker of the device in use; absent on the CPU.
    pub fn broker_stats(&self) -> Option<BrokerStats> {
        let seat = self.lock().seat.clone();
        seat.map(|seat| seat.broker().stats())
    }

    /// What a user should know of it, a line each; none where nothing happened.
    pub fn notes(&self) -> Vec<String> {
        let state = self.lock();
        let mut notes = Vec::new();
        if let Some(rows) = state.stats.rows_at_once {
            let why = match (state.stats.out_of_memory_total, state.stats.refused_total) {
                (0, _) => "no device memory to be had within memory_fraction and beside other programs",
                _ => "device memory ran out",
            };
            notes.push(format!("{why}: batches halved to {rows} rows and done again"));
        } else if state.stats.retries_total > 0 {
            notes.push("device memory ran out: its pools were cleared, and the rows done again".into());
        }
        for (why, then) in &state.given_up {
            notes.push(format!("{why}: its rows were done again on {then}"));
        }
        notes
    }

    /// Does a batch. `op` computes the rows of a range at a place and writes their results over whatever stood there: a range may
    /// be asked for again, whole or in part, after it failed.
    ///
    /// # Errors
    ///
    /// What `op` failed with, where it is no failure of memory or device; and the last of those where nothing is left to turn to.
    pub fn with_oom_recovery(
        &self,
        batch: &Batch,
        mut op: impl FnMut(Place<'_>, Range<usize>) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        let mut start = 0;
        // The piece that failed last: one of the smallest size is tried again with the pools cleared, and then no more.
        let mut failed_at = None;
        // Others hold the memory: once a piece has waited for it, smaller ones are not kept waiting as long again.
        let mut patience = self.config.patience;
        while start < batch.rows {
            let seat = self.lock().seat.clone();
            let Some(seat) = seat else {
                op(Place::Cpu, start..batch.rows)?;
                self.lock().stats.rows_on_cpu += (batch.rows - start) as u64;
                break;
            };
            let rows = (batch.rows - start).min(seat.rows_max());
            match self.piece(&seat, batch, start..start + rows, patience, &mut op) {
                Ok(()) => {
                    patience = self.config.patience;
                    self.lock().stats.rows_on_devices += rows as u64;
                    start += rows;
                }
                Err(error) if error.is_out_of_memory() => {
                    if matches!(error, GpuError::NoLease { waited: true, .. }) {
                        patience = Duration::ZERO;
                    }
                    let last = failed_at.replace((start, rows)) == Some((start, rows));
                    self.shrink(&seat, batch, rows, last, &error)?;
                }
                // Another thread's job panicked on the handle meanwhile: this piece has not even begun.
                Err(GpuError::Lost { .. }) => seat.mend().or_else(|unusable| self.turn_away(&seat, &unusable))?,
                Err(error) if error.is_lost() => self.turn_away(&seat, &error)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One piece on one device.
    fn piece(
        &self,
        seat: &Seat,
        batch: &Batch,
        rows: Range<usize>,
        patience: Duration,
        op: &mut impl FnMut(Place<'_>, Range<usize>) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        let bytes = (rows.len() as u64).saturating_mul(batch.bytes_per_row);
        let refused = |error: LeaseError| GpuError::NoLease {
            device: seat.device().to_string(),
            message: error.to_string(),
            waited: matches!(error, LeaseError::DeadlinePassed { .. }),
        };
        let _lease = seat.admit(bytes, patience).map_err(refused)?;
        op(Place::Device(&seat.compute()), rows)
    }

    /// Memory ran out at `rows`: fewer at a time, or once more with the pools cleared, or another device.
    fn shrink(
        &self,
        seat: &Arc<Seat>,
        batch: &Batch,
        rows: usize,
        last: bool,
        error: &GpuError,
    ) -> Result<(), GpuError> {
        self.lock().stats.count_failure(matches!(error, GpuError::NoLease { .. }));
        let bytes = (rows as u64).saturating_mul(batch.bytes_per_row);
        tracing::info!(device = %seat.device(), rows, bytes, batch_rows = batch.rows, %error, "out of memory");
        if let Err(unusable) = seat.mend() {
            return self.turn_away(seat, &unusable);
        }
        let Some(half) = seat.halve(rows, self.config.rows_min) else {
            if last {
                return self.turn_away(seat, error);
            }
            self.lock().stats.retries_total += 1;
            return Ok(());
        };
        tracing::info!(device = %seat.device(), rows = half, "batch halved");
        let mut state = self.lock();
        state.stats.halvings_total += 1;
        state.stats.rows_at_once = Some(half);
        Ok(())
    }

    /// The device is of no more use: on to the next that opens, then to the CPU where that is allowed.
    fn turn_away(&self, seat: &Arc<Seat>, error: &GpuError) -> Result<(), GpuError> {
        let mut state = self.lock();
        if !state.seat.as_ref().is_some_and(|current| Arc::ptr_eq(current, seat)) {
            // Another thread has turned away from it already.
            return Ok(());
        }
        tracing::info!(device = %seat.device(), %error, "device given up");
        while let Some(device) = state.next.pop_front() {
            match Seat::open(&device, &self.config.gpu, &self.config.tenant, None) {
                Ok(Some(opened)) => {
                    state.stats.devices_lost_total += 1;
                    state.stats.rows_at_once = None;
                    state.given_up.push((error.to_string(), device.to_string()));
                    state.seat = Some(Arc::new(opened));
                    return Ok(());
                }
                Ok(None) => {}
                Err(refused) => tracing::info!(%device, %refused, "cannot be opened"),
            }
        }
        if !self.config.gpu.cpu_fallback {
            return Err(GpuError::NothingLeft { cause: Box::new(error.clone()) });
        }
        state.stats.devices_lost_total += 1;
        state.given_up.push((error.to_string(), "the CPU".into()));
        state.seat = None;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is done under it leaves it whole at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("device", &self.device_name())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

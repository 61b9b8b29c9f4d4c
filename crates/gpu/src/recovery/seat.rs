//! A device that a run computes on: its handle, which can be made anew, its broker, and how many rows go at once.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::broker::{
    Broker, BrokerConfig, FreeMemory, HostMemory, Lease, LeaseError, MemoryReading, NvmlMemory, Priority, SysfsVram,
    TenantId,
};
use crate::compute::Compute;
use crate::config::GpuConfig;
use crate::device::{Device, DeviceKind};
use crate::error::GpuError;
use crate::fault::FaultPlan;
use crate::nvml::Nvml;

/// A device that a run computes on.
pub(super) struct Seat {
    device: Device,
    compute: RwLock<Arc<Compute>>,
    broker: Broker,
    tenant: TenantId,
    rows_max: AtomicUsize,
    /// One thread at a time mends a handle.
    mending: Mutex<()>,
}

impl Seat {
    pub(super) fn open(
        device: &Device,
        config: &GpuConfig,
        tenant: &str,
        fault: Option<FaultPlan>,
    ) -> Result<Option<Self>, GpuError> {
        let Some(compute) = device.open_with_pools(config.pool_size_bytes)? else { return Ok(None) };
        let compute = Arc::new(match fault {
            Some(plan) => compute.inject(plan),
            None => compute,
        });
        let broker = broker_for(&compute, config)?;
        let tenant = broker.tenant(tenant, None);
        Ok(Some(Self {
            device: device.clone(),
            compute: RwLock::new(compute),
            broker,
            tenant,
            rows_max: AtomicUsize::new(usize::MAX),
            mending: Mutex::new(()),
        }))
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn broker(&self) -> &Broker {
        &self.broker
    }

    pub(super) fn compute(&self) -> Arc<Compute> {
        Arc::clone(&self.compute.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn rows_max(&self) -> usize {
        self.rows_max.load(Ordering::Acquire)
    }

    /// Halves what goes at once after `rows` were too many; the new size, or nothing where it was `rows_min` already.
    pub(super) fn halve(&self, rows: usize, rows_min: usize) -> Option<usize> {
        let half = (rows / 2).max(rows_min);
        if half >= rows {
            return None;
        }
        // Another thread may have found a smaller one.
        Some(self.rows_max.fetch_min(half, Ordering::AcqRel).min(half))
    }

    /// A lease for a piece of work. Where the device itself is short of memory the pools' empty pages are given back first.
    pub(super) fn admit(&self, bytes: u64, patience: Duration) -> Result<Lease, LeaseError> {
        match self.broker.try_lease(self.tenant, bytes) {
            Err(LeaseError::WouldWait { waiting: 0, .. }) => {
                let trimmed = self.compute().trim();
                tracing::debug!(device = %self.device, bytes, ?trimmed, "no room for a lease: pools trimmed");
                self.broker.refresh();
            }
            Err(LeaseError::WouldWait { .. }) => {}
            granted_or_never => return granted_or_never,
        }
        self.broker.request(self.tenant, bytes, Priority::Normal).deadline(Instant::now() + patience).wait()
    }

    /// Makes the device fit for work after memory ran out: waits for what is in flight, clears the pools, and opens the handle anew
    /// where a panic made it unusable.
    ///
    /// # Errors
    ///
    /// The device's, where it answers no longer.
    pub(super) fn mend(&self) -> Result<(), GpuError> {
        let _one = self.mending.lock().unwrap_or_else(PoisonError::into_inner);
        let compute = self.compute();
        if compute.is_lost()
            && let Some(anew) = self.device.open()?
        {
            let anew = anew.with_faults(compute.faults());
            *self.compute.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(anew);
        }
        let trimmed_bytes = self.compute().trim()?;
        tracing::debug!(device = %self.device, trimmed_bytes, "pools cleared");
        Ok(())
    }
}

/// A device's free memory, with what this process's pools hold of it.
struct OfCompute {
    source: Box<dyn FreeMemory>,
    compute: Arc<Compute>,
    /// What the driver keeps for this process whether buffers use it or not.
    kept_bytes: Arc<AtomicU64>,
    /// What the pools held when they last said so.
    held_bytes: AtomicU64,
}

impl FreeMemory for OfCompute {
    fn read(&self) -> Result<MemoryReading, String> {
        let reading = self.source.read()?;
        // A lost handle still says what the pools hold: they are the device's, and not the handle's. A lane whose job is just failing
        // does not: then the figure before stands, as it does for the driver's own between two readings.
        if let Ok(held) = self.compute.memory() {
            self.held_bytes.store(held.reserved_bytes, Ordering::Release);
        }
        // Buffers are cut from what is kept, until it is used up.
        let held_bytes = self.held_bytes.load(Ordering::Acquire).max(self.kept_bytes.load(Ordering::Acquire));
        Ok(MemoryReading { held_bytes, ..reading })
    }
}

/// A broker for an opened device: its memory, and who says what of it is free. NVML is asked for an NVIDIA GPU, sysfs for an AMD one,
/// the host for a device that lives in its memory; of any other nobody knows, and leases go by the accounts alone. Where growth is not
/// allowed the whole share is reserved here; a device that cannot reserve is warned of in the log.
///
/// # Errors
///
/// [`GpuError::Failed`] where `memory_fraction` is out of range, [`GpuError::OutOfMemory`] where the share cannot be reserved.
pub fn broker_for(compute: &Arc<Compute>, config: &GpuConfig) -> Result<Broker, GpuError> {
    let device = compute.device();
    let (capacity, source) = memory_of(device, config);
    let kept_bytes = Arc::new(AtomicU64::new(0));
    let source = OfCompute {
        source,
        compute: Arc::clone(compute),
        kept_bytes: Arc::clone(&kept_bytes),
        held_bytes: AtomicU64::new(0),
    };
    let lending = BrokerConfig { memory_fraction: config.memory_fraction, ..BrokerConfig::default() };
    let broker = Broker::new(capacity, source, lending)
        .map_err(|error| GpuError::Failed { device: device.to_string(), message: error.to_string() })?;
    if !config.allow_growth {
        let share = broker.stats().lendable_bytes;
        if share < u64::MAX && compute.reserve(share)? {
            kept_bytes.store(share, Ordering::Release);
            broker.refresh();
        } else {
            tracing::warn!(%device, "allow_growth = false: this device cannot reserve memory, which is taken as it is needed");
        }
    }
    Ok(broker)
}

/// A device whose memory should be known and is not.
struct Fault(String);

impl FreeMemory for Fault {
    fn read(&self) -> Result<MemoryReading, String> {
        Err(self.0.clone())
    }
}

/// A device's memory in bytes, where known, and who says what of it is free.
fn memory_of(device: &Device, config: &GpuConfig) -> (u64, Box<dyn FreeMemory>) {
    let unknown = |fault: String| -> (u64, Box<dyn FreeMemory>) { (u64::MAX, Box::new(Fault(fault))) };
    if device.shares_host_memory() {
        let source = HostMemory { meminfo: "/proc/meminfo".into() };
        return match source.total_and_free() {
            Ok((total, _)) => (total, Box::new(source)),
            Err(fault) => unknown(fault),
        };
    }
    let Some(pci) = device.pci() else { return unknown("the driver does not say which card this is".into()) };
    let folder = Path::new("/sys/bus/pci/devices").join(pci.to_string());
    if device.kind() != DeviceKind::Cuda && folder.join("mem_info_vram_total").exists() {
        let source = SysfsVram { folder };
        return match source.total_and_free() {
            Ok((total, _)) => (total, Box::new(source)),
            Err(fault) => unknown(fault),
        };
    }
    let limit = Duration::try_from_secs_f64(config.call_timeout_seconds).unwrap_or(Duration::from_secs(2));
    match Nvml::open(limit) {
        Ok(nvml) => {
            let source = NvmlMemory { nvml: Arc::new(nvml), pci };
            match source.total_and_free() {
                Ok((total, _)) => (total, Box::new(source)),
                Err(fault) => unknown(fault),
            }
        }
        Err(fault) => unknown(fault.to_string()),
    }
}

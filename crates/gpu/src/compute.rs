//! An opened device: the one place that knows which runtime drives it, and where CubeCL's panics end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cubecl::client::ComputeClient;
use cubecl::cuda::{CudaDevice, CudaRuntime};
use cubecl::prelude::Runtime;
use cubecl::stream_id::StreamId;
use cubecl::wgpu::WgpuRuntime;
use serde::Serialize;

use crate::device::{Device, DeviceKind};
use crate::error::GpuError;
use crate::failure::{explain, guard};
use crate::fault::{FaultPlan, Faults};
use crate::lanes::Lanes;
use crate::session::Session;
use crate::upload::Uploads;
use crate::vulkan;

/// A device that is ready to compute. Cloning is not needed: it can be shared by reference between threads.
pub struct Compute {
    device: Device,
    client: Client,
    lanes: Arc<Lanes>,
    faults: Option<Arc<Faults>>,
    /// Set once a job has panicked: what it left behind is unknown.
    lost: AtomicBool,
}

/// The client of whichever runtime drives the device.
enum Client {
    Cuda(ComputeClient<CudaRuntime>, Uploads<CudaRuntime>),
    Vulkan(ComputeClient<WgpuRuntime>, Uploads<WgpuRuntime>),
}

/// Work for a device, written once for every runtime.
///
/// A job is given a [`Session`] of the runtime that drives the device; its callers name no runtime.
pub trait Job {
    /// What the job brings back.
    type Output;

    /// Does the work.
    ///
    /// # Errors
    ///
    /// What the session's methods and the launches give.
    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError>;
}

/// What the memory pools of a device hold, over all lanes of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryUse {
    /// Bytes in buffers that are in use.
    pub in_use_bytes: u64,
    /// Bytes lost to alignment within them.
    pub padding_bytes: u64,
    /// Bytes that the pools have taken from the device.
    pub reserved_bytes: u64,
    /// Buffers in use.
    pub buffers: u64,
    /// Lanes (jobs that ran at once), each with pools of its own.
    pub lanes: u64,
}

impl Compute {
    /// Opens a device other than the CPU; see [`Device::open`].
    pub(crate) fn open(device: &Device, pool_size_bytes: Option<u64>) -> Result<Self, GpuError> {
        if !device.has_f64() {
            return Err(GpuError::NoDoublePrecision { device: device.to_string() });
        }
        let client = match device.kind() {
            DeviceKind::Cuda => {
                let cuda = CudaDevice::new(device.index());
                if pool_size_bytes.is_some() {
                    tracing::debug!(%device, "pool_size_bytes: CubeCL 0.10 sizes its pages on CUDA itself");
                }
                Client::Cuda(guard(device, || Ok(CudaRuntime::client(&cuda))).0?, Uploads::of(&cuda, true))
            }
            DeviceKind::Vulkan => {
                let named = vulkan::cubecl_device(device).ok_or_else(|| GpuError::Failed {
                    device: device.to_string(),
                    message: "its driver does not say what it is, so it cannot be opened by number".into(),
                })?;
                let client = guard(device, || Ok(vulkan::client(device, &named, pool_size_bytes))).0?;
                Client::Vulkan(client, Uploads::of(&named, false))
            }
            kind @ (DeviceKind::Cpu | DeviceKind::Hip) => return Err(GpuError::NotBuilt { kind }),
        };
        let lanes = Lanes::of(device.kind(), device.index());
        Ok(Self { device: device.clone(), client, lanes, faults: None, lost: AtomicBool::new(false) })
    }

    /// Which device this is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The handle with a fault to come: a rehearsal, for tests and operators. See [`FaultPlan`].
    #[must_use]
    pub fn inject(self, plan: FaultPlan) -> Self {
        self.with_faults(Some(Arc::new(Faults::new(plan))))
    }

    pub(crate) fn with_faults(self, faults: Option<Arc<Faults>>) -> Self {
        Self { faults, ..self }
    }

    pub(crate) fn faults(&self) -> Option<Arc<Faults>> {
        self.faults.clone()
    }

    /// How many steps at which a fault could have struck were counted since [`Compute::inject`]; 0 without a plan.
    pub fn steps(&self) -> u64 {
        self.faults.as_ref().map_or(0, |faults| faults.steps())
    }

    /// Whether a job has panicked on this handle: it then answers [`GpuError::Lost`].
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Runs a job on the device, in a lane that no other job uses meanwhile.
    ///
    /// # Errors
    ///
    /// The job's own; [`GpuError::OutOfMemory`], [`GpuError::DeviceLost`] or [`GpuError::Failed`] where CubeCL failed, also where it told
    /// the job nothing of it. Where the job panicked the handle answers [`GpuError::Lost`] from then on; the
    /// device can be opened anew, and works again where only memory had run out.
    pub fn run<J: Job>(&self, job: J) -> Result<J::Output, GpuError> {
        if self.is_lost() {
            return Err(GpuError::Lost { device: self.device.to_string() });
        }
        let lane = self.lanes.take();
        let (result, panicked) = guard(&self.device, || {
            StreamId { value: lane.number() }.executes(|| match &self.client {
                Client::Cuda(client, uploads) => self.run_on(client, uploads, job),
                Client::Vulkan(client, uploads) => self.run_on(client, uploads, job),
            })
        });
        if panicked {
            self.lost.store(true, Ordering::Release);
        }
        if result.is_err() {
            // Errors that are still on their way must not meet the lane's next job.
            let _ = self.in_lane(lane.number(), |device| device.settle());
        }
        result
    }

    fn run_on<R: Runtime, J: Job>(
        &self,
        client: &ComputeClient<R>,
        uploads: &Uploads<R>,
        job: J,
    ) -> Result<J::Output, GpuError> {
        let session = Session { client, uploads, device: &self.device, faults: self.faults.as_deref() };
        let output = job.run(&session)?;
        // On Vulkan a copy succeeds even where the launch before it failed, and brings what was in the buffer: the lane is asked.
        client.flush().map_err(|error| explain(&self.device, &error))?;
        Ok(output)
    }

    /// What the device's pools hold, over all lanes of this process.
    ///
    /// # Errors
    ///
    /// [`GpuError::DeviceLost`] or [`GpuError::Failed`] where the device does not answer.
    pub fn memory(&self) -> Result<MemoryUse, GpuError> {
        let lanes = self.lanes.made();
        (0..lanes).try_fold(MemoryUse { lanes, ..MemoryUse::default() }, |sum, lane| {
            let usage = self.in_lane(lane, |device| device.memory_usage())?;
            Ok(MemoryUse {
                in_use_bytes: sum.in_use_bytes + usage.bytes_in_use,
                padding_bytes: sum.padding_bytes + usage.bytes_padding,
                reserved_bytes: sum.reserved_bytes + usage.bytes_reserved,
                buffers: sum.buffers + usage.number_allocs,
                lanes,
            })
        })
    }

    /// Gives pages that hold no buffer back to the device, once the work in flight on idle lanes is done; how many bytes that were.
    ///
    /// # Errors
    ///
    /// As [`Compute::memory`].
    pub fn trim(&self) -> Result<u64, GpuError> {
        let before = self.memory()?.reserved_bytes;
        // A lane at work is not waited for, since that would take its job's errors away.
        for lane in self.lanes.take_idle() {
            self.in_lane(lane.number(), |device| device.settle())?;
        }
        for lane in 0..self.lanes.made() {
            self.in_lane(lane, |device| device.cleanup())?;
        }
        Ok(before.saturating_sub(self.memory()?.reserved_bytes))
    }

    /// The largest buffer that the driver allows, however much memory is free.
    pub fn buffer_bytes_max(&self) -> u64 {
        match &self.client {
            Client::Cuda(client, _) => client.properties().memory.max_page_size,
            Client::Vulkan(client, _) => client.properties().memory.max_page_size,
        }
    }

    /// The largest buffer that the device gives now, in bytes, found by trial to a mebibyte. Whatever else computes there meanwhile may
    /// find no memory.
    ///
    /// # Errors
    ///
    /// As [`Compute::memory`].
    pub fn largest_buffer_bytes(&self) -> Result<u64, GpuError> {
        const STEP: u64 = 1 << 20;
        let fits = |bytes: u64| match self.run(Trial { bytes }) {
            Ok(()) => self.trim().map(|_| true),
            Err(error) if error.is_out_of_memory() => self.trim().map(|_| false),
            Err(error) => Err(error),
        };
        let most = self.buffer_bytes_max();
        if fits(most)? {
            return Ok(most);
        }
        let (mut fitting, mut steps) = (0, most / STEP);
        while steps - fitting > 1 {
            let middle = fitting + (steps - fitting) / 2;
            *(if fits(middle * STEP)? { &mut fitting } else { &mut steps }) = middle;
        }
        Ok(fitting * STEP)
    }

    /// Takes memory of the device for this process at once, so that no other process has it when it is needed.
    ///
    /// Only the CUDA driver can keep memory that no buffer uses; whether it does is what comes back.
    ///
    /// # Errors
    ///
    /// [`GpuError::OutOfMemory`] where the device has not that much.
    pub fn reserve(&self, bytes: u64) -> Result<bool, GpuError> {
        match self.client {
            Client::Cuda(..) => crate::cuda::reserve(self.device.index(), bytes).map(|()| true).map_err(|error| {
                let message = format!("{bytes} bytes to be reserved: {error}");
                GpuError::OutOfMemory { device: self.device.to_string(), message }
            }),
            Client::Vulkan(..) => Ok(false),
        }
    }

    fn in_lane<T>(&self, lane: u64, work: impl FnOnce(&dyn Driven) -> Result<T, GpuError>) -> Result<T, GpuError> {
        let (result, _) = guard(&self.device, || {
            StreamId { value: lane }.executes(|| match &self.client {
                Client::Cuda(client, _) => work(&OnLane { client, device: &self.device }),
                Client::Vulkan(client, _) => work(&OnLane { client, device: &self.device }),
            })
        });
        result
    }
}

/// One buffer made and given back.
struct Trial {
    bytes: u64,
}

impl Job for Trial {
    type Output = ();

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<(), GpuError> {
        let buffer = session.allocate::<u8>(usize::try_from(self.bytes).unwrap_or(usize::MAX))?;
        session.wait()?;
        drop(buffer);
        Ok(())
    }
}

/// A client on the lane that is current.
struct OnLane<'a, R: Runtime> {
    client: &'a ComputeClient<R>,
    device: &'a Device,
}

/// What is asked of a lane, whatever the runtime.
trait Driven {
    fn memory_usage(&self) -> Result<cubecl::MemoryUsage, GpuError>;
    fn settle(&self) -> Result<(), GpuError>;
    fn cleanup(&self) -> Result<(), GpuError>;
}

impl<R: Runtime> Driven for OnLane<'_, R> {
    fn memory_usage(&self) -> Result<cubecl::MemoryUsage, GpuError> {
        self.client.memory_usage().map_err(|error| explain(self.device, &error))
    }

    /// Waits for the lane's work; errors of a job that has failed already are dropped.
    fn settle(&self) -> Result<(), GpuError> {
        let _ = self.client.flush();
        let synced = cubecl::future::block_on(self.client.sync());
        synced.map_err(|error| explain(self.device, &error))
    }

    fn cleanup(&self) -> Result<(), GpuError> {
        self.client.memory_cleanup();
        Ok(())
    }
}

impl std::fmt::Debug for Compute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compute").field("device", &self.device).field("lost", &self.lost).finish_non_exhaustive()
    }
}

//! An opened device: the one place that knows which runtime drives it, and where CubeCL's panics end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use bytemuck::Pod;
use cubecl::client::ComputeClient;
use cubecl::cuda::{CudaDevice, CudaRuntime};
use cubecl::prelude::Runtime;
use cubecl::server::Handle;
use cubecl::wgpu::WgpuRuntime;

use crate::device::{Device, DeviceKind};
use crate::error::GpuError;
use crate::vulkan;

/// The most bytes that one chunk of a batch takes on a device, however large the device: copies and kernels of this size
/// already run at full rate, and a small share leaves the memory to whoever else computes there.
const CHUNK_BYTES_MAX: u64 = 256 << 20;

/// The share of the largest buffer that one chunk may take: 1/4, so that inputs, outputs and the memory pool's rounding fit.
const CHUNK_SHARE: u64 = 4;

/// A device that is ready to compute. Cloning is not needed: it can be shared by reference between threads.
pub struct Compute {
    device: Device,
    client: Client,
    /// Set once CubeCL has panicked: what its memory pool holds is then unknown.
    lost: AtomicBool,
}

/// The client of whichever runtime drives the device.
enum Client {
    Cuda(ComputeClient<CudaRuntime>),
    Vulkan(ComputeClient<WgpuRuntime>),
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

impl Compute {
    /// Opens a device other than the CPU; see [`Device::open`].
    pub(crate) fn open(device: &Device) -> Result<Self, GpuError> {
        if !device.has_f64() {
            return Err(GpuError::NoDoublePrecision { device: device.to_string() });
        }
        let client = match device.kind() {
            DeviceKind::Cuda => {
                let cuda = CudaDevice::new(device.index());
                Client::Cuda(guard(device, || Ok(CudaRuntime::client(&cuda)))?)
            }
            DeviceKind::Vulkan => {
                let named = vulkan::cubecl_device(device).ok_or_else(|| GpuError::Failed {
                    device: device.to_string(),
                    message: "its driver does not say what it is, so it cannot be opened by number".into(),
                })?;
                Client::Vulkan(guard(device, || Ok(WgpuRuntime::client(&named)))?)
            }
            kind @ (DeviceKind::Cpu | DeviceKind::Hip) => return Err(GpuError::NotBuilt { kind }),
        };
        Ok(Self { device: device.clone(), client, lost: AtomicBool::new(false) })
    }

    /// Which device this is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Runs a job on the device.
    ///
    /// # Errors
    ///
    /// The job's own; [`GpuError::Failed`] where CubeCL panicked (out of memory, a lost device), after which the handle answers
    /// [`GpuError::Lost`], since what its memory holds is unknown.
    pub fn run<J: Job>(&self, job: J) -> Result<J::Output, GpuError> {
        if self.lost.load(Ordering::Acquire) {
            return Err(GpuError::Lost { device: self.device.to_string() });
        }
        let mut finished = false;
        let result = guard(&self.device, || {
            let result = match &self.client {
                Client::Cuda(client) => job.run(&Session { client, device: &self.device }),
                Client::Vulkan(client) => job.run(&Session { client, device: &self.device }),
            };
            finished = true;
            result
        });
        if !finished {
            self.lost.store(true, Ordering::Release);
        }
        result
    }
}

impl std::fmt::Debug for Compute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compute").field("device", &self.device).field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// What a job computes with: memory, copies and the client that launches kernels.
pub struct Session<'a, R: Runtime> {
    client: &'a ComputeClient<R>,
    device: &'a Device,
}

impl<R: Runtime> Session<'_, R> {
    /// The client that launches take.
    pub fn client(&self) -> &ComputeClient<R> {
        self.client
    }

    /// How many rows of `bytes_per_row` (inputs and outputs together) one chunk of a batch may have: at least 1.
    pub fn rows_per_chunk(&self, bytes_per_row: usize) -> usize {
        let bytes = (self.buffer_bytes_max() / CHUNK_SHARE).min(CHUNK_BYTES_MAX);
        let rows = bytes / (bytes_per_row.max(1) as u64);
        // Rows are counted in u32 on the device.
        rows.clamp(1, u64::from(u32::MAX / 64)) as usize
    }

    /// Copies values to a new buffer of the device.
    ///
    /// # Errors
    ///
    /// [`GpuError::DeviceMemory`] where the values are larger than one buffer may be.
    pub fn upload<T: Pod>(&self, values: &[T]) -> Result<Handle, GpuError> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        self.admit(bytes.len())?;
        Ok(self.client.create_from_slice(bytes))
    }

    /// A new buffer of the device for `count` values, with unknown contents.
    ///
    /// # Errors
    ///
    /// [`GpuError::DeviceMemory`] where that is larger than one buffer may be.
    pub fn allocate<T: Pod>(&self, count: usize) -> Result<Handle, GpuError> {
        let bytes = count.saturating_mul(size_of::<T>());
        self.admit(bytes)?;
        Ok(self.client.empty(bytes))
    }

    /// Waits for the kernels that write the buffer, and copies it back.
    ///
    /// # Errors
    ///
    /// [`GpuError::Failed`] where a launch before it or the copy failed.
    pub fn download<T: Pod>(&self, buffer: Handle) -> Result<Vec<T>, GpuError> {
        let bytes = self
            .client
            .read_one(buffer)
            .map_err(|error| GpuError::Failed { device: self.device.to_string(), message: error.to_string() })?;
        // The bytes need not be aligned for T, so they are collected rather than cast.
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// The most bytes of one buffer.
    fn buffer_bytes_max(&self) -> u64 {
        self.client.properties().memory.max_page_size
    }

    /// Refuses a buffer that the device could not have: CubeCL would panic on it.
    fn admit(&self, bytes: usize) -> Result<(), GpuError> {
        let (requested, max) = (bytes as u64, self.buffer_bytes_max());
        if requested > max {
            return Err(GpuError::DeviceMemory { device: self.device.to_string(), requested, max });
        }
        Ok(())
    }
}

/// Runs something of CubeCL's and makes a panic of it an error.
fn guard<T>(device: &Device, work: impl FnOnce() -> Result<T, GpuError>) -> Result<T, GpuError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let said = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
        let message = said.unwrap_or("panicked without a message").to_owned();
        Err(GpuError::Failed { device: device.to_string(), message })
    })
}

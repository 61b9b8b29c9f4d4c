//! What a job computes with: memory, copies and the client that launches kernels.

use bytemuck::Pod;
use cubecl::client::ComputeClient;
use cubecl::prelude::Runtime;
use cubecl::server::Handle;
use cubecl::stream_id::StreamId;

use crate::device::Device;
use crate::error::GpuError;
use crate::failure;
use crate::fault::{FaultKind, Faults};
use crate::upload::Uploads;

/// The most bytes that one chunk of a batch takes on a device, however large the device: copies and kernels of this size
/// already run at full rate, and a small share leaves the memory to whoever else computes there.
const CHUNK_BYTES_MAX: u64 = 256 << 20;

/// The share of the largest buffer that one chunk may take: 1/4, so that inputs, outputs and the memory pool's rounding fit.
const CHUNK_SHARE: u64 = 4;

/// What a job computes with: memory, copies and the client that launches kernels.
pub struct Session<'a, R: Runtime> {
    pub(crate) client: &'a ComputeClient<R>,
    pub(crate) uploads: &'a Uploads<R>,
    pub(crate) device: &'a Device,
    pub(crate) faults: Option<&'a Faults>,
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

    /// Copies values to a new buffer of the device: once on the host; on CUDA, where they have more than 64 KiB, into page-locked memory.
    ///
    /// # Errors
    ///
    /// [`GpuError::DeviceMemory`] where the values are larger than one buffer may be.
    pub fn upload<T: Pod>(&self, values: &[T]) -> Result<Handle, GpuError> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        self.admit(bytes.len())?;
        match self.struck(bytes.len())? {
            Some(never_made) => Ok(never_made),
            None => Ok(self.uploads.upload(self.client, bytes)),
        }
    }

    /// A new buffer of the device for `count` values, with unknown contents.
    ///
    /// # Errors
    ///
    /// [`GpuError::DeviceMemory`] where that is larger than one buffer may be.
    pub fn allocate<T: Pod>(&self, count: usize) -> Result<Handle, GpuError> {
        let bytes = count.saturating_mul(size_of::<T>());
        self.admit(bytes)?;
        match self.struck(bytes)? {
            Some(never_made) => Ok(never_made),
            None => Ok(self.client.empty(bytes)),
        }
    }

    /// Waits for the kernels that write the buffer, and copies it back.
    ///
    /// What it brings is to be trusted only once the job's [`Compute::run`](crate::Compute::run) has succeeded: a launch that failed
    /// may be found out there.
    ///
    /// # Errors
    ///
    /// [`GpuError::OutOfMemory`], [`GpuError::DeviceLost`] or [`GpuError::Failed`] where an allocation, a launch or the copy failed.
    pub fn download<T: Pod>(&self, buffer: Handle) -> Result<Vec<T>, GpuError> {
        if self.struck(buffer.size_in_used() as usize)?.is_some() {
            // What CubeCL does where its own memory for the copy runs out.
            panic!("called `Result::unwrap()` on an `Err` value: CallError");
        }
        let bytes = self.client.read_one(buffer).map_err(|error| failure::explain(self.device, &error))?;
        // The bytes need not be aligned for T, so they are collected rather than cast.
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Waits until the device has done all that this job asked of it.
    ///
    /// # Errors
    ///
    /// [`GpuError::OutOfMemory`], [`GpuError::DeviceLost`] or [`GpuError::Failed`] where something of it failed.
    pub fn wait(&self) -> Result<(), GpuError> {
        self.client.flush().map_err(|error| failure::explain(self.device, &error))?;
        cubecl::future::block_on(self.client.sync()).map_err(|error| failure::explain(self.device, &error))
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

    /// The fault that was asked for at this step, if any: an error, a panic, or a buffer that was never made.
    fn struck(&self, bytes: usize) -> Result<Option<Handle>, GpuError> {
        let Some(kind) = self.faults.and_then(|faults| faults.step(bytes)) else { return Ok(None) };
        let words = match kind {
            FaultKind::Refused => {
                let message = format!("no buffer of {bytes} bytes (a fault on request)");
                return Err(GpuError::OutOfMemory { device: self.device.to_string(), message });
            }
            FaultKind::Panic => panic!("out of memory: no buffer of {bytes} bytes (a fault on request)"),
            FaultKind::OutOfMemory => format!("can't allocate buffer of size: {bytes} (a fault on request)"),
            FaultKind::Lost => "device lost (a fault on request)".to_owned(),
        };
        // As in CubeCL: the device's thread panics, the caller is told nothing, and its buffer has no memory.
        let _ = self.client.exclusive(|| -> () { panic!("{words}") });
        Ok(Some(Handle::new(StreamId::current(), bytes as u64)))
    }
}

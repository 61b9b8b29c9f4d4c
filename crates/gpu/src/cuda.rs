//! NVIDIA devices, found through the CUDA driver, which is loaded at run time.
//!
//! Without libcuda every call into the driver's bindings panics, so the library is looked for first. CubeCL compiles kernels
//! with NVRTC against a toolkit's headers: a machine with a driver alone cannot run them, and says so here rather than there.

use cudarc::driver::{result, sys};

use crate::device::{Device, DeviceClass, DeviceKind};
use crate::error::GpuError;
use crate::inventory::PciAddress;

/// What the driver's library is called in errors.
pub(crate) const DRIVER: &str = "CUDA driver";

/// Every CUDA device, in the driver's order.
pub(crate) fn list() -> Result<Vec<Device>, GpuError> {
    if !has_driver() {
        return Err(GpuError::NoDriver { what: DRIVER, library: "libcuda.so.1" });
    }
    if !has_compiler() {
        return Err(GpuError::NoDriver { what: "CUDA run-time compiler", library: "libnvrtc.so" });
    }
    if cubecl::cuda::install::cuda_path().is_none() {
        return Err(GpuError::NoDriver {
            what: "CUDA headers",
            library: "a toolkit's include folder (CUDA_PATH, /usr/local/cuda or /opt/cuda)",
        });
    }
    result::init().map_err(refused)?;
    let count = result::device::get_count().map_err(refused)?;
    (0..count).map(describe).collect()
}

/// Whether the driver's library can be loaded.
fn has_driver() -> bool {
    // SAFETY: loads a shared library by its well-known name and drops it: its initialisers are the vendor's, and no symbol of
    // it is used. The driver is made to be loaded so.
    unsafe { sys::is_culib_present() }
}

/// Whether the run-time compiler's library can be loaded.
fn has_compiler() -> bool {
    // SAFETY: as for the driver: a vendor's library is loaded by its well-known name and dropped, no symbol of it is used.
    unsafe { cudarc::nvrtc::sys::is_culib_present() }
}

/// One device of a driver that has been initialised.
fn describe(ordinal: i32) -> Result<Device, GpuError> {
    let handle = result::device::get(ordinal).map_err(refused)?;
    let name = result::device::get_name(handle).map_err(refused)?;
    let index = usize::try_from(ordinal).unwrap_or(0);
    Ok(Device {
        kind: DeviceKind::Cuda,
        index,
        name,
        // Every device that CUDA 12 and later still drives computes in f64.
        double_precision: true,
        class: DeviceClass::Discrete { ordinal: index },
        note: None,
        pci: pci_of(handle),
        buffer_bytes_max: None,
    })
}

/// Where a device sits on the PCI bus.
fn pci_of(device: sys::CUdevice) -> Option<PciAddress> {
    use sys::CUdevice_attribute_enum as Attribute;
    // SAFETY: reads one number of a device that the driver has just named; nothing is written but the answer.
    let read = |attribute| unsafe { result::device::get_attribute(device, attribute) }.ok();
    Some(PciAddress {
        domain: u32::try_from(read(Attribute::CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID)?).ok()?,
        bus: u8::try_from(read(Attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID)?).ok()?,
        device: u8::try_from(read(Attribute::CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID)?).ok()?,
        function: 0,
    })
}

/// Takes `bytes` of a device for this process at once and keeps them: the driver's own memory pool, from which CubeCL allocates, is
/// filled and told not to give back less than that.
pub(crate) fn reserve(index: usize, bytes: u64) -> Result<(), GpuError> {
    keep(index, bytes)?;
    let size = usize::try_from(bytes).unwrap_or(usize::MAX);
    let ordinal = i32::try_from(index).unwrap_or(i32::MAX);
    let device = result::device::get(ordinal).map_err(refused)?;
    // SAFETY: `keep` has made the device's context current for this thread; the pool is the device's own; the block is freed on the
    // stream that made it, and nobody else has seen it.
    unsafe {
        let pool = result::device::get_default_mem_pool(device).map_err(refused)?;
        let stream = std::ptr::null_mut();
        let block = result::mem_pool::alloc_async(pool, size, stream).map_err(refused)?;
        result::free_async(block, stream).map_err(refused)?;
        result::stream::synchronize(stream).map_err(refused)
    }
}

/// Tells the driver's own memory pool, from which CubeCL allocates, how many bytes to keep for this process when buffers are given back.
pub(crate) fn keep(index: usize, bytes: u64) -> Result<(), GpuError> {
    use sys::CUmemPool_attribute_enum::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD as KEPT;
    let device = result::device::get(i32::try_from(index).unwrap_or(i32::MAX)).map_err(refused)?;
    let mut kept = bytes;
    // SAFETY: the context is the device's primary one, which CubeCL holds for as long as the process lives, made current for this thread;
    // the pool is the device's own; `kept` is the 64-bit number that the attribute takes.
    unsafe {
        let context = result::primary_ctx::retain(device).map_err(refused)?;
        result::ctx::set_current(context).map_err(refused)?;
        let pool = result::device::get_default_mem_pool(device).map_err(refused)?;
        result::mem_pool::set_attribute(pool, KEPT, (&raw mut kept).cast()).map_err(refused)
    }
}

/// The driver's refusal in its own words. Asking for those words calls the driver again, so only its code is used.
fn refused(error: result::DriverError) -> GpuError {
    GpuError::Driver { kind: DeviceKind::Cuda, message: format!("the driver answers {:?}", error.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_never_panics_and_agrees_with_itself() {
        let first = list();
        assert_eq!(first, list());
        if !has_driver() {
            assert_eq!(first.unwrap_err().to_string(), "no CUDA driver: libcuda.so.1 not found");
        }
    }
}

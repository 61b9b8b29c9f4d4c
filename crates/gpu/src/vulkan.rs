//! Vulkan devices, found through wgpu without opening any.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use cubecl::client::ComputeClient;
use cubecl::prelude::Runtime;
use cubecl::wgpu::{AutoGraphicsApi, RuntimeOptions, WgpuDevice, WgpuRuntime, init_setup};

use crate::device::{Device, DeviceClass, DeviceKind};
use crate::error::GpuError;
use crate::pools;

/// A Vulkan device, and what its driver says about the hardware behind it.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// The device.
    pub device: Device,
    /// PCI vendor number; Khronos' number of the maker where it is no PCI device.
    pub vendor: u32,
    /// The driver's name, such as `radv` or `llvmpipe`.
    pub driver: String,
    /// The driver's words about itself, such as `Mesa 22.3.6`.
    pub driver_info: String,
}

/// Every Vulkan device, in the order of the loader. Without the loader's library there are none.
pub(crate) fn list() -> Result<Vec<Device>, GpuError> {
    Ok(describe().into_iter().map(|described| described.device).collect())
}

/// As [`list`], with what the drivers say about the hardware.
pub(crate) fn describe() -> Vec<Described> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN,
        // No validation layers: they belong to whoever debugs a driver.
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = cubecl::future::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let mut of_class = [0_usize; 4];
    let mut take = |class: usize| {
        let ordinal = of_class[class];
        of_class[class] += 1;
        ordinal
    };
    let found = adapters.iter().enumerate().map(|(index, adapter)| {
        let info = adapter.get_info();
        let class = match info.device_type {
            wgpu::DeviceType::Cpu => DeviceClass::Processor { ordinal: take(0) },
            wgpu::DeviceType::DiscreteGpu => DeviceClass::Discrete { ordinal: take(1) },
            wgpu::DeviceType::IntegratedGpu => DeviceClass::Integrated { ordinal: take(2) },
            wgpu::DeviceType::VirtualGpu => DeviceClass::Virtual { ordinal: take(3) },
            wgpu::DeviceType::Other => DeviceClass::Unknown,
        };
        // The kernels move f64 bits through 64-bit integers, so both are needed.
        let needed = wgpu::Features::SHADER_F64 | wgpu::Features::SHADER_INT64;
        Described {
            device: Device {
                kind: DeviceKind::Vulkan,
                index,
                name: info.name,
                double_precision: adapter.features().contains(needed),
                class,
                note: None,
                pci: info.device_pci_bus_id.parse().ok(),
                buffer_bytes_max: Some(adapter.limits().max_storage_buffer_binding_size),
            },
            vendor: info.vendor,
            driver: info.driver,
            driver_info: info.driver_info,
        }
    });
    found.collect()
}

/// Whether looking for a GPU is worth loading every Vulkan driver for (tens of milliseconds): on Linux a GPU has a render node.
pub(crate) fn may_have_a_gpu() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    std::fs::read_dir("/dev/dri")
        .is_ok_and(|nodes| nodes.flatten().any(|node| node.file_name().to_string_lossy().starts_with("renderD")))
}

/// CubeCL's client of a device, with pools of that size where it is the first of this process.
pub(crate) fn client(device: &Device, named: &WgpuDevice, pool_size_bytes: Option<u64>) -> ComputeClient<WgpuRuntime> {
    /// Devices that have a client, with the pools that they were given.
    static OPENED: Mutex<BTreeMap<usize, Option<u64>>> = Mutex::new(BTreeMap::new());
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    match (opened.get(&device.index), pool_size_bytes) {
        (None, Some(bytes)) => {
            let memory_config = pools::configuration(bytes, device.buffer_bytes_max.unwrap_or(u64::MAX));
            // A client that is made in this way is the one that `client` finds from then on.
            init_setup::<AutoGraphicsApi>(named, RuntimeOptions { memory_config, ..RuntimeOptions::default() });
        }
        (Some(before), Some(_)) if *before != pool_size_bytes => {
            tracing::debug!(%device, ?before, ?pool_size_bytes, "the pools of a device last as long as the process");
        }
        _ => {}
    }
    let client = WgpuRuntime::client(named);
    opened.entry(device.index).or_insert(pool_size_bytes);
    client
}

/// CubeCL's name of a device.
pub(crate) fn cubecl_device(device: &Device) -> Option<WgpuDevice> {
    match device.class {
        DeviceClass::Processor { ordinal: 0 } => Some(WgpuDevice::Cpu),
        DeviceClass::Discrete { ordinal } => Some(WgpuDevice::DiscreteGpu(ordinal)),
        DeviceClass::Integrated { ordinal } => Some(WgpuDevice::IntegratedGpu(ordinal)),
        DeviceClass::Virtual { ordinal } => Some(WgpuDevice::VirtualGpu(ordinal)),
        DeviceClass::Processor { .. } | DeviceClass::Unknown => None,
    }
}

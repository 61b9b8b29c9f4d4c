//! Vulkan devices, found through wgpu without opening any.

use cubecl::wgpu::WgpuDevice;

use crate::device::{Device, DeviceClass, DeviceKind};
use crate::error::GpuError;

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

//! Which GPUs this machine has, and what each can do here: NVIDIA through NVML, AMD and Intel through sysfs, the rest through Vulkan.
//!
//! Nothing is opened, and whatever cannot be read is absent: a missing file or a refused call never hides a device.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::device::DeviceKind;

/// Everything that was found, and what stood in the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inventory {
    /// Physical GPUs (and software ones, where a Vulkan driver offers them) in the order of their PCI addresses.
    pub gpus: Vec<Gpu>,
    /// What could not be asked, in words: `NVML: libnvidia-ml.so.1 not found`.
    pub notes: Vec<String>,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gpu {
    /// Place in the list, from 0.
    pub index: usize,
    /// Who made it.
    pub vendor: Vendor,
    /// Model, as the driver says it.
    pub name: Option<String>,
    /// The vendor's own name of this very board, such as `GPU-…`.
    pub uuid: Option<String>,
    /// Where it sits on the PCI bus.
    pub pci: Option<PciAddress>,
    /// Memory of its own, in bytes.
    pub memory_bytes: Option<u64>,
    /// CUDA compute capability (`9.0`) or gfx target (`gfx942`).
    pub architecture: Option<String>,
    /// Streaming multiprocessors, compute units or Xe cores.
    pub multiprocessors: Option<u32>,
    /// NUMA node that it is attached to.
    pub numa_node: Option<u32>,
    /// Logical CPUs near it, ascending.
    pub cpus: Option<Vec<u32>>,
    /// Its kernel driver.
    pub driver: Option<Driver>,
    /// Whether its memory corrects errors.
    pub ecc: Option<bool>,
    /// Links to other GPUs.
    pub links: Vec<Link>,
    /// Slices of it that are lent as devices of their own (MIG, compute partitions).
    pub partitions: Vec<Partition>,
    /// What Zomma can drive it with, and why not with the others.
    pub back_ends: Vec<BackEnd>,
}

/// Who made a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Nobody: a software device such as Mesa's lavapipe.
    Software,
    /// Another maker.
    Other,
}

/// A kernel driver and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// `nvidia`, `amdgpu`, `xe`, `i915`, …
    pub name: String,
    /// Its version, where it has one of its own.
    pub version: Option<String>,
}

/// A link from one GPU to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// What joins them.
    pub kind: LinkKind,
    /// The other GPU's place on the PCI bus.
    pub to: PciAddress,
    /// How many such links there are between the two.
    pub count: u32,
    /// Bandwidth of all of them one way, in bytes a second.
    pub bandwidth_bytes_per_second: Option<u64>,
}

/// What joins two GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// NVIDIA's.
    NvLink,
    /// AMD's.
    Xgmi,
    /// Intel's.
    XeLink,
    /// The PCI bus.
    Pcie,
}

/// A slice of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// Profile, such as `1g.10gb` or `CPX`.
    pub profile: String,
    /// The slice's own name, such as `MIG-…`.
    pub uuid: Option<String>,
    /// Its memory, in bytes.
    pub memory_bytes: Option<u64>,
}

/// Whether a back end can drive a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackEnd {
    /// Which back end.
    pub kind: DeviceKind,
    /// What `--device` would say, such as `cuda:0`; absent where it cannot.
    pub request: Option<String>,
    /// Why it cannot.
    pub why_not: Option<String>,
}

/// An address on the PCI bus: `0000:3b:00.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// Domain.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device.
    pub device: u8,
    /// Function.
    pub function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = ();

    /// Reads `0000:3b:00.0`, and NVML's `00000000:3B:00.0`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (rest, function) = text.rsplit_once('.').ok_or(())?;
        let mut parts = rest.split(':');
        let (domain, bus, device) = (parts.next().ok_or(())?, parts.next().ok_or(())?, parts.next().ok_or(())?);
        if parts.next().is_some() {
            return Err(());
        }
        Ok(Self {
            domain: u32::from_str_radix(domain, 16).map_err(|_| ())?,
            bus: u8::from_str_radix(bus, 16).map_err(|_| ())?,
            device: u8::from_str_radix(device, 16).map_err(|_| ())?,
            function: u8::from_str_radix(function, 16).map_err(|_| ())?,
        })
    }
}

impl Serialize for PciAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

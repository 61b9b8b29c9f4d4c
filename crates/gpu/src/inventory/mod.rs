//! Which GPUs this machine has, and what each can do here: NVIDIA through NVML, AMD and Intel through sysfs and, for what that leaves out,
//! through amd-smi and Level Zero where they are installed, the rest through Vulkan.
//!
//! No context is made on any GPU, and whatever cannot be read is absent: a missing file or a refused call never hides a device.

mod amd;
mod amd_smi;
mod back_ends;
mod bus;
mod intel;
mod level_zero;
mod library;
pub(crate) mod models;
mod nvidia;
mod pci;
pub(crate) mod sysfs;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::device::DeviceKind;
use crate::nvml::{self, Nvml, NvmlFault};

use back_ends::Drivers;

pub use pci::PciAddress;

/// Everything that was found, and what stood in the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inventory {
    /// Physical GPUs (and software ones, where a Vulkan driver offers them) in the order of their PCI addresses.
    pub gpus: Vec<Gpu>,
    /// What could not be asked, in words: `NVML: libnvidia-ml.so.1 not found`.
    pub notes: Vec<String>,
}

/// Where an inventory is taken from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    /// Root of sysfs.
    pub sysfs: PathBuf,
    /// NVML's library, by name or path.
    pub nvml: OsString,
    /// AMD's system management library: names or paths in the order in which they are tried.
    pub amd_smi: Vec<OsString>,
    /// Level Zero's loader, by name or path.
    pub level_zero: OsString,
    /// Whether the drivers of CUDA and Vulkan are asked what they show.
    pub drivers: bool,
    /// The longest that one question to NVML, amd-smi or Level Zero may take. A list of CUDA or Vulkan, which loads the drivers first, may take five times that.
    pub limit: Duration,
}

impl Default for Sources {
    /// This machine, with 2 seconds a question.
    fn default() -> Self {
        Self {
            sysfs: "/sys".into(),
            nvml: nvml::LIBRARY.into(),
            amd_smi: amd_smi::LIBRARIES.map(OsString::from).to_vec(),
            level_zero: level_zero::LIBRARY.into(),
            drivers: true,
            limit: Duration::from_secs(2),
        }
    }
}

impl Inventory {
    /// Takes an inventory. Never fails: what could not be asked is a note.
    pub fn take(sources: &Sources) -> Self {
        let nvml = Nvml::open_library(&sources.nvml, sources.limit);
        Self::with_nvml(sources, nvml.as_ref())
    }

    /// As [`take`](Self::take), for whoever has NVML open, or knows why it is not.
    pub fn with_nvml(sources: &Sources, nvml: Result<&Nvml, &NvmlFault>) -> Self {
        let mut notes = Vec::new();
        let mut seen = bus::scan(&sources.sysfs);
        amd::add(&sources.sysfs, &mut seen, &mut notes);
        amd_smi::add(&sources.amd_smi, sources.limit, &mut seen, &mut notes);
        intel::add(&mut seen);
        level_zero::add(&sources.level_zero, sources.limit, &mut seen, &mut notes);
        let is_nvidia = |one: &bus::Seen| one.gpu.vendor == Vendor::Nvidia;
        match nvml {
            Ok(nvml) => nvidia::add(nvml, &mut seen, &mut notes),
            // Nobody misses NVIDIA's library on a machine with another maker's GPU.
            Err(NvmlFault::NoLibrary) if !seen.is_empty() && !seen.iter().any(is_nvidia) => {}
            Err(fault) => notes.push(with_module_version(fault, &seen)),
        }
        let drivers = if sources.drivers {
            Drivers::ask(sources.limit * 5, seen.iter().any(is_nvidia))
        } else {
            Drivers::unasked("the drivers were not asked")
        };
        if let (true, Err(why)) = (sources.drivers, &drivers.vulkan) {
            notes.push(why.clone());
        }
        back_ends::add(&drivers, &mut seen);
        // Hardware by its place; what has none after it, software last, each in the order in which it was found.
        seen.sort_by_key(|one| (one.gpu.vendor == Vendor::Software, one.gpu.pci.is_none(), one.gpu.pci));
        let gpus = seen.into_iter().enumerate().map(|(index, one)| Gpu { index, ..one.gpu }).collect();
        Self { gpus, notes }
    }
}

/// A fault in words; where versions differ, with the one of the kernel module, which sysfs has.
fn with_module_version(fault: &NvmlFault, seen: &[bus::Seen]) -> String {
    let modules = seen.iter().filter_map(|one| one.gpu.driver.as_ref().filter(|driver| driver.name == "nvidia"));
    match (fault, modules.filter_map(|driver| driver.version.as_deref()).next()) {
        (NvmlFault::VersionMismatch, Some(version)) => format!("{fault} (the kernel module is {version})"),
        _ => fault.to_string(),
    }
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
    /// Vendor and device number, such as `10de:2335`.
    pub pci_id: Option<String>,
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

impl Gpu {
    /// A GPU of which nothing but its maker is known.
    pub fn unknown(vendor: Vendor) -> Self {
        Self {
            index: 0,
            vendor,
            name: None,
            uuid: None,
            pci: None,
            pci_id: None,
            memory_bytes: None,
            architecture: None,
            multiprocessors: None,
            numa_node: None,
            cpus: None,
            driver: None,
            ecc: None,
            links: Vec::new(),
            partitions: Vec::new(),
            back_ends: Vec::new(),
        }
    }
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
    /// Whether they pass a switch, so that the bandwidth is that to all GPUs behind it together.
    pub switched: bool,
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
    /// Its share of the multiprocessors.
    pub multiprocessors: Option<u32>,
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

//! Which device to compute on.

use std::fmt;
use std::path::Path;

use cubecl::cuda::CudaDevice;
use cubecl::device::Device as _;

use crate::compute::Compute;
use crate::error::GpuError;
use crate::inventory::PciAddress;
use crate::request::DeviceRequest;
use crate::{cuda, vulkan};

/// The back end that drives a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// This machine's processor: plain Rust, vectorised, no back end at all.
    Cpu,
    /// An NVIDIA GPU through the CUDA driver; kernels are compiled at run time by NVRTC.
    Cuda,
    /// An AMD GPU through HIP.
    Hip,
    /// Any GPU with a Vulkan driver, or a software Vulkan device such as Mesa's lavapipe.
    Vulkan,
}

impl DeviceKind {
    /// Every back end, the CPU first.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Cuda, Self::Hip, Self::Vulkan];

    /// The name that requests and messages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Hip => "hip",
            Self::Vulkan => "vulkan",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A device that is there, found without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub(crate) kind: DeviceKind,
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) double_precision: bool,
    pub(crate) class: DeviceClass,
    pub(crate) note: Option<String>,
    pub(crate) pci: Option<PciAddress>,
    /// The largest buffer that its driver allows, where that is known without opening it.
    pub(crate) buffer_bytes_max: Option<u64>,
}

/// What the hardware behind a device is. The number of a GPU counts the devices of its class alone, as CubeCL does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceClass {
    /// A processor: the CPU path, or a software Vulkan device on it (only the first of those can be opened).
    Processor { ordinal: usize },
    /// A GPU with memory of its own.
    Discrete { ordinal: usize },
    /// A GPU that shares the processor's memory.
    Integrated { ordinal: usize },
    /// A GPU lent to a virtual machine.
    Virtual { ordinal: usize },
    /// The driver does not say; cannot be opened by its number.
    Unknown,
}

impl Device {
    /// This machine's processor.
    pub fn cpu() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            kind: DeviceKind::Cpu,
            index: 0,
            name: format!("CPU, {threads} thread{}", if threads == 1 { "" } else { "s" }),
            double_precision: true,
            class: DeviceClass::Processor { ordinal: 0 },
            note: None,
            pci: None,
            buffer_bytes_max: None,
        }
    }

    /// The back end.
    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// What CubeCL's threads for it are named after, where that is known: type and index of its own number of the device.
    pub(crate) fn runner(&self) -> Option<String> {
        let id = match self.kind {
            DeviceKind::Cuda => CudaDevice::new(self.index).to_id(),
            DeviceKind::Vulkan => vulkan::cubecl_device(self)?.to_id(),
            DeviceKind::Cpu | DeviceKind::Hip => return None,
        };
        Some(format!("{}-{}", id.type_id, id.index_id))
    }

    /// The device's place among those of its back end, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The name that its driver gives it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it computes in double precision, which every kernel of the pricing crate needs.
    pub fn has_f64(&self) -> bool {
        self.double_precision
    }

    /// Whether it is a processor: the CPU path, or a Vulkan device that emulates a GPU in software.
    pub fn is_software(&self) -> bool {
        matches!(self.class, DeviceClass::Processor { .. })
    }

    /// Whether its memory is the host's: a processor, or a GPU that shares it.
    pub fn shares_host_memory(&self) -> bool {
        matches!(self.class, DeviceClass::Processor { .. } | DeviceClass::Integrated { .. })
    }

    /// Where it sits on the PCI bus, where its driver says so.
    pub fn pci(&self) -> Option<PciAddress> {
        self.pci
    }

    /// Why `auto` came to this device where a reader might have expected another, for instance a GPU whose compiler is
    /// missing; absent where there is nothing to say.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    fn is_same_card(&self, other: &Self) -> bool {
        match (self.pci, other.pci) {
            (Some(here), Some(there)) => here == there,
            _ => self.name == other.name,
        }
    }

    /// Readies the device for work: nothing for the CPU path, else a handle that owns the driver's context and its memory.
    ///
    /// # Errors
    ///
    /// [`GpuError::NoDoublePrecision`] where the device has no f64, [`GpuError::Failed`] where the driver refuses.
    pub fn open(&self) -> Result<Option<Compute>, GpuError> {
        match self.kind {
            DeviceKind::Cpu => Ok(None),
            _ => Compute::open(self, None).map(Some),
        }
    }

    /// As [`Device::open`], with memory taken from the device in pages of `pool_size_bytes` at most.
    ///
    /// The first one in a process to open a device decides: its pools last as long as the process. On CUDA it has no effect: CubeCL 0.10
    /// sizes its pages there itself.
    ///
    /// # Errors
    ///
    /// As [`Device::open`].
    pub fn open_with_pools(&self, pool_size_bytes: u64) -> Result<Option<Compute>, GpuError> {
        match self.kind {
            DeviceKind::Cpu => Ok(None),
            _ => Compute::open(self, Some(pool_size_bytes)).map(Some),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DeviceKind::Cpu => write!(f, "cpu ({})", self.name),
            kind => write!(f, "{kind}:{} ({})", self.index, self.name),
        }
    }
}

/// The device that a request means.
///
/// `auto` takes the first CUDA device where the driver and the run-time compiler are there, else the first discrete Vulkan GPU
/// with f64, else the CPU path. It never takes a software Vulkan device, which is a slower CPU, nor an integrated GPU, whose
/// double precision is a small fraction of the processor's and shares its memory: those are for whoever names them.
///
/// # Errors
///
/// For a named device that is not there, what is missing; `auto` and `cpu` never fail.
pub fn choose(request: &DeviceRequest) -> Result<Device, GpuError> {
    match *request {
        DeviceRequest::Auto => Ok(automatic()),
        DeviceRequest::Device { kind: DeviceKind::Cpu, .. } => Ok(Device::cpu()),
        DeviceRequest::Device { kind, index } => pick(kind, index, list(kind)?),
    }
}

/// The devices that a request allows, the best first: what a run that loses one may go on with. `auto` allows every device that it would
/// ever take, and not the CPU, which is for the caller to decide on; a named device is the only one of its list.
///
/// # Errors
///
/// As [`choose`].
pub fn candidates(request: &DeviceRequest) -> Result<Vec<Device>, GpuError> {
    if *request != DeviceRequest::Auto {
        return choose(request).map(|device| vec![device]);
    }
    let first = choose(request)?;
    if first.kind() == DeviceKind::Cpu {
        return Ok(vec![first]);
    }
    let cuda = cuda::list().unwrap_or_default();
    let vulkan = if vulkan::may_have_a_gpu() { vulkan::list().unwrap_or_default() } else { Vec::new() };
    // A card that CUDA drives is not another one because Vulkan drives it too.
    let others = vulkan
        .into_iter()
        .filter(|device| worth_choosing(device) && !cuda.iter().any(|card| card.is_same_card(device)));
    let mut found: Vec<Device> = cuda.iter().cloned().chain(others).filter(|device| *device != first).collect();
    found.insert(0, first);
    Ok(found)
}

/// The devices of one back end, in the order of their indices. Asks the drivers and opens nothing.
///
/// # Errors
///
/// [`GpuError::NoDriver`] where a library that the back end needs is absent, [`GpuError::NotBuilt`] where the program lacks the
/// back end, [`GpuError::Driver`] where the driver refuses to answer.
pub fn list(kind: DeviceKind) -> Result<Vec<Device>, GpuError> {
    match kind {
        DeviceKind::Cpu => Ok(vec![Device::cpu()]),
        DeviceKind::Cuda => cuda::list(),
        DeviceKind::Hip => Err(GpuError::NotBuilt { kind }),
        DeviceKind::Vulkan => vulkan::list(),
    }
}

/// The device of one index among those found.
fn pick(kind: DeviceKind, index: usize, mut found: Vec<Device>) -> Result<Device, GpuError> {
    match found.len() {
        0 => Err(GpuError::NoDevice { kind }),
        count if index >= count => Err(GpuError::NoSuchDevice { kind, index, count }),
        _ => Ok(found.swap_remove(index)),
    }
}

/// The best device that is there.
fn automatic() -> Device {
    let mut note = None;
    match cuda::list() {
        Ok(devices) => {
            if let Some(first) = devices.into_iter().next() {
                return first;
            }
        }
        // A machine without an NVIDIA driver is the ordinary case; one with a driver that cannot be used deserves a word.
        Err(GpuError::NoDriver { what: cuda::DRIVER, .. }) if !has_nvidia_gpu(Path::new("/sys")) => {}
        Err(error) => note = Some(format!("CUDA not used: {error}")),
    }
    if vulkan::may_have_a_gpu()
        && let Ok(devices) = vulkan::list()
        && let Some(mut gpu) = devices.into_iter().find(worth_choosing)
    {
        gpu.note = note;
        return gpu;
    }
    Device { note, ..Device::cpu() }
}

/// Whether a display controller or accelerator of NVIDIA's sits on the PCI bus.
fn has_nvidia_gpu(sysfs: &Path) -> bool {
    let is_one = |device: &Path| {
        let read = |file: &str| std::fs::read_to_string(device.join(file)).unwrap_or_default();
        let class = read("class");
        read("vendor").trim() == "0x10de" && (class.starts_with("0x03") || class.starts_with("0x12"))
    };
    std::fs::read_dir(sysfs.join("bus/pci/devices")).is_ok_and(|devices| devices.flatten().any(|it| is_one(&it.path())))
}

/// Whether `auto` takes this Vulkan device before the CPU path.
fn worth_choosing(device: &Device) -> bool {
    device.double_precision && matches!(device.class, DeviceClass::Discrete { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vulkan_device(index: usize, class: DeviceClass, double_precision: bool) -> Device {
        Device {
            kind: DeviceKind::Vulkan,
            index,
            name: "x".into(),
            double_precision,
            class,
            note: None,
            pci: None,
            buffer_bytes_max: None,
        }
    }

    #[test]
    fn auto_wants_a_discrete_gpu_with_f64() {
        assert!(worth_choosing(&vulkan_device(0, DeviceClass::Discrete { ordinal: 0 }, true)));
        assert!(!worth_choosing(&vulkan_device(0, DeviceClass::Discrete { ordinal: 0 }, false)));
        assert!(!worth_choosing(&vulkan_device(0, DeviceClass::Integrated { ordinal: 0 }, true)));
        assert!(!worth_choosing(&vulkan_device(0, DeviceClass::Virtual { ordinal: 0 }, true)));
        assert!(!worth_choosing(&vulkan_device(0, DeviceClass::Processor { ordinal: 0 }, true)));
        assert!(!worth_choosing(&vulkan_device(0, DeviceClass::Unknown, true)));
    }

    #[test]
    fn a_card_of_nvidia_is_seen_on_the_bus() {
        let root = tempfile::tempdir().unwrap();
        assert!(!has_nvidia_gpu(root.path()));
        for (place, vendor, class) in [("a", "0x8086", "0x030000"), ("b", "0x10de", "0x040300")] {
            let folder = root.path().join("bus/pci/devices").join(place);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("vendor"), format!("{vendor}\n")).unwrap();
            std::fs::write(folder.join("class"), format!("{class}\n")).unwrap();
        }
        assert!(!has_nvidia_gpu(root.path()), "another vendor's card, and the sound of one of theirs");
        std::fs::write(root.path().join("bus/pci/devices/b/class"), "0x030200\n").unwrap();
        assert!(has_nvidia_gpu(root.path()));
    }

    #[test]
    fn an_index_past_the_last_device_says_how_many_there_are() {
        let one = vec![vulkan_device(0, DeviceClass::Processor { ordinal: 0 }, true)];
        let error = pick(DeviceKind::Vulkan, 3, one.clone()).unwrap_err();
        assert_eq!(error.to_string(), "vulkan:3: only 1 device");
        let two = [one.clone(), one].concat();
        assert_eq!(pick(DeviceKind::Vulkan, 2, two).unwrap_err().to_string(), "vulkan:2: only 2 devices");
        assert_eq!(pick(DeviceKind::Cuda, 0, vec![]).unwrap_err().to_string(), "cuda: no device found");
    }
}

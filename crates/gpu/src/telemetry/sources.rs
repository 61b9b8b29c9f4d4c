//! Where samples come from: NVML for NVIDIA, the kernel's files for AMD and Intel. Each GPU is asked within a time limit of its own, so
//! that one that hangs costs its own sample and no other.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::intel::EnergyMeter;
use super::nvidia::Asking;
use super::sample::{GpuIdentity, GpuSample, ReadFailure};
use super::sysfs::{self, PciGpu};
use super::xid_events::XidWatcher;
use super::{amd, intel, nvidia};
use crate::inventory::{Driver, PciAddress, Vendor};
use crate::nvml::door::{Closed, Door, Silence};
use crate::nvml::{LIBRARY, Nvml, NvmlFault};

/// Where to look.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// Where the kernel shows its devices: `/sys`.
    pub sysfs_root: PathBuf,
    /// NVML's name or path.
    pub nvml_library: OsString,
    /// The longest that one GPU may take to answer.
    pub call_timeout: Duration,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self { sysfs_root: "/sys".into(), nvml_library: LIBRARY.into(), call_timeout: Duration::from_secs(2) }
    }
}

/// Asks one GPU.
pub(super) trait Source: Send {
    /// Everything that it says now, or why it says nothing.
    fn read(&mut self) -> GpuSample;

    /// Whether an earlier question is still stuck in its driver.
    fn hangs(&self) -> bool {
        false
    }
}

/// A GPU and the way to ask it.
pub(super) struct Found {
    pub identity: GpuIdentity,
    pub source: Box<dyn Source>,
    /// Its place in NVML's list, by which XID events name it.
    pub nvml_index: Option<u32>,
}

/// What a look around found.
#[derive(Default)]
pub(super) struct Discovery {
    pub found: Vec<Found>,
    pub xids: Option<XidWatcher>,
    pub notes: Vec<String>,
}

/// A GPU that is known of and cannot be asked.
pub(super) struct Missing(pub String);

impl Source for Missing {
    fn read(&mut self) -> GpuSample {
        GpuSample::unavailable(self.0.clone())
    }
}

/// Finds every GPU, in the order of PCI addresses.
pub(super) fn discover(settings: &SourceSettings) -> Discovery {
    let mut discovery = Discovery::default();
    let on_bus = sysfs::gpus(&settings.sysfs_root);
    let nvml_lists_all = nvidia_gpus(settings, &mut discovery);
    // NVML goes by PCI addresses as the bus does. One that it lists without an address is one of those that it seems not to list.
    let mut unplaced = discovery.found.iter().filter(|found| found.identity.pci.is_none()).count();
    let mut not_ours = Vec::new();
    for gpu in on_bus {
        if discovery.found.iter().any(|found| found.identity.pci == Some(gpu.pci)) {
            continue;
        }
        let without_its_driver = gpu.without_its_driver();
        if gpu.vendor == Vendor::Nvidia && without_its_driver.is_none() && unplaced > 0 {
            unplaced -= 1;
            continue;
        }
        if gpu.vendor == Vendor::Nvidia && without_its_driver.is_none() && nvml_lists_all {
            not_ours.push(gpu.pci.to_string());
            continue;
        }
        let identity = gpu.identity();
        let source: Box<dyn Source> = match (without_its_driver, gpu.vendor) {
            (Some(why), Vendor::Nvidia) => Box::new(Missing(with_nvml(&why, &discovery.notes))),
            (Some(why), _) => Box::new(Missing(why)),
            (None, Vendor::Nvidia) => {
                let why = "the nvidia kernel module has it, and it cannot be asked";
                Box::new(Missing(with_nvml(why, &discovery.notes)))
            }
            (None, _) => match SysfsSource::open(gpu, settings.call_timeout) {
                Ok(source) => Box::new(source),
                Err(why) => Box::new(Missing(why)),
            },
        };
        discovery.found.push(Found { identity, source, nvml_index: None });
    }
    if !not_ours.is_empty() {
        let places = not_ours.join(", ");
        discovery.notes.push(format!(
            "{places}: on the PCI bus, and NVML lists others: not ours to see, as in a container that is given some GPUs, or the driver \
             failed on it (dmesg)"
        ));
    }
    discovery.found.sort_by_key(|found| found.identity.pci);
    discovery
}

/// Why an NVIDIA GPU on the bus cannot be asked, with what NVML says to it.
fn with_nvml(why: &str, notes: &[String]) -> String {
    let nvml = notes.first().map_or("NVML does not list it", String::as_str);
    format!("{why}: {nvml}")
}

/// NVIDIA's GPUs, each with an NVML of its own: NVML counts how often it was started, and a call that hangs holds one thread only. Whether
/// they are known to be all that NVML has, so that another one on the bus is none of its.
fn nvidia_gpus(settings: &SourceSettings, discovery: &mut Discovery) -> bool {
    let open = || Nvml::open_library(&settings.nvml_library, settings.call_timeout);
    let counted = open().and_then(|nvml| {
        nvml.ask("nvmlDeviceGetCount", |nvml| Ok((nvml.device_count()?, nvml.sys_driver_version().ok())))
    });
    let (count, version) = match counted {
        Ok(counted) => counted,
        Err(fault) => {
            discovery.notes.push(fault.to_string());
            return false;
        }
    };
    let mut identified = 0;
    for nvml_index in 0..count {
        let found = open().and_then(|nvml| {
            let identity = identity(&nvml, nvml_index, version.clone())?;
            Ok((nvml, identity))
        });
        match found {
            // Without either name it could not be told from another when NVML is started anew.
            Ok((nvml, identity)) if identity.uuid.is_some() || identity.pci.is_some() => {
                let source = Box::new(NvidiaSource { nvml, nvml_index, asking: Arc::default() });
                discovery.found.push(Found { identity, source, nvml_index: Some(nvml_index) });
                identified += 1;
            }
            Ok(_) => {
                discovery.notes.push(format!("NVML: device {nvml_index} tells neither its UUID nor its PCI address"))
            }
            Err(fault) => discovery.notes.push(format!("device {nvml_index}: {fault}")),
        }
    }
    if identified > 0 {
        match XidWatcher::start(settings.nvml_library.clone(), settings.call_timeout) {
            Ok(watcher) => discovery.xids = Some(watcher),
            Err(error) => discovery.notes.push(format!("XID events are not watched: {error}")),
        }
    }
    // A driver that lists none at all has failed on what is on the bus.
    identified > 0 && identified == count
}

fn identity(nvml: &Nvml, nvml_index: u32, version: Option<String>) -> Result<GpuIdentity, NvmlFault> {
    nvml.ask("nvmlDeviceGetHandleByIndex", move |nvml| {
        let device = nvml.device_by_index(nvml_index)?;
        Ok(GpuIdentity {
            index: 0,
            vendor: Vendor::Nvidia,
            name: device.name().ok(),
            uuid: device.uuid().ok(),
            pci: device.pci_info().ok().and_then(|pci| PciAddress::from_str(&pci.bus_id).ok()),
            driver: Some(Driver { name: "nvidia".into(), version }),
            minor_number: device.minor_number().ok(),
        })
    })
}

/// What a whole sample is called where one question is asked for all of it.
const SAMPLE: &str = "sample";

struct NvidiaSource {
    nvml: Nvml,
    nvml_index: u32,
    asking: Arc<Asking>,
}

impl Source for NvidiaSource {
    fn read(&mut self) -> GpuSample {
        let (index, asking) = (self.nvml_index, Arc::clone(&self.asking));
        match self.nvml.ask(SAMPLE, move |nvml| Ok(nvidia::read(nvml, index, &asking))) {
            Ok(sample) => sample,
            // A sample is many questions: it is one of them that hangs.
            Err(NvmlFault::TimedOut { call: SAMPLE, limit }) => {
                let call = self.asking.question();
                let message = NvmlFault::TimedOut { call, limit }.to_string();
                let failures = vec![ReadFailure { field: call, message: message.clone() }];
                GpuSample { failures, ..GpuSample::unavailable(message) }
            }
            Err(fault) => GpuSample::unavailable(fault.to_string()),
        }
    }

    fn hangs(&self) -> bool {
        self.nvml.hanging().is_some()
    }
}

/// The kernel's files of one GPU, read on a thread of their own: a driver that resets its GPU may hold a reader for long.
struct SysfsSource {
    door: Door<(PciGpu, RefCell<EnergyMeter>)>,
    limit: Duration,
}

impl SysfsSource {
    fn open(gpu: PciGpu, limit: Duration) -> Result<Self, String> {
        let start = move || Ok::<_, String>((gpu, RefCell::default()));
        match Door::open("sysfs", limit, start) {
            Ok(door) => Ok(Self { door, limit }),
            Err(Closed::Refused(why)) => Err(why),
            Err(Closed::Hangs) => Err("no thread answered".into()),
            Err(Closed::NoThread(error)) => Err(format!("no thread for it: {error}")),
        }
    }
}

impl Source for SysfsSource {
    fn read(&mut self) -> GpuSample {
        let read = self.door.ask("sysfs", |(gpu, meter)| match gpu.vendor {
            Vendor::Amd => amd::read(gpu),
            _ => intel::read(gpu, &mut meter.borrow_mut(), Instant::now()),
        });
        match read {
            Ok(sample) => sample,
            Err(Silence::Hangs { .. }) => {
                GpuSample::unavailable(format!("its files in sysfs: no answer within {} ms", self.limit.as_millis()))
            }
            Err(Silence::Broken) => GpuSample::unavailable("its files in sysfs: the reader broke off"),
        }
    }

    fn hangs(&self) -> bool {
        self.door.hanging().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zomma_testkit::mock_nvml::{GPU_IS_LOST, Mock, Scenario};

    use crate::telemetry::fixtures::{ARC_I915, MI300X, NVIDIA_BOUND, add, tree};

    #[test]
    fn a_gpu_that_nvml_does_not_list_is_there_and_says_why_it_cannot_be_asked() {
        let root = tree(MI300X);
        add(root.path(), ARC_I915);
        add(root.path(), NVIDIA_BOUND);
        let nvml_library = root.path().join("libnvidia-ml.so.1").into_os_string();
        let settings = SourceSettings { sysfs_root: root.path().into(), nvml_library, ..SourceSettings::default() };
        let mut discovery = discover(&settings);
        let vendors: Vec<Vendor> = discovery.found.iter().map(|found| found.identity.vendor).collect();
        assert_eq!(vendors, [Vendor::Intel, Vendor::Amd, Vendor::Nvidia]);
        assert_eq!(discovery.notes.len(), 1, "{:?}", discovery.notes);
        let sample = discovery.found[2].source.read();
        assert!(sample.unavailable.unwrap().contains("nvidia kernel module has it"));
        // Nor does it vanish where no kernel module has it.
        std::fs::remove_file(root.path().join("bus/pci/devices/0000:3b:00.0/driver")).unwrap();
        let sample = discover(&settings).found[2].source.read();
        let why = sample.unavailable.unwrap();
        assert!(why.contains("no kernel driver has it") && why.contains("libnvidia-ml.so.1 not found"), "{why}");
        assert_eq!(discovery.found[1].source.read().utilization_ratio, Some(0.42));
        assert!(discovery.xids.is_none());
    }

    #[test]
    fn a_gpu_that_a_container_was_not_given_is_not_ours_to_see() {
        // Both are in /sys, and the container was given the first.
        let root = tree(NVIDIA_BOUND);
        let Some(mock) = Mock::new(&Scenario::h200(1)) else { return };
        let settings = SourceSettings {
            sysfs_root: root.path().into(),
            nvml_library: mock.library().into_os_string(),
            ..SourceSettings::default()
        };
        let places = |discovery: &Discovery| -> Vec<String> {
            discovery.found.iter().filter_map(|found| Some(found.identity.pci?.to_string())).collect()
        };
        let discovery = discover(&settings);
        assert_eq!(places(&discovery), ["0000:19:00.0"]);
        let note = discovery.notes.last().unwrap();
        assert!(note.starts_with("0000:3b:00.0: on the PCI bus") && note.contains("not ours to see"), "{note}");
        // NVML has it, and cannot be asked for it: it has failed.
        mock.replace(Scenario::h200(2).fault_on("nvmlDeviceGetHandleByIndex_v2", 1, GPU_IS_LOST));
        let mut discovery = discover(&settings);
        assert_eq!(places(&discovery), ["0000:19:00.0", "0000:3b:00.0"]);
        assert!(discovery.found[1].source.read().unavailable.is_some());
        // Nor is a driver that lists none one that keeps it from us.
        mock.replace(&Scenario::empty());
        let mut discovery = discover(&settings);
        assert_eq!(places(&discovery), ["0000:3b:00.0"]);
        assert!(discovery.found[0].source.read().unavailable.is_some());
        // A driver that is not NVIDIA's has it: that is for its operator to see, whatever NVML lists.
        mock.replace(&Scenario::h200(1));
        let driver = root.path().join("bus/pci/devices/0000:3b:00.0/driver");
        std::fs::remove_file(&driver).unwrap();
        assert_eq!(places(&discover(&settings)), ["0000:19:00.0", "0000:3b:00.0"]);
    }
}

//! A mock of NVIDIA's management library, written in C, compiled when a test asks for it, and loaded through the normal loader.
//!
//! What GPUs it shows and how they fail stands in a [`Scenario`], which a test may replace while a program runs. The keys are
//! described at the head of `mock/nvml.c`.
//!
//! ```no_run
//! use zomma_testkit::mock_nvml::{GPU_IS_LOST, Mock, Scenario};
//!
//! let mut scenario = Scenario::h200(8);
//! scenario.device(3, "temperature", 91).fault_on("nvmlDeviceGetUUID", 5, GPU_IS_LOST);
//! let Some(mock) = Mock::new(&scenario) else { return };
//! let mut command = std::process::Command::new("zomma");
//! mock.lend_to(&mut command);
//! // While the command runs: GPU 0 begins to hang for a minute.
//! mock.replace(scenario.hang_on("nvmlDeviceGetTemperature", 0, 60_000));
//! ```

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::mock_library::compile;

/// nvml.h's `NVML_ERROR_NOT_SUPPORTED`.
pub const NOT_SUPPORTED: u32 = 3;
/// nvml.h's `NVML_ERROR_NO_PERMISSION`.
pub const NO_PERMISSION: u32 = 4;
/// nvml.h's `NVML_ERROR_DRIVER_NOT_LOADED`.
pub const DRIVER_NOT_LOADED: u32 = 9;
/// nvml.h's `NVML_ERROR_GPU_IS_LOST`.
pub const GPU_IS_LOST: u32 = 15;
/// nvml.h's `NVML_ERROR_RESET_REQUIRED`.
pub const RESET_REQUIRED: u32 = 16;
/// nvml.h's `NVML_ERROR_LIB_RM_VERSION_MISMATCH`.
pub const LIB_RM_VERSION_MISMATCH: u32 = 18;
/// nvml.h's `NVML_ERROR_UNKNOWN`.
pub const UNKNOWN: u32 = 999;

/// PCI addresses, NUMA nodes and CPUs of the eight GPUs of an HGX board.
const PLACES: [(&str, u32); 8] = [
    ("0000:19:00.0", 0),
    ("0000:3b:00.0", 0),
    ("0000:4c:00.0", 0),
    ("0000:5d:00.0", 0),
    ("0000:9b:00.0", 1),
    ("0000:bb:00.0", 1),
    ("0000:cb:00.0", 1),
    ("0000:db:00.0", 1),
];

/// What every H200 here says: nominal values of the board, an idle one's readings.
const H200: &[(&str, &str)] = &[
    ("name", "NVIDIA H200"),
    ("pci_device_id", "0x233510de"),
    ("vbios", "96.00.A5.00.01"),
    ("architecture", "9"),
    ("brand", "14"),
    ("memory_total", "150754820096"),
    ("memory_used", "0"),
    ("memory_reserved", "655360000"),
    ("bar1_total", "274877906944"),
    ("bar1_used", "2097152"),
    ("compute_capability", "9.0"),
    ("multiprocessors", "132"),
    ("cores", "16896"),
    ("ecc", "1"),
    ("ecc_corrected_volatile", "0"),
    ("ecc_corrected_aggregate", "0"),
    ("ecc_uncorrected_volatile", "0"),
    ("ecc_uncorrected_aggregate", "0"),
    ("remapped_correctable", "0"),
    ("remapped_uncorrectable", "0"),
    ("remapped_pending", "0"),
    ("remapped_failure", "0"),
    ("temperature", "34"),
    ("temperature_memory", "38"),
    ("threshold_shutdown", "92"),
    ("threshold_slowdown", "89"),
    ("threshold_memory_max", "95"),
    ("threshold_gpu_max", "87"),
    ("power_mw", "76500"),
    ("power_limit_mw", "700000"),
    ("power_default_mw", "700000"),
    ("power_min_mw", "200000"),
    ("power_max_mw", "700000"),
    ("energy_mj", "123456789"),
    ("clock_graphics", "345"),
    ("clock_sm", "345"),
    ("clock_mem", "3201"),
    ("clock_video", "765"),
    ("clock_max_graphics", "1980"),
    ("clock_max_sm", "1980"),
    ("clock_max_mem", "3201"),
    ("clock_max_video", "1545"),
    ("throttle", "0x1"),
    ("throttle_supported", "0x1ff"),
    ("violation_power_ns", "0"),
    ("violation_thermal_ns", "0"),
    ("utilization", "0"),
    ("utilization_memory", "0"),
    ("utilization_encoder", "0"),
    ("utilization_decoder", "0"),
    ("pcie_tx_kb", "750"),
    ("pcie_rx_kb", "550"),
    ("pcie_gen", "5"),
    ("pcie_width", "16"),
    ("pcie_max_gen", "5"),
    ("pcie_max_width", "16"),
    ("pcie_replays", "0"),
    ("nvlink_tx_kib", "0"),
    ("nvlink_rx_kib", "0"),
    ("recovery_action", "0"),
    ("pstate", "0"),
    ("compute_mode", "0"),
    ("persistence", "1"),
    ("nvlink_version", "4"),
    ("nvlink_speed_mbps", "26562"),
    ("nvlink_capability", "1"),
    ("nvlink_replay_errors", "0"),
    ("nvlink_recovery_errors", "0"),
    ("nvlink_crc_flit_errors", "0"),
    ("nvlink_crc_data_errors", "0"),
    ("nvlink_ecc_errors", "0"),
    ("mig", "0"),
    ("mig_max", "7"),
];

/// The GPUs that the mock shows, and their faults.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    lines: BTreeMap<String, String>,
    events: usize,
}

impl Scenario {
    /// A driver without a device.
    pub fn empty() -> Self {
        let mut scenario = Self::default();
        scenario.set("driver_version", "570.124.06").set("nvml_version", "12.570.124.06").set("cuda_version", 12_080);
        scenario.set("devices", 0);
        scenario
    }

    /// H200s of one HGX board, at most 8, each with 18 NVLinks to the board's switches.
    pub fn h200(count: usize) -> Self {
        let mut scenario = Self::empty();
        scenario.set("devices", count);
        for (device, &(pci, numa)) in PLACES.iter().enumerate().take(count) {
            for &(key, value) in H200 {
                scenario.device(device, key, value);
            }
            let cpus = if numa == 0 { "0-47,96-143" } else { "48-95,144-191" };
            scenario.device(device, "pci", pci).device(device, "numa", numa).device(device, "cpus", cpus);
            scenario.device(device, "minor", device).device(device, "serial", format!("165322400000{device}"));
            scenario.device(device, "uuid", format!("GPU-5a1c0de0-0000-4000-8000-00000000000{device}"));
            scenario.device(device, "nvlinks", 18);
            for link in 0..18 {
                let switch = format!("0000:0{}:00.0", 5 + link % 4);
                scenario.device(device, &format!("nvlink.{link}.remote"), switch);
                scenario.device(device, &format!("nvlink.{link}.type"), 2);
            }
        }
        scenario
    }

    /// Joins all GPUs directly, `links` NVLinks a pair, instead of through switches.
    pub fn nvlink_mesh(&mut self, links: usize) -> &mut Self {
        self.lines.retain(|key, _| !key.contains(".nvlink."));
        let count = self.number("devices");
        for device in 0..count {
            let others =
                (0..count).filter(|&other| other != device).flat_map(|other| std::iter::repeat_n(other, links));
            let mut joined = 0;
            for (link, other) in others.enumerate() {
                self.device(device, &format!("nvlink.{link}.remote"), PLACES[other].0);
                self.device(device, &format!("nvlink.{link}.type"), 0);
                joined += 1;
            }
            self.device(device, "nvlinks", joined);
        }
        self
    }

    /// Cuts a GPU into MIG devices of these profiles, such as `1g.18gb`; a profile's memory is its number of gigabytes.
    pub fn mig(&mut self, device: usize, profiles: &[&str]) -> &mut Self {
        self.device(device, "mig", 1);
        for (slice, profile) in profiles.iter().enumerate() {
            let gigabytes = profile.split(['.', 'g']).nth(2).and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0);
            let multiprocessors =
                profile.split('g').next().and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(0) * 16;
            let mut put = |key: &str, value: String| {
                self.device(device, &format!("mig.{slice}.{key}"), value);
            };
            put("name", format!("NVIDIA H200 MIG {profile}"));
            put("uuid", format!("MIG-5a1c0de0-0000-4000-8000-0000000{device}000{slice}"));
            put("memory_total", (gigabytes << 30).to_string());
            put("memory_used", "0".into());
            put("multiprocessors", multiprocessors.to_string());
            put("gpu_instance", (slice + 7).to_string());
            put("compute_instance", "0".into());
        }
        self
    }

    /// Sets a key of the scenario.
    pub fn set(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.lines.insert(key.to_owned(), value.to_string());
        self
    }

    /// Removes a key; what a device has no key for it does not support.
    pub fn unset(&mut self, key: &str) -> &mut Self {
        self.lines.remove(key);
        self
    }

    /// Sets a property of one device.
    pub fn device(&mut self, device: usize, property: &str, value: impl Display) -> &mut Self {
        self.set(&format!("device.{device}.{property}"), value)
    }

    /// Lets a function fail with this code.
    pub fn fault(&mut self, function: &str, code: u32) -> &mut Self {
        self.set(&format!("fault.{function}"), code)
    }

    /// Lets a function fail for one device.
    pub fn fault_on(&mut self, function: &str, device: usize, code: u32) -> &mut Self {
        self.set(&format!("fault.{function}.{device}"), code)
    }

    /// Lets a function hang; it comes back when the time is over or the scenario no longer says so.
    pub fn hang(&mut self, function: &str, milliseconds: u64) -> &mut Self {
        self.set(&format!("hang.{function}"), milliseconds)
    }

    /// Lets a function hang for one device.
    pub fn hang_on(&mut self, function: &str, device: usize, milliseconds: u64) -> &mut Self {
        self.set(&format!("hang.{function}.{device}"), milliseconds)
    }

    /// Adds an XID error, which the next wait for events gives.
    pub fn xid(&mut self, device: usize, code: u64) -> &mut Self {
        let event = format!("event.{}", self.events);
        self.events += 1;
        self.set(&event, format!("{device} {code}"))
    }

    fn number(&self, key: &str) -> usize {
        self.lines.get(key).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    fn text(&self) -> String {
        self.lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }
}

/// A folder with the mock as `libnvidia-ml.so.1` and the scenario that it reads. Gone when dropped.
#[derive(Debug)]
pub struct Mock {
    folder: TempDir,
}

impl Mock {
    /// A mock that shows this scenario. Where there is no C compiler, says `skipped: no cc` and gives `None`: the test returns then.
    ///
    /// # Panics
    ///
    /// Where a compiler is there and the mock does not compile, or the folder cannot be written.
    pub fn new(scenario: &Scenario) -> Option<Self> {
        static WHOLE: OnceLock<Option<Vec<u8>>> = OnceLock::new();
        let library = WHOLE.get_or_init(|| compile("nvml.c", &[]));
        Self::of(library.as_deref(), scenario)
    }

    /// As [`new`](Self::new), for a library that lacks these functions.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn without(functions: &[&str], scenario: &Scenario) -> Option<Self> {
        Self::of(compile("nvml.c", functions).as_deref(), scenario)
    }

    fn of(library: Option<&[u8]>, scenario: &Scenario) -> Option<Self> {
        let Some(library) = library else {
            crate::skip("no cc");
            return None;
        };
        let mock = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        std::fs::write(mock.library(), library).expect("the temporary folder is ours");
        mock.replace(scenario);
        Some(mock)
    }

    /// The library: in-process tests open it by this path. It finds its scenario beside itself.
    pub fn library(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }

    /// The folder with the library, for a loader path.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets a program find the mock before any real library.
    pub fn lend_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LD_LIBRARY_PATH", self.folder()).env("ZOMMA_MOCK_NVML", self.folder().join("scenario"))
    }

    /// Replaces the scenario in one step, for programs that are running too.
    ///
    /// # Panics
    ///
    /// Where the folder cannot be written.
    pub fn replace(&self, scenario: &Scenario) {
        let next = self.folder.path().join("scenario.next");
        std::fs::write(&next, scenario.text()).expect("the temporary folder is ours");
        std::fs::rename(&next, self.folder.path().join("scenario")).expect("the temporary folder is ours");
    }
}

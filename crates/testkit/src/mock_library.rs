//! Mocks of makers' libraries, written in C, compiled when a test asks for them, and loaded through the normal loader: Level Zero's loader
//! and AMD's system management library. What GPUs they show and how they fail stands in a [`Scenario`]; the keys are described at the heads
//! of `mock/scenario.h`, `mock/level_zero.c` and `mock/amd_smi.c`. NVML has a module of its own.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Which library is mocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Level Zero's loader, `libze_loader.so.1`.
    LevelZero,
    /// AMD's system management library, `libamd_smi.so`.
    AmdSmi,
}

impl Maker {
    fn file(self) -> &'static str {
        match self {
            Self::LevelZero => "libze_loader.so.1",
            Self::AmdSmi => "libamd_smi.so",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::LevelZero => "level_zero.c",
            Self::AmdSmi => "amd_smi.c",
        }
    }
}

/// The GPUs that a mock shows, and their faults.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    lines: BTreeMap<String, String>,
}

impl Scenario {
    /// Two Data Center GPU Max 1100 at `0000:29:00.0` and `0000:3a:00.0`, joined by two Xe Links, with 48 GiB each.
    pub fn max_1100() -> Self {
        let mut scenario = Self::default();
        scenario.set("devices", 2);
        for (device, bus) in [0x29, 0x3a].into_iter().enumerate() {
            let mut put = |key: &str, value: String| _ = scenario.set(&format!("device.{device}.{key}"), value);
            put("pci", format!("0 {bus:x} 0 0"));
            put("model", "Intel(R) Data Center GPU Max 1100".into());
            put("driver_version", "1.6.33578".into());
            put("memories", "1".into());
            put("memory.0", (48_u64 << 30).to_string());
            put("ecc", "1".into());
            put("ports", "3".into());
            for port in 0..3 {
                put(&format!("port.{port}"), format!("1 {device} {port}"));
                put(&format!("port.{port}.max"), "212000000000".into());
                put(&format!("port.{port}.bits_per_second"), "200000000000".into());
                put(&format!("port.{port}.remote"), format!("1 {} {port}", 1 - device));
            }
            // The third is configured down, and says nothing of its other end.
            put("port.2.status", "4".into());
        }
        scenario
    }

    /// Two MI300X at the places that [`mi300x`](crate::mock_sysfs::Sysfs::mi300x) gives them, joined by xGMI, by a library of ROCm 7.0.
    pub fn mi300x() -> Self {
        let mut scenario = Self::default();
        scenario.set("version", "26 0 2 0").set("sockets", 2);
        for (device, bus) in [0x0c_u64, 0x22].into_iter().enumerate() {
            let mut put = |key: &str, value: String| _ = scenario.set(&format!("device.{device}.{key}"), value);
            put("bdf", (bus << 8).to_string());
            put("memory", "206141652992".into());
            put("ecc", "0x1fff".into());
            put("name", "AMD Instinct MI300X OAM".into());
            put("driver_version", "6.14.14".into());
            scenario.set(&format!("link.{device}.{}", 1 - device), "1 2 50000 64000");
        }
        scenario
    }

    /// Sets a key.
    pub fn set(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.lines.insert(key.to_owned(), value.to_string());
        self
    }

    /// Removes the keys that begin so; what a device has no key for it does not support.
    pub fn unset(&mut self, prefix: &str) -> &mut Self {
        self.lines.retain(|key, _| !key.starts_with(prefix));
        self
    }

    /// Lets a function fail with this code.
    pub fn fault(&mut self, function: &str, code: u32) -> &mut Self {
        self.set(&format!("fault.{function}"), code)
    }

    /// Lets a function fail for one device.
    pub fn fault_on(&mut self, function: &str, device: usize, code: u32) -> &mut Self {
        self.set(&format!("fault.{function}.{device}"), code)
    }
}

/// A folder with a mock and the scenario that it reads. Gone when dropped.
#[derive(Debug)]
pub struct Mock {
    folder: TempDir,
    file: &'static str,
}

impl Mock {
    /// A mock that shows this scenario. Where there is no C compiler, says `skipped: no cc` and gives `None`: the test returns then.
    ///
    /// # Panics
    ///
    /// Where a compiler is there and the mock does not compile, or the folder cannot be written.
    pub fn new(maker: Maker, scenario: &Scenario) -> Option<Self> {
        Self::without(maker, &[], scenario)
    }

    /// As [`new`](Self::new), for a library that lacks these functions.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn without(maker: Maker, functions: &[&str], scenario: &Scenario) -> Option<Self> {
        // Most tests want the whole library, and break it by its scenario: it is compiled once.
        static WHOLE: [OnceLock<Option<Vec<u8>>>; 2] = [OnceLock::new(), OnceLock::new()];
        let library = match functions {
            [] => WHOLE[maker as usize].get_or_init(|| compile(maker.source(), &[])).clone(),
            _ => compile(maker.source(), functions),
        };
        let Some(library) = library else {
            crate::skip("no cc");
            return None;
        };
        let mock = Self { folder: tempfile::tempdir().expect("a temporary folder"), file: maker.file() };
        std::fs::write(mock.library(), library).expect("the temporary folder is ours");
        let text: String = scenario.lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        std::fs::write(mock.folder.path().join("scenario"), text).expect("the temporary folder is ours");
        Some(mock)
    }

    /// The library. It finds its scenario beside itself.
    pub fn library(&self) -> PathBuf {
        self.folder.path().join(self.file)
    }

    /// The folder with the library, for a loader path.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A mock as a shared library; `None` where there is no C compiler.
pub(crate) fn compile(source: &str, without: &[&str]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = folder.path().join("mock.so");
    let source = crate::own_folder().join("mock").join(source);
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-fvisibility=hidden", "-o"]).arg(&library).arg(source);
    command.args(without.iter().map(|function| format!("-D{function}=left_out_{function}")));
    let output = command.output().ok()?;
    assert!(output.status.success(), "the mock does not compile: {}", String::from_utf8_lossy(&output.stderr));
    Some(std::fs::read(library).expect("the compiler wrote it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_maker_s_mock_is_its_own_and_lacks_what_was_left_out() {
        for (maker, function) in [(Maker::LevelZero, "zesInit"), (Maker::AmdSmi, "amdsmi_init")] {
            let Some(whole) = Mock::new(maker, &Scenario::default()) else { return };
            let Some(less) = Mock::without(maker, &[function], &Scenario::default()) else { return };
            assert!(exported_by(&whole, function), "{maker:?}");
            assert!(!exported_by(&less, function), "{maker:?}");
        }
    }

    /// Whether a library exports a function, as the linker's own tool says.
    fn exported_by(mock: &Mock, function: &str) -> bool {
        let output = Command::new("nm").arg("-D").arg(mock.library()).output().expect("binutils come with cc");
        String::from_utf8_lossy(&output.stdout).lines().any(|line| line.ends_with(&format!(" T {function}")))
    }
}

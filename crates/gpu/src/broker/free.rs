//! What a device can still give: from NVML, from sysfs, from the host where the device lives in its memory, or nobody knows.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::inventory::PciAddress;
use crate::nvml::Nvml;

/// A device's memory at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryReading {
    /// Bytes of the device that no process holds; absent where nobody knows.
    pub free_bytes: Option<u64>,
    /// Bytes that this process's own pools hold of the device already: to be lent again without asking the driver.
    pub held_bytes: u64,
}

/// Says what a device can still give. What the broker may have lent in all is `free_bytes` + `held_bytes`.
pub trait FreeMemory: Send + Sync {
    /// Reads it now.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, in words; the broker then goes by its accounts alone and says so.
    fn read(&self) -> Result<MemoryReading, String>;
}

impl<T: FreeMemory + ?Sized> FreeMemory for Box<T> {
    fn read(&self) -> Result<MemoryReading, String> {
        (**self).read()
    }
}

/// A device whose free memory nobody can say: leases go by the accounts alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown;

impl FreeMemory for Unknown {
    fn read(&self) -> Result<MemoryReading, String> {
        Ok(MemoryReading::default())
    }
}

/// An NVIDIA GPU, by its place on the PCI bus, asked through NVML.
#[derive(Debug, Clone)]
pub struct NvmlMemory {
    /// NVML, started.
    pub nvml: Arc<Nvml>,
    /// The GPU.
    pub pci: PciAddress,
}

impl NvmlMemory {
    /// Memory of the whole GPU and what of it is free, in bytes.
    ///
    /// # Errors
    ///
    /// NVML's words.
    pub fn total_and_free(&self) -> Result<(u64, u64), String> {
        let pci = self.pci.to_string();
        let asked = self.nvml.ask("nvmlDeviceGetMemoryInfo", move |nvml| nvml.device_by_pci_bus_id(pci)?.memory_info());
        asked.map(|memory| (memory.total, memory.free)).map_err(|fault| fault.to_string())
    }
}

impl FreeMemory for NvmlMemory {
    fn read(&self) -> Result<MemoryReading, String> {
        let (_, free) = self.total_and_free()?;
        Ok(MemoryReading { free_bytes: Some(free), held_bytes: 0 })
    }
}

/// An AMD GPU, by the folder of its PCI device in sysfs, which has `mem_info_vram_total` and `mem_info_vram_used`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysfsVram {
    /// Such as `/sys/bus/pci/devices/0000:c3:00.0`.
    pub folder: PathBuf,
}

impl SysfsVram {
    /// Memory of the GPU and what of it is free, in bytes.
    ///
    /// # Errors
    ///
    /// The file that is missing or holds no number.
    pub fn total_and_free(&self) -> Result<(u64, u64), String> {
        let (total, used) = (self.number("mem_info_vram_total")?, self.number("mem_info_vram_used")?);
        Ok((total, total.saturating_sub(used)))
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        text.trim().parse().map_err(|_| format!("{}: {:?} is no number of bytes", path.display(), text.trim()))
    }
}

impl FreeMemory for SysfsVram {
    fn read(&self) -> Result<MemoryReading, String> {
        let (_, free) = self.total_and_free()?;
        Ok(MemoryReading { free_bytes: Some(free), held_bytes: 0 })
    }
}

/// A device that lives in the host's memory: an integrated GPU, or a software one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMemory {
    /// `/proc/meminfo`.
    pub meminfo: PathBuf,
}

impl HostMemory {
    /// Memory of the host and what of it is available, in bytes.
    ///
    /// # Errors
    ///
    /// The file, and the line that is missing.
    pub fn total_and_free(&self) -> Result<(u64, u64), String> {
        let text = fs::read_to_string(&self.meminfo).map_err(|error| format!("{}: {error}", self.meminfo.display()))?;
        let kibibytes = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
            number.map(|number| number << 10).ok_or_else(|| format!("{}: no {key}", self.meminfo.display()))
        };
        Ok((kibibytes("MemTotal")?, kibibytes("MemAvailable")?))
    }
}

impl FreeMemory for HostMemory {
    fn read(&self) -> Result<MemoryReading, String> {
        let (_, free) = self.total_and_free()?;
        Ok(MemoryReading { free_bytes: Some(free), held_bytes: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vram_is_total_less_used_and_a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let source = SysfsVram { folder: folder.path().to_owned() };
        assert!(source.read().unwrap_err().contains("mem_info_vram_total"));
        fs::write(folder.path().join("mem_info_vram_total"), "1000\n").unwrap();
        fs::write(folder.path().join("mem_info_vram_used"), "x\n").unwrap();
        assert!(source.read().unwrap_err().contains("\"x\" is no number of bytes"));
        fs::write(folder.path().join("mem_info_vram_used"), "300\n").unwrap();
        assert_eq!(source.total_and_free().unwrap(), (1000, 700));
    }

    #[test]
    fn the_host_says_what_is_available() {
        let folder = tempfile::tempdir().unwrap();
        let source = HostMemory { meminfo: folder.path().join("meminfo") };
        fs::write(&source.meminfo, "MemTotal:       16 kB\nMemFree:   1 kB\nMemAvailable:   10 kB\n").unwrap();
        assert_eq!(source.total_and_free().unwrap(), (16 << 10, 10 << 10));
        fs::write(&source.meminfo, "MemTotal:       16 kB\n").unwrap();
        assert!(source.read().unwrap_err().ends_with("no MemAvailable"));
    }
}

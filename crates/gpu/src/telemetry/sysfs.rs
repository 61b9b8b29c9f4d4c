//! Sensors as the kernel shows them: small files, one value each, which may be missing, unreadable or gone from one look to the next.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::sample::{GpuIdentity, GpuSample, ReadFailure};
use crate::inventory::{Driver, PciAddress, Vendor};

/// A GPU on the PCI bus, with the driver that has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PciGpu {
    /// Its folder: `/sys/bus/pci/devices/0000:3b:00.0`.
    pub folder: PathBuf,
    /// Where it sits.
    pub pci: PciAddress,
    /// Who made it.
    pub vendor: Vendor,
    /// `nvidia`, `amdgpu`, `xe`, `i915`.
    pub driver: String,
    /// The driver's version, where it has one of its own.
    pub driver_version: Option<String>,
}

/// The GPUs under a root such as `/sys` whose vendor's own driver has them, by PCI address. One that is bound to `vfio-pci`, `nouveau`
/// or nothing is not ours to watch.
pub(super) fn gpus(root: &Path) -> Vec<PciGpu> {
    let Ok(entries) = fs::read_dir(root.join("bus/pci/devices")) else { return Vec::new() };
    let mut found: Vec<PciGpu> = entries.filter_map(|entry| pci_gpu(root, entry.ok()?.path())).collect();
    found.sort_by_key(|gpu| gpu.pci);
    found
}

fn pci_gpu(root: &Path, folder: PathBuf) -> Option<PciGpu> {
    let pci = PciAddress::from_str(folder.file_name()?.to_str()?).ok()?;
    let number = |name| u32::from_str_radix(text(&folder.join(name))?.strip_prefix("0x")?, 16).ok();
    // Display controllers, and processing accelerators as AMD's Instinct boards call themselves.
    if !matches!(number("class")? >> 8, 0x0300 | 0x0302 | 0x0380 | 0x1200) {
        return None;
    }
    let driver = fs::read_link(folder.join("driver")).ok()?.file_name()?.to_str()?.to_string();
    let vendor = match (number("vendor")?, driver.as_str()) {
        (0x10de, "nvidia") => Vendor::Nvidia,
        (0x1002, "amdgpu") => Vendor::Amd,
        (0x8086, "i915" | "xe") => Vendor::Intel,
        _ => return None,
    };
    let driver_version = text(&root.join("module").join(&driver).join("version"));
    Some(PciGpu { folder, pci, vendor, driver, driver_version })
}

impl PciGpu {
    /// What can be said of it without asking its driver.
    pub(super) fn identity(&self) -> GpuIdentity {
        let unique = text(&self.folder.join("unique_id"));
        GpuIdentity {
            index: 0,
            vendor: self.vendor,
            name: text(&self.folder.join("product_name")),
            uuid: unique.map(|id| id.strip_prefix("0x").unwrap_or(&id).to_string()),
            pci: Some(self.pci),
            driver: Some(Driver { name: self.driver.clone(), version: self.driver_version.clone() }),
            minor_number: self.card().and_then(|card| card.file_name()?.to_str()?.strip_prefix("card")?.parse().ok()),
        }
    }

    /// Its folder as a display card: `…/drm/card0`.
    pub(super) fn card(&self) -> Option<PathBuf> {
        first_with_prefix(&self.folder.join("drm"), "card")
    }

    /// Its folder of sensors: `…/hwmon/hwmon3`.
    pub(super) fn sensors(&self) -> Option<PathBuf> {
        first_with_prefix(&self.folder.join("hwmon"), "hwmon")
    }
}

/// The first entry by name that begins so and goes on with a number.
fn first_with_prefix(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let numbered = |path: &PathBuf| {
        let rest = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(prefix));
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(numbered).collect();
    found.sort();
    found.into_iter().next()
}

/// A file's text without the spaces around it; nothing where it cannot be read or is empty.
pub(super) fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
}

/// Reads files and keeps what failed. A file that is not there is a sensor that the board lacks: no failure.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub failures: Vec<ReadFailure>,
}

impl Reader {
    /// A file's text.
    pub(super) fn text(&mut self, field: &'static str, path: &Path) -> Option<String> {
        match fs::read_to_string(path) {
            Ok(text) => Some(text.trim().to_string()).filter(|text| !text.is_empty()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                self.failures.push(ReadFailure { field, message: format!("{}: {error}", path.display()) });
                None
            }
        }
    }

    /// A file that holds one number.
    pub(super) fn number<T: FromStr>(&mut self, field: &'static str, path: &Path) -> Option<T> {
        let text = self.text(field, path)?;
        let number = text.parse().ok();
        if number.is_none() {
            let message = format!("{}: {text:?} is no number", path.display());
            self.failures.push(ReadFailure { field, message });
        }
        number
    }

    /// A number divided by what makes it a base unit: 1000 for thousandths.
    pub(super) fn scaled(&mut self, field: &'static str, path: &Path, divisor: f64) -> Option<f64> {
        self.number::<f64>(field, path).filter(|value| value.is_finite()).map(|value| value / divisor)
    }

    /// Lanes and generation of a PCIe link.
    pub(super) fn pcie_link(&mut self, folder: &Path, sample: &mut GpuSample) {
        sample.pcie_link_width = self.number("pcie_link_width", &folder.join("current_link_width"));
        let speed = self.text("pcie_link_generation", &folder.join("current_link_speed"));
        sample.pcie_link_generation = speed.and_then(|speed| generation(&speed));
    }
}

/// PCIe generation by its speed, as the kernel writes it: `32.0 GT/s PCIe`.
fn generation(speed: &str) -> Option<u32> {
    Some(match speed.split_whitespace().next()? {
        "2.5" => 1,
        "5.0" | "5" => 2,
        "8.0" | "8" => 3,
        "16.0" | "16" => 4,
        "32.0" | "32" => 5,
        "64.0" | "64" => 6,
        _ => return None,
    })
}

/// A sensor's number by its label: 2 where `temp2_label` says `junction`.
pub(super) fn labelled(sensors: &Path, kind: &str, label: &str) -> Option<u32> {
    (1..=16).find(|n| text(&sensors.join(format!("{kind}{n}_label"))).as_deref() == Some(label))
}

//! Sensors as the kernel shows them: small files, one value each, which may be missing, unreadable or gone from one look to the next.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::sample::{GpuIdentity, GpuSample, ReadFailure};
use crate::inventory::{Driver, PciAddress, Vendor, models, sysfs};

/// A GPU on the PCI bus, with the driver that has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PciGpu {
    /// Its folder: `/sys/bus/pci/devices/0000:3b:00.0`.
    pub folder: PathBuf,
    /// Where it sits.
    pub pci: PciAddress,
    /// Who made it.
    pub vendor: Vendor,
    /// `nvidia`, `amdgpu`, `xe`, `i915`, or one that is not the vendor's own such as `nouveau`; none where nothing drives it.
    pub driver: Option<String>,
    /// The driver's version, where it has one of its own.
    pub driver_version: Option<String>,
}

/// Drivers that keep a device for a virtual machine.
const LENT: [&str; 3] = ["vfio-pci", "pci-stub", "xen-pciback"];

/// The GPUs under a root such as `/sys`, by PCI address. One that is lent to a virtual machine is not ours to watch.
pub(super) fn gpus(root: &Path) -> Vec<PciGpu> {
    let Ok(entries) = fs::read_dir(root.join("bus/pci/devices")) else { return Vec::new() };
    let mut found: Vec<PciGpu> = entries.filter_map(|entry| pci_gpu(root, entry.ok()?.path())).collect();
    found.sort_by_key(|gpu| gpu.pci);
    found
}

fn pci_gpu(root: &Path, folder: PathBuf) -> Option<PciGpu> {
    let pci = PciAddress::from_str(folder.file_name()?.to_str()?).ok()?;
    let number = |name| u32::from_str_radix(text(&folder.join(name))?.strip_prefix("0x")?, 16).ok();
    let class = number("class")? >> 8;
    let vendor = match number("vendor")? {
        0x10de => Vendor::Nvidia,
        0x1002 => Vendor::Amd,
        0x8086 => Vendor::Intel,
        _ => return None,
    };
    // Display controllers, and processing accelerators as AMD's Instinct boards call themselves.
    if !matches!((class, vendor), (0x0300 | 0x0302 | 0x0380, _) | (0x1200, Vendor::Amd)) {
        return None;
    }
    let driver = fs::read_link(folder.join("driver")).ok();
    let driver = driver.and_then(|link| Some(link.file_name()?.to_str()?.to_string()));
    if driver.as_deref().is_some_and(|driver| LENT.contains(&driver)) {
        return None;
    }
    // Graphics inside an Intel processor sit on the first bus; without a driver they are turned off, not broken. Virtual functions
    // (`physfn` names their board) without one wait for a virtual machine.
    if driver.is_none() && (vendor == Vendor::Intel && pci.bus == 0 || folder.join("physfn").exists()) {
        return None;
    }
    let driver_version = driver.as_ref().and_then(|driver| text(&root.join("module").join(driver).join("version")));
    Some(PciGpu { folder, pci, vendor, driver, driver_version })
}

impl PciGpu {
    /// Why its files tell nothing: the driver that writes them does not have it.
    pub(super) fn without_its_driver(&self) -> Option<String> {
        let own: &[&str] = match self.vendor {
            Vendor::Nvidia => &["nvidia"],
            Vendor::Amd => &["amdgpu"],
            _ => &["xe", "i915"],
        };
        match &self.driver {
            Some(driver) if own.contains(&driver.as_str()) => None,
            Some(driver) => Some(format!("the kernel driver {driver} has it, and not {}", own.join(" or "))),
            None => Some(format!("no kernel driver has it: {} is not loaded, or failed on it", own.join(" or "))),
        }
    }

    /// What can be said of it without asking its driver.
    pub(super) fn identity(&self) -> GpuIdentity {
        let unique = text(&self.folder.join("unique_id"));
        let id = |file| sysfs::number(&self.folder.join(file)).and_then(|number| u16::try_from(number).ok());
        let model = || models::name(id("vendor")?, id("device")?).map(str::to_owned);
        GpuIdentity {
            index: 0,
            vendor: self.vendor,
            name: text(&self.folder.join("product_name")).or_else(model),
            // amdgpu's alone, as `zomma gpu list` and ROCm write it.
            uuid: unique.map(|id| format!("GPU-{}", id.strip_prefix("0x").unwrap_or(&id))),
            pci: Some(self.pci),
            driver: self.driver.clone().map(|name| Driver { name, version: self.driver_version.clone() }),
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

    /// A file that holds a size in bytes, decimal or `0x` hexadecimal.
    pub(super) fn bytes(&mut self, field: &'static str, path: &Path) -> Option<u64> {
        let text = self.text(field, path)?;
        let bytes = sysfs::parse_number(&text);
        if bytes.is_none() {
            let message = format!("{}: {text:?} is no number", path.display());
            self.failures.push(ReadFailure { field, message });
        }
        bytes
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::fixtures::{ARC_I915, MI300X, NVIDIA_BOUND, add, tree};

    #[test]
    fn gpus_that_no_driver_of_their_maker_has_are_found_and_say_so() {
        let root = tree(MI300X);
        for other in [ARC_I915, NVIDIA_BOUND] {
            add(root.path(), other);
        }
        let reasons = || gpus(root.path()).iter().map(PciGpu::without_its_driver).collect::<Vec<_>>();
        assert_eq!(reasons(), [None, None, None]);
        for place in ["0000:03:00.0", "0000:05:00.0", "0000:3b:00.0"] {
            fs::remove_file(root.path().join(format!("bus/pci/devices/{place}/driver"))).unwrap();
        }
        let loaded = |name: &str| Some(format!("no kernel driver has it: {name} is not loaded, or failed on it"));
        assert_eq!(reasons(), [loaded("xe or i915"), loaded("amdgpu"), loaded("nvidia")]);
        add(root.path(), &[("bus/pci/devices/0000:3b:00.0/driver", "->../drivers/nouveau")]);
        assert_eq!(reasons()[2].as_deref(), Some("the kernel driver nouveau has it, and not nvidia"));
    }

    #[test]
    fn what_is_lent_to_a_virtual_machine_or_turned_off_is_not_watched() {
        let root = tree(&[
            // Lent; a virtual function; the graphics of a processor; a board management controller.
            ("bus/pci/devices/0000:17:00.0/vendor", "0x10de"),
            ("bus/pci/devices/0000:17:00.0/class", "0x030200"),
            ("bus/pci/devices/0000:17:00.0/driver", "->../drivers/vfio-pci"),
            ("bus/pci/devices/0000:29:00.1/vendor", "0x8086"),
            ("bus/pci/devices/0000:29:00.1/class", "0x038000"),
            ("bus/pci/devices/0000:29:00.1/physfn/vendor", "0x8086"),
            ("bus/pci/devices/0000:00:02.0/vendor", "0x8086"),
            ("bus/pci/devices/0000:00:02.0/class", "0x030000"),
            ("bus/pci/devices/0000:02:00.0/vendor", "0x1a03"),
            ("bus/pci/devices/0000:02:00.0/class", "0x030000"),
        ]);
        assert_eq!(gpus(root.path()), []);
    }
}

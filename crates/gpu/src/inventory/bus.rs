//! The GPUs that the kernel shows: display devices on the PCI bus, and cards of the DRM subsystem.
//!
//! A GPU is listed if either knows it, so that no single file can hide it. Vendors' own sources add to what is found here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::pci::PciAddress;
use super::sysfs;
use super::{Driver, Gpu, Vendor};

/// PCI base class of display controllers.
const DISPLAY: u64 = 0x03;
/// PCI base class of processing accelerators: AMD's Instinct cards are such.
const ACCELERATOR: u64 = 0x12;
/// Platform devices through which amdgpu shows the partitions of a GPU as cards of their own.
const AMD_PARTITION: &str = "amdgpu_xcp";

/// A GPU and where sysfs speaks of it.
#[derive(Debug)]
pub(super) struct Seen {
    /// What is known of it.
    pub gpu: Gpu,
    /// Folder of the device: `bus/pci/devices/…`, or `class/drm/cardN/device`.
    pub device: Option<PathBuf>,
    /// Folder `class/drm/cardN`.
    pub card: Option<PathBuf>,
    /// Vendor and device number.
    pub ids: Option<(u16, u16)>,
}

impl Seen {
    /// A GPU of which nothing but its maker is known yet.
    pub(super) fn new(vendor: Vendor) -> Self {
        Self { gpu: Gpu::unknown(vendor), device: None, card: None, ids: None }
    }

    /// The name of its kernel driver.
    pub(super) fn driver(&self) -> Option<&str> {
        self.gpu.driver.as_ref().map(|driver| driver.name.as_str())
    }
}

/// The GPUs that the kernel shows below this root of sysfs.
pub(super) fn scan(root: &Path) -> Vec<Seen> {
    let mut on_bus: BTreeMap<PciAddress, (PathBuf, Option<PathBuf>)> = BTreeMap::new();
    for (name, folder) in sysfs::entries(&root.join("bus/pci/devices")) {
        if let Ok(address) = name.parse()
            && is_gpu(&folder)
        {
            on_bus.insert(address, (folder, None));
        }
    }
    let mut elsewhere = Vec::new();
    for (_, card) in sysfs::numbered(&root.join("class/drm"), "card") {
        let device = card.join("device");
        match pci_of_card(&card) {
            Some(address) => {
                let place = on_bus.entry(address).or_insert_with(|| (device, None));
                // A GPU has one card; the first stays.
                place.1.get_or_insert(card);
            }
            None if is_partition(&card) => {}
            None => elsewhere.push((device, card)),
        }
    }
    let on_bus = on_bus.into_iter().map(|(address, (device, card))| describe(root, Some(address), device, card));
    let elsewhere = elsewhere.into_iter().map(|(device, card)| describe(root, None, device, Some(card)));
    // A card of which nothing can be read is no device.
    on_bus.chain(elsewhere.filter(|one| one.ids.is_some() || one.gpu.driver.is_some())).collect()
}

/// Whether a PCI device is a GPU. NPUs of Intel's processors are accelerators too, and are not.
fn is_gpu(device: &Path) -> bool {
    let Some(class) = sysfs::number(&device.join("class")) else { return false };
    match class >> 16 {
        DISPLAY => true,
        ACCELERATOR => ids(device).is_some_and(|(vendor, _)| vendor == 0x1002),
        _ => false,
    }
}

/// Where a card sits, by the end of its `device` link or, where that is no link, by its `uevent`.
fn pci_of_card(card: &Path) -> Option<PciAddress> {
    let device = card.join("device");
    if let Some(address) = std::fs::canonicalize(&device).ok().and_then(|path| path.file_name()?.to_str()?.parse().ok())
    {
        return Some(address);
    }
    if let Some(address) = sysfs::link_name(&device).and_then(|name| name.parse().ok()) {
        return Some(address);
    }
    // The card is itself a link into the device's folder: …/0000:03:00.0/drm/card0.
    let real = std::fs::canonicalize(card).ok().or_else(|| std::fs::read_link(card).ok());
    let above = real.and_then(|real| real.parent()?.parent()?.file_name()?.to_str()?.parse().ok());
    above.or_else(|| uevent(&device, "PCI_SLOT_NAME")?.parse().ok())
}

/// Whether a card is a partition of a GPU that is listed anyway.
fn is_partition(card: &Path) -> bool {
    let names = |path: PathBuf| std::fs::canonicalize(path).ok().map(|path| path.to_string_lossy().into_owned());
    [names(card.join("device")), names(card.to_path_buf())]
        .into_iter()
        .flatten()
        .any(|path| path.contains(AMD_PARTITION))
}

/// A value of the file `uevent`, whose lines are `KEY=value`.
fn uevent(device: &Path, key: &str) -> Option<String> {
    let text = sysfs::text(&device.join("uevent"))?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
}

/// Vendor and device number, from the files of that name, else from `uevent`, else from `modalias`.
fn ids(device: &Path) -> Option<(u16, u16)> {
    let number = |file: &str| u16::try_from(sysfs::number(&device.join(file))?).ok();
    if let (Some(vendor), Some(model)) = (number("vendor"), number("device")) {
        return Some((vendor, model));
    }
    let hexadecimal = |text: &str| u16::from_str_radix(text, 16).ok();
    if let Some(pair) = uevent(device, "PCI_ID")
        && let Some((vendor, model)) = pair.split_once(':')
        && let (Some(vendor), Some(model)) = (hexadecimal(vendor), hexadecimal(model))
    {
        return Some((vendor, model));
    }
    // pci:v00001002d000074A1sv…
    let alias = sysfs::line(&device.join("modalias"))?;
    let alias = alias.strip_prefix("pci:v0000")?;
    Some((hexadecimal(alias.get(0..4)?)?, hexadecimal(alias.get(4..)?.strip_prefix("d0000")?.get(0..4)?)?))
}

/// What the kernel says of any device.
fn describe(root: &Path, pci: Option<PciAddress>, device: PathBuf, card: Option<PathBuf>) -> Seen {
    let ids = ids(&device);
    let name = sysfs::driver_of(&device).or_else(|| uevent(&device, "DRIVER"));
    let vendor = ids.map(|(vendor, _)| vendor_of(vendor)).or_else(|| name.as_deref().and_then(vendor_of_driver));
    let driver =
        name.map(|name| Driver { version: sysfs::line(&root.join("module").join(&name).join("version")), name });
    let gpu = Gpu {
        pci,
        pci_id: ids.map(|(vendor, model)| format!("{vendor:04x}:{model:04x}")),
        // -1 is a machine without NUMA.
        numa_node: sysfs::number(&device.join("numa_node")).and_then(|node| u32::try_from(node).ok()),
        cpus: sysfs::line(&device.join("local_cpulist")).and_then(|list| sysfs::parse_cpus(&list)),
        driver,
        ..Gpu::unknown(vendor.unwrap_or(Vendor::Other))
    };
    Seen { gpu, device: Some(device), card, ids }
}

/// Maker by PCI vendor number.
pub(super) fn vendor_of(number: u16) -> Vendor {
    match number {
        0x10de => Vendor::Nvidia,
        0x1002 => Vendor::Amd,
        0x8086 => Vendor::Intel,
        _ => Vendor::Other,
    }
}

fn vendor_of_driver(driver: &str) -> Option<Vendor> {
    match driver {
        "nvidia" | "nouveau" | "nova" => Some(Vendor::Nvidia),
        "amdgpu" | "radeon" => Some(Vendor::Amd),
        "i915" | "xe" => Some(Vendor::Intel),
        _ => None,
    }
}

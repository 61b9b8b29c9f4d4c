//! Intel GPUs: what the kernel drivers xe and i915 show in sysfs, and what follows from the model.
//!
//! xe has a folder a tile, with the tile's memory in it; i915 shows the memory of the whole card in the builds that Intel ships for
//! data centres, and not at all in the mainline kernel, where it stays absent.

use std::path::Path;

use super::bus::Seen;
use super::models;
use super::sysfs;
use super::{Partition, Vendor};

/// Adds what the drivers show to Intel's GPUs among those seen.
pub(super) fn add(seen: &mut [Seen]) {
    for one in seen.iter_mut().filter(|one| one.gpu.vendor == Vendor::Intel) {
        let model = one.ids.filter(|&(vendor, _)| vendor == 0x8086).and_then(|(_, model)| models::intel(model));
        if let Some((vendor, number)) = one.ids {
            one.gpu.name = models::name(vendor, number).map(str::to_owned);
        }
        one.gpu.architecture = model.map(|model| model.architecture.to_owned());
        one.gpu.multiprocessors = model.and_then(|model| model.xe_cores);
        let Some(device) = one.device.as_deref() else { continue };
        let tiles = tiles(device);
        one.gpu.memory_bytes = whole_memory(device, one.card.as_deref(), &tiles);
        if tiles.len() > 1 {
            let cores = one.gpu.multiprocessors.and_then(|cores| cores.checked_div(u32::try_from(tiles.len()).ok()?));
            let partition = |(number, memory_bytes): &(u32, Option<u64>)| Partition {
                profile: format!("tile {number}"),
                uuid: None,
                memory_bytes: *memory_bytes,
                multiprocessors: cores,
            };
            one.gpu.partitions = tiles.iter().map(partition).collect();
        }
    }
}

/// The tiles that xe shows, each with its memory.
fn tiles(device: &Path) -> Vec<(u32, Option<u64>)> {
    let memory = |tile: &Path| {
        let places = ["physical_vram_size_bytes", "memory/physical_vram_size_bytes"];
        places.iter().find_map(|place| sysfs::number(&tile.join(place))).filter(|&bytes| bytes > 0)
    };
    sysfs::numbered(device, "tile").into_iter().map(|(number, tile)| (number, memory(&tile))).collect()
}

/// Bytes of the card's own memory: of all tiles, or none where one tile does not say; else what i915 says of the card.
fn whole_memory(device: &Path, card: Option<&Path>, tiles: &[(u32, Option<u64>)]) -> Option<u64> {
    let of_tiles = tiles.iter().try_fold(0_u64, |sum, (_, bytes)| sum.checked_add((*bytes)?));
    let folders = card.into_iter().chain([device]);
    let of_card =
        || folders.filter_map(|folder| sysfs::number(&folder.join("lmem_total_bytes"))).find(|&bytes| bytes > 0);
    of_tiles.filter(|&bytes| bytes > 0).or_else(of_card)
}

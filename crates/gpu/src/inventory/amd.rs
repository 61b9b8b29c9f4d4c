//! AMD GPUs: the topology of the kernel's compute driver (KFD) joined with what amdgpu shows in sysfs.
//!
//! A GPU cut into compute partitions (DPX, QPX, CPX) is as many nodes of the topology at one place on the PCI bus.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::bus::Seen;
use super::models;
use super::pci::PciAddress;
use super::sysfs;
use super::{Link, LinkKind, Partition, Vendor};

/// Types of KFD's links: `HSA_IOLINKTYPE_PCIEXPRESS` and `HSA_IOLINKTYPE_XGMI`.
const PCIE: u64 = 2;
const XGMI: u64 = 11;
/// Types of memory: the frame buffer, seen by the processor or not.
const FRAME_BUFFER: [u64; 2] = [1, 2];
/// Bit of a node's `capability`: the memory corrects errors.
const MEMORY_ECC: u64 = 1 << 20;
/// Bit of `ras/features`: error correction of the memory controller (UMC, block 0).
const UMC: u64 = 1;

/// A GPU, or a partition of one, in the topology.
#[derive(Debug)]
struct Node {
    number: u32,
    folder: PathBuf,
    at: PciAddress,
    partition: u64,
    properties: BTreeMap<String, u64>,
}

impl Node {
    fn number_of(&self, key: &str) -> Option<u64> {
        self.properties.get(key).copied()
    }

    fn compute_units(&self) -> Option<u32> {
        let (simds, per_unit) = (self.number_of("simd_count")?, self.number_of("simd_per_cu")?);
        u32::try_from(simds.checked_div(per_unit)?).ok().filter(|&units| units > 0)
    }

    /// Bytes of its own memory; absent where any bank cannot be read.
    fn memory_bytes(&self) -> Option<u64> {
        let banks = sysfs::numbered(&self.folder.join("mem_banks"), "");
        let expected = self.number_of("mem_banks_count").unwrap_or(banks.len() as u64);
        if banks.len() as u64 != expected {
            return None;
        }
        let mut sum = 0_u64;
        for (_, bank) in banks {
            let bank = sysfs::properties(&bank.join("properties"))?;
            if FRAME_BUFFER.contains(bank.get("heap_type")?) {
                sum = sum.checked_add(*bank.get("size_in_bytes")?)?;
            }
        }
        (sum > 0).then_some(sum)
    }
}

/// The topology: the nodes that are GPUs, and whether any node could not be read.
#[derive(Debug, Default)]
struct Topology {
    nodes: Vec<Node>,
    incomplete: bool,
}

fn topology(root: &Path) -> Topology {
    let mut topology = Topology::default();
    for (number, folder) in sysfs::numbered(&root.join("class/kfd/kfd/topology/nodes"), "") {
        // The processors are nodes too; their number of GPU is 0.
        let is_processor = sysfs::number(&folder.join("gpu_id")) == Some(0);
        let Some(properties) = sysfs::properties(&folder.join("properties")) else {
            topology.incomplete |= !is_processor;
            continue;
        };
        if is_processor || properties.get("simd_count") == Some(&0) {
            continue;
        }
        let place = properties.get("location_id").and_then(|&location| {
            let domain = u32::try_from(properties.get("domain").copied().unwrap_or(0)).ok()?;
            // Bits 31 to 28 number the partition, 15 to 0 are bus, device and function.
            let [high, low] = u16::try_from(location & 0xffff).ok()?.to_be_bytes();
            Some((PciAddress { domain, bus: high, device: low >> 3, function: low & 7 }, location >> 28))
        });
        match place {
            Some((at, partition)) => topology.nodes.push(Node { number, folder, at, partition, properties }),
            None => topology.incomplete = true,
        }
    }
    topology
}

/// Adds what KFD and amdgpu know to the GPUs seen, and those that only KFD knows.
pub(super) fn add(root: &Path, seen: &mut Vec<Seen>, notes: &mut Vec<String>) {
    let topology = topology(root);
    let places: BTreeSet<PciAddress> = topology.nodes.iter().map(|node| node.at).collect();
    for &at in &places {
        if !seen.iter().any(|seen| seen.gpu.pci == Some(at)) {
            let mut only_kfd = Seen::new(Vendor::Amd);
            only_kfd.gpu.pci = Some(at);
            seen.push(only_kfd);
        }
    }
    let count_at = |at: PciAddress| topology.nodes.iter().filter(|node| node.at == at).count();
    // The most nodes that another GPU of the same model has: one with fewer has lost some to a file that cannot be read.
    let most_of_its_like = |place: usize, seen: &[Seen]| {
        let like = seen.iter().enumerate().filter(|(other, one)| *other != place && one.ids == seen[place].ids);
        like.filter_map(|(_, one)| one.gpu.pci).map(count_at).max()
    };
    let expected: Vec<Option<usize>> = (0..seen.len()).map(|place| most_of_its_like(place, seen)).collect();
    let links = links(&topology);
    for (one, expected) in seen.iter_mut().zip(expected) {
        let Some(at) = one.gpu.pci.filter(|at| places.contains(at) || one.gpu.vendor == Vendor::Amd) else { continue };
        let mut nodes: Vec<&Node> = topology.nodes.iter().filter(|node| node.at == at).collect();
        nodes.sort_by_key(|node| (node.partition, node.number));
        if !nodes.is_empty() {
            one.gpu.vendor = Vendor::Amd;
        } else if one.driver() == Some("amdgpu") {
            notes.push(format!("{at}: not in KFD's topology, so gfx target and compute units are unknown"));
        }
        let mode = one.device.as_deref().and_then(|device| sysfs::line(&device.join("current_compute_partition")));
        let complete = !topology.incomplete
            || match expected {
                Some(expected) => nodes.len() >= expected,
                None => nodes.len() == 1 && mode.is_none_or(|mode| mode == "SPX"),
            };
        from_nodes(one, &nodes, complete);
        from_amdgpu(one, &nodes);
        one.gpu.links = links.get(&at).cloned().unwrap_or_default();
    }
}

/// What the topology says of a GPU.
fn from_nodes(one: &mut Seen, nodes: &[&Node], complete: bool) {
    let Some(first) = nodes.first() else { return };
    let gpu = &mut one.gpu;
    gpu.architecture = nodes.iter().find_map(|node| node.number_of("gfx_target_version")).and_then(gfx_target);
    if complete {
        gpu.multiprocessors = nodes.iter().try_fold(0_u32, |sum, node| sum.checked_add(node.compute_units()?));
        gpu.memory_bytes = nodes.iter().try_fold(0_u64, |sum, node| sum.checked_add(node.memory_bytes()?));
    }
    gpu.ecc = first.number_of("capability").map(|bits| bits & MEMORY_ECC != 0);
    if one.ids.is_none() {
        let number = |key: &str| u16::try_from(first.number_of(key)?).ok();
        one.ids = number("vendor_id").zip(number("device_id"));
        gpu.pci_id = one.ids.map(|(vendor, model)| format!("{vendor:04x}:{model:04x}"));
    }
    gpu.uuid = first.number_of("unique_id").filter(|&id| id != 0).map(|id| format!("GPU-{id:016x}"));
}

/// What amdgpu's own files say of it.
fn from_amdgpu(one: &mut Seen, nodes: &[&Node]) {
    let Some(device) = one.device.as_deref() else { return };
    let gpu = &mut one.gpu;
    let named = one.ids.and_then(|(vendor, model)| models::name(vendor, model)).map(str::to_owned);
    gpu.name = sysfs::line(&device.join("product_name")).or(named);
    gpu.memory_bytes =
        sysfs::number(&device.join("mem_info_vram_total")).filter(|&bytes| bytes > 0).or(gpu.memory_bytes);
    if let Some(id) =
        sysfs::line(&device.join("unique_id")).filter(|id| u64::from_str_radix(id, 16).is_ok_and(|id| id != 0))
    {
        gpu.uuid = Some(format!("GPU-{id}"));
    }
    let features = sysfs::line(&device.join("ras/features"));
    let mask = features.and_then(|line| sysfs::parse_number(line.strip_prefix("feature mask:")?.trim()));
    gpu.ecc = mask.map(|mask| mask & UMC != 0).or(gpu.ecc);
    if nodes.len() > 1 {
        let mode = sysfs::line(&device.join("current_compute_partition"));
        let profile = mode.filter(|mode| mode.len() <= 8).unwrap_or_else(|| "compute partition".into());
        let partition = |node: &&Node| Partition {
            profile: profile.clone(),
            uuid: None,
            memory_bytes: node.memory_bytes(),
            multiprocessors: node.compute_units(),
        };
        gpu.partitions = nodes.iter().map(partition).collect();
    }
}

/// gfx target of KFD's number: 90402 is gfx942, 90010 gfx90a.
fn gfx_target(version: u64) -> Option<String> {
    let (major, minor, step) = (version / 10_000, version / 100 % 100, version % 100);
    (major > 0 && minor < 16 && step < 16).then(|| format!("gfx{major}{minor:x}{step:x}"))
}

/// Links from each GPU to others: of the links between two nodes those of the better kind, of the partitions the best joined ones.
fn links(topology: &Topology) -> BTreeMap<PciAddress, Vec<Link>> {
    let place: BTreeMap<u64, PciAddress> =
        topology.nodes.iter().map(|node| (u64::from(node.number), node.at)).collect();
    let mut of_pair: BTreeMap<(PciAddress, PciAddress), Link> = BTreeMap::new();
    for node in &topology.nodes {
        let mut from_node: BTreeMap<u64, Link> = BTreeMap::new();
        for folder in ["io_links", "p2p_links"] {
            for (_, link) in sysfs::numbered(&node.folder.join(folder), "") {
                let Some((to, link)) = read_link(&link, &place) else { continue };
                if link.to == node.at {
                    continue;
                }
                from_node.entry(to).and_modify(|known| merge_parallel(known, &link)).or_insert(link);
            }
        }
        for link in from_node.into_values() {
            let known = of_pair.entry((node.at, link.to)).or_insert_with(|| link.clone());
            if rank(&link) > rank(known) {
                *known = link;
            }
        }
    }
    // A link runs both ways: where one end cannot be read the other end tells.
    for ((from, to), link) in of_pair.clone() {
        of_pair.entry((to, from)).or_insert(Link { to: from, ..link });
    }
    let mut links: BTreeMap<PciAddress, Vec<Link>> = BTreeMap::new();
    for ((from, _), link) in of_pair {
        links.entry(from).or_default().push(link);
    }
    links
}

/// xGMI before PCIe, then the faster.
fn rank(link: &Link) -> (bool, Option<u64>) {
    (link.kind == LinkKind::Xgmi, link.bandwidth_bytes_per_second)
}

/// Adds a second link between the same two nodes.
fn merge_parallel(known: &mut Link, link: &Link) {
    if known.kind == link.kind {
        known.count += link.count;
        known.bandwidth_bytes_per_second = match (known.bandwidth_bytes_per_second, link.bandwidth_bytes_per_second) {
            (Some(a), Some(b)) => a.checked_add(b),
            _ => None,
        };
    } else if rank(link) > rank(known) {
        *known = link.clone();
    }
}

/// One link of the topology to another GPU's node.
fn read_link(folder: &Path, place: &BTreeMap<u64, PciAddress>) -> Option<(u64, Link)> {
    let properties = sysfs::properties(&folder.join("properties"))?;
    let kind = match *properties.get("type")? {
        XGMI => LinkKind::Xgmi,
        PCIE => LinkKind::Pcie,
        _ => return None,
    };
    let to = *properties.get("node_to")?;
    let bandwidth = properties.get("max_bandwidth").filter(|&&megabytes| megabytes > 0);
    let link = Link {
        kind,
        to: *place.get(&to)?,
        count: 1,
        bandwidth_bytes_per_second: bandwidth.and_then(|megabytes| megabytes.checked_mul(1_000_000)),
        switched: false,
    };
    Some((to, link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gfx_targets_are_the_compilers_names() {
        for (version, name) in
            [(90_402, "gfx942"), (90_010, "gfx90a"), (90_008, "gfx908"), (110_000, "gfx1100"), (120_001, "gfx1201")]
        {
            assert_eq!(gfx_target(version).as_deref(), Some(name));
        }
        for rubbish in [0, 42, 90_099, u64::MAX] {
            assert_eq!(gfx_target(rubbish), None, "{rubbish}");
        }
    }
}

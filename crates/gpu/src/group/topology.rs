//! What lies between each pair of GPUs, and which CPUs each is near: the matrix that `nvidia-smi topo -m` prints, for every vendor.
//!
//! Links between GPUs come from the inventory; the way over the PCI bus from sysfs, where a device's folder lies inside its bridge's:
//! `devices/pci0000:00/0000:00:01.0/0000:01:00.0/…`.

use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::cpus::{format_cpu_list, parse_cpu_list};
use super::pinning::Locality;
use crate::inventory::{Gpu, LinkKind, PciAddress};

/// What the words in the matrix mean; the definitions are those of `nvidia-smi topo -m`.
const LEGEND: &str = "\
Legend:
  X      the GPU itself
  NV#    # NVLinks
  XGMI#  # xGMI links
  XL#    # Xe links
  PIX    one PCIe bridge at most
  PXB    several PCIe bridges, not the host's
  PHB    a PCIe host bridge (the CPU)
  NODE   two host bridges of one NUMA node
  SYS    two NUMA nodes
  ?      not known
";

/// What a byte crosses between two GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Nothing: it is the same GPU.
    Itself,
    /// So many NVLinks.
    NvLink(u32),
    /// So many xGMI links.
    Xgmi(u32),
    /// So many Xe links.
    XeLink(u32),
    /// One PCIe bridge at most.
    Pix,
    /// Several PCIe bridges and no host bridge.
    Pxb,
    /// A PCIe host bridge.
    Phb,
    /// Two host bridges of one NUMA node.
    Node,
    /// Two NUMA nodes.
    Sys,
    /// Not known.
    Unknown,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => f.write_str("X"),
            Self::NvLink(count) => write!(f, "NV{count}"),
            Self::Xgmi(count) => write!(f, "XGMI{count}"),
            Self::XeLink(count) => write!(f, "XL{count}"),
            Self::Pix => f.write_str("PIX"),
            Self::Pxb => f.write_str("PXB"),
            Self::Phb => f.write_str("PHB"),
            Self::Node => f.write_str("NODE"),
            Self::Sys => f.write_str("SYS"),
            Self::Unknown => f.write_str("?"),
        }
    }
}

impl Serialize for Relation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The GPUs of one machine among one another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// One entry a GPU.
    pub gpus: Vec<GpuPlace>,
    /// `between[a][b]` for the GPUs' places in `gpus`.
    pub between: Vec<Vec<Relation>>,
}

/// Where one GPU sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GpuPlace {
    /// Place in `zomma gpu list`.
    pub index: usize,
    /// Place on the PCI bus.
    pub pci: Option<PciAddress>,
    /// CPUs near it.
    pub cpus: Option<Vec<u32>>,
    /// NUMA node.
    pub numa_node: Option<u32>,
}

impl Topology {
    /// Relates the GPUs; `sysfs` is where the kernel's files are, `/sys` as a rule.
    #[must_use]
    pub fn read(sysfs: &Path, gpus: &[&Gpu]) -> Self {
        let ways: Vec<Option<BusPath>> = gpus.iter().map(|gpu| BusPath::read(sysfs, gpu.pci?)).collect();
        let places: Vec<GpuPlace> = gpus
            .iter()
            .map(|gpu| {
                let locality = locality(sysfs, gpu);
                GpuPlace { index: gpu.index, pci: gpu.pci, cpus: locality.cpus, numa_node: locality.numa_node }
            })
            .collect();
        let relation = |a: usize, b: usize| {
            if a == b {
                return Relation::Itself;
            }
            let linked = linked(gpus[a], gpus[b]).or_else(|| linked(gpus[b], gpus[a]));
            linked.unwrap_or_else(|| match (&ways[a], &ways[b]) {
                (Some(way), Some(other)) => way.relation(other, [places[a].numa_node, places[b].numa_node]),
                _ => Relation::Unknown,
            })
        };
        let between = (0..gpus.len()).map(|a| (0..gpus.len()).map(|b| relation(a, b)).collect()).collect();
        Self { gpus: places, between }
    }

    /// The matrix with its legend.
    #[must_use]
    pub fn text(&self) -> String {
        let name = |gpu: &GpuPlace| format!("GPU{}", gpu.index);
        let mut rows = vec![vec![String::new()]];
        rows[0].extend(self.gpus.iter().map(name));
        rows[0].extend(["CPU affinity", "NUMA node"].map(String::from));
        for (gpu, relations) in self.gpus.iter().zip(&self.between) {
            let mut row = vec![name(gpu)];
            row.extend(relations.iter().map(Relation::to_string));
            row.push(gpu.cpus.as_deref().map_or("?".to_string(), format_cpu_list));
            row.push(gpu.numa_node.map_or("?".to_string(), |node| node.to_string()));
            rows.push(row);
        }
        let columns = self.gpus.len() + 3;
        let width = |column: usize| rows.iter().map(|row: &Vec<String>| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &rows {
            let line: String =
                row.iter().zip(&widths).fold(String::new(), |line, (cell, width)| format!("{line}{cell:<width$}  "));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text.push('\n');
        text.push_str(LEGEND);
        text
    }
}

/// CPUs and NUMA node of a GPU: what its driver said, else what sysfs says of its PCI device.
#[must_use]
pub fn locality(sysfs: &Path, gpu: &Gpu) -> Locality {
    let read = |name: &str| {
        let folder = sysfs.join("bus/pci/devices").join(gpu.pci?.to_string());
        fs::read_to_string(folder.join(name)).ok()
    };
    let cpus = || parse_cpu_list(&read("local_cpulist")?).filter(|cpus| !cpus.is_empty());
    // The kernel writes -1 where the firmware names no node, which no unsigned number takes.
    let node = || read("numa_node")?.trim().parse().ok();
    Locality { cpus: gpu.cpus.clone().or_else(cpus), numa_node: gpu.numa_node.or_else(node) }
}

/// What the first GPU's driver says of links to the second.
fn linked(gpu: &Gpu, other: &Gpu) -> Option<Relation> {
    let count = |kind: LinkKind| -> u32 {
        let links = gpu.links.iter().filter(|link| link.kind == kind && Some(link.to) == other.pci);
        links.map(|link| link.count).sum()
    };
    match [LinkKind::NvLink, LinkKind::Xgmi, LinkKind::XeLink].map(count) {
        [0, 0, 0] => None,
        [0, 0, xe] => Some(Relation::XeLink(xe)),
        [0, xgmi, _] => Some(Relation::Xgmi(xgmi)),
        [nvlink, ..] => Some(Relation::NvLink(nvlink)),
    }
}

/// The way from a device up to the CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BusPath {
    /// Host bridge, `pci0000:00`.
    host_bridge: String,
    /// Bridges from the host's down to the device, the device left out.
    bridges: Vec<String>,
}

impl BusPath {
    /// Reads the link `bus/pci/devices/<address>`, whose target spells the way.
    fn read(sysfs: &Path, address: PciAddress) -> Option<Self> {
        let target = fs::read_link(sysfs.join("bus/pci/devices").join(address.to_string())).ok()?;
        let parts: Vec<&str> = target.iter().filter_map(|part| part.to_str()).collect();
        let host = parts.iter().rposition(|part| part.starts_with("pci"))?;
        let below = parts.get(host + 1..)?;
        let (_device, bridges) = below.split_last()?;
        // Not every folder on the way is a bridge: NVMe and VMD controllers have others between.
        let bridges = bridges.iter().filter(|part| part.parse::<PciAddress>().is_ok());
        Some(Self { host_bridge: parts[host].to_string(), bridges: bridges.map(|part| (*part).to_string()).collect() })
    }

    fn relation(&self, other: &Self, nodes: [Option<u32>; 2]) -> Relation {
        if self.host_bridge != other.host_bridge {
            return match nodes {
                [Some(a), Some(b)] if a == b => Relation::Node,
                [Some(_), Some(_)] => Relation::Sys,
                _ => Relation::Unknown,
            };
        }
        let common = self.bridges.iter().zip(&other.bridges).take_while(|(a, b)| a == b).count();
        if common == 0 {
            return Relation::Phb;
        }
        // What is left on each side are the ports of switches; a switch has one on the way down.
        match self.bridges.len().max(other.bridges.len()) - common {
            0 | 1 => Relation::Pix,
            _ => Relation::Pxb,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::symlink;

    use super::super::selection::tests::gpu;
    use super::*;
    use crate::inventory::{Link, Vendor};

    /// A PCI device under `sysfs`: its way as the kernel spells it, its node and its CPUs.
    fn device(sysfs: &Path, way: &str, node: i32, cpus: &str) -> PciAddress {
        let folder = sysfs.join("devices").join(way);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("numa_node"), format!("{node}\n")).unwrap();
        fs::write(folder.join("local_cpulist"), format!("{cpus}\n")).unwrap();
        let address = way.rsplit('/').next().unwrap();
        fs::create_dir_all(sysfs.join("bus/pci/devices")).unwrap();
        symlink(format!("../../../devices/{way}"), sysfs.join("bus/pci/devices").join(address)).unwrap();
        address.parse().unwrap()
    }

    /// Two sockets, eight GPUs: on socket 0 two behind one switch, a third behind the next switch of the same root port, a fourth on
    /// another root port; on socket 1 the fifth and sixth under two host bridges, the last two wherever they are not to be found.
    fn eight_gpus(sysfs: &Path) -> Vec<Gpu> {
        let ways = [
            ("pci0000:10/0000:10:01.0/0000:11:00.0/0000:12:00.0/0000:13:00.0", 0),
            ("pci0000:10/0000:10:01.0/0000:11:00.0/0000:12:04.0/0000:14:00.0", 0),
            ("pci0000:10/0000:10:01.0/0000:11:00.0/0000:12:08.0/0000:15:00.0/0000:16:00.0/0000:17:00.0", 0),
            ("pci0000:10/0000:10:03.0/0000:20:00.0", 0),
            ("pci0000:80/0000:80:01.0/0000:81:00.0", 1),
            ("pci0000:90/0000:90:01.0/0000:91:00.0", 1),
        ];
        let mut gpus: Vec<Gpu> = (0..8).map(|index| gpu(index, Vendor::Nvidia)).collect();
        for (gpu, (way, node)) in gpus.iter_mut().zip(ways) {
            gpu.pci = Some(device(sysfs, way, node, if node == 0 { "0-55,112-167" } else { "56-111,168-223" }));
            gpu.numa_node = None;
        }
        for gpu in &mut gpus[6..] {
            gpu.numa_node = None;
        }
        gpus
    }

    fn row(topology: &Topology, gpu: usize) -> Vec<String> {
        topology.between[gpu].iter().map(Relation::to_string).collect()
    }

    #[test]
    fn the_way_between_two_gpus_is_named_as_nvidia_smi_names_it() {
        let sysfs = tempfile::tempdir().unwrap();
        let gpus = eight_gpus(sysfs.path());
        let topology = Topology::read(sysfs.path(), &gpus.iter().collect::<Vec<_>>());
        assert_eq!(row(&topology, 0), ["X", "PIX", "PXB", "PHB", "SYS", "SYS", "?", "?"]);
        assert_eq!(row(&topology, 4), ["SYS", "SYS", "SYS", "SYS", "X", "NODE", "?", "?"]);
        assert_eq!(row(&topology, 7), ["?", "?", "?", "?", "?", "?", "?", "X"]);
        for a in 0..8 {
            for b in 0..8 {
                assert_eq!(topology.between[a][b], topology.between[b][a], "{a} {b}");
            }
        }
        assert_eq!(topology.gpus[5].numa_node, Some(1));
        assert_eq!(topology.gpus[7].numa_node, None);
    }

    #[test]
    fn links_go_before_the_bus_whichever_side_tells_of_them() {
        let sysfs = tempfile::tempdir().unwrap();
        let mut gpus = eight_gpus(sysfs.path());
        let link =
            |kind, to: PciAddress, count| Link { kind, to, count, bandwidth_bytes_per_second: None, switched: false };
        let to = gpus[4].pci.unwrap();
        gpus[0].links = vec![link(LinkKind::NvLink, to, 12), link(LinkKind::NvLink, to, 6)];
        gpus[1].links = vec![link(LinkKind::Xgmi, to, 1), link(LinkKind::Pcie, gpus[2].pci.unwrap(), 1)];
        let topology = Topology::read(sysfs.path(), &gpus.iter().collect::<Vec<_>>());
        assert_eq!(row(&topology, 4)[..3], ["NV18", "XGMI1", "SYS"]);
        assert_eq!(topology.between[1][2], Relation::Pxb);
    }

    #[test]
    fn the_matrix_reads_as_a_table_with_a_legend() {
        let sysfs = tempfile::tempdir().unwrap();
        let gpus = eight_gpus(sysfs.path());
        let topology = Topology::read(sysfs.path(), &[&gpus[0], &gpus[1], &gpus[4], &gpus[6]]);
        let expected = "      \
      GPU0  GPU1  GPU4  GPU6  CPU affinity    NUMA node
GPU0  X     PIX   SYS   ?     0-55,112-167    0
GPU1  PIX   X     SYS   ?     0-55,112-167    0
GPU4  SYS   SYS   X     ?     56-111,168-223  1
GPU6  ?     ?     ?     X     ?               ?

Legend:
";
        assert!(topology.text().starts_with(expected), "{}", topology.text());
        let json = serde_json::to_value(&topology).unwrap();
        assert_eq!(json["between"][0][1], "PIX");
        assert_eq!(json["gpus"][2]["pci"], "0000:81:00.0");
    }
}

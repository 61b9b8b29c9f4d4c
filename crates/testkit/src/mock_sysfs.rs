//! Trees of sysfs for machines that a test does not run on, in the layout that the kernel documents: PCI devices, DRM cards, KFD's
//! topology and the files of amdgpu, i915 and xe.
//!
//! Sources: Documentation/ABI/testing/sysfs-bus-pci; `kfd_topology.c`, `amdgpu_ras.c` and `amdgpu_gfx.c` of the kernel for the files of
//! AMD; `xe_tile_sysfs.c` and Intel's compute runtime for those of Intel. Values are those that such hardware shows.

use std::fmt::Display;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A tree, gone when dropped.
#[derive(Debug)]
pub struct Sysfs {
    folder: TempDir,
}

/// A PCI device as a test describes it.
#[derive(Clone, Copy, Debug)]
pub struct PciDevice<'a> {
    /// `0000:0c:00.0`.
    pub address: &'a str,
    /// Vendor and device number.
    pub ids: (u16, u16),
    /// Class, such as `0x030000`.
    pub class: u32,
    /// Kernel driver.
    pub driver: &'a str,
    /// NUMA node; -1 where there is none.
    pub numa_node: i32,
    /// `0-47,96-143`.
    pub cpus: &'a str,
}

/// Places of the eight GPUs of an MI300X platform.
const MI300X: [&str; 8] = [
    "0000:0c:00.0",
    "0000:22:00.0",
    "0000:38:00.0",
    "0000:5c:00.0",
    "0000:9f:00.0",
    "0000:af:00.0",
    "0000:bf:00.0",
    "0000:df:00.0",
];

/// Bytes that an MI300X shows.
const MI300X_BYTES: u64 = 206_141_652_992;

impl Default for Sysfs {
    fn default() -> Self {
        Self::new()
    }
}

impl Sysfs {
    /// A tree with the folders of a machine that has no GPU.
    ///
    /// # Panics
    ///
    /// As every method here, where the temporary folder cannot be written.
    pub fn new() -> Self {
        let tree = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        tree.directory("bus/pci/devices");
        tree.directory("module");
        tree
    }

    /// The root, to give to a program as its sysfs.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and the folders above it.
    pub fn file(&self, path: impl AsRef<Path>, text: impl Display) -> &Self {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a path below the root")).expect("the temporary folder is ours");
        std::fs::write(path, format!("{text}\n")).expect("the temporary folder is ours");
        self
    }

    /// Makes a folder, and those above it.
    pub fn directory(&self, path: impl AsRef<Path>) -> &Self {
        std::fs::create_dir_all(self.root().join(path)).expect("the temporary folder is ours");
        self
    }

    /// Makes a link, and the folders above it.
    pub fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> &Self {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a path below the root")).expect("the temporary folder is ours");
        symlink(target, path).expect("the temporary folder is ours");
        self
    }

    /// Adds a PCI device; gives its folder below the root.
    pub fn pci(&self, device: &PciDevice<'_>) -> PathBuf {
        let &PciDevice { address, ids: (vendor, model), class, driver, numa_node, cpus } = device;
        let folder = PathBuf::from(format!("devices/pci0000:00/{address}"));
        self.file(folder.join("vendor"), format_args!("0x{vendor:04x}"));
        self.file(folder.join("device"), format_args!("0x{model:04x}"));
        self.file(folder.join("class"), format_args!("0x{class:06x}"));
        self.file(folder.join("numa_node"), numa_node).file(folder.join("local_cpulist"), cpus);
        let alias = format!("pci:v{vendor:08X}d{model:08X}sv00001002sd000074A1bc{:02X}sc00i00", class >> 16);
        self.file(folder.join("modalias"), &alias);
        let uevent =
            format!("DRIVER={driver}\nPCI_CLASS={class:X}\nPCI_ID={vendor:04X}:{model:04X}\nPCI_SLOT_NAME={address}");
        self.file(folder.join("uevent"), uevent);
        self.directory(format!("bus/pci/drivers/{driver}"));
        self.link(folder.join("driver"), format!("../../../bus/pci/drivers/{driver}"));
        self.link(format!("bus/pci/devices/{address}"), format!("../../../{}", folder.display()));
        folder
    }

    /// Adds a card of the DRM subsystem to a device's folder; gives the card's folder below the root.
    pub fn card(&self, number: usize, device: &Path) -> PathBuf {
        let card = device.join(format!("drm/card{number}"));
        self.file(card.join("dev"), format_args!("226:{number}"));
        self.file(
            card.join("uevent"),
            format_args!("MAJOR=226\nMINOR={number}\nDEVNAME=dri/card{number}\nDEVTYPE=drm_minor"),
        );
        self.link(card.join("device"), "../..");
        self.link(format!("class/drm/card{number}"), format!("../../{}", card.display()));
        card
    }

    /// MI300Xs of one platform, at most 8, joined by xGMI each with each, whole (SPX).
    pub fn mi300x(count: usize) -> Self {
        Self::instinct(count, 1, "SPX")
    }

    /// As [`mi300x`](Self::mi300x), each cut into its eight compute dies (CPX).
    pub fn mi300x_cpx(count: usize) -> Self {
        Self::instinct(count, 8, "CPX")
    }

    fn instinct(count: usize, partitions: usize, mode: &str) -> Self {
        let tree = Self::new();
        tree.file("module/amdgpu/version", "6.12.12").file("class/kfd/kfd/topology/generation_id", 1);
        for processor in 0..2 {
            let node = PathBuf::from(format!("class/kfd/kfd/topology/nodes/{processor}"));
            tree.file(node.join("gpu_id"), 0).file(node.join("name"), "");
            tree.file(
                node.join("properties"),
                "cpu_cores_count 96\nsimd_count 0\nmem_banks_count 1\nio_links_count 1\nlocation_id 0",
            );
        }
        for (gpu, &address) in MI300X.iter().enumerate().take(count) {
            let near = gpu * 2 / 8.max(count);
            let folder = tree.pci(&PciDevice {
                address,
                ids: (0x1002, 0x74a1),
                class: 0x12_0000,
                driver: "amdgpu",
                numa_node: i32::try_from(near).unwrap_or(-1),
                cpus: if near == 0 { "0-47,96-143" } else { "48-95,144-191" },
            });
            tree.card(gpu, &folder);
            tree.file(folder.join("mem_info_vram_total"), MI300X_BYTES)
                .file(folder.join("mem_info_vram_used"), 297_000_000);
            tree.file(folder.join("product_name"), "AMD Instinct MI300X OAM")
                .file(folder.join("product_number"), "102-G30211-00");
            tree.file(folder.join("unique_id"), format_args!("{:016x}", unique_id(gpu)));
            tree.file(folder.join("current_compute_partition"), mode);
            tree.file(folder.join("available_compute_partition"), "SPX, DPX, QPX, CPX");
            tree.file(folder.join("current_memory_partition"), "NPS1");
            tree.file(folder.join("ras/features"), "feature mask: 0x1fff")
                .file(folder.join("ras/umc_err_count"), "ue: 0\nce: 0");
            tree.file(folder.join("xgmi_device_id"), 0x1000 + gpu);
            for partition in 0..partitions {
                tree.kfd_node(gpu, partition, (count, partitions), address);
                if partition > 0 {
                    let number = count + gpu * 8 + partition;
                    tree.card(number, Path::new(&format!("devices/platform/amdgpu_xcp_{number}")));
                }
            }
        }
        tree
    }

    /// One node of KFD's topology: a GPU, or one partition of it, with links to all nodes of the other GPUs and to its processor.
    fn kfd_node(&self, gpu: usize, partition: usize, (count, partitions): (usize, usize), address: &str) {
        let number_of = |gpu: usize, partition: usize| 2 + gpu * partitions + partition;
        let number = number_of(gpu, partition);
        let node = PathBuf::from(format!("class/kfd/kfd/topology/nodes/{number}"));
        let bus = u64::from_str_radix(&address[5..7], 16).expect("an address of this file");
        let location = (partition as u64) << 28 | bus << 8;
        let others: Vec<usize> = (0..count)
            .filter(|&other| other != gpu)
            .flat_map(|other| (0..partitions).map(move |p| number_of(other, p)))
            .collect();
        self.file(node.join("gpu_id"), 40_000 + number).file(node.join("name"), "ip discovery");
        let fixed = "cpu_cores_count 0\nmem_banks_count 1\ncaches_count 206\np2p_links_count 0\ncpu_core_id_base 0\n\
                     simd_id_base 2147487744\nmax_waves_per_simd 8\nlds_size_in_kb 64\ngds_size_in_kb 0\nnum_gws 64\n\
                     wave_front_size 64\nsimd_arrays_per_engine 1\ncu_per_simd_array 10\nsimd_per_cu 4\nmax_slots_scratch_cu 32\n\
                     gfx_target_version 90402\nvendor_id 4098\ndevice_id 29857\ndomain 0\nnum_sdma_queues_per_engine 8\n\
                     num_cp_queues 24\nmax_engine_clk_fcompute 2100\nlocal_mem_size 0\nfw_version 177\ncapability 759071360\n\
                     debug_prop 1511\nsdma_fw_version 22\nmax_engine_clk_ccompute 2400";
        let own = format!(
            "simd_count {}\nio_links_count {}\narray_count {}\nlocation_id {location}\ndrm_render_minor {}\nhive_id 12345678901\n\
             unique_id {}\nnum_xcc {}",
            1216 / partitions,
            others.len() + 1,
            32 / partitions,
            128 + number,
            unique_id(gpu),
            8 / partitions,
        );
        self.file(node.join("properties"), format_args!("{fixed}\n{own}"));
        let bytes = MI300X_BYTES / partitions as u64;
        let bank = format!("heap_type 1\nsize_in_bytes {bytes}\nflags 0\nwidth 8192\nmem_clk_max 1300");
        self.file(node.join("mem_banks/0/properties"), bank);
        let link = |place: usize, kind: u32, to: usize, megabytes: u32| {
            let text = format!(
                "type {kind}\nversion_major 0\nversion_minor 0\nnode_from {number}\nnode_to {to}\nweight 15\nmin_latency 0\n\
                 max_latency 0\nmin_bandwidth {megabytes}\nmax_bandwidth {megabytes}\nrecommended_transfer_size 0\nflags 1"
            );
            self.file(node.join(format!("io_links/{place}/properties")), text);
        };
        link(0, 2, gpu * 2 / 8.max(count), 64_000);
        for (place, &other) in others.iter().enumerate() {
            link(place + 1, 11, other, 64_000);
        }
    }

    /// An Arc A770 under i915, of the build that shows the card's memory.
    pub fn arc_a770() -> Self {
        let tree = Self::new();
        let folder = tree.pci(&intel("0000:03:00.0", 0x56a0, 0x03_0000, "i915"));
        let card = tree.card(0, &folder);
        tree.file(card.join("lmem_total_bytes"), 17_079_205_888_u64);
        tree.file(card.join("gt/gt0/rps_max_freq_mhz"), 2400).file(card.join("gt/gt0/rps_act_freq_mhz"), 0);
        tree
    }

    /// An Arc B580 under xe.
    pub fn arc_b580() -> Self {
        let tree = Self::new();
        let folder = tree.pci(&intel("0000:04:00.0", 0xe20b, 0x03_0000, "xe"));
        tree.card(0, &folder);
        tree.file(folder.join("tile0/physical_vram_size_bytes"), 12_884_901_888_u64);
        tree.file(folder.join("tile0/gt0/freq0/max_freq"), 2850).file(folder.join("tile0/gt1/freq0/max_freq"), 1200);
        tree
    }

    /// A Data Center GPU Max 1550 under xe: two tiles.
    pub fn max_1550() -> Self {
        let tree = Self::new();
        let folder = tree.pci(&intel("0000:29:00.0", 0x0bd5, 0x03_8000, "xe"));
        tree.card(0, &folder);
        for tile in 0..2 {
            tree.file(folder.join(format!("tile{tile}/physical_vram_size_bytes")), 68_719_476_736_u64);
            tree.file(folder.join(format!("tile{tile}/gt{tile}/freq0/max_freq")), 1600);
        }
        tree
    }
}

fn intel(address: &'static str, model: u16, class: u32, driver: &'static str) -> PciDevice<'static> {
    PciDevice { address, ids: (0x8086, model), class, driver, numa_node: 0, cpus: "0-15" }
}

fn unique_id(gpu: usize) -> u64 {
    0x5ee8_1a2b_3c4d_0000 + gpu as u64
}

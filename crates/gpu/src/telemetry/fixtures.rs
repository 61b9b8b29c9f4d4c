//! Trees of `/sys` for the tests of this module, by the kernel's documented layout.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

/// Files by path under the root; a value that begins with `->` is a link.
pub(crate) type Tree = &'static [(&'static str, &'static str)];

/// Writes a tree.
pub(crate) fn tree(files: Tree) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    add(root.path(), files);
    root
}

/// Writes a tree into a root that is there.
pub(crate) fn add(root: &Path, files: Tree) {
    for (path, value) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match value.strip_prefix("->") {
            Some(target) => symlink(target, path).unwrap(),
            None => fs::write(path, format!("{value}\n")).unwrap(),
        }
    }
}

pub(crate) const MI300X: Tree = &[
    ("bus/pci/devices/0000:05:00.0/vendor", "0x1002"),
    ("bus/pci/devices/0000:05:00.0/device", "0x74a1"),
    ("bus/pci/devices/0000:05:00.0/class", "0x120000"),
    ("bus/pci/devices/0000:05:00.0/driver", "->../../../../bus/pci/drivers/amdgpu"),
    ("bus/pci/devices/0000:05:00.0/unique_id", "0x8a1c3e5f70924b6d"),
    ("bus/pci/devices/0000:05:00.0/product_name", "AMD Instinct MI300X OAM"),
    ("bus/pci/devices/0000:05:00.0/gpu_busy_percent", "42"),
    ("bus/pci/devices/0000:05:00.0/mem_busy_percent", "7"),
    ("bus/pci/devices/0000:05:00.0/mem_info_vram_total", "206141652992"),
    ("bus/pci/devices/0000:05:00.0/mem_info_vram_used", "297385984"),
    ("bus/pci/devices/0000:05:00.0/current_link_speed", "32.0 GT/s PCIe"),
    ("bus/pci/devices/0000:05:00.0/current_link_width", "16"),
    ("bus/pci/devices/0000:05:00.0/pcie_replay_count", "0"),
    ("bus/pci/devices/0000:05:00.0/drm/card1/dev", "226:1"),
    ("bus/pci/devices/0000:05:00.0/drm/renderD129/dev", "226:129"),
    ("bus/pci/devices/0000:05:00.0/ras/features", "feature mask: 0x1f"),
    ("bus/pci/devices/0000:05:00.0/ras/umc_err_count", "ue: 0\nce: 3"),
    ("bus/pci/devices/0000:05:00.0/ras/gfx_err_count", "ue: 1\nce: 2"),
    (
        "bus/pci/devices/0000:05:00.0/ras/gpu_vram_bad_pages",
        "0x00000001 : 0x00001000 : R\n0x00000002 : 0x00001000 : R\n0x00000003 : 0x00001000 : P",
    ),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/name", "amdgpu"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/temp1_input", "45000"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/temp1_label", "edge"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/temp2_input", "48000"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/temp2_label", "junction"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/temp2_crit", "100000"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/temp2_emergency", "105000"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/temp3_input", "41000"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/temp3_label", "mem"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/power1_input", "141000000"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/power1_cap", "750000000"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/freq1_input", "132000000"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/freq1_label", "sclk"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/freq2_input", "900000000"),
    ("bus/pci/devices/0000:05:00.0/hwmon/hwmon4/freq2_label", "mclk"),
];

pub(crate) const PVC_XE: Tree = &[
    ("bus/pci/devices/0000:29:00.0/vendor", "0x8086"),
    ("bus/pci/devices/0000:29:00.0/device", "0x0bd5"),
    ("bus/pci/devices/0000:29:00.0/class", "0x038000"),
    ("bus/pci/devices/0000:29:00.0/driver", "->../../../../bus/pci/drivers/xe"),
    ("bus/pci/devices/0000:29:00.0/current_link_speed", "32.0 GT/s PCIe"),
    ("bus/pci/devices/0000:29:00.0/current_link_width", "16"),
    ("bus/pci/devices/0000:29:00.0/drm/card0/dev", "226:0"),
    ("bus/pci/devices/0000:29:00.0/tile0/physical_vram_size_bytes", "68719476736"),
    ("bus/pci/devices/0000:29:00.0/tile1/physical_vram_size_bytes", "68719476736"),
    ("bus/pci/devices/0000:29:00.0/tile0/gt0/freq0/act_freq", "1600"),
    ("bus/pci/devices/0000:29:00.0/hwmon/hwmon2/name", "xe"),
    ("bus/pci/devices/0000:29:00.0/hwmon/hwmon2/energy1_input", "1234500000"),
    ("bus/pci/devices/0000:29:00.0/hwmon/hwmon2/power1_max", "600000000"),
    ("bus/pci/devices/0000:29:00.0/hwmon/hwmon2/temp2_label", "pkg"),
    ("bus/pci/devices/0000:29:00.0/hwmon/hwmon2/temp2_input", "39000"),
    ("bus/pci/devices/0000:29:00.0/hwmon/hwmon2/temp3_label", "vram"),
    ("bus/pci/devices/0000:29:00.0/hwmon/hwmon2/temp3_input", "36000"),
];

pub(crate) const ARC_I915: Tree = &[
    ("bus/pci/devices/0000:00:1f.0/vendor", "0x8086"),
    ("bus/pci/devices/0000:00:1f.0/class", "0x060100"),
    ("bus/pci/devices/0000:04:00.0/vendor", "0x8086"),
    ("bus/pci/devices/0000:04:00.0/class", "0x040300"),
    ("bus/pci/devices/0000:03:00.0/vendor", "0x8086"),
    ("bus/pci/devices/0000:03:00.0/device", "0x56a0"),
    ("bus/pci/devices/0000:03:00.0/class", "0x030000"),
    ("bus/pci/devices/0000:03:00.0/driver", "->../../../../bus/pci/drivers/i915"),
    ("bus/pci/devices/0000:03:00.0/drm/card0/dev", "226:0"),
    ("bus/pci/devices/0000:03:00.0/drm/card0/gt/gt0/rps_act_freq_mhz", "600"),
    ("bus/pci/devices/0000:03:00.0/hwmon/hwmon1/name", "i915"),
    ("bus/pci/devices/0000:03:00.0/hwmon/hwmon1/energy1_input", "987654321"),
    ("bus/pci/devices/0000:03:00.0/hwmon/hwmon1/power1_max", "190000000"),
];

/// A GPU that NVIDIA's kernel module has, and that NVML may not know.
pub(crate) const NVIDIA_BOUND: Tree = &[
    ("bus/pci/devices/0000:3b:00.0/vendor", "0x10de"),
    ("bus/pci/devices/0000:3b:00.0/class", "0x030200"),
    ("bus/pci/devices/0000:3b:00.0/driver", "->../../../../bus/pci/drivers/nvidia"),
    ("module/nvidia/version", "570.86.15"),
];

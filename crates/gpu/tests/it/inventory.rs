//! The inventory of machines that the tests do not run on: trees of sysfs, the mock NVML, and every file of them broken in every way.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use zomma_gpu::inventory::{Gpu, Inventory, LinkKind, Sources, Vendor};
use zomma_testkit::mock_nvml::{self, Mock, Scenario};
use zomma_testkit::mock_sysfs::{PciDevice, Sysfs};

const MIB: u64 = 1 << 20;

/// Nothing but this tree and this library.
fn sources(sysfs: &Path, nvml: &Path) -> Sources {
    Sources {
        sysfs: sysfs.into(),
        nvml: nvml.into(),
        amd_smi: Vec::new(),
        level_zero: "libze_loader.so.none".into(),
        drivers: false,
        limit: Duration::from_secs(60),
    }
}

fn of_sysfs(tree: &Sysfs) -> Inventory {
    Inventory::take(&sources(tree.root(), Path::new("libnvidia-ml.so.none")))
}

fn of_nvml(mock: &Mock) -> Inventory {
    Inventory::take(&sources(Path::new("no/such/sysfs"), &mock.library()))
}

fn places(inventory: &Inventory) -> Vec<String> {
    inventory.gpus.iter().filter_map(|gpu| Some(gpu.pci?.to_string())).collect()
}

#[test]
fn eight_mi300x_with_their_xgmi_mesh() {
    let found = of_sysfs(&Sysfs::mi300x(8));
    assert_eq!((found.gpus.len(), found.notes.len()), (8, 0), "{:?}", found.notes);
    for (index, gpu) in found.gpus.iter().enumerate() {
        assert_eq!((gpu.index, gpu.vendor, gpu.ecc), (index, Vendor::Amd, Some(true)));
        assert_eq!(gpu.name.as_deref(), Some("AMD Instinct MI300X OAM"));
        assert_eq!(gpu.uuid.clone(), Some(format!("GPU-5ee81a2b3c4d000{index}")));
        assert_eq!((gpu.pci_id.as_deref(), gpu.architecture.as_deref()), (Some("1002:74a1"), Some("gfx942")));
        assert_eq!((gpu.memory_bytes, gpu.multiprocessors), (Some(196_592 * MIB), Some(304)));
        assert_eq!((gpu.numa_node, gpu.cpus.as_ref().map(Vec::len)), (Some(u32::from(index >= 4)), Some(96)));
        let driver = gpu.driver.clone().unwrap();
        assert_eq!((driver.name.as_str(), driver.version.as_deref()), ("amdgpu", Some("6.12.12")));
        assert!(gpu.partitions.is_empty());
        let to: BTreeSet<_> = gpu.links.iter().map(|link| link.to).collect();
        assert_eq!((gpu.links.len(), to.len(), to.contains(&gpu.pci.unwrap())), (7, 7, false));
        for link in &gpu.links {
            assert_eq!((link.kind, link.count, link.switched), (LinkKind::Xgmi, 1, false));
            assert_eq!(link.bandwidth_bytes_per_second, Some(64_000_000_000));
        }
    }
}

#[test]
fn a_partitioned_mi300x_is_one_gpu_with_eight_partitions() {
    let found = of_sysfs(&Sysfs::mi300x_cpx(2));
    assert_eq!(places(&found), ["0000:0c:00.0", "0000:22:00.0"]);
    let gpu = &found.gpus[1];
    assert_eq!((gpu.memory_bytes, gpu.multiprocessors, gpu.partitions.len()), (Some(196_592 * MIB), Some(304), 8));
    for partition in &gpu.partitions {
        assert_eq!((partition.profile.as_str(), partition.multiprocessors), ("CPX", Some(38)));
        assert_eq!(partition.memory_bytes, Some(24_574 * MIB));
    }
    // The 64 links between the partitions of both are one link between the GPUs.
    assert_eq!((gpu.links.len(), gpu.links[0].count, gpu.links[0].to), (1, 1, found.gpus[0].pci.unwrap()));
}

#[test]
fn arc_and_data_center_gpus_of_intel() {
    let described = |tree: &Sysfs| {
        let found = of_sysfs(tree);
        assert_eq!(found.gpus.len(), 1);
        found.gpus.into_iter().next().unwrap()
    };
    let a770 = described(&Sysfs::arc_a770());
    assert_eq!(
        (a770.vendor, a770.name.as_deref(), a770.multiprocessors),
        (Vendor::Intel, Some("Intel Arc A770"), Some(32))
    );
    assert_eq!((a770.memory_bytes, a770.driver.unwrap().name.as_str()), (Some(17_079_205_888), "i915"));
    let b580 = described(&Sysfs::arc_b580());
    assert_eq!(
        (b580.name.as_deref(), b580.multiprocessors, b580.partitions.len()),
        (Some("Intel Arc B580"), Some(20), 0)
    );
    assert_eq!((b580.memory_bytes, b580.driver.unwrap().name.as_str()), (Some(12 << 30), "xe"));
    let max = described(&Sysfs::max_1550());
    assert_eq!((max.name.as_deref(), max.memory_bytes), (Some("Intel Data Center GPU Max 1550"), Some(128 << 30)));
    let tiles: Vec<_> =
        max.partitions.iter().map(|tile| (tile.profile.as_str(), tile.memory_bytes, tile.multiprocessors)).collect();
    assert_eq!(tiles, [("tile 0", Some(64 << 30), Some(64)), ("tile 1", Some(64 << 30), Some(64))]);
}

#[test]
fn other_cards_are_listed_and_what_is_no_gpu_is_not() {
    let tree = Sysfs::new();
    let device = |address, ids, class, driver| PciDevice { address, ids, class, driver, numa_node: -1, cpus: "0-3" };
    tree.pci(&device("0000:00:0b.0", (0x8086, 0x7d1d), 0x12_0000, "intel_vpu"));
    tree.pci(&device("0000:01:00.0", (0x8086, 0x1572), 0x02_0000, "i40e"));
    let board = tree.pci(&device("0000:05:00.0", (0x1a03, 0x2000), 0x03_0000, "ast"));
    tree.card(0, &board);
    tree.pci(&device("0000:3b:00.0", (0x10de, 0x2335), 0x03_0200, "vfio-pci"));
    tree.card(1, Path::new("devices/platform/mali"));
    tree.link("devices/platform/mali/driver", "../../../bus/platform/drivers/panfrost");
    let found = of_sysfs(&tree);
    let listed: Vec<_> = found
        .gpus
        .iter()
        .map(|gpu| (gpu.vendor, gpu.pci_id.as_deref(), gpu.driver.as_ref().unwrap().name.as_str(), gpu.numa_node))
        .collect();
    assert_eq!(
        listed,
        [
            (Vendor::Other, Some("1a03:2000"), "ast", None),
            (Vendor::Nvidia, Some("10de:2335"), "vfio-pci", None),
            (Vendor::Other, None, "panfrost", None),
        ]
    );
    // An NVIDIA GPU makes the missing library worth a word.
    assert_eq!(found.notes, ["NVML: libnvidia-ml.so.1 not found"]);
    let words = found.gpus[1].back_ends[0].why_not.clone().unwrap();
    assert!(words.contains("bound to vfio-pci"), "{words}");
}

#[test]
fn a_machine_without_a_gpu_has_an_empty_list() {
    let found = of_sysfs(&Sysfs::new());
    assert_eq!((found.gpus.len(), found.notes), (0, vec!["NVML: libnvidia-ml.so.1 not found".to_owned()]));
}

/// How a file may be broken.
const DAMAGES: [&str; 5] = ["removed", "empty", "rubbish", "a directory", "a loop of links"];

fn damage(path: &Path, how: &str) {
    if path.symlink_metadata().unwrap().is_dir() {
        return;
    }
    fs::remove_file(path).unwrap();
    match how {
        "empty" => fs::write(path, "").unwrap(),
        "rubbish" => fs::write(path, b"\xff\x00rubbish -1 0xzz\n99999999999999999999999").unwrap(),
        "a directory" => fs::create_dir(path).unwrap(),
        "a loop of links" => symlink(path.file_name().unwrap(), path).unwrap(),
        _ => {}
    }
}

/// What stood at a path, to put it back.
enum Kept {
    Text(Vec<u8>),
    Link(PathBuf),
}

fn keep(path: &Path) -> Kept {
    fs::read_link(path).map_or_else(|_| Kept::Text(fs::read(path).unwrap()), Kept::Link)
}

fn restore(path: &Path, kept: &Kept) {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir(path).unwrap();
    } else {
        let _ = fs::remove_file(path);
    }
    match kept {
        Kept::Text(bytes) => fs::write(path, bytes).unwrap(),
        Kept::Link(target) => symlink(target, path).unwrap(),
    }
}

/// Files and links of a tree; links are not followed.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn as_json(gpu: &Gpu) -> serde_json::Map<String, Value> {
    match serde_json::to_value(gpu).unwrap() {
        Value::Object(fields) => fields,
        other => panic!("{other}"),
    }
}

/// The fields in which a GPU differs from what it was; a value may be absent, or fewer, but never another one.
fn lost(was: &Gpu, is: &Gpu, context: &str) -> BTreeSet<String> {
    let (was, is) = (as_json(was), as_json(is));
    let mut lost = BTreeSet::new();
    for (field, before) in &was {
        let after = &is[field];
        if before == after {
            continue;
        }
        let fewer = match (before, after) {
            (Value::Array(before), Value::Array(after)) if field == "links" => {
                // What joins two GPUs may be known, and its speed not.
                let unmeasured = |link: &Value, was: &Value| {
                    link["bandwidth_bytes_per_second"].is_null()
                        && was["to"] == link["to"]
                        && was["kind"] == link["kind"]
                };
                after.iter().all(|link| before.iter().any(|was| was == link || unmeasured(link, was)))
            }
            (Value::Array(before), Value::Array(after)) => after.len() <= before.len(),
            // The name of the model stands in for the name of the product.
            (Value::String(before), Value::String(after)) if field == "name" => before.starts_with(after),
            (Value::Object(_), Value::Object(_)) => before["name"] == after["name"] && after["version"].is_null(),
            (_, Value::Null) => true,
            _ => false,
        };
        assert!(fewer, "{context}: {field} was {before} and is {after}");
        lost.insert(field.clone());
    }
    lost
}

/// Breaks every file and link in every way: each GPU is still listed, and no more is lost than what the file alone says.
fn break_everything(tree: &Sysfs) {
    let whole = of_sysfs(tree);
    assert!(!whole.gpus.is_empty());
    for path in files(tree.root()) {
        let kept = keep(&path);
        for how in DAMAGES {
            let context = format!("{} {how}", path.strip_prefix(tree.root()).unwrap().display());
            damage(&path, how);
            let broken = of_sysfs(tree);
            restore(&path, &kept);
            assert_eq!(places(&broken), places(&whole), "{context}");
            assert_eq!(broken.gpus.len(), whole.gpus.len(), "{context}");
            let of_node = context.contains("/nodes/") && path.ends_with("properties");
            for (was, is) in whole.gpus.iter().zip(&broken.gpus) {
                let lost = lost(was, is, &context);
                // A tile's memory is a part of the whole.
                let most = if of_node { 4 } else { 1 + usize::from(context.contains("/tile")) };
                assert!(lost.len() <= most, "{context}: {} lost {lost:?}", was.pci.unwrap());
            }
        }
    }
    assert_eq!(of_sysfs(tree), whole, "the tree was put back");
}

#[test]
fn no_broken_file_hides_an_mi300x() {
    break_everything(&Sysfs::mi300x(8));
}

#[test]
fn no_broken_file_hides_a_partitioned_mi300x() {
    break_everything(&Sysfs::mi300x_cpx(2));
    // Alone it has no other of its kind to compare with.
    break_everything(&Sysfs::mi300x_cpx(1));
}

#[test]
fn no_broken_file_hides_an_intel_gpu() {
    for tree in [Sysfs::arc_a770(), Sysfs::arc_b580(), Sysfs::max_1550()] {
        break_everything(&tree);
    }
}

#[test]
fn no_missing_folder_hides_a_gpu_that_another_shows() {
    for folder in ["bus", "class/drm", "class/kfd", "module"] {
        let tree = Sysfs::mi300x(8);
        fs::remove_dir_all(tree.root().join(folder)).unwrap();
        assert_eq!(places(&of_sysfs(&tree)).len(), 8, "{folder}");
    }
    let tree = Sysfs::mi300x(8);
    fs::remove_dir_all(tree.root().join("class/kfd")).unwrap();
    let found = of_sysfs(&tree);
    assert_eq!((found.notes.len(), found.gpus[0].memory_bytes), (8, Some(196_592 * MIB)));
    assert!(found.notes[0].contains("0000:0c:00.0: not in KFD's topology"), "{}", found.notes[0]);
}

#[test]
fn a_tree_that_changes_while_it_is_read_gives_a_list_each_time() {
    let tree = Sysfs::mi300x(4);
    let changing: Vec<PathBuf> = files(tree.root()).into_iter().filter(|path| path.ends_with("properties")).collect();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for path in changing.iter().cycle() {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                let kept = keep(path);
                damage(path, "removed");
                restore(path, &kept);
            }
        });
        for _ in 0..50 {
            assert_eq!(places(&of_sysfs(&tree)).len(), 4);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn eight_h200_through_switches() {
    let Some(mock) = Mock::new(&Scenario::h200(8)) else { return };
    let found = of_nvml(&mock);
    assert_eq!((found.gpus.len(), found.notes.len()), (8, 0), "{:?}", found.notes);
    let gpu = &found.gpus[4];
    assert_eq!((gpu.vendor, gpu.name.as_deref(), gpu.ecc), (Vendor::Nvidia, Some("NVIDIA H200"), Some(true)));
    assert_eq!(gpu.uuid.as_deref(), Some("GPU-5a1c0de0-0000-4000-8000-000000000004"));
    assert_eq!((gpu.pci.unwrap().to_string().as_str(), gpu.pci_id.as_deref()), ("0000:9b:00.0", Some("10de:2335")));
    assert_eq!((gpu.memory_bytes, gpu.architecture.as_deref()), (Some(143_771 * MIB), Some("9.0")));
    assert_eq!((gpu.multiprocessors, gpu.numa_node), (Some(132), Some(1)));
    assert_eq!(gpu.cpus.as_ref().map(|cpus| (cpus[0], cpus[95], cpus.len())), Some((48, 191, 96)));
    assert_eq!(gpu.driver.as_ref().unwrap().version.as_deref(), Some("570.124.06"));
    assert_eq!(gpu.links.len(), 7);
    for link in &gpu.links {
        assert_eq!((link.kind, link.count, link.switched), (LinkKind::NvLink, 18, true));
        assert_eq!(link.bandwidth_bytes_per_second, Some(18 * 26_562_000_000));
    }
}

#[test]
fn direct_nvlinks_are_counted_by_pair_and_mig_devices_listed() {
    let mut scenario = Scenario::h200(4);
    scenario.nvlink_mesh(6).mig(1, &["1g.18gb", "3g.71gb"]).device(0, "nvlink.0.active", 0);
    let Some(mock) = Mock::new(&scenario) else { return };
    let found = of_nvml(&mock);
    let links: Vec<_> = found.gpus[0].links.iter().map(|link| (link.to.bus, link.count, link.switched)).collect();
    assert_eq!(links, [(0x3b, 5, false), (0x4c, 6, false), (0x5d, 6, false)]);
    let slices: Vec<_> = found.gpus[1]
        .partitions
        .iter()
        .map(|slice| (slice.profile.as_str(), slice.memory_bytes, slice.multiprocessors))
        .collect();
    assert_eq!(slices, [("1g.18gb", Some(18 << 30), Some(16)), ("3g.71gb", Some(71 << 30), Some(48))]);
    assert!(found.gpus[1].partitions[0].uuid.as_deref().unwrap().starts_with("MIG-"));
    assert!(found.gpus[0].partitions.is_empty());
}

/// Every function that detection calls for one GPU.
const CALLS: &[&str] = &[
    "nvmlSystemGetDriverVersion",
    "nvmlDeviceGetName",
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetCudaComputeCapability",
    "nvmlDeviceGetAttributes_v2",
    "nvmlDeviceGetEccMode",
    "nvmlDeviceGetMemoryAffinity",
    "nvmlDeviceGetCpuAffinity",
    "nvmlDeviceGetMigMode",
    "nvmlDeviceGetNvLinkState",
    "nvmlDeviceGetNvLinkRemotePciInfo_v2",
    "nvmlDeviceGetNvLinkRemoteDeviceType",
    "nvmlDeviceGetFieldValues",
];

#[test]
fn no_failing_call_hides_an_nvidia_gpu_or_more_than_its_own_value() {
    let scenario = Scenario::h200(2);
    let Some(mock) = Mock::new(&scenario) else { return };
    let whole = of_nvml(&mock);
    for call in CALLS {
        for code in [mock_nvml::NOT_SUPPORTED, mock_nvml::GPU_IS_LOST, mock_nvml::UNKNOWN] {
            mock.replace(scenario.clone().fault(call, code));
            let broken = of_nvml(&mock);
            assert_eq!(broken.gpus.len(), 2, "{call}");
            if *call == "nvmlDeviceGetPciInfo_v3" {
                // Without places links cannot be told, and NVML's own order stays.
                assert!(broken.gpus.iter().all(|gpu| gpu.links.is_empty() && gpu.name.is_some()));
                assert_eq!(broken.notes.len(), 2, "{:?}", broken.notes);
                continue;
            }
            for (was, is) in whole.gpus.iter().zip(&broken.gpus) {
                let lost = lost(was, is, call);
                // Multiprocessors then follow from the cores.
                let most = usize::from(*call != "nvmlDeviceGetAttributes_v2");
                assert!(lost.len() <= most, "{call}: {lost:?}");
            }
        }
    }
}

#[test]
fn one_failing_handle_leaves_the_other_gpus_and_the_bus_still_shows_it() {
    let mut scenario = Scenario::h200(4);
    let Some(mock) = Mock::new(scenario.fault_on("nvmlDeviceGetHandleByIndex_v2", 2, mock_nvml::GPU_IS_LOST)) else {
        return;
    };
    let tree = Sysfs::new();
    let on_bus = PciDevice {
        address: "0000:4c:00.0",
        ids: (0x10de, 0x2335),
        class: 0x03_0200,
        driver: "nvidia",
        numa_node: 0,
        cpus: "0-47,96-143",
    };
    tree.pci(&on_bus);
    let found = Inventory::take(&sources(tree.root(), &mock.library()));
    let named: Vec<bool> = found.gpus.iter().filter(|gpu| gpu.pci.is_some()).map(|gpu| gpu.name.is_some()).collect();
    assert_eq!(named, [true, true, false, true]);
    assert!(
        found.notes[0].starts_with("NVIDIA GPU 2: NVML: nvmlDeviceGetPciInfo: device fell off the bus"),
        "{:?}",
        found.notes
    );
    assert_eq!(found.gpus.len(), 4, "listed once, by its place");
}

#[test]
fn a_version_mismatch_names_the_version_of_the_kernel_module() {
    let mut scenario = Scenario::h200(1);
    let Some(mock) = Mock::new(scenario.fault("nvmlInit_v2", mock_nvml::LIB_RM_VERSION_MISMATCH)) else { return };
    let tree = Sysfs::new();
    tree.file("module/nvidia/version", "550.54.15");
    let on_bus = PciDevice {
        address: "0000:19:00.0",
        ids: (0x10de, 0x2335),
        class: 0x03_0200,
        driver: "nvidia",
        numa_node: 0,
        cpus: "0-47",
    };
    tree.pci(&on_bus);
    let found = Inventory::take(&sources(tree.root(), &mock.library()));
    assert!(found.notes[0].ends_with("(the kernel module is 550.54.15)"), "{:?}", found.notes);
    assert_eq!(found.gpus[0].driver.as_ref().unwrap().version.as_deref(), Some("550.54.15"));
    assert_eq!((found.gpus.len(), found.gpus[0].pci_id.as_deref()), (1, Some("10de:2335")));
}

#[test]
fn a_call_that_hangs_keeps_what_was_said_before_it_and_other_makers_gpus() {
    let mut scenario = Scenario::h200(2);
    let Some(mock) = Mock::new(scenario.hang_on("nvmlDeviceGetEccMode", 1, 60_000)) else { return };
    let tree = Sysfs::mi300x(2);
    let mut sources = sources(tree.root(), &mock.library());
    sources.limit = Duration::from_millis(200);
    let found = Inventory::take(&sources);
    mock.replace(&Scenario::h200(2));
    assert_eq!(places(&found), ["0000:0c:00.0", "0000:19:00.0", "0000:22:00.0", "0000:3b:00.0"]);
    assert_eq!((found.gpus[1].ecc, found.gpus[3].ecc), (Some(true), None));
    assert_eq!((found.gpus[3].multiprocessors, found.gpus[0].multiprocessors), (Some(132), Some(304)));
    assert!(found.notes.iter().any(|note| note.contains("nvmlDeviceGetEccMode hangs")), "{:?}", found.notes);
}

//! What Level Zero and amd-smi add to the inventory, and that nothing they do hides a GPU: mocks that are loaded as the real libraries are.

use std::path::Path;
use std::time::{Duration, Instant};

use zomma_gpu::inventory::{Gpu, Inventory, LinkKind, Sources};
use zomma_testkit::mock_library::{Maker, Mock, Scenario};
use zomma_testkit::mock_sysfs::{PciDevice, Sysfs};

const GIB: u64 = 1 << 30;

fn sources(tree: &Sysfs) -> Sources {
    Sources {
        sysfs: tree.root().into(),
        nvml: "libnvidia-ml.so.none".into(),
        amd_smi: vec!["libamd_smi.so.none".into()],
        level_zero: "libze_loader.so.none".into(),
        drivers: false,
        limit: Duration::from_secs(60),
    }
}

fn with(tree: &Sysfs, maker: Maker, library: &Path) -> Inventory {
    let library = library.into();
    Inventory::take(&match maker {
        Maker::LevelZero => Sources { level_zero: library, ..sources(tree) },
        Maker::AmdSmi => Sources { amd_smi: vec!["libamd_smi.so.none".into(), library], ..sources(tree) },
    })
}

fn tree_of(devices: &[(&str, (u16, u16))], driver: &str) -> Sysfs {
    let tree = Sysfs::new();
    for (number, &(address, ids)) in devices.iter().enumerate() {
        let device = PciDevice { address, ids, class: 0x03_0000, driver, numa_node: 0, cpus: "0-15" };
        let folder = tree.pci(&device);
        tree.card(number, &folder);
    }
    tree
}

/// Two Max 1100 under the mainline i915 driver, which says nothing of their memory.
fn max_1100() -> Sysfs {
    tree_of(&[("0000:29:00.0", (0x8086, 0x0bda)), ("0000:3a:00.0", (0x8086, 0x0bda))], "i915")
}

/// Two AMD GPUs of a model that no table has, whose files say nothing.
fn bare_amd() -> Sysfs {
    tree_of(&[("0000:0c:00.0", (0x1002, 0x7fff)), ("0000:22:00.0", (0x1002, 0x7fff))], "amdgpu")
}

/// What a library may add.
#[derive(Debug, PartialEq)]
struct Added {
    memory_bytes: Option<u64>,
    ecc: Option<bool>,
    name: Option<String>,
    driver_version: Option<String>,
    links: usize,
}

impl Added {
    fn of(gpu: &Gpu) -> Self {
        Self {
            memory_bytes: gpu.memory_bytes,
            ecc: gpu.ecc,
            name: gpu.name.clone(),
            driver_version: gpu.driver.as_ref().and_then(|driver| driver.version.clone()),
            links: gpu.links.len(),
        }
    }

    /// How many of these are missing that the whole has; one that is there must be the same.
    fn lost(&self, whole: &Self, context: &str) -> usize {
        let differ = [
            (self.memory_bytes != whole.memory_bytes, self.memory_bytes.is_none()),
            (self.ecc != whole.ecc, self.ecc.is_none()),
            (self.name != whole.name, self.name.is_none()),
            (self.driver_version != whole.driver_version, self.driver_version.is_none()),
            (self.links != whole.links, self.links < whole.links),
        ];
        assert!(differ.iter().all(|&(differs, absent)| !differs || absent), "{context}: {self:?} is not {whole:?}");
        differ.iter().filter(|(differs, _)| *differs).count()
    }
}

#[test]
fn level_zero_adds_memory_ecc_and_xe_links_where_i915_says_nothing() {
    let Some(mock) = Mock::new(Maker::LevelZero, &Scenario::max_1100()) else { return };
    let tree = max_1100();
    let bare = Inventory::take(&sources(&tree));
    assert_eq!((bare.gpus[0].memory_bytes, bare.gpus[0].ecc, bare.gpus[0].links.len()), (None, None, 0));
    assert_eq!(bare.notes, ["Level Zero: libze_loader.so.1 not found, so an Intel card's memory is unknown"]);

    let found = with(&tree, Maker::LevelZero, &mock.library());
    assert_eq!((found.gpus.len(), found.notes.len()), (2, 0), "{:?}", found.notes);
    for (gpu, other) in [(0, 1), (1, 0)] {
        let (gpu, other) = (&found.gpus[gpu], &found.gpus[other]);
        assert_eq!((gpu.memory_bytes, gpu.ecc), (Some(48 * GIB), Some(true)));
        assert_eq!(gpu.name.as_deref(), Some("Intel Data Center GPU Max 1100"), "the table has it");
        assert_eq!(gpu.driver.as_ref().unwrap().version.as_deref(), Some("1.6.33578"));
        let [link] = gpu.links.as_slice() else { panic!("{:?}", gpu.links) };
        // Of three ports two are up, at 200 Gbit/s each; the most that they can do is more.
        assert_eq!((link.kind, Some(link.to), link.count, link.switched), (LinkKind::XeLink, other.pci, 2, false));
        assert_eq!(link.bandwidth_bytes_per_second, Some(50_000_000_000));
    }
}

#[test]
fn what_sysfs_says_stays_and_only_devices_that_the_kernel_shows_are_matched() {
    let mut scenario = Scenario::max_1100();
    scenario.set("device.0.pci", "0 29 0 0").set("device.0.memory.0", 7 * GIB).set("device.0.ecc", 2);
    let Some(mock) = Mock::new(Maker::LevelZero, &scenario) else { return };
    let found = with(&Sysfs::max_1550(), Maker::LevelZero, &mock.library());
    // The second device of the library is nowhere on the bus.
    assert_eq!((found.gpus.len(), found.gpus[0].memory_bytes, found.gpus[0].ecc), (1, Some(128 * GIB), Some(false)));
    assert!(found.gpus[0].links.is_empty());
    // A model that the table does not have is named by the library.
    let tree = tree_of(&[("0000:29:00.0", (0x8086, 0xfffe))], "xe");
    let found = with(&tree, Maker::LevelZero, &mock.library());
    assert_eq!(found.gpus[0].name.as_deref(), Some("Intel(R) Data Center GPU Max 1100"));
}

#[test]
fn memory_is_of_modules_on_the_card_and_of_all_of_them_or_none() {
    let memory = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = Scenario::max_1100();
        scenario.set("device.0.memories", 3).set("device.0.memory.1", 48 * GIB).set("device.0.memory.2", 512 * GIB);
        scenario.set("device.0.memory.2.location", 0);
        change(&mut scenario);
        let mock = Mock::new(Maker::LevelZero, &scenario)?;
        Some(with(&max_1100(), Maker::LevelZero, &mock.library()).gpus[0].memory_bytes)
    };
    let Some(whole) = memory(&|_| {}) else { return };
    assert_eq!(whole, Some(96 * GIB));
    // A size of 0 is unknown, and the state then has it.
    assert_eq!(memory(&|scenario| _ = scenario.set("device.0.memory.1.physical", 0)), Some(Some(96 * GIB)));
    let both_unknown = |scenario: &mut Scenario| {
        scenario.set("device.0.memory.1.physical", 0).fault("zesMemoryGetState", 0x7800_0003);
    };
    assert_eq!(memory(&both_unknown), Some(None));
    assert_eq!(memory(&|scenario| _ = scenario.set("device.0.memory.1", u64::MAX)), Some(None), "the sum overflows");
    assert_eq!(memory(&|scenario| _ = scenario.set("device.0.memories", 0)), Some(None));
}

/// Functions that detection calls, and how many of a GPU's values each may take with it.
const LEVEL_ZERO: &[(&str, usize)] = &[
    ("zesInit", 4),
    ("zesDriverGet", 4),
    ("zesDeviceGet", 4),
    ("zesDevicePciGetProperties", 4),
    ("zesDeviceGetProperties", 1),
    ("zesDeviceGetEccState", 1),
    ("zesDeviceEnumMemoryModules", 1),
    ("zesMemoryGetProperties", 1),
    ("zesMemoryGetState", 0),
    ("zesDeviceEnumFabricPorts", 1),
    ("zesFabricPortGetProperties", 1),
    ("zesFabricPortGetState", 1),
];

const AMD_SMI: &[(&str, usize)] = &[
    ("amdsmi_get_lib_version", 5),
    ("amdsmi_init", 5),
    ("amdsmi_get_socket_handles", 5),
    ("amdsmi_get_processor_handles", 5),
    ("amdsmi_get_gpu_device_bdf", 5),
    ("amdsmi_get_gpu_memory_total", 1),
    ("amdsmi_get_gpu_ecc_enabled", 1),
    ("amdsmi_get_gpu_asic_info", 1),
    ("amdsmi_get_gpu_driver_info", 1),
    ("amdsmi_topo_get_link_type", 1),
    ("amdsmi_get_minmax_bandwidth_between_processors", 0),
    ("amdsmi_shut_down", 0),
];

/// Leaves each function out, and lets it fail: both GPUs are listed, with all values but those that the function gives.
fn break_every_function(maker: Maker, tree: &Sysfs, scenario: &Scenario, functions: &[(&str, usize)], codes: &[u32]) {
    let Some(mock) = Mock::new(maker, scenario) else { return };
    let whole = with(tree, maker, &mock.library());
    let check = |broken: &Inventory, context: &str, most: usize| {
        assert_eq!(broken.gpus.len(), whole.gpus.len(), "{context}");
        for (was, is) in whole.gpus.iter().zip(&broken.gpus) {
            let lost = Added::of(is).lost(&Added::of(was), context);
            assert_eq!(lost, most, "{context}: {:?}", Added::of(is));
        }
    };
    for &(function, most) in functions {
        let Some(mock) = Mock::without(maker, &[function], scenario) else { return };
        check(&with(tree, maker, &mock.library()), &format!("without {function}"), most);
        for &code in codes {
            let Some(mock) = Mock::new(maker, scenario.clone().fault(function, code)) else { return };
            check(&with(tree, maker, &mock.library()), &format!("{function} fails with {code:#x}"), most);
        }
    }
}

#[test]
fn no_failing_or_missing_function_of_level_zero_takes_more_than_its_own_value() {
    // Unsupported, no permission, device lost, and a number that no header has.
    let codes = [0x7800_0003, 0x7001_0000, 0x7000_0001, 42];
    break_every_function(Maker::LevelZero, &max_1100(), &Scenario::max_1100(), LEVEL_ZERO, &codes);
}

#[test]
fn no_failing_or_missing_function_of_amd_smi_takes_more_than_its_own_value() {
    // Not supported, no permission, unknown.
    let codes = [2, 10, u32::MAX];
    break_every_function(Maker::AmdSmi, &bare_amd(), &Scenario::mi300x(), AMD_SMI, &codes);
}

#[test]
fn a_function_that_fails_for_one_device_leaves_the_other() {
    let mut scenario = Scenario::max_1100();
    scenario.fault_on("zesDeviceGetEccState", 0, 0x7000_0001).fault_on("zesDeviceEnumMemoryModules", 0, 0x7000_0001);
    let Some(mock) = Mock::new(Maker::LevelZero, &scenario) else { return };
    let found = with(&max_1100(), Maker::LevelZero, &mock.library());
    let said: Vec<_> = found.gpus.iter().map(|gpu| (gpu.memory_bytes, gpu.ecc, gpu.links.len())).collect();
    assert_eq!(said, [(None, None, 1), (Some(48 * GIB), Some(true), 1)]);
}

#[test]
fn garbage_counts_and_values_are_no_values() {
    let lists = ["zesDriverGet", "zesDeviceGet", "zesDeviceEnumMemoryModules", "zesDeviceEnumFabricPorts"];
    for list in lists {
        for count in [0, 1, 3, u32::MAX] {
            let mut scenario = Scenario::max_1100();
            let Some(mock) = Mock::new(Maker::LevelZero, scenario.set(&format!("count.{list}"), count)) else { return };
            let found = with(&max_1100(), Maker::LevelZero, &mock.library());
            assert_eq!((found.gpus.len(), found.notes.len()), (2, 0), "{list} {count}");
            // What is there is right, whatever else was promised.
            for gpu in &found.gpus {
                assert!(
                    matches!(gpu.memory_bytes, None | Some(51_539_607_552)),
                    "{list} {count}: {:?}",
                    gpu.memory_bytes
                );
                assert!(matches!(gpu.links.as_slice(), [] | [_]), "{list} {count}");
            }
            if count == u32::MAX {
                assert!(found.gpus.iter().all(|gpu| gpu.memory_bytes.is_some() && gpu.links.len() == 1), "{list}");
            }
        }
    }
    for (key, value) in [
        ("device.0.pci", "0 12a 0 0"),
        ("device.0.pci", "0 29 20 0"),
        ("device.0.pci", "0 29 0 8"),
        ("device.0.ecc", "77"),
        ("device.0.ecc", "0"),
        ("device.0.memory.0", "0"),
        ("device.0.port.0.remote", "1 9 9"),
    ] {
        let mut scenario = Scenario::max_1100();
        let Some(mock) = Mock::new(Maker::LevelZero, scenario.set(key, value)) else { return };
        let found = with(&max_1100(), Maker::LevelZero, &mock.library());
        let gpu = &found.gpus[0];
        match key {
            "device.0.pci" => assert_eq!((gpu.memory_bytes, gpu.ecc, gpu.links.len()), (None, None, 0), "{value}"),
            "device.0.ecc" => assert_eq!(gpu.ecc, None, "{value}"),
            "device.0.memory.0" => assert_eq!(gpu.memory_bytes, None),
            _ => assert_eq!(gpu.links[0].count, 1, "a port to nowhere is none"),
        }
        assert_eq!((found.gpus.len(), found.gpus[1].memory_bytes), (2, Some(48 * GIB)), "{key} {value}");
    }
}

#[test]
fn a_library_that_does_not_start_says_why_in_a_note() {
    let note = |code| {
        let mock = Mock::new(Maker::LevelZero, Scenario::max_1100().fault("zesInit", code))?;
        let found = with(&max_1100(), Maker::LevelZero, &mock.library());
        assert_eq!((found.gpus.len(), found.notes.len()), (2, 1));
        Some(found.notes[0].clone())
    };
    let Some(words) = note(0x7800_0001) else { return };
    assert_eq!(words, "Level Zero: zesInit: no Level Zero driver: install Intel's compute runtime");
    assert!(note(0x7001_0000).unwrap().contains("group render"));
    assert_eq!(note(0x7ffffffe).unwrap(), "Level Zero: zesInit: error 0x7ffffffe");
    let Some(old) = Mock::without(Maker::LevelZero, &["zesInit"], &Scenario::max_1100()) else { return };
    assert!(with(&max_1100(), Maker::LevelZero, &old.library()).notes[0].contains("too old for Zomma"));
    // A processor's own GPU is no reason to miss it; a file that is no library is told.
    let laptop = tree_of(&[("0000:00:02.0", (0x8086, 0xa7a0))], "i915");
    let found = Inventory::take(&sources(&laptop));
    assert_eq!((found.gpus.len(), found.notes.len()), (1, 0), "{:?}", found.notes);
    let rubbish = laptop.root().join("libze_loader.so.1");
    std::fs::write(&rubbish, "rubbish").unwrap();
    assert!(with(&laptop, Maker::LevelZero, &rubbish).notes[0].contains("libze_loader.so.1 cannot be loaded"));
}

#[test]
fn a_call_that_hangs_costs_its_value_and_what_comes_after_and_is_named() {
    let mut scenario = Scenario::max_1100();
    let Some(mock) = Mock::new(Maker::LevelZero, scenario.set("hang.zesDeviceGetEccState", 3_000)) else { return };
    let tree = max_1100();
    let limited = Sources { level_zero: mock.library().into(), limit: Duration::from_millis(700), ..sources(&tree) };
    let begun = Instant::now();
    let found = Inventory::take(&limited);
    assert!(begun.elapsed() < Duration::from_millis(2_900), "the limit was waited for once, not the call");
    assert_eq!((found.gpus.len(), found.gpus[0].memory_bytes), (2, Some(48 * GIB)));
    assert_eq!((found.gpus[0].ecc, found.gpus[1].memory_bytes), (None, None));
    assert_eq!(found.notes, ["Level Zero: zesDeviceGetEccState: no answer within 700 ms"]);
}

#[test]
fn amd_smi_adds_what_amdgpu_and_kfd_leave_out() {
    let Some(mock) = Mock::new(Maker::AmdSmi, &Scenario::mi300x()) else { return };
    let found = with(&bare_amd(), Maker::AmdSmi, &mock.library());
    assert_eq!(found.gpus.len(), 2);
    for (gpu, other) in [(0, 1), (1, 0)] {
        let (gpu, other) = (&found.gpus[gpu], &found.gpus[other]);
        assert_eq!((gpu.memory_bytes, gpu.ecc), (Some(206_141_652_992), Some(true)));
        assert_eq!(gpu.name.as_deref(), Some("AMD Instinct MI300X OAM"));
        assert_eq!(gpu.driver.as_ref().unwrap().version.as_deref(), Some("6.14.14"));
        let [link] = gpu.links.as_slice() else { panic!("{:?}", gpu.links) };
        assert_eq!((link.kind, Some(link.to), link.count), (LinkKind::Xgmi, other.pci, 1));
        assert_eq!(link.bandwidth_bytes_per_second, Some(64_000_000_000));
    }
    // It is not even loaded where the kernel's files say everything.
    let rubbish = bare_amd();
    let file = rubbish.root().join("libamd_smi.so");
    std::fs::write(&file, "rubbish").unwrap();
    assert!(with(&Sysfs::mi300x(2), Maker::AmdSmi, &file).notes.is_empty());
    let notes = with(&rubbish, Maker::AmdSmi, &file).notes;
    assert!(notes.iter().any(|note| note.contains("libamd_smi.so cannot be loaded")), "{notes:?}");
    // Nor is it missed where it is not installed.
    let notes = Inventory::take(&sources(&bare_amd())).notes;
    assert!(notes.iter().all(|note| !note.contains("amd-smi")), "{notes:?}");
}

#[test]
fn amd_smi_is_asked_only_where_its_version_is_known() {
    // Text that fills its field has no NUL, and what stands behind it is another field.
    let wide = |width| "n".repeat(width);
    for (version, name, driver) in [
        ("24 5 2 0", 64, 64),
        ("24 6 3 0", 256, 64),
        ("24 7 1 0", 256, 64),
        ("25 1 0 0", 256, 64),
        ("25 3 0 0", 256, 256),
        ("25 5 1 0", 256, 256),
        ("26 0 2 0", 256, 256),
        ("26 2 1 0", 256, 256),
    ] {
        let mut scenario = Scenario::mi300x();
        scenario.set("version", version).set("device.0.name", wide(300)).set("device.0.driver_version", wide(300));
        let Some(mock) = Mock::new(Maker::AmdSmi, &scenario) else { return };
        let found = with(&bare_amd(), Maker::AmdSmi, &mock.library());
        assert_eq!(found.gpus[0].name.as_deref(), Some(wide(name).as_str()), "{version}");
        assert_eq!(found.gpus[0].driver.as_ref().unwrap().version.as_deref(), Some(wide(driver).as_str()), "{version}");
        assert_eq!((found.gpus[1].memory_bytes, found.gpus[1].links.len()), (Some(206_141_652_992), 1), "{version}");
    }
    for version in ["0 0 0 0", "23 4 0 0", "24 8 0 0", "25 2 0 0", "25 6 0 0", "27 0 0 0", "4294967295 0 0 0"] {
        let Some(mock) = Mock::new(Maker::AmdSmi, Scenario::mi300x().set("version", version)) else { return };
        let found = with(&bare_amd(), Maker::AmdSmi, &mock.library());
        assert_eq!((found.gpus.len(), found.gpus[0].memory_bytes), (2, None), "{version}");
        let note = found.notes.iter().find(|note| note.starts_with("amd-smi: ")).unwrap();
        assert!(note.contains("of the library is not known to Zomma"), "{note}");
    }
}

#[test]
fn garbage_of_amd_smi_is_no_value() {
    for (key, value) in [
        ("count.amdsmi_get_socket_handles", "4294967295"),
        ("count.amdsmi_get_socket_handles", "0"),
        ("count.amdsmi_get_processor_handles", "4294967295"),
        ("device.0.bdf", "0xffffffffffffffff"),
        ("device.0.bdf", "0x2200"),
        ("device.0.memory", "0"),
        ("link.0.1", "1 9 0 0"),
        ("link.0.1", "2 1 0 0"),
        ("link.0.1", "1 2 0 18446744073709551615"),
    ] {
        let Some(mock) = Mock::new(Maker::AmdSmi, Scenario::mi300x().set(key, value)) else { return };
        let found = with(&bare_amd(), Maker::AmdSmi, &mock.library());
        assert_eq!(found.gpus.len(), 2, "{key} {value}");
        let [first, second] = [&found.gpus[0], &found.gpus[1]];
        match (key, value) {
            ("device.0.bdf", "0x2200") => {
                // Two processors at one place are parts of a GPU, and neither speaks for the whole.
                assert_eq!((first.memory_bytes, second.memory_bytes), (None, None));
            }
            ("device.0.bdf", _) | ("device.0.memory", _) => {
                assert_eq!((first.memory_bytes, second.memory_bytes), (None, Some(206_141_652_992)), "{key} {value}");
            }
            ("link.0.1", "1 9 0 0" | "2 1 0 0") => assert_eq!((first.links.len(), second.links.len()), (0, 1)),
            ("link.0.1", _) => assert_eq!(first.links[0].bandwidth_bytes_per_second, None),
            (_, "0") => assert_eq!(first.memory_bytes, None),
            _ => assert_eq!(first.memory_bytes, Some(206_141_652_992), "{key} {value}"),
        }
    }
}

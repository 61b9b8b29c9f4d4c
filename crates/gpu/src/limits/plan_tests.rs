//! What is planned on which machine: strengths, settings, variables.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::device::DeviceKind;
use crate::inventory::{Partition, Vendor};
use crate::limits::cgroup::{CgroupFacts, MemoryBound};
use crate::limits::facts::{CU_MASK, CUDA_VISIBLE, MPS_MEMORY, MPS_PERCENTAGE, MpsFacts};
use crate::request::DeviceRequest;

const GIB: u64 = 1 << 30;

fn asked() -> Request {
    Request {
        gpu_memory_bytes: Some(4 * GIB),
        gpu_compute_share: Some(0.5),
        cpu_memory_bytes: Some(8 * GIB),
        device: DeviceRequest::Auto,
        memory_fraction: 0.8,
        on_exceed: OnExceed::End,
        warn_at: 0.9,
        grace: Duration::from_secs(10),
    }
}

fn place(path: &str, enabled: &[&str], can_enable: &[&str]) -> V2Place {
    let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    V2Place { path: path.into(), enabled: set(enabled), can_enable: set(can_enable) }
}

/// A GPU of 16 GiB and 104 multiprocessors, which no driver is said to hold.
pub(in crate::limits) fn gpu(index: usize, vendor: Vendor, pci: &str, requests: &[&str]) -> GpuFacts {
    GpuFacts {
        index,
        vendor,
        name: format!("{vendor:?} {index}"),
        uuid: (vendor == Vendor::Nvidia).then(|| format!("GPU-{index}")),
        pci: Some(pci.parse().unwrap()),
        memory_bytes: Some(16 * GIB),
        multiprocessors: Some(104),
        driver: None,
        partitions: Vec::new(),
        requests: requests.iter().map(|request| (*request).to_owned()).collect(),
    }
}

/// One of NVIDIA's, which CUDA and Vulkan name by its index.
pub(in crate::limits) fn nvidia(index: usize) -> GpuFacts {
    let pci = format!("0000:{:02x}:00.0", 16 + index);
    gpu(index, Vendor::Nvidia, &pci, &[&format!("cuda:{index}"), &format!("vulkan:{index}")])
}

fn v2_machine() -> Facts {
    let cgroups = CgroupFacts {
        v2: vec![place("/cg/a/b", &[], &[]), place("/cg/a", &["memory"], &[]), place("/cg", &["memory"], &["dmem"])],
        dmem_regions: vec!["drm/0000:03:00.0/vram0".into(), "drm/0000:03:00.0/stolen".into()],
        ..CgroupFacts::default()
    };
    let mps = MpsFacts { pipe_directory: "/tmp/nvidia-mps".into(), daemon_runs: false };
    Facts { cgroups, mps, ..Facts::default() }
}

fn find(plan: &Plan, limit: Limit) -> &Enforcement {
    plan.enforcements.iter().find(|enforcement| enforcement.limit == limit).unwrap()
}

fn variable<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
    plan.environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

#[test]
fn version_2_makes_cpu_memory_hard_at_the_nearest_place_that_gives_memory() {
    let plan = plan(&asked(), &v2_machine());
    let cpu = find(&plan, Limit::CpuMemory);
    assert_eq!(cpu.to_string(), "CPU memory 8GiB: hard: cgroup v2 memory.max");
    assert_eq!(plan.groups.len(), 1);
    let group = &plan.groups[0];
    assert_eq!((group.hierarchy, group.parent.to_str().unwrap()), (Hierarchy::V2, "/cg/a"));
    assert_eq!(group.controllers, ["memory"]);
    let bytes = (8 * GIB).to_string();
    assert_eq!(group.settings, [("memory.max", bytes, true), ("memory.swap.max", "0".into(), false)]);
}

#[test]
fn a_gpu_whose_memory_the_kernel_accounts_has_a_hard_limit() {
    let mut facts = v2_machine();
    facts.gpus = vec![gpu(0, Vendor::Amd, "0000:03:00.0", &["hip:0"])];
    let plan = plan(&asked(), &facts);
    assert_eq!(find(&plan, Limit::GpuMemory).to_string(), "GPU memory 4GiB: hard: cgroup v2 dmem.max, DRM by process");
    assert_eq!(plan.groups[0].parent.to_str().unwrap(), "/cg", "the nearest with both controllers");
    assert_eq!(plan.groups[0].settings[0], ("dmem.max", format!("drm/0000:03:00.0/vram0 {}", 4 * GIB), true));
    assert_eq!(plan.groups[0].controllers, ["dmem", "memory"]);
    let compute = find(&plan, Limit::GpuCompute);
    assert_eq!((compute.strength, variable(&plan, "HSA_CU_MASK")), (Strength::Cooperative, Some("0:0-51")));
    assert_eq!(variable(&plan, "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"), None);
}

#[test]
fn nvidia_is_hard_where_the_kernel_accounts_its_memory() {
    let mut facts = v2_machine();
    facts.gpus = vec![nvidia(0)];
    facts.cgroups.dmem_regions = vec!["nvidia/0000:10:00.0/vidmem".into(), "nvidia/0000:11:00.0/vidmem".into()];
    let plan = plan(&asked(), &facts);
    assert_eq!(find(&plan, Limit::GpuMemory).to_string(), "GPU memory 4GiB: hard: cgroup v2 dmem.max, NVML by process");
    assert_eq!(plan.groups[0].settings[0], ("dmem.max", format!("nvidia/0000:10:00.0/vidmem {}", 4 * GIB), true));
}

#[test]
fn nvidia_is_cooperative_under_an_mps_daemon_and_observed_without() {
    let mut facts = v2_machine();
    facts.gpus = vec![nvidia(0), nvidia(1)];
    let without = plan(&asked(), &facts);
    let memory = find(&without, Limit::GpuMemory).to_string();
    assert_eq!(memory, "GPU memory 4GiB: observed: NVML by process (no MPS daemon at /tmp/nvidia-mps)");
    let compute = find(&without, Limit::GpuCompute).to_string();
    assert_eq!(compute, "GPU compute 50%: not in force: no MPS daemon at /tmp/nvidia-mps");
    assert_eq!(without.watched_gpus, [0, 1]);
    facts.mps.daemon_runs = true;
    let with = plan(&asked(), &facts);
    let memory = find(&with, Limit::GpuMemory).to_string();
    let unset = "(a command that unsets the variable is not held by it)";
    assert_eq!(memory, format!("GPU memory 4GiB: cooperative: {MPS_MEMORY}, NVML by process {unset}"));
    let compute = find(&with, Limit::GpuCompute).to_string();
    assert_eq!(compute, format!("GPU compute 50%: cooperative: {MPS_PERCENTAGE} {unset}"));
    assert_eq!(with.soft().count(), 2, "--require-hard refuses both");
    for plan in [&without, &with] {
        assert_eq!(variable(plan, MPS_MEMORY), Some("0=4096M,1=4096M"));
        assert_eq!(variable(plan, MPS_PERCENTAGE), Some("50"));
        assert_eq!(variable(plan, "ZOMMA_GPU_MEMORY_FRACTION"), Some("0.25"));
        assert_eq!(variable(plan, CUDA_VISIBLE), None);
    }
    facts.nvml_obstacle = Some("NVML: libnvidia-ml.so.1 not found".into());
    let blind = plan(&asked(), &facts);
    let memory = find(&blind, Limit::GpuMemory);
    assert_eq!((memory.strength, blind.watched_gpus.len()), (Strength::Cooperative, 0));
    assert!(memory.why_not_stronger.as_ref().unwrap().contains("libnvidia-ml"));
    facts.mps.daemon_runs = false;
    let idle = plan(&asked(), &facts);
    assert_eq!(find(&idle, Limit::GpuMemory).strength, Strength::NotInForce, "a variable that nobody reads is nothing");
}

#[test]
fn a_lower_limit_that_is_in_force_stays() {
    let mut facts = v2_machine();
    facts.gpus = vec![nvidia(0), nvidia(1), gpu(2, Vendor::Amd, "0000:04:00.0", &["hip:0"])];
    facts.mps.daemon_runs = true;
    facts.inherited =
        [(MPS_MEMORY, "0=1G,GPU-1=512MB,9=1M".into()), (MPS_PERCENTAGE, "20".into()), (CU_MASK, "0:0-9".into())].into();
    let request = Request { memory_fraction: 0.125, ..asked() };
    let lower = plan(&request, &facts);
    assert_eq!(variable(&lower, "ZOMMA_GPU_MEMORY_FRACTION"), Some("0.125"));
    assert_eq!(variable(&lower, MPS_MEMORY), Some("0=1024M,1=512M"));
    assert_eq!(variable(&lower, MPS_PERCENTAGE), Some("20"));
    assert_eq!(variable(&lower, CU_MASK), Some("0:0-9"));
    let told = |limit| find(&lower, limit).lower_already.clone().unwrap();
    assert!(told(Limit::GpuMemory).starts_with("512MiB by CUDA_MPS_PINNED_DEVICE_MEM_LIMIT="), "{lower:?}");
    let expected = "20% by CUDA_MPS_ACTIVE_THREAD_PERCENTAGE, 10 compute units by HSA_CU_MASK";
    assert_eq!(told(Limit::GpuCompute), expected);
    facts.inherited =
        [(MPS_MEMORY, "0=8G,1=rubbish".into()), (MPS_PERCENTAGE, "90".into()), (CU_MASK, "0:0-99".into())].into();
    let higher = plan(&asked(), &facts);
    assert_eq!(variable(&higher, MPS_MEMORY), Some("0=4096M,1=4096M"));
    assert_eq!(variable(&higher, MPS_PERCENTAGE), Some("50"));
    assert_eq!(variable(&higher, CU_MASK), Some("0:0-51"));
    assert!(higher.enforcements.iter().all(|found| found.lower_already.is_none()), "{higher:?}");
    facts.gpus.drain(..2);
    facts.inherited = [(CU_MASK, "0:0x337F".into())].into();
    let foreign = plan(&asked(), &facts);
    assert_eq!(variable(&foreign, CU_MASK), None);
    let words = find(&foreign, Limit::GpuCompute).to_string();
    assert_eq!(words, "GPU compute 50%: not in force: HSA_CU_MASK=0:0x337F is set already, and stays");
}

#[test]
fn a_lower_limit_of_the_group_around_is_told() {
    let mut facts = v2_machine();
    facts.cgroups.memory_bound = Some(MemoryBound { bytes: 64 << 20, group: "/cg/zomma-1".into() });
    let words = find(&plan(&asked(), &facts), Limit::CpuMemory).to_string();
    let expected = "CPU memory 8GiB: hard: cgroup v2 memory.max; \
                    a lower limit holds already: 64MiB by the control group /cg/zomma-1";
    assert_eq!(words, expected);
    let request = Request { cpu_memory_bytes: Some(1), ..asked() };
    let words = find(&plan(&request, &facts), Limit::CpuMemory).to_string();
    assert_eq!(words, "CPU memory 1 B: hard: cgroup v2 memory.max");
}

#[test]
fn only_gpus_that_the_command_sees_count_for_mps_and_all_are_watched() {
    let mut facts = v2_machine();
    facts.gpus = (0..8).map(|index| GpuFacts { requests: Vec::new(), ..nvidia(index) }).collect();
    facts.gpus[0].memory_bytes = Some(40 * GIB);
    facts.inherited = [(CUDA_VISIBLE, "GPU-3,1".into())].into();
    let some = plan(&asked(), &facts);
    assert_eq!(variable(&some, MPS_MEMORY), Some("0=4096M,1=4096M"));
    assert_eq!(variable(&some, "ZOMMA_GPU_MEMORY_FRACTION"), Some("0.25"), "of the largest that is seen");
    assert_eq!(some.watched_gpus.len(), 8, "a command can unset the variable");
    facts.inherited = [(CUDA_VISIBLE, String::new())].into();
    assert_eq!(variable(&plan(&asked(), &facts), MPS_MEMORY), None);
}

#[test]
fn a_named_device_is_the_only_one_that_the_command_sees() {
    let mut facts = v2_machine();
    facts.gpus = vec![nvidia(0), nvidia(1)];
    let mut request = asked();
    request.device = DeviceRequest::Device { kind: DeviceKind::Cuda, index: 1 };
    let by_uuid = plan(&request, &facts);
    assert_eq!(variable(&by_uuid, CUDA_VISIBLE), Some("GPU-1"));
    assert_eq!(variable(&by_uuid, "ZOMMA_GPU_DEVICE"), Some("cuda:0"), "which is what it is called there");
    assert_eq!(variable(&by_uuid, MPS_MEMORY), Some("0=4096M"));
    assert_eq!(by_uuid.watched_gpus, [1]);
    facts.inherited = [(CUDA_VISIBLE, "5, 7".into()), (MPS_MEMORY, "1=1G".into())].into();
    let inherited = plan(&request, &facts);
    assert_eq!(variable(&inherited, CUDA_VISIBLE), Some("7"));
    assert_eq!(variable(&inherited, MPS_MEMORY), Some("0=1024M"), "its limit has gone with it");
    request.device = DeviceRequest::Device { kind: DeviceKind::Vulkan, index: 0 };
    facts.inherited.clear();
    let by_vulkan = plan(&request, &facts);
    assert_eq!(variable(&by_vulkan, CUDA_VISIBLE), Some("GPU-0"));
    assert_eq!(variable(&by_vulkan, "ZOMMA_GPU_DEVICE"), Some("vulkan:0"));
    let amd = |index| gpu(index, Vendor::Amd, &format!("0000:0{index}:00.0"), &[]);
    facts.gpus = vec![amd(0), amd(1)];
    request.device = DeviceRequest::Device { kind: DeviceKind::Hip, index: 1 };
    let hip = plan(&request, &facts);
    assert_eq!(variable(&hip, "HIP_VISIBLE_DEVICES"), Some("1"));
    assert_eq!(variable(&hip, CU_MASK), Some("1:0-51"), "ROCm's runtime counts before HIP hides");
}

#[test]
fn slices_of_a_gpu_are_told_as_what_bounds_a_process() {
    let mut facts = v2_machine();
    facts.gpus = vec![nvidia(0)];
    facts.gpus[0].partitions.push(Partition {
        profile: "1g.8gb".into(),
        uuid: Some("MIG-a".into()),
        memory_bytes: Some(8 * GIB),
        multiprocessors: None,
    });
    let plan = plan(&asked(), &facts);
    let why = find(&plan, Limit::GpuMemory).why_not_stronger.clone().unwrap();
    assert_eq!(why, "no MPS daemon at /tmp/nvidia-mps; MIG 1g.8gb holds each process to 8GiB");
    assert_eq!(variable(&plan, "ZOMMA_GPU_MEMORY_FRACTION"), Some("0.5"), "of the slice, which is its device");
}

#[test]
fn hybrid_takes_memory_from_version_1_and_holds_the_group_in_version_2() {
    let cgroups = CgroupFacts {
        v2: vec![place("/cg/unified", &[], &[])],
        v1_memory: Some("/cg/memory/box".into()),
        v1_freezer: Some("/cg/freezer".into()),
        ..CgroupFacts::default()
    };
    let plan = plan(&asked(), &Facts { cgroups: cgroups.clone(), ..Facts::default() });
    assert_eq!(find(&plan, Limit::CpuMemory).to_string(), "CPU memory 8GiB: hard: cgroup v1 memory.limit_in_bytes");
    let kinds: Vec<Hierarchy> = plan.groups.iter().map(|group| group.hierarchy).collect();
    assert_eq!(kinds, [Hierarchy::V2, Hierarchy::V1Memory]);
    let only_v1 = CgroupFacts { v2: Vec::new(), ..cgroups };
    let plan = super::plan(&asked(), &Facts { cgroups: only_v1, ..Facts::default() });
    let kinds: Vec<Hierarchy> = plan.groups.iter().map(|group| group.hierarchy).collect();
    assert_eq!(kinds, [Hierarchy::V1Freezer, Hierarchy::V1Memory]);
}

#[test]
fn without_a_control_group_memory_is_observed_and_the_reason_is_said() {
    let cgroups = CgroupFacts {
        v2_obstacle: Some("the root group is not writable".into()),
        v1_obstacle: Some("no cgroup v1 memory".into()),
        ..CgroupFacts::default()
    };
    let plan = plan(&asked(), &Facts { cgroups, ..Facts::default() });
    let cpu = find(&plan, Limit::CpuMemory).to_string();
    let expected = "CPU memory 8GiB: observed: resident memory of the command's processes \
                    (the root group is not writable; no cgroup v1 memory)";
    assert_eq!(cpu, expected);
    assert!(plan.groups.is_empty());
}

#[test]
fn warning_only_refuses_nothing() {
    let mut facts = v2_machine();
    facts.mps.daemon_runs = true;
    facts.gpus = vec![nvidia(0)];
    let request = Request { on_exceed: OnExceed::Warn, ..asked() };
    let plan = plan(&request, &facts);
    assert_eq!(plan.groups[0].settings, [("memory.high", (8 * GIB).to_string(), true)]);
    assert_eq!(find(&plan, Limit::GpuMemory).strength, Strength::Observed);
    assert_eq!(variable(&plan, "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"), None);
    assert_eq!(find(&plan, Limit::CpuMemory).strength, Strength::Cooperative);
}

proptest! {
    #[test]
    fn every_limit_that_is_asked_for_is_answered_and_only_hard_ones_need_no_reason(
        memory in prop::option::of(1..u64::MAX), share in prop::option::of(1e-6..=1.0_f64),
        cpu in prop::option::of(1..u64::MAX), warn in any::<bool>(), v2 in any::<bool>(), v1 in any::<bool>(),
        daemon in any::<bool>(), nvml in any::<bool>(), vendors in prop::collection::vec(0..4_usize, 0..4),
    ) {
        let mut facts = v2_machine();
        facts.mps.daemon_runs = daemon;
        facts.nvml_obstacle = (!nvml).then(|| "NVML: libnvidia-ml.so.1 not found".into());
        facts.cgroups.v1_memory = v1.then(|| "/cg/memory".into());
        if !v2 {
            facts.cgroups.v2.clear();
            facts.cgroups.v2_obstacle = Some("no cgroup v2".into());
        }
        let vendor = |number: &usize| [Vendor::Nvidia, Vendor::Amd, Vendor::Intel, Vendor::Other][*number];
        facts.gpus = vendors.iter().enumerate()
            .map(|(index, number)| gpu(index, vendor(number), &format!("0000:{index:02x}:00.0"), &[])).collect();
        let request = Request {
            gpu_memory_bytes: memory, gpu_compute_share: share, cpu_memory_bytes: cpu,
            on_exceed: if warn { OnExceed::Warn } else { OnExceed::End }, ..asked()
        };
        let plan = plan(&request, &facts);
        let asked = [memory.is_some(), share.is_some(), cpu.is_some()].iter().filter(|asked| **asked).count();
        prop_assert_eq!(plan.enforcements.len(), asked);
        for found in &plan.enforcements {
            prop_assert_eq!(found.strength == Strength::Hard, found.why_not_stronger.is_none(), "{}", found);
            prop_assert_eq!(found.strength == Strength::NotInForce, found.means.is_empty(), "{}", found);
            prop_assert_ne!(found.why_not_stronger.as_deref(), Some(""), "{}", found);
        }
        if let Some(fraction) = variable(&plan, "ZOMMA_GPU_MEMORY_FRACTION") {
            prop_assert!((f64::MIN_POSITIVE..1.0_f64).contains(&fraction.parse::<f64>().unwrap()));
        }
        if let Some(percent) = variable(&plan, "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE") {
            prop_assert!((0.1..=100.0).contains(&percent.parse::<f64>().unwrap()));
        }
    }
}

//! What is planned on which machine: strengths, settings, variables.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::device::DeviceKind;
use crate::limits::cgroup::CgroupFacts;
use crate::limits::facts::MpsFacts;

const GIB: u64 = 1 << 30;

fn asked() -> Request {
    Request {
        gpu_memory_bytes: Some(4 * GIB),
        gpu_compute_share: Some(0.5),
        cpu_memory_bytes: Some(8 * GIB),
        device: DeviceRequest::Auto,
        on_exceed: OnExceed::End,
        warn_at: 0.9,
        grace: Duration::from_secs(10),
    }
}

fn place(path: &str, enabled: &[&str], can_enable: &[&str]) -> V2Place {
    let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    V2Place { path: path.into(), enabled: set(enabled), can_enable: set(can_enable) }
}

fn gpu(index: usize, vendor: Vendor, pci: &str, requests: &[&str]) -> GpuFacts {
    GpuFacts {
        index,
        vendor,
        name: format!("{vendor:?} {index}"),
        uuid: (vendor == Vendor::Nvidia).then(|| format!("GPU-{index}")),
        pci: Some(pci.parse().unwrap()),
        memory_bytes: Some(16 * GIB),
        multiprocessors: Some(104),
        requests: requests.iter().map(|request| (*request).to_owned()).collect(),
    }
}

fn nvidia(index: usize) -> GpuFacts {
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
fn nvidia_is_hard_under_an_mps_daemon_and_observed_without() {
    let mut facts = v2_machine();
    facts.gpus = vec![nvidia(0), nvidia(1)];
    let without = plan(&asked(), &facts);
    let memory = find(&without, Limit::GpuMemory);
    assert_eq!(memory.strength, Strength::Observed);
    assert_eq!(memory.why_not_stronger.as_deref(), Some("no MPS daemon at /tmp/nvidia-mps"));
    assert_eq!(find(&without, Limit::GpuCompute).strength, Strength::Cooperative);
    assert_eq!(without.watched_gpus, [0, 1]);
    facts.mps.daemon_runs = true;
    let with = plan(&asked(), &facts);
    assert_eq!(find(&with, Limit::GpuMemory).strength, Strength::Hard);
    assert_eq!(find(&with, Limit::GpuCompute).to_string(), "GPU compute 50%: hard: CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
    assert_eq!(with.soft().count(), 0);
    for plan in [&without, &with] {
        assert_eq!(variable(plan, "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"), Some("0=4096M,1=4096M"));
        assert_eq!(variable(plan, "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"), Some("50"));
        assert_eq!(variable(plan, "ZOMMA_GPU_MEMORY_FRACTION"), Some("0.25"));
        assert_eq!(variable(plan, "CUDA_VISIBLE_DEVICES"), None);
    }
    facts.mps.daemon_runs = false;
    facts.nvml_obstacle = Some("NVML: libnvidia-ml.so.1 not found".into());
    let blind = plan(&asked(), &facts);
    let memory = find(&blind, Limit::GpuMemory);
    assert_eq!((memory.strength, blind.watched_gpus.len()), (Strength::Cooperative, 0));
    assert!(memory.why_not_stronger.as_ref().unwrap().contains("libnvidia-ml"));
}

#[test]
fn a_named_device_is_the_only_one_that_the_command_sees() {
    let mut facts = v2_machine();
    facts.gpus = vec![nvidia(0), nvidia(1)];
    let mut request = asked();
    request.device = DeviceRequest::Device { kind: DeviceKind::Cuda, index: 1 };
    let by_uuid = plan(&request, &facts);
    assert_eq!(variable(&by_uuid, "CUDA_VISIBLE_DEVICES"), Some("GPU-1"));
    assert_eq!(variable(&by_uuid, "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"), Some("0=4096M"));
    assert_eq!(by_uuid.watched_gpus, [1]);
    facts.cuda_visible_devices = Some("5, 7".into());
    assert_eq!(variable(&plan(&request, &facts), "CUDA_VISIBLE_DEVICES"), Some("7"));
    request.device = DeviceRequest::CPU;
    let nowhere = plan(&request, &facts);
    assert_eq!(
        find(&nowhere, Limit::GpuMemory).to_string(),
        "GPU memory 4GiB: not in force: no GPU found that it could hold on"
    );
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

//! From what is asked and what is there to what will be done: which groups with which settings, which variables, what each limit is
//! worth. Nothing is touched.

use std::path::PathBuf;

use super::cgroup::V2Place;
use super::facts::GpuFacts;
use super::gpu_plan::Meant;
use super::{Enforcement, Facts, Limit, OnExceed, Request, Strength, amount};
use crate::inventory::PciAddress;

/// What will be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What each limit is worth.
    pub enforcements: Vec<Enforcement>,
    /// Control groups to make, the one that tells the members first.
    pub groups: Vec<GroupPlan>,
    /// Variables for the command.
    pub environment: Vec<(String, String)>,
    /// GPUs whose memory is watched, by their place in the inventory.
    pub watched_gpus: Vec<usize>,
}

/// A control group to make.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupPlan {
    /// Which hierarchy.
    pub hierarchy: Hierarchy,
    /// The group that will hold it.
    pub parent: PathBuf,
    /// Controllers that the parent must give to it (version 2).
    pub controllers: Vec<&'static str>,
    /// Files to write, in order. Where the last is false, the file may be missing.
    pub settings: Vec<(&'static str, String, bool)>,
}

/// A hierarchy of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hierarchy {
    /// The one of version 2.
    V2,
    /// Version 1's of the memory controller.
    V1Memory,
    /// Version 1's of the freezer.
    V1Freezer,
}

/// Plans a run.
pub fn plan(request: &Request, facts: &Facts) -> Plan {
    let mut plan = Plan::default();
    let meant = Meant::of(request, facts);
    let regions =
        request.gpu_memory_bytes.map_or_else(Vec::new, |_| dmem_regions(&meant.gpus, &facts.cgroups.dmem_regions));
    let ending = request.on_exceed == OnExceed::End;

    let place = v2_place(&facts.cgroups.v2, request.cpu_memory_bytes.is_some(), ending && !regions.is_empty());
    let mut v2 = place.map(|place| GroupPlan {
        hierarchy: Hierarchy::V2,
        parent: place.path.clone(),
        controllers: Vec::new(),
        settings: Vec::new(),
    });
    let offers = |controller: &str| place.is_some_and(|place| place.offers(controller));

    if let Some(bytes) = request.gpu_memory_bytes {
        let by_dmem = ending && offers("dmem");
        if let (Some(group), true, false) = (&mut v2, by_dmem, regions.is_empty()) {
            group.controllers.push("dmem");
            let line = |(_, region): &(usize, String)| ("dmem.max", format!("{region} {bytes}"), true);
            group.settings.extend(regions.iter().map(line));
        }
        let accounted: Vec<usize> = if by_dmem { regions.iter().map(|(gpu, _)| *gpu).collect() } else { Vec::new() };
        plan.gpu_memory(bytes, request, facts, &meant, &accounted);
    }
    if let Some(share) = request.gpu_compute_share {
        plan.gpu_compute(share, facts, &meant);
    }
    let mut v1_memory = None;
    if let Some(bytes) = request.cpu_memory_bytes {
        v1_memory = plan.cpu_memory(bytes, request, facts, v2.as_mut().filter(|_| offers("memory")));
    }
    let v1_freezer = facts.cgroups.v1_freezer.clone().filter(|_| v2.is_none()).map(|parent| GroupPlan {
        hierarchy: Hierarchy::V1Freezer,
        parent,
        controllers: Vec::new(),
        settings: Vec::new(),
    });
    plan.show_named(request, facts);
    plan.groups = [v2, v1_freezer, v1_memory].into_iter().flatten().collect();
    plan
}

impl Plan {
    /// Limits that are not hard.
    pub fn soft(&self) -> impl Iterator<Item = &Enforcement> {
        self.enforcements.iter().filter(|enforcement| enforcement.strength != Strength::Hard)
    }

    fn cpu_memory(
        &mut self,
        bytes: u64,
        request: &Request,
        facts: &Facts,
        v2: Option<&mut GroupPlan>,
    ) -> Option<GroupPlan> {
        let ending = request.on_exceed == OnExceed::End;
        let unenforced = || Some("--on-exceed warn: nothing is refused".to_owned());
        let mut v1 = None;
        let (strength, means, why) = if let Some(group) = v2 {
            group.controllers.push("memory");
            if ending {
                group.settings.push(("memory.max", bytes.to_string(), true));
                // Else what is beyond the limit would go to swap and slow the machine.
                group.settings.push(("memory.swap.max", "0".into(), false));
                (Strength::Hard, "cgroup v2 memory.max", None)
            } else {
                group.settings.push(("memory.high", bytes.to_string(), true));
                let why = "--on-exceed warn: the kernel slows the command beyond it and refuses nothing";
                (Strength::Cooperative, "cgroup v2 memory.high", Some(why.into()))
            }
        } else if let Some(parent) = &facts.cgroups.v1_memory {
            let mut group = GroupPlan {
                hierarchy: Hierarchy::V1Memory,
                parent: parent.clone(),
                controllers: Vec::new(),
                settings: Vec::new(),
            };
            if ending {
                group.settings.push(("memory.limit_in_bytes", bytes.to_string(), true));
                group.settings.push(("memory.memsw.limit_in_bytes", bytes.to_string(), false));
            }
            v1 = Some(group);
            match ending {
                true => (Strength::Hard, "cgroup v1 memory.limit_in_bytes", None),
                false => (Strength::Observed, "cgroup v1 memory.usage_in_bytes", unenforced()),
            }
        } else {
            let obstacles = [&facts.cgroups.v2_obstacle, &facts.cgroups.v1_obstacle];
            let obstacles: Vec<&str> = obstacles.into_iter().flatten().map(String::as_str).collect();
            let why = if ending { Some(obstacles.join("; ")) } else { unenforced() };
            (Strength::Observed, "resident memory of the command's processes", why)
        };
        let bound = facts.cgroups.memory_bound.as_ref().filter(|bound| bound.bytes < bytes);
        self.enforcements.push(Enforcement {
            limit: Limit::CpuMemory,
            amount: amount(bytes),
            strength,
            means: vec![means.into()],
            why_not_stronger: why,
            lower_already: bound
                .map(|bound| format!("{} by the control group {}", amount(bound.bytes), bound.group.display())),
        });
        v1
    }
}

/// The place of the version 2 group: the nearest with all that is needed, else with memory, else the nearest.
fn v2_place(places: &[V2Place], memory: bool, dmem: bool) -> Option<&V2Place> {
    let with = |memory: bool, dmem: bool| {
        places.iter().find(|place| (!memory || place.offers("memory")) && (!dmem || place.offers("dmem")))
    };
    with(memory, dmem).or_else(|| with(memory, false)).or_else(|| with(false, dmem)).or_else(|| places.first())
}

/// Video memory regions of these GPUs: `drm/0000:03:00.0/vram0`, and of NVIDIA's driver from 615 on `nvidia/…/vidmem`. Reserved memory
/// of the processor (`stolen`, `gtt`) is none.
fn dmem_regions(gpus: &[&GpuFacts], regions: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for gpu in gpus {
        for region in regions {
            let mut parts = region.split('/').skip(1);
            let place: Option<PciAddress> = parts.next().and_then(|place| place.parse().ok());
            let is_video = parts.next().is_some_and(|name| name.starts_with("vram") || name.starts_with("vidmem"));
            if place.is_some() && place == gpu.pci && is_video {
                found.push((gpu.index, region.clone()));
            }
        }
    }
    found
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(super) mod tests;

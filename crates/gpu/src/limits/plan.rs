//! From what is asked and what is there to what will be done: which groups with which settings, which variables, what each limit is
//! worth. Nothing is touched.

use std::path::PathBuf;

use super::cgroup::V2Place;
use super::facts::GpuFacts;
use super::{Enforcement, Facts, Limit, OnExceed, Request, Strength};
use crate::config::size;
use crate::inventory::Vendor;
use crate::request::DeviceRequest;

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
    let gpus: Vec<&GpuFacts> = facts.gpus.iter().filter(|gpu| is_meant(gpu, &request.device)).collect();
    let regions = request.gpu_memory_bytes.map_or_else(Vec::new, |_| dmem_regions(&gpus, &facts.cgroups.dmem_regions));
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
        plan.gpu_memory(bytes, request, facts, &gpus, &accounted);
    }
    if let Some(share) = request.gpu_compute_share {
        plan.gpu_compute(share, facts, &gpus);
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
    if request.device != DeviceRequest::Auto {
        plan.environment.extend(visible_device(request, facts, &gpus));
    }
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
        self.enforcements.push(Enforcement {
            limit: Limit::CpuMemory,
            amount: size::exact(bytes),
            strength,
            means: vec![means.into()],
            why_not_stronger: why,
        });
        v1
    }

    fn gpu_memory(&mut self, bytes: u64, request: &Request, facts: &Facts, gpus: &[&GpuFacts], accounted: &[usize]) {
        let ending = request.on_exceed == OnExceed::End;
        let mut found: Vec<(Strength, Vec<String>, Option<String>)> = Vec::new();
        for gpu in gpus {
            let (mut means, mut whys) = (Vec::new(), Vec::new());
            let mut strength = Strength::NotInForce;
            if accounted.contains(&gpu.index) {
                strength = Strength::Hard;
                means.push("cgroup v2 dmem.max".to_owned());
            } else if gpu.vendor == Vendor::Nvidia {
                if ending {
                    means.push("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT".into());
                    strength = if facts.mps.daemon_runs { Strength::Hard } else { Strength::NotInForce };
                }
                if !facts.mps.daemon_runs {
                    whys.push(no_mps(facts));
                }
            } else {
                whys.push("the kernel accounts no memory of this GPU (dmem, Linux 6.14)".into());
            }
            match observer(gpu, facts) {
                Ok(observer) => {
                    strength = strength.max(Strength::Observed);
                    means.push(observer);
                    self.watched_gpus.push(gpu.index);
                }
                Err(why) => whys.push(why),
            }
            if strength == Strength::NotInForce && !means.is_empty() {
                strength = Strength::Cooperative;
            }
            if !ending {
                whys = vec!["--on-exceed warn: nothing is refused".into()];
            }
            found.push((strength, means, (strength != Strength::Hard).then(|| whys.join("; "))));
        }
        if gpus.iter().any(|gpu| gpu.vendor == Vendor::Nvidia) && ending {
            let visible = if request.device == DeviceRequest::Auto { count(gpus, Vendor::Nvidia) } else { 1 };
            // The service counts in MiB; a limit of less than one would be none.
            let mib = (bytes >> 20).max(1);
            let limits: Vec<String> = (0..visible).map(|place| format!("{place}={mib}M")).collect();
            self.environment.push(("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT".into(), limits.join(",")));
        }
        if ending && let Some(fraction) = zomma_fraction(bytes, gpus) {
            self.environment.push(("ZOMMA_GPU_MEMORY_FRACTION".into(), fraction.to_string()));
        }
        self.enforcements.push(weakest(Limit::GpuMemory, size::exact(bytes), found));
    }

    fn gpu_compute(&mut self, share: f64, facts: &Facts, gpus: &[&GpuFacts]) {
        // To a tenth of a percent, rounded down: 0.1 + 0.2 of a GPU is 30 %.
        let percent = (share * 1000.0 + 1e-9).floor().max(1.0) / 10.0;
        let mut found: Vec<(Strength, Vec<String>, Option<String>)> = Vec::new();
        let mut cu_masks = Vec::new();
        for gpu in gpus {
            found.push(match (gpu.vendor, gpu.multiprocessors) {
                (Vendor::Nvidia, _) => {
                    let means = vec!["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE".into()];
                    match facts.mps.daemon_runs {
                        true => (Strength::Hard, means, None),
                        false => (Strength::Cooperative, means, Some(format!("no effect: {}", no_mps(facts)))),
                    }
                }
                (Vendor::Amd, Some(units)) if units > 0 => {
                    let kept = ((f64::from(units) * percent / 100.0).floor() as u32).clamp(1, units);
                    cu_masks.push(format!("{}:0-{}", cu_masks.len(), kept - 1));
                    let why = "ROCm's runtime keeps to it, and other software need not";
                    (Strength::Cooperative, vec!["HSA_CU_MASK".into()], Some(why.into()))
                }
                (Vendor::Amd, _) => {
                    (Strength::NotInForce, Vec::new(), Some("its number of compute units is not known".into()))
                }
                _ => (Strength::NotInForce, Vec::new(), Some(format!("no means to divide {}", gpu.name))),
            });
        }
        if gpus.iter().any(|gpu| gpu.vendor == Vendor::Nvidia) {
            self.environment.push(("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE".into(), percent.to_string()));
        }
        if !cu_masks.is_empty() {
            self.environment.push(("HSA_CU_MASK".into(), cu_masks.join(";")));
        }
        self.enforcements.push(weakest(Limit::GpuCompute, format!("{percent}%"), found));
    }
}

/// A limit over several GPUs is worth what it is worth on the weakest.
fn weakest(limit: Limit, amount: String, found: Vec<(Strength, Vec<String>, Option<String>)>) -> Enforcement {
    match found.into_iter().min_by_key(|(strength, ..)| *strength) {
        Some((strength, means, why_not_stronger)) => Enforcement { limit, amount, strength, means, why_not_stronger },
        None => Enforcement {
            limit,
            amount,
            strength: Strength::NotInForce,
            means: Vec::new(),
            why_not_stronger: Some("no GPU found that it could hold on".into()),
        },
    }
}

/// The place of the version 2 group: the nearest with all that is needed, else with memory, else the nearest.
fn v2_place(places: &[V2Place], memory: bool, dmem: bool) -> Option<&V2Place> {
    let with = |memory: bool, dmem: bool| {
        places.iter().find(|place| (!memory || place.offers("memory")) && (!dmem || place.offers("dmem")))
    };
    with(memory, dmem).or_else(|| with(memory, false)).or_else(|| with(false, dmem)).or_else(|| places.first())
}

/// Video memory regions of these GPUs. Reserved memory of the processor (`stolen`, `gtt`) is none.
fn dmem_regions(gpus: &[&GpuFacts], regions: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for gpu in gpus {
        let Some(pci) = gpu.pci.map(|pci| pci.to_string()) else { continue };
        for region in regions {
            let mut parts = region.split('/').skip(1);
            if parts.next() == Some(pci.as_str()) && parts.next().is_some_and(|name| name.starts_with("vram")) {
                found.push((gpu.index, region.clone()));
            }
        }
    }
    found
}

/// What can see a process's memory on this GPU.
fn observer(gpu: &GpuFacts, facts: &Facts) -> Result<String, String> {
    match (gpu.vendor, &facts.nvml_obstacle) {
        (Vendor::Nvidia, None) => Ok("NVML by process".into()),
        (Vendor::Nvidia, Some(obstacle)) => Err(obstacle.clone()),
        (Vendor::Amd | Vendor::Intel, _) if gpu.pci.is_some() => Ok("DRM by process".into()),
        _ => Err(format!("no means to see what uses {}", gpu.name)),
    }
}

fn no_mps(facts: &Facts) -> String {
    format!("no MPS daemon at {}", facts.mps.pipe_directory.display())
}

fn count(gpus: &[&GpuFacts], vendor: Vendor) -> usize {
    gpus.iter().filter(|gpu| gpu.vendor == vendor).count()
}

/// The same limit as a share, for Zomma's own broker: of the largest GPU, so that none lends more than the limit.
fn zomma_fraction(bytes: u64, gpus: &[&GpuFacts]) -> Option<f64> {
    let largest = gpus.iter().map(|gpu| gpu.memory_bytes).collect::<Option<Vec<u64>>>()?.into_iter().max()?;
    (bytes > 0 && bytes < largest).then(|| bytes as f64 / largest as f64)
}

fn is_meant(gpu: &GpuFacts, device: &DeviceRequest) -> bool {
    *device == DeviceRequest::Auto || gpu.requests.contains(&device.to_string())
}

/// Shows the command only the GPU that was named, which for it then has number 0.
fn visible_device(request: &Request, facts: &Facts, gpus: &[&GpuFacts]) -> Vec<(String, String)> {
    let DeviceRequest::Device { kind, index } = request.device else { return Vec::new() };
    let uuid = gpus.first().and_then(|gpu| gpu.uuid.clone());
    match kind.as_str() {
        "cuda" => {
            let listed = facts.cuda_visible_devices.as_deref().filter(|list| !list.is_empty());
            let listed = listed.and_then(|list| list.split(',').nth(index)).map(|entry| entry.trim().to_owned());
            vec![("CUDA_VISIBLE_DEVICES".into(), listed.or(uuid).unwrap_or_else(|| index.to_string()))]
        }
        "hip" => vec![("HIP_VISIBLE_DEVICES".into(), index.to_string())],
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

//! What the limits of GPUs come to: which variables the command gets, who watches, what each limit is worth.

use std::collections::BTreeMap;

use super::facts::{CU_MASK, CUDA_VISIBLE, GpuFacts, HIP_VISIBLE, MPS_MEMORY, MPS_PERCENTAGE};
use super::visible::{self, Visible};
use super::{Enforcement, Facts, Limit, OnExceed, Plan, Request, Strength, amount};
use crate::device::DeviceKind;
use crate::inventory::Vendor;
use crate::request::DeviceRequest;

/// Why a variable does not make a limit hard.
const CAN_BE_UNSET: &str = "a command that unsets the variable is not held by it";

/// The GPUs that limits hold on.
#[derive(Debug)]
pub(super) struct Meant<'a> {
    /// Those that are watched: all for `auto`, whatever variables hide, since the command can unset them.
    pub gpus: Vec<&'a GpuFacts>,
    /// Those of NVIDIA's that CUDA shows to the command, each with the number that it has for those who planned it.
    nvidia: Vec<Visible<'a>>,
    /// Those of AMD's, by the number that ROCm's runtime gives them.
    amd: Vec<Visible<'a>>,
}

impl<'a> Meant<'a> {
    /// All, or the one that was named.
    pub(super) fn of(request: &Request, facts: &'a Facts) -> Self {
        let nvidia = || visible::visible(facts, Vendor::Nvidia);
        if request.device == DeviceRequest::Auto {
            return Self { gpus: facts.gpus.iter().collect(), nvidia: nvidia(), amd: visible::by_rocm(facts) };
        }
        let named = visible::named(facts, &request.device).ok().flatten();
        let is_named = |one: &Visible<'_>| named.as_ref().is_some_and(|named| named.gpu.index == one.gpu.index);
        Self {
            gpus: named.iter().map(|named| named.gpu).collect(),
            nvidia: named.clone().into_iter().filter(|one| one.gpu.vendor == Vendor::Nvidia).collect(),
            amd: visible::by_rocm(facts).into_iter().filter(is_named).collect(),
        }
    }
}

/// How much a limit is worth on one GPU, what does it, and why no more.
type Worth = (Strength, Vec<String>, Option<String>);

impl Plan {
    pub(super) fn gpu_memory(
        &mut self,
        bytes: u64,
        request: &Request,
        facts: &Facts,
        meant: &Meant<'_>,
        accounted: &[usize],
    ) {
        let ending = request.on_exceed == OnExceed::End;
        let mut found: Vec<Worth> = Vec::new();
        for gpu in &meant.gpus {
            let (mut means, mut whys) = (Vec::new(), Vec::new());
            let mut strength = Strength::NotInForce;
            if accounted.contains(&gpu.index) {
                strength = Strength::Hard;
                means.push("cgroup v2 dmem.max".to_owned());
            } else if gpu.vendor != Vendor::Nvidia {
                whys.push("the kernel accounts no memory of this GPU (dmem, Linux 6.14)".into());
            } else if !facts.mps.daemon_runs {
                whys.push(no_mps(facts));
            } else if ending {
                strength = Strength::Cooperative;
                means.push(MPS_MEMORY.into());
                whys.push(CAN_BE_UNSET.into());
            }
            match observer(gpu, facts) {
                Ok(observer) => {
                    strength = strength.max(Strength::Observed);
                    means.push(observer);
                    self.watched_gpus.push(gpu.index);
                    if !ending {
                        whys = vec!["--on-exceed warn: nothing is refused".into()];
                    }
                }
                Err(why) => whys.push(why),
            }
            whys.extend(slices_in_words(gpu, meant));
            found.push((strength, means, (strength != Strength::Hard).then(|| whys.join("; "))));
        }
        let mut lower_already = None;
        if ending {
            lower_already = self.mps_memory(bytes, facts, meant);
            if let Some(fraction) = zomma_fraction(bytes, request.memory_fraction, meant) {
                self.environment.push(("ZOMMA_GPU_MEMORY_FRACTION".into(), fraction.to_string()));
            }
        }
        self.enforcements.push(Enforcement { lower_already, ..weakest(Limit::GpuMemory, amount(bytes), found) });
    }

    /// Limits a client of the multi-process service on each GPU that it sees. A lower limit that the command inherits stays, and is
    /// told.
    fn mps_memory(&mut self, bytes: u64, facts: &Facts, meant: &Meant<'_>) -> Option<String> {
        // The service counts in MiB; a limit of less than one would be none.
        let asked_mib = (bytes >> 20).max(1);
        let inherited = facts.inherited.get(MPS_MEMORY).map_or("", String::as_str);
        let limits: Vec<u64> =
            meant.nvidia.iter().map(|one| inherited_mib(inherited, one).unwrap_or(asked_mib).min(asked_mib)).collect();
        if !limits.is_empty() {
            let entries: Vec<String> =
                limits.iter().enumerate().map(|(place, mib)| format!("{place}={mib}M")).collect();
            self.environment.push((MPS_MEMORY.into(), entries.join(",")));
        }
        let lowest_mib = limits.into_iter().min().filter(|mib| *mib < asked_mib && facts.mps.daemon_runs)?;
        Some(format!("{} by {MPS_MEMORY}={inherited}", amount(lowest_mib << 20)))
    }

    pub(super) fn gpu_compute(&mut self, share: f64, facts: &Facts, meant: &Meant<'_>) {
        // To a tenth of a percent, rounded down: 0.1 + 0.2 of a GPU is 30 %.
        let percent = (share * 1000.0 + 1e-9).floor().max(1.0) / 10.0;
        let inherited_mask = facts.inherited.get(CU_MASK).filter(|mask| !mask.is_empty());
        let inherited_units = inherited_mask.map_or(Some(BTreeMap::new()), |mask| units_by_gpu(mask));
        let mut found: Vec<Worth> = Vec::new();
        for gpu in &meant.gpus {
            found.push(match (gpu.vendor, gpu.multiprocessors, inherited_mask) {
                (Vendor::Nvidia, ..) if facts.mps.daemon_runs => {
                    (Strength::Cooperative, vec![MPS_PERCENTAGE.into()], Some(CAN_BE_UNSET.into()))
                }
                (Vendor::Nvidia, ..) => (Strength::NotInForce, Vec::new(), Some(no_mps(facts))),
                (Vendor::Amd, _, Some(mask)) if inherited_units.is_none() => {
                    (Strength::NotInForce, Vec::new(), Some(format!("{CU_MASK}={mask} is set already, and stays")))
                }
                (Vendor::Amd, Some(units), _) if units > 0 => {
                    let why = "ROCm's runtime keeps to it, and other software need not";
                    (Strength::Cooperative, vec![CU_MASK.into()], Some(why.into()))
                }
                (Vendor::Amd, ..) => {
                    (Strength::NotInForce, Vec::new(), Some("its number of compute units is not known".into()))
                }
                _ => (Strength::NotInForce, Vec::new(), Some(format!("no means to divide {}", gpu.name))),
            });
        }
        let mut lower: Vec<String> = Vec::new();
        if meant.gpus.iter().any(|gpu| gpu.vendor == Vendor::Nvidia) {
            let inherited = facts.inherited.get(MPS_PERCENTAGE).and_then(|text| text.trim().parse::<f64>().ok());
            let inherited = inherited.filter(|inherited| *inherited > 0.0 && *inherited < percent);
            self.environment.push((MPS_PERCENTAGE.into(), inherited.unwrap_or(percent).to_string()));
            let told = inherited.filter(|_| facts.mps.daemon_runs);
            lower.extend(told.map(|inherited| format!("{inherited}% by {MPS_PERCENTAGE}")));
        }
        if let Some(inherited) = inherited_units {
            let mut masks = Vec::new();
            for one in &meant.amd {
                let Some(units) = one.gpu.multiprocessors.filter(|units| *units > 0) else { continue };
                let asked = ((f64::from(units) * percent / 100.0).floor() as u32).clamp(1, units);
                let kept = inherited.get(&one.ordinal).map_or(asked, |inherited| asked.min(*inherited));
                if kept < asked {
                    lower.push(format!("{kept} compute units by {CU_MASK}"));
                }
                masks.push(format!("{}:0-{}", one.ordinal, kept - 1));
            }
            if !masks.is_empty() {
                self.environment.push((CU_MASK.into(), masks.join(";")));
            }
        }
        let lower_already = (!lower.is_empty()).then(|| lower.join(", "));
        let worth = weakest(Limit::GpuCompute, format!("{percent}%"), found);
        self.enforcements.push(Enforcement { lower_already, ..worth });
    }

    /// Shows the command only the GPU that was named, which for it then has number 0, and for Zomma's own commands too.
    pub(super) fn show_named(&mut self, request: &Request, facts: &Facts) {
        let Ok(Some(named)) = visible::named(facts, &request.device) else { return };
        let variable = match named.gpu.vendor {
            Vendor::Nvidia => Some(CUDA_VISIBLE),
            Vendor::Amd => Some(HIP_VISIBLE),
            Vendor::Intel | Vendor::Software | Vendor::Other => None,
        };
        self.environment.extend(variable.map(|variable| (variable.to_owned(), named.token)));
        let device = match request.device {
            DeviceRequest::Device { kind: kind @ (DeviceKind::Cuda | DeviceKind::Hip), .. } => {
                DeviceRequest::Device { kind, index: 0 }
            }
            // Vulkan counts its devices whatever those variables say.
            device => device,
        };
        self.environment.push(("ZOMMA_GPU_DEVICE".into(), device.to_string()));
    }
}

/// How many compute units a mask leaves to each GPU, where it has the form that ours have: the first ones, `0:0-51;1:0-51`.
fn units_by_gpu(mask: &str) -> Option<BTreeMap<usize, u32>> {
    let entry = |entry: &str| {
        let (gpu, units) = entry.split_once(':')?;
        Some((gpu.trim().parse().ok()?, units.trim().strip_prefix("0-")?.parse::<u32>().ok()?.checked_add(1)?))
    };
    mask.split(';').map(entry).collect()
}

/// What an inherited list such as `0=4096M,1=2G` or `GPU-…=1G` allows on one GPU, in MiB.
fn inherited_mib(list: &str, one: &Visible<'_>) -> Option<u64> {
    list.split(',').find_map(|entry| {
        let (device, limit) = entry.split_once('=')?;
        let device = device.trim();
        let by_name =
            device.starts_with("GPU-") && one.gpu.uuid.as_deref().is_some_and(|uuid| uuid.starts_with(device));
        if device.parse() != Ok(one.ordinal) && !by_name {
            return None;
        }
        let limit = limit.trim().to_ascii_uppercase();
        let number: u64 = limit.trim_end_matches(['B', 'M', 'G']).parse().ok()?;
        match limit.trim_start_matches(|c: char| c.is_ascii_digit()) {
            "M" | "MB" => Some(number),
            "G" | "GB" => number.checked_mul(1024),
            _ => None,
        }
    })
}

/// A limit over several GPUs is worth what it is worth on the weakest.
fn weakest(limit: Limit, amount: String, found: Vec<Worth>) -> Enforcement {
    let none = || (Strength::NotInForce, Vec::new(), Some("no GPU found that it could hold on".to_owned()));
    let (strength, means, why_not_stronger) =
        found.into_iter().min_by_key(|(strength, ..)| *strength).unwrap_or_else(none);
    Enforcement { limit, amount, strength, means, why_not_stronger, lower_already: None }
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

/// What a GPU's slices bound already: CUDA gives a process one of them.
fn slices_in_words(gpu: &GpuFacts, meant: &Meant<'_>) -> Option<String> {
    let nvidia = gpu.vendor == Vendor::Nvidia;
    let one = meant.nvidia.iter().find(|one| nvidia && one.gpu.index == gpu.index)?;
    let slice = one.largest_slice()?;
    Some(format!("MIG {} holds each process to {}", slice.profile, amount(slice.memory_bytes?)))
}

fn no_mps(facts: &Facts) -> String {
    format!("no MPS daemon at {}", facts.mps.pipe_directory.display())
}

/// The same limit as a share, for Zomma's own broker: of the largest GPU, so that none lends more than the limit, and never more than
/// is in force without it.
fn zomma_fraction(bytes: u64, in_force: f64, meant: &Meant<'_>) -> Option<f64> {
    let others = meant.gpus.iter().filter(|gpu| gpu.vendor != Vendor::Nvidia).map(|gpu| gpu.memory_bytes);
    let sizes: Option<Vec<u64>> = others.chain(meant.nvidia.iter().map(Visible::memory_bytes)).collect();
    let largest = sizes?.into_iter().max()?;
    (bytes > 0 && bytes < largest).then(|| (bytes as f64 / largest as f64).min(in_force))
}

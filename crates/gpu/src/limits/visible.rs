//! Which GPUs the command sees, in the order in which its run time counts them, and which of them a device request names.

use super::Facts;
use super::facts::{CUDA_VISIBLE, GpuFacts, HIP_VISIBLE, ROCR_VISIBLE};
use crate::device::DeviceKind;
use crate::inventory::{Partition, Vendor};
use crate::request::DeviceRequest;

/// A GPU that the command sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Visible<'a> {
    /// The GPU.
    pub gpu: &'a GpuFacts,
    /// Its number there.
    pub ordinal: usize,
    /// How the variable that shows or hides it names it.
    pub token: String,
    /// The slice of it that the command sees, where it was given one by name.
    pub slice: Option<&'a Partition>,
}

impl Visible<'_> {
    /// Memory of what the command takes for one device: of a GPU cut into slices it sees one at a time.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.largest_slice().map_or(self.gpu.memory_bytes, |slice| slice.memory_bytes)
    }

    /// The slice that it was given, else the largest that it may get; `None` where the GPU is whole.
    pub fn largest_slice(&self) -> Option<&Partition> {
        self.slice.or_else(|| self.gpu.partitions.iter().max_by_key(|slice| slice.memory_bytes))
    }
}

/// Why no limit of a GPU can hold on the device that was named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSuchGpu {
    /// It is the CPU.
    #[error("a limit of a GPU needs a GPU, and --cpu-memory limits the processor's memory")]
    Cpu,
    /// It is a software device.
    #[error("{name} is a software device, whose memory is the processor's: --cpu-memory limits that")]
    Software {
        /// Its name.
        name: String,
    },
    /// There is none of that name.
    #[error("no such GPU: {there}")]
    Absent {
        /// Those that there are, and what hides others.
        there: String,
    },
}

/// The GPU that a request names; `None` for `auto`, which names none.
///
/// # Errors
///
/// [`NoSuchGpu`] where what is named is no GPU of this machine, or is hidden from the command.
pub fn named<'a>(facts: &'a Facts, request: &DeviceRequest) -> Result<Option<Visible<'a>>, NoSuchGpu> {
    let DeviceRequest::Device { kind, index } = *request else { return Ok(None) };
    let name = request.to_string();
    let found = match kind {
        DeviceKind::Cpu => return Err(NoSuchGpu::Cpu),
        DeviceKind::Cuda => visible(facts, Vendor::Nvidia).into_iter().find(|seen| seen.ordinal == index),
        DeviceKind::Hip => visible(facts, Vendor::Amd).into_iter().find(|seen| seen.ordinal == index),
        DeviceKind::Vulkan => {
            let gpu = facts.gpus.iter().find(|gpu| gpu.requests.contains(&name));
            gpu.map(|gpu| {
                let seen = visible(facts, gpu.vendor).into_iter().find(|seen| seen.gpu.index == gpu.index);
                seen.unwrap_or_else(|| Visible { gpu, ordinal: 0, token: own_name(gpu, 0), slice: None })
            })
        }
    };
    let software = facts.software.iter().find(|(software, _)| *software == name);
    match (found, software) {
        (Some(found), _) => Ok(Some(found)),
        (None, Some((_, name))) => Err(NoSuchGpu::Software { name: name.clone() }),
        (None, None) => Err(NoSuchGpu::Absent { there: there(facts) }),
    }
}

/// A vendor's GPUs that the command sees, in the order in which its run time counts them: as the driver said where it was asked and
/// answered, else by PCI address and the variables that the command inherits.
pub fn visible(facts: &Facts, vendor: Vendor) -> Vec<Visible<'_>> {
    let (prefix, variables): (_, &[&'static str]) = match vendor {
        Vendor::Nvidia => ("cuda:", &[CUDA_VISIBLE]),
        Vendor::Amd => ("hip:", &[ROCR_VISIBLE, HIP_VISIBLE]),
        Vendor::Intel | Vendor::Software | Vendor::Other => return Vec::new(),
    };
    // The last variable is the one that shows the command a GPU; what it says is counted after those before it.
    let inherited = variables.last().and_then(|variable| facts.inherited.get(variable));
    let mut seen = said_by_driver(facts, vendor, prefix, inherited.map_or("", String::as_str));
    if seen.is_empty() {
        seen = variables.iter().fold(by_address(facts, vendor), |left, variable| shown_by(facts, variable, left));
    }
    if inherited.is_none() {
        seen.iter_mut().for_each(|one| one.token = own_name(one.gpu, one.ordinal));
    }
    seen
}

/// AMD's GPUs in the order in which ROCm's runtime counts them: `HSA_CU_MASK` names them by it.
pub fn by_rocm(facts: &Facts) -> Vec<Visible<'_>> {
    shown_by(facts, ROCR_VISIBLE, by_address(facts, Vendor::Amd))
}

/// Those that the driver named when it was asked, with the entries of the variable that it counted by.
fn said_by_driver<'a>(facts: &'a Facts, vendor: Vendor, prefix: &str, variable: &str) -> Vec<Visible<'a>> {
    let entries: Vec<&str> = variable.split(',').map(str::trim).collect();
    let seen = |gpu: &'a GpuFacts| {
        let ordinal = gpu.requests.iter().find_map(|request| request.strip_prefix(prefix)?.parse::<usize>().ok())?;
        let token = entries.get(ordinal).map_or_else(String::new, |entry| (*entry).to_owned());
        let slice = gpu.partitions.iter().find(|slice| slice.uuid.as_ref() == Some(&token));
        Some(Visible { gpu, ordinal, token, slice })
    };
    let mut seen: Vec<_> = facts.gpus.iter().filter(|gpu| gpu.vendor == vendor).filter_map(seen).collect();
    seen.sort_by_key(|one| one.ordinal);
    seen
}

/// Those that the vendor's own driver has, by PCI address, as NVML counts them too.
fn by_address(facts: &Facts, vendor: Vendor) -> Vec<Visible<'_>> {
    let driver = if vendor == Vendor::Nvidia { "nvidia" } else { "amdgpu" };
    let has_driver = |gpu: &&GpuFacts| gpu.driver.as_deref().is_none_or(|found| found == driver);
    let gpus = facts.gpus.iter().filter(|gpu| gpu.vendor == vendor).filter(has_driver).enumerate();
    gpus.map(|(ordinal, gpu)| Visible { gpu, ordinal, token: own_name(gpu, ordinal), slice: None }).collect()
}

/// Those that one variable lets through, counted anew. As the run times have it, the first entry that names nothing ends the list.
fn shown_by<'a>(facts: &'a Facts, variable: &'static str, seen: Vec<Visible<'a>>) -> Vec<Visible<'a>> {
    let Some(value) = facts.inherited.get(variable) else { return seen };
    let entry = |entry: &str| -> Option<Visible<'a>> {
        let found = match entry.parse::<usize>() {
            Ok(place) => seen.get(place).cloned(),
            Err(_) => seen.iter().find_map(|one| by_name(one, entry)),
        };
        found.map(|one| Visible { token: entry.to_owned(), ..one })
    };
    let shown = value.split(',').map(str::trim).map_while(entry).enumerate();
    shown.map(|(ordinal, one)| Visible { ordinal, ..one }).collect()
}

/// A GPU by the start of the vendor's own name of the board, or by the name of a slice.
fn by_name<'a>(one: &Visible<'a>, entry: &str) -> Option<Visible<'a>> {
    let is_board = entry.starts_with("GPU-") && one.gpu.uuid.as_deref().is_some_and(|uuid| uuid.starts_with(entry));
    let slice = one.gpu.partitions.iter().find(|slice| slice.uuid.as_deref() == Some(entry));
    (is_board || slice.is_some()).then(|| Visible { slice, ..one.clone() })
}

/// What names a GPU whatever the order in which it is counted; else its number.
fn own_name(gpu: &GpuFacts, ordinal: usize) -> String {
    gpu.uuid.clone().filter(|_| gpu.vendor == Vendor::Nvidia).unwrap_or_else(|| ordinal.to_string())
}

/// The GPUs that can be named, and what hides others.
fn there(facts: &Facts) -> String {
    if facts.gpus.is_empty() {
        let why = facts.nvml_obstacle.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        return format!("this machine has none{why}");
    }
    let counted = |vendor: Vendor, prefix: &'static str| {
        let seen = visible(facts, vendor).into_iter();
        seen.map(move |one| format!("{prefix}:{} ({})", one.ordinal, one.gpu.name))
    };
    let vulkan = facts.gpus.iter().flat_map(|gpu| {
        let requests = gpu.requests.iter().filter(|request| request.starts_with("vulkan:"));
        requests.map(move |request| format!("{request} ({})", gpu.name))
    });
    let names: Vec<String> = counted(Vendor::Nvidia, "cuda").chain(counted(Vendor::Amd, "hip")).chain(vulkan).collect();
    let mut words = if names.is_empty() {
        let gpus: Vec<&str> = facts.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
        format!("nothing here can name any of {}", gpus.join(", "))
    } else {
        format!("found are {}", names.join(", "))
    };
    for name in [CUDA_VISIBLE, ROCR_VISIBLE, HIP_VISIBLE] {
        if let Some(value) = facts.inherited.get(name) {
            words.push_str(&format!("; {name}={value} hides the others"));
        }
    }
    words
}

#[cfg(test)]
#[path = "visible_tests.rs"]
mod tests;

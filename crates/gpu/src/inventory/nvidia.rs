//! NVIDIA GPUs: what NVML says of each, one question a value, so that a value which fails or hangs takes no other with it.

use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON;
use nvml_wrapper::{Device, Nvml as Library};

use crate::nvml::{Nvml, NvmlFault};

use super::bus::Seen;
use super::pci::PciAddress;
use super::{Driver, Gpu, Link, LinkKind, Partition, Vendor};

/// nvml.h's `NVML_NVLINK_DEVICE_TYPE_SWITCH`.
const SWITCH: u32 = 2;
/// The most NVLinks that a GPU has.
const LINKS_MAX: u32 = 18;
/// Words of 64 CPUs or nodes in an affinity mask: 8192 of them, the kernel's limit.
const MASK_WORDS: usize = 128;
/// The most GPUs that are asked for; the driver's own limit is smaller.
const GPUS_MAX: u32 = 256;

/// One end of an NVLink, as a GPU sees it.
#[derive(Debug, Clone, Copy)]
struct End {
    to: Option<PciAddress>,
    switch: bool,
}

/// The NVLinks of one GPU.
#[derive(Debug)]
struct Ends {
    at: PciAddress,
    ends: Vec<End>,
    link_bytes_per_second: Option<u64>,
}

/// Adds what NVML knows to the GPUs seen, and those that only NVML knows.
pub(super) fn add(nvml: &Nvml, seen: &mut Vec<Seen>, notes: &mut Vec<String>) {
    let version = note(notes, nvml.ask("nvmlSystemGetDriverVersion", Library::sys_driver_version));
    let Some(count) = note(notes, nvml.ask("nvmlDeviceGetCount", Library::device_count)) else { return };
    if count == 0 {
        notes.push("NVML: the driver is there and shows no GPU".into());
    }
    let mut fabric = Vec::new();
    let mut placed = Vec::new();
    let mut unplaced = Vec::new();
    for index in 0..count.min(GPUS_MAX) {
        let asked = Asked { nvml, index };
        let info = asked.get("nvmlDeviceGetPciInfo", |device| device.pci_info());
        if let Err(fault) = &info {
            notes.push(format!("NVIDIA GPU {index}: {fault}"));
        }
        match info.ok().and_then(|info| info.bus_id.parse().ok()) {
            Some(at) => {
                let place = place_at(at, seen);
                describe(&asked, &mut seen[place].gpu, version.as_deref());
                fabric.push(asked.ends(at));
                placed.push(at);
            }
            // Nothing more will be said of this GPU or of any other; those on the PCI bus are listed from there.
            None if nvml.hanging().is_some() => break,
            None => unplaced.push(asked),
        }
    }
    // NVML goes by PCI addresses as the bus does, so that as many GPUs here as there are the same ones.
    let on_bus: Vec<usize> = (0..seen.len()).filter(|&place| may_be_unplaced(&seen[place], &placed)).collect();
    for (nth, asked) in unplaced.iter().enumerate() {
        let mut gpu = Gpu::unknown(Vendor::Nvidia);
        if on_bus.len() == unplaced.len() {
            describe(asked, &mut seen[on_bus[nth]].gpu, version.as_deref());
            continue;
        }
        describe(asked, &mut gpu, version.as_deref());
        let nothing_known = gpu.name.is_none() && gpu.uuid.is_none() && gpu.memory_bytes.is_none();
        if !(nothing_known && on_bus.len() > nth) {
            seen.push(Seen { gpu, ..Seen::new(Vendor::Nvidia) });
        }
    }
    if let Some(call) = nvml.hanging() {
        notes.push(format!("NVML: {call} hangs, so that what NVML would say after it is missing"));
    }
    for ends in &fabric {
        if let Some(one) = seen.iter_mut().find(|seen| seen.gpu.pci == Some(ends.at)) {
            one.gpu.links = links(ends, &fabric);
        }
    }
}

/// Where the GPU at this address is listed; at the end where it was not yet.
fn place_at(at: PciAddress, seen: &mut Vec<Seen>) -> usize {
    seen.iter().position(|seen| seen.gpu.pci == Some(at)).unwrap_or_else(|| {
        let mut only_nvml = Seen::new(Vendor::Nvidia);
        only_nvml.gpu.pci = Some(at);
        seen.push(only_nvml);
        seen.len() - 1
    })
}

/// Whether a GPU on the bus may be one that NVML has and does not place.
fn may_be_unplaced(seen: &Seen, placed: &[PciAddress]) -> bool {
    seen.gpu.vendor == Vendor::Nvidia
        && seen.gpu.pci.is_some_and(|at| !placed.contains(&at))
        && seen.driver().is_none_or(|driver| driver == "nvidia")
}

/// A value, or a note of why there is none.
fn note<T>(notes: &mut Vec<String>, answer: Result<T, NvmlFault>) -> Option<T> {
    answer.map_err(|fault| notes.push(fault.to_string())).ok()
}

/// One GPU, asked one value at a time.
struct Asked<'a> {
    nvml: &'a Nvml,
    index: u32,
}

impl Asked<'_> {
    fn get<T: Send + 'static>(
        &self,
        call: &'static str,
        question: impl FnOnce(&Device<'_>) -> Result<T, NvmlError> + Send + 'static,
    ) -> Result<T, NvmlFault> {
        let index = self.index;
        self.nvml.ask(call, move |nvml| question(&nvml.device_by_index(index)?))
    }

    /// The active NVLinks. A link that cannot be asked is left out.
    fn ends(&self, at: PciAddress) -> Ends {
        let mut ends = Vec::new();
        for link in 0..LINKS_MAX {
            let active = self.get("nvmlDeviceGetNvLinkState", move |device| device.link_wrapper_for(link).is_active());
            match active {
                Ok(true) => {}
                Ok(false) => continue,
                // GPUs have fewer links than the most; the first that is not there ends them.
                Err(_) => break,
            }
            let remote = self
                .get("nvmlDeviceGetNvLinkRemotePciInfo", move |device| device.link_wrapper_for(link).remote_pci_info());
            let kind = self.get("nvmlDeviceGetNvLinkRemoteDeviceType", move |device| remote_device_type(device, link));
            ends.push(End { to: remote.ok().and_then(|info| info.bus_id.parse().ok()), switch: kind == Ok(SWITCH) });
        }
        let speed =
            (!ends.is_empty()).then(|| self.get("nvmlDeviceGetFieldValues", link_speed).ok().flatten()).flatten();
        Ends { at, ends, link_bytes_per_second: speed }
    }
}

/// What is at the other end of an NVLink, in nvml.h's numbers. The wrapper of this call in nvml-wrapper 0.13 lets NVML write into a
/// temporary, and always answers "unknown".
fn remote_device_type(device: &Device<'_>, link: u32) -> Result<u32, NvmlError> {
    let function = device.nvml().lib().nvmlDeviceGetNvLinkRemoteDeviceType.as_ref();
    let function = function.map_err(|error| NvmlError::FailedToLoadSymbol(error.to_string()))?;
    let mut kind = 0;
    // SAFETY: the function is NVML's own, of the signature in nvml.h; NVML is initialised as long as `device` borrows it, the handle
    // is that device's, and `kind` is a place of the size that NVML writes.
    nvml_try(unsafe { function(device.handle(), link, &raw mut kind) })?;
    Ok(kind)
}

/// Speed of one NVLink in bytes a second. NVML gives megabytes.
fn link_speed(device: &Device<'_>) -> Result<Option<u64>, NvmlError> {
    let values = device.field_values_for(&[FieldId(NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON)])?;
    let sample = values.into_iter().next().and_then(Result::ok).and_then(|sample| sample.value.ok());
    let megabytes = match sample {
        Some(SampleValue::U32(value)) => u64::from(value),
        Some(SampleValue::U64(value)) => value,
        _ => 0,
    };
    Ok(megabytes.checked_mul(1_000_000).filter(|&speed| speed > 0))
}

/// What NVML says of one GPU; what sysfs said before stays where it is the better source.
fn describe(asked: &Asked<'_>, gpu: &mut Gpu, version: Option<&str>) {
    gpu.vendor = Vendor::Nvidia;
    gpu.name = asked.get("nvmlDeviceGetName", |device| device.name()).ok().filter(|name| !name.is_empty());
    gpu.uuid = asked.get("nvmlDeviceGetUUID", |device| device.uuid()).ok();
    if gpu.pci_id.is_none() {
        let number = asked.get("nvmlDeviceGetPciInfo", |device| Ok(device.pci_info()?.pci_device_id)).ok();
        gpu.pci_id =
            number.filter(|&number| number != 0).map(|number| format!("{:04x}:{:04x}", number & 0xffff, number >> 16));
    }
    gpu.memory_bytes = asked.get("nvmlDeviceGetMemoryInfo", |device| Ok(device.memory_info()?.total)).ok();
    let capability = asked.get("nvmlDeviceGetCudaComputeCapability", |device| {
        let capability = device.cuda_compute_capability()?;
        Ok((capability.major, capability.minor))
    });
    let capability = capability.ok();
    gpu.architecture = capability.map(|(major, minor)| format!("{major}.{minor}"));
    gpu.multiprocessors = multiprocessors(asked, capability);
    gpu.ecc = asked.get("nvmlDeviceGetEccMode", |device| Ok(device.is_ecc_enabled()?.currently_enabled)).ok();
    if gpu.numa_node.is_none() {
        // NVML_AFFINITY_SCOPE_NODE is 0. One node alone is an answer.
        let nodes = asked.get("nvmlDeviceGetMemoryAffinity", |device| device.memory_affinity(MASK_WORDS, 0)).ok();
        gpu.numa_node =
            nodes.map(|mask| bits(&mask)).and_then(|nodes| <[u32; 1]>::try_from(nodes).ok()).map(|[node]| node);
    }
    if gpu.cpus.is_none() {
        let mask = asked.get("nvmlDeviceGetCpuAffinity", |device| device.cpu_affinity(MASK_WORDS)).ok();
        gpu.cpus = mask.map(|mask| bits(&mask)).filter(|cpus| !cpus.is_empty());
    }
    let version = version.map(str::to_owned);
    match &mut gpu.driver {
        Some(driver) if driver.name == "nvidia" => driver.version = version.or(driver.version.take()),
        Some(_) => {}
        None => gpu.driver = Some(Driver { name: "nvidia".into(), version }),
    }
    gpu.partitions = mig(asked);
}

/// Streaming multiprocessors: NVML says so from Ampere on, and before that follow from the cores.
fn multiprocessors(asked: &Asked<'_>, capability: Option<(i32, i32)>) -> Option<u32> {
    let said = asked.get("nvmlDeviceGetAttributes", |device| Ok(device.attributes()?.multiprocessor_count)).ok();
    said.filter(|&count| count > 0).or_else(|| {
        let cores = asked.get("nvmlDeviceGetNumGpuCores", |device| device.num_cores()).ok()?;
        // Cores a multiprocessor, by compute capability: CUDA C++ Programming Guide, table of arithmetic throughput, 32-bit add.
        let each = match capability? {
            (3, _) => 192,
            (5, _) | (6, 1 | 2) | (8, 6 | 7 | 9) | (9 | 10 | 12, _) => 128,
            (6, 0) | (7, _) | (8, 0) => 64,
            _ => return None,
        };
        Some(cores / each).filter(|&count| count > 0)
    })
}

/// The MIG devices of a GPU that is in that mode.
fn mig(asked: &Asked<'_>) -> Vec<Partition> {
    let on = asked.get("nvmlDeviceGetMigMode", |device| Ok(device.mig_mode()?.current)).unwrap_or(0) == 1;
    if !on {
        return Vec::new();
    }
    let most = asked.get("nvmlDeviceGetMaxMigDeviceCount", |device| device.mig_device_count()).unwrap_or(0);
    let mut partitions = Vec::new();
    for slice in 0..most.min(64) {
        let of = |call, question: fn(&Device<'_>) -> Result<String, NvmlError>| {
            asked.get(call, move |device| question(&device.mig_device_by_index(slice)?)).ok()
        };
        let uuid = of("nvmlDeviceGetUUID", |device| device.uuid());
        let name = of("nvmlDeviceGetName", |device| device.name());
        let memory = asked
            .get("nvmlDeviceGetMemoryInfo", move |device| Ok(device.mig_device_by_index(slice)?.memory_info()?.total));
        if uuid.is_none() && name.is_none() && memory.is_err() {
            // Places without a MIG device lie between those with one.
            continue;
        }
        let count = asked.get("nvmlDeviceGetAttributes", move |device| {
            Ok(device.mig_device_by_index(slice)?.attributes()?.multiprocessor_count)
        });
        partitions.push(Partition {
            // "NVIDIA H200 MIG 1g.18gb"
            profile: name
                .as_deref()
                .and_then(|name| name.rsplit_once("MIG "))
                .map_or_else(|| "MIG".into(), |(_, profile)| profile.into()),
            uuid,
            memory_bytes: memory.ok(),
            multiprocessors: count.ok(),
        });
    }
    partitions
}

/// Links to other GPUs: direct ones by their other end; through switches to every GPU that has such links too.
fn links(ends: &Ends, fabric: &[Ends]) -> Vec<Link> {
    let switched = |ends: &Ends| ends.ends.iter().filter(|end| end.switch).count();
    let own_switched = switched(ends);
    let mut links = Vec::new();
    for other in fabric.iter().filter(|other| other.at != ends.at) {
        let direct = ends.ends.iter().filter(|end| !end.switch && end.to == Some(other.at)).count();
        let through = if direct == 0 { own_switched.min(switched(other)) } else { 0 };
        let Ok(count) = u32::try_from(direct + through) else { continue };
        if count > 0 {
            links.push(Link {
                kind: LinkKind::NvLink,
                to: other.at,
                count,
                bandwidth_bytes_per_second: ends
                    .link_bytes_per_second
                    .and_then(|speed| speed.checked_mul(u64::from(count))),
                switched: direct == 0,
            });
        }
    }
    links
}

/// The numbers of the bits that are set.
fn bits(mask: &[std::ffi::c_ulong]) -> Vec<u32> {
    let width = std::ffi::c_ulong::BITS;
    let set = |(word, bits): (usize, &std::ffi::c_ulong)| {
        let first = u32::try_from(word).unwrap_or(0) * width;
        let bits = *bits;
        (0..width).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| first + bit)
    };
    mask.iter().enumerate().flat_map(set).collect()
}

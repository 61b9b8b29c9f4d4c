//! AMD GPUs: what AMD's system management library (`libamd_smi.so`) says of each, one question a value.
//!
//! KFD's topology and amdgpu's files come first, and have all that the list shows on a machine whose files can be read: the library is
//! loaded only where they left something out. Its layout changes from version to version, so it is asked for its version before anything else.

mod abi;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use abi::{AsicInfo, DriverInfo, Handle, Layout};

use crate::nvml::door::{Closed, Door};

use super::bus::Seen;
use super::library::{self, Library, LoadFault};
use super::pci::PciAddress;
use super::{Driver, Link, LinkKind, Vendor};

/// The library's names, in the order in which they are tried: ROCm's own folder is not always on the loader's path, and the bare name comes
/// with the headers alone.
pub(super) const LIBRARIES: [&str; 5] =
    ["libamd_smi.so", "libamd_smi.so.26", "libamd_smi.so.25", "libamd_smi.so.24", "/opt/rocm/lib/libamd_smi.so"];

/// The most GPUs whose links are asked for pair by pair.
const GPUS_MAX: usize = 64;

/// Adds what the library knows to AMD's GPUs among those seen, where sysfs left something out.
pub(super) fn add(libraries: &[OsString], limit: Duration, seen: &mut [Seen], notes: &mut Vec<String>) {
    let ours = |one: &Seen| one.gpu.vendor == Vendor::Amd && one.driver().is_none_or(|driver| driver == "amdgpu");
    let unlinked = seen.iter().filter(|one| ours(one)).count() > 1;
    let lacks = |one: &Seen| {
        let gpu = &one.gpu;
        let known = gpu.name.is_some() && gpu.memory_bytes.is_some() && gpu.ecc.is_some();
        ours(one) && (!known || unlinked && gpu.links.is_empty())
    };
    if !seen.iter().any(lacks) {
        return;
    }
    let names = libraries.to_vec();
    let door = match Door::open("amd-smi", limit, move || AmdSmi::start(&names)) {
        Ok(door) => door,
        // Nothing is wrong with a machine that has the kernel's driver alone.
        Err(Closed::Refused(None)) => return,
        Err(Closed::Refused(Some(why))) => return notes.push(format!("amd-smi: {why}")),
        Err(Closed::Hangs) => return notes.push(silent("amdsmi_init", limit)),
        Err(Closed::NoThread(error)) => return notes.push(format!("amd-smi: no thread for it: {error}")),
    };
    let count = door.ask("amdsmi_get_processor_handles", |smi| smi.processors.len()).unwrap_or(0);
    let place = |processor| door.ask("amdsmi_get_gpu_device_bdf", move |smi| smi.place(processor)).ok().flatten();
    let mut at_place: BTreeMap<PciAddress, Vec<usize>> = BTreeMap::new();
    for (processor, at) in (0..count).filter_map(|processor| Some((processor, place(processor)?))) {
        at_place.entry(at).or_default().push(processor);
    }
    // The partitions of a GPU may share its place, and what one of them says is not true of the whole.
    let alone =
        |(at, processors): (PciAddress, Vec<usize>)| <[usize; 1]>::try_from(processors).ok().map(|[one]| (one, at));
    let places: Vec<(usize, PciAddress)> = at_place.into_iter().filter_map(alone).collect();
    for &(processor, at) in &places {
        if let Some(one) = seen.iter_mut().find(|one| one.gpu.pci == Some(at) && ours(one)) {
            describe(&door, processor, one);
            if one.gpu.links.is_empty() {
                one.gpu.links = links(&door, (processor, at), &places);
            }
        }
    }
    if let Some(call) = door.hanging() {
        notes.push(silent(call, limit));
    }
}

fn silent(call: &str, limit: Duration) -> String {
    format!("amd-smi: {call}: no answer within {} ms", limit.as_millis())
}

/// What the library says of one GPU and sysfs did not.
fn describe(door: &Door<AmdSmi>, processor: usize, one: &mut Seen) {
    let gpu = &mut one.gpu;
    if gpu.memory_bytes.is_none() {
        let bytes = door.ask("amdsmi_get_gpu_memory_total", move |smi| smi.memory_bytes(processor));
        gpu.memory_bytes = bytes.ok().flatten();
    }
    if gpu.ecc.is_none() {
        gpu.ecc = door.ask("amdsmi_get_gpu_ecc_enabled", move |smi| smi.ecc(processor)).ok().flatten();
    }
    if gpu.name.is_none() {
        gpu.name = door.ask("amdsmi_get_gpu_asic_info", move |smi| smi.name(processor)).ok().flatten();
    }
    if let Some(Driver { version: version @ None, .. }) = &mut gpu.driver {
        *version = door.ask("amdsmi_get_gpu_driver_info", move |smi| smi.driver_version(processor)).ok().flatten();
    }
}

/// Links of one GPU to the others.
fn links(door: &Door<AmdSmi>, (from, at): (usize, PciAddress), places: &[(usize, PciAddress)]) -> Vec<Link> {
    let others = places.iter().take(GPUS_MAX).filter(|(_, to)| *to != at);
    let link = |&(to, place): &(usize, PciAddress)| {
        let (kind, megabytes) = door.ask("amdsmi_topo_get_link_type", move |smi| smi.link(from, to)).ok()??;
        let bandwidth = megabytes.filter(|&megabytes| megabytes > 0);
        Some(Link {
            kind,
            to: place,
            count: 1,
            bandwidth_bytes_per_second: bandwidth.and_then(|megabytes| megabytes.checked_mul(1_000_000)),
            switched: false,
        })
    };
    others.filter_map(link).collect()
}

/// The library, started, and the GPUs that it shows. Lives on one thread.
struct AmdSmi {
    layout: Layout,
    processors: Vec<Handle>,
    shut_down: Option<abi::ShutDown>,
    bdf: Option<abi::GetNumber>,
    memory: Option<abi::MemoryTotal>,
    ecc: Option<abi::GetNumber>,
    asic: Option<abi::GetAsic>,
    driver: Option<abi::GetDriver>,
    link_type: Option<abi::LinkType>,
    bandwidth: Option<abi::Bandwidth>,
}

impl Drop for AmdSmi {
    fn drop(&mut self) {
        if let Some(shut_down) = self.shut_down {
            // SAFETY: the library was started once for this value, whose handles end with it. What it answers changes nothing.
            let _ = unsafe { shut_down() };
        }
    }
}

impl AmdSmi {
    /// Loads and starts the first library that there is; the error is `None` where there is none.
    fn start(names: &[OsString]) -> Result<Self, Option<String>> {
        let mut refused = None;
        for name in names {
            match Library::open(name) {
                Ok(library) => return Self::of(&library),
                Err(LoadFault::NotFound) => {}
                Err(LoadFault::Refused(words)) => {
                    refused.get_or_insert(format!("{} cannot be loaded: {words}", name.to_string_lossy()));
                }
            }
        }
        Err(refused)
    }

    fn of(library: &Library) -> Result<Self, Option<String>> {
        // SAFETY: the types are those of the functions of these names in amdsmi.h, the same in all versions.
        let (version, init, sockets, processors) = unsafe {
            (
                library.function::<abi::GetVersion>("amdsmi_get_lib_version"),
                library.function::<abi::Init>("amdsmi_init"),
                library.function::<abi::Sockets>("amdsmi_get_socket_handles"),
                library.function::<abi::Processors>("amdsmi_get_processor_handles"),
            )
        };
        let (Some(version), Some(init), Some(sockets), Some(processors)) = (version, init, sockets, processors) else {
            return Err(Some("the library is too old for Zomma (before ROCm 6.1)".into()));
        };
        let mut said = abi::Version { numbers: [0; 4], build: std::ptr::null() };
        // SAFETY: `said` is a place of the size that the library writes, which is the same in all versions; it need not be started for this.
        let code = unsafe { version(&raw mut said) };
        if code != abi::SUCCESS {
            return Err(Some(format!("amdsmi_get_lib_version: error {code}")));
        }
        let layout = Layout::of(said.numbers).ok_or_else(|| {
            let [a, b, c, _] = said.numbers;
            Some(format!("version {a}.{b}.{c} of the library is not known to Zomma, and is not asked"))
        })?;
        // SAFETY: the flag is one of the header's.
        let code = unsafe { init(abi::AMD_GPUS) };
        if code != abi::SUCCESS {
            return Err(Some(format!("amdsmi_init: error {code}")));
        }
        // SAFETY: the types are those of the functions of these names in amdsmi.h of the versions that have a layout.
        let mut smi = unsafe {
            Self {
                layout,
                processors: Vec::new(),
                shut_down: library.function("amdsmi_shut_down"),
                bdf: library.function("amdsmi_get_gpu_device_bdf"),
                memory: library.function("amdsmi_get_gpu_memory_total"),
                ecc: library.function("amdsmi_get_gpu_ecc_enabled"),
                asic: library.function("amdsmi_get_gpu_asic_info"),
                driver: library.function("amdsmi_get_gpu_driver_info"),
                link_type: library.function("amdsmi_topo_get_link_type"),
                bandwidth: library.function("amdsmi_get_minmax_bandwidth_between_processors"),
            }
        };
        // SAFETY: the library is started; `handles` gives a place for the count, and for as many handles as it says.
        let sockets = library::handles(|count, handles| unsafe { sockets(count, handles) });
        let sockets = sockets.map_err(|code| Some(format!("amdsmi_get_socket_handles: error {code}")))?;
        for socket in sockets {
            // SAFETY: as above; the socket's handle is the library's own.
            let here = library::handles(|count, handles| unsafe { processors(socket, count, handles) });
            // A socket that does not list its GPUs takes no other with it.
            smi.processors.extend(here.unwrap_or_default());
        }
        Ok(smi)
    }

    fn number(&self, function: Option<abi::GetNumber>, processor: usize) -> Option<u64> {
        let mut number = 0;
        // SAFETY: the function is the library's own of that signature; the library is started, the handle came from it, and `number` is a
        // place for what it writes.
        let code = unsafe { function?(self.processors[processor], &raw mut number) };
        (code == abi::SUCCESS).then_some(number)
    }

    /// `amdsmi_bdf_t`: function in bits 0 to 2, device in 3 to 7, bus in 8 to 15, the domain above.
    fn place(&self, processor: usize) -> Option<PciAddress> {
        let bdf = self.number(self.bdf, processor)?;
        let [.., bus, low] = bdf.to_be_bytes();
        Some(PciAddress { domain: u32::try_from(bdf >> 16).ok()?, bus, device: low >> 3, function: low & 7 })
    }

    fn memory_bytes(&self, processor: usize) -> Option<u64> {
        let mut bytes = 0;
        // SAFETY: as in `number`.
        let code = unsafe { self.memory?(self.processors[processor], abi::VRAM, &raw mut bytes) };
        (code == abi::SUCCESS && bytes > 0).then_some(bytes)
    }

    fn ecc(&self, processor: usize) -> Option<bool> {
        self.number(self.ecc, processor).map(|blocks| blocks & abi::UMC != 0)
    }

    fn name(&self, processor: usize) -> Option<String> {
        let mut info = AsicInfo { market_name: [0; 256], rest: [0; 640] };
        // SAFETY: as in `number`; the structure is no smaller than that of any version that has a layout, and any bits are valid in it.
        let code = unsafe { self.asic?(self.processors[processor], &raw mut info) };
        (code == abi::SUCCESS).then(|| library::text(&info.market_name[..self.layout.market_name]))?
    }

    fn driver_version(&self, processor: usize) -> Option<String> {
        let mut info = DriverInfo { version: [0; 256], rest: [0; 512] };
        // SAFETY: as in `name`.
        let code = unsafe { self.driver?(self.processors[processor], &raw mut info) };
        (code == abi::SUCCESS).then(|| library::text(&info.version[..self.layout.driver_version]))?
    }

    /// What joins two GPUs directly, and the megabytes a second that it carries one way.
    fn link(&self, from: usize, to: usize) -> Option<(LinkKind, Option<u64>)> {
        let (from, to) = (self.processors[from], self.processors[to]);
        let (mut hops, mut kind) = (0, 0);
        // SAFETY: as in `number`.
        let code = unsafe { self.link_type?(from, to, &raw mut hops, &raw mut kind) };
        // Over more hops the way leads through a processor, and is no link between the two.
        if code != abi::SUCCESS || hops != 1 {
            return None;
        }
        let kind = match kind {
            abi::XGMI => LinkKind::Xgmi,
            abi::PCIE => LinkKind::Pcie,
            _ => return None,
        };
        let (mut least, mut most) = (0, 0);
        // SAFETY: as in `number`.
        let asked = self.bandwidth.map(|bandwidth| unsafe { bandwidth(from, to, &raw mut least, &raw mut most) });
        Some((kind, (asked == Some(abi::SUCCESS)).then_some(most)))
    }
}

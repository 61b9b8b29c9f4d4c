//! Intel GPUs: what Level Zero's Sysman says of each, through the loader `libze_loader.so.1`, one question a value.
//!
//! The kernel's files come first: Sysman adds the memory of a card under the mainline i915 driver, whether memory corrects errors, Xe
//! Links, and the names of models that no table here has. Starting it opens the render nodes of Intel's GPUs; no context is made.

mod abi;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::time::Duration;

use abi::{
    DeviceProperties, EccProperties, Fill, Handle, List, MemoryProperties, MemoryState, PciProperties, PortId,
    PortProperties, PortState, Structure,
};

use crate::nvml::door::{Closed, Door, Silence};

use super::bus::Seen;
use super::library::{self, Library, LoadFault};
use super::models;
use super::pci::PciAddress;
use super::{Driver, Link, LinkKind, Vendor};

/// The loader's name, as the system's loader finds it.
pub(super) const LIBRARY: &str = "libze_loader.so.1";

/// One end of an Xe Link, as a card sees it.
#[derive(Debug, Clone, Copy)]
struct Port {
    own: PortId,
    /// The other end, where the port is up.
    remote: Option<PortId>,
    bytes_per_second: Option<u64>,
}

/// Adds what Sysman knows to Intel's GPUs among those seen.
pub(super) fn add(library: &OsStr, limit: Duration, seen: &mut [Seen], notes: &mut Vec<String>) {
    let ours = |one: &Seen| one.gpu.vendor == Vendor::Intel && matches!(one.driver(), Some("i915" | "xe"));
    if !seen.iter().any(ours) {
        return;
    }
    let name = library.to_owned();
    let door = match Door::open("level-zero", limit, move || Sysman::start(&name)) {
        Ok(door) => door,
        // Nobody misses the library for a GPU that is part of a processor, nor for one of which the kernel says the memory.
        Err(Closed::Refused(None)) => {
            let misses = |one: &Seen| ours(one) && one.gpu.memory_bytes.is_none() && is_card(one);
            if seen.iter().any(misses) {
                notes.push(format!("Level Zero: {LIBRARY} not found, so an Intel card's memory is unknown"));
            }
            return;
        }
        Err(Closed::Refused(Some(why))) => return notes.push(format!("Level Zero: {why}")),
        Err(Closed::Hangs) => return notes.push(silent("zesInit", limit)),
        Err(Closed::NoThread(error)) => return notes.push(format!("Level Zero: no thread for it: {error}")),
    };
    let count = door.ask("zesDeviceGet", |sysman| sysman.devices.len()).unwrap_or(0);
    let mut fabric = BTreeMap::new();
    for device in 0..count {
        let at = door.ask("zesDevicePciGetProperties", move |sysman| sysman.place(device)).ok().flatten();
        let one = at.and_then(|at| seen.iter_mut().find(|one| one.gpu.pci == Some(at) && ours(one)));
        let (Some(at), Some(one)) = (at, one) else { continue };
        describe(&door, device, one);
        fabric.insert(at, door.ask("zesFabricPortGetState", move |sysman| sysman.ports(device)).unwrap_or_default());
    }
    for (&at, ports) in &fabric {
        if let Some(one) = seen.iter_mut().find(|one| one.gpu.pci == Some(at)) {
            one.gpu.links.extend(links(at, ports, &fabric));
        }
    }
    if let Some(call) = door.hanging() {
        notes.push(silent(call, limit));
    }
}

/// Whether a GPU is a card: those of the table all are.
fn is_card(one: &Seen) -> bool {
    one.ids.is_some_and(|(_, model)| models::intel(model).is_some())
}

fn silent(call: &str, limit: Duration) -> String {
    format!("Level Zero: {call}: no answer within {} ms", limit.as_millis())
}

/// What Sysman says of one GPU and sysfs did not.
fn describe(door: &Door<Sysman>, device: usize, one: &mut Seen) {
    let gpu = &mut one.gpu;
    let ask = |question: Result<Option<u64>, Silence>| question.ok().flatten();
    if gpu.memory_bytes.is_none() {
        gpu.memory_bytes = ask(door.ask("zesMemoryGetProperties", move |sysman| sysman.memory_bytes(device)));
    }
    if gpu.ecc.is_none() {
        gpu.ecc = door.ask("zesDeviceGetEccState", move |sysman| sysman.ecc(device)).ok().flatten();
    }
    let version_is_missing = gpu.driver.as_ref().is_some_and(|driver| driver.version.is_none());
    if gpu.name.is_none() || version_is_missing {
        let said = door.ask("zesDeviceGetProperties", move |sysman| sysman.model_and_driver(device));
        let (model, version) = said.unwrap_or_default();
        gpu.name = gpu.name.take().or(model);
        if let Some(Driver { version: none @ None, .. }) = &mut gpu.driver {
            *none = version;
        }
    }
}

/// Links to other GPUs: ports whose other ends are ports of these, which need not say so themselves.
fn links(at: PciAddress, ports: &[Port], fabric: &BTreeMap<PciAddress, Vec<Port>>) -> Vec<Link> {
    let mut links = Vec::new();
    for (&other, others) in fabric.iter().filter(|(other, _)| **other != at) {
        let to_it = |port: &&Port| port.remote.is_some_and(|remote| others.iter().any(|port| port.own == remote));
        let joining: Vec<&Port> = ports.iter().filter(to_it).collect();
        let Ok(count @ 1..) = u32::try_from(joining.len()) else { continue };
        let bandwidth = joining.iter().try_fold(0_u64, |sum, port| sum.checked_add(port.bytes_per_second?));
        links.push(Link {
            kind: LinkKind::XeLink,
            to: other,
            count,
            bandwidth_bytes_per_second: bandwidth,
            switched: false,
        });
    }
    links
}

/// The library, started, and the devices that it shows. Lives on one thread.
struct Sysman {
    devices: Vec<Handle>,
    pci: Option<Fill<PciProperties>>,
    properties: Option<Fill<DeviceProperties>>,
    ecc: Option<Fill<EccProperties>>,
    memories: Option<List>,
    memory: Option<Fill<MemoryProperties>>,
    memory_state: Option<Fill<MemoryState>>,
    ports: Option<List>,
    port: Option<Fill<PortProperties>>,
    port_state: Option<Fill<PortState>>,
}

impl Sysman {
    /// Loads and starts the library; the error is `None` where there is none.
    fn start(name: &OsStr) -> Result<Self, Option<String>> {
        let library = Library::open(name).map_err(|fault| match fault {
            LoadFault::NotFound => None,
            LoadFault::Refused(words) => Some(format!("{LIBRARY} cannot be loaded: {words}")),
        })?;
        // SAFETY: the types are those of the functions of these names in zes_api.h.
        let (init, drivers, devices) = unsafe {
            (
                library.function::<abi::Init>("zesInit"),
                library.function::<abi::DriverGet>("zesDriverGet"),
                library.function::<List>("zesDeviceGet"),
            )
        };
        let (Some(init), Some(drivers), Some(devices)) = (init, drivers, devices) else {
            return Err(Some(format!("{LIBRARY} is too old for Zomma: it has no zesInit (specification 1.5)")));
        };
        // SAFETY: zesInit takes flags, of which 0 is the only one, and may be called at any time.
        let code = unsafe { init(0) };
        if code != abi::SUCCESS {
            return Err(Some(in_words("zesInit", code)));
        }
        // SAFETY: the loader is started; `handles` gives a place for the count, and for as many handles as it says.
        let drivers = library::handles(|count, handles| unsafe { drivers(count, handles) });
        let drivers = drivers.map_err(|code| Some(in_words("zesDriverGet", code)))?;
        // A driver that does not list its devices takes no other driver's with it.
        // SAFETY: as above; the drivers' handles are the loader's own.
        let of_driver =
            |&driver: &Handle| library::handles(|count, handles| unsafe { devices(driver, count, handles) });
        let devices = drivers.iter().flat_map(|driver| of_driver(driver).unwrap_or_default()).collect();
        // SAFETY: the types are those of the functions of these names in zes_api.h.
        unsafe {
            Ok(Self {
                devices,
                pci: library.function("zesDevicePciGetProperties"),
                properties: library.function("zesDeviceGetProperties"),
                ecc: library.function("zesDeviceGetEccState"),
                memories: library.function("zesDeviceEnumMemoryModules"),
                memory: library.function("zesMemoryGetProperties"),
                memory_state: library.function("zesMemoryGetState"),
                ports: library.function("zesDeviceEnumFabricPorts"),
                port: library.function("zesFabricPortGetProperties"),
                port_state: library.function("zesFabricPortGetState"),
            })
        }
    }

    fn place(&self, device: usize) -> Option<PciAddress> {
        let said = fill(self.pci, self.devices[device])?;
        let small = |number: u32, end: u32| u8::try_from(number).ok().filter(|_| number < end);
        Some(PciAddress {
            domain: said.domain,
            bus: small(said.bus, 256)?,
            device: small(said.device, 32)?,
            function: small(said.function, 8)?,
        })
    }

    /// Bytes of all modules on the card; absent where any of them cannot be asked, and where there is none.
    fn memory_bytes(&self, device: usize) -> Option<u64> {
        let mut sum = 0_u64;
        for module in parts(self.memories, self.devices[device])? {
            let said = fill(self.memory, module)?;
            if said.location != abi::ON_DEVICE {
                continue;
            }
            // 0 is unknown; the state then has the size that can be allocated.
            let bytes = match said.physical_bytes {
                0 => fill(self.memory_state, module)?.total_bytes,
                bytes => bytes,
            };
            sum = sum.checked_add(bytes)?;
        }
        (sum > 0).then_some(sum)
    }

    fn ecc(&self, device: usize) -> Option<bool> {
        match fill(self.ecc, self.devices[device])?.current {
            abi::ECC_ENABLED => Some(true),
            abi::ECC_DISABLED => Some(false),
            _ => None,
        }
    }

    fn model_and_driver(&self, device: usize) -> (Option<String>, Option<String>) {
        let Some(said) = fill(self.properties, self.devices[device]) else { return (None, None) };
        let known = |field: &[u8]| library::text(field).filter(|text| !text.eq_ignore_ascii_case("unknown"));
        (known(&said.model_name), known(&said.driver_version))
    }

    /// The fabric ports. One that cannot be asked is left out.
    fn ports(&self, device: usize) -> Vec<Port> {
        let ports = parts(self.ports, self.devices[device]).unwrap_or_default();
        let asked = |port: Handle| {
            let said = fill(self.port, port)?;
            let state = fill(self.port_state, port);
            let up = state.filter(|state| abi::PORT_UP.contains(&state.status));
            // -1 is unknown, and the most that the port can do is then the better answer.
            let bits = up.map_or(-1, |state| state.send.bits_per_second);
            let bits = if bits > 0 { bits } else { said.max_send.bits_per_second };
            Some(Port {
                own: said.id,
                remote: up.map(|state| state.remote),
                bytes_per_second: u64::try_from(bits).ok().map(|bits| bits / 8).filter(|&bytes| bytes > 0),
            })
        };
        ports.into_iter().filter_map(asked).collect()
    }
}

/// A structure that the library fills; `None` where it has no such function or refuses.
fn fill<S: Structure>(function: Option<Fill<S>>, owner: Handle) -> Option<S> {
    let mut structure = S::EMPTY;
    // SAFETY: the function is the loader's own for this structure, whose layout is that of zes_api.h (tested); the loader is started, the
    // handle came from it, and handles stay valid as long as it is loaded, which is for ever. Any bits that it writes are valid values.
    let code = unsafe { function?(owner, &raw mut structure) };
    (code == abi::SUCCESS).then_some(structure)
}

/// The parts of a device; `None` where the library has no such function or refuses.
fn parts(function: Option<List>, owner: Handle) -> Option<Vec<Handle>> {
    let function = function?;
    // SAFETY: as in `fill`; `handles` gives a place for the count, and for as many handles as it says.
    library::handles(|count, handles| unsafe { function(owner, count, handles) }).ok()
}

/// A refusal to start, with what to do where that is known.
fn in_words(call: &str, code: abi::Outcome) -> String {
    match code {
        abi::UNINITIALIZED => format!("{call}: no Level Zero driver: install Intel's compute runtime"),
        0x7001_0000 => format!("{call}: no permission: /dev/dri/renderD* must be readable and writable (group render)"),
        code => format!("{call}: error 0x{code:08x}"),
    }
}

//! Which back ends of Zomma can drive each GPU, and in words that help why the others cannot.
//!
//! Drivers are asked on a thread with a time limit: one that hangs costs that long, and hides no GPU.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::device::{Device, DeviceClass, DeviceKind};
use crate::vulkan::Described;
use crate::{cuda, stuck, vulkan};

use super::bus::{self, Seen};
use super::{BackEnd, Driver, Vendor};

/// What the drivers of the back ends said.
pub(super) struct Drivers {
    /// CUDA devices, or why there are none.
    pub cuda: Result<Vec<Device>, String>,
    /// Vulkan devices, or why there are none.
    pub vulkan: Result<Vec<Described>, String>,
}

impl Drivers {
    /// Nobody was asked, for this reason.
    pub(super) fn unasked(why: &str) -> Self {
        Self { cuda: Err(why.to_owned()), vulkan: Err(why.to_owned()) }
    }

    /// Asks them, each for no longer than the limit. CUDA is asked only where there may be a device for it.
    pub(super) fn ask(limit: Duration, has_nvidia: bool) -> Self {
        let cuda = if has_nvidia {
            within(limit, "cuda", cuda::list).and_then(|devices| devices.map_err(|error| error.to_string()))
        } else {
            Ok(Vec::new())
        };
        Self { cuda, vulkan: within(limit, "vulkan", vulkan::describe) }
    }
}

/// Runs something that may hang or panic, for no longer than the limit.
fn within<T: Send + 'static>(
    limit: Duration,
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (answer, answered) = sync_channel(1);
    let spawned = thread::Builder::new().name(name.into()).spawn(move || {
        // The receiver is gone where the time limit was reached first.
        let _ = answer.send(work());
    });
    spawned.map_err(|error| format!("{name}: no thread to ask from: {error}"))?;
    answered.recv_timeout(limit).map_err(|ended| {
        // A panic ends the thread as well, and leaves nothing behind.
        if ended == RecvTimeoutError::Timeout {
            stuck::give_up();
        }
        format!("{name}: the driver gave no answer within {} ms", limit.as_millis())
    })
}

/// Joins the drivers' devices with the GPUs seen, lists those that only Vulkan knows, and says of each GPU what can drive it.
pub(super) fn add(drivers: &Drivers, seen: &mut Vec<Seen>) {
    let found = drivers.vulkan.as_deref().unwrap_or_default();
    let mut of_gpu: Vec<Option<&Described>> = vec![None; seen.len()];
    let mut left: Vec<&Described> = Vec::new();
    for described in found {
        match place_of(described, seen, &of_gpu) {
            Some(place) => of_gpu[place] = Some(described),
            None => left.push(described),
        }
    }
    for (one, described) in seen.iter_mut().zip(&of_gpu) {
        if let Some(described) = described
            && one.gpu.name.is_none()
        {
            one.gpu.name = Some(described.device.name.clone());
        }
        one.gpu.back_ends = back_ends(one, *described, drivers);
    }
    for described in left {
        let vendor = match described.device.class {
            DeviceClass::Processor { .. } => Vendor::Software,
            _ => u16::try_from(described.vendor).map_or(Vendor::Other, bus::vendor_of),
        };
        let mut only_vulkan = Seen::new(vendor);
        only_vulkan.gpu.name = Some(described.device.name.clone());
        only_vulkan.gpu.pci = described.device.pci();
        only_vulkan.gpu.driver = (!described.driver.is_empty()).then(|| Driver {
            name: described.driver.clone(),
            version: Some(described.driver_info.clone()).filter(|words| !words.is_empty()),
        });
        only_vulkan.gpu.back_ends = back_ends(&only_vulkan, Some(described), drivers);
        seen.push(only_vulkan);
    }
}

/// Which of the GPUs seen a Vulkan device is: by its place on the bus, else the only one of its maker that is left.
fn place_of(described: &Described, seen: &[Seen], taken: &[Option<&Described>]) -> Option<usize> {
    if matches!(described.device.class, DeviceClass::Processor { .. }) {
        return None;
    }
    if let Some(pci) = described.device.pci() {
        return seen.iter().position(|one| one.gpu.pci == Some(pci));
    }
    let maker = u16::try_from(described.vendor).map(bus::vendor_of).ok().filter(|maker| *maker != Vendor::Other)?;
    let mut alike = (0..seen.len()).filter(|&place| taken[place].is_none() && seen[place].gpu.vendor == maker);
    let only = alike.next()?;
    alike.next().is_none().then_some(only)
}

/// What can drive one GPU.
fn back_ends(one: &Seen, described: Option<&Described>, drivers: &Drivers) -> Vec<BackEnd> {
    let vulkan = through_vulkan(one, described, drivers);
    let mut back_ends = match one.gpu.vendor {
        Vendor::Nvidia => vec![through_cuda(one, drivers)],
        Vendor::Amd => vec![through_hip(vulkan.request.as_deref())],
        Vendor::Intel | Vendor::Software | Vendor::Other => Vec::new(),
    };
    back_ends.push(vulkan);
    back_ends
}

fn cannot(kind: DeviceKind, why: String) -> BackEnd {
    BackEnd { kind, request: None, why_not: Some(why) }
}

fn can(device: &Device) -> BackEnd {
    BackEnd { kind: device.kind, request: Some(format!("{}:{}", device.kind, device.index)), why_not: None }
}

fn through_cuda(one: &Seen, drivers: &Drivers) -> BackEnd {
    let kind = DeviceKind::Cuda;
    if let Some(driver) = one.driver().filter(|&driver| driver != "nvidia") {
        return cannot(kind, format!("the GPU is bound to {driver}, not to NVIDIA's driver"));
    }
    let devices = match &drivers.cuda {
        Ok(devices) => devices,
        Err(why) => return cannot(kind, why.clone()),
    };
    let here = devices.iter().find(|device| device.pci().is_some() && device.pci() == one.gpu.pci);
    // Without a place to compare, one device and one name are the same.
    let named = |device: &&Device| device.pci().is_none() && Some(device.name()) == one.gpu.name.as_deref();
    match here.or_else(|| devices.iter().find(named)) {
        Some(device) => can(device),
        None => cannot(
            kind,
            "the CUDA driver does not show this GPU: look at CUDA_VISIBLE_DEVICES and at what the container was given"
                .into(),
        ),
    }
}

fn through_hip(vulkan: Option<&str>) -> BackEnd {
    let instead = vulkan.map_or_else(String::new, |request| format!("; use {request}"));
    cannot(DeviceKind::Hip, format!("this build has no HIP back end{instead}"))
}

fn through_vulkan(one: &Seen, described: Option<&Described>, drivers: &Drivers) -> BackEnd {
    let kind = DeviceKind::Vulkan;
    let Some(described) = described else {
        let why = match &drivers.vulkan {
            Err(why) => why.clone(),
            Ok(_) => format!("no Vulkan driver shows this GPU{}", vulkan_driver_of(one)),
        };
        return cannot(kind, why);
    };
    if !described.device.has_f64() {
        return cannot(kind, "no f64 arithmetic".into());
    }
    let device = &described.device;
    match (vulkan::cubecl_device(device), device.class) {
        (Some(_), _) => can(device),
        (None, DeviceClass::Processor { .. }) => cannot(kind, "only the first software device can be opened".into()),
        (None, _) => cannot(kind, "its driver does not say whether it is a discrete, integrated or virtual GPU".into()),
    }
}

/// What to install for a GPU that no Vulkan driver shows.
fn vulkan_driver_of(one: &Seen) -> &'static str {
    match one.gpu.vendor {
        Vendor::Nvidia => ": it comes with NVIDIA's driver (libnvidia-gl, nvidia_icd.json)",
        Vendor::Amd | Vendor::Intel => ": install mesa-vulkan-drivers and libvulkan1",
        Vendor::Software | Vendor::Other => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(index: usize, class: DeviceClass, vendor: u32, pci: &str) -> Described {
        let device = Device {
            kind: DeviceKind::Vulkan,
            index,
            name: format!("V{index}"),
            double_precision: true,
            class,
            note: None,
            pci: pci.parse().ok(),
            buffer_bytes_max: None,
        };
        Described { device, vendor, driver: "radv".into(), driver_info: "Mesa".into() }
    }

    fn amd_at(pci: &str) -> Seen {
        let mut seen = Seen::new(Vendor::Amd);
        seen.gpu.pci = pci.parse().ok();
        seen
    }

    fn requests(seen: &[Seen]) -> Vec<Option<&str>> {
        seen.iter().map(|one| one.gpu.back_ends.last()?.request.as_deref()).collect()
    }

    #[test]
    fn vulkan_devices_join_their_gpu_by_place_and_the_rest_stand_alone() {
        let mut seen = vec![amd_at("0000:03:00.0"), amd_at("0000:c3:00.0")];
        let devices = vec![
            described(0, DeviceClass::Discrete { ordinal: 0 }, 0x1002, "0000:c3:00.0"),
            described(1, DeviceClass::Processor { ordinal: 0 }, 0x10005, ""),
            described(2, DeviceClass::Discrete { ordinal: 1 }, 0x1002, ""),
            described(3, DeviceClass::Processor { ordinal: 1 }, 0x10005, ""),
            described(4, DeviceClass::Discrete { ordinal: 2 }, 0x1002, "0000:ff:00.0"),
        ];
        add(&Drivers { cuda: Ok(vec![]), vulkan: Ok(devices) }, &mut seen);
        // The third has no place, and one GPU of its maker was left.
        assert_eq!(requests(&seen), [Some("vulkan:2"), Some("vulkan:0"), Some("vulkan:1"), None, Some("vulkan:4")]);
        let vendors: Vec<Vendor> = seen.iter().map(|one| one.gpu.vendor).collect();
        assert_eq!(vendors, [Vendor::Amd, Vendor::Amd, Vendor::Software, Vendor::Software, Vendor::Amd]);
        assert_eq!(seen[0].gpu.name.as_deref(), Some("V2"));
        let hip = seen[1].gpu.back_ends[0].why_not.as_deref();
        assert_eq!(hip, Some("this build has no HIP back end; use vulkan:0"));
        assert_eq!(seen[3].gpu.back_ends[0].why_not.as_deref(), Some("only the first software device can be opened"));
    }

    #[test]
    fn two_like_gpus_are_not_guessed_between() {
        let mut seen = vec![amd_at("0000:03:00.0"), amd_at("0000:c3:00.0")];
        let devices = vec![described(0, DeviceClass::Discrete { ordinal: 0 }, 0x1002, "")];
        add(&Drivers { cuda: Ok(vec![]), vulkan: Ok(devices) }, &mut seen);
        assert_eq!(requests(&seen), [None, None, Some("vulkan:0")]);
    }

    #[test]
    fn cuda_devices_are_found_by_place_whatever_their_order() {
        let cuda = |index, name: &str, pci: &str| Device {
            kind: DeviceKind::Cuda,
            index,
            name: name.into(),
            double_precision: true,
            class: DeviceClass::Discrete { ordinal: index },
            note: None,
            pci: pci.parse().ok(),
            buffer_bytes_max: None,
        };
        let at = |pci: &str| {
            let mut seen = Seen::new(Vendor::Nvidia);
            seen.gpu.pci = pci.parse().ok();
            seen
        };
        let mut seen = vec![at("0000:19:00.0"), at("0000:3b:00.0"), at("0000:4c:00.0")];
        seen[2].gpu.driver = Some(Driver { name: "vfio-pci".into(), version: None });
        let found = vec![cuda(0, "A", "0000:3b:00.0"), cuda(1, "B", "0000:19:00.0")];
        add(&Drivers { cuda: Ok(found), vulkan: Ok(vec![]) }, &mut seen);
        let first = |place: usize| &seen[place].gpu.back_ends[0];
        assert_eq!((first(0).request.as_deref(), first(1).request.as_deref()), (Some("cuda:1"), Some("cuda:0")));
        assert_eq!(first(2).why_not.as_deref(), Some("the GPU is bound to vfio-pci, not to NVIDIA's driver"));
        let mut alone = vec![at("0000:aa:00.0")];
        add(
            &Drivers { cuda: Err("no CUDA driver: libcuda.so.1 not found".into()), vulkan: Err("x".into()) },
            &mut alone,
        );
        let words: Vec<_> = alone[0].gpu.back_ends.iter().filter_map(|back_end| back_end.why_not.as_deref()).collect();
        assert_eq!(words, ["no CUDA driver: libcuda.so.1 not found", "x"]);
    }

    #[test]
    fn a_driver_that_hangs_or_panics_is_given_up() {
        let words = within(Duration::from_millis(20), "test", || thread::sleep(Duration::from_secs(3))).unwrap_err();
        assert_eq!(words, "test: the driver gave no answer within 20 ms");
        assert!(within(Duration::from_secs(60), "test", || panic!("on purpose")).is_err());
        assert_eq!(within(Duration::from_secs(60), "test", || 7), Ok(7));
    }
}

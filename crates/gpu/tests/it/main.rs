//! Devices as a caller meets them: requests, what is there, what is not, and a handle that survives what CubeCL does not.

mod deploy;
mod inventory;
mod makers;
mod nvml;
mod probe;

use cubecl::prelude::Runtime;
use zomma_gpu::{Compute, Device, DeviceKind, DeviceRequest, GpuError, Job, Session, candidates, choose, list};

/// The software or real Vulkan device that tests run on, where there is one with f64.
fn vulkan() -> Option<Compute> {
    let device = list(DeviceKind::Vulkan).ok()?.into_iter().find(Device::has_f64);
    let Some(device) = device else {
        zomma_testkit::skip("no device");
        return None;
    };
    device.open().unwrap()
}

#[test]
fn requests_read_back_as_they_were_written() {
    for text in ["auto", "cpu", "cuda:0", "cuda:7", "hip:1", "vulkan:12"] {
        assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), text);
    }
    assert_eq!("vulkan".parse::<DeviceRequest>().unwrap(), "vulkan:0".parse().unwrap());
    assert_eq!(DeviceRequest::default(), DeviceRequest::Auto);
    assert_eq!("cpu".parse::<DeviceRequest>().unwrap(), DeviceRequest::CPU);
}

#[test]
fn a_bad_request_names_what_is_allowed() {
    for text in [
        "",
        "gpu",
        "CUDA",
        "cuda:",
        "cuda:x",
        "cuda:-1",
        "cuda:+1",
        "cuda:0:0",
        "cpu:0",
        "auto:0",
        " cpu",
        "cuda:99999999999999999999",
    ] {
        let error = text.parse::<DeviceRequest>().unwrap_err();
        let expected = format!("device {text:?}: allowed are auto, cpu, cuda[:n], hip[:n], vulkan[:n], n = 0, 1, …");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn auto_always_finds_something_and_never_a_software_gpu() {
    let device = choose(&DeviceRequest::Auto).unwrap();
    assert!(device.has_f64());
    assert!(device.kind() == DeviceKind::Cpu || !device.is_software(), "{device}");
}

#[test]
fn the_cpu_opens_to_nothing() {
    let device = choose(&DeviceRequest::CPU).unwrap();
    assert_eq!((device.kind(), device.index()), (DeviceKind::Cpu, 0));
    assert!(device.is_software() && device.has_f64());
    assert!(device.open().unwrap().is_none());
}

#[test]
fn an_absent_device_is_an_error_that_says_what_is_missing() {
    let hip = choose(&"hip".parse().unwrap()).unwrap_err();
    assert_eq!(hip.to_string(), "hip: there is no hip back end in this build");
    for kind in [DeviceKind::Cuda, DeviceKind::Vulkan] {
        let error = choose(&DeviceRequest::Device { kind, index: 60_000 }).unwrap_err();
        let said = error.to_string();
        match error {
            GpuError::NoDriver { library, .. } => assert!(said.contains(library), "{said}"),
            GpuError::NoDevice { kind } => assert!(said.starts_with(&format!("{kind}: no device found")), "{said}"),
            GpuError::NoSuchDevice { count, .. } => assert!(said.contains(&format!("only {count} device")), "{said}"),
            GpuError::Driver { .. } => assert!(said.starts_with("cuda: "), "{said}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_named_device_is_its_only_candidate_and_auto_begins_with_its_choice() {
    assert_eq!(candidates(&DeviceRequest::CPU).unwrap(), [choose(&DeviceRequest::CPU).unwrap()]);
    let auto = candidates(&DeviceRequest::Auto).unwrap();
    assert_eq!(auto[0], choose(&DeviceRequest::Auto).unwrap());
    assert!(auto.iter().skip(1).all(|device| device.kind() != DeviceKind::Cpu && !device.is_software()), "{auto:?}");
    assert!(candidates(&"hip".parse().unwrap()).is_err());
}

#[test]
fn only_cuda_can_reserve_memory_ahead() {
    if let Some(compute) = vulkan() {
        assert_eq!(compute.reserve(1 << 20), Ok(false));
    }
    match list(DeviceKind::Cuda).unwrap_or_default().first() {
        None => zomma_testkit::skip("no CUDA device"),
        Some(device) => {
            let compute = device.open().unwrap().unwrap();
            assert_eq!(compute.reserve(64 << 20), Ok(true));
            let too_much = compute.reserve(1 << 50).unwrap_err();
            assert!(too_much.is_out_of_memory(), "{too_much}");
            assert_eq!(compute.run(RoundTrip(vec![1.5])).unwrap(), [1.5]);
        }
    }
}

#[test]
fn listing_twice_gives_the_same_devices_numbered_in_order() {
    for kind in DeviceKind::ALL {
        let first = list(kind);
        assert_eq!(first, list(kind));
        for (index, device) in first.unwrap_or_default().iter().enumerate() {
            assert_eq!((device.kind(), device.index()), (kind, index));
            assert!(!device.name().is_empty());
        }
    }
}

/// Copies values to the device and back.
struct RoundTrip(Vec<f64>);

impl Job for RoundTrip {
    type Output = Vec<f64>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Vec<f64>, GpuError> {
        let there = session.upload(&self.0)?;
        session.download(there)
    }
}

/// Asks for more than any device has.
struct TooLarge;

impl Job for TooLarge {
    type Output = ();

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<(), GpuError> {
        session.allocate::<f64>(usize::MAX / 16).map(|_| ())
    }
}

/// Stands for what CubeCL does when it runs out of memory.
struct Panics;

impl Job for Panics {
    type Output = ();

    fn run<R: Runtime>(self, _: &Session<'_, R>) -> Result<(), GpuError> {
        panic!("out of memory")
    }
}

/// The size of a chunk of rows of some width.
struct ChunkRows(usize);

impl Job for ChunkRows {
    type Output = usize;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<usize, GpuError> {
        Ok(session.rows_per_chunk(self.0))
    }
}

#[test]
fn values_go_to_the_device_and_back_to_the_bit() {
    let Some(compute) = vulkan() else { return };
    let values = vec![0.0, -0.0, 1.0, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, 5e-324];
    let back = compute.run(RoundTrip(values.clone())).unwrap();
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back), bits(&values));
}

#[test]
fn a_chunk_has_at_least_one_row_and_fits_a_share_of_the_device() {
    let Some(compute) = vulkan() else { return };
    let rows = compute.run(ChunkRows(212)).unwrap();
    assert!(rows > 1 && rows * 212 <= 256 << 20, "{rows}");
    assert_eq!(compute.run(ChunkRows(usize::MAX)).unwrap(), 1);
}

#[test]
fn a_buffer_larger_than_the_device_is_refused_with_both_sizes() {
    let Some(compute) = vulkan() else { return };
    let error = compute.run(TooLarge).unwrap_err();
    assert!(matches!(error, GpuError::DeviceMemory { requested, max, .. } if requested > max), "{error}");
    // A refusal is no failure of the device: it still works.
    assert_eq!(compute.run(RoundTrip(vec![1.5])).unwrap(), [1.5]);
}

#[test]
fn a_panic_becomes_an_error_and_the_handle_says_that_it_is_lost() {
    let Some(compute) = vulkan() else { return };
    let error = compute.run(Panics).unwrap_err();
    assert!(error.to_string().ends_with(": out of memory"), "{error}");
    let after = compute.run(RoundTrip(vec![1.0])).unwrap_err();
    assert!(matches!(after, GpuError::Lost { .. }), "{after}");
}

//! NVML behind its door: every way in which it fails to start, to answer, or to come back.

use std::ffi::OsStr;
use std::time::Duration;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::NvmlError;
use zomma_gpu::nvml::{Nvml, NvmlFault};
use zomma_testkit::mock_nvml::{self, Mock, Scenario};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

fn open(mock: &Mock, limit: Duration) -> Result<Nvml, NvmlFault> {
    Nvml::open_library(mock.library().as_os_str(), limit)
}

fn temperature(nvml: &Nvml, device: u32) -> Result<u32, NvmlFault> {
    nvml.ask("nvmlDeviceGetTemperature", move |nvml| nvml.device_by_index(device)?.temperature(TemperatureSensor::Gpu))
}

fn count(nvml: &Nvml) -> Result<u32, NvmlFault> {
    nvml.ask("nvmlDeviceGetCount", nvml_wrapper::Nvml::device_count)
}

#[test]
fn the_mock_answers_what_its_scenario_says_at_each_call() {
    let mut scenario = Scenario::h200(2);
    let Some(mock) = Mock::new(&scenario) else { return };
    let nvml = open(&mock, LONG).unwrap();
    assert_eq!((count(&nvml), temperature(&nvml, 1)), (Ok(2), Ok(34)));
    mock.replace(scenario.device(1, "temperature", 88));
    assert_eq!((temperature(&nvml, 0), temperature(&nvml, 1)), (Ok(34), Ok(88)));
    let memory = nvml.ask("memory", |nvml| nvml.device_by_index(0)?.memory_info()).unwrap();
    assert_eq!(memory.total, memory.used + memory.reserved + memory.free);
    mock.replace(&Scenario::empty());
    assert_eq!(count(&nvml), Ok(0));
}

#[test]
fn a_library_that_is_not_there_or_is_none_says_so() {
    let missing = Nvml::open_library(OsStr::new("libnvidia-ml.so.no-such-version"), LONG).unwrap_err();
    assert_eq!(missing, NvmlFault::NoLibrary);
    assert_eq!(missing.to_string(), "NVML: libnvidia-ml.so.1 not found");
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("libnvidia-ml.so.1");
    std::fs::write(&broken, "no library").unwrap();
    let words = Nvml::open_library(broken.as_os_str(), LONG).unwrap_err().to_string();
    assert!(words.contains("cannot be loaded") && words.contains("libnvidia-ml.so.1"), "{words}");
}

#[test]
fn a_driver_that_does_not_start_says_what_to_do() {
    let refused = |code| {
        let mut scenario = Scenario::h200(1);
        let mock = Mock::new(scenario.fault("nvmlInit_v2", code))?;
        Some(open(&mock, LONG).unwrap_err())
    };
    let Some(mismatch) = refused(mock_nvml::LIB_RM_VERSION_MISMATCH) else { return };
    assert_eq!(mismatch, NvmlFault::VersionMismatch);
    assert!(mismatch.to_string().contains("reboot or reload the nvidia modules"), "{mismatch}");
    for (code, advice) in [
        (mock_nvml::DRIVER_NOT_LOADED, "modprobe nvidia"),
        (mock_nvml::NO_PERMISSION, "/dev/nvidiactl"),
        (mock_nvml::UNKNOWN, "does not start"),
    ] {
        let words = refused(code).unwrap().to_string();
        assert!(words.contains(advice), "{words}");
    }
}

#[test]
fn a_library_without_a_function_fails_that_call_alone() {
    let Some(mock) = Mock::without(&["nvmlDeviceGetTemperature"], &Scenario::h200(1)) else { return };
    let nvml = open(&mock, LONG).unwrap();
    let words = temperature(&nvml, 0).unwrap_err().to_string();
    assert!(words.contains("nvmlDeviceGetTemperature: function symbol failed to load"), "{words}");
    assert_eq!(count(&nvml), Ok(1));
    let Some(old) = Mock::without(&["nvmlInit_v2"], &Scenario::h200(1)) else { return };
    let words = open(&old, LONG).unwrap_err().to_string();
    assert!(words.contains("libnvidia-ml.so.1 is too old"), "{words}");
}

#[test]
fn a_failing_call_and_a_lost_gpu_are_told_apart_and_hurt_nobody_else() {
    let mut scenario = Scenario::h200(2);
    scenario.fault_on("nvmlDeviceGetTemperature", 0, mock_nvml::NOT_SUPPORTED);
    let Some(mock) = Mock::new(&scenario) else { return };
    let nvml = open(&mock, LONG).unwrap();
    let failed = temperature(&nvml, 0).unwrap_err();
    assert!(matches!(failed, NvmlFault::Failed { call: "nvmlDeviceGetTemperature", .. }), "{failed}");
    assert_eq!(temperature(&nvml, 1), Ok(34));
    mock.replace(scenario.device(1, "lost", 1));
    let lost = temperature(&nvml, 1).unwrap_err();
    assert!(matches!(lost, NvmlFault::Lost { .. }), "{lost}");
    assert_eq!(count(&nvml), Ok(2));
}

#[test]
fn a_call_that_hangs_is_given_up_and_answers_again_when_it_comes_back() {
    let scenario = Scenario::h200(1);
    let Some(mock) = Mock::new(&scenario) else { return };
    let nvml = open(&mock, SHORT).unwrap();
    mock.replace(scenario.clone().hang("nvmlDeviceGetTemperature", 60_000));
    let hangs = NvmlFault::TimedOut { call: "nvmlDeviceGetTemperature", limit: SHORT };
    assert_eq!(temperature(&nvml, 0), Err(hangs.clone()));
    assert_eq!(hangs.to_string(), "NVML: nvmlDeviceGetTemperature: no answer within 100 ms");
    // Any other call would wait behind it, so it fails at once and names the culprit.
    assert_eq!(count(&nvml), Err(hangs));
    mock.replace(&scenario);
    while nvml.hanging().is_some() {
        std::thread::yield_now();
    }
    assert_eq!((count(&nvml), temperature(&nvml, 0)), (Ok(1), Ok(34)));
}

#[test]
fn a_start_that_hangs_is_given_up_and_may_be_tried_again() {
    let mut scenario = Scenario::h200(1);
    let Some(mock) = Mock::new(scenario.hang("nvmlInit_v2", 60_000)) else { return };
    assert_eq!(open(&mock, SHORT).unwrap_err(), NvmlFault::TimedOut { call: "nvmlInit", limit: SHORT });
    mock.replace(&Scenario::h200(1));
    assert_eq!(count(&open(&mock, LONG).unwrap()), Ok(1));
}

#[test]
fn xid_errors_reach_whoever_registered_for_them() {
    use nvml_wrapper::bitmasks::event::EventTypes;
    let mut scenario = Scenario::h200(2);
    let Some(mock) = Mock::new(scenario.xid(0, 13).xid(1, 79)) else { return };
    let nvml = open(&mock, LONG).unwrap();
    let seen = nvml.ask("events", |nvml| {
        let set = nvml.create_event_set()?;
        let second = nvml.device_by_index(1)?;
        let set = second.register_events(EventTypes::CRITICAL_XID_ERROR, set).map_err(|error| error.error)?;
        let event = set.wait(1_000)?;
        let after = set.wait(1).map(|_| ());
        Ok((event.device.index()?, format!("{:?}", event.event_data), matches!(after, Err(NvmlError::Timeout))))
    });
    assert_eq!(seen, Ok((1, "Some(Value(79))".into(), true)));
}

#[test]
fn mig_devices_links_and_affinity_come_through_the_wrapper() {
    let mut scenario = Scenario::h200(4);
    scenario.nvlink_mesh(6).mig(2, &["1g.18gb", "3g.71gb"]);
    let Some(mock) = Mock::new(&scenario) else { return };
    let nvml = open(&mock, LONG).unwrap();
    let names = nvml.ask("mig", |nvml| {
        let whole = nvml.device_by_index(2)?;
        (0..2).map(|slice| whole.mig_device_by_index(slice)?.name()).collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(names, Ok(vec!["NVIDIA H200 MIG 1g.18gb".into(), "NVIDIA H200 MIG 3g.71gb".into()]));
    let joined = nvml.ask("links", |nvml| {
        let device = nvml.device_by_index(0)?;
        let active: Vec<bool> = (0..18).map_while(|link| device.link_wrapper_for(link).is_active().ok()).collect();
        Ok((active.len(), device.link_wrapper_for(17).remote_pci_info()?.bus_id))
    });
    assert_eq!(joined, Ok((18, "00000000:5D:00.0".into())));
    let near = nvml.ask("affinity", |nvml| nvml.device_by_index(0)?.cpu_affinity(4));
    assert_eq!(near, Ok(vec![0x0000_ffff_ffff_ffff, 0xffff_ffff_0000_0000, 0x0000_ffff, 0]));
}

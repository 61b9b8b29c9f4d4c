//! Faults at every step of a run on a real runtime (Mesa's lavapipe is enough): the results are those without a fault, to the bit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cubecl::prelude::*;

use super::*;
use crate::{Compute, Device, DeviceKind, FaultPlan, GpuConfig, GpuError, Job, MemoryUse, Session, list, log_panics};

/// y = 2x + 1, which no fusing of product and sum changes.
#[cube(launch_unchecked)]
fn line(x: &Array<f64>, y: &mut Array<f64>, count: u32) {
    if ABSOLUTE_POS < count as usize {
        y[ABSOLUTE_POS] = x[ABSOLUTE_POS] + x[ABSOLUTE_POS] + 1.0f64;
    }
}

/// The line of some values: three steps (up, a buffer, down).
struct Line<'a>(&'a [f64]);

impl Job for Line<'_> {
    type Output = Vec<f64>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Vec<f64>, GpuError> {
        let count = self.0.len();
        let (x, y) = (session.upload(self.0)?, session.allocate::<f64>(count)?);
        // SAFETY: the kernel reads and writes `count` elements, the sizes of both buffers.
        unsafe {
            line::launch_unchecked::<R>(
                session.client(),
                CubeCount::Static((count as u32).div_ceil(64), 1, 1),
                CubeDim::new_1d(64),
                ArrayArg::from_raw_parts(x, count),
                ArrayArg::from_raw_parts(y.clone(), count),
                count as u32,
            );
        }
        session.download(y)
    }
}

/// A device, for one test at a time: what a panic on CubeCL's thread said is the process's, as the hook is.
fn device() -> Option<(Device, MutexGuard<'static, ()>)> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    log_panics();
    let found = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    if found.is_none() {
        zomma_testkit::skip("no device");
    }
    found.map(|device| (device, ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn config(fault: Option<&str>) -> RunnerConfig {
    RunnerConfig {
        rows_min: 64,
        fault: fault.map(|plan| plan.parse::<FaultPlan>().unwrap()),
        ..RunnerConfig::default()
    }
}

const ROWS: usize = 1000;
const BATCH: Batch = Batch { rows: ROWS, bytes_per_row: 16 };

fn values() -> Vec<f64> {
    (0..ROWS).map(|row| 0.1 * row as f64 - 7.0).collect()
}

/// Runs the line over the values; how often each row was written last is not asked, that it is right is.
fn run(runner: &Runner) -> Result<Vec<f64>, GpuError> {
    let x = values();
    let mut y = vec![f64::NAN; ROWS];
    runner.with_oom_recovery(&BATCH, |place, rows| {
        let done = match place {
            Place::Cpu => x[rows.clone()].iter().map(|x| x + x + 1.0).collect(),
            Place::Device(compute) => compute.run(Line(&x[rows.clone()]))?,
        };
        y[rows].copy_from_slice(&done);
        Ok(())
    })?;
    Ok(y)
}

fn expected() -> Vec<u64> {
    values().iter().map(|x| (x + x + 1.0).to_bits()).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_fault_at_each_step_in_turn_changes_no_bit() {
    let Some((device, _one)) = device() else { return };
    for kind in ["oom", "refused", "panic"] {
        for step in 1_u64.. {
            let runner = Runner::new(vec![device.clone()], config(Some(&format!("{kind}@{step}")))).unwrap();
            assert_eq!(bits(&run(&runner).unwrap()), expected(), "{kind}@{step}");
            let stats = runner.stats();
            assert_eq!((stats.rows_on_devices, stats.rows_on_cpu), (ROWS as u64, 0), "{kind}@{step}: {stats:?}");
            if stats.out_of_memory_total == 0 {
                assert!(step > 3, "{kind}@{step} never struck");
                assert!(runner.notes().is_empty());
                break;
            }
            assert_eq!((stats.out_of_memory_total, stats.rows_at_once), (1, Some(500)), "{kind}@{step}");
            assert_eq!(runner.notes(), ["device memory ran out: batches halved to 500 rows and done again"]);
        }
    }
}

#[test]
fn a_launch_on_a_buffer_that_was_never_made_is_found_out() {
    // On Vulkan the copy after such a launch succeeds and brings whatever was there.
    let Some((device, _one)) = device() else { return };
    let compute = device.open().unwrap().unwrap().inject("oom@1".parse().unwrap());
    let error = compute.run(Line(&values())).unwrap_err();
    assert!(error.is_out_of_memory(), "{error}");
    assert!(error.to_string().contains("can't allocate buffer of size: 8000"), "{error}");
    // The device itself is none the worse: the next job sees nothing of it.
    assert_eq!(bits(&compute.run(Line(&values())).unwrap()), expected());
}

#[test]
fn a_device_with_little_memory_is_given_pieces_that_fit() {
    let Some((device, _one)) = device() else { return };
    let runner = Runner::new(vec![device], config(Some("oom>1200"))).unwrap();
    assert_eq!(bits(&run(&runner).unwrap()), expected());
    let stats = runner.stats();
    assert_eq!((stats.halvings_total, stats.rows_at_once, stats.rows_on_cpu), (3, Some(125), 0));
    // It is remembered: a second batch fails nowhere.
    assert_eq!(bits(&run(&runner).unwrap()), expected());
    assert_eq!(runner.stats().out_of_memory_total, 3);
}

#[test]
fn a_piece_too_small_to_halve_is_tried_once_more() {
    let Some((device, _one)) = device() else { return };
    let small = RunnerConfig { rows_min: ROWS, ..config(Some("oom@2")) };
    let runner = Runner::new(vec![device], small).unwrap();
    assert_eq!(bits(&run(&runner).unwrap()), expected());
    let stats = runner.stats();
    assert_eq!((stats.retries_total, stats.rows_on_devices, stats.rows_on_cpu), (1, ROWS as u64, 0));
    assert_eq!(runner.notes(), ["device memory ran out: its pools were cleared, and the rows done again"]);
}

#[test]
fn memory_that_never_suffices_goes_to_the_cpu_and_says_so() {
    let Some((device, _one)) = device() else { return };
    let runner = Runner::new(vec![device], config(Some("oom@1.."))).unwrap();
    assert_eq!(bits(&run(&runner).unwrap()), expected());
    let (stats, notes) = (runner.stats(), runner.notes());
    assert_eq!((stats.rows_on_cpu, stats.devices_lost_total), (ROWS as u64, 1));
    assert!(notes.last().unwrap().ends_with(": its rows were done again on the CPU"), "{notes:?}");
    assert!(runner.is_on_cpu() && runner.device_name() == "cpu");
}

#[test]
fn a_lost_device_hands_its_rows_to_the_next_and_then_to_the_cpu() {
    let Some((device, _one)) = device() else { return };
    for step in 1..=3 {
        let lost = format!("lost@{step}");
        let runner = Runner::new(vec![device.clone(), device.clone()], config(Some(&lost))).unwrap();
        assert_eq!(bits(&run(&runner).unwrap()), expected(), "{lost}");
        let stats = runner.stats();
        assert_eq!((stats.devices_lost_total, stats.rows_on_devices, stats.rows_on_cpu), (1, ROWS as u64, 0), "{lost}");
        assert!(!runner.is_on_cpu());
        let runner = Runner::new(vec![device.clone()], config(Some(&lost))).unwrap();
        assert_eq!(bits(&run(&runner).unwrap()), expected(), "{lost}");
        assert_eq!(runner.stats().rows_on_cpu, ROWS as u64);
    }
}

#[test]
fn without_fallback_the_failure_is_the_answer() {
    let Some((device, _one)) = device() else { return };
    let gpu = GpuConfig { cpu_fallback: false, ..GpuConfig::default() };
    let runner = Runner::new(vec![device], RunnerConfig { gpu, ..config(Some("lost@2")) }).unwrap();
    let error = run(&runner).unwrap_err();
    assert!(error.to_string().ends_with("; no other device is left, and cpu_fallback is off"), "{error}");
}

#[test]
fn a_bug_is_not_hidden_by_doing_it_elsewhere() {
    let Some((device, _one)) = device() else { return };
    let runner = Runner::new(vec![device], config(None)).unwrap();
    let calls = AtomicUsize::new(0);
    let failed = || GpuError::Failed { device: "x".into(), message: "index out of bounds".into() };
    let result = runner.with_oom_recovery(&BATCH, |_, _| {
        calls.fetch_add(1, Ordering::Relaxed);
        Err(failed())
    });
    assert_eq!((result, calls.into_inner()), (Err(failed()), 1));
}

#[test]
fn pieces_fit_what_the_broker_may_ever_lend() {
    let Some((device, _one)) = device() else { return };
    // Of a host's gigabytes this leaves some kilobytes.
    let total = HostTotal::read();
    let gpu = GpuConfig { memory_fraction: 5000.0 / total as f64, ..GpuConfig::default() };
    let runner = Runner::new(vec![device.clone()], RunnerConfig { gpu, ..config(None) }).unwrap();
    assert_eq!(bits(&run(&runner).unwrap()), expected());
    if device.shares_host_memory() {
        assert_eq!((runner.stats().rows_at_once, runner.stats().rows_on_cpu), (Some(250), 0));
    }
    assert_eq!(runner.broker_stats().unwrap().lent_bytes, 0);
}

/// Memory of the host in bytes.
struct HostTotal;

impl HostTotal {
    fn read() -> u64 {
        let host = crate::broker::HostMemory { meminfo: "/proc/meminfo".into() };
        host.total_and_free().map_or(1 << 34, |(total, _)| total)
    }
}

#[test]
fn threads_that_share_a_failing_device_lose_no_row() {
    let Some((device, _one)) = device() else { return };
    for plan in ["panic@5", "oom@7", "lost@6", "oom>3000"] {
        let runner = Runner::new(vec![device.clone(), device.clone()], config(Some(plan))).unwrap();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| run(&runner).unwrap())).collect();
            for thread in threads {
                assert_eq!(bits(&thread.join().unwrap()), expected(), "{plan}");
            }
        });
        let stats = runner.stats();
        assert_eq!(stats.rows_on_devices + stats.rows_on_cpu, 4 * ROWS as u64, "{plan}");
    }
}

/// Holds a buffer while the pools are asked.
struct Hold<'a>(&'a Compute);

impl Job for Hold<'_> {
    type Output = (MemoryUse, u64);

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let buffer = session.upload(&[1.0_f64; 4096])?;
        let held = self.0.memory()?;
        let trimmed = self.0.trim()?;
        // Trimming takes nothing from whoever holds a buffer.
        assert_eq!(session.download::<f64>(buffer)?, [1.0; 4096]);
        Ok((held, trimmed))
    }
}

#[test]
fn pools_say_what_they_hold_and_give_back_what_is_empty() {
    let Some((device, _one)) = device() else { return };
    let compute = device.open().unwrap().unwrap();
    let (held, _) = compute.run(Hold(&compute)).unwrap();
    assert!(held.in_use_bytes >= 32_768 && held.reserved_bytes >= held.in_use_bytes && held.lanes > 0, "{held:?}");
}

#[test]
fn a_run_without_devices_is_a_run_on_the_cpu() {
    for devices in [vec![], vec![Device::cpu()]] {
        let runner = Runner::new(devices, RunnerConfig::default()).unwrap();
        assert_eq!(bits(&run(&runner).unwrap()), expected());
        assert!(runner.notes().is_empty() && runner.broker_stats().is_none());
        assert_eq!(runner.stats().rows_on_cpu, ROWS as u64);
    }
    // An empty batch asks for nothing.
    let runner = Runner::new(vec![], RunnerConfig::default()).unwrap();
    runner.with_oom_recovery(&Batch { rows: 0, bytes_per_row: 16 }, |_, _| panic!("asked")).unwrap();
}

//! What lending costs on this machine, and how fast memory goes to a device and back: measured, with medians of several runs.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cubecl::prelude::*;
use serde::Serialize;

use super::{Broker, BrokerConfig, LeaseError, Priority, Unknown};
use crate::compute::{Compute, Job, MemoryUse};
use crate::config::GpuConfig;
use crate::error::GpuError;
use crate::recovery::broker_for;
use crate::session::Session;

/// Runs of which the median is told.
const RUNS: usize = 11;

/// What lending costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LendingBench {
    /// One lease granted and given back by one thread that nobody disturbs, in nanoseconds.
    pub grant_release_ns: f64,
    /// Leases granted and given back a second by two threads together that never have to wait.
    pub two_threads_leases_per_second: f64,
    /// The wait for a lease where four threads share what two can have, in nanoseconds.
    pub contended_wait_ns: Percentiles,
}

/// Where the values of a sample lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: u64,
    /// Nine of ten are at most this.
    pub p90: u64,
    /// 99 of 100 are at most this.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

/// How fast a device's memory is reached, in bytes a second, copies of `bytes` at a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceMemoryBench {
    /// The device in words.
    pub device: String,
    /// Bytes of one copy.
    pub bytes: usize,
    /// Host to device.
    pub upload_bytes_per_second: f64,
    /// Device to host.
    pub download_bytes_per_second: f64,
    /// Written by a kernel.
    pub fill_bytes_per_second: f64,
    /// The first fill, which compiles the kernel, in seconds.
    pub first_fill_seconds: f64,
    /// What the pools held afterwards, and what trimming gave back of it.
    pub memory: MemoryUse,
    /// Bytes that trimming gave back.
    pub trimmed_bytes: u64,
    /// What the device can give this process in all, as its driver says; absent where nobody knows.
    pub available_bytes: Option<u64>,
    /// The largest buffer that its driver allows, however much is free.
    pub buffer_bytes_max: u64,
    /// The largest buffer that it gave, found by trial.
    pub largest_buffer_bytes: u64,
    /// 1 − largest buffer ÷ (available, or the largest allowed where that is less): 0 where memory is in one piece.
    pub fragmentation_ratio: Option<f64>,
}

impl LendingBench {
    /// Measures: about a second.
    ///
    /// # Errors
    ///
    /// [`LeaseError`] where the broker refuses what fits: a fault of the broker's.
    pub fn measure() -> Result<Self, LeaseError> {
        let grant_release_ns = median(RUNS, || lease_ns(20_000, 1))?;
        let two_threads = median(RUNS, || lease_ns(20_000, 2))?;
        Ok(Self {
            grant_release_ns,
            two_threads_leases_per_second: 1e9 / two_threads,
            contended_wait_ns: contended_wait(4, 2_000)?,
        })
    }
}

/// The median of some runs.
fn median<E>(runs: usize, mut run: impl FnMut() -> Result<f64, E>) -> Result<f64, E> {
    let mut values = (0..runs).map(|_| run()).collect::<Result<Vec<f64>, E>>()?;
    values.sort_by(f64::total_cmp);
    Ok(values[values.len() / 2])
}

/// Time a lease, over all threads together.
fn lease_ns(rounds: u32, threads: u32) -> Result<f64, LeaseError> {
    let broker = Broker::new(1 << 30, Unknown, BrokerConfig::default())?;
    let tenant = broker.tenant("bench", None);
    let work = || -> Result<(), LeaseError> {
        for _ in 0..rounds {
            drop(black_box(broker.request(tenant, 1 << 20, Priority::Normal).wait()?));
        }
        Ok(())
    };
    let started = Instant::now();
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        others.into_iter().map(|other| joined(other.join())).chain([mine]).collect::<Result<(), LeaseError>>()
    })?;
    Ok(started.elapsed().as_nanos() as f64 / f64::from(rounds * threads))
}

/// What a thread brought; its panic goes on here.
fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// How long threads wait that each want half of all there is.
fn contended_wait(threads: usize, rounds: usize) -> Result<Percentiles, LeaseError> {
    let broker = Broker::new(2 << 20, Unknown, BrokerConfig { memory_fraction: 1.0, ..BrokerConfig::default() })?;
    let tenant = broker.tenant("bench", None);
    let work = || -> Result<Vec<u64>, LeaseError> {
        (0..rounds)
            .map(|_| {
                let started = Instant::now();
                let lease = broker.request(tenant, 1 << 20, Priority::Normal).wait()?;
                let waited = started.elapsed();
                // As long as a small kernel takes.
                while started.elapsed() < waited + Duration::from_micros(5) {
                    std::hint::spin_loop();
                }
                drop(lease);
                Ok(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX))
            })
            .collect()
    };
    let waits = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| joined(thread.join())).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Percentiles::of(waits.concat()))
}

impl Percentiles {
    /// Of a sample; zeros where it is empty.
    fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let at = |share: f64| {
            values.get(((values.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied().unwrap_or(0)
        };
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) }
    }
}

#[cube(launch_unchecked)]
fn fill(out: &mut Array<f64>, count: u32) {
    if ABSOLUTE_POS < count as usize {
        out[ABSOLUTE_POS] = 1.0f64;
    }
}

/// Seconds of each copy and fill.
struct Copies {
    count: usize,
}

struct Seconds {
    upload: f64,
    download: f64,
    fill: f64,
    first_fill: f64,
}

impl Job for Copies {
    type Output = Seconds;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Seconds, GpuError> {
        let values = vec![0.5_f64; self.count];
        let sync = || -> Result<(), GpuError> {
            // A copy of a few bytes waits for all that was asked for before it.
            session.download::<u32>(session.upload(&[0_u32])?).map(|_| ())
        };
        let timed = |work: &mut dyn FnMut() -> Result<(), GpuError>| -> Result<f64, GpuError> {
            let started = Instant::now();
            work()?;
            Ok(started.elapsed().as_secs_f64())
        };
        let out = session.allocate::<f64>(self.count)?;
        let mut one_fill = || {
            // SAFETY: the kernel writes `count` elements, the size of the buffer.
            unsafe {
                fill::launch_unchecked::<R>(
                    session.client(),
                    CubeCount::Static((self.count as u32).div_ceil(256), 1, 1),
                    CubeDim::new_1d(256),
                    ArrayArg::from_raw_parts(out.clone(), self.count),
                    self.count as u32,
                );
            }
            sync()
        };
        let first_fill = timed(&mut one_fill)?;
        let fill = median(RUNS, || timed(&mut one_fill))?;
        let mut up = || session.upload(&values).and_then(|_| sync());
        up()?;
        let upload = median(RUNS, || timed(&mut up))?;
        let mut down = || session.download::<f64>(out.clone()).map(|values| drop(black_box(values)));
        down()?;
        let download = median(RUNS, || timed(&mut down))?;
        Ok(Seconds { upload, download, fill, first_fill })
    }
}

impl DeviceMemoryBench {
    /// Measures copies and fills of `bytes`, rounded down to whole numbers of eight, and tries how large a buffer can be.
    ///
    /// # Errors
    ///
    /// What the device failed with.
    pub fn measure(compute: &Arc<Compute>, config: &GpuConfig, bytes: usize) -> Result<Self, GpuError> {
        let count = (bytes / size_of::<f64>()).max(1);
        let bytes = count * size_of::<f64>();
        let seconds = compute.run(Copies { count })?;
        let rate = |seconds: f64| bytes as f64 / seconds;
        let memory = compute.memory()?;
        let trimmed_bytes = compute.trim()?;
        let available_bytes = broker_for(compute, config)?.stats().available_bytes;
        let (largest_buffer_bytes, buffer_bytes_max) = (compute.largest_buffer_bytes()?, compute.buffer_bytes_max());
        Ok(Self {
            device: compute.device().to_string(),
            bytes,
            upload_bytes_per_second: rate(seconds.upload),
            download_bytes_per_second: rate(seconds.download),
            fill_bytes_per_second: rate(seconds.fill),
            first_fill_seconds: seconds.first_fill,
            memory,
            trimmed_bytes,
            available_bytes,
            buffer_bytes_max,
            largest_buffer_bytes,
            fragmentation_ratio: available_bytes
                .map(|available| fragmentation(largest_buffer_bytes, available.min(buffer_bytes_max))),
        })
    }
}

/// The share of the bytes that could be had at once that the largest buffer is short of.
fn fragmentation(largest_buffer_bytes: u64, most_bytes: u64) -> f64 {
    (1.0 - largest_buffer_bytes as f64 / most_bytes.max(1) as f64).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, DeviceKind, list};

    #[test]
    fn percentiles_are_of_the_sample() {
        assert_eq!(Percentiles::of((1..=100).rev().collect()), Percentiles { p50: 50, p90: 90, p99: 99, max: 100 });
        assert_eq!(Percentiles::of(vec![7]), Percentiles { p50: 7, p90: 7, p99: 7, max: 7 });
        assert_eq!(Percentiles::of(vec![]), Percentiles::default());
    }

    #[test]
    fn fragmentation_is_what_the_largest_buffer_is_short_of() {
        for (largest, most, ratio) in
            [(512, 512, 0.0), (256, 1024, 0.75), (0, 1024, 1.0), (1024, 512, 0.0), (0, 0, 1.0)]
        {
            assert_eq!(fragmentation(largest, most), ratio, "{largest} of {most}");
        }
    }

    #[test]
    fn every_figure_is_a_number() {
        let bench = LendingBench::measure().unwrap();
        let figures = [bench.grant_release_ns, bench.two_threads_leases_per_second];
        assert!(figures.iter().all(|figure| figure.is_finite() && *figure > 0.0), "{bench:?}");
        assert!(bench.contended_wait_ns.p50 > 0);
        let found = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
        let Some(compute) = found.and_then(|device| device.open().unwrap()) else {
            return zomma_testkit::skip("no device");
        };
        let bench = DeviceMemoryBench::measure(&Arc::new(compute), &GpuConfig::default(), 1 << 20).unwrap();
        assert!(bench.upload_bytes_per_second > 0.0 && bench.fill_bytes_per_second > 0.0, "{bench:?}");
        assert!((1 << 20..=bench.buffer_bytes_max).contains(&bench.largest_buffer_bytes), "{bench:?}");
        // lavapipe's memory is the host's, which is known.
        let most = bench.available_bytes.unwrap().min(bench.buffer_bytes_max) as f64;
        let lacking = (most - bench.largest_buffer_bytes as f64).max(0.0) / most;
        assert!((bench.fragmentation_ratio.unwrap() - lacking).abs() < 1e-9, "{bench:?}");
    }
}

//! What lending costs on this machine, and how fast memory goes to a device and back: measured, with medians of several runs.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use cubecl::prelude::*;
use serde::Serialize;

use super::{Broker, BrokerConfig, LeaseError, Pool, PoolStats, Priority, Unknown};
use crate::compute::{Compute, Job, MemoryUse};
use crate::error::GpuError;
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
    /// A block of a pool taken and given back among a thousand in use, in nanoseconds.
    pub pool_block_ns: f64,
    /// A pool after a hundred thousand random steps.
    pub pool_after_schedule: PoolStats,
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
        let (pool_block_ns, pool_after_schedule) = pool_bench();
        Ok(Self {
            grant_release_ns,
            two_threads_leases_per_second: 1e9 / two_threads,
            contended_wait_ns: contended_wait(4, 2_000)?,
            pool_block_ns,
            pool_after_schedule,
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

/// A pool's time a block, and its figures after a random schedule of sizes from 256 bytes to 1 MiB.
fn pool_bench() -> (f64, PoolStats) {
    const PAGE: u64 = 64 << 20;
    let Ok(mut pool) = Pool::new(PAGE, 256, 16 * PAGE) else { return (f64::NAN, PoolStats::default()) };
    let mut blocks = Vec::new();
    let mut state = 1_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for _ in 0..100_000 {
        if blocks.len() < 1000 && below(2) == 0 {
            blocks.extend(pool.allocate(256 << below(13)));
        } else if !blocks.is_empty() {
            let at = below(blocks.len() as u64) as usize;
            pool.free(blocks.swap_remove(at));
        }
    }
    let after = pool.stats();
    while blocks.len() < 1000 {
        blocks.extend(pool.allocate(4096));
    }
    let rounds = 10_000;
    let timed: Result<f64, ()> = median(RUNS, || {
        let started = Instant::now();
        for _ in 0..rounds {
            if let Ok(block) = pool.allocate(black_box(4096)) {
                pool.free(block);
            }
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(rounds))
    });
    blocks.into_iter().for_each(|block| pool.free(block));
    (timed.unwrap_or(f64::NAN), after)
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
    /// Measures copies and fills of `bytes`, rounded down to whole numbers of eight.
    ///
    /// # Errors
    ///
    /// What the device failed with.
    pub fn measure(compute: &Compute, bytes: usize) -> Result<Self, GpuError> {
        let count = (bytes / size_of::<f64>()).max(1);
        let bytes = count * size_of::<f64>();
        let seconds = compute.run(Copies { count })?;
        let rate = |seconds: f64| bytes as f64 / seconds;
        let memory = compute.memory()?;
        Ok(Self {
            device: compute.device().to_string(),
            bytes,
            upload_bytes_per_second: rate(seconds.upload),
            download_bytes_per_second: rate(seconds.download),
            fill_bytes_per_second: rate(seconds.fill),
            first_fill_seconds: seconds.first_fill,
            memory,
            trimmed_bytes: compute.trim()?,
        })
    }
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
    fn every_figure_is_a_number() {
        let bench = LendingBench::measure().unwrap();
        let figures = [bench.grant_release_ns, bench.two_threads_leases_per_second, bench.pool_block_ns];
        assert!(figures.iter().all(|figure| figure.is_finite() && *figure > 0.0), "{bench:?}");
        assert!(bench.contended_wait_ns.p50 > 0 && bench.pool_after_schedule.blocks > 0);
        let found = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
        let Some(compute) = found.and_then(|device| device.open().unwrap()) else {
            return zomma_testkit::skip("no device");
        };
        let bench = DeviceMemoryBench::measure(&compute, 1 << 20).unwrap();
        assert!(bench.upload_bytes_per_second > 0.0 && bench.fill_bytes_per_second > 0.0, "{bench:?}");
    }
}

//! Bandwidth: copy, fill and triad in host memory and in the device's, and copies between the two. Bytes are counted as STREAM counts
//! them (McCalpin 1995): what the program reads and writes, not what caches fetch besides.

use rayon::prelude::*;
use zomma_gpu::probe::element::uniform;
use zomma_gpu::probe::stream::{B, C, DeviceStream, Pass, SCALAR, download, upload};

use super::Section;
use super::task::{Bench, Cores, TaskName};

/// Values that one core takes at a time: 512 KiB.
const CHUNK: usize = 1 << 16;

/// Measures each pass, then the copies over the bus.
pub fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    // 64 MiB a column: beyond any last-level cache but the largest, and within what CubeCL copies through pinned memory. Small ones would
    // measure a cache.
    let count = bench.size(1 << 23, 1 << 21);
    let size = format!("{} MiB", (count * size_of::<f64>()) >> 20);
    let named = |task| TaskName { section: Section::Memory, task, size: &size, unit: "GB/s" };
    for (task, pass) in [("copy", Pass::Copy), ("fill", Pass::Fill), ("triad", Pass::Triad)] {
        sweep(bench, named(task), pass, count)?;
    }
    bus(bench, named("host to device"), named("device to host"), count)
}

fn sweep(bench: &mut Bench<'_>, name: TaskName<'_>, pass: Pass, count: usize) -> anyhow::Result<()> {
    let bytes = count * pass.bytes_per_element();
    bench.task(name, bytes as f64 / 1e9, 3 * count * size_of::<f64>(), |task| {
        let (mut a, b, c) = (vec![0.0; count], vec![B; count], vec![C; count]);
        task.on_host(|cores| match cores {
            Cores::One => pass_over(pass, &mut a, &b, &c),
            Cores::All => {
                let columns = a.par_chunks_mut(CHUNK).zip(b.par_chunks(CHUNK)).zip(c.par_chunks(CHUNK));
                columns.for_each(|((a, b), c)| pass_over(pass, a, b, c));
            }
        })?;
        task.check("cpu", a.iter().all(|x| *x == pass.expected()));
        task.on_device(|compute, timer| {
            let stream = DeviceStream::new(compute, count)?;
            let speed = timer.measure(|| Ok(stream.run(pass)?))?;
            Ok((speed, stream.result()?.iter().all(|x| *x == pass.expected())))
        })
    })
}

/// One pass over a part of the columns.
fn pass_over(pass: Pass, a: &mut [f64], b: &[f64], c: &[f64]) {
    match pass {
        Pass::Fill => a.fill(SCALAR),
        Pass::Copy => a.copy_from_slice(b),
        Pass::Triad => {
            for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                *a = b + SCALAR * c;
            }
        }
    }
    // Keeps a fill, whose values are known, from being left out.
    std::hint::black_box(a);
}

fn bus(bench: &mut Bench<'_>, up: TaskName<'_>, down: TaskName<'_>, count: usize) -> anyhow::Result<()> {
    if !bench.has_device() {
        return Ok(());
    }
    let gigabytes = (count * size_of::<f64>()) as f64 / 1e9;
    let host_bytes = 3 * count * size_of::<f64>();
    bench.task(up, gigabytes, host_bytes, |task| {
        let values = uniform::<f64>(count, 1);
        task.on_device(|compute, timer| {
            let speed = timer.measure(|| {
                drop(upload(compute, &values)?);
                Ok(())
            })?;
            let back = download(compute, &upload(compute, &values)?)?;
            Ok((speed, back == values))
        })
    })?;
    bench.task(down, gigabytes, host_bytes, |task| {
        let values = uniform::<f64>(count, 2);
        task.on_device(|compute, timer| {
            let there = upload(compute, &values)?;
            let mut back = Vec::new();
            let speed = timer.measure(|| {
                back = download(compute, &there)?;
                Ok(())
            })?;
            Ok((speed, back == values))
        })
    })
}

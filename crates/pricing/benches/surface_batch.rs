//! Slices fitted at once: on one thread, on all, and on the first Vulkan device with f64 where there is one (a software device such as
//! lavapipe is the same cores again).

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zomma_gpu::{Device, DeviceKind, list};
use zomma_pricing::surface::{
    Svi,
    batch::{SliceColumns, SliceFits, fit_slices, launch},
};

/// Slices of a batch.
const SLICES: usize = 1024;
/// Quotes of each.
const QUOTES: usize = 96;

/// Smiles of every maturity from three days to a year, with quotes that are off by part of their spread.
fn market() -> SliceColumns {
    let mut columns = SliceColumns { offsets: vec![0], ..SliceColumns::default() };
    for slice in 0..SLICES {
        let years = 0.01 + slice as f64 / SLICES as f64;
        let deviation = 0.2 * years.sqrt();
        let svi = Svi {
            a: 0.4 * deviation * deviation,
            b: 0.4 * deviation,
            rho: -0.6 + 0.3 * (slice as f64).sin(),
            m: 0.1 * deviation,
            sigma: deviation,
        };
        for quote in 0..QUOTES {
            let k = deviation * (-5.0 + 8.0 * quote as f64 / (QUOTES - 1) as f64);
            let w = svi.total_variance(k);
            let half = 0.02 * w;
            columns.log_moneyness.push(k);
            columns.total_variance.push(w + 0.5 * half * ((slice * QUOTES + quote) as f64 * 12.9898).sin());
            columns.inverse_half_width.push(1.0 / half);
        }
        columns.offsets.push(columns.log_moneyness.len());
    }
    columns
}

fn slices(c: &mut Criterion) {
    let columns = market();
    let mut group = c.benchmark_group("surface_slices_of_96_quotes");
    group.throughput(Throughput::Elements(SLICES as u64)).sample_size(10);
    let Ok(one) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else { return };
    group.bench_function("peer one thread", |b| b.iter(|| one.install(|| fit_slices(black_box(&columns)))));
    group.bench_function("all threads", |b| b.iter(|| fit_slices(black_box(&columns))));
    let device = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    if let Some(Ok(Some(compute))) = device.map(|device| device.open()) {
        let mut fits: SliceFits = fit_slices(&columns);
        group.bench_function("vulkan", |b| {
            b.iter(|| launch::fit_on(&compute, black_box(&columns), 0..SLICES, &mut fits))
        });
    }
    group.finish();
}

criterion_group!(benches, slices);
criterion_main!(benches);

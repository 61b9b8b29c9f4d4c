//! What a scrape costs: eight GPUs with every metric that there is, written as Prometheus and as OpenMetrics.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use zomma_gpu::health::{Health, XidRecord};
use zomma_gpu::inventory::{Driver, PciAddress, Vendor};
use zomma_gpu::telemetry::{
    EccErrors, Format, GpuCounters, GpuIdentity, GpuSample, GpuView, NvlinkErrors, RemappedRows, RetiredPages, Scrape,
    Snapshot, ThrottleReason, render,
};

fn view(index: u8) -> GpuView {
    let identity = GpuIdentity {
        index: usize::from(index),
        vendor: Vendor::Nvidia,
        name: Some("NVIDIA H200".into()),
        uuid: Some(format!("GPU-8f5c2a31-0000-4000-8000-{index:012}")),
        pci: Some(PciAddress { domain: 0, bus: 0x19 + index, device: 0, function: 0 }),
        driver: Some(Driver { name: "nvidia".into(), version: Some("570.86.15".into()) }),
        minor_number: Some(u32::from(index)),
    };
    let some = Some(0.123_456_789);
    let count = Some(123_456_789);
    let sample = GpuSample {
        utilization_ratio: some,
        memory_utilization_ratio: some,
        encoder_utilization_ratio: some,
        decoder_utilization_ratio: some,
        memory_total_bytes: count,
        memory_used_bytes: count,
        memory_free_bytes: count,
        memory_reserved_bytes: count,
        temperature_celsius: some,
        memory_temperature_celsius: some,
        slowdown_temperature_celsius: some,
        shutdown_temperature_celsius: some,
        power_watts: some,
        power_limit_watts: some,
        energy_joules: some,
        sm_clock_hertz: some,
        memory_clock_hertz: some,
        fan_speed_ratio: some,
        pcie_transmit_bytes_per_second: some,
        pcie_receive_bytes_per_second: some,
        pcie_replays: count,
        pcie_link_generation: Some(5),
        pcie_link_width: Some(16),
        nvlink_transmit_bytes: count,
        nvlink_receive_bytes: count,
        nvlink_errors: NvlinkErrors { crc_flit: count, crc_data: count, replay: count, recovery: count },
        ecc_enabled: Some(true),
        ecc_volatile: EccErrors { corrected: count, uncorrected: count },
        ecc_aggregate: EccErrors { corrected: count, uncorrected: count },
        retired_pages: RetiredPages { corrected: count, uncorrected: count, pending: Some(false) },
        remapped_rows: RemappedRows { corrected: count, uncorrected: count, pending: Some(false), failed: Some(false) },
        throttle: Some(ThrottleReason::ALL.to_vec()),
        ..GpuSample::default()
    };
    let counters = GpuCounters {
        read_failures: BTreeMap::from([("power", 3), ("temperature", 4)]),
        xids: [13, 31, 79].map(|xid| (xid, XidRecord { count: 2, last_seen: Duration::ZERO })).into(),
        ..GpuCounters::default()
    };
    GpuView { identity, sample, counters, health: Health::default() }
}

fn scrape(criterion: &mut Criterion) {
    let snapshot = Snapshot {
        taken: Instant::now(),
        duration: Duration::from_millis(50),
        samples: 1000,
        gpus: (0..8).map(view).collect(),
        notes: Vec::new(),
    };
    let mut group = criterion.benchmark_group("scrape of 8 GPUs");
    for (name, format, hostname) in [
        ("prometheus", Format::Text, None),
        ("openmetrics", Format::OpenMetrics, None),
        ("prometheus with dcgm names", Format::Text, Some("node-1")),
    ] {
        let scrape = Scrape { snapshot: &snapshot, now: snapshot.taken };
        group.bench_function(name, |bencher| bencher.iter(|| render(black_box(&scrape), format, hostname)));
    }
    group.finish();
}

criterion_group!(benches, scrape);
criterion_main!(benches);

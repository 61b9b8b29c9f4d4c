//! A machine full of H200s for the tests of this module: every value there, all different from 0 where that is possible.

use std::time::{Duration, Instant};

use super::sample::{
    EccErrors, GpuIdentity, GpuSample, NvlinkErrors, RecoveryAction, RemappedRows, RetiredPages, ThrottleReason,
};
use super::snapshot::{GpuCounters, GpuView, Snapshot};
use crate::health::Health;
use crate::inventory::{Driver, PciAddress, Vendor};

pub(crate) fn test_snapshot(gpus: usize) -> Snapshot {
    let taken = Instant::now();
    let duration = Duration::from_millis(12);
    Snapshot { taken, duration, samples: 7, gpus: test_gpus(gpus), notes: Vec::new() }
}

pub(crate) fn test_gpus(count: usize) -> Vec<GpuView> {
    let view = |index| GpuView {
        identity: identity(index),
        sample: sample(),
        counters: GpuCounters::default(),
        health: Health::default(),
    };
    (0..count).map(view).collect()
}

fn identity(index: usize) -> GpuIdentity {
    GpuIdentity {
        index,
        vendor: Vendor::Nvidia,
        name: Some("NVIDIA H200".into()),
        uuid: Some(format!("GPU-00000000-0000-0000-0000-{index:012}")),
        pci: Some(PciAddress { domain: 0, bus: 0x10 + u8::try_from(index).unwrap(), device: 0, function: 0 }),
        driver: Some(Driver { name: "nvidia".into(), version: Some("570.86.15".into()) }),
        minor_number: Some(u32::try_from(index).unwrap()),
    }
}

fn sample() -> GpuSample {
    const MIB: u64 = 1 << 20;
    GpuSample {
        unavailable: None,
        failures: Vec::new(),
        utilization_ratio: Some(0.37),
        memory_utilization_ratio: Some(0.21),
        encoder_utilization_ratio: Some(0.0),
        decoder_utilization_ratio: Some(0.0),
        memory_total_bytes: Some(143_771 * MIB),
        memory_used_bytes: Some(12_345 * MIB),
        memory_free_bytes: Some(130_000 * MIB),
        memory_reserved_bytes: Some(600 * MIB),
        temperature_celsius: Some(61.0),
        memory_temperature_celsius: Some(58.0),
        slowdown_temperature_celsius: Some(89.0),
        shutdown_temperature_celsius: Some(94.0),
        power_watts: Some(412.345),
        power_limit_watts: Some(700.0),
        energy_joules: Some(123_456.789),
        sm_clock_hertz: Some(1.98e9),
        memory_clock_hertz: Some(3.201e9),
        fan_speed_ratio: Some(0.4),
        pcie_transmit_bytes_per_second: Some(1.5e9),
        pcie_receive_bytes_per_second: Some(2.5e9),
        pcie_replays: Some(3),
        pcie_link_generation: Some(5),
        pcie_link_width: Some(16),
        nvlink_transmit_bytes: Some(5 << 30),
        nvlink_receive_bytes: Some(6 << 30),
        nvlink_errors: NvlinkErrors { crc_flit: Some(1), crc_data: Some(2), replay: Some(3), recovery: Some(4) },
        ecc_enabled: Some(true),
        ecc_volatile: EccErrors { corrected: Some(5), uncorrected: Some(0) },
        ecc_aggregate: EccErrors { corrected: Some(50), uncorrected: Some(1) },
        retired_pages: RetiredPages { corrected: Some(1), uncorrected: Some(2), pending: Some(false) },
        remapped_rows: RemappedRows {
            corrected: Some(1),
            uncorrected: Some(2),
            pending: Some(false),
            failed: Some(false),
        },
        throttle: Some(vec![ThrottleReason::SwPowerCap]),
        recovery_action: Some(RecoveryAction::None),
    }
}

//! The same values under the names, labels and units of NVIDIA's dcgm-exporter, so that dashboards made for it work.
//!
//! What stands here are dcgm-exporter's default counters and those that its default list has commented out, as far as NVML gives
//! them. Profiling fields (`DCGM_FI_PROF_…`) come from hardware counters that NVML does not read: they are absent.

use super::registry::Kind;
use super::sample::GpuSample;
use super::snapshot::GpuView;

/// One of dcgm-exporter's metrics.
#[derive(Clone, Copy)]
pub struct DcgmMetric {
    /// DCGM's field name.
    pub name: &'static str,
    /// As dcgm-exporter declares it.
    pub kind: Kind,
    /// What it is, with DCGM's unit.
    pub help: &'static str,
    /// Which of our metrics it repeats.
    pub of: &'static str,
    /// The value in DCGM's unit.
    pub read: fn(&GpuView) -> Option<f64>,
}

const MIB: f64 = 1024.0 * 1024.0;

const fn row(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    of: &'static str,
    read: fn(&GpuView) -> Option<f64>,
) -> DcgmMetric {
    DcgmMetric { name, kind, help, of, read }
}

fn percent(ratio: Option<f64>) -> Option<f64> {
    ratio.map(|ratio| (ratio * 100.0).round())
}

fn mebibytes(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| (bytes as f64 / MIB).floor())
}

fn megahertz(hertz: Option<f64>) -> Option<f64> {
    hertz.map(|hertz| hertz / 1e6)
}

fn number(count: Option<u64>) -> Option<f64> {
    count.map(|count| count as f64)
}

/// NVML gives kB/s; so does dcgm-exporter.
fn kilobytes(bytes: Option<f64>) -> Option<f64> {
    bytes.map(|bytes| (bytes / 1000.0).round())
}

fn nvlink_mebibytes(sample: &GpuSample) -> Option<f64> {
    let bytes = sample.nvlink_transmit_bytes?.checked_add(sample.nvlink_receive_bytes?)?;
    mebibytes(Some(bytes))
}

/// The metrics, in dcgm-exporter's order.
pub const DCGM_METRICS: &[DcgmMetric] = &[
    row("DCGM_FI_DEV_SM_CLOCK", Kind::Gauge, "SM clock frequency (in MHz).", "zomma_gpu_sm_clock_hertz", |gpu| {
        megahertz(gpu.sample.sm_clock_hertz)
    }),
    row(
        "DCGM_FI_DEV_MEM_CLOCK",
        Kind::Gauge,
        "Memory clock frequency (in MHz).",
        "zomma_gpu_memory_clock_hertz",
        |gpu| megahertz(gpu.sample.memory_clock_hertz),
    ),
    row(
        "DCGM_FI_DEV_MEMORY_TEMP",
        Kind::Gauge,
        "Memory temperature (in C).",
        "zomma_gpu_memory_temperature_celsius",
        |gpu| gpu.sample.memory_temperature_celsius,
    ),
    row("DCGM_FI_DEV_GPU_TEMP", Kind::Gauge, "GPU temperature (in C).", "zomma_gpu_temperature_celsius", |gpu| {
        gpu.sample.temperature_celsius
    }),
    row("DCGM_FI_DEV_POWER_USAGE", Kind::Gauge, "Power draw (in W).", "zomma_gpu_power_watts", |gpu| {
        gpu.sample.power_watts
    }),
    row(
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        Kind::Counter,
        "Total energy consumption since the driver was loaded (in mJ).",
        "zomma_gpu_energy_joules_total",
        |gpu| gpu.sample.energy_joules.map(|joules| (joules * 1000.0).round()),
    ),
    row(
        "DCGM_FI_DEV_PCIE_TX_THROUGHPUT",
        Kind::Counter,
        "PCIe transmit throughput (in KB per second) via NVML.",
        "zomma_gpu_pcie_transmit_bytes_per_second",
        |gpu| kilobytes(gpu.sample.pcie_transmit_bytes_per_second),
    ),
    row(
        "DCGM_FI_DEV_PCIE_RX_THROUGHPUT",
        Kind::Counter,
        "PCIe receive throughput (in KB per second) via NVML.",
        "zomma_gpu_pcie_receive_bytes_per_second",
        |gpu| kilobytes(gpu.sample.pcie_receive_bytes_per_second),
    ),
    row(
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
        Kind::Counter,
        "Total number of PCIe retries.",
        "zomma_gpu_pcie_replays_total",
        |gpu| number(gpu.sample.pcie_replays),
    ),
    row("DCGM_FI_DEV_GPU_UTIL", Kind::Gauge, "GPU utilization (in %).", "zomma_gpu_utilization_ratio", |gpu| {
        percent(gpu.sample.utilization_ratio)
    }),
    row(
        "DCGM_FI_DEV_MEM_COPY_UTIL",
        Kind::Gauge,
        "Memory utilization (in %).",
        "zomma_gpu_memory_utilization_ratio",
        |gpu| percent(gpu.sample.memory_utilization_ratio),
    ),
    row(
        "DCGM_FI_DEV_ENC_UTIL",
        Kind::Gauge,
        "Encoder utilization (in %).",
        "zomma_gpu_encoder_utilization_ratio",
        |gpu| percent(gpu.sample.encoder_utilization_ratio),
    ),
    row(
        "DCGM_FI_DEV_DEC_UTIL",
        Kind::Gauge,
        "Decoder utilization (in %).",
        "zomma_gpu_decoder_utilization_ratio",
        |gpu| percent(gpu.sample.decoder_utilization_ratio),
    ),
    row(
        XID_ERRORS,
        Kind::Gauge,
        "Value of the last XID error encountered, 0 for none.",
        "zomma_gpu_xid_errors_total",
        |gpu| number(Some(gpu.counters.last_xid.unwrap_or(0))),
    ),
    row(
        "DCGM_FI_DEV_FB_TOTAL",
        Kind::Gauge,
        "Framebuffer memory total (in MiB).",
        "zomma_gpu_memory_total_bytes",
        |gpu| mebibytes(gpu.sample.memory_total_bytes),
    ),
    row(
        "DCGM_FI_DEV_FB_FREE",
        Kind::Gauge,
        "Framebuffer memory free (in MiB).",
        "zomma_gpu_memory_free_bytes",
        |gpu| mebibytes(gpu.sample.memory_free_bytes),
    ),
    row(
        "DCGM_FI_DEV_FB_USED",
        Kind::Gauge,
        "Framebuffer memory used (in MiB).",
        "zomma_gpu_memory_used_bytes",
        |gpu| mebibytes(gpu.sample.memory_used_bytes),
    ),
    row(
        "DCGM_FI_DEV_FB_RESERVED",
        Kind::Gauge,
        "Framebuffer memory reserved (in MiB).",
        "zomma_gpu_memory_reserved_bytes",
        |gpu| mebibytes(gpu.sample.memory_reserved_bytes),
    ),
    row(
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
        Kind::Counter,
        "Total number of single-bit volatile ECC errors.",
        ECC,
        |gpu| number(gpu.sample.ecc_volatile.corrected),
    ),
    row(
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        Kind::Counter,
        "Total number of double-bit volatile ECC errors.",
        ECC,
        |gpu| number(gpu.sample.ecc_volatile.uncorrected),
    ),
    row(
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",
        Kind::Counter,
        "Total number of single-bit persistent ECC errors.",
        ECC_LIFETIME,
        |gpu| number(gpu.sample.ecc_aggregate.corrected),
    ),
    row(
        "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",
        Kind::Counter,
        "Total number of double-bit persistent ECC errors.",
        ECC_LIFETIME,
        |gpu| number(gpu.sample.ecc_aggregate.uncorrected),
    ),
    row(
        "DCGM_FI_DEV_RETIRED_SBE",
        Kind::Counter,
        "Total number of retired pages due to single-bit errors.",
        RETIRED,
        |gpu| number(gpu.sample.retired_pages.corrected),
    ),
    row(
        "DCGM_FI_DEV_RETIRED_DBE",
        Kind::Counter,
        "Total number of retired pages due to double-bit errors.",
        RETIRED,
        |gpu| number(gpu.sample.retired_pages.uncorrected),
    ),
    row(
        "DCGM_FI_DEV_RETIRED_PENDING",
        Kind::Counter,
        "Whether pages are pending retirement.",
        "zomma_gpu_retired_pages_pending",
        |gpu| gpu.sample.retired_pages.pending.map(f64::from),
    ),
    row(
        "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
        Kind::Counter,
        "Total number of NVLink flow-control CRC errors.",
        NVLINK,
        |gpu| number(gpu.sample.nvlink_errors.crc_flit),
    ),
    row(
        "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
        Kind::Counter,
        "Total number of NVLink data CRC errors.",
        NVLINK,
        |gpu| number(gpu.sample.nvlink_errors.crc_data),
    ),
    row(
        "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
        Kind::Counter,
        "Total number of NVLink retries.",
        NVLINK,
        |gpu| number(gpu.sample.nvlink_errors.replay),
    ),
    row(
        "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
        Kind::Counter,
        "Total number of NVLink recovery errors.",
        NVLINK,
        |gpu| number(gpu.sample.nvlink_errors.recovery),
    ),
    row(
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
        Kind::Counter,
        "Data sent and received over all NVLinks (in MiB).",
        "zomma_gpu_nvlink_transmit_bytes_total",
        |gpu| nvlink_mebibytes(&gpu.sample),
    ),
    row(
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        Kind::Counter,
        "Number of remapped rows for uncorrectable errors.",
        "zomma_gpu_remapped_rows",
        |gpu| number(gpu.sample.remapped_rows.uncorrected),
    ),
    row(
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        Kind::Counter,
        "Number of remapped rows for correctable errors.",
        "zomma_gpu_remapped_rows",
        |gpu| number(gpu.sample.remapped_rows.corrected),
    ),
    row(
        "DCGM_FI_DEV_ROW_REMAP_FAILURE",
        Kind::Gauge,
        "Whether remapping of rows has failed.",
        "zomma_gpu_row_remap_failed",
        |gpu| gpu.sample.remapped_rows.failed.map(f64::from),
    ),
];

/// The one metric that has labels of its own (`err_code`, `err_msg`).
pub const XID_ERRORS: &str = "DCGM_FI_DEV_XID_ERRORS";

const ECC: &str = "zomma_gpu_ecc_errors_total";
const ECC_LIFETIME: &str = "zomma_gpu_ecc_lifetime_errors_total";
const RETIRED: &str = "zomma_gpu_retired_pages";
const NVLINK: &str = "zomma_gpu_nvlink_errors_total";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::registry;
    use crate::telemetry::test_gpus;

    #[test]
    fn each_repeats_a_metric_of_ours() {
        for metric in DCGM_METRICS {
            assert!(registry::find(metric.of).is_some(), "{}: {}", metric.name, metric.of);
        }
    }

    #[test]
    fn units_are_those_of_dcgm_exporter() {
        let gpu = test_gpus(1).remove(0);
        let value = |name: &str| {
            let metric = DCGM_METRICS.iter().find(|metric| metric.name == name).unwrap();
            (metric.read)(&gpu)
        };
        assert_eq!(value("DCGM_FI_DEV_GPU_UTIL"), Some(37.0));
        assert_eq!(value("DCGM_FI_DEV_FB_USED"), Some(12_345.0));
        assert_eq!(value("DCGM_FI_DEV_SM_CLOCK"), Some(1980.0));
        assert_eq!(value("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"), Some(123_456_789.0));
        assert_eq!(value("DCGM_FI_DEV_XID_ERRORS"), Some(0.0));
    }
}

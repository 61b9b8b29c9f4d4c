//! The one table of metrics: what is exposed, documented, drawn and alerted on all comes from here.
//!
//! Names follow Prometheus: prefix `zomma_gpu_`, base units last (`_bytes`, `_seconds`, `_celsius`, `_watts`, `_joules`, `_hertz`,
//! `_ratio` from 0 to 1), counters end in `_total`.

use std::borrow::Cow;
use std::time::Instant;

use super::alerts;
use super::sample::{GpuSample, ThrottleReason};
use super::snapshot::{GpuView, Snapshot};
use crate::health::State;

/// Labels that each metric of a GPU has, in this order; one that is not known is left out.
pub const GPU_LABELS: [&str; 5] = ["gpu", "uuid", "name", "pci_bus_id", "vendor"];

/// Whether a metric only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows, and starts anew at 0 when its source does.
    Counter,
}

/// What a metric is measured in; the metric's name ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count, a number of a list, or 0 and 1.
    None,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Seconds.
    Seconds,
    /// Degrees Celsius.
    Celsius,
    /// Watts.
    Watts,
    /// Joules.
    Joules,
    /// Hertz.
    Hertz,
    /// A share, from 0 to 1.
    Ratio,
}

/// What a scrape reads.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// The last sample of every GPU.
    pub snapshot: &'a Snapshot,
    /// When it is read.
    pub now: Instant,
}

/// Values of one metric of a GPU by a label of its own.
pub type Labelled = Vec<(Cow<'static, str>, f64)>;

/// Where a metric's values come from. What gives `None` is left out of the scrape.
#[derive(Clone, Copy)]
pub enum Source {
    /// One value a GPU.
    Gpu(fn(&GpuView) -> Option<f64>),
    /// Values of a GPU by one more label, named here.
    GpuBy(&'static str, fn(&GpuView) -> Labelled),
    /// One value of the program.
    Program(fn(&Scrape<'_>) -> Option<f64>),
}

/// One metric.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Full name.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// What it is measured in.
    pub unit: Unit,
    /// One sentence.
    pub help: &'static str,
    /// Where its values come from.
    pub source: Source,
}

impl Metric {
    /// Labels in order.
    pub fn labels(&self) -> Vec<&'static str> {
        match self.source {
            Source::Gpu(_) => GPU_LABELS.to_vec(),
            Source::GpuBy(label, _) => GPU_LABELS.into_iter().chain([label]).collect(),
            Source::Program(_) => Vec::new(),
        }
    }
}

/// The metric of that name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str, read: fn(&GpuView) -> Option<f64>) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, help, source: Source::Gpu(read) }
}

const fn counter(name: &'static str, unit: Unit, help: &'static str, read: fn(&GpuView) -> Option<f64>) -> Metric {
    Metric { name, kind: Kind::Counter, unit, help, source: Source::Gpu(read) }
}

const fn by(
    name: &'static str,
    kind: Kind,
    label: &'static str,
    help: &'static str,
    read: fn(&GpuView) -> Labelled,
) -> Metric {
    Metric { name, kind, unit: Unit::None, help, source: Source::GpuBy(label, read) }
}

const fn program(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    help: &'static str,
    read: fn(&Scrape<'_>) -> Option<f64>,
) -> Metric {
    Metric { name, kind, unit, help, source: Source::Program(read) }
}

fn count(value: Option<u64>) -> Option<f64> {
    // Exact below 2^53: bytes of any device, and any count a counter reaches.
    value.map(|value| value as f64)
}

fn flag(value: Option<bool>) -> Option<f64> {
    value.map(f64::from)
}

fn kinds<const N: usize>(values: [(&'static str, Option<u64>); N]) -> Labelled {
    values.into_iter().filter_map(|(kind, value)| Some((Cow::Borrowed(kind), count(value)?))).collect()
}

fn sampled(scrape: &Scrape<'_>) -> bool {
    scrape.snapshot.samples > 0
}

fn throttled(sample: &GpuSample) -> Labelled {
    let Some(active) = &sample.throttle else { return Vec::new() };
    let value = |why: ThrottleReason| (Cow::Borrowed(why.name()), f64::from(active.contains(&why)));
    ThrottleReason::ALL.into_iter().map(value).collect()
}

/// Every metric, in the order of exposition.
pub const METRICS: &[Metric] = &[
    program(
        "zomma_gpu_devices",
        Kind::Gauge,
        Unit::None,
        "GPUs that are watched, with those that are lost or have no working driver.",
        |it| sampled(it).then_some(it.snapshot.gpus.len() as f64),
    ),
    program("zomma_gpu_samples_total", Kind::Counter, Unit::None, "Samples taken of all GPUs.", |it| {
        count(Some(it.snapshot.samples))
    }),
    program(
        "zomma_gpu_sample_age_seconds",
        Kind::Gauge,
        Unit::Seconds,
        "Age of the sample that this scrape shows.",
        |it| sampled(it).then(|| it.now.saturating_duration_since(it.snapshot.taken).as_secs_f64()),
    ),
    program("zomma_gpu_sample_duration_seconds", Kind::Gauge, Unit::Seconds, "How long that sample took.", |it| {
        sampled(it).then_some(it.snapshot.duration.as_secs_f64())
    }),
    gauge("zomma_gpu_up", Unit::None, "1 where the GPU answered, 0 where it did not.", |gpu| {
        Some(f64::from(gpu.sample.unavailable.is_none()))
    }),
    by("zomma_gpu_driver_info", Kind::Gauge, "driver", "The kernel driver, with its version; always 1.", |gpu| {
        let Some(driver) = &gpu.identity.driver else { return Vec::new() };
        let version = driver.version.as_ref().map_or(String::new(), |version| format!(" {version}"));
        vec![(Cow::Owned(format!("{}{version}", driver.name)), 1.0)]
    }),
    by(
        "zomma_gpu_health_state",
        Kind::Gauge,
        "state",
        "1 for the state that the GPU is in, 0 for the others.",
        |gpu| {
            State::ALL.into_iter().map(|it| (Cow::Borrowed(it.name()), f64::from(gpu.health.state() == it))).collect()
        },
    ),
    gauge("zomma_gpu_utilization_ratio", Unit::Ratio, "Share of the time in which a kernel ran.", |gpu| {
        gpu.sample.utilization_ratio
    }),
    gauge(
        "zomma_gpu_memory_utilization_ratio",
        Unit::Ratio,
        "Share of the time in which memory was read or written.",
        |gpu| gpu.sample.memory_utilization_ratio,
    ),
    gauge("zomma_gpu_encoder_utilization_ratio", Unit::Ratio, "Share of the video encoder in use.", |gpu| {
        gpu.sample.encoder_utilization_ratio
    }),
    gauge("zomma_gpu_decoder_utilization_ratio", Unit::Ratio, "Share of the video decoder in use.", |gpu| {
        gpu.sample.decoder_utilization_ratio
    }),
    gauge("zomma_gpu_memory_total_bytes", Unit::Bytes, "Memory of the GPU.", |gpu| {
        count(gpu.sample.memory_total_bytes)
    }),
    gauge("zomma_gpu_memory_used_bytes", Unit::Bytes, "Memory that processes hold.", |gpu| {
        count(gpu.sample.memory_used_bytes)
    }),
    gauge("zomma_gpu_memory_free_bytes", Unit::Bytes, "Memory that can still be had.", |gpu| {
        count(gpu.sample.memory_free_bytes)
    }),
    gauge("zomma_gpu_memory_reserved_bytes", Unit::Bytes, "Memory that the driver keeps to itself.", |gpu| {
        count(gpu.sample.memory_reserved_bytes)
    }),
    gauge("zomma_gpu_temperature_celsius", Unit::Celsius, "Temperature of the chip.", |gpu| {
        gpu.sample.temperature_celsius
    }),
    gauge("zomma_gpu_memory_temperature_celsius", Unit::Celsius, "Temperature of the memory.", |gpu| {
        gpu.sample.memory_temperature_celsius
    }),
    gauge(
        "zomma_gpu_slowdown_temperature_celsius",
        Unit::Celsius,
        "Temperature from which the chip is slowed down.",
        |gpu| gpu.sample.slowdown_temperature_celsius,
    ),
    gauge(
        "zomma_gpu_shutdown_temperature_celsius",
        Unit::Celsius,
        "Temperature at which the chip turns itself off.",
        |gpu| gpu.sample.shutdown_temperature_celsius,
    ),
    gauge("zomma_gpu_power_watts", Unit::Watts, "Power drawn.", |gpu| gpu.sample.power_watts),
    gauge("zomma_gpu_power_limit_watts", Unit::Watts, "Power that it may draw.", |gpu| gpu.sample.power_limit_watts),
    counter("zomma_gpu_energy_joules_total", Unit::Joules, "Energy drawn since the driver was loaded.", |gpu| {
        gpu.sample.energy_joules
    }),
    gauge("zomma_gpu_sm_clock_hertz", Unit::Hertz, "Clock of the multiprocessors.", |gpu| gpu.sample.sm_clock_hertz),
    gauge("zomma_gpu_memory_clock_hertz", Unit::Hertz, "Clock of the memory.", |gpu| gpu.sample.memory_clock_hertz),
    gauge("zomma_gpu_fan_speed_ratio", Unit::Ratio, "Fan speed as a share of the greatest.", |gpu| {
        gpu.sample.fan_speed_ratio
    }),
    by("zomma_gpu_throttled", Kind::Gauge, "reason", "1 for each reason for which clocks are held down now.", |gpu| {
        throttled(&gpu.sample)
    }),
    gauge("zomma_gpu_pcie_transmit_bytes_per_second", Unit::BytesPerSecond, "Bytes a second sent over PCIe.", |gpu| {
        gpu.sample.pcie_transmit_bytes_per_second
    }),
    gauge(
        "zomma_gpu_pcie_receive_bytes_per_second",
        Unit::BytesPerSecond,
        "Bytes a second received over PCIe.",
        |gpu| gpu.sample.pcie_receive_bytes_per_second,
    ),
    counter("zomma_gpu_pcie_replays_total", Unit::None, "PCIe packets sent again.", |gpu| {
        count(gpu.sample.pcie_replays)
    }),
    gauge("zomma_gpu_pcie_link_generation", Unit::None, "PCIe generation of the link now.", |gpu| {
        gpu.sample.pcie_link_generation.map(f64::from)
    }),
    gauge("zomma_gpu_pcie_link_lanes", Unit::None, "PCIe lanes of the link now.", |gpu| {
        gpu.sample.pcie_link_width.map(f64::from)
    }),
    counter("zomma_gpu_nvlink_transmit_bytes_total", Unit::Bytes, "Bytes sent over all NVLinks.", |gpu| {
        count(gpu.sample.nvlink_transmit_bytes)
    }),
    counter("zomma_gpu_nvlink_receive_bytes_total", Unit::Bytes, "Bytes received over all NVLinks.", |gpu| {
        count(gpu.sample.nvlink_receive_bytes)
    }),
    by(
        "zomma_gpu_nvlink_errors_total",
        Kind::Counter,
        "kind",
        "NVLink errors: crc_flit, crc_data, replay, recovery.",
        |gpu| {
            let errors = gpu.sample.nvlink_errors;
            kinds([
                ("crc_flit", errors.crc_flit),
                ("crc_data", errors.crc_data),
                ("replay", errors.replay),
                ("recovery", errors.recovery),
            ])
        },
    ),
    gauge("zomma_gpu_ecc_enabled", Unit::None, "1 where memory corrects errors, 0 where that is turned off.", |gpu| {
        flag(gpu.sample.ecc_enabled)
    }),
    by(
        "zomma_gpu_ecc_errors_total",
        Kind::Counter,
        "kind",
        "Memory errors since the driver was loaded: corrected, uncorrected.",
        |gpu| {
            let errors = gpu.sample.ecc_volatile;
            kinds([("corrected", errors.corrected), ("uncorrected", errors.uncorrected)])
        },
    ),
    by(
        "zomma_gpu_ecc_lifetime_errors_total",
        Kind::Counter,
        "kind",
        "Memory errors over the board's life: corrected, uncorrected.",
        |gpu| {
            let errors = gpu.sample.ecc_aggregate;
            kinds([("corrected", errors.corrected), ("uncorrected", errors.uncorrected)])
        },
    ),
    by(
        "zomma_gpu_retired_pages",
        Kind::Gauge,
        "cause",
        "Pages of memory out of use after corrected or uncorrected errors.",
        |gpu| {
            let pages = gpu.sample.retired_pages;
            kinds([("corrected", pages.corrected), ("uncorrected", pages.uncorrected)])
        },
    ),
    gauge("zomma_gpu_retired_pages_pending", Unit::None, "1 where pages wait to be taken out of use.", |gpu| {
        flag(gpu.sample.retired_pages.pending)
    }),
    by(
        "zomma_gpu_remapped_rows",
        Kind::Gauge,
        "cause",
        "Rows of memory replaced after corrected or uncorrected errors.",
        |gpu| {
            let rows = gpu.sample.remapped_rows;
            kinds([("corrected", rows.corrected), ("uncorrected", rows.uncorrected)])
        },
    ),
    gauge("zomma_gpu_row_remap_pending", Unit::None, "1 where a row waits for a reset to be replaced.", |gpu| {
        flag(gpu.sample.remapped_rows.pending)
    }),
    gauge("zomma_gpu_row_remap_failed", Unit::None, "1 where a row could not be replaced.", |gpu| {
        flag(gpu.sample.remapped_rows.failed)
    }),
    by(
        "zomma_gpu_xid_errors_total",
        Kind::Counter,
        "xid",
        "XID events of NVIDIA's driver since this program started.",
        |gpu| {
            gpu.counters.xids.iter().map(|(xid, record)| (Cow::Owned(xid.to_string()), record.count as f64)).collect()
        },
    ),
    by(
        "zomma_gpu_read_failures_total",
        Kind::Counter,
        "field",
        "Questions that the driver did not answer; their samples are missing.",
        |gpu| {
            gpu.counters
                .read_failures
                .iter()
                .map(|(field, failures)| (Cow::Borrowed(*field), *failures as f64))
                .collect()
        },
    ),
    by("zomma_gpu_alerts_total", Kind::Counter, "alert", "Times that a threshold was crossed.", |gpu| {
        let raised = |alert: &'static str| gpu.counters.alerts.get(alert).copied().unwrap_or(0);
        alerts::NAMES.into_iter().map(|alert| (Cow::Borrowed(alert), raised(alert) as f64)).collect()
    }),
    by("zomma_gpu_alert_active", Kind::Gauge, "alert", "1 while a threshold is crossed.", |gpu| {
        let active = |alert: &'static str| gpu.counters.alerts_active.get(alert).copied().unwrap_or(false);
        alerts::NAMES.into_iter().map(|alert| (Cow::Borrowed(alert), f64::from(active(alert)))).collect()
    }),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_end_as_prometheus_wants_them() {
        let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for Metric { name, kind, unit, help, .. } in METRICS {
            assert!(name.starts_with("zomma_gpu_"), "{name}");
            assert!(help.ends_with('.'), "{name}: {help}");
            let stem = name.strip_suffix("_total");
            assert_eq!(stem.is_some(), *kind == Kind::Counter, "{name}");
            let ending = match unit {
                Unit::None => continue,
                Unit::Bytes => "_bytes",
                Unit::BytesPerSecond => "_bytes_per_second",
                Unit::Seconds => "_seconds",
                Unit::Celsius => "_celsius",
                Unit::Watts => "_watts",
                Unit::Joules => "_joules",
                Unit::Hertz => "_hertz",
                Unit::Ratio => "_ratio",
            };
            assert!(stem.unwrap_or(name).ends_with(ending), "{name}: {ending}");
        }
    }

    #[test]
    fn a_metric_is_found_by_its_name() {
        assert_eq!(find("zomma_gpu_up").map(|metric| metric.kind), Some(Kind::Gauge));
        assert!(find("zomma_gpu_unheard_of").is_none());
    }
}

//! Writes a snapshot as Prometheus text (version 0.0.4) or OpenMetrics (1.0), with the names of dcgm-exporter beside ours on request.

use std::fmt::Write;

use super::dcgm::{DCGM_METRICS, XID_ERRORS};
use super::registry::{GPU_LABELS, Kind, METRICS, Metric, Scrape, Source, Unit};
use super::snapshot::GpuView;
use crate::health::describe;
use crate::inventory::{PciAddress, Vendor};

/// How a scrape is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, version 0.0.4.
    Text,
    /// OpenMetrics text, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The media type of the answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that an `Accept` header asks for: OpenMetrics where it is named and not refused (`q=0`) nor ranked below plain text.
    pub fn of_accept(accept: &str) -> Self {
        let quality = |media: &str| {
            accept
                .split(',')
                .filter_map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    if !parts.next()?.eq_ignore_ascii_case(media) {
                        return None;
                    }
                    let q = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.trim().parse().ok());
                    Some(q.unwrap_or(0.0))
                })
                .fold(None, |best: Option<f64>, q| Some(best.map_or(q, |best| best.max(q))))
        };
        match (quality("application/openmetrics-text"), quality("text/plain")) {
            (Some(open), text) if open > 0.0 && open >= text.unwrap_or(0.0) => Self::OpenMetrics,
            _ => Self::Text,
        }
    }
}

/// Writes every metric that has a value. `dcgm_hostname` adds dcgm-exporter's names for NVIDIA's GPUs, with that `Hostname` label.
pub fn render(scrape: &Scrape<'_>, format: Format, dcgm_hostname: Option<&str>) -> String {
    // About 100 bytes a line; a scrape of 8 GPUs is some 1000 lines.
    let mut out = String::with_capacity(8192 + 16_384 * scrape.snapshot.gpus.len());
    let labels: Vec<String> = scrape.snapshot.gpus.iter().map(gpu_labels).collect();
    for metric in METRICS {
        family(&mut out, metric, scrape, &labels, format);
    }
    if let Some(hostname) = dcgm_hostname {
        dcgm(&mut out, &scrape.snapshot.gpus, hostname, format);
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

/// One metric: its head, before the first value only, and its values.
fn family(out: &mut String, metric: &Metric, scrape: &Scrape<'_>, labels: &[String], format: Format) {
    let mut lines = Lines {
        out,
        name: metric.name,
        kind: metric.kind,
        unit: metric.unit,
        help: metric.help,
        format,
        headed: false,
    };
    let gpus = scrape.snapshot.gpus.iter().zip(labels);
    match metric.source {
        Source::Gpu(read) => {
            for (gpu, labels) in gpus {
                if let Some(value) = read(gpu) {
                    lines.value(labels, value);
                }
            }
        }
        Source::GpuBy(label, read) => {
            for (gpu, labels) in gpus {
                for (of, value) in read(gpu) {
                    let mut labels = labels.clone();
                    push_label(&mut labels, label, &of);
                    lines.value(&labels, value);
                }
            }
        }
        Source::Program(read) => {
            if let Some(value) = read(scrape) {
                lines.value("", value);
            }
        }
    }
}

fn dcgm(out: &mut String, gpus: &[GpuView], hostname: &str, format: Format) {
    let nvidia: Vec<(&GpuView, String)> = gpus
        .iter()
        .filter(|gpu| gpu.identity.vendor == Vendor::Nvidia)
        .map(|gpu| (gpu, dcgm_labels(gpu, hostname)))
        .collect();
    for metric in DCGM_METRICS {
        let (kind, unit) = (metric.kind, Unit::None);
        let mut lines = Lines { out, name: metric.name, kind, unit, help: metric.help, format, headed: false };
        for (gpu, labels) in &nvidia {
            let Some(value) = (metric.read)(gpu) else { continue };
            if metric.name == XID_ERRORS {
                let mut labels = labels.clone();
                let last = gpu.counters.last_xid;
                push_label(&mut labels, "err_code", &last.unwrap_or(0).to_string());
                push_label(&mut labels, "err_msg", last.map_or("No Error", |xid| describe(xid).name));
                lines.value(&labels, value);
            } else {
                lines.value(labels, value);
            }
        }
    }
}

/// The values of one metric. The head is written before the first, so that a metric without values is not there at all.
struct Lines<'a> {
    out: &'a mut String,
    name: &'static str,
    kind: Kind,
    unit: Unit,
    help: &'static str,
    format: Format,
    headed: bool,
}

impl Lines<'_> {
    fn value(&mut self, labels: &str, value: f64) {
        // A value that is not a number would be one without a reason; nothing here makes one.
        if !value.is_finite() {
            return;
        }
        if !self.headed {
            self.head();
            self.headed = true;
        }
        let open_counter =
            self.format == Format::OpenMetrics && self.kind == Kind::Counter && !self.name.ends_with("_total");
        let suffix = if open_counter { "_total" } else { "" };
        // Writing to a string cannot fail.
        let _ = match labels {
            "" => writeln!(self.out, "{}{suffix} {value}", self.name),
            _ => writeln!(self.out, "{}{suffix}{{{labels}}} {value}", self.name),
        };
    }

    fn head(&mut self) {
        let kind = match self.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        // OpenMetrics names a counter's family without its ending.
        let family = match (self.format, self.kind) {
            (Format::OpenMetrics, Kind::Counter) => self.name.strip_suffix("_total").unwrap_or(self.name),
            _ => self.name,
        };
        let help = self.help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.out, "# HELP {family} {help}\n# TYPE {family} {kind}");
        if let (Format::OpenMetrics, Some(unit)) = (self.format, open_metrics_unit(self.unit)) {
            let _ = writeln!(self.out, "# UNIT {family} {unit}");
        }
    }
}

fn open_metrics_unit(unit: Unit) -> Option<&'static str> {
    Some(match unit {
        Unit::None => return None,
        Unit::Bytes => "bytes",
        Unit::BytesPerSecond => "bytes_per_second",
        Unit::Seconds => "seconds",
        Unit::Celsius => "celsius",
        Unit::Watts => "watts",
        Unit::Joules => "joules",
        Unit::Hertz => "hertz",
        Unit::Ratio => "ratio",
    })
}

fn gpu_labels(gpu: &GpuView) -> String {
    let identity = &gpu.identity;
    let vendor = match identity.vendor {
        Vendor::Nvidia => "nvidia",
        Vendor::Amd => "amd",
        Vendor::Intel => "intel",
        Vendor::Software => "software",
        Vendor::Other => "other",
    };
    let values = [
        Some(identity.index.to_string()),
        identity.uuid.clone(),
        identity.name.clone(),
        identity.pci.map(|pci| pci.to_string()),
        Some(vendor.to_string()),
    ];
    let mut labels = String::new();
    for (label, value) in GPU_LABELS.into_iter().zip(values) {
        if let Some(value) = value {
            push_label(&mut labels, label, &value);
        }
    }
    labels
}

fn dcgm_labels(gpu: &GpuView, hostname: &str) -> String {
    let identity = &gpu.identity;
    let device = identity.minor_number.map(|minor| format!("nvidia{minor}"));
    let version = identity.driver.as_ref().and_then(|driver| driver.version.clone());
    let values = [
        ("gpu", Some(identity.index.to_string())),
        ("UUID", identity.uuid.clone()),
        ("pci_bus_id", identity.pci.map(dcgm_pci_bus_id)),
        ("device", device),
        ("modelName", identity.name.clone()),
        ("Hostname", Some(hostname.to_string())),
        ("DCGM_FI_DRIVER_VERSION", version),
    ];
    let mut labels = String::new();
    for (label, value) in values {
        if let Some(value) = value {
            push_label(&mut labels, label, &value);
        }
    }
    labels
}

/// NVML's form, with eight digits of domain and capitals: `00000000:3B:00.0`.
fn dcgm_pci_bus_id(pci: PciAddress) -> String {
    format!("{:08X}:{:02X}:{:02X}.{:X}", pci.domain, pci.bus, pci.device, pci.function)
}

/// Appends `label="value"`, with a comma before it where it is not the first, and escapes what the format wants escaped.
fn push_label(labels: &mut String, label: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(label);
    labels.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            c => labels.push(c),
        }
    }
    labels.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::sample::GpuSample;
    use crate::telemetry::{Snapshot, test_gpus, test_snapshot};

    fn text(snapshot: &Snapshot, format: Format, hostname: Option<&str>) -> String {
        render(&Scrape { snapshot, now: snapshot.taken }, format, hostname)
    }

    #[test]
    fn a_value_has_its_head_its_labels_and_its_unit() {
        let text = text(&test_snapshot(2), Format::Text, None);
        let labels = "uuid=\"GPU-00000000-0000-0000-0000-000000000001\",name=\"NVIDIA H200\",pci_bus_id=\"0000:11:00.0\",vendor=\"nvidia\"";
        assert!(text.contains("# TYPE zomma_gpu_utilization_ratio gauge\n"), "{text}");
        assert!(text.contains(&format!("zomma_gpu_utilization_ratio{{gpu=\"1\",{labels}}} 0.37\n")), "{text}");
        assert!(text.contains("zomma_gpu_devices 2\n"), "{text}");
        assert_eq!(text.matches("# HELP zomma_gpu_power_watts ").count(), 1);
        assert!(!text.contains("DCGM") && !text.contains("# EOF"));
    }

    #[test]
    fn what_was_not_read_is_not_there() {
        let mut snapshot = test_snapshot(2);
        snapshot.gpus[0].sample = GpuSample::unavailable("lost");
        snapshot.gpus[1].sample.power_watts = None;
        let text = text(&snapshot, Format::Text, Some("host"));
        assert!(!text.contains("zomma_gpu_power_watts"), "{text}");
        assert!(!text.contains("DCGM_FI_DEV_POWER_USAGE"), "{text}");
        assert_eq!(text.matches("\nzomma_gpu_temperature_celsius{").count(), 1);
        assert!(text.contains("zomma_gpu_up{gpu=\"0\","), "{text}");
    }

    #[test]
    fn labels_are_escaped() {
        let mut snapshot = test_snapshot(1);
        snapshot.gpus[0].identity.name = Some("a \"b\" \\ c\nd".into());
        assert!(text(&snapshot, Format::Text, None).contains(r#"name="a \"b\" \\ c\nd""#));
    }

    #[test]
    fn open_metrics_ends_with_its_mark_and_names_counters_without_their_ending() {
        let text = text(&test_snapshot(1), Format::OpenMetrics, Some("host"));
        assert!(text.ends_with("\n# EOF\n"));
        assert!(
            text.contains("# TYPE zomma_gpu_energy_joules counter\n# UNIT zomma_gpu_energy_joules joules\n"),
            "{text}"
        );
        assert!(text.contains("\nzomma_gpu_energy_joules_total{"), "{text}");
        assert!(text.contains("\nDCGM_FI_DEV_PCIE_REPLAY_COUNTER_total{"), "{text}");
    }

    #[test]
    fn dcgm_names_have_dcgm_labels_and_units() {
        let mut snapshot = test_snapshot(1);
        let all = text(&snapshot, Format::Text, Some("node-7"));
        let labels = "gpu=\"0\",UUID=\"GPU-00000000-0000-0000-0000-000000000000\",pci_bus_id=\"00000000:10:00.0\",device=\"nvidia0\",\
                      modelName=\"NVIDIA H200\",Hostname=\"node-7\",DCGM_FI_DRIVER_VERSION=\"570.86.15\"";
        assert!(all.contains(&format!("\nDCGM_FI_DEV_GPU_UTIL{{{labels}}} 37\n")), "{all}");
        assert!(
            all.contains(&format!("\nDCGM_FI_DEV_XID_ERRORS{{{labels},err_code=\"0\",err_msg=\"No Error\"}} 0\n")),
            "{all}"
        );
        snapshot.gpus[0].identity.vendor = Vendor::Amd;
        assert!(!text(&snapshot, Format::Text, Some("node-7")).contains("DCGM"));
    }

    #[test]
    fn the_accept_header_decides() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::of_accept(prometheus), Format::OpenMetrics);
        for text in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.1,text/plain",
            ";;,q=",
        ] {
            assert_eq!(Format::of_accept(text), Format::Text, "{text}");
        }
    }

    #[test]
    fn before_the_first_sample_only_the_count_of_samples_is_there() {
        let mut snapshot = test_snapshot(0);
        snapshot.samples = 0;
        let text = text(&snapshot, Format::Text, None);
        assert!(text.contains("zomma_gpu_samples_total 0\n") && !text.contains("zomma_gpu_devices"), "{text}");
        assert!(test_gpus(3).len() == 3);
    }
}

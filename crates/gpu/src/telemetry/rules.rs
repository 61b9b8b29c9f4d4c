//! The alert rules for Prometheus, made from the metrics' names and the XID table.

use std::fmt::Write;

use crate::health::{XidClass, table};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub alert: &'static str,
    /// When it holds, in PromQL.
    pub expression: String,
    /// How long it must hold, such as `5m`.
    pub hold: &'static str,
    /// `critical`: someone must act now; `warning`: someone must look.
    pub severity: &'static str,
    /// One line, with Prometheus' templates.
    pub summary: &'static str,
    /// What to do.
    pub description: &'static str,
    /// The page of `docs/runbooks/` that says more.
    pub runbook: &'static str,
}

const CRITICAL: &str = "critical";
const WARNING: &str = "warning";

/// All rules.
pub fn rules() -> Vec<Rule> {
    let rule = |alert, expression: &str, hold, severity, summary, description, runbook| Rule {
        alert,
        expression: expression.to_string(),
        hold,
        severity,
        summary,
        description,
        runbook,
    };
    vec![
        rule(
            "ZommaGpuWatcherAbsent",
            "absent(zomma_gpu_samples_total)",
            "5m",
            WARNING,
            "No zomma gpu serve is scraped",
            "Nothing watches the GPUs. Check that zomma gpu serve runs and that Prometheus reaches it.",
            "not-detected.md",
        ),
        rule(
            "ZommaGpuSampleOld",
            "zomma_gpu_sample_age_seconds > 60",
            "2m",
            WARNING,
            "The GPU samples of {{ $labels.instance }} are {{ $value | humanizeDuration }} old",
            "The sampler is stuck or far too slow: what the other metrics show is the past.",
            "hung-kernel.md",
        ),
        rule(
            "ZommaGpuDown",
            "zomma_gpu_up == 0",
            "1m",
            CRITICAL,
            "GPU {{ $labels.gpu }} of {{ $labels.instance }} does not answer",
            "Its driver is not loaded or does not answer, or it has left the bus. See the kernel log, reset it, or restart the machine.",
            "not-detected.md",
        ),
        rule(
            "ZommaGpuFailed",
            "zomma_gpu_health_state{state=\"failed\"} == 1",
            "1m",
            CRITICAL,
            "GPU {{ $labels.gpu }} of {{ $labels.instance }} has failed",
            "Give it no work. The reasons, each with what to do, stand at /health of that instance.",
            "xid.md",
        ),
        rule(
            "ZommaGpuDegraded",
            "zomma_gpu_health_state{state=\"degraded\"} == 1",
            "15m",
            WARNING,
            "GPU {{ $labels.gpu }} of {{ $labels.instance }} is degraded",
            "It works and should be looked at. The reasons, each with what to do, stand at /health of that instance.",
            "xid.md",
        ),
        Rule {
            alert: "ZommaGpuXid",
            expression: new_in_10_minutes(&format!("zomma_gpu_xid_errors_total{{xid=~\"{}\"}}", critical_xids())),
            hold: "0m",
            severity: CRITICAL,
            summary: "XID {{ $labels.xid }} on GPU {{ $labels.gpu }} of {{ $labels.instance }}",
            description: "The driver reported a fault after which the GPU must be reset or replaced.",
            runbook: "xid.md",
        },
        Rule {
            alert: "ZommaGpuXidWarning",
            expression: new_in_10_minutes(&format!("zomma_gpu_xid_errors_total{{xid!~\"{}\"}}", other_xids())),
            hold: "0m",
            severity: WARNING,
            summary: "XID {{ $labels.xid }} on GPU {{ $labels.gpu }} of {{ $labels.instance }}",
            description: "A fault that no program caused, or one that the table does not know: look it up, and reset the GPU when it is idle.",
            runbook: "xid.md",
        },
        rule(
            "ZommaGpuMissing",
            "zomma_gpu_devices < max_over_time(zomma_gpu_devices[1d])",
            "5m",
            CRITICAL,
            "{{ $labels.instance }} has {{ $value }} GPUs, fewer than within the last day",
            "A GPU has left the bus, or was not found at a restart. If it was taken out, this ends a day later.",
            "not-detected.md",
        ),
        rule(
            "ZommaGpuHot",
            "zomma_gpu_temperature_celsius >= zomma_gpu_slowdown_temperature_celsius",
            "5m",
            WARNING,
            "GPU {{ $labels.gpu }} of {{ $labels.instance }} is at {{ $value }} °C, its slowdown limit",
            "Check fans, air flow and inlet temperature.",
            "overheating.md",
        ),
        rule(
            "ZommaGpuThrottled",
            "zomma_gpu_throttled{reason=~\"hw_slowdown|hw_thermal_slowdown|sw_thermal_slowdown|hw_power_brake\"} == 1",
            "10m",
            WARNING,
            "GPU {{ $labels.gpu }} of {{ $labels.instance }} is slowed down: {{ $labels.reason }}",
            "Heat or the power supply holds its clocks down. Check cooling and power.",
            "overheating.md",
        ),
        rule(
            "ZommaGpuMemoryFull",
            "zomma_gpu_memory_used_bytes / zomma_gpu_memory_total_bytes > 0.95",
            "10m",
            WARNING,
            "GPU {{ $labels.gpu }} of {{ $labels.instance }} has {{ $value | humanizePercentage }} of its memory in use",
            "The next large allocation will fail. See which processes hold the memory.",
            "out-of-memory.md",
        ),
        rule(
            "ZommaGpuUncorrectedMemoryErrors",
            "increase(zomma_gpu_ecc_errors_total{kind=\"uncorrected\"}[1h]) > 0",
            "0m",
            CRITICAL,
            "Uncorrected memory errors on GPU {{ $labels.gpu }} of {{ $labels.instance }}",
            "Results of what ran then cannot be trusted. Restart it; reset the GPU if errors go on.",
            "ecc.md",
        ),
        rule(
            "ZommaGpuRowRemapFailed",
            "zomma_gpu_row_remap_failed == 1",
            "0m",
            CRITICAL,
            "A row of memory of GPU {{ $labels.gpu }} of {{ $labels.instance }} could not be replaced",
            "The board has run out of spare rows there. Have it replaced.",
            "ecc.md",
        ),
        rule(
            "ZommaGpuRowRemapPending",
            "zomma_gpu_row_remap_pending == 1 or zomma_gpu_retired_pages_pending == 1",
            "1h",
            WARNING,
            "GPU {{ $labels.gpu }} of {{ $labels.instance }} waits for a reset to take faulty memory out of use",
            "Reset it when it is idle.",
            "ecc.md",
        ),
        rule(
            "ZommaGpuNvlinkErrors",
            "increase(zomma_gpu_nvlink_errors_total{kind=~\"replay|recovery|crc_data\"}[1h]) > 0",
            "30m",
            WARNING,
            "NVLink errors ({{ $labels.kind }}) on GPU {{ $labels.gpu }} of {{ $labels.instance }}",
            "A link is being repaired again and again. Check it with nvidia-smi nvlink -s and -e.",
            "xid.md",
        ),
        rule(
            "ZommaGpuReadFailures",
            "increase(zomma_gpu_read_failures_total[15m]) > 0",
            "15m",
            WARNING,
            "{{ $labels.field }} of GPU {{ $labels.gpu }} of {{ $labels.instance }} cannot be read",
            "The driver refuses this question again and again; its samples are missing.",
            "driver-mismatch.md",
        ),
    ]
}

/// XIDs after which a GPU must not be used, for a PromQL matcher: `48|62|…`.
fn critical_xids() -> String {
    let xids: Vec<String> =
        table().iter().filter(|row| row.class == XidClass::Critical).map(|row| row.xid.to_string()).collect();
    xids.join("|")
}

/// XIDs that another rule names, that programs cause, or that are for the log alone: what is left, unknown ones too, is a warning.
fn other_xids() -> String {
    let is_other = |class| matches!(class, XidClass::Critical | XidClass::Application | XidClass::Information);
    let xids: Vec<String> = table().iter().filter(|row| is_other(row.class)).map(|row| row.xid.to_string()).collect();
    xids.join("|")
}

/// Holds where a counter grew within 10 minutes. Unlike `increase`, it sees the first event too: a series that begins at 1 grew from 0.
fn new_in_10_minutes(counter: &str) -> String {
    format!("{counter} - ({counter} offset 10m or {counter} * 0) > 0")
}

/// The rules as a file that Prometheus loads.
pub fn rules_yaml() -> String {
    let mut yaml = String::from(
        "# Alert rules for zomma gpu serve. Made from the metric registry by `cargo xtask dashboards`: change it there.\n\
         groups:\n  - name: zomma-gpu\n    rules:\n",
    );
    for rule in rules() {
        // Writing to a string cannot fail.
        let _ = writeln!(yaml, "      - alert: {}", rule.alert);
        let _ = writeln!(yaml, "        expr: {}", quoted(&rule.expression));
        if rule.hold != "0m" {
            let _ = writeln!(yaml, "        for: {}", rule.hold);
        }
        let _ = writeln!(yaml, "        labels:\n          severity: {}", rule.severity);
        let _ = writeln!(yaml, "        annotations:\n          summary: {}", quoted(rule.summary));
        let _ = writeln!(yaml, "          description: {}", quoted(rule.description));
        let _ = writeln!(yaml, "          runbook: {}", quoted(&format!("docs/runbooks/{}", rule.runbook)));
    }
    yaml
}

/// A YAML string in single quotes, where only the quote itself is special.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

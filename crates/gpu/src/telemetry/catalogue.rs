//! The metrics as Markdown tables, for the documentation.

use std::fmt::Write;

use super::dcgm::DCGM_METRICS;
use super::registry::{Kind, METRICS, Source};
use crate::health::table;

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
    }
}

/// Every metric: name, kind, the labels that it has beside those of its GPU, help.
pub fn metrics_markdown() -> String {
    let mut out = String::from("| metric | kind | of | what |\n|---|---|---|---|\n");
    for metric in METRICS {
        let of = match metric.source {
            Source::Gpu(_) => "GPU".to_string(),
            Source::GpuBy(label, _) => format!("GPU, `{label}`"),
            Source::Program(_) => "program".to_string(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `{}` | {} | {of} | {} |", metric.name, kind(metric.kind), metric.help);
    }
    out
}

/// Every name of dcgm-exporter with what it repeats.
pub fn dcgm_markdown() -> String {
    let mut out = String::from("| with `--dcgm-names` | kind | repeats | what |\n|---|---|---|---|\n");
    for metric in DCGM_METRICS {
        let _ = writeln!(out, "| `{}` | {} | `{}` | {} |", metric.name, kind(metric.kind), metric.of, metric.help);
    }
    out
}

/// Every XID with its class and what to do.
pub fn xids_markdown() -> String {
    let mut out = String::from("| XID | what | class | what to do |\n|---|---|---|---|\n");
    for row in table() {
        let _ = writeln!(out, "| {} | {} | {} | {} |", row.xid, row.name, row.class.name(), row.advice);
    }
    out
}

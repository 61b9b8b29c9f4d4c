//! The health of all GPUs as a table for people.

use std::fmt::Write;

use zomma_gpu::health::{GpuHealth, HealthReport, MemoryHealth, Observation};

/// The table, then each reason with what to do, then what could not be asked.
pub fn text(report: &HealthReport) -> String {
    let mut out = String::new();
    if report.gpus.is_empty() {
        out.push_str("no GPU found\n");
    } else {
        let head = ["GPU", "STATE", "MODEL", "PCI", "TEMPERATURE", "ECC", "DRIVER"].map(str::to_string);
        let rows: Vec<[String; 7]> = std::iter::once(head).chain(report.gpus.iter().map(row)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..7).map(width).collect();
        for row in &rows {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            out.push_str(cells.join("  ").trim_end());
            out.push('\n');
        }
    }
    for gpu in &report.gpus {
        if let Some(memory) = memory(&gpu.memory) {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "\nGPU {}: {memory}", gpu.identity.index);
        }
        for reason in &gpu.reasons {
            let severity = match reason.severity {
                Observation::Good | Observation::Warning => "warning",
                Observation::Critical | Observation::Fatal => "critical",
            };
            let _ = writeln!(out, "\nGPU {}: {severity}: {}\n  {}", gpu.identity.index, reason.message, reason.advice);
        }
    }
    for note in &report.notes {
        let _ = writeln!(out, "\nnote: {note}");
    }
    out
}

/// What its memory went through, where that is anything: `memory errors: 5 corrected since the driver was loaded; …`.
fn memory(memory: &MemoryHealth) -> Option<String> {
    let counts = |corrected: Option<u64>, uncorrected: Option<u64>| {
        let some = |count: Option<u64>, kind: &str| Some(format!("{} {kind}", count.filter(|&count| count > 0)?));
        let words: Vec<String> =
            [some(corrected, "corrected"), some(uncorrected, "uncorrected")].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(", "))
    };
    let (volatile, aggregate) = (memory.ecc_volatile, memory.ecc_aggregate);
    let (pages, rows) = (memory.retired_pages, memory.remapped_rows);
    let after = |what: &str, counts: Option<String>| counts.map(|counts| format!("{what} after errors: {counts}"));
    let errors = |since: &str, counts: Option<String>| counts.map(|counts| format!("memory errors {since}: {counts}"));
    let parts = [
        errors("since its driver was loaded", counts(volatile.corrected, volatile.uncorrected)),
        errors("over its life", counts(aggregate.corrected, aggregate.uncorrected)),
        after("pages retired", counts(pages.corrected, pages.uncorrected)),
        after("rows remapped", counts(rows.corrected, rows.uncorrected)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn row(gpu: &GpuHealth) -> [String; 7] {
    let identity = &gpu.identity;
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let temperature = gpu.temperature.celsius.map(|now| match gpu.temperature.slowdown_celsius {
        Some(limit) => format!("{now} of {limit} °C"),
        None => format!("{now} °C"),
    });
    let ecc = gpu.memory.ecc_enabled.map(|on| if on { "on" } else { "off" }.to_string());
    let driver = identity.driver.as_ref().map(|driver| match &driver.version {
        Some(version) => format!("{} {version}", driver.name),
        None => driver.name.clone(),
    });
    [
        identity.index.to_string(),
        gpu.state.name().to_string(),
        or_dash(identity.name.clone()),
        or_dash(identity.pci.map(|pci| pci.to_string())),
        or_dash(temperature),
        or_dash(ecc),
        or_dash(driver),
    ]
}

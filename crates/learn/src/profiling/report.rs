//! The profile in words and tables.

use std::fmt::Write;

use super::{
    Evidence, Probe, Profiler, Stage, verdict,
    verdict::{measured_rate, rate, sum_of_layers},
};

/// Stages of the table, and what they are.
const STAGES: [(Stage, &str); 14] = [
    (Stage::Gather, "labels and gradient side by side"),
    (Stage::Labels, "  labels of the next batch"),
    (Stage::Gradient, "  loss and gradient"),
    (Stage::Upload, "    to the device"),
    (Stage::Forward, "    forward (all threads)"),
    (Stage::Derivatives, "    derivatives of the price (all threads)"),
    (Stage::Loss, "    loss (all threads)"),
    (Stage::Adjoints, "    derivatives' loss through the layers (all threads)"),
    (Stage::Backward, "    backward (all threads)"),
    (Stage::Communication, "gradient shared with other processes"),
    (Stage::Optimiser, "optimiser"),
    (Stage::Average, "average over the steps"),
    (Stage::Look, "looks at the held-out rows"),
    (Stage::Checkpoint, "checkpoints"),
];
/// Stages that go through the layers.
const BY_LAYER: [Stage; 4] = [Stage::Forward, Stage::Derivatives, Stage::Adjoints, Stage::Backward];

/// The whole report. `name` is the run's, `engine` what computed.
pub fn report(name: &str, engine: &str, profiler: &Profiler, probe: &Probe) -> String {
    let evidence = Evidence::of(profiler, probe);
    let found = verdict(&evidence);
    let steps = profiler.totals(Stage::Step);
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    let mut text = String::new();
    let Some((first, share)) = found.shares.first() else { return text };
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{name}: {} steps of {} rows in {:.2} s; engine {engine}\n\nBottleneck: {}, {:.0} % of a step\n  {}\n",
        steps.count,
        probe.rows * probe.accumulate,
        seconds(steps.nanoseconds),
        first.as_str(),
        100.0 * share,
        first.advice()
    );
    let _ = writeln!(text, "What a step is made of ({:.3} ms on the clock)", evidence.step / 1e6);
    for (what, share) in found.shares.iter().filter(|(_, share)| *share >= 0.0005) {
        let _ =
            writeln!(text, "  {:>5.1} %  {:>9.3} ms  {}", 100.0 * share, share * evidence.step / 1e6, what.as_str());
    }
    write_evidence(&mut text, profiler, probe, &evidence);
    write_stages(&mut text, profiler);
    write_layers(&mut text, profiler, probe);
    text
}

fn write_evidence(text: &mut String, profiler: &Profiler, probe: &Probe, evidence: &Evidence) {
    let thousand_rows = |nanoseconds: f64| probe.rows as f64 / nanoseconds.max(1.0) * 1e6;
    let together = (probe.rows * probe.accumulate) as f64 / evidence.gather.max(1.0) * 1e6;
    let _ = writeln!(text, "\nEvidence");
    let _ = writeln!(
        text,
        "  labels alone {:.0} thousand rows/s, training alone {:.0}, both together {together:.0}",
        thousand_rows(probe.labels.nanoseconds),
        thousand_rows(probe.gradient.nanoseconds),
    );
    let _ = writeln!(
        text,
        "  a gradient takes {:.3} ms, of which {:.3} ms whatever its rows",
        probe.gradient.nanoseconds / 1e6,
        probe.fixed_ns / 1e6
    );
    let layers = sum_of_layers(profiler);
    if let Some((achieved, measured)) = rate(&layers).zip(measured_rate(profiler, probe)) {
        let _ = writeln!(
            text,
            "  matrix products: {achieved:.1} GFLOP/s a thread, {:.0} % of the {measured:.1} that their shapes reach alone in the cache; \
             {:.0} % of the layers' time",
            100.0 * achieved / measured,
            100.0 * layers.product_ns as f64 / (layers.product_ns + layers.rest_ns) as f64
        );
    }
    for (what, alone) in [("a batch of labels", &probe.labels), ("a gradient", &probe.gradient)] {
        let _ = writeln!(
            text,
            "  {what} allocates {} times, {:.1} KiB",
            alone.allocations.count,
            alone.allocations.bytes as f64 / 1024.0
        );
    }
}

fn write_stages(text: &mut String, profiler: &Profiler) {
    let _ = writeln!(
        text,
        "\nStages                                                   times    seconds     mean ms   allocations     MiB"
    );
    for (stage, title) in STAGES {
        let totals = profiler.totals(stage);
        if totals.count == 0 {
            continue;
        }
        let all = totals.nanoseconds as f64 / 1e9;
        let _ = writeln!(
            text,
            "  {title:<52} {:>7} {all:>10.3} {:>11.4} {:>13} {:>7.1}",
            totals.count,
            1e3 * all / totals.count as f64,
            totals.allocations.count,
            totals.allocations.bytes as f64 / (1024.0 * 1024.0)
        );
    }
}

fn write_layers(text: &mut String, profiler: &Profiler, probe: &Probe) {
    let depth = probe.parameters.len();
    if sum_of_layers(profiler).product_ns == 0 {
        let _ = writeln!(text, "\nThe layers of this engine are not seen from here.");
        return;
    }
    let _ = writeln!(
        text,
        "\nLayers, seconds of all threads      forward  derivatives     adjoints     backward   GFLOP/s  of shape's  parameters  KiB a thread"
    );
    for layer in 0..depth {
        let times: Vec<String> = BY_LAYER
            .iter()
            .map(|stage| {
                let totals = profiler.layer(*stage, layer);
                format!("{:>12.3}", (totals.product_ns + totals.rest_ns) as f64 / 1e9)
            })
            .collect();
        let (product_ns, flops) = BY_LAYER.iter().fold((0, 0), |(product_ns, flops), stage| {
            let totals = profiler.layer(*stage, layer);
            (product_ns + totals.product_ns, flops + totals.flops)
        });
        let achieved = flops as f64 / (product_ns as f64).max(1.0);
        let measured = probe.products.get(layer).copied().unwrap_or(f64::INFINITY);
        let _ = writeln!(
            text,
            "  layer {:<23} {} {achieved:>9.1} {:>9.0} % {:>11} {:>13.1}",
            layer + 1,
            times.join(" "),
            100.0 * achieved / measured,
            probe.parameters[layer],
            probe.workspace_bytes[layer] as f64 / 1024.0
        );
    }
}

//! What quantisation lost and gained, for people and for programs.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json as value};
use zomma_learn::{
    quantisation::{LayerErrors, QuantisedNetwork},
    training::TrainedNetwork,
};

use super::Speed;

/// All that is told.
pub struct Report<'a> {
    /// In f32.
    pub network: &'a TrainedNetwork,
    /// In integers.
    pub quantised: &'a QuantisedNetwork,
    /// How ranges were chosen.
    pub calibration: &'static str,
    /// Where it was written; nowhere where it lost too much.
    pub output: Option<&'a Path>,
    /// What an option costs.
    pub speed: Speed,
}

impl Report<'_> {
    /// Bytes of the hidden layers' and the last layer's numbers, before and after.
    fn bytes(&self) -> [usize; 2] {
        let floats = 4 * self.network.parameters.len();
        let saved: usize = self.quantised.layers.iter().map(|layer| 3 * layer.weights.len()).sum::<usize>();
        let scales: usize = self.quantised.layers.iter().map(|layer| 4 * layer.weight_scales.len()).sum();
        [floats, floats + scales - saved]
    }
}

/// The table that ends the command.
pub fn table(report: &Report<'_>) -> String {
    let errors = &report.quantised.errors;
    let Speed { float_ns, quantised_ns } = report.speed;
    let [before, after] = report.bytes();
    let bits = report.quantised.layers.first().map_or(0, |layer| layer.activation.bits);
    let mut text = String::new();
    let place = report.output.map_or("not written".to_string(), |path| path.display().to_string());
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{place}: {} of {} hidden layers in int8, activations of {bits} bits over {}; {before} bytes of numbers are {after}",
        report.quantised.layers.len(),
        report.network.architecture.depth,
        report.calibration,
    );
    let (said, _) = report.network.architecture.features.model.said();
    let unit = if said == "price" { "f32, of the strike" } else { "f32, per 1.00" };
    let head = format!("{said} errors on {} rows that were never seen", errors.rows);
    let _ = writeln!(text, "\n  {head:<48}{:>10} {:>11}", "rmse", "worst");
    let _ = writeln!(text, "  {unit:<48}{:>10.2e} {:>11.2e}", errors.float_rmse, errors.float_max);
    let _ = writeln!(
        text,
        "  {:<48}{:>10.2e} {:>11.2e}",
        format!("quantised, {:.3} times", errors.ratio()),
        errors.quantised_rmse,
        errors.quantised_max
    );
    let _ = writeln!(text, "  {:<48}{:>10.2e}", "one from the other", errors.difference_rmse);
    let _ = writeln!(
        text,
        "\n  layer   rms of sums   error by weights   by activations   all before too   clipped   {said}, this layer alone"
    );
    for layer in &errors.layers {
        let LayerErrors { layer, sums_rms, by_weights, by_activations, together, clipped, price_rmse } = layer;
        let clipped = 100.0 * clipped;
        let _ = writeln!(
            text,
            "  {layer:>5} {sums_rms:>13.2} {by_weights:>18.2e} {by_activations:>16.2e} {together:>16.2e} {clipped:>7.2} % {price_rmse:>25.2e}"
        );
    }
    let (times, who) =
        if quantised_ns < float_ns { (float_ns / quantised_ns, "faster") } else { (quantised_ns / float_ns, "slower") };
    let _ = writeln!(
        text,
        "\n  an option costs {float_ns:.0} ns in f32 and {quantised_ns:.0} ns quantised: {times:.2} times {who}"
    );
    text
}

/// The same for programs.
pub fn json(report: &Report<'_>) -> Value {
    let errors = &report.quantised.errors;
    let [before, after] = report.bytes();
    value!({
        "output": report.output,
        "calibration": report.calibration,
        "activation_bits": report.quantised.layers.first().map(|layer| layer.activation.bits),
        "quantised_layers": report.quantised.layers.len(),
        "hidden_layers": report.network.architecture.depth,
        "float_bytes": before,
        "quantised_bytes": after,
        "test_rows": errors.rows,
        "float_rmse": errors.float_rmse,
        "float_max": errors.float_max,
        "quantised_rmse": errors.quantised_rmse,
        "quantised_max": errors.quantised_max,
        "difference_rmse": errors.difference_rmse,
        "error_ratio": errors.ratio(),
        "layers": errors.layers,
        "float_ns": report.speed.float_ns,
        "quantised_ns": report.speed.quantised_ns,
    })
}

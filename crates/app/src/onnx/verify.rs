//! ONNX Runtime's prices against the network's own, by its scalar twin in f64.
//!
//! A quantised network's differ by more than rounding where f32 and f64 fall on two sides of a half and an activation becomes the next
//! integer. That is no fault: half of all rows must be as near as other networks' are, and what is left must be small beside what the
//! integers themselves cost.

use anyhow::Context;
use rayon::prelude::*;
use zomma_engines::onnx::{OnnxRuntime, OnnxSession, SessionOptions};
use zomma_learn::{
    config::{DataConfig, PricingModel, TrainConfig},
    data::{PointSet, uniform},
    network::{TableColumns, value, value_alone},
    quantisation::quantised_value,
};

use super::Network;

/// Multiplications that the twin may be asked for: some seconds.
const WORK_MAX: usize = 4_000_000_000;
/// Numbers that the twin carries with each of its own.
const JET: usize = 15;

/// What was compared, and how it went.
pub struct Tested {
    /// Rows.
    pub rows: usize,
    /// The greatest difference, over the price where that is above 1; NaN where one is.
    pub worst: f64,
    /// What half of all rows are within.
    pub median: f64,
    /// Root mean square, and how much it may be: for a quantised network a tenth of its error.
    pub rms: [f64; 2],
    /// Whether activations are integers.
    pub is_quantised: bool,
    /// The row it was met at.
    pub worst_at: String,
    /// What ONNX Runtime says of its build.
    pub runtime: &'static str,
}

impl Tested {
    /// Whether ONNX Runtime computes the same network. Of what is no number it never is.
    pub fn is_within(&self, tolerance: f64) -> bool {
        let [rms, allowed] = self.rms;
        if self.is_quantised {
            self.median <= tolerance && rms <= allowed.max(tolerance)
        } else {
            self.worst <= tolerance
        }
    }
}

/// Compares `rows` rows, or as many as a large network leaves time for.
pub fn verify(
    network: &Network,
    domain: Option<&DataConfig>,
    model: &[u8],
    runtime: &OnnxRuntime,
    rows: usize,
) -> anyhow::Result<Tested> {
    let quantised = match network {
        Network::Quantised(network) => Some(network),
        Network::Trained(_) => None,
    };
    let network = network.plain();
    let features = &network.architecture.features;
    let rows = rows.min((WORK_MAX / JET / network.parameters.len().max(1)).max(16));
    let names = features.input_names();
    let inputs = match &features.table {
        Some(table) => within(table, rows),
        None => {
            let of_model;
            let domain = match domain {
                Some(domain) => domain,
                None => {
                    of_model = usual_domain(features.model)?;
                    &of_model
                }
            };
            let points = PointSet::held_out(domain);
            let mut inputs = vec![0.0; rows * names.len()];
            inputs.chunks_exact_mut(names.len()).enumerate().for_each(|(i, row)| points.point(i as u64, row));
            inputs
        }
    };
    // Targets of a table have a size of their own.
    let size = features.table.as_ref().map_or(1.0, |table| table.target.deviation);
    let mut session = OnnxSession::open(runtime, model, &SessionOptions::default())?;
    let found = session.prices(&inputs)?;
    let differences: Vec<f64> = inputs
        .par_chunks_exact(names.len())
        .zip(&found)
        .map(|(row, found)| {
            let (architecture, parameters, statistics) =
                (&network.architecture, &network.parameters[..], &network.statistics[..]);
            let own = match (quantised, &features.table) {
                (Some(quantised), _) => quantised_value(quantised, row),
                (None, Some(table)) => table.target.unscaled(value_alone(architecture, parameters, statistics, row)),
                (None, None) => value(architecture, parameters, statistics, row).price,
            };
            (found - own).abs() / own.abs().max(size)
        })
        .collect();
    // Not f64::max, which would hide NaN.
    let (at, worst) =
        differences.iter().copied().enumerate().fold((0, 0.0), |most, next| if next.1 <= most.1 { most } else { next });
    let row = names.iter().zip(&inputs[at * names.len()..]);
    let worst_at = row.map(|(name, input)| format!("{name} {input}")).collect::<Vec<_>>().join(", ");
    let rms = (differences.iter().map(|x| x * x).sum::<f64>() / rows as f64).sqrt();
    let allowed = quantised.map_or(0.0, |quantised| 0.1 * quantised.errors.quantised_rmse);
    let mut sorted = differences;
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let is_quantised = quantised.is_some();
    Ok(Tested { rows, worst, median, rms: [rms, allowed], is_quantised, worst_at, runtime: runtime.build() })
}

/// Rows of a table's columns, even between the least and the greatest that were learned.
fn within(table: &TableColumns, rows: usize) -> Vec<f64> {
    const SEED: u64 = 0x6f6e_6e78;
    let columns = || table.inputs.iter().enumerate();
    let row = |i: usize| {
        columns().map(move |(j, column)| {
            let share = uniform(SEED, (i * table.inputs.len() + j) as u64);
            column.least + share * (column.greatest - column.least)
        })
    };
    (0..rows).flat_map(row).collect()
}

/// Inputs of the size that markets have, for a network whose domain is not known.
fn usual_domain(model: PricingModel) -> anyhow::Result<DataConfig> {
    let range = |name: &str| match name {
        "moneyness" => [0.5, 2.0],
        "expiry_years" => [0.02, 3.0],
        "volatility" => [0.05, 1.0],
        "v0" | "theta_v" => [0.01, 0.5],
        "kappa" => [0.1, 5.0],
        "sigma_v" => [0.1, 1.0],
        "risk_free_rate" | "dividend_yield" => [0.0, 0.1],
        _ => [-0.9, 0.3],
    };
    let ranges: Vec<String> = model
        .input_names()
        .iter()
        .map(|name| {
            let [min, max] = range(name);
            format!("{name} = {{ min = {min:?}, max = {max:?} }}\n")
        })
        .collect();
    let text =
        format!("[data]\nmodel = \"{}\"\n[data.ranges]\n{}[training]\nsteps = 1\n", model.as_str(), ranges.concat());
    Ok(TrainConfig::parse(&text).context("the usual domain")?.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_usual_domain() {
        for model in [PricingModel::BlackScholes, PricingModel::Heston, PricingModel::American] {
            assert_eq!(usual_domain(model).unwrap().ordered_ranges().len(), model.input_names().len());
        }
    }
}

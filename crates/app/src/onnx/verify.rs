//! ONNX Runtime's prices against the network's own, by its scalar twin in f64; those of a network that solves an equation by itself, which is f64.
//!
//! A quantised network's differ by more than rounding where f32 and f64 fall on two sides of a half and an activation becomes the next
//! integer. That is no fault: half of all rows must be as near as other networks' are, and what is left must be small beside what the
//! integers themselves cost.

use anyhow::{Context, bail};
use rayon::prelude::*;
use zomma_engines::onnx::{OnnxRuntime, OnnxSession, SessionOptions};
use zomma_learn::{
    config::{DataConfig, PricingModel, TrainConfig},
    data::{PointSet, Source, uniform},
    network::{value, value_alone},
    quantisation::{QuantisedNetwork, quantised_value},
    training::TrainedNetwork,
};

use super::Network;

/// Multiplications that the twin may be asked for: some seconds.
const WORK_MAX: usize = 4_000_000_000;
/// Numbers that the twin carries with each of its own.
const JET: usize = 15;
/// Rows of implied volatilities that are drawn at least, so that some are left.
const LEAST_DRAWN: usize = 1024;

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
        Network::Quantised(network) => Some(&**network),
        Network::Trained(_) | Network::Solution(_) => None,
    };
    let parameters = match network {
        Network::Solution(solution) => solution.parameters.len(),
        Network::Trained(network) => network.parameters.len(),
        Network::Quantised(network) => network.network.parameters.len(),
    };
    let rows = rows.min((WORK_MAX / JET / parameters.max(1)).max(16));
    let names = network.input_names();
    let inputs = match network {
        Network::Solution(solution) => within(&solution.input_ranges()?, rows),
        Network::Trained(network) => inputs(network, domain, rows)?,
        Network::Quantised(network) => inputs(&network.network, domain, rows)?,
    };
    // Of volatilities some rows are left out.
    let rows = inputs.len() / names.len();
    let mut session = OnnxSession::open(runtime, model, &SessionOptions::default())?;
    let found = session.prices(&inputs)?;
    let own = match network {
        Network::Solution(solution) => solution.calls(&inputs),
        Network::Trained(network) => own(network, None, &inputs),
        Network::Quantised(network) => own(&network.network, Some(&**network), &inputs),
    };
    // Targets of a table have a size of their own.
    let table = network.trained().and_then(|network| network.architecture.features.table.as_ref());
    let size = table.map_or(1.0, |table| table.target.deviation);
    let difference = |(found, own): (&f64, &f64)| (found - own).abs() / own.abs().max(size);
    let differences: Vec<f64> = found.iter().zip(&own).map(difference).collect();
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

/// What a network says of rows of inputs, by its scalar twin.
fn own(network: &TrainedNetwork, quantised: Option<&QuantisedNetwork>, inputs: &[f64]) -> Vec<f64> {
    let TrainedNetwork { architecture, parameters, statistics, .. } = network;
    let features = &architecture.features;
    let of_row = |row: &[f64]| match (quantised, &features.table) {
        (Some(quantised), _) => quantised_value(quantised, row),
        (None, Some(table)) => table.target.unscaled(value_alone(architecture, parameters, statistics, row)),
        (None, None) => value(architecture, parameters, statistics, row).price,
    };
    inputs.par_chunks_exact(features.inputs()).map(of_row).collect()
}

/// Rows on which a network is looked at: of its domain, or of the usual one. Of implied volatilities those alone whose price determines one.
fn inputs(network: &TrainedNetwork, domain: Option<&DataConfig>, rows: usize) -> anyhow::Result<Vec<f64>> {
    let features = &network.architecture.features;
    if let Some(table) = &features.table {
        let spans: Vec<[f64; 2]> = table.inputs.iter().map(|column| [column.least, column.greatest]).collect();
        return Ok(within(&spans, rows));
    }
    let of_model;
    let domain = match domain {
        Some(domain) => domain,
        None => {
            of_model = usual_domain(features.model)?;
            &of_model
        }
    };
    if features.model.is_implied_volatility() {
        // Prices are inputs here, and made with the labels. The most rows are left out of a domain far from the money.
        let wanted = rows.max(LEAST_DRAWN);
        let mut inputs = Source::held_out(&DataConfig { held_out: wanted, ..domain.clone() })?.inputs;
        inputs.truncate(rows * features.inputs());
        if inputs.is_empty() {
            bail!(
                "no price of {wanted} rows of its domain determines a volatility (vega of {} or more)",
                domain.least_vega
            );
        }
        return Ok(inputs);
    }
    let points = PointSet::held_out(domain);
    let mut inputs = vec![0.0; rows * features.inputs()];
    inputs.chunks_exact_mut(features.inputs()).enumerate().for_each(|(i, row)| points.point(i as u64, row));
    Ok(inputs)
}

/// Rows that are even between the least and the greatest of each column.
fn within(spans: &[[f64; 2]], rows: usize) -> Vec<f64> {
    const SEED: u64 = 0x6f6e_6e78;
    let number = |i: usize| {
        let [least, greatest] = spans[i % spans.len()];
        least + uniform(SEED, i as u64) * (greatest - least)
    };
    (0..rows * spans.len()).map(number).collect()
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
        .range_names()
        .iter()
        .map(|name| {
            let [min, max] = range(name);
            format!("{name} = {{ min = {min:?}, max = {max:?} }}\n")
        })
        .collect();
    // A config of volatilities is asked for an output that says some.
    let network = if model.is_implied_volatility() { "[network]\noutput = \"scaled\"\n" } else { "" };
    let text = format!(
        "{network}[data]\nmodel = \"{}\"\n[data.ranges]\n{}[training]\nsteps = 1\n",
        model.as_str(),
        ranges.concat()
    );
    Ok(TrainConfig::parse(&text).context("the usual domain")?.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_a_usual_domain() {
        for model in [
            PricingModel::BlackScholes,
            PricingModel::Heston,
            PricingModel::American,
            PricingModel::BlackScholesImpliedVolatility,
        ] {
            assert_eq!(usual_domain(model).unwrap().ordered_ranges().len(), model.input_names().len());
        }
    }
}

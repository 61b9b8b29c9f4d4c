//! The scalar twin of a quantised network in f64: what kernels and exported models are held against.

use super::{QuantisedLayer, QuantisedNetwork};
use crate::network::Place;
use crate::training::TrainedNetwork;

/// The undiscounted call over the strike of one row, with what a quantised layer is given rounded to its integers.
///
/// # Panics
/// Where the row has too few inputs.
pub fn quantised_value(network: &QuantisedNetwork, row: &[f64]) -> f64 {
    let TrainedNetwork { architecture, parameters, .. } = &network.network;
    let layout = architecture.layout();
    let shown = architecture.features.shown(row);
    let mut given = shown.values[..architecture.features.kinds.len()].to_vec();
    for (layer, places) in layout.hidden.iter().enumerate() {
        let seen = match network.layers.iter().find(|quantised| quantised.layer == layer) {
            Some(quantised) => rounded(quantised, &given),
            None => given.clone(),
        };
        let sums = linear(&seen, [&places.weight, &places.bias], parameters);
        let residual = architecture.is_residual(layer);
        let values = sums.iter().map(|z| architecture.activation.twin(*z)[0]);
        given = values.enumerate().map(|(j, value)| value + if residual { given[j] } else { 0.0 }).collect();
    }
    let r = linear(&given, [&layout.out_weight, &layout.out_bias], parameters)[0];
    architecture.output.price(r, row[0], shown.total_volatility)
}

/// What the integers of activations stand for.
fn rounded(layer: &QuantisedLayer, given: &[f64]) -> Vec<f64> {
    let scale = &layer.activation;
    given.iter().map(|x| f64::from(scale.dequantise(scale.quantise(*x as f32)))).collect()
}

fn linear(given: &[f64], [weight, bias]: [&Place; 2], parameters: &[f32]) -> Vec<f64> {
    let mut sums: Vec<f64> = bias.of(parameters).iter().map(|x| f64::from(*x)).collect();
    for (x, weights) in given.iter().zip(weight.of(parameters).chunks_exact(sums.len())) {
        sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += x * f64::from(*weight));
    }
    sums
}

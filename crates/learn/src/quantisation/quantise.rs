//! From a trained network to a quantised one: calibrated on rows of its own training domain, measured on rows that it never saw.

use zomma_base::Status;

use super::calibration::rounded;
use super::compensation;
use super::emulation::{Emulation, Layer};
use super::{Calibration, LayerErrors, QuantisationErrors, QuantisedLayer, QuantisedNetwork};
use crate::LearnError;
use crate::config::DataConfig;
use crate::data::{PointSet, Rows, Source};
use crate::inference::Pricer;
use crate::training::TrainedNetwork;

/// Rows that ranges and roundings are calibrated with: half as training spreads them, half even over the domain.
const CALIBRATION_ROWS: usize = 8192;
/// Rows that prices are measured on, however few the training looked at: of few the ratio of two errors is chance.
const TEST_ROWS: usize = 16_384;
/// Rows that each layer is looked at on.
const LAYER_ROWS: usize = 2048;
/// Most units of a layer whose sums with 16-bit activations are exact in 32 bits: 256·65535·127 is below 2³¹.
pub(super) const MOST_UNITS: usize = 256;

/// How a network is quantised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantisationOptions {
    /// How the range of a layer's activations is chosen.
    pub calibration: Calibration,
    /// Bits of activations, 8 or 16.
    pub activation_bits: u32,
    /// Whether weights are rounded so that sums move least; else each to the nearest.
    pub compensation: bool,
}

impl Default for QuantisationOptions {
    fn default() -> Self {
        Self { calibration: Calibration::MinMax, activation_bits: 16, compensation: true }
    }
}

/// Quantises a network.
///
/// Errors: [`LearnError::BadValue`] for a network that is not plain, has no hidden layer between the first and the last, is wider than 32-bit
/// sums allow, or does not say what it learned; [`LearnError::BadLabels`].
pub fn quantise(network: &TrainedNetwork, options: &QuantisationOptions) -> Result<QuantisedNetwork, LearnError> {
    let data = check(network, options)?;
    let rows = calibration_rows(data)?;
    let mut emulation = Emulation::new(network, &rows);
    let exact = emulation.clone();
    let layout = network.architecture.layout();
    let mut layers = Vec::new();
    let (mut given, mut given_exact) = (emulation.given(1), exact.given(1));
    for layer in 1..network.architecture.depth {
        let quantised = quantise_layer(network, options, layer, (&given, &given_exact));
        emulation.layers[layer] = Layer::of(&quantised);
        (given, given_exact) = (emulation.through(layer, &given), exact.through(layer, &given_exact));
        layers.push(quantised);
    }
    let mut changed = network.clone();
    for layer in &layers {
        let places = &layout.hidden[layer.layer];
        places.weight.of_mut(&mut changed.parameters).copy_from_slice(&layer.dequantised_weights());
        places.bias.of_mut(&mut changed.parameters).copy_from_slice(&layer.bias);
    }
    let mut quantised = QuantisedNetwork { network: changed, layers, errors: QuantisationErrors::default() };
    quantised.errors = measure(network, &quantised, data)?;
    Ok(quantised)
}

fn check<'a>(network: &'a TrainedNetwork, options: &QuantisationOptions) -> Result<&'a DataConfig, LearnError> {
    let architecture = &network.architecture;
    if !architecture.is_plain() {
        return Err(LearnError::bad("network", architecture.describe(), "a network without norm and dropout"));
    }
    if architecture.features.model.is_table() {
        let shown = architecture.features.model.as_str();
        return Err(LearnError::bad("the network's model", shown, "a network of prices or implied volatilities"));
    }
    if architecture.depth < 2 {
        let allowed = "2 or more: the first hidden layer and the last stay f32, those between are quantised";
        return Err(LearnError::bad("network.depth", architecture.depth, allowed));
    }
    if options.activation_bits == 16 && architecture.width > MOST_UNITS {
        let allowed = format!("at most {MOST_UNITS} with activations of 16 bits, whose sums must fit into 32");
        return Err(LearnError::bad("network.width", architecture.width, allowed));
    }
    network.data.as_ref().ok_or_else(|| LearnError::Missing {
        key: "the network's training domain".into(),
        wanted: "it was written by a version that did not keep it: train it again".into(),
    })
}

/// Inputs, row after row. Those of implied volatilities hold prices, which are made with the labels.
///
/// Errors: [`LearnError::BadLabels`]; [`LearnError::BadValue`] where no price of the domain determines a volatility.
fn calibration_rows(data: &DataConfig) -> Result<Vec<f64>, LearnError> {
    if data.model.is_implied_volatility() {
        let half = DataConfig { held_out: CALIBRATION_ROWS / 2, samples: None, shards: None, ..data.clone() };
        let mut rows = Source::new(&half, 0)?.first(CALIBRATION_ROWS / 2)?.inputs;
        rows.extend(Source::held_out(&half)?.inputs);
        let is_price = |row: &&[f64]| row[2] >= f64::from(f32::MIN_POSITIVE);
        let rows: Vec<f64> = rows.chunks_exact(3).filter(is_price).flatten().copied().collect();
        if rows.is_empty() {
            let allowed = "a domain in which some prices determine a volatility";
            return Err(LearnError::bad("data.least_vega", data.least_vega, allowed));
        }
        return Ok(rows);
    }
    let points = [PointSet::training(data), PointSet::held_out(data)];
    let inputs = data.model.input_names().len();
    let mut rows = vec![0.0; CALIBRATION_ROWS * inputs];
    for (i, row) in rows.chunks_exact_mut(inputs).enumerate() {
        points[i % 2].point(i as u64 / 2, row);
    }
    Ok(rows)
}

/// A layer from what it is given, behind quantised layers and behind exact ones.
fn quantise_layer(
    network: &TrainedNetwork,
    options: &QuantisationOptions,
    layer: usize,
    (given, given_exact): (&[f64], &[f64]),
) -> QuantisedLayer {
    let places = &network.architecture.layout().hidden[layer];
    let [inputs, units] = places.weight.shape;
    let activation = options.calibration.scale(options.activation_bits, given);
    let given: Vec<f64> = given.iter().map(|x| rounded(&activation, *x)).collect();
    let weights = places.weight.of(&network.parameters);
    // Inputs of one row never move: nothing is compensated.
    let seen = if options.compensation { &given[..] } else { &given[..inputs] };
    let compensation::Rounded { weights: integers, scales } = compensation::round(weights, units, seen);
    let mut quantised = QuantisedLayer {
        layer,
        inputs,
        units,
        activation,
        weights: integers,
        weight_scales: scales,
        bias: places.bias.of(&network.parameters).to_vec(),
    };
    let (mean, mean_exact) = (means(&given, inputs), means(given_exact, inputs));
    let dequantised = quantised.dequantised_weights();
    for (j, bias) in quantised.bias.iter_mut().enumerate() {
        let column = |weights: &[f32], mean: &[f64]| -> f64 {
            weights.iter().skip(j).step_by(units).zip(mean).map(|(w, x)| f64::from(*w) * x).sum()
        };
        *bias += (column(weights, &mean_exact) - column(&dequantised, &mean)) as f32;
    }
    quantised
}

fn means(rows: &[f64], inputs: usize) -> Vec<f64> {
    let count = (rows.len() / inputs) as f64;
    (0..inputs).map(|i| rows.iter().skip(i).step_by(inputs).sum::<f64>() / count).collect()
}

/// Errors on rows that neither training nor calibration saw, by the integer kernel itself; by layer in f64.
fn measure(
    network: &TrainedNetwork,
    quantised: &QuantisedNetwork,
    data: &DataConfig,
) -> Result<QuantisationErrors, LearnError> {
    let (rows, _) = Source::tested(&DataConfig { held_out: TEST_ROWS, ..data.clone() })?;
    let priced = |pricer: Pricer| {
        let (mut prices, mut status) = (vec![0.0; rows.len()], vec![Status::Ok; rows.len()]);
        pricer.prices(&rows.inputs, &mut prices, &mut status);
        prices
    };
    let (float, integer) = (priced(Pricer::of_any(network)?), priced(Pricer::quantised_of_any(quantised)?));
    let (float_rmse, float_max) = errors(&float, &rows.prices);
    let (quantised_rmse, quantised_max) = errors(&integer, &rows.prices);
    Ok(QuantisationErrors {
        rows: rows.len(),
        float_rmse,
        float_max,
        quantised_rmse,
        quantised_max,
        difference_rmse: errors(&integer, &float).0,
        layers: by_layer(network, quantised, &rows),
    })
}

/// Root mean square and greatest; NaN is not hidden.
fn errors(found: &[f64], wanted: &[f64]) -> (f64, f64) {
    let pairs = || found.iter().zip(wanted).map(|(found, wanted)| (found - wanted).abs());
    let squares: f64 = pairs().map(|error| error * error).sum();
    let most = pairs().fold(0.0, |most, error| if error <= most { most } else { error });
    ((squares / found.len().max(1) as f64).sqrt(), most)
}

fn by_layer(network: &TrainedNetwork, quantised: &QuantisedNetwork, rows: &Rows) -> Vec<LayerErrors> {
    let inputs = network.architecture.features.model.input_names().len();
    let rows = &rows.inputs[..rows.len().min(LAYER_ROWS) * inputs];
    let exact = Emulation::new(network, rows);
    let prices = exact.prices();
    let mut all = exact.clone();
    for layer in &quantised.layers {
        all.layers[layer.layer] = Layer::of(layer);
    }
    let of_layer = |layer: &QuantisedLayer| {
        let (given, l) = (exact.given(layer.layer), layer.layer);
        let sums = exact.layers[l].sums(&given);
        let only = all.layers[l].clone();
        let weights = Layer { activation: None, ..only.clone() };
        let activations = Layer { activation: only.activation, ..exact.layers[l].clone() };
        let mut alone = exact.clone();
        alone.layers[l] = only;
        let [least, most] = [0, layer.activation.most()].map(|q| f64::from(layer.activation.dequantise(q)));
        // Half a step beyond the ends rounds to them.
        let slack = 0.5 * f64::from(layer.activation.scale);
        let clipped = given.iter().filter(|x| **x < least - slack || **x > most + slack).count();
        LayerErrors {
            layer: l,
            sums_rms: errors(&sums, &vec![0.0; sums.len()]).0,
            by_weights: errors(&weights.sums(&given), &sums).0,
            by_activations: errors(&activations.sums(&given), &sums).0,
            together: errors(&all.layers[l].sums(&all.given(l)), &sums).0,
            clipped: clipped as f64 / given.len() as f64,
            price_rmse: errors(&alone.prices(), &prices).0,
        }
    };
    quantised.layers.iter().map(of_layer).collect()
}

#[cfg(test)]
mod tests;
